package checks

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"

	"gslb/integration/parts"
)

const (
	// askEvery is how often a server is asked, and so how finely times are measured.
	askEvery = time.Millisecond
	// replyWait is how long a reply is waited for before the question is asked again.
	replyWait = 50 * time.Millisecond
)

// seen is an answer, and when it came.
type seen struct {
	addrs []netip.Addr
	at    time.Time
}

// watch asks a DNS server for the addresses of a name again and again, and returns the
// first answer that is awaited. A server that does not reply, or with an error, is asked
// again until ctx ends.
func watch(ctx context.Context, server netip.AddrPort, name string, awaited func([]netip.Addr) bool) (seen, error) {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(server))
	if err != nil {
		return seen{}, err
	}
	defer conn.Close()
	query := new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypeA)
	query.RecursionDesired = false
	ticker := time.NewTicker(askEvery)
	defer ticker.Stop()
	for {
		reply, err := exchange(conn, query)
		if err == nil {
			now := time.Now()
			if addrs := parts.Addresses(reply.Answer); awaited(addrs) {
				return seen{addrs, now}, nil
			}
			err = fmt.Errorf("%s, %d records", dns.RcodeToString[reply.Rcode], len(reply.Answer))
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return seen{}, fmt.Errorf("the awaited answer of %v for %s: %w (last: %w)", server, name, context.Cause(ctx), err)
		}
	}
}

// exchange asks once, under a new id, and waits for the reply to that.
func exchange(conn net.Conn, query *dns.Msg) (*dns.Msg, error) {
	query.Id = dns.Id()
	packed, err := query.Pack()
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(packed); err != nil {
		return nil, err
	}
	if err := conn.SetReadDeadline(time.Now().Add(replyWait)); err != nil {
		return nil, err
	}
	buffer := make([]byte, dns.MinMsgSize)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			return nil, err
		}
		reply := new(dns.Msg)
		if err := reply.Unpack(buffer[:n]); err != nil {
			return nil, err
		}
		if reply.Id == query.Id { // not a late reply to an earlier question
			return reply, nil
		}
	}
}

// only makes a function that says whether an answer is that address alone.
func only(addr netip.Addr) func([]netip.Addr) bool {
	return func(addrs []netip.Addr) bool { return slices.Equal(addrs, []netip.Addr{addr}) }
}

// other is the opposite of only, so that an answer that is simply wrong is noticed too.
func other(addr netip.Addr) func([]netip.Addr) bool {
	return func(addrs []netip.Addr) bool { return !only(addr)(addrs) }
}
