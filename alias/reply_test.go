package alias

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

func TestRead(t *testing.T) {
	const noError, nxDomain = dns.RcodeSuccess, dns.RcodeNameError
	const soa = "example.net. 300 IN SOA ns. root. 1 2 3 4 60"
	neither := func(m *dns.Msg) { m.RecursionAvailable = false }
	authoritative := func(m *dns.Msg) { m.RecursionAvailable, m.Authoritative = false, true }
	chain := func(n int) string {
		var b strings.Builder
		owner := lb
		for i := range n {
			target := fmt.Sprintf("c%d.example.", i)
			fmt.Fprintf(&b, "%s 60 IN CNAME %s\n", owner, target)
			owner = target
		}
		fmt.Fprintf(&b, "%s 60 IN A 192.0.2.1\n", owner)
		return b.String()
	}
	for _, test := range []struct {
		name   string
		qtype  uint16
		rcode  int
		text   string
		change func(*dns.Msg)
		kind   kind
		want   string // the reason, the addresses or the target, and the TTL unless it failed
	}{
		{"addresses", dns.TypeA, noError, "lb.example.net. 60 IN A 192.0.2.2\nlb.example.net. 30 IN A 192.0.2.1", nil, found, "addresses [192.0.2.1 192.0.2.2] 30s"},
		{"IPv6", dns.TypeAAAA, noError, "lb.example.net. 60 IN AAAA 2001:db8::2\nlb.example.net. 60 IN AAAA 2001:db8::1", nil, found, "addresses [2001:db8::1 2001:db8::2] 1m0s"},
		{"each once", dns.TypeA, noError, "lb.example.net. 60 IN A 192.0.2.1\nLB.EXAMPLE.net. 60 IN A 192.0.2.1", nil, found, "addresses [192.0.2.1] 1m0s"},
		{"of an authoritative server", dns.TypeA, noError, "lb.example.net. 60 IN A 192.0.2.1", authoritative, found, "addresses [192.0.2.1] 1m0s"},
		{"TTL 0", dns.TypeA, noError, "lb.example.net. 0 IN A 192.0.2.1", nil, found, "addresses [192.0.2.1] 0s"},
		{"TTL with the highest bit", dns.TypeA, noError, "lb.example.net. 2147483648 IN A 192.0.2.1", nil, found, "addresses [192.0.2.1] 0s"},
		{"loopback, for tests", dns.TypeA, noError, "lb.example.net. 60 IN A 127.0.0.1", nil, found, "addresses [127.0.0.1] 1m0s"},
		{"some that no client can use", dns.TypeA, noError, "lb.example.net. 60 IN A 0.0.0.0\nlb.example.net. 60 IN A 224.0.0.1\nlb.example.net. 60 IN A 255.255.255.255\nlb.example.net. 60 IN A 192.0.2.1", nil, found, "addresses [192.0.2.1] 1m0s"},
		{"only such", dns.TypeA, noError, "lb.example.net. 60 IN A 0.0.0.0", nil, failed, "unusable"},
		{"only such of IPv6", dns.TypeAAAA, noError, "lb.example.net. 60 IN AAAA ::\nlb.example.net. 60 IN AAAA ::ffff:192.0.2.1\nlb.example.net. 60 IN AAAA ff02::1", nil, failed, "unusable"},

		{"an alias", dns.TypeA, noError, "lb.example.net. 300 IN CNAME A.example.\na.example. 20 IN CNAME b.example.\nb.example. 60 IN A 192.0.2.1", nil, found, "addresses [192.0.2.1] 20s"},
		{"an alias, its target first", dns.TypeA, noError, "b.example. 60 IN A 192.0.2.1\nlb.example.net. 30 IN CNAME b.example.", nil, found, "addresses [192.0.2.1] 30s"},
		{"the same alias twice", dns.TypeA, noError, "lb.example.net. 30 IN CNAME b.example.\nlb.example.net. 30 IN CNAME B.example.\nb.example. 60 IN A 192.0.2.1", nil, found, "addresses [192.0.2.1] 30s"},
		{"two aliases", dns.TypeA, noError, "lb.example.net. 30 IN CNAME b.example.\nlb.example.net. 30 IN CNAME c.example.\nb.example. 60 IN A 192.0.2.1", nil, failed, "malformed"},
		{"a circle", dns.TypeA, noError, "lb.example.net. 30 IN CNAME b.example.\nb.example. 30 IN CNAME lb.example.net.", nil, failed, "chain"},
		{"a long chain", dns.TypeA, noError, chain(maxHops), nil, found, "addresses [192.0.2.1] 1m0s"},
		{"a chain too long", dns.TypeA, noError, chain(maxHops + 1), nil, failed, "chain"},
		{"only the alias", dns.TypeA, noError, "lb.example.net. 30 IN CNAME b.example.", nil, elsewhere, "cname b.example. 30s"},
		{"only the alias, of an authoritative server", dns.TypeA, noError, "lb.example.net. 30 IN CNAME b.example.\n---\nexample. 300 IN NS ns.example.", authoritative, elsewhere, "cname b.example. 30s"},
		{"only the alias, and an SOA of another zone", dns.TypeA, noError, "lb.example.net. 30 IN CNAME b.example.\n---\n" + soa, nil, elsewhere, "cname b.example. 30s"},
		{"an alias of a name without", dns.TypeA, noError, "lb.example.net. 30 IN CNAME b.example.net.\n---\n" + soa, nil, nothing, "nodata 30s"},
		{"an alias of a name that does not exist", dns.TypeA, nxDomain, "lb.example.net. 30 IN CNAME b.example.\n", nil, nothing, "nxdomain 0s"},

		{"records of others", dns.TypeA, noError, "other.example.net. 60 IN A 192.0.2.9\nlb.example.net. 60 IN TXT x\nlb.example.net. 60 CH A 192.0.2.8\nlb.example.net. 60 IN AAAA 2001:db8::1", nil, nothing, "nodata 0s"},
		{"no data", dns.TypeA, noError, "---\n" + soa, nil, nothing, "nodata 1m0s"},
		{"no data, a short TTL", dns.TypeA, noError, "---\nexample.net. 10 IN SOA ns. root. 1 2 3 4 60", nil, nothing, "nodata 10s"},
		{"no data, without an SOA", dns.TypeA, noError, "", nil, nothing, "nodata 0s"},
		{"no data, of an authoritative server", dns.TypeA, noError, "---\n" + soa, authoritative, nothing, "nodata 1m0s"},
		{"no such name", dns.TypeA, nxDomain, "---\n" + soa, nil, nothing, "nxdomain 1m0s"},
		{"no such name, but addresses", dns.TypeA, nxDomain, "lb.example.net. 60 IN A 192.0.2.1", nil, failed, "malformed"},

		{"a referral", dns.TypeA, noError, "---\nnet. 300 IN NS a.gtld-servers.net.", nil, failed, "lame"},
		{"no data, of a server that can't know", dns.TypeA, noError, "---\n" + soa, neither, failed, "lame"},
		{"no such name, of a server that can't know", dns.TypeA, nxDomain, "---\n" + soa, neither, failed, "lame"},
		{"a failure", dns.TypeA, dns.RcodeServerFailure, "lb.example.net. 60 IN A 192.0.2.1", nil, failed, "servfail"},
		{"refused", dns.TypeA, dns.RcodeRefused, "", nil, failed, "refused"},
		{"a code that nobody knows", dns.TypeA, 3841, "", nil, failed, "rcode"},
		{"truncated", dns.TypeA, noError, "lb.example.net. 60 IN A 192.0.2.1", func(m *dns.Msg) { m.Truncated = true }, failed, "truncated"},
	} {
		t.Run(test.name, func(t *testing.T) {
			q := askFor(lb, test.qtype)
			m := reply(t, q, test.rcode, test.text)
			if test.change != nil {
				test.change(m)
			}
			s := read(q, 0, m)
			got := s.reason
			switch s.kind {
			case found:
				got += fmt.Sprintf(" %v %s", s.addresses, s.ttl)
			case nothing:
				got += fmt.Sprintf(" %s", s.ttl)
			case elsewhere:
				got += fmt.Sprintf(" %s %s", s.target, s.ttl)
			}
			if s.kind != test.kind || got != test.want {
				t.Errorf("got kind %d: %s, want %d: %s", s.kind, got, test.kind, test.want)
			}
			if s.detail == "" {
				t.Error("it says nothing to the operator")
			}
		})
	}
}

