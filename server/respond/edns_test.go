package respond

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"gslb/internal/cookie"
	"gslb/internal/wire"
	"gslb/server/dnstest"
	"gslb/zones/records"
)

// asking is a query for the address of www.example.org with one OPT record.
func asking(opt string) []byte { return dnstest.Message(0, [4]uint16{1, 0, 0, 1}, dnstest.WWWA, opt) }

// optionsOf lists the options of a reply, each as its code and data.
func optionsOf(t testing.TB, out []byte) []string {
	t.Helper()
	opt := lastRecord(t, out)
	if len(opt) < wire.OPTSize || binary.BigEndian.Uint16(opt[1:]) != dns.TypeOPT {
		return nil
	}
	list := []string{}
	for data := opt[wire.OPTSize:]; len(data) > 0; {
		size := int(binary.BigEndian.Uint16(data[2:]))
		list = append(list, fmt.Sprintf("%d %q", binary.BigEndian.Uint16(data), data[4:4+size]))
		data = data[4+size:]
	}
	return list
}

// TestOptions asks with every option there is.
func TestOptions(t *testing.T) {
	const (
		found      = "NOERROR aa 1/2/0/1 edns0/1232"
		formErr    = "FORMERR 1/0/0/1 edns0/1232"
		subnet     = "\x00\x01\x18\x00\xc0\x00\x02"
		subnetSays = `8 "\x00\x01\x18\x00\xc0\x00\x02"`
		nsid       = `3 "ns1.nyc"`
	)
	identified := Settings{ID: "ns1.nyc"}
	tests := []struct {
		name     string
		settings Settings
		opt      string
		want     string
		options  []string
		tcp      []string // where they differ
	}{
		{name: "none", opt: dnstest.OptRecord(1232), want: found},
		{name: "NSID", settings: identified, opt: dnstest.OptRecord(1232, dnstest.Option(3, "")), want: found, options: []string{nsid}},
		{name: "NSID twice", settings: identified, opt: dnstest.OptRecord(1232, dnstest.Option(3, ""), dnstest.Option(3, "")), want: found, options: []string{nsid}},
		{name: "NSID with data", settings: identified, opt: dnstest.OptRecord(1232, dnstest.Option(3, "x")), want: found, options: []string{nsid}},
		{name: "NSID not set", opt: dnstest.OptRecord(1232, dnstest.Option(3, "")), want: found},
		{name: "NSID not asked for", settings: identified, opt: dnstest.OptRecord(1232), want: found},

		{name: "subnet", opt: dnstest.OptRecord(1232, dnstest.Option(8, subnet)), want: found, options: []string{subnetSays}},
		{name: "subnet of IPv6", opt: dnstest.OptRecord(1232, dnstest.Option(8, "\x00\x02\x09\x00\x20\x80")), want: found, options: []string{`8 "\x00\x02\t\x00 \x80"`}},
		{name: "subnet of no length", opt: dnstest.OptRecord(1232, dnstest.Option(8, "\x00\x01\x00\x00")), want: found, options: []string{`8 "\x00\x01\x00\x00"`}},
		{name: "two subnets", opt: dnstest.OptRecord(1232, dnstest.Option(8, subnet), dnstest.Option(8, "\x00\x01\x00\x00")), want: found, options: []string{subnetSays}},
		{name: "malformed subnet", opt: dnstest.OptRecord(1232, dnstest.Option(8, "\x00\x01\x18\x00\xc0\x00")), want: formErr},
		{name: "subnet with a scope", opt: dnstest.OptRecord(1232, dnstest.Option(8, "\x00\x01\x18\x18\xc0\x00\x02")), want: formErr},

		{name: "keepalive", opt: dnstest.OptRecord(1232, dnstest.Option(11, "")), want: found, tcp: []string{`11 "\x00d"`}},
		{name: "keepalive with a time", opt: dnstest.OptRecord(1232, dnstest.Option(11, "\x00\x01")), want: found},
		{name: "padding", opt: dnstest.OptRecord(1232, dnstest.Option(12, "\x00\x00\x00")), want: found},
		{name: "extended error in a query", opt: dnstest.OptRecord(1232, dnstest.Option(15, "\x00\x00")), want: found},
		{name: "unknown", opt: dnstest.OptRecord(1232, "\xff\xfe\x00\x01x"), want: found},
		{name: "cookies are off", opt: dnstest.OptRecord(1232, dnstest.Option(10, "clientco")), want: found},
		{name: "cookies are off, malformed", opt: dnstest.OptRecord(1232, dnstest.Option(10, "client")), want: found},

		{name: "all", settings: identified, opt: dnstest.OptRecord(1232, dnstest.Option(12, ""), dnstest.Option(11, ""), dnstest.Option(8, subnet), dnstest.Option(3, "")), want: found,
			options: []string{subnetSays, nsid}, tcp: []string{subnetSays, `11 "\x00d"`, nsid}},
		{name: "malformed after NSID", settings: identified, opt: dnstest.OptRecord(1232, dnstest.Option(3, ""), "\x00"), want: formErr},
		{name: "version 1", settings: identified, opt: strings.Replace(dnstest.OptRecord(1232, dnstest.Option(3, ""), dnstest.Option(8, subnet)), "\xd0\x00\x00", "\xd0\x00\x01", 1),
			want: "BADVERS 1/0/0/1 edns0/1232"},
	}
	for _, test := range tests {
		for _, via := range []Transport{OverUDP, OverTCP} {
			t.Run(test.name+" over "+via.String(), func(t *testing.T) {
				out := responderWith(t, via, dnstest.Zone(t, dnstest.ZoneText), test.settings).Respond(asking(test.opt), dnstest.Client)
				if got := dnstest.Summary(dnstest.Unpack(t, out)); got != test.want {
					t.Errorf("got %q, want %q", got, test.want)
				}
				want := test.options
				if via == OverTCP && test.tcp != nil {
					want = test.tcp
				}
				if diff := cmp.Diff(append([]string{}, want...), optionsOf(t, out)); diff != "" {
					t.Errorf("options (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// TestExtendedErrors has an explanation with each code that a resolver's operator may wonder
// about, if the query has EDNS.
func TestExtendedErrors(t *testing.T) {
	class := func(class uint16) func(*dns.Msg) {
		return func(m *dns.Msg) { m.Question[0].Qclass = class }
	}
	table := dnstest.World(t)
	tests := []struct {
		name   string
		source Resolver
		qname  string
		qtype  uint16
		change func(*dns.Msg)
		rcode  string
		want   []string
	}{
		{name: "an answer", source: table, qname: "app.gslb.example.com.", qtype: dns.TypeA, rcode: "NOERROR"},
		{name: "no such name", source: table, qname: "nope.gslb.example.com.", qtype: dns.TypeA, rcode: "NXDOMAIN"},
		{name: "outside", source: table, qname: "www.example.org.", qtype: dns.TypeA, rcode: "REFUSED", want: []string{`15 "\x00\x14"`}},
		{name: "nothing is up", source: table, qname: "quiet.gslb.example.com.", qtype: dns.TypeA, rcode: "SERVFAIL",
			want: []string{`15 "\x00\x00no place that could answer is up"`}},
		{name: "not ready", source: nil, qname: "app.gslb.example.com.", qtype: dns.TypeA, rcode: "SERVFAIL", want: []string{`15 "\x00\x0eno answers yet"`}},
		{name: "class NONE", source: table, qname: "app.gslb.example.com.", qtype: dns.TypeA, change: class(dns.ClassNONE), rcode: "REFUSED",
			want: []string{`15 "\x00\x15no transfers, and no class but IN"`}},
		{name: "IXFR", source: table, qname: "gslb.example.com.", qtype: dns.TypeIXFR, rcode: "REFUSED",
			want: []string{`15 "\x00\x15no transfers, and no class but IN"`}},
		{name: "class ANY outside", source: table, qname: "www.example.org.", qtype: dns.TypeA, change: class(dns.ClassANY), rcode: "REFUSED", want: []string{`15 "\x00\x14"`}},
	}
	for _, test := range tests {
		for _, edns := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, EDNS %t", test.name, edns), func(t *testing.T) {
				m := dnstest.Ask(1, test.qname, test.qtype)
				if test.change != nil {
					test.change(m)
				}
				var want []string
				if edns {
					m.SetEdns0(1232, false)
					want = append([]string{}, test.want...)
				}
				r := responderOver(t, OverUDP, test.source)
				// What one query is told must not be told the next.
				r.Respond(dnstest.Pack(t, dnstest.Ask(2, "www.example.org.", dns.TypeA)), dnstest.Client)
				out := r.Respond(dnstest.Pack(t, m), dnstest.Client)
				if got := dnstest.Rcode(dnstest.FullRcode(dnstest.Unpack(t, out))); got != test.rcode {
					t.Errorf("%s, want %s", got, test.rcode)
				}
				if diff := cmp.Diff(want, optionsOf(t, out)); diff != "" {
					t.Errorf("options (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// TestReplySizes asks for what is longer than any limit with every size that a client can
// offer (RFC 6891, section 6.2.3).
func TestReplySizes(t *testing.T) {
	r := responderOver(t, OverUDP, dnstest.World(t))
	for _, test := range []struct{ offered, limit int }{
		{0, 512}, {1, 512}, {511, 512}, {512, 512}, {513, 513}, {1000, 1000}, {1231, 1231}, {1232, 1232}, {1233, 1232}, {4096, 1232}, {65535, 1232},
	} {
		largest := 0
		for _, qname := range dnstest.WorldNames() {
			for _, qtype := range []uint16{dns.TypeA, dns.TypeMX, dns.TypeTXT, dns.TypeANY} {
				m := dnstest.Ask(1, qname, qtype)
				m.SetEdns0(uint16(test.offered), true)
				out := r.Respond(dnstest.Pack(t, m), dnstest.Client)
				if len(out) > test.limit {
					t.Errorf("%d bytes offered: %s %s has a reply of %d", test.offered, qname, dns.Type(qtype), len(out))
				}
				largest = max(largest, len(out))
			}
		}
		if largest < test.limit/2 {
			t.Errorf("%d bytes offered: no reply is longer than %d", test.offered, largest)
		}
	}
}

// TestNoReplyTooLong offers every size for replies that just fit in some of them.
func TestNoReplyTooLong(t *testing.T) {
	r := responderWith(t, OverUDP, dnstest.World(t), Settings{ID: "ns1.nyc"})
	for _, test := range []struct {
		qname string
		qtype uint16
	}{{"big.gslb.example.com.", dns.TypeTXT}, {"many.gslb.example.com.", dns.TypeMX}, {"wide.gslb.example.com.", dns.TypeA}} {
		m := dnstest.Ask(1, test.qname, test.qtype)
		withOption(0, "\x00\x03")(m)
		in, whole := dnstest.Pack(t, m), false
		at := len(in) - wire.OPTSize - 4 + 3
		for size := dns.MinMsgSize; size <= wire.UDPPayload; size++ {
			binary.BigEndian.PutUint16(in[at:], uint16(size))
			out := r.Respond(in, dnstest.Client)
			if len(out) > size {
				t.Errorf("%d bytes offered: %s has a reply of %d", size, test.qname, len(out))
			}
			truncated := dnstest.Unpack(t, out).Truncated
			if whole && truncated {
				t.Errorf("%d bytes offered: %s is truncated, and was not at less", size, test.qname)
			}
			whole = whole || !truncated
		}
		if !whole {
			t.Errorf("%s is always truncated", test.qname)
		}
	}
}

// TestOPTLeavesRoom has a name and an identity so long that both, with all other options, are
// more than a client takes.
func TestOPTLeavesRoom(t *testing.T) {
	keyring, err := cookie.NewKeyring(cookie.NewSecret())
	if err != nil {
		t.Fatal(err)
	}
	all := []string{dnstest.Option(3, ""), dnstest.Option(10, "clientco"), dnstest.Option(8, "\x00\x02\x80\x00"+strings.Repeat("\x20", 16))}
	m := dnstest.Ask(1, strings.Repeat(dnstest.LongLabel+".", 3)+dnstest.LongLabel[:61]+".", dns.TypeA)
	for _, qclass := range []uint16{dns.ClassINET, dns.ClassANY} {
		m.Question[0].Qclass = qclass
		in := dnstest.Pack(t, m)
		in[wire.OffARCount+1] = 1
		in = append(in, dnstest.OptRecord(512, all...)...)
		for _, size := range []int{1, 50, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 150, 255} {
			r := responderWith(t, OverUDP, dnstest.World(t), Settings{ID: strings.Repeat("i", size), Cookies: keyring})
			out := r.Respond(in, dnstest.Client)
			reply := dnstest.Unpack(t, out)
			if len(out) > dns.MinMsgSize {
				t.Errorf("an identity of %d bytes makes a reply of %d", size, len(out))
			}
			if got, want := dnstest.Summary(reply), "REFUSED 1/0/0/1 edns0/1232"; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			options := optionsOf(t, out)
			if len(options) < 2 || !strings.HasPrefix(options[0], `10 "clientco`) || !strings.HasPrefix(options[1], "8 ") {
				t.Errorf("the cookie or the subnet is missing: %q", options)
			}
			if size <= 100 && !strings.HasPrefix(options[2], `3 "iii`) && size > 3 {
				t.Errorf("there is room for an identity of %d bytes: %q", size, options)
			}
		}
	}
}

// TestNothingOfOthersInAFailure has a query that panics after one of another client.
func TestNothingOfOthersInAFailure(t *testing.T) {
	keyring, err := cookie.NewKeyring(cookie.NewSecret())
	if err != nil {
		t.Fatal(err)
	}
	r := responderWith(t, OverUDP, dnstest.Zone(t, dnstest.ZoneText), Settings{Cookies: keyring})
	outside := dnstest.Pack(t, dnstest.Ask(1, "example.com.", dns.TypeA))
	outside[wire.OffARCount+1] = 1
	r.Respond(append(outside, dnstest.OptRecord(1232, dnstest.Option(10, "another!"))...), netip.MustParseAddrPort("192.0.2.99:1"))
	in := dnstest.Message(0, [4]uint16{1, 0, 0, 1}, "\x05panic\x07example\x03org\x00\x00\x01\x00\x01", dnstest.OptRecord(1232))
	out := r.RespondAt(in, dnstest.Client.Addr(), time.Now(), r.buf)
	if got, want := dnstest.Summary(dnstest.Unpack(t, out)), "SERVFAIL 1/0/0/1 edns0/1232"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if diff := cmp.Diff([]string{}, optionsOf(t, out)); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
}

// TestLargestSet asks over TCP for the largest set that a configuration may have: it is answered
// whole, with OPT, whatever options would fit beside a smaller one.
func TestLargestSet(t *testing.T) {
	keyring, err := cookie.NewKeyring(cookie.NewSecret())
	if err != nil {
		t.Fatal(err)
	}
	const owner = len("\x04huge\x07example\x03org\x00")
	var text strings.Builder
	text.WriteString(strings.ReplaceAll(dnstest.ZoneText, "huge ", "other"))
	count, left := 0, records.MaxSet-owner
	for ; left > 0; count++ {
		size := min(left, 200)
		if left-size < 20 && left != size {
			size -= 20
		}
		fmt.Fprintf(&text, "huge TYPE65280 \\# %d %08x%s\n", size-records.RecordHead, count, strings.Repeat("ab", size-records.RecordHead-4))
		left -= size
	}
	r := responderWith(t, OverTCP, dnstest.Zone(t, text.String()), Settings{ID: "ns1.nyc", Cookies: keyring})
	m := dnstest.Ask(1, "huge.example.org.", 65280)
	withOption(1232, "\x00\x0aclientco")(m)
	out := r.Respond(dnstest.Pack(t, m), dnstest.Client)
	if got, want := dnstest.Summary(dnstest.Unpack(t, out)), fmt.Sprintf("NOERROR aa 1/%d/0/1 edns0/1232", count); got != want || len(out) != wire.MaxMessage {
		t.Errorf("got %q in %d bytes, want %q", got, len(out), want)
	}
}
