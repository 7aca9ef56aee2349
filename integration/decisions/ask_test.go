//go:build integration

package decisions

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// question is what a client asks, and as whom.
type question struct {
	name   string // fully qualified
	qtype  uint16
	from   netip.Addr   // of the sender; invalid: 127.0.0.1
	subnet netip.Prefix // of the client subnet option; invalid: there is none
	tcp    bool
}

func (q question) String() string {
	text := q.name + " " + dns.TypeToString[q.qtype]
	if q.from.IsValid() {
		text += " from " + q.from.String()
	}
	if q.subnet.IsValid() {
		text += " ecs " + q.subnet.String()
	}
	if q.tcp {
		text += " over TCP"
	}
	return text
}

// reply is what came back, as far as steering decides it.
type reply struct {
	rcode string // "NOERROR", …
	addrs []netip.Addr
	cname string
	ttl   uint32 // of the answer
	scope int    // of the client subnet option; -1: there was none
}

// answer is the reply without what changes with rotation: what it means to a client.
func (r reply) answer() string {
	switch {
	case r.rcode != "NOERROR":
		return r.rcode
	case r.cname != "":
		return strings.TrimSpace("cname " + r.cname + " " + listed(r.addrs))
	case len(r.addrs) == 0:
		return "NODATA"
	}
	return listed(r.addrs)
}

// listed writes a set of addresses in one way.
func listed(addrs []netip.Addr) string {
	addrs = slices.SortedFunc(slices.Values(addrs), netip.Addr.Compare)
	words := make([]string, len(addrs))
	for i, addr := range addrs {
		words[i] = addr.String()
	}
	return strings.Join(words, " ")
}

// asker sends questions of one kind, one after the other on one socket.
type asker struct {
	*dns.Conn
	q     question
	query *dns.Msg
}

func (w *world) asker(q question) (*asker, error) {
	server, network := w.gslb.Listen, "udp"
	dialer := net.Dialer{Timeout: 10 * time.Second}
	if q.from.Is6() {
		server = w.ipv6
	}
	if q.tcp {
		network = "tcp"
		if q.from.IsValid() {
			dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(q.from, 0))
		}
	} else if q.from.IsValid() {
		dialer.LocalAddr = net.UDPAddrFromAddrPort(netip.AddrPortFrom(q.from, 0))
	}
	conn, err := dialer.Dial(network, server.String())
	if err != nil {
		return nil, fmt.Errorf("%v: %w", q, err)
	}
	a := &asker{Conn: &dns.Conn{Conn: conn, UDPSize: dns.MaxMsgSize}, q: q, query: new(dns.Msg).SetQuestion(q.name, q.qtype)}
	a.query.RecursionDesired = false
	if q.subnet.IsValid() {
		a.query.SetEdns0(1232, false)
		option := &dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: uint8(q.subnet.Bits()), Address: q.subnet.Masked().Addr().AsSlice()}
		if q.subnet.Addr().Is6() {
			option.Family = 2
		}
		opt := a.query.IsEdns0()
		opt.Option = append(opt.Option, option)
	}
	return a, nil
}

// ask sends the question once.
func (a *asker) ask() (reply, error) {
	a.query.Id = dns.Id()
	if err := a.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return reply{}, err
	}
	if err := a.WriteMsg(a.query); err != nil {
		return reply{}, fmt.Errorf("%v: %w", a.q, err)
	}
	msg, err := a.ReadMsg()
	if err != nil {
		return reply{}, fmt.Errorf("%v: %w", a.q, err)
	}
	r, err := a.read(msg)
	if err != nil {
		return reply{}, fmt.Errorf("%v: %w:\n%v", a.q, err, msg)
	}
	return r, nil
}

// read takes from a reply what steering decides, and checks the rest.
func (a *asker) read(msg *dns.Msg) (reply, error) {
	r := reply{rcode: dns.RcodeToString[msg.Rcode], scope: -1}
	if msg.Id != a.query.Id || !msg.Response || msg.Truncated || (!msg.Authoritative && msg.Rcode == dns.RcodeSuccess) {
		return r, errors.New("it is not a whole authoritative answer")
	}
	for _, rr := range msg.Answer {
		header := rr.Header()
		r.ttl = header.Ttl
		switch rr := rr.(type) {
		case *dns.A:
			addr, _ := netip.AddrFromSlice(rr.A)
			r.addrs = append(r.addrs, addr.Unmap())
		case *dns.AAAA:
			addr, _ := netip.AddrFromSlice(rr.AAAA)
			r.addrs = append(r.addrs, addr)
		case *dns.CNAME:
			r.cname = strings.TrimSuffix(rr.Target, ".")
		default:
			return r, fmt.Errorf("it has a %s record", dns.TypeToString[header.Rrtype])
		}
		if _, isCNAME := rr.(*dns.CNAME); header.Rrtype != a.q.qtype && !isCNAME {
			return r, errors.New("it has a record of another type")
		}
	}
	if len(r.addrs) != distinct(r.addrs) {
		return r, errors.New("it has an address twice")
	}
	if len(r.addrs) == 0 && r.cname == "" && msg.Rcode == dns.RcodeSuccess && (len(msg.Ns) != 1 || msg.Ns[0].Header().Rrtype != dns.TypeSOA) {
		return r, errors.New("it has no data, and no SOA record that says so")
	}
	return r, a.readSubnet(msg, &r)
}

func distinct(addrs []netip.Addr) int {
	return len(slices.Compact(slices.SortedFunc(slices.Values(addrs), netip.Addr.Compare)))
}

// readSubnet takes the scope, and checks that the option comes back as RFC 7871, section 7.2.1, says.
func (a *asker) readSubnet(msg *dns.Msg, r *reply) error {
	opt := msg.IsEdns0()
	if opt == nil {
		return nil
	}
	for _, option := range opt.Option {
		got, ok := option.(*dns.EDNS0_SUBNET)
		if !ok {
			continue
		}
		if !a.q.subnet.IsValid() {
			return errors.New("it has a client subnet, and the query had none")
		}
		sent := a.query.IsEdns0().Option[0].(*dns.EDNS0_SUBNET)
		if got.Family != sent.Family || got.SourceNetmask != sent.SourceNetmask || !got.Address.Equal(sent.Address) {
			return errors.New("the client subnet is not the one that was sent")
		}
		r.scope = int(got.SourceScope)
	}
	return nil
}

// replies asks so many times.
func (w *world) replies(t *testing.T, q question, count int) []reply {
	t.Helper()
	a, err := w.asker(q)
	must(t, err)
	defer a.Close()
	replies := make([]reply, count)
	for i := range replies {
		replies[i], err = a.ask()
		must(t, err)
	}
	return replies
}