// So many addresses are used that the targets stay within bounds, and always the same.
func TestReadManyAddresses(t *testing.T) {
	var lines []string
	for i := range 3 * maxAddresses {
		lines = append(lines, fmt.Sprintf("%s 60 IN A 192.0.%d.%d", lb, i/100, i%100+1))
	}
	q := askFor(lb, dns.TypeA)
	first := read(q, 0, reply(t, q, dns.RcodeSuccess, strings.Join(lines, "\n")))
	lines = append(lines[100:], lines[:100]...)
	second := read(q, 0, reply(t, q, dns.RcodeSuccess, strings.Join(lines, "\n")))
	if len(first.addresses) != maxAddresses || fmt.Sprint(first.addresses) != fmt.Sprint(second.addresses) {
		t.Errorf("%d addresses: %v, and then %v", len(first.addresses), first.addresses, second.addresses)
	}
}

// FuzzReply reads any message as the reply to a question.
func FuzzReply(f *testing.F) {
	q := askFor(lb, dns.TypeA)
	for _, text := range []string{
		"lb.example.net. 60 IN A 192.0.2.1",
		"lb.example.net. 60 IN CNAME b.example.\nb.example. 5 IN A 192.0.2.1",
		"lb.example.net. 60 IN CNAME b.example.\nb.example. 5 IN CNAME lb.example.net.",
		"---\nexample.net. 10 IN SOA ns. root. 1 2 3 4 60",
		"---\nnet. 300 IN NS a.gtld-servers.net.",
	} {
		data, err := reply(f, q, dns.RcodeSuccess, text).Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < headerSize {
			return
		}
		query := newQuery(q, true)
		query.Id = uint16(data[0])<<8 | uint16(data[1])
		m, err := replyTo(query, data)
		if err != nil {
			return
		}
		s := read(q, 3, m)
		if s.detail == "" || s.reason == "" {
			t.Errorf("it says nothing: %+v", s)
		}
		switch {
		case s.kind == found != (len(s.addresses) > 0), len(s.addresses) > maxAddresses:
			t.Errorf("kind %d with %d addresses", s.kind, len(s.addresses))
		case s.kind == elsewhere != (s.target != ""):
			t.Errorf("kind %d, to %q", s.kind, s.target)
		case s.kind == elsewhere && (s.hops <= 3 || s.hops > maxHops):
			t.Errorf("%d hops", s.hops)
		case s.ttl < 0 || s.ttl > longest:
			t.Errorf("TTL %s", s.ttl)
		}
		for i, addr := range s.addresses {
			if !addr.Is4() || !usable(addr) || i > 0 && s.addresses[i-1].Compare(addr) >= 0 {
				t.Errorf("addresses %v", s.addresses)
			}
		}
		// What it says is believed without harm.
		b := belief{}.after(s, time.Unix(0, 0), .5)
		if wait := b.next.Sub(b.asked); wait < retryFirst || wait > 2*paceMost {
			t.Errorf("a pause of %s", wait)
		}
	})
}
