package respond

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"gslb/internal/wire"
	"gslb/server/dnstest"
)

// subnetOption is the data of an option for a network, as RFC 7871, section 6, has it: so many octets
// of the address as its prefix needs.
func subnetOption(network string) string {
	p := netip.MustParsePrefix(network)
	family, address := 1, p.Addr().AsSlice()
	if p.Addr().Is6() {
		family = 2
	}
	return string([]byte{0, byte(family), byte(p.Bits()), 0}) + string(address[:(p.Bits()+7)/8])
}

// asked is what is asked for an address, with a subnet option; none if it is nil.
func asked(t testing.TB, qname string, qtype uint16, option *string) []byte {
	m := dnstest.Ask(1, qname, qtype)
	m.SetEdns0(1232, false)
	if option != nil {
		m.IsEdns0().Option = append(m.IsEdns0().Option, &dns.EDNS0_LOCAL{Code: dns.EDNS0SUBNET, Data: []byte(*option)})
	}
	return dnstest.Pack(t, m)
}

// scopeOf is the scope in a reply's option, which must repeat everything else of the query's; -1: it
// has none.
func scopeOf(t testing.TB, out []byte, option string) int {
	t.Helper()
	opt, scope := lastRecord(t, out), -1
	for data := opt[wire.OPTSize:]; len(data) > 0; {
		code, size := binary.BigEndian.Uint16(data), int(binary.BigEndian.Uint16(data[2:]))
		if code == dns.EDNS0SUBNET {
			got := []byte(string(data[4 : 4+size]))
			if scope >= 0 {
				t.Error("two options")
			}
			scope = int(got[3])
			got[3] = 0
			if string(got) != option {
				t.Errorf("option %x, want %x with a scope", got, option)
			}
		}
		data = data[4+size:]
	}
	return scope
}

// addressOf is the first address in a reply; empty if there is none.
func addressOf(t testing.TB, out []byte) string {
	for _, rr := range dnstest.Unpack(t, out).Answer {
		switch rr := rr.(type) {
		case *dns.A:
			return rr.A.String()
		case *dns.AAAA:
			return rr.AAAA.String()
		}
	}
	return ""
}

const (
	nycAnswer = "203.0.113.10"
	amsAnswer = "198.51.100.10"
)

// TestSubnet asks for clients of many networks, from a resolver at 192.0.2.7, whose own network is
// answered with ams.
func TestSubnet(t *testing.T) {
	const nets, spread, plain = "nets.gslb.example.com.", "spread.gslb.example.com.", "app.gslb.example.com."
	tests := []struct {
		name    string
		qname   string
		network string
		answer  string
		scope   int
	}{
		{"a network that has an answer of its own", nets, "192.0.2.0/25", amsAnswer, 25},
		{"a longer prefix than matters", nets, "192.0.2.130/32", nycAnswer, 26},
		{"beside all networks", nets, "192.0.2.192/32", nycAnswer, 26},
		{"a network that is in no other", nets, "198.51.100.0/24", nycAnswer, 6},
		{"the answer depends on more than is told", nets, "192.0.2.0/24", nycAnswer, 24},
		{"and on one bit more", nets, "192.0.0.0/22", nycAnswer, 22},
		{"a network around another", nets, "10.1.0.0/16", amsAnswer, 16},
		{"beside that", nets, "10.2.0.0/16", amsAnswer, 15},
		{"within it", nets, "10.1.2.0/24", nycAnswer, 24},
		{"a host in it", nets, "10.1.2.3/32", nycAnswer, 24},
		{"one bit", nets, "128.0.0.0/1", nycAnswer, 1},
		{"IPv6", nets, "2001:db8:1:2::/64", nycAnswer, 48},
		{"IPv6, beside", nets, "2001:db8:2::/48", nycAnswer, 47},
		{"IPv6, a part of it", nets, "2001:db8::/32", nycAnswer, 32},
		{"IPv4 as IPv6", nets, "::ffff:10.1.2.0/120", nycAnswer, 120},
		{"IPv4 as IPv6, a longer prefix", nets, "::ffff:192.0.2.130/128", nycAnswer, 122},
		{"nobody", nets, "0.0.0.0/0", nycAnswer, 0},
		{"nobody of IPv6", nets, "::/0", nycAnswer, 0},

		{"sticky", spread, "198.51.100.77/32", "", 24},
		{"sticky, as long as told", spread, "198.51.0.0/16", "", 16},
		{"sticky, IPv6", spread, "2001:db8:1:2::/64", "", 56},
		{"sticky, IPv4 as IPv6", spread, "::ffff:198.51.100.77/128", "", 120},
		{"sticky, nobody", spread, "0.0.0.0/0", "", 0},

		{"the same for all", plain, "192.0.2.0/24", nycAnswer, 0},
		{"an alias of one", "tonets.gslb.example.com.", "192.0.2.0/25", amsAnswer, 25},
		{"an alias to one that is the same for all", "chain.gslb.example.com.", "192.0.2.0/25", nycAnswer, 0},
		{"no such name", "nope.gslb.example.com.", "192.0.2.0/24", "", 0},
		{"not ours", "www.example.org.", "192.0.2.0/24", "", 0},
		{"nothing is up", "quiet.gslb.example.com.", "192.0.2.0/24", "", 0},
		{"a referral", "x.cut.gslb.example.com.", "192.0.2.0/24", "", 0},
		{"truncated", "huge.gslb.example.com.", "192.0.2.0/24", "", 0},
	}
	table := dnstest.World(t)
	for _, via := range []Transport{OverUDP, OverTCP} {
		for _, class := range []byte{dns.ClassINET, dns.ClassANY} { // the usual way and the odd one
			for _, test := range tests {
				t.Run(fmt.Sprintf("%s over %v, class %d", test.name, via, class), func(t *testing.T) {
					option := subnetOption(test.network)
					qtype := dns.TypeA
					if test.name == "truncated" {
						qtype = dns.TypeTXT
					}
					in := asked(t, test.qname, qtype, &option)
					in[wire.HeaderSize+wire.SkipName(in[wire.HeaderSize:], 0)+3] = class
					out := responderOver(t, via, table).Respond(in, dnstest.Client)
					if scope := scopeOf(t, out, option); scope != test.scope {
						t.Errorf("scope %d, want %d", scope, test.scope)
					}
					if got := addressOf(t, out); got != test.answer && test.qname != spread {
						t.Errorf("answered %s, want %s", got, test.answer)
					}
				})
			}
		}
	}
}

