package respond

import (
	"encoding/binary"

	"github.com/miekg/dns"

	"gslb/answer"
	"gslb/internal/rrl"
	"gslb/internal/wire"
	"gslb/server/meter"
)

// respondUsual answers a query of the usual form. It returns false, and has done nothing, if
// the message is of another form or buf too small; otherwise the reply, which is nil if the
// query must not be answered.
func (r *Responder) respondUsual(s *Settings, in, buf []byte) (out []byte, done bool) {
	q := &r.usual
	if !q.Parse(in) || q.Class != dns.ClassINET || q.EDNS.Version > 0 || isTransfer(q.Type) {
		return nil, false
	}
	table := r.source()
	if table == nil {
		return nil, false
	}
	table.Find(&r.lookup, in[wire.HeaderSize:q.End-4], &q.Name, q.Type)
	if r.lookup.Kind() == answer.Pending {
		r.meter.Dropped(meter.DropPending)
		return nil, true
	}
	r.prepareOPT(s, &q.EDNS)
	r.opt.error = whyUsual(r.lookup.Rcode())
	if out, done = r.packUsual(in[:q.End], q, buf); !done {
		return nil, false
	}
	class := class(q.Type, r.lookup.Kind())
	switch action := r.ration(s, class, r.lookup.Bucket()); {
	case action == rrl.Drop:
		out = nil
	case action == rrl.Slip:
		out = r.slip(out[:q.End], class)
	}
	r.answered(q.Type, r.lookup.Zone(), r.lookup.Rcode(), len(in), out)
	return out, true
}

func isTransfer(qtype uint16) bool { return qtype == dns.TypeAXFR || qtype == dns.TypeIXFR }

// whyUsual is the extended error that goes with a response code of the table's.
func whyUsual(rcode int) extendedError {
	switch rcode {
	case dns.RcodeRefused:
		return errNotAuthoritative
	case dns.RcodeServerFailure:
		return errNothingUp
	}
	return nil
}

// packUsual makes the reply from what was found. head is the query's header and question.
func (r *Responder) packUsual(head []byte, q *wire.Query, buf []byte) ([]byte, bool) {
	limit := r.limit(&q.EDNS)
	var opt []byte
	if q.EDNS.Present {
		opt = r.opt.make(&q.EDNS, r.lookup.Rcode(), limit-len(head))
		limit -= len(opt)
	}
	room := min(limit, cap(buf)-len(opt)-answer.Slack)
	if room < len(head) {
		return nil, false
	}
	out := append(buf[:0], head...)
	flags := uint16(wire.FlagQR | r.lookup.Rcode()&0xf)
	if r.lookup.Authoritative() {
		flags |= wire.FlagAA
	}
	if q.RD {
		flags |= wire.FlagRD
	}
	binary.BigEndian.PutUint16(out[wire.OffFlags:], flags)
	clear(out[wire.OffANCount:wire.HeaderSize])
	out, fit := r.lookup.Append(out, room)
	switch {
	case fit != answer.Whole && room < limit:
		return nil, false // it may go out in a larger buffer
	case fit == answer.Truncated:
		truncate(out)
	}
	return appendOPT(out, opt), true
}

// slip makes of a reply, cut behind the question, one that sends a real client to TCP. An error
// is one there, too, and only loses its explanation.
func (r *Responder) slip(out []byte, class rrl.Class) []byte {
	var opt []byte
	r.opt.error = nil
	if q := &r.usual; q.EDNS.Present {
		opt = r.opt.make(&q.EDNS, r.lookup.Rcode(), r.limit(&q.EDNS)-len(out))
	}
	clear(out[wire.OffANCount:wire.HeaderSize])
	if class != rrl.Error {
		truncate(out)
	}
	return appendOPT(out, opt)
}

// class is what a response counts as when its rate is limited.
func class(qtype uint16, kind answer.Kind) rrl.Class {
	if qtype == dns.TypeANY && kind == answer.Positive {
		return rrl.Any
	}
	switch kind {
	case answer.Positive:
		return rrl.Positive
	case answer.NoData:
		return rrl.NoData
	case answer.NXDomain:
		return rrl.NXDomain
	case answer.Referral:
		return rrl.Referral
	case answer.Wildcard:
		return rrl.Wildcard
	}
	return rrl.Error
}
