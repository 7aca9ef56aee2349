package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"gslb/zones"
)

// verify leaves out the resolvers of this machine that do not answer the name with the pool, for nothing could be
// seen there. One that was named must.
func (d *drill) verify(ctx context.Context, name string, addresses []netip.Addr) error {
	var left []*watched
	for _, w := range d.watched {
		there, says, err := w.look(ctx, name, addresses)
		if err == nil && !there {
			err = fmt.Errorf("it says %s", says)
		}
		switch {
		case err == nil:
			left = append(left, w)
		case len(d.resolvers) == 0:
			d.aside.put(yellow, 2, "gslb: note: %s is not watched, since it does not answer %s with this pool: %v", w.Resolver, visible(zones.Plain(name)), err)
		default:
			return exit{1, fmt.Errorf("resolver %s does not answer %s with this pool, so that nothing could be seen there: %w", w.Resolver, zones.Plain(name), err)}
		}
	}
	if d.watched = left; len(left) == 0 {
		return exit{1, errors.New("there is no resolver that could be watched: name one by --resolver")}
	}
	return nil
}

// look asks a resolver whether it answers with any of the addresses.
func (w *watched) look(ctx context.Context, name string, addresses []netip.Addr) (there bool, says string, err error) {
	rtype := dns.TypeA
	if !slices.ContainsFunc(addresses, netip.Addr.Is4) {
		rtype = dns.TypeAAAA
	}
	client := &dns.Client{Timeout: drillWait}
	reply, _, err := client.ExchangeContext(ctx, new(dns.Msg).SetQuestion(name, rtype), w.address.String())
	if err != nil {
		return false, "", err
	}
	var words []string
	for _, rr := range reply.Answer {
		var address netip.Addr
		switch rr := rr.(type) {
		case *dns.A:
			address, _ = netip.AddrFromSlice(rr.A.To4())
		case *dns.AAAA:
			address, _ = netip.AddrFromSlice(rr.AAAA)
		default:
			continue
		}
		words = append(words, address.String())
		there = there || slices.Contains(addresses, address)
	}
	if len(words) == 0 {
		return false, "", fmt.Errorf("no address (%s)", dns.RcodeToString[reply.Rcode])
	}
	return there, strings.Join(words, ", "), nil
}

// watch asks all resolvers until each answers with the addresses, or without, as it is wanted, and has done so for
// a while; or the time is over, or ctx ends.
func (d *drill) watch(ctx context.Context, r *drillReport, addresses []netip.Addr, wanted bool, wait time.Duration, followed func(*watched, time.Duration)) {
	began := time.Now()
	if !wanted {
		began = r.Began
	}
	var left []*watched
	for _, w := range d.watched {
		if !wanted || w.Moved != nil { // one that has not followed is not seen to return
			w.since = time.Time{}
			left = append(left, w)
		}
	}
	for len(left) > 0 && time.Since(began) < wait && ctx.Err() == nil {
		var group sync.WaitGroup
		for _, w := range left {
			group.Go(func() {
				there, says, err := w.look(ctx, r.Name, addresses)
				switch {
				case err != nil:
					w.Says, w.since = err.Error(), time.Time{}
				case there != wanted:
					w.Says, w.since = says, time.Time{}
				case w.since.IsZero():
					w.Says, w.since = says, time.Now()
				}
			})
		}
		group.Wait()
		left = slices.DeleteFunc(left, func(w *watched) bool {
			if w.since.IsZero() || time.Since(w.since) < d.times.steady {
				return false
			}
			followed(w, w.since.Sub(began))
			return true
		})
		select {
		case <-time.After(d.times.every):
		case <-ctx.Done():
		}
	}
}
