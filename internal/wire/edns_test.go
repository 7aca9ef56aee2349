package wire

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// option puts together an option as it stands in an OPT record.
func option(code byte, data string) string {
	return string([]byte{0, code, byte(len(data) >> 8), byte(len(data))}) + data
}

func TestEDNS(t *testing.T) {
	const subnet = "\x00\x01\x18\x00\xc0\x00\x02"
	tests := []struct {
		name string
		ttl  uint32
		data string
		want *EDNS // nil: malformed
	}{
		{"no options", 0, "", &EDNS{}},
		{"DO", 0x8000, "", &EDNS{DO: true}},
		{"flags of no meaning yet, and an extended response code", 0xff007fff, "", &EDNS{}},
		{"version 1", 0x18000, "", &EDNS{Version: 1, DO: true}},
		{"version 255 with what would be malformed", 0xff0000, "\x00", &EDNS{Version: 255}},
		{"version 1 with a cookie", 0x10000, option(OptionCookie, "short"), &EDNS{Version: 1}},

		{"NSID", 0, option(OptionNSID, ""), &EDNS{NSID: true}},
		{"NSID with data", 0, option(OptionNSID, "x"), &EDNS{NSID: true}},
		{"keepalive", 0, option(OptionKeepalive, ""), &EDNS{Keepalive: true}},
		{"keepalive with a timeout", 0, option(OptionKeepalive, "\x00\x01"), &EDNS{}},
		{"padding", 0, option(OptionPadding, "\x00\x00"), &EDNS{}},
		{"extended error", 0, option(OptionEDE, ""), &EDNS{}},
		{"unknown", 0, "\xff\xff\x00\x03abc", &EDNS{}},
		{"client cookie", 0, option(OptionCookie, "clientco"), &EDNS{ClientCookie: []byte("clientco")}},
		{"both cookies", 0, option(OptionCookie, "clientco"+"serverserver"),
			&EDNS{ClientCookie: []byte("clientco"), ServerCookie: []byte("serverserver")}},
		{"subnet", 0, option(OptionSubnet, subnet), &EDNS{Subnet: []byte(subnet)}},
		{"all of them", 0, option(OptionSubnet, subnet) + option(OptionPadding, "") + option(OptionNSID, "") +
			option(OptionCookie, "clientco") + option(OptionKeepalive, ""),
			&EDNS{NSID: true, Keepalive: true, Subnet: []byte(subnet), ClientCookie: []byte("clientco")}},

		{"two cookies", 0, option(OptionCookie, "clientco") + option(OptionCookie, "another!"), &EDNS{ClientCookie: []byte("clientco")}},
		{"two cookies, the second malformed", 0, option(OptionCookie, "clientco") + option(OptionCookie, "bad"), &EDNS{ClientCookie: []byte("clientco")}},
		{"two subnets", 0, option(OptionSubnet, subnet) + option(OptionSubnet, "\x00\x01\x00\x00"), &EDNS{Subnet: []byte(subnet)}},
		{"two subnets, the second malformed", 0, option(OptionSubnet, subnet) + option(OptionSubnet, ""), &EDNS{Subnet: []byte(subnet), BadSubnet: true}},
		{"two subnets, the first malformed", 0, option(OptionSubnet, "") + option(OptionSubnet, subnet), &EDNS{Subnet: []byte(subnet), BadSubnet: true}},
		{"NSID and keepalive twice", 0, strings.Repeat(option(OptionNSID, "")+option(OptionKeepalive, ""), 2), &EDNS{NSID: true, Keepalive: true}},

		{"an option cut in its code", 0, "\x00", nil},
		{"an option cut in its length", 0, "\x00\x03\x00", nil},
		{"an option longer than OPT", 0, "\x00\x03\x00\x01", nil},
		{"a byte after the last option", 0, option(OptionNSID, "") + "\x00", nil},
		{"no cookie in the option", 0, option(OptionCookie, ""), &EDNS{BadCookie: true}},
		{"two cookies, the first malformed", 0, option(OptionCookie, "bad") + option(OptionCookie, "clientco"), &EDNS{BadCookie: true}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := EDNS{NSID: true, Keepalive: true, ClientCookie: []byte("of the query before")}
			if ok := got.Parse(4096, test.ttl, []byte(test.data)); !ok {
				if test.want != nil {
					t.Error("malformed")
				}
				return
			}
			if test.want == nil {
				t.Fatal("well-formed")
			}
			test.want.Present, test.want.Size = true, 4096
			if diff := cmp.Diff(*test.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestCookieLengths has every length that the option can have (RFC 7873, section 4).
func TestCookieLengths(t *testing.T) {
	for n := range 50 {
		var e EDNS
		ok := e.Parse(1232, 0, []byte(option(OptionCookie, strings.Repeat("c", n)))) && !e.BadCookie
		if want := n == 8 || n >= 16 && n <= 40; ok != want {
			t.Errorf("%d bytes: well-formed %t", n, ok)
		}
		if ok && (len(e.ClientCookie) != 8 || len(e.ServerCookie) != n-8) {
			t.Errorf("%d bytes: cookies of %d and %d", n, len(e.ClientCookie), len(e.ServerCookie))
		}
	}
}

func TestValidSubnet(t *testing.T) {
	tests := []struct {
		name string
		data string
		want bool
	}{
		{"an IPv4 network", "\x00\x01\x18\x00\xc0\x00\x02", true},
		{"an IPv4 address", "\x00\x01\x20\x00\xc0\x00\x02\x01", true},
		{"an IPv6 network", "\x00\x02\x38\x00\x20\x01\x0d\xb8\x00\x00\x01", true},
		{"an IPv6 address", "\x00\x02\x80\x00\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01", true},
		{"a prefix inside a byte", "\x00\x01\x13\x00\xc0\x00\x20", true},
		{"IPv4, not to be told apart", "\x00\x01\x00\x00", true},
		{"IPv6, not to be told apart", "\x00\x02\x00\x00", true},
		{"no family, no address", "\x00\x00\x00\x00", true},

		{"nothing", "", false},
		{"a family alone", "\x00\x01", false},
		{"no scope", "\x00\x01\x00", false},
		{"no family, a prefix", "\x00\x00\x08\x00\xc0", false},
		{"no family, an address", "\x00\x00\x00\x00\xc0", false},
		{"family 3", "\x00\x03\x00\x00", false},
		{"family 256", "\x01\x00\x00\x00", false},
		{"more bits than IPv4 has", "\x00\x01\x21\x00\xc0\x00\x02\x01\x00", false},
		{"more bits than IPv6 has", "\x00\x02\x81\x00" + strings.Repeat("\x00", 17), false},
		{"a scope in a query", "\x00\x01\x18\x18\xc0\x00\x02", false},
		{"too short an address", "\x00\x01\x18\x00\xc0\x00", false},
		{"too long an address", "\x00\x01\x18\x00\xc0\x00\x02\x00", false},
		{"a whole address with a shorter prefix", "\x00\x01\x18\x00\xc0\x00\x02\x01", false},
		{"a bit beyond the prefix", "\x00\x01\x17\x00\xc0\x00\x03", false},
		{"many bits beyond the prefix", "\x00\x01\x01\x00\xff", false},
	}
	for _, test := range tests {
		if got := ValidSubnet([]byte(test.data)); got != test.want {
			t.Errorf("%s: %t", test.name, got)
		}
	}
}

// FuzzEDNS takes any bytes for options; what comes out is a part of what went in.
func FuzzEDNS(f *testing.F) {
	f.Add(uint32(0), []byte(option(OptionCookie, "clientco")+option(OptionSubnet, "\x00\x01\x08\x00\x0a")))
	f.Add(uint32(0x8000), []byte(option(OptionNSID, "")+"\xff\xff\x00\x01x"))
	f.Add(uint32(0x10000), []byte("\x00"))
	f.Fuzz(func(t *testing.T, ttl uint32, data []byte) {
		before := bytes.Clone(data)
		var e EDNS
		ok := e.Parse(512, ttl, data)
		if !bytes.Equal(before, data) {
			t.Error("the options were changed")
		}
		if !ok {
			return
		}
		for _, part := range [][]byte{e.Subnet, append(bytes.Clone(e.ClientCookie), e.ServerCookie...)} {
			if !bytes.Contains(data, part) {
				t.Errorf("%x is nowhere in %x", part, data)
			}
		}
		if e.Subnet != nil && !ValidSubnet(e.Subnet) {
			t.Errorf("subnet %x", e.Subnet)
		}
		if n := len(e.ServerCookie); n != 0 && (n < 8 || n > 32 || len(e.ClientCookie) != 8) {
			t.Errorf("cookies %x, %x", e.ClientCookie, e.ServerCookie)
		}
	})
}

// TestOptionsInAnyOrder parses well-formed options in any order: each is found.
func TestOptionsInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		options := rapid.Permutation([]string{
			option(OptionNSID, ""), option(OptionKeepalive, ""), option(OptionCookie, "clientco"),
			option(OptionSubnet, "\x00\x01\x00\x00"), option(OptionPadding, "\x00"), "\xfd\xe9\x00\x01x",
		}).Draw(t, "options")
		var e EDNS
		if !e.Parse(1232, 0, []byte(strings.Join(options, ""))) {
			t.Fatal("malformed")
		}
		if !e.NSID || !e.Keepalive || e.Subnet == nil || e.ClientCookie == nil {
			t.Errorf("%+v", e)
		}
	})
}

func TestSubnetAddress(t *testing.T) {
	for data, want := range map[string]struct {
		addr   string
		hidden int
	}{
		"\x00\x01\x18\x00\xc0\x00\x02":                                                 {"192.0.2.0", 8},
		"\x00\x01\x20\x00\xc0\x00\x02\x07":                                             {"192.0.2.7", 0},
		"\x00\x01\x09\x00\xc0\x80":                                                     {"192.128.0.0", 23},
		"\x00\x02\x30\x00\x20\x01\x0d\xb8\x00\x01":                                     {"2001:db8:1::", 80},
		"\x00\x02\x78\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xc0\x00\x02": {"::ffff:192.0.2.0", 8},
		"\x00\x01\x00\x00":                                                             {"invalid IP", 0},
		"\x00\x00\x00\x00":                                                             {"invalid IP", 0},
	} {
		if !ValidSubnet([]byte(data)) {
			t.Errorf("%q: is not valid", data)
		}
		if addr, hidden := SubnetAddress([]byte(data)); addr.String() != want.addr || hidden != want.hidden {
			t.Errorf("%q: %v without %d bits, want %s without %d", data, addr, hidden, want.addr, want.hidden)
		}
	}
}