// Without the option, a client is judged by its own address, and no option comes back (RFC 7871,
// section 7.2.1).
func TestNoSubnet(t *testing.T) {
	r := responderOver(t, OverUDP, dnstest.World(t))
	for client, want := range map[string]string{"192.0.2.7": amsAnswer, "192.0.2.130": nycAnswer, "10.1.2.3": nycAnswer, "10.9.9.9": amsAnswer, "2001:db8:1::7": nycAnswer} {
		for _, edns := range []bool{false, true} {
			in := dnstest.Pack(t, dnstest.Ask(1, "nets.gslb.example.com.", dns.TypeA))
			if edns {
				in = asked(t, "nets.gslb.example.com.", dns.TypeA, nil)
			}
			out := r.Respond(in, netip.AddrPortFrom(netip.MustParseAddr(client), 5353))
			if got := addressOf(t, out); got != want {
				t.Errorf("%s, EDNS %t: answered %s, want %s", client, edns, got, want)
			}
			if edns && scopeOf(t, out, "") >= 0 {
				t.Errorf("%s: an option that was not sent came back", client)
			}
		}
	}
}

// Options that are not as RFC 7871, section 6, has them are told so, whatever is asked. Where the
// option is ignored, so is what is wrong with it.
func TestMalformedSubnet(t *testing.T) {
	table := dnstest.World(t)
	for name, option := range map[string]string{
		"empty":                            "",
		"too short":                        "\x00\x01\x00",
		"an octet too few":                 "\x00\x01\x18\x00\xc0\x00",
		"an octet too many":                "\x00\x01\x18\x00\xc0\x00\x02\x00",
		"all octets for a shorter prefix":  "\x00\x01\x08\x00\x0a\x00\x00\x00",
		"a bit beyond the prefix":          "\x00\x01\x17\x00\xc0\x00\x03",
		"a scope":                          "\x00\x01\x18\x18\xc0\x00\x02",
		"a scope and no prefix":            "\x00\x01\x00\x01",
		"33 bits of IPv4":                  "\x00\x01\x21\x00\xc0\x00\x02\x01\x00",
		"129 bits of IPv6":                 "\x00\x02\x81\x00" + strings.Repeat("\x00", 17),
		"an unknown family":                "\x00\x03\x00\x00",
		"another family's name":            "\x00\x10\x08\x00\x0a",
		"no family, and a prefix":          "\x00\x00\x08\x00\x0a",
		"an address and no prefix":         "\x00\x01\x00\x00\x0a",
		"well-formed, but for text behind": "\x00\x01\x08\x00\x0a text",
	} {
		for _, via := range []Transport{OverUDP, OverTCP} {
			in := asked(t, "nets.gslb.example.com.", dns.TypeA, &option)
			out := responderOver(t, via, table).Respond(in, dnstest.Client)
			if got := dnstest.Summary(dnstest.Unpack(t, out)); got != "FORMERR 1/0/0/1 edns0/1232" {
				t.Errorf("%s over %v: %s", name, via, got)
			}
			out = responderWith(t, via, table, Settings{IgnoreSubnet: true}).Respond(in, dnstest.Client)
			if got := dnstest.Summary(dnstest.Unpack(t, out)); got != "NOERROR aa 1/1/0/1 edns0/1232" {
				t.Errorf("%s over %v, ignored: %s", name, via, got)
			}
		}
	}
}

