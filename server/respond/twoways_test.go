package respond

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"gslb/internal/cookie"
	"gslb/internal/wire"
	"gslb/server/dnstest"
	"gslb/server/meter"
)

// twoWays answers the same message the usual way and the odd one.
type twoWays struct {
	usual, odd *Responder
	settings   *Settings
	at         time.Time
}

func newTwoWays(t testing.TB, via Transport, table Resolver) *twoWays {
	t.Helper()
	keyring, err := cookie.NewKeyring(cookie.Secret{1})
	if err != nil {
		t.Fatal(err)
	}
	settings := Settings{ID: "ns1.nyc", Cookies: keyring}
	return &twoWays{
		usual:    responderWith(t, via, table, settings),
		odd:      responderWith(t, via, table, settings),
		settings: &settings,
		at:       time.Unix(1_800_000_000, 0),
	}
}

// from makes a responder answer as if the present message had come from a client.
func (w *twoWays) from(r *Responder) *Responder {
	r.client = client{addr: netip.MustParseAddr("192.0.2.7"), at: w.at}
	return r
}

// check holds what the usual way makes of a message to what the odd one makes of it, byte for
// byte. It returns the reply; false if the usual way does not take the message.
func (w *twoWays) check(t testing.TB, in []byte) ([]byte, bool) {
	t.Helper()
	usual, taken := w.from(w.usual).respondUsual(w.settings, in, w.usual.buf)
	if !taken {
		return nil, false
	}
	odd := w.from(w.odd).respondOdd(w.settings, in, w.odd.buf)
	if !bytes.Equal(odd, usual) {
		t.Errorf("%x: (-odd +usual):\n%s", in, cmp.Diff(odd, usual))
	}
	if limit := w.usual.limit(&w.usual.usual.EDNS); len(usual) > limit {
		t.Errorf("%d bytes, of which %d may be sent\n%x", len(usual), limit, in)
	}
	checkEcho(t, in, usual)
	return usual, true
}

// lastRecord is the last record of a message as it is.
func lastRecord(t testing.TB, msg []byte) []byte {
	t.Helper()
	count := 0
	for _, at := range []int{wire.OffANCount, wire.OffNSCount, wire.OffARCount} {
		count += int(binary.BigEndian.Uint16(msg[at:]))
	}
	at := wire.HeaderSize
	for range binary.BigEndian.Uint16(msg[wire.OffQDCount:]) {
		end, _ := skipName(msg, at)
		at = end + 4
	}
	for i := range count {
		_, end, ok := readRecord(msg, at)
		if !ok {
			t.Fatalf("record %d does not parse: %x", i, msg)
		}
		if i == count-1 {
			return msg[at:end]
		}
		at = end
	}
	return nil
}

// withOption gives a query an OPT record with one option as it stands in a message.
func withOption(size uint16, option string) func(*dns.Msg) {
	return func(m *dns.Msg) {
		m.SetEdns0(size, false)
		if option == "" {
			return
		}
		m.IsEdns0().Option = append(m.IsEdns0().Option, &dns.EDNS0_LOCAL{
			Code: binary.BigEndian.Uint16([]byte(option)), Data: []byte(option[2:]),
		})
	}
}

// ednsForms are the ways in which the same question may be asked.
var ednsForms = map[string]func(*dns.Msg){
	"no EDNS":        func(*dns.Msg) {},
	"RD, CD and AD":  func(m *dns.Msg) { m.RecursionDesired, m.CheckingDisabled, m.AuthenticatedData = true, true, true },
	"EDNS 512":       withOption(512, ""),
	"EDNS 1232":      withOption(1232, ""),
	"EDNS 4096":      withOption(4096, ""),
	"DO":             func(m *dns.Msg) { m.SetEdns0(1232, true) },
	"NSID":           withOption(1232, "\x00\x03"),
	"cookie":         withOption(1232, "\x00\x0aclientco"),
	"forged cookie":  withOption(1232, "\x00\x0aclientco\x01\x00\x00\x00serverserver"),
	"subnet":         withOption(1232, "\x00\x08\x00\x01\x18\x00\xc0\x00\x02"),
	"subnet of IPv6": withOption(1232, "\x00\x08\x00\x02\x38\x00\x20\x01\x0d\xb8\x00\x01\x00"),
	"subnet, mapped": withOption(1232, "\x00\x08\x00\x02\x68\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x0a"),
	"no subnet":      withOption(1232, "\x00\x08\x00\x01\x00\x00"),
	"keepalive":      withOption(1232, "\x00\x0b"),
	"padding":        withOption(1232, "\x00\x0c\x00\x00\x00\x00"),
	"unknown option": withOption(512, "\xff\xfedata"),
}

