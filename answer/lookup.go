package answer

import (
	"slices"

	"github.com/miekg/dns"

	"gslb/steer"
)

// Reply is what the table has to say to one question: the content of a response, without
// the header's id, the question and EDNS, which are the server's.
type Reply struct {
	Zone          string // fully qualified, lower case: the zone that answered; empty with REFUSED
	Rcode         int
	Authoritative bool
	Answer        []dns.RR
	Authority     []dns.RR
	Additional    []dns.RR
}

// maxChain bounds how many CNAME and DNAME records one answer follows. Resolvers give up
// at about the same length.
const maxChain = 16

// Lookup answers a question of class IN by RFC 1034, section 4.3.2, with the refinements
// of RFC 2308 (negative answers), RFC 4592 (wildcards), RFC 6672 (DNAME), RFC 8020 (empty
// non-terminals) and RFC 8482 (ANY). The owner names in the answer section have the case
// of qname. The records of the reply are the caller's to pack, not to change. A name
// outside every zone is REFUSED.
func (t *Table) Lookup(qname string, qtype uint16) Reply {
	l := lookup{table: t, qtype: qtype}
	l.run(qname)
	l.addAdditional()
	return l.reply
}

// lookup is one question on its way to a reply.
type lookup struct {
	table *Table
	qtype uint16
	reply Reply
	hosts map[string]bool // whose addresses were added, by wire name
}

// run answers qname, and follows the aliases that it meets inside the zones served.
func (l *lookup) run(qname string) {
	for hop := 0; ; hop++ {
		n, ok := parseName(qname)
		if !ok {
			l.reply.Rcode = dns.RcodeFormatError
			return
		}
		z, depth := l.table.zoneOf(&n, l.qtype)
		switch {
		case z == nil && hop == 0:
			l.reply.Rcode = dns.RcodeRefused
			return
		case z == nil, hop > maxChain:
			return // the resolver goes on from the alias
		}
		if hop == 0 {
			l.reply.Zone = z.name
		}
		target := l.step(z, &n, depth, qname)
		if target == "" || l.alreadyAnswered(target) {
			return
		}
		qname = target
	}
}

// step answers one name within its zone, and returns the target of an alias to go on
// with; otherwise "". The label n.suffix(depth) is the zone's apex.
func (l *lookup) step(z *zone, n *name, depth int, qname string) (target string) {
	encloser := z.nodes[string(n.suffix(depth))]
	for i := depth; ; i-- {
		here := z.nodes[string(n.suffix(i))]
		if here == nil {
			l.reply.Authoritative = true
			if encloser.wildcard == nil {
				l.reply.Rcode = dns.RcodeNameError
				l.negative(z)
				return ""
			}
			return l.data(z, encloser.wildcard, qname)
		}
		// The parent's side of the cut answers DS (RFC 4035, section 3.1.4.1).
		if here.cut && !(i == 0 && l.qtype == dns.TypeDS) {
			l.referral(here)
			return ""
		}
		if i == 0 {
			l.reply.Authoritative = true
			return l.data(z, here, qname)
		}
		if here.dname != nil {
			l.reply.Authoritative = true
			return l.redirect(here.dname, n, i, qname)
		}
		encloser = here
	}
}

// data answers from the node that qname came to, by its own name or as a wildcard.
func (l *lookup) data(z *zone, n *node, qname string) (target string) {
	if alias := n.static(dns.TypeCNAME); alias != nil && l.qtype != dns.TypeCNAME && l.qtype != dns.TypeANY {
		l.answer(alias, qname)
		return alias[0].(*dns.CNAME).Target
	}
	if n.steering >= 0 {
		d := &l.table.decisions[n.steering]
		if d.Mode == steer.ServFail && (l.qtype == dns.TypeA || l.qtype == dns.TypeAAAA || l.qtype == dns.TypeANY) {
			l.reply = Reply{Zone: l.reply.Zone, Rcode: dns.RcodeServerFailure}
			return ""
		}
	}
	records := l.table.recordsOf(n, l.qtype)
	if len(records) == 0 {
		l.negative(z)
		return ""
	}
	l.answer(records, qname)
	return ""
}

// redirect answers with a DNAME at n.suffix(i) and the CNAME synthesised from it
// (RFC 6672, section 3.1).
func (l *lookup) redirect(d *dns.DNAME, n *name, i int, qname string) (target string) {
	if !slices.Contains(l.reply.Answer, dns.RR(d)) { // an alias may lead below it again
		l.reply.Answer = append(l.reply.Answer, d)
	}
	target, ok := substitute(n, i, qname, d.Target)
	if !ok {
		l.reply.Rcode = dns.RcodeYXDomain
		return ""
	}
	l.reply.Answer = append(l.reply.Answer, &dns.CNAME{
		Hdr:    dns.RR_Header{Name: qname, Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: d.Hdr.Ttl},
		Target: target,
	})
	if l.qtype == dns.TypeCNAME {
		return ""
	}
	return target
}

// substitute replaces all of qname but its first i labels by target; not ok when the
// result would be longer than a name can be.
func substitute(n *name, i int, qname, target string) (string, bool) {
	prefix := qname[:labelStart(qname, i)]
	to, ok := parseName(target)
	if !ok || int(n.starts[i])+to.length > len(n.wire) {
		return "", false
	}
	if target == "." {
		return prefix, true
	}
	return prefix + target, true
}

// labelStart is where label i of a name in presentation form begins.
func labelStart(s string, i int) int {
	at := 0
	for ; i > 0; i-- {
		at, _ = dns.NextLabel(s, at)
	}
	return at
}

// answer adds records to the answer section, owned by qname.
func (l *lookup) answer(records []dns.RR, qname string) {
	for _, rr := range records {
		l.reply.Answer = append(l.reply.Answer, withOwner(rr, qname))
	}
}

// withOwner is the record under another owner name: of another case, or the one that a
// wildcard was expanded to.
func withOwner(rr dns.RR, owner string) dns.RR {
	if rr.Header().Name == owner {
		return rr
	}
	rr = dns.Copy(rr)
	rr.Header().Name = owner
	return rr
}

// negative adds the SOA that tells resolvers how long to believe that there is nothing
// (RFC 2308, section 3).
func (l *lookup) negative(z *zone) {
	if z.negative != nil {
		l.reply.Authority = append(l.reply.Authority, z.negative)
	}
}

// referral points to the servers of a delegated zone (RFC 1034, section 4.3.2, step 3b).
// The answer is authoritative only for the aliases that led here.
func (l *lookup) referral(cut *node) {
	l.reply.Authoritative = len(l.reply.Answer) > 0
	l.reply.Authority = append(l.reply.Authority, cut.static(dns.TypeNS)...)
}

// alreadyAnswered reports whether the answer has an alias at that name: a loop.
func (l *lookup) alreadyAnswered(target string) bool {
	to, ok := parseName(target)
	if !ok {
		return true
	}
	for _, rr := range l.reply.Answer {
		if rr.Header().Rrtype != dns.TypeCNAME {
			continue
		}
		if owner, ok := parseName(rr.Header().Name); ok && string(owner.bytes()) == string(to.bytes()) {
			return true
		}
	}
	return false
}
