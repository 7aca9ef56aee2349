package server

import (
	"github.com/miekg/dns"

	"gslb/answer"
	"gslb/internal/rrl"
)

// respondOdd answers any message.
func (r *responder) respondOdd(s *Settings, in, buf []byte) []byte {
	q := &r.odd
	q.parse(in)
	r.prepareOPT(s, &q.edns)
	var reply answer.Reply
	reply, r.opt.error = r.resolve(s, q)
	limit := r.limit(&q.edns)
	class := class(q.qtype, reply.Kind)
	action := r.ration(s, class, reply.Bucket)
	if action == rrl.Slip && class != rrl.Error {
		limit = 0 // nothing but the question fits
	}
	var out []byte
	if action != rrl.Drop {
		out = r.packOdd(&reply, buf, limit)
	}
	r.answered(q.qtype, reply.Zone, reply.Rcode, len(in), out)
	return out
}

// resolve decides what the reply to q contains.
func (r *responder) resolve(s *Settings, q *query) (answer.Reply, *extendedError) {
	switch {
	case q.rcode != dns.RcodeSuccess:
		return answer.Reply{Rcode: q.rcode}, nil
	case q.tsig != nil:
		return answer.Reply{Rcode: dns.RcodeNotAuth}, nil
	case q.edns.Version > 0:
		return answer.Reply{Rcode: dns.RcodeBadVers}, nil
	case !q.hasQuestion(): // only a cookie is asked for
		return answer.Reply{}, nil
	case q.qclass == dns.ClassCHAOS:
		return s.chaos(q.name, q.qtype), nil
	case q.qclass != dns.ClassINET && q.qclass != dns.ClassANY:
		return answer.Reply{Rcode: dns.RcodeRefused}, errNotSupported
	case q.qtype == dns.TypeAXFR && r.via == overUDP:
		return answer.Reply{Rcode: dns.RcodeNotImplemented}, errNotSupported
	case isTransfer(q.qtype):
		return answer.Reply{Rcode: dns.RcodeRefused}, errNotSupported
	}
	table := r.source()
	if table == nil {
		return answer.Reply{Rcode: dns.RcodeServerFailure}, errNotReady
	}
	reply := table.Lookup(q.name, q.qtype)
	if q.qclass == dns.ClassANY {
		reply.Authoritative = false
	}
	return reply, whyUsual(reply.Rcode)
}

// packOdd makes the message that goes out. A reply that cannot be packed becomes SERVFAIL.
func (r *responder) packOdd(reply *answer.Reply, buf []byte, limit int) []byte {
	var opt []byte
	if r.odd.edns.Present {
		opt = r.opt.make(&r.odd.edns, reply.Rcode)
	}
	out, err := pack(buf, &r.odd, *reply, opt, limit)
	if err != nil {
		r.meter.unpackable(r.logger, err)
		*reply = answer.Reply{Rcode: dns.RcodeServerFailure}
		return r.fail(buf)
	}
	return out
}

// fail is the reply to a query that the server itself could not handle.
func (r *responder) fail(buf []byte) []byte {
	var opt []byte
	if r.odd.edns.Present {
		opt = r.opt.make(&r.odd.edns, dns.RcodeServerFailure)
	}
	out, err := pack(buf, &r.odd, answer.Reply{Rcode: dns.RcodeServerFailure}, opt, r.limit(&r.odd.edns))
	if err != nil {
		return nil
	}
	return out
}