// TestTwoWays asks for every name and type in every form over both transports.
func TestTwoWays(t *testing.T) {
	for _, via := range []Transport{OverUDP, OverTCP} {
		t.Run(via.String(), func(t *testing.T) {
			newTwoWays(t, via, dnstest.World(t)).askAll(t, dnstest.WorldNames())
			newTwoWays(t, via, dnstest.Pinned(t)).askAll(t, append(slices.Collect(maps.Keys(dnstest.Pins)), "x.steered.gslb.example.com.", "tonets.gslb.example.com.", "netsvc.gslb.example.com."))
		})
	}
}

// askAll asks for names with every type in every form.
func (w *twoWays) askAll(t *testing.T, names []string) {
	t.Helper()
	for _, qname := range names {
		for _, qtype := range dnstest.WorldTypes {
			for form, change := range ednsForms {
				m := dnstest.Ask(4711, qname, qtype)
				change(m)
				if _, taken := w.check(t, dnstest.Pack(t, m)); !taken || t.Failed() {
					t.Fatalf("%s %s with %s; taken: %t", qname, dns.Type(qtype), form, taken)
				}
			}
		}
	}
}

// TestTwoWaysOfDraws asks both ways for what is drawn, until each must have given every reply there
// is. They give the same ones.
func TestTwoWaysOfDraws(t *testing.T) {
	table := dnstest.Drawn(t)
	for _, via := range []Transport{OverUDP, OverTCP} {
		w := newTwoWays(t, via, table)
		for _, qname := range dnstest.DrawnNames {
			for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeANY, dns.TypeTXT, dns.TypeSRV} {
				for form, change := range ednsForms {
					m := dnstest.Ask(4711, qname, qtype)
					change(m)
					in := dnstest.Pack(t, m)
					usual, odd := make(map[string]bool), make(map[string]bool)
					for range 100 {
						out, taken := w.from(w.usual).respondUsual(w.settings, in, w.usual.buf)
						if !taken {
							t.Fatalf("%s %s with %s is not taken", qname, dns.Type(qtype), form)
						}
						usual[string(out)] = true
						odd[string(w.from(w.odd).respondOdd(w.settings, in, w.odd.buf))] = true
					}
					if diff := cmp.Diff(odd, usual); diff != "" {
						t.Fatalf("%s %s with %s over %v (-odd +usual):\n%s", qname, dns.Type(qtype), form, via, diff)
					}
				}
			}
		}
	}
}

// TestEveryType has records of every kind of data, with octets in them that a text form would have
// to escape, and some that package dns loses or refuses. However they are asked for, the same
// octets come back.
func TestEveryType(t *testing.T) {
	tests := []struct {
		rtype uint16
		data  string // in hexadecimal
	}{
		{dns.TypeTXT, "045c225c5c00"},
		{dns.TypeSPF, "02225c"},
		{dns.TypeHINFO, "025c5c0122"},
		{dns.TypeISDN, "0331323302225c"},
		{dns.TypeISDN, "03313233"},
		{dns.TypeX25, "0431323334"},
		{dns.TypeGPOS, "022d33025c3201 30"},
		{dns.TypeCAA, "0005697373756561225c5c62"},
		{dns.TypeCAA, "80057878787878"},
		{dns.TypeURI, "000a0001687474703a2f2f225c5c2f"},
		{dns.TypeNAPTR, "0001000201 5c 022225 00 00"},
		{dns.TypeAPL, "00010000 0001098102"},
		{dns.TypeAPL, ""},
		{dns.TypeNULL, "c00cc00c"},
		{dns.TypeDS, "00010802" + strings.Repeat("5c", 32)},
		{dns.TypeSSHFP, "0404" + strings.Repeat("22", 32)},
		{dns.TypeTLSA, "030101" + strings.Repeat("00", 32)},
		{dns.TypeDNSKEY, "01010308" + strings.Repeat("c0", 64)},
		{dns.TypeCERT, "fffe 0001 fe 5c22"},
		{dns.TypeDHCID, "0001015c22"},
		{dns.TypeOPENPGPKEY, "5c22c00c"},
		{dns.TypeHIP, "040200025c5c5c5c2222 00"},
		{dns.TypeSVCB, "0001 025c22 00 ffdc00025c22"},
		{dns.TypeHTTPS, "0001 00 0001000302 6832"},
		{dns.TypeRP, "025c22000140 00"},
		{dns.TypePX, "000a 025c22 00 0140 00"},
		{dns.TypeKX, "000a 025c22 00"},
		{dns.TypeEUI48, "005c22c00c00"},
		{dns.TypeEUI64, "005c22c00c005c22"},
		{dns.TypeLOC, "0012161380000000800000005c22c00c"},
		{dns.TypeAVC, "025c22"},
		{dns.TypeNINFO, "025c22"},
		{dns.TypeZONEMD, "00000001 01 f1" + strings.Repeat("5c", 16)},
		{4711, "c00c5c2200"},
		{65280, ""},
		{65534, "ff"},
	}
	var text strings.Builder
	text.WriteString(dnstest.ZoneText)
	for i, test := range tests {
		data := strings.ReplaceAll(test.data, " ", "")
		fmt.Fprintf(&text, "t%d TYPE%d \\# %d %s\n", i, test.rtype, len(data)/2, data)
	}
	table := dnstest.Zone(t, text.String())
	for _, via := range []Transport{OverUDP, OverTCP} {
		w := newTwoWays(t, via, table)
		for i, test := range tests {
			want := strings.ReplaceAll(test.data, " ", "")
			in := dnstest.Pack(t, dnstest.Ask(1, fmt.Sprintf("t%d.example.org.", i), test.rtype))
			out, taken := w.check(t, in)
			if got := hex.EncodeToString(onlyData(t, out)); !taken || got != want {
				t.Errorf("%s over %v: %s, want %s", dns.Type(test.rtype), via, got, want)
			}
			any := bytes.Clone(in)
			any[len(any)-1] = 255 // the class
			for form, in := range map[string][]byte{"class ANY": any, "a byte behind": append(bytes.Clone(in), 0)} {
				out := w.odd.Respond(in, dnstest.Client)
				if got := hex.EncodeToString(onlyData(t, out)); got != want {
					t.Errorf("%s over %v, %s: %s, want %s", dns.Type(test.rtype), via, form, got, want)
				}
			}
		}
	}
}

