package server

import (
	"log/slog"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/miekg/dns"

	"gslb/answer"
)

// transport is what a message came over.
type transport uint8

const (
	overUDP transport = iota
	overTCP
)

func (t transport) String() string {
	if t == overUDP {
		return "udp"
	}
	return "tcp"
}

// responder turns queries into replies. It is used by one goroutine at a time.
type responder struct {
	source func() Resolver
	via    transport
	logger *slog.Logger
	meter  *meter

	query query
	buf   []byte // of the last reply
}

// respond returns the reply to one message, or nil if it must not be answered. The reply
// is valid until the next call. It never panics.
func (r *responder) respond(in []byte, client netip.AddrPort) (out []byte) {
	began := time.Now()
	if reason := ignored(in); reason != "" {
		r.meter.dropped(reason)
		return nil
	}
	var reply answer.Reply
	defer func() {
		if cause := recover(); cause != nil {
			r.meter.panicked(r.logger, &r.query, cause, debug.Stack())
			reply, out = r.fail()
		}
		r.meter.answered(&r.query, client.Addr(), reply, len(in), out, time.Since(began))
	}()

	r.query.parse(in)
	reply = r.resolve(&r.query)
	out, err := pack(r.buf, &r.query, reply, r.limit())
	if err != nil {
		r.meter.unpackable(r.logger, err)
		reply, out = r.fail()
	}
	r.buf = out[:cap(out)]
	return out
}

// resolve decides what the reply to q contains.
func (r *responder) resolve(q *query) answer.Reply {
	switch {
	case q.rcode != dns.RcodeSuccess:
		return answer.Reply{Rcode: q.rcode}
	case q.tsig != nil:
		return answer.Reply{Rcode: dns.RcodeNotAuth}
	case q.edns.version > optVersion:
		return answer.Reply{Rcode: dns.RcodeBadVers}
	case q.qclass != dns.ClassINET && q.qclass != dns.ClassANY:
		return answer.Reply{Rcode: dns.RcodeRefused}
	case q.qtype == dns.TypeAXFR && r.via == overUDP:
		return answer.Reply{Rcode: dns.RcodeNotImplemented}
	case q.qtype == dns.TypeAXFR || q.qtype == dns.TypeIXFR:
		return answer.Reply{Rcode: dns.RcodeRefused}
	}
	resolver := r.source()
	if resolver == nil {
		return answer.Reply{Rcode: dns.RcodeServerFailure}
	}
	reply := resolver.Lookup(q.name, q.qtype)
	if q.qclass == dns.ClassANY {
		reply.Authoritative = false
	}
	return reply
}

// fail is the reply to a query that the server itself could not handle.
func (r *responder) fail() (answer.Reply, []byte) {
	reply := answer.Reply{Rcode: dns.RcodeServerFailure}
	out, err := pack(nil, &r.query, reply, r.limit())
	if err != nil {
		return reply, nil
	}
	return reply, out
}

// limit is the size of the largest reply to the present query, in bytes.
func (r *responder) limit() int {
	if r.via == overTCP {
		return dns.MaxMsgSize
	}
	return r.query.edns.replyLimit()
}
