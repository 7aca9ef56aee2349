package respond

import (
	"encoding/binary"
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
	"gslb/server/meter"
	"gslb/server/tap"
)

// Transport is what a message came over.
type Transport uint8

const (
	OverUDP Transport = iota
	OverTCP
)

// String is the transport as a metric's label.
func (t Transport) String() string {
	if t == OverUDP {
		return "udp"
	}
	return "tcp"
}

// Settings is what may change while a server runs. It is immutable once it is in use.
type Settings struct {
	// ID is what the server calls itself, in EDNS's NSID option (RFC 5001) and for
	// id.server in class CH (RFC 4892); empty: nothing.
	ID string
	// Version is what it answers for version.bind in class CH; empty: nothing.
	Version string
	// Cookies makes and verifies DNS cookies; nil: there are none.
	Cookies *cookie.Keyring
	// Limiter limits the rate of responses over UDP; nil: nothing is limited.
	Limiter *rrl.Limiter
	// IgnoreSubnet says that clients are judged by the address that a query comes from, whatever
	// network its client subnet option (RFC 7871) names.
	IgnoreSubnet bool
}

// Resolver has the content of every reply: an [answer.Table]. It is used by many goroutines at
// once.
type Resolver interface {
	// Find answers a question of class IN into l, as [answer.Lookup.Run] does.
	Find(l *answer.Lookup, client answer.Client, asked []byte, name *wire.Name, qtype uint16)
	// HasZone reports whether a zone is served that has this name.
	HasZone(name *wire.Name) bool
	// Counters is what answers are counted as.
	Counters() *answer.Counters
}

// Options is what a [Responder] is made from.
type Options struct {
	// Source returns what to answer from now. It is called once a query. While it returns nil,
	// the reply is SERVFAIL.
	Source   func() Resolver
	Settings *atomic.Pointer[Settings]
	Via      Transport
	Idle     time.Duration // how long a connection may wait for its next query
	Logger   *slog.Logger
	Meter    *meter.Meter
	Tap      *tap.Recorder // nil: there is no query log
}

// Responder turns queries into replies, in one of the two ways that the package's documentation
// describes. It is used by one goroutine at a time.
type Responder struct {
	source   func() Resolver
	settings *atomic.Pointer[Settings]
	via      Transport
	logger   *slog.Logger
	meter    *meter.Meter
	tap      *tap.Recorder

	usual  wire.Query
	odd    query
	lookup answer.Lookup
	opt    optBuilder
	client client
	clock  clock
	buf    []byte // of the last reply

	understood understood // of the current query, for the reply after a panic

	// The counters of the last query's zone, so that the next one need not look them up.
	zone     *meter.Zone
	zoneName string

	tally *meter.Tally
}

// understood says what of a query could be read.
type understood uint8

const (
	nothingYet understood = iota
	byUsual               // all of it, by Responder.usual
	byOdd                 // all of it, by Responder.odd
)

// client is who sent the present query, and when it came.
type client struct {
	addr netip.Addr
	at   time.Time
	// proven says that the address is the client's own: the query had a valid cookie, or came over
	// TCP.
	proven bool
	holds  bool // the server cookie is valid
	cookie [maxCookie]byte
}

// ReplyRoom is the size of a buffer that any reply over UDP can be made in.
const ReplyRoom = wire.UDPPayload + answer.Slack

// New makes a responder.
func New(o Options) *Responder {
	r := &Responder{source: o.Source, settings: o.Settings, via: o.Via, logger: o.Logger, meter: o.Meter, tap: o.Tap, tally: o.Meter.Tally()}
	r.buf = make([]byte, ReplyRoom)
	if o.Via == OverTCP {
		r.opt.keepalive = newKeepalive(o.Idle)
		r.buf = make([]byte, wire.MaxMessage+answer.Slack)
	}
	return r
}

// Now is the time of a query that comes now.
func (r *Responder) Now() time.Time { return r.clock.now() }

// Zone is where the last query was counted.
func (r *Responder) Zone() *meter.Zone { return r.zone }

// ZoneName is the zone that the last reply came from; empty: none.
func (r *Responder) ZoneName() string { return r.zoneName }

// Sample returns what takes queries and replies for the query log at present; nil: there is none.
func (r *Responder) Sample() *tap.Sample { return r.tap.Sample() }

// Dropped counts a reply that could not be sent.
func (r *Responder) Dropped(why meter.Drop) { r.meter.Dropped(why) }

// Complain reports a fault of the socket that the responder answers at.
func (r *Responder) Complain(what string, err error) { r.meter.Complain(r.logger, what, err) }

// IsQuery reports whether a message asks for a reply at all.
func IsQuery(msg []byte) bool { return ignored(msg) == meter.Answerable }

