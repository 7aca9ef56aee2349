package queries

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// verify asks a server some questions, over "udp" or "tcp", and returns an error for each that it
// does not answer with the right response code, with authority, and with exactly the right records.
// So a server that is fast because it refuses queries is not measured.
func verify(ctx context.Context, network string, server netip.AddrPort, questions []question) error {
	client := &dns.Client{Net: network, Timeout: 2 * time.Second}
	var errs []error
	for _, q := range questions {
		query := new(dns.Msg).SetQuestion(q.name, q.qtype)
		query.RecursionDesired = false
		reply, _, err := client.ExchangeContext(ctx, query, server.String())
		if err == nil {
			err = q.judge(reply)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s %s: %w", q.name, dns.TypeToString[q.qtype], err))
		}
	}
	return errors.Join(errs...)
}

// judge returns nil for a right answer.
func (q question) judge(reply *dns.Msg) error {
	if reply.Rcode != q.rcode || !reply.Authoritative || reply.Truncated {
		return fmt.Errorf("the answer is %s (AA %t, TC %t), expected %s with authority and not truncated",
			dns.RcodeToString[reply.Rcode], reply.Authoritative, reply.Truncated, dns.RcodeToString[q.rcode])
	}
	want := make([]string, len(q.data))
	for i, data := range q.data {
		want[i] = fmt.Sprintf("%s %d %s %s", q.name, ttl, dns.TypeToString[q.qtype], data)
	}
	got := make([]string, len(reply.Answer))
	for i, rr := range reply.Answer {
		header := rr.Header()
		data := strings.TrimPrefix(rr.String(), header.String())
		got[i] = fmt.Sprintf("%s %d %s %s", strings.ToLower(header.Name), header.Ttl, dns.TypeToString[header.Rrtype], strings.ToLower(data))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		return fmt.Errorf("the answer has %q, expected %q", got, want)
	}
	return nil
}
