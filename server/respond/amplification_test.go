package respond

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"github.com/miekg/dns"

	"gslb/server/dnstest"
)

// amplified is a query over UDP whose reply is so many times as large.
type amplified struct {
	qname      string
	qtype      uint16
	edns       string
	query, out int // bytes
}

func (a amplified) factor() float64 { return float64(a.out) / float64(a.query) }

// typicalText is a zone such as most are: a few addresses of both families to each name, two
// name servers, mail, texts of the usual length, a delegation and a wildcard.
const typicalText = `
$TTL 60
@      SOA   ns1 hostmaster 1 3600 600 86400 5
@      NS    ns1
@      NS    ns2
@      A     192.0.2.10
@      AAAA  2001:db8::10
@      MX    10 mail1
@      MX    20 mail2
@      TXT   "v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 include:_spf.example.net -all"
@      TXT   "verification=0123456789abcdef0123456789abcdef0123456789abcdef"
@      CAA   0 issue "ca.example.net"
@      HTTPS 1 . alpn="h2,h3" ipv4hint=192.0.2.10 ipv6hint=2001:db8::10
ns1    A     192.0.2.53
ns1    AAAA  2001:db8::53
ns2    A     198.51.100.53
ns2    AAAA  2001:db8:1::53
mail1  A     192.0.2.25
mail2  A     192.0.2.26
www    A     192.0.2.1
www    A     192.0.2.2
www    AAAA  2001:db8::1
www    AAAA  2001:db8::2
alias  CNAME www
_sip._tcp SRV 1 1 5060 mail1
_sip._tcp SRV 1 2 5060 mail2
*.dev  A     192.0.2.3
old    DNAME dev
sub    NS    ns1.sub
sub    NS    ns2.sub
sub    DS    1 8 2 E2D3C916F6DEEAC73294E8268FB5885044A833FC5459588F4A9184CFC41A5766
ns1.sub A    192.0.2.61
ns2.sub A    192.0.2.62
`

// worstOfTypicalZone is how many times as large as the query the reply is that an attacker
// would choose, by what is asked for. Whoever makes a reply larger sees it here.
var worstOfTypicalZone = map[uint16]float64{
	dns.TypeTXT: 6.5, dns.TypeNS: 5.3, dns.TypeA: 3.1, dns.TypeCNAME: 3.1, dns.TypeSOA: 3.8, dns.TypeMX: 3.8, dns.TypeAAAA: 3.8,
	dns.TypeSRV: 3.8, dns.TypeDNAME: 3.8, dns.TypeDS: 3.8, dns.TypeHTTPS: 3.8, dns.TypeCAA: 3.8, dns.TypeANY: 3.8,
}

// TestAmplification computes, for every type, the worst ratio of reply to query (both without
// the headers of UDP and IP) that a forged query gets from a typical zone. With -v it prints
// the table that the documentation has.
func TestAmplification(t *testing.T) {
	r := responderOver(t, OverUDP, dnstest.Zone(t, typicalText))
	worst := make(map[uint16]amplified)
	for _, owner := range []string{
		"", "ns1.", "ns2.", "mail1.", "mail2.", "www.", "alias.", "_sip._tcp.", "*.dev.", "x.dev.", "dev.", "old.", "x.old.", "sub.", "x.sub.", "ns1.sub.", "x.",
	} {
		for qtype := range worstOfTypicalZone {
			for _, edns := range []string{"none", "512", "1232", "4096", "DO"} {
				m := dnstest.Ask(1, owner+"example.org.", qtype)
				switch edns {
				case "none":
				case "DO":
					m.SetEdns0(1232, true)
				default:
					var size uint16
					fmt.Sscan(edns, &size)
					m.SetEdns0(size, false)
				}
				in := dnstest.Pack(t, m)
				a := amplified{owner + "example.org.", qtype, edns, len(in), len(r.Respond(in, dnstest.Client))}
				if a.factor() > worst[qtype].factor() || worst[qtype].query == 0 {
					worst[qtype] = a
				}
			}
		}
	}
	list := slices.SortedFunc(func(yield func(amplified) bool) {
		for _, a := range worst {
			if !yield(a) {
				return
			}
		}
	}, func(a, b amplified) int {
		return cmp.Or(cmp.Compare(b.factor(), a.factor()), cmp.Compare(a.qtype, b.qtype))
	})
	table := "\n| type | name | EDNS | query | reply | ratio |\n|---|---|---|---|---|---|\n"
	for _, a := range list {
		table += fmt.Sprintf("| %s | `%s` | %s | %d | %d | %.1f |\n", dns.Type(a.qtype), a.qname, a.edns, a.query, a.out, a.factor())
		if most := worstOfTypicalZone[a.qtype]; a.factor() > most {
			t.Errorf("%s %s: %d bytes for %d, which is more than %.1f times as much", a.qname, dns.Type(a.qtype), a.out, a.query, most)
		}
	}
	t.Log(table)
}
