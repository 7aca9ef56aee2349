package respond

import (
	"github.com/miekg/dns"

	"gslb/answer"
	"gslb/internal/rrl"
	"gslb/internal/wire"
	"gslb/server/meter"
)

// respondUsual answers a query of the usual form. It returns false, and has done nothing, if
// the message is of another form; otherwise the reply, which is nil if there is none.
func (r *Responder) respondUsual(s *Settings, in, buf []byte) (out []byte, done bool) {
	q, l := &r.usual, &r.lookup
	if !q.Parse(in) || q.Class != dns.ClassINET || q.EDNS.Version > 0 || isTransfer(q.Type) {
		return nil, false
	}
	table := r.source()
	if table == nil {
		return nil, false
	}
	r.understood = byUsual
	table.Find(l, r.judged(s, &q.EDNS), in[wire.HeaderSize:q.End-4], &q.Name, q.Type)
	if l.Kind() == answer.Pending {
		r.meter.Dropped(meter.DropPending)
		return nil, true
	}
	r.prepareOPT(s, &q.EDNS)
	r.opt.error = whyUsual(l.Rcode())
	h := head{q.End, uint16(l.Rcode() & 0xf), l.Rcode(), &q.EDNS}
	if l.Authoritative() {
		h.flags |= wire.FlagAA
	}
	if q.RD {
		h.flags |= wire.FlagRD
	}
	out = r.pack(in, &h, buf, nil)
	class := class(q.Type, l.Kind())
	if action := r.ration(s, class, l.Bucket()); action != rrl.Pass {
		out = r.keepBack(out, &h, class, action)
	}
	r.answered(q.Type, l.Zone(), l.Rcode(), len(in), out)
	if out != nil {
		r.tally.Add(l.Counter())
	}
	return out, true
}

func isTransfer(qtype uint16) bool { return qtype == dns.TypeAXFR || qtype == dns.TypeIXFR }

// whyUsual is the extended error for a response code of the table.
func whyUsual(rcode int) extendedError {
	switch rcode {
	case dns.RcodeRefused:
		return errNotAuthoritative
	case dns.RcodeServerFailure:
		return errNothingUp
	}
	return nil
}