// Where the option is ignored, it does not come back, and the sender is who is judged.
func TestIgnoredSubnet(t *testing.T) {
	option := subnetOption("198.51.100.0/24")
	r := responderWith(t, OverUDP, dnstest.World(t), Settings{IgnoreSubnet: true})
	out := r.Respond(asked(t, "nets.gslb.example.com.", dns.TypeA, &option), netip.MustParseAddrPort("192.0.2.7:53"))
	if got := addressOf(t, out); got != amsAnswer || scopeOf(t, out, option) >= 0 {
		t.Errorf("answered %s, scope %d", got, scopeOf(t, out, option))
	}
}

// FuzzSubnet asks for any network, and holds the reply to what RFC 7871, section 7.2.1, demands: the
// option as it came but for the scope, and that no longer than what was sent. Any client of the scope
// that tells its whole address gets the same.
func FuzzSubnet(f *testing.F) {
	for _, network := range []string{"192.0.2.0/25", "10.1.2.0/24", "198.51.100.77/32", "0.0.0.0/0", "2001:db8:1::/48", "::ffff:10.1.2.0/120", "::/0"} {
		f.Add([]byte(subnetOption(network)), uint64(1))
	}
	f.Add([]byte("\x00\x00\x00\x00"), uint64(2))
	f.Add([]byte("\x00\x01\x18\x00\xc0\x00"), uint64(3))
	table := dnstest.World(f)
	r := responderOver(f, OverUDP, table)
	f.Fuzz(func(t *testing.T, data []byte, other uint64) {
		if len(data) > 512 {
			return
		}
		option := string(data)
		for _, qname := range []string{"nets.gslb.example.com.", "spread.gslb.example.com.", "app.gslb.example.com."} {
			out := r.Respond(asked(t, qname, dns.TypeA, &option), dnstest.Client)
			reply := dnstest.Unpack(t, out)
			if !wire.ValidSubnet(data) {
				if reply.Rcode != dns.RcodeFormatError {
					t.Fatalf("%x: %s", data, dnstest.Summary(reply))
				}
				return
			}
			scope, answer := scopeOf(t, out, option), addressOf(t, out)
			if scope < 0 || scope > int(data[2]) || answer == "" {
				t.Fatalf("%s %x: scope %d, answer %q", qname, data, scope, answer)
			}
			addr, hidden := wire.SubnetAddress(data)
			if scope == 0 || scope == int(data[2]) && hidden > 0 { // it may depend on more than was told
				continue
			}
			one := subnetOption(netip.PrefixFrom(elsewhere(addr, scope, other), addr.BitLen()).String())
			if got := addressOf(t, r.Respond(asked(t, qname, dns.TypeA, &one), dnstest.Client)); got != answer {
				t.Fatalf("%s: %x gets %s, for /%d of it; %x gets %s", qname, data, answer, scope, one, got)
			}
		}
	})
}

// elsewhere is an address with the same first bits and any others.
func elsewhere(addr netip.Addr, bits int, other uint64) netip.Addr {
	octets := addr.AsSlice()
	for bit := bits; bit < len(octets)*8; bit++ {
		octets[bit/8] &^= 0x80 >> (bit % 8)
		if other>>(bit%64)&1 != 0 {
			octets[bit/8] |= 0x80 >> (bit % 8)
		}
	}
	elsewhere, _ := netip.AddrFromSlice(octets)
	return elsewhere
}
