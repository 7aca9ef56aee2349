package respond

import (
	"encoding/binary"

	"github.com/miekg/dns"

	"gslb/answer"
	"gslb/internal/rrl"
	"gslb/internal/wire"
	"gslb/server/meter"
)

// respondOdd answers any message.
func (r *Responder) respondOdd(s *Settings, in, buf []byte) []byte {
	q := &r.odd
	q.parse(in)
	if q.edns.BadCookie && s.Cookies != nil || q.edns.BadSubnet && !s.IgnoreSubnet {
		q.refuse()
	}
	r.understood = byOdd
	r.prepareOPT(s, &q.edns)
	v := r.resolve(s, q, in)
	if v.kind == answer.Pending {
		r.meter.Dropped(meter.DropPending)
		return nil
	}
	r.opt.error = v.why
	h := head{q.end, q.flags() | uint16(v.rcode&0xf), v.rcode, &q.edns}
	if v.authoritative {
		h.flags |= wire.FlagAA
	}
	out := r.pack(in, &h, buf, v.append)
	class := class(q.qtype, v.kind)
	if action := r.ration(s, class, v.bucket); action != rrl.Pass {
		out = r.keepBack(out, &h, class, action)
	}
	if out != nil && q.tsig != nil {
		out = appendTSIG(out, r.limit(&q.edns), q.tsig)
	}
	r.answered(q.qtype, v.zone, v.rcode, len(in), out)
	if out != nil && v.found {
		r.tally.Add(r.lookup.Counter())
	}
	return out
}

// verdict is what the reply to a query contains.
type verdict struct {
	rcode         int
	authoritative bool
	kind          answer.Kind
	bucket        uint64
	zone          string
	why           extendedError
	append        content // nil: what the look-up found
	found         bool    // by the look-up
}

func refuse(rcode int, why extendedError) verdict {
	return verdict{rcode: rcode, why: why, append: nothing}
}

// resolve decides what the reply contains. q was read from in.
func (r *Responder) resolve(s *Settings, q *query, in []byte) verdict {
	switch {
	case q.rcode != dns.RcodeSuccess:
		return refuse(q.rcode, nil)
	case q.tsig != nil:
		return refuse(dns.RcodeNotAuth, nil)
	case q.edns.Version > 0:
		return refuse(dns.RcodeBadVers, nil)
	case !q.hasQuestion():
		return refuse(r.resolveCookie(s, q), nil)
	case q.qclass == dns.ClassCHAOS:
		return s.chaos(&q.name, q.qtype)
	case q.qclass != dns.ClassINET && q.qclass != dns.ClassANY:
		return refuse(dns.RcodeRefused, errNotSupported)
	case q.qtype == dns.TypeAXFR && r.via == OverUDP:
		return refuse(dns.RcodeNotImplemented, errNotSupported)
	}
	table := r.source()
	switch {
	case table == nil:
		return refuse(dns.RcodeServerFailure, errNotReady)
	case isTransfer(q.qtype) && !table.HasZone(&q.name):
		return refuse(dns.RcodeNotAuth, errNotAuthoritative)
	case isTransfer(q.qtype):
		return refuse(dns.RcodeRefused, errNotSupported)
	}
	l := &r.lookup
	table.Find(l, r.judged(s, &q.edns), in[wire.HeaderSize:q.end-4], &q.name, q.qtype)
	return verdict{
		rcode:         l.Rcode(),
		authoritative: l.Authoritative() && q.qclass == dns.ClassINET,
		kind:          l.Kind(),
		bucket:        l.Bucket(),
		zone:          l.Zone(),
		why:           whyUsual(l.Rcode()),
		found:         true,
	}
}

// resolveCookie answers a query that has a cookie and no question: it asks for a server
// cookie, or whether the one that it has still holds (RFC 7873, section 5.4).
func (r *Responder) resolveCookie(s *Settings, q *query) (rcode int) {
	switch {
	case s.Cookies == nil:
		return dns.RcodeFormatError
	case len(q.edns.ServerCookie) > 0 && !r.client.holds:
		return dns.RcodeBadCookie
	}
	return dns.RcodeSuccess
}

// chaos answers a question of class CH, by which clients identify a server (RFC 4892). Values that
// are not set, and everything else, are REFUSED. There is no zone, and so no AA.
func (s *Settings) chaos(name *wire.Name, qtype uint16) verdict {
	var text string
	switch string(name.Bytes()) {
	case "\x02id\x06server\x00", "\x08hostname\x04bind\x00":
		text = s.ID
	case "\x07version\x06server\x00", "\x07version\x04bind\x00":
		text = s.Version
	}
	if text == "" || qtype != dns.TypeTXT && qtype != dns.TypeANY {
		return refuse(dns.RcodeRefused, nil)
	}
	return verdict{kind: answer.Positive, append: func(msg []byte, limit int) ([]byte, answer.Fit) {
		return appendText(msg, limit, text)
	}}
}

// appendText appends a TXT record of class CH that the question's name owns.
func appendText(msg []byte, limit int, text string) ([]byte, answer.Fit) {
	const most = 255 // of a character string (RFC 1035, section 3.3)
	start := len(msg)
	msg = append(msg, 0xc0, wire.HeaderSize, 0, byte(dns.TypeTXT), 0, dns.ClassCHAOS, 0, 0, 0, 0, 0, 0)
	data := len(msg)
	for len(text) > 0 {
		part := text[:min(most, len(text))]
		msg = append(append(msg, byte(len(part))), part...)
		text = text[len(part):]
	}
	if len(msg) > limit {
		return msg[:start], answer.Truncated
	}
	binary.BigEndian.PutUint16(msg[data-2:], uint16(len(msg)-data))
	binary.BigEndian.PutUint16(msg[wire.OffANCount:], 1)
	return msg, answer.Whole
}
