package respond

import (
	"encoding/binary"

	"github.com/miekg/dns"

	"gslb/answer"
	"gslb/internal/rrl"
	"gslb/internal/wire"
)

// head is how a reply begins.
type head struct {
	end   int    // of the part that is copied from the query: header and, if it could be read, the question
	flags uint16 // with the lower four bits of rcode
	rcode int
	edns  *wire.EDNS // of the query
}

// content appends the sections of a reply to a message that is header and question, and counts
// them there. It is as [answer.Lookup.Append].
type content func(msg []byte, limit int) ([]byte, answer.Fit)

// nothing is the content of most errors.
func nothing(msg []byte, _ int) ([]byte, answer.Fit) { return msg, answer.Whole }

// pack makes the reply to a query in buf, which has room for any reply. Records that exceed the
// client's limit are left out, and TC is set if the client needs them (see [answer.Lookup.Append]).
// With nil sections, the reply has what the look-up found.
func (r *Responder) pack(in []byte, h *head, buf []byte, sections content) []byte {
	limit := r.limit(h.edns)
	out := append(buf[:0], in[:h.end]...)
	binary.BigEndian.PutUint16(out[wire.OffFlags:], wire.FlagQR|h.flags)
	if h.end == wire.HeaderSize {
		clear(out[wire.OffQDCount:])
	}
	clear(out[wire.OffANCount:wire.HeaderSize])
	var opt []byte
	if h.edns.Present {
		opt = r.opt.make(h.edns, h.rcode, limit-len(out))
		limit -= len(opt)
	}
	var fit answer.Fit
	for {
		if sections == nil {
			out, fit = r.lookup.Append(out, limit)
		} else {
			out, fit = sections(out, limit)
		}
		if fit != answer.Truncated || r.via == OverUDP || len(opt) <= wire.OPTSize {
			break
		}
		// Over TCP the client cannot ask again for the rest, so that options give way to records.
		limit += len(opt) - wire.OPTSize
		opt = r.opt.make(h.edns, h.rcode, 0)
		out = out[:h.end]
		clear(out[wire.OffANCount:wire.HeaderSize])
	}
	if fit == answer.Truncated {
		truncate(out)
	}
	if sections == nil && h.edns.Present {
		r.opt.scope(r.lookup.Scope())
	}
	return appendOPT(out, opt)
}

// keepBack turns a reply that the rate limit stops into none, or into one with TC that sends a real
// client to TCP. An error stays an error, without its extended error.
func (r *Responder) keepBack(out []byte, h *head, class rrl.Class, action rrl.Action) []byte {
	if action == rrl.Drop {
		return nil
	}
	out = out[:h.end]
	clear(out[wire.OffANCount:wire.HeaderSize])
	if class != rrl.Error {
		truncate(out)
	}
	r.opt.error = nil
	if h.edns.Present {
		out = appendOPT(out, r.opt.make(h.edns, h.rcode, r.limit(h.edns)-len(out)))
	}
	return out
}

// limit is the size of the largest reply to a query with such an OPT, in bytes: over UDP what the
// client can take, at least 512 (RFC 6891, section 6.2.3) and at most what we send.
func (r *Responder) limit(e *wire.EDNS) int {
	if r.via == OverTCP {
		return wire.MaxMessage
	}
	return min(max(e.Size, dns.MinMsgSize), wire.UDPPayload)
}

// appendOPT appends a packed OPT record, if there is one, to a message, and counts it.
func appendOPT(msg, opt []byte) []byte {
	if len(opt) == 0 {
		return msg
	}
	countAdditional(msg)
	return append(msg, opt...)
}

func countAdditional(msg []byte) {
	binary.BigEndian.PutUint16(msg[wire.OffARCount:], binary.BigEndian.Uint16(msg[wire.OffARCount:])+1)
}

func truncate(msg []byte) {
	binary.BigEndian.PutUint16(msg[wire.OffFlags:], binary.BigEndian.Uint16(msg[wire.OffFlags:])|wire.FlagTC)
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

// appendTSIG appends the TSIG of a refusal to msg, and counts it: what the client sent,
// unsigned and with the error BADKEY (RFC 8945, sections 5.2.1 and 5.3.2). One that does
// not fit in limit is left out, and TC set.
func appendTSIG(msg []byte, limit int, sent *dns.TSIG) []byte {
	refusal := &dns.TSIG{
		Hdr:        dns.RR_Header{Name: sent.Hdr.Name, Rrtype: dns.TypeTSIG, Class: dns.ClassANY},
		Algorithm:  sent.Algorithm,
		TimeSigned: sent.TimeSigned,
		Fudge:      sent.Fudge,
		OrigId:     sent.OrigId,
		Error:      dns.RcodeBadKey,
	}
	start := len(msg)
	msg = append(msg, make([]byte, dns.Len(refusal))...)
	end, err := dns.PackRR(refusal, msg, start, nil, false)
	if err != nil || end > limit {
		msg = msg[:start]
		truncate(msg)
		return msg
	}
	countAdditional(msg)
	return msg[:end]
}
