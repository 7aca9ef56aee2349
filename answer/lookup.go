package answer

import "github.com/miekg/dns"

// Reply is what the table has to say to one question: the content of a response, without
// the header's id, the question and EDNS, which are the server's.
type Reply struct {
	Rcode         int
	Authoritative bool
	Answer        []dns.RR
	Authority     []dns.RR
	Additional    []dns.RR
}

// Lookup answers a question of class IN by RFC 1034, section 4.3.2. The owner names in the
// answer section have the case of qname. The records of the reply are the caller's to
// pack, not to change. A name outside every zone is REFUSED.
func (t *Table) Lookup(qname string, qtype uint16) Reply { panic("contract") }
