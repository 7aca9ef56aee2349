package masterfile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/miekg/dns"
	"pgregory.net/rapid"
)

// samples is data of every type that has a layout, as text.
var samples = map[uint16][]string{
	dns.TypeA:     {"192.0.2.1", "0.0.0.0", "255.255.255.255", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", ""},
	dns.TypeAAAA:  {"2001:db8::1", "::", "::1", "1::", "1:2:3:4:5:6:7:8", "::ffff:192.0.2.1", "1:2:3:4:5:6:7::", "1::2::3", "12345::", ":1", "1:"},
	dns.TypeNS:    {"ns", "ns.example.net.", "@", ".", `a\.b`, `\065.`, "a..b", strings.Repeat("a", 63), strings.Repeat("a", 64), strings.Repeat("a.", 121), strings.Repeat("a.", 130)},
	dns.TypeMD:    {"md"},
	dns.TypeMF:    {"mf"},
	dns.TypeCNAME: {"www.example.net."},
	dns.TypeSOA:   {"ns1 hostmaster 1 2 3 4 5", "ns1 hostmaster 4294967295 1h 1d 1w 0", "ns1 hostmaster 1 2 3 4", "ns1 hostmaster 4294967296 2 3 4 5"},
	dns.TypeMB:    {"mb"},
	dns.TypeMG:    {"mg"},
	dns.TypeMR:    {"mr"},
	dns.TypePTR:   {"ptr"},
	dns.TypeHINFO: {`"PC" "Linux"`, `a\032b ""`},
	dns.TypeMINFO: {"a b"},
	dns.TypeMX:    {"10 mx", "0 .", "65535 mx", "65536 mx", "-1 mx", "mx 10", "10"},
	dns.TypeTXT:   {`"a b" c "" d\"e`, `"` + strings.Repeat("a", 255) + `"`, `\000\255`, ""},
	dns.TypeSPF:   {`"v=spf1 -all"`},
	dns.TypeAVC:   {`"app-name:WOLFGANG|app-class:OAM|business=yes"`},
	dns.TypeNINFO: {"text b"}, dns.TypeRESINFO: {"qnamemin exterr=15,16,17 infourl=https://resolver.example.com/guide"}, typeWALLET: {"BTC abc"},
	dns.TypeNSAPPTR: {"ns"}, dns.TypeTALINK: {"a b"}, dns.TypePX: {"10 a b"},
	dns.TypeSIG:  {"A 5 3 3600 20300322173103 20200220173103 2642 example.com. AQID"},
	dns.TypeKEY:  {"256 3 RSAMD5 AQID", "NOKEY 3 8", "49152 3 8", "NOCONF|ZONE DNSSEC 8 AQID", "NOCONF|NOAUTH 3 8 AQID", "ZONE|FLAG2|SIG3 ALL DH AQID", "256 3 8"},
	dns.TypeRKEY: {"0 3 5 AQIDBA==", "1 3 5 AQIDBA=="}, dns.TypeEID: {"e32c 6f78"}, dns.TypeNIMLOC: {"32251a030067"},
	dns.TypeGPOS: {"-32.6882 116.8652 10.0", `"-32.6882" "116.8652" "10.0"`, "1 2"},
	dns.TypeNXT:  {"b MX A", "b A NS SOA MX RRSIG NXT", "b", "b TYPE127", "b TYPE128", "b TYPE0"},
	typeWKS:      {"192.0.2.1 TCP ( smtp 80 )", "192.0.2.1 17", "192.0.2.1 udp DOMAIN 0 65535", "192.0.2.1 256 1", "192.0.2.1 TCP nosuch", "192.0.2.1 OSPF", "192.0.2.1 tcp sql*net x400-snd LOGIN"},
	typeNSAP:     {"0x47.0005.80.005a00.0000.0001.e133.ffffff000161.00", "0X4700", "4700", "0x", "0x470"},
	typeATMA:     {"+61200000000", "39.246f.00.0e7c9c", "+6120.0000", "+", "39..24", "+61a"},
	typeA6:       {"0 2001:db8::1", "64 ::1:2:3:4 pre", "61 ffff:ffff:ffff:ffff:1:2:3:4 pre", "128 pre", "129 pre", "0 2001:db8::1 x"},
	typeSINK:     {"64 1 2 AQIDBA==", "1 0 0"},
	typeDOA:      {`1 2 3 "text/plain" AQIDBA==`, `0 0 0 "" -`},
	typeDSYNC:    {"CDS NOTIFY 5359 rr-endpoint.example.", "CSYNC 1 5359 ."},
	typeHHIT:     {"AQID"}, typeBRID: {"AQID"}, dns.TypeTA: {"1 8 2 0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF"},
	dns.TypeAMTRELAY: {"10 0 1 203.0.113.15", "10 1 2 2001:db8::15", "128 1 3 amtrelays.example.com.", "10 1 0 .", "10 2 0 .", "10 0 4 .", "10 0 0 x"},
	dns.TypeIPSECKEY: {"10 1 2 192.0.2.38 AQID", "10 0 0 .", "10 2 2 2001:0DB8:0:8002::2000:1 AQID", "10 3 2 gw AQID", "10 4 2 . AQID", "10 0 2 x AQID"},
	dns.TypeHIP:      {"2 200100107B1A74DF365639CC39F1D578 AwEAAbdx rvs1 rvs2.example.net.", "0 00 AA==", "2 2 AA=="},
	dns.TypeRP:       {"a b"},
	dns.TypeAFSDB:    {"1 a"},
	dns.TypeX25:      {"311061700956"},
	dns.TypeISDN:     {`"150862028003217" "004"`},
	dns.TypeRT:       {"10 a"},
	dns.TypeKX:       {"10 a"},
	dns.TypeDNAME:    {"example.net."},
	dns.TypeSRV:      {"0 5 5060 sip", "0 5 65536 sip"},
	dns.TypeNAPTR:    {`100 10 "S" "SIP+D2U" "!^.*$!sip:a@b!" .`},
	dns.TypeLP:       {"10 l64"},
	dns.TypeNID:      {"10 0014:4fff:ff20:ee64", "10 0014:4fff:ff20:ee6"},
	dns.TypeL32:      {"10 10.1.2.0"},
	dns.TypeL64:      {"10 2001:0DB8:1140:1000"},
	dns.TypeCAA:      {`0 issue "ca.example.net; a=b"`, `128 iodef "mailto:a@b"`},
	dns.TypeURI:      {`10 1 "https://example.com/"`},
	dns.TypeAPL:      {"1:192.168.32.0/21 !2:2001:db8::/32", "", "1:0.0.0.0/0"},
	dns.TypeLOC: {"52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m", "90 S 180 W 0", "42 21 N 71 06 18 W -24m 30m", "1 2 3.5 n 4 5 6.25 e 42849672.95m",
		"90 0 0.001 N 1 E 0m", "1 60 N 1 E 0m", "1 E 1 N 0m", "1 N 1 E -100000.01m", "1 N 1 E"},
	dns.TypeDS:         {"60485 5 1 2BB183AF5F22588179A53B0A 98631FAD1A292118", "60485 5 1 2BB"},
	dns.TypeCDS:        {"0 0 0 00"},
	dns.TypeDLV:        {"1 8 2 0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF", "1 8 2 0123456789ABCDEF"},
	dns.TypeSSHFP:      {"1 1 123456789abcdef67890123456789abcdef67890"},
	dns.TypeTLSA:       {"3 1 1 0123456789abcdef"},
	dns.TypeSMIMEA:     {"3 1 1 0123456789abcdef"},
	dns.TypeCERT:       {"PGP 0 0 AQID", "1 2 RSASHA256 AQID"},
	dns.TypeDNSKEY:     {"256 3 8 AQID BAUG", "256 3 8 !"},
	dns.TypeCDNSKEY:    {"0 3 0 AA=="},
	dns.TypeRRSIG:      {"A 8 3 60 20300101000000 20200101000000 1 example.com. AQID", "TYPE65280 8 3 60 1893456000 1577836800 1 . AQID"},
	dns.TypeNSEC:       {"a A NS TXT TYPE1234", "a"},
	dns.TypeNSEC3:      {"1 1 12 aabbccdd 2t7b4g4vsa5smi47k61mv5bv1a22bojr A RRSIG", "1 0 0 - 2t7b4g4vsa5smi47k61mv5bv1a22bojr"},
	dns.TypeNSEC3PARAM: {"1 0 12 aabbccdd", "1 0 0 -"},
	dns.TypeCSYNC:      {"66 3 A NS AAAA"},
	dns.TypeZONEMD:     {"2018031500 240 240 0123456789abcdef01234567"},
	dns.TypeDHCID:      {"AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA="},
	dns.TypeOPENPGPKEY: {"AQID"},
	dns.TypeEUI48:      {"00-00-5e-00-53-2a", "00-00-5e-00-53"},
	dns.TypeEUI64:      {"00-00-5e-ef-10-00-00-2a"},
	dns.TypeSVCB:       {"0 a", "1 . alpn=h2,h3 port=443 ipv4hint=192.0.2.1,192.0.2.2", `1 . key65000="a b"`},
	dns.TypeHTTPS: {"1 . mandatory=alpn,port port=443 alpn=h2", `1 . alpn="a\\,b,c"`, "1 . ipv6hint=2001:db8::1 ech=AQID",
		"1 . dohpath=/q{?dns} ohttp", "1 . alpn=h2 no-default-alpn"},
}

// Every layout is held to the library: see agree.
func TestLayoutsAgreeWithLibrary(t *testing.T) {
	for rtype := range layouts {
		if len(samples[rtype]) == 0 {
			t.Errorf("there is no sample of %s", TypeName(rtype))
		}
	}
	for rtype, texts := range samples {
		packed := 0
		for _, text := range texts {
			if _, err := pack(t, rtype, text); err == nil {
				packed++
			}
			agree(t, rtype, text)
		}
		if packed == 0 {
			t.Errorf("no sample of %s is packed", TypeName(rtype))
		}
	}
}

// pack packs data as a Reader does.
func pack(t failer, rtype uint16, text string) ([]byte, error) {
	t.Helper()
	s := scanner{text: []byte(text), line: 1}
	s.scan()
	if s.fault != nil {
		return nil, s.fault
	}
	var b builder
	return b.pack(rtype, s.fields, wireName(t, "example.com."))
}

// rrHead is what stands before the data of a record that the root owns.
const rrHead = 1 + 10

// agree holds what is packed to its own wire form and to the generic form. Where package dns is
// right, it makes the same of the text if it can read that.
func agree(t testing.TB, rtype uint16, text string) {
	t.Helper()
	data, err := pack(t, rtype, text)
	if err != nil {
		return
	}
	if err := wellFormed(rtype, data); err != nil {
		t.Errorf("%s %q is packed to %x: %v", TypeName(rtype), text, data, err)
	}
	data = bytes.Clone(data)
	generic := fmt.Sprintf(`\# %d %X`, len(data), data)
	if again, err := pack(t, rtype, generic); err != nil || !bytes.Equal(again, data) {
		t.Errorf("%s %q is packed to %x, but in the generic form to %x (%v)", TypeName(rtype), text, data, again, err)
	}
	if strings.ContainsAny(text, "\n\r\x00") || misread(rtype, text, data) {
		return
	}
	rr, err := dns.NewRR("$ORIGIN example.com.\n. 0 IN " + dns.Type(rtype).String() + " " + text)
	if err != nil || rr == nil {
		return
	}
	buf := make([]byte, dns.MaxMsgSize+rrHead)
	end, err := dns.PackRR(rr, buf, 0, nil, false)
	if err != nil || end < rrHead {
		return
	}
	if rtype == dns.TypeISDN && len(data) == 1+int(data[0]) {
		data = append(data, 0) // the library always writes the second string
	}
	if want := buf[rrHead:end]; !bytes.Equal(data, want) {
		t.Errorf("%s %q is packed to\n%x, want\n%x", TypeName(rtype), text, data, want)
	}
}

// misread says whether package dns makes another thing of data than its type has.
func misread(rtype uint16, text string, data []byte) bool {
	switch rtype {
	case dns.TypeAMTRELAY: // it drops the relay if there is a discovery bit
		return true
	case dns.TypeNXT: // it writes the bitmap of NSEC
		return true
	case dns.TypeSVCB, dns.TypeHTTPS: // the value of a key by number it reads as that of the key by name
		return strings.Contains(text, "key")
	case dns.TypeNSEC3: // it takes every hash for one of 20 octets
		return data[5+int(data[4])] != 20
	case dns.TypeTXT, dns.TypeSPF, dns.TypeAVC, dns.TypeNINFO, dns.TypeRESINFO: // it joins what parentheses divide
		return strings.ContainsAny(text, "()")
	case dns.TypeHINFO, dns.TypeISDN: // and divides the whole anew at every kind of space
		return strings.ContainsAny(text, "()") || bytes.ContainsFunc(data, unicode.IsSpace)
	}
	return false
}

// What no server takes, beyond what the library refuses.
func TestRefusedData(t *testing.T) {
	long := strings.Repeat("a", 256)
	for _, text := range []string{
		`TXT "` + long + `"`, "HINFO a", "HINFO a b c", "ISDN", "ISDN a b c", "X25", "LOC", "LOC 42 N 71 W 0M",
		"DS 60485 5 1", "DNSKEY 256 3 8", "TLSA 3 1 1", "SSHFP 1 1", "CERT PGP 0 0", "NSEC3PARAM 1 0 0",
		"RRSIG A 5 3 3600 20300322173103 20200220173103 2642 example.com.", "SOA ns 1 2 3 4 5",
		"L64 10 2001:0db8:1140:1000:1", "IPSECKEY 10 4 2 . AQID",
		"HTTPS 1 . mandatory=port alpn=h2", "HTTPS 1 . mandatory=mandatory", "HTTPS 1 . mandatory=alpn,alpn alpn=h2",
		"HTTPS 1 . alpn=", "HTTPS 1 . alpn=h2 alpn=h3", "HTTPS 1 . no-default-alpn", "HTTPS 1 . port=65536",
		"HTTPS 1 . ohttp=1", `HTTPS 1 . key1=\003h2`, `HTTPS 1 . key01=\002h2`, `HTTPS 1 . key4=192.0.2.1`, "HTTPS 1 . alpn=h2 key1=h2", "UINFO a", "NULL a", "TYPE65280 a", "CERT IPIX 1 8 AQID", "HTTPS 1 . nothing=1", "HTTPS 1 . ALPN=h2", "HTTPS 1 . KEY7=x", `MX \# 4 000AC000`, `A \# 4 C00002`, `A \# 3 C00002`, `A \# 5 C000020101`,
	} {
		rtype, data, _ := strings.Cut(text, " ")
		if packed, err := pack(t, typeNumber(t, rtype), data); err == nil {
			t.Errorf("%s is packed to %x", text, packed)
		}
	}
}

// What all servers take, beyond what the library reads.
func TestTakenData(t *testing.T) {
	long := strings.Repeat("a", 300)
	for _, text := range []string{
		`CAA 0 issue "` + long + `"`, `URI 1 1 "` + long + `"`, "NAPTR 100 10 S SIP+D2U \"\" a",
		"DNSKEY 256 3 RSASHA1 AQID", "NSEC a TXT A", "HTTPS 1 . key65535=value", "HTTPS 1 . ipv6hint=::ffff:192.0.2.1",
		`AMTRELAY \# 4 0A04AABB`, `AMTRELAY \# 2 0A7F`, `SVCB \# 7 00010000050000`, `SVCB \# 8 0001000008000161`,
		"APL 1:192.168.32.1/21", "LOC 42 21 N 71 06 W 0m", "LOC 42 21 N 71 06 18 W -24m 30m",
	} {
		rtype, data, _ := strings.Cut(text, " ")
		if _, err := pack(t, typeNumber(t, rtype), data); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// Times before 1970 and after 2106 are those of the same number in another round.
func TestMoments(t *testing.T) {
	for text, want := range map[string]uint32{
		"19700101000000": 0, "20380119031408": 1 << 31, "21060207062815": 1<<32 - 1, "21060207062816": 0,
		"21060220173103": 0x0011bed7, "22420316125631": 1<<32 - 1, "19691231235959": 1<<32 - 1, "4294967295": 1<<32 - 1,
	} {
		packed, err := pack(t, dns.TypeRRSIG, "A 8 2 60 "+text+" 0 1 . AQID")
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got := binary.BigEndian.Uint32(packed[8:]); got != want {
			t.Errorf("%s is %d, want %d", text, got, want)
		}
	}
}

// An address is read as the standard library reads it, or refused like there.
func TestAddressesAreThoseOfTheStandardLibrary(t *testing.T) {
	check := func(t failer, text string) {
		want, err := netip.ParseAddr(text)
		v4, ok4 := parseIPv4([]byte(text))
		v6, ok6 := parseIPv6([]byte(text))
		if ok4 != (err == nil && want.Is4()) || ok6 != (err == nil && want.Is6() && want.Zone() == "") {
			t.Fatalf("%q: IPv4 %v, IPv6 %v, but the library has %v (%v)", text, ok4, ok6, want, err)
		}
		if ok4 && netip.AddrFrom4(v4) != want || ok6 && netip.AddrFrom16(v6) != want {
			t.Fatalf("%q is read as %v or %v, want %v", text, v4, v6, want)
		}
	}
	for range 10_000 {
		var raw [16]byte
		for i := range raw {
			if rand.IntN(2) == 0 {
				raw[i] = byte(rand.IntN(256))
			}
		}
		check(t, netip.AddrFrom16(raw).String())
		check(t, netip.AddrFrom4([4]byte(raw[:4])).String())
	}
	rapid.Check(t, func(t *rapid.T) {
		pieces := rapid.SliceOfN(rapid.SampledFrom([]string{":", "::", "0", "1", "ffff", "12345", ".", "255", "256", "01", "1.2.3.4", "%eth0", "g"}), 0, 12)
		check(t, strings.Join(pieces.Draw(t, "pieces"), ""))
	})
}

// A record written in any of the ways that a master file allows is read as itself.
func TestAnyFormIsRead(t *testing.T) {
	type sample struct {
		rtype  uint16
		text   string
		packed []byte
	}
	var good []sample
	for _, rtype := range slices.Sorted(maps.Keys(samples)) {
		for _, text := range samples[rtype] {
			if packed, err := pack(t, rtype, text); err == nil {
				good = append(good, sample{rtype, text, bytes.Clone(packed)})
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.SampledFrom(good).Draw(t, "sample")
		rtype, data, packed := s.rtype, s.text, s.packed
		kind := rapid.SampledFrom([]string{
			TypeName(rtype), strings.ToLower(TypeName(rtype)), fmt.Sprintf("type%d", rtype),
		}).Draw(t, "written")
		if rapid.Bool().Draw(t, "generic") {
			data = fmt.Sprintf(`\# %d %X`, len(packed), packed)
		}
		form := rapid.SampledFrom([]string{
			"%s 60 IN %s %s\n", "%s IN 60 %s %s", "%s\t60 %s ( %s )\r\n", "%s ( 60 ; a\n) %s %s ; b\n",
			"$TTL 60\n%s %s (\n\n %s\n)\n", "$ORIGIN com.\n%s.example 1m %s %s\n", "  \n; c\n%s 60 CLASS1 %s %s",
		}).Draw(t, "form")
		if strings.Contains(form, "$ORIGIN") && rtype != dns.TypeA {
			form = "%s 60 %s %s" // the data may be relative
		}
		var got []Record
		c := Config{
			Origin: wireName(t, "example.com."),
			Add: func(r *Record) error {
				got = append(got, Record{Owner: bytes.Clone(r.Owner), Type: r.Type, TTL: r.TTL, Data: bytes.Clone(r.Data)})
				return nil
			},
			Report: func(file string, line int, err error) { t.Errorf("line %d: %v", line, err) },
		}
		text := fmt.Sprintf(form, "Www", kind, data)
		NewReader(c).Read("", []byte(text))
		if len(got) != 1 || got[0].Type != rtype || got[0].TTL != 60 || !bytes.Equal(got[0].Data, packed) ||
			!bytes.Equal(got[0].Owner, wireName(t, "Www.example.com.")) {
			t.Fatalf("%q is read as %v, want one record with the data %x", text, got, packed)
		}
	})
}
