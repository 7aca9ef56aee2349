package respond

import (
	"strings"

	"github.com/miekg/dns"

	"gslb/answer"
	"gslb/internal/rrl"
	"gslb/server/meter"
)

// respondOdd answers any message.
func (r *Responder) respondOdd(s *Settings, in, buf []byte) []byte {
	q := &r.odd
	q.parse(in)
	if q.edns.BadCookie && s.Cookies != nil {
		q.refuse()
	}
	r.prepareOPT(s, &q.edns)
	var reply answer.Reply
	reply, r.opt.error = r.resolve(s, q)
	if reply.Kind == answer.Pending {
		r.meter.Dropped(meter.DropPending)
		return nil
	}
	limit := r.limit(&q.edns)
	class := class(q.qtype, reply.Kind)
	action := r.ration(s, class, reply.Bucket)
	if action == rrl.Slip {
		r.opt.error = nil
		if class != rrl.Error {
			limit = 0 // nothing but the question fits
		}
	}
	var out []byte
	if action != rrl.Drop {
		out = r.packOdd(&reply, buf, limit)
	}
	r.answered(q.qtype, reply.Zone, reply.Rcode, len(in), out)
	return out
}

// resolve decides what the reply to q contains.
func (r *Responder) resolve(s *Settings, q *query) (answer.Reply, extendedError) {
	switch {
	case q.rcode != dns.RcodeSuccess:
		return answer.Reply{Rcode: q.rcode}, nil
	case q.tsig != nil:
		return answer.Reply{Rcode: dns.RcodeNotAuth}, nil
	case q.edns.Version > 0:
		return answer.Reply{Rcode: dns.RcodeBadVers}, nil
	case !q.hasQuestion():
		return r.resolveCookie(s, q), nil
	case q.qclass == dns.ClassCHAOS:
		return s.chaos(q.name, q.qtype), nil
	case q.qclass != dns.ClassINET && q.qclass != dns.ClassANY:
		return answer.Reply{Rcode: dns.RcodeRefused}, errNotSupported
	case q.qtype == dns.TypeAXFR && r.via == OverUDP:
		return answer.Reply{Rcode: dns.RcodeNotImplemented}, errNotSupported
	}
	table := r.source()
	switch {
	case table == nil:
		return answer.Reply{Rcode: dns.RcodeServerFailure}, errNotReady
	case isTransfer(q.qtype) && !table.HasZone(q.name):
		return answer.Reply{Rcode: dns.RcodeNotAuth}, errNotAuthoritative
	case isTransfer(q.qtype):
		return answer.Reply{Rcode: dns.RcodeRefused}, errNotSupported
	}
	reply := table.Lookup(q.name, q.qtype)
	if q.qclass == dns.ClassANY {
		reply.Authoritative = false
	}
	return reply, whyUsual(reply.Rcode)
}

// resolveCookie answers a query that has a cookie and no question: it asks for a server
// cookie, or whether the one that it has still holds (RFC 7873, section 5.4).
func (r *Responder) resolveCookie(s *Settings, q *query) answer.Reply {
	switch {
	case s.Cookies == nil:
		return answer.Reply{Rcode: dns.RcodeFormatError}
	case len(q.edns.ServerCookie) > 0 && !r.client.holds:
		return answer.Reply{Rcode: dns.RcodeBadCookie}
	}
	return answer.Reply{}
}

// packOdd makes the message that goes out. A reply that cannot be packed becomes SERVFAIL.
func (r *Responder) packOdd(reply *answer.Reply, buf []byte, limit int) []byte {
	out, err := pack(buf, &r.odd, *reply, r.oddOPT(reply.Rcode), limit)
	if err != nil {
		r.meter.Unpackable(r.logger, err)
		*reply = answer.Reply{Rcode: dns.RcodeServerFailure}
		return r.fail(buf)
	}
	return out
}

// oddOPT is the OPT record of the reply, if the query has one.
func (r *Responder) oddOPT(rcode int) []byte {
	q := &r.odd
	if !q.edns.Present {
		return nil
	}
	return r.opt.make(&q.edns, rcode, r.limit(&q.edns)-q.questionEnd)
}

// fail is the reply to a query that the server itself could not handle.
func (r *Responder) fail(buf []byte) []byte {
	opt := r.oddOPT(dns.RcodeServerFailure)
	out, err := pack(buf, &r.odd, answer.Reply{Rcode: dns.RcodeServerFailure}, opt, r.limit(&r.odd.edns))
	if err != nil {
		return nil
	}
	return out
}

// chaos answers a question of class CH, which is asked to tell servers apart (RFC 4892).
// What is not set, and everything else, is REFUSED. There is no zone, and so no AA.
func (s *Settings) chaos(qname string, qtype uint16) answer.Reply {
	var text string
	switch strings.ToLower(qname) {
	case "id.server.", "hostname.bind.":
		text = s.ID
	case "version.server.", "version.bind.":
		text = s.Version
	}
	if text == "" || qtype != dns.TypeTXT && qtype != dns.TypeANY {
		return answer.Reply{Rcode: dns.RcodeRefused}
	}
	return answer.Reply{Kind: answer.Positive, Answer: []dns.RR{&dns.TXT{
		Hdr: dns.RR_Header{Name: qname, Rrtype: dns.TypeTXT, Class: dns.ClassCHAOS},
		Txt: []string{strings.ReplaceAll(text, `\`, `\\`)}, // package dns reads escapes
	}}}
}
