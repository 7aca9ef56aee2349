package parts

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// askWait is how long Ask waits for one reply. It is never retried, so that what is
// measured by it is the server's.
const askWait = 3 * time.Second

// Ask sends one query, without recursion desired and without EDNS, over UDP, and returns
// the reply. Name need not be fully qualified. It costs no process, unlike [Dig], and so
// suits polling.
func Ask(ctx context.Context, server netip.AddrPort, name string, qtype uint16) (*dns.Msg, error) {
	query := new(dns.Msg).SetQuestion(dns.Fqdn(name), qtype)
	query.RecursionDesired = false
	client := &dns.Client{Timeout: askWait}
	reply, _, err := client.ExchangeContext(ctx, query, server.String())
	if err != nil {
		return nil, fmt.Errorf("ask %v for %s %s: %w", server, name, dns.TypeToString[qtype], err)
	}
	return reply, nil
}

// Addresses returns the addresses of the A and AAAA records in an answer section.
func Addresses(answer []dns.RR) []netip.Addr {
	var addrs []netip.Addr
	for _, rr := range answer {
		switch rr := rr.(type) {
		case *dns.A:
			if addr, ok := netip.AddrFromSlice(rr.A); ok {
				addrs = append(addrs, addr.Unmap())
			}
		case *dns.AAAA:
			if addr, ok := netip.AddrFromSlice(rr.AAAA); ok {
				addrs = append(addrs, addr)
			}
		}
	}
	return addrs
}