// onlyData is the data of the one record in a reply's answer.
func onlyData(t testing.TB, msg []byte) []byte {
	t.Helper()
	end, ok := skipName(msg, wire.HeaderSize)
	rec, _, read := readRecord(msg, end+4)
	if !ok || !read || binary.BigEndian.Uint16(msg[wire.OffANCount:]) != 1 {
		t.Fatalf("not one record: %x", msg)
	}
	return rec.rdata
}

// FuzzTwoWays is TestTwoWays for any message.
func FuzzTwoWays(f *testing.F) {
	for _, qname := range []string{
		"app.gslb.example.com.", "chain.gslb.example.com.", "x.wild.gslb.example.com.", "x.cut.gslb.example.com.",
		"x.dn.gslb.example.com.", "y.again.gslb.example.com.", "quiet.gslb.example.com.", "nope.gslb.example.com.",
		"many.gslb.example.com.", "example.org.", "spread.gslb.example.com.", "nets.gslb.example.com.", "aliased.gslb.example.com.",
	} {
		f.Add(dnstest.Pack(f, dnstest.Ask(1, qname, dns.TypeA)), false)
		f.Add(dnstest.Pack(f, dnstest.Ask(1, qname, dns.TypeANY)), true)
	}
	for _, change := range ednsForms {
		m := dnstest.Ask(1, "many.gslb.example.com.", dns.TypeMX)
		change(m)
		f.Add(dnstest.Pack(f, m), false)
		f.Add(dnstest.Pack(f, m), true)
	}
	for _, form := range []string{"subnet", "subnet of IPv6", "subnet, mapped", "no subnet"} {
		m := dnstest.Ask(1, "nets.gslb.example.com.", dns.TypeA)
		ednsForms[form](m)
		f.Add(dnstest.Pack(f, m), false)
	}
	table := dnstest.World(f)
	ways := map[bool]*twoWays{false: newTwoWays(f, OverUDP, table), true: newTwoWays(f, OverTCP, table)}
	f.Fuzz(func(t *testing.T, in []byte, tcp bool) {
		if ignored(in) != meter.Answerable {
			return
		}
		checkParsedAlike(t, in)
		ways[tcp].check(t, in)
	})
}

// checkParsedAlike checks that what is of the usual form is understood as any message is.
func checkParsedAlike(t testing.TB, in []byte) {
	t.Helper()
	var usual wire.Query
	if !usual.Parse(in) {
		return
	}
	var odd query
	odd.parse(in)
	if odd.rcode != dns.RcodeSuccess {
		t.Fatalf("of the usual form, but rcode %d: %x", odd.rcode, in)
	}
	if wire.Compare(&odd.name, &usual.Name) != 0 {
		t.Errorf("name %q, the usual way read %q", odd.name.Bytes(), usual.Name.Bytes())
	}
	type header struct {
		RD          bool
		Type, Class uint16
		End         int
		EDNS        wire.EDNS
	}
	if diff := cmp.Diff(
		header{odd.rd, odd.qtype, odd.qclass, odd.end, odd.edns},
		header{usual.RD, usual.Type, usual.Class, usual.End, usual.EDNS},
	); diff != "" {
		t.Errorf("(-odd +usual):\n%s%x", diff, in)
	}
}