// Respond returns the reply to one message. It is nil if the message is not a query, if the rate
// limit drops the reply, or if the answer is not decided yet. The reply is valid until the next
// call. It never panics.
func (r *Responder) Respond(in []byte, client netip.AddrPort) []byte {
	began := r.clock.now()
	out := r.RespondAt(in, client.Addr(), began, r.buf)
	if out != nil {
		r.zone.Took(int(time.Since(began)), 1)
	}
	return out
}

// RespondAt is Respond for a query that came at a certain time. The reply is in buf, which has room
// for any (ReplyRoom, over UDP). The caller counts how long it took.
func (r *Responder) RespondAt(in []byte, client netip.Addr, at time.Time, buf []byte) (out []byte) {
	if why := ignored(in); why != meter.Answerable {
		r.meter.Dropped(why)
		return nil
	}
	r.client.addr, r.client.at, r.client.proven = client, at, r.via == OverTCP
	r.understood = nothingYet
	settings := r.settings.Load()
	defer r.contain(settings, in, buf, &out)
	out, done := r.respondUsual(settings, in, buf)
	if !done {
		out = r.respondOdd(settings, in, buf)
	}
	return out
}

// contain answers SERVFAIL after a panic. It uses only what had been read of the query by then,
// since reading on could panic again. If this fails too, there is no reply.
func (r *Responder) contain(s *Settings, in, buf []byte, out *[]byte) {
	cause := recover()
	if cause == nil {
		return
	}
	defer func() {
		if recover() != nil {
			*out = nil
		}
	}()
	*out = nil
	r.zone, r.zoneName = r.meter.Zone(""), "" // counted for no zone
	r.meter.Panicked(r.logger, in, cause, debug.Stack())
	end, e := wire.HeaderSize, new(wire.EDNS)
	switch r.understood {
	case byUsual:
		end, e = r.usual.End, &r.usual.EDNS
	case byOdd:
		end, e = r.odd.end, &r.odd.edns
	}
	r.prepareOPT(s, e) // the old OPT may belong to another client's query
	flags := binary.BigEndian.Uint16(in[wire.OffFlags:]) & (wire.OpcodeMask<<wire.OpcodeShift | wire.FlagRD)
	*out = r.pack(in, &head{end, flags | dns.RcodeServerFailure, dns.RcodeServerFailure, e}, buf, nothing)
	r.answered(0, "", dns.RcodeServerFailure, len(in), *out)
}

// answered counts a query and its reply.
func (r *Responder) answered(qtype uint16, zone string, rcode, size int, out []byte) {
	if r.zone == nil || r.zoneName != zone {
		r.zone, r.zoneName = r.meter.Zone(zone), zone
	}
	r.meter.Answered(r.zone, qtype, r.client.addr, rcode, size, out)
}

// prepareOPT gathers what goes into the reply's OPT, and looks at the query's cookie.
func (r *Responder) prepareOPT(s *Settings, e *wire.EDNS) {
	r.opt.id, r.opt.cookie, r.opt.error, r.opt.subnet = s.ID, nil, nil, e.Subnet
	if s.IgnoreSubnet {
		r.opt.subnet = nil
	}
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

// judged is whom a query is to be answered for: the network that its client subnet option names or, if
// it has none, its sender. An option without a network stands for nobody: the sender does not want to
// be judged either (RFC 7871, section 7.1.2).
func (r *Responder) judged(s *Settings, e *wire.EDNS) answer.Client {
	if e.Subnet == nil || s.IgnoreSubnet {
		return answer.Client{Addr: r.client.addr}
	}
	addr, hidden := wire.SubnetAddress(e.Subnet)
	return answer.Client{Addr: addr.Unmap(), Hidden: hidden}
}

// ration decides whether a response may go out.
func (r *Responder) ration(s *Settings, class rrl.Class, hash uint64) rrl.Action {
	if r.client.proven || s.Limiter == nil {
		return rrl.Pass
	}
	d := s.Limiter.Check(r.client.addr, class, hash, r.client.at.UnixNano())
	if d.Action != rrl.Pass || d.Change != rrl.Unchanged {
		r.meter.Rationed(r.logger, s.Limiter.Network(r.client.addr), class, d)
	}
	return d.Action
}

// clock tells the time by reading only the monotonic clock, at half the cost of [time.Now]. It
// notices within a second when the wall clock is set. It is for one goroutine at a time. The zero
// value is ready.
type clock struct{ base time.Time }

func (c *clock) now() time.Time {
	since := time.Since(c.base)
	if since > time.Second {
		c.base = time.Now()
		return c.base
	}
	return c.base.Add(since)
}
