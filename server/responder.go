package server

import (
	"log/slog"
	"net/netip"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"gslb/answer"
	"gslb/internal/cookie"
	"gslb/internal/rrl"
	"gslb/internal/wire"
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
//
// There are two ways. Nearly every query takes the usual one (usual.go), which allocates
// nothing. What that cannot take goes the other (odd.go), through package dns: messages that
// are malformed, or legal but odd, and replies too long for a buffer. Both give the same answer.
type responder struct {
	source   func() Resolver
	settings *atomic.Pointer[Settings]
	via      transport
	logger   *slog.Logger
	meter    *meter

	usual  wire.Query
	odd    query
	lookup answer.Lookup
	opt    optBuilder
	client client
	clock  clock
	buf    []byte // of the last reply

	// What the last query was counted for, so that not every one has to look it up.
	zone     *zoneMeter
	zoneName string
}

// client is who sent the present query, and when it came.
type client struct {
	addr netip.Addr
	at   time.Time
	// proven says that the address is the client's own: it came with a cookie of ours, or over
	// TCP.
	proven bool
	holds  bool // the server cookie that came does
	cookie [maxCookie]byte
}

// replyBuffer is the size of the buffer that a responder begins with: what is larger, only
// over TCP, is made for it.
const replyBuffer = 4096

func newResponder(o *Options, settings *atomic.Pointer[Settings], via transport, m *meter) *responder {
	r := &responder{source: o.Source, settings: settings, via: via, logger: o.Logger, meter: m}
	r.buf = make([]byte, replyBuffer)
	if via == overTCP {
		r.opt.keepalive = newKeepalive(o.Limits.TCPIdle)
	}
	return r
}

// respond returns the reply to one message, or nil if it must not be answered. The reply
// is valid until the next call. It never panics.
func (r *responder) respond(in []byte, client netip.AddrPort) []byte {
	began := r.clock.now()
	out := r.respondAt(in, client.Addr(), began, r.buf)
	if cap(out) > cap(r.buf) {
		r.buf = out[:cap(out)]
	}
	if out != nil {
		r.zone.duration.add(int(time.Since(began)), 1)
	}
	return out
}

// respondAt is respond for a query that came at a certain moment. The reply is in buf, if
// that is large enough; how long it took is the caller's to count.
func (r *responder) respondAt(in []byte, client netip.Addr, at time.Time, buf []byte) (out []byte) {
	if why := ignored(in); why != answerable {
		r.meter.drop(why)
		return nil
	}
	r.client.addr, r.client.at, r.client.proven = client, at, r.via == overTCP
	settings := r.settings.Load()
	defer r.contain(settings, in, buf, &out)
	out, done := r.respondUsual(settings, in, buf)
	if !done {
		out = r.respondOdd(settings, in, buf)
	}
	return out
}

// contain answers SERVFAIL where handling a query has panicked.
func (r *responder) contain(s *Settings, in, buf []byte, out *[]byte) {
	if cause := recover(); cause != nil {
		r.odd.parse(in)
		r.prepareOPT(s, &r.odd.edns) // what is there may be of another client's query
		r.meter.panicked(r.logger, &r.odd, cause, debug.Stack())
		*out = r.fail(buf)
		r.answered(r.odd.qtype, "", dns.RcodeServerFailure, len(in), *out)
	}
}

// answered counts a query and its reply.
func (r *responder) answered(qtype uint16, zone string, rcode, size int, out []byte) {
	if r.zone == nil || r.zoneName != zone {
		r.zone, r.zoneName = r.meter.zone(zone), zone
	}
	r.meter.answered(r.zone, qtype, r.client.addr, rcode, size, out)
}

// prepareOPT gathers what goes into the reply's OPT, and looks at the query's cookie.
func (r *responder) prepareOPT(s *Settings, e *wire.EDNS) {
	r.opt.id, r.opt.cookie, r.opt.error = s.ID, nil, nil
	r.client.holds = false
	if s.Cookies == nil || e.ClientCookie == nil {
		return
	}
	own := cookie.Client(e.ClientCookie)
	verdict := cookie.Bad
	if len(e.ServerCookie) > 0 {
		verdict = s.Cookies.Verify(own, e.ServerCookie, r.client.addr, r.client.at)
	}
	r.client.holds = verdict.OK()
	r.client.proven = r.client.proven || r.client.holds
	r.opt.cookie = append(r.client.cookie[:0], own[:]...)
	if verdict == cookie.Valid {
		r.opt.cookie = append(r.opt.cookie, e.ServerCookie...)
		return
	}
	r.opt.cookie = s.Cookies.Append(r.opt.cookie, own, r.client.addr, r.client.at)
}

// limit is the size of the largest reply to the present query, in bytes.
func (r *responder) limit(e *wire.EDNS) int {
	if r.via == overTCP {
		return dns.MaxMsgSize
	}
	return replyLimit(e)
}

// ration decides whether a response may go out.
func (r *responder) ration(s *Settings, class rrl.Class, hash uint64) rrl.Action {
	if r.client.proven || s.Limiter == nil {
		return rrl.Pass
	}
	d := s.Limiter.Check(r.client.addr, class, hash, r.client.at.UnixNano())
	if d.Action != rrl.Pass || d.Change != rrl.Unchanged {
		r.meter.rationed(r.logger, s.Limiter.Network(r.client.addr), class, d)
	}
	return d.Action
}
