package answer

import (
	"slices"

	"github.com/miekg/dns"

	"gslb/internal/wire"
)

// Reply is what a table has to say to one question, as records: the content of a response,
// without the header's id, the question and EDNS, which are the server's.
type Reply struct {
	Zone          string // fully qualified, lower case: the zone that answered; empty with REFUSED
	Kind          Kind
	Bucket        uint64 // as Lookup.Bucket
	Scope         int    // as Lookup.Scope
	Rcode         int
	Authoritative bool
	Answer        []dns.RR
	Authority     []dns.RR
	Additional    []dns.RR
}

// Lookup answers one question as [Lookup.Run] does. qname is fully qualified, in
// presentation form; what the question's name owns has the case of qname. It is safe for
// concurrent use.
func (t *Table) Lookup(qname string, qtype uint16) Reply { return t.LookupFor(Client{}, qname, qtype) }

// LookupFor is Lookup for a client.
func (t *Table) LookupFor(client Client, qname string, qtype uint16) Reply {
	return t.lookupBy(new(Lookup), client, qname, qtype)
}

// lookupBy is LookupFor by a look-up, which may be one that draws certain numbers.
func (t *Table) lookupBy(l *Lookup, client Client, qname string, qtype uint16) Reply {
	var asked [wire.MaxName]byte
	length, err := dns.PackDomainName(qname, asked[:], 0, nil, false)
	if err != nil {
		return Reply{Rcode: dns.RcodeFormatError}
	}
	var name wire.Name
	if _, ok := name.Read(asked[:length], 0); !ok {
		return Reply{Rcode: dns.RcodeFormatError}
	}
	l.Run(t, client, asked[:length], &name, qtype)
	return l.reply(qname)
}

// reply makes records of what was found.
func (l *Lookup) reply(qname string) Reply {
	var additional []piece
	for set := range l.additional() {
		additional = append(additional, set.piece)
	}
	return Reply{
		Zone:          l.Zone(),
		Kind:          l.kind,
		Bucket:        l.bucket,
		Scope:         l.Scope(),
		Rcode:         l.rcode,
		Authoritative: l.authoritative,
		Answer:        rrsOf(l.answer, qname),
		Authority:     rrsOf(l.authority, qname),
		Additional:    rrsOf(additional, qname),
	}
}

func rrsOf(pieces []piece, qname string) []dns.RR {
	var list []dns.RR
	for i := range pieces {
		p := &pieces[i]
		owner := qname
		if p.owner != nil {
			// What was packed from a name, or read as one, unpacks.
			owner, _, _ = dns.UnpackDomainName(p.owner, 0)
		}
		whole := p.RRset
		whole.Records = slices.Concat(p.Records, p.rest)
		for rr := range whole.RRs(owner) {
			list = append(list, rr)
		}
	}
	return list
}
