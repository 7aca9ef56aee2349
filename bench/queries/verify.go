package queries

import (
	"context"
	"errors"
	"fmt"
	"net"
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
	var errs []error
	for _, q := range questions {
		client := &dns.Client{Net: network, Timeout: 2 * time.Second}
		if q.source.IsValid() {
			client.Dialer = &net.Dialer{LocalAddr: net.UDPAddrFromAddrPort(netip.AddrPortFrom(q.source, 0)), Timeout: client.Timeout}
		}
		reply, _, err := client.ExchangeContext(ctx, q.message(), server.String())
		if err == nil {
			err = q.judge(reply)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s %s%s: %w", q.name, dns.TypeToString[q.qtype], q.client, err))
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
	got := make([]string, len(reply.Answer))
	for i, rr := range reply.Answer {
		header := rr.Header()
		data := strings.TrimPrefix(rr.String(), header.String())
		got[i] = fmt.Sprintf("%s %d %s %s", strings.ToLower(header.Name), header.Ttl, dns.TypeToString[header.Rrtype], strings.ToLower(data))
	}
	slices.Sort(got)
	want := q.records(q.data)
	right := slices.Equal(got, want)
	for _, data := range q.or {
		right = right || slices.Equal(got, q.records(data))
	}
	if !right {
		return fmt.Errorf("the answer has %q, expected %q, or one with another of %q", got, want, q.or)
	}
	return q.judgeOption(reply)
}

// records are those of an answer with some data, in order.
func (q question) records(data []string) []string {
	records := make([]string, len(data))
	for i, text := range data {
		records[i] = fmt.Sprintf("%s %d %s %s", q.name, ttl, dns.TypeToString[q.qtype], text)
	}
	slices.Sort(records)
	return records
}
