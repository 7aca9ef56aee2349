package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"gslb/admin/api"
	"gslb/internal/hostdns"
	"gslb/override"
	"gslb/zones"
)

// meet makes the connections to the servers, and finds the resolvers.
func (d *drill) meet() error {
	connections := []*connection{d.connection}
	for _, peer := range d.peers {
		c := *d.connection
		c.server, c.socket = peer, ""
		connections = append(connections, &c)
	}
	if d.server == "" && len(d.peers) > 0 { // what is for servers over TCP is for the peers then
		own := connection{socket: d.socket}
		connections[0] = &own
	}
	for _, c := range connections {
		client, err := c.connect()
		if err != nil {
			return err
		}
		d.servers = append(d.servers, &drilled{Server: client.where, client: client})
	}
	var addresses []netip.AddrPort
	if len(d.resolvers) == 0 {
		var err error
		if addresses, err = hostdns.Servers(); err != nil {
			return err
		}
	}
	for _, text := range d.resolvers {
		address, err := netip.ParseAddrPort(text)
		if alone, err2 := netip.ParseAddr(text); err2 == nil {
			address, err = netip.AddrPortFrom(alone, 53), nil
		}
		if err != nil {
			return exit{2, fmt.Errorf("--resolver: %q is neither ADDRESS nor ADDRESS:PORT", text)}
		}
		addresses = append(addresses, address)
	}
	for _, address := range addresses {
		text := address.String()
		if address.Port() == 53 {
			text = address.Addr().String()
		}
		d.watched = append(d.watched, &watched{Resolver: text, address: address})
	}
	return nil
}

// explain says what all servers answer, if it is the same.
func (d *drill) explain(ctx context.Context, name string) (*api.Explanation, error) {
	var first *api.Explanation
	for _, s := range d.servers {
		e := new(api.Explanation)
		if _, err := s.client.get(ctx, "explain", url.Values{"name": {name}}, e); err != nil {
			return nil, err
		}
		switch {
		case first == nil:
			first = e
		case !slices.Equal(poolsOf(first), poolsOf(e)):
			return nil, exit{1, fmt.Errorf("the servers do not answer %s alike: %s says %s, %s says %s; mend that first",
				zones.Plain(name), d.servers[0].Server, strings.Join(poolsOf(first), " + "), s.Server, strings.Join(poolsOf(e), " + "))}
		default:
			first.TTL = max(first.TTL, e.TTL)
		}
	}
	return first, nil
}

func poolsOf(e *api.Explanation) []string {
	var pools []string
	for _, s := range e.Shares {
		pools = append(pools, s.Pool)
	}
	return pools
}

// chosenPool is the only pool that is answered; nil: there is none, or several.
func chosenPool(e *api.Explanation) *api.ExplainedPool {
	if len(e.Shares) != 1 {
		return nil
	}
	for i := range e.Tiers {
		for j, p := range e.Tiers[i].Pools {
			if p.Chosen && p.Pool == e.Shares[0].Pool && len(p.Addresses) > 0 {
				return &e.Tiers[i].Pools[j]
			}
		}
	}
	return nil
}

// preview finds out what would be answered instead. It fails if the pool is drained already: that drain is
// somebody's, and not to be ended by a drill.
func (d *drill) preview(ctx context.Context, name, pool string) (instead string, err error) {
	for _, s := range d.servers {
		var list api.OverrideList
		if _, err := s.client.get(ctx, "overrides", nil, &list); err != nil {
			return "", err
		}
		for _, o := range list.Overrides {
			if o.Kind == override.Drain && o.Pool == pool && !o.Member.IsValid() || o.Kind == override.Pin && o.Name == name {
				return "", exit{1, fmt.Errorf("%s: %s is in force already, by %s (%s): a drill would end it, or show nothing", s.Server, overrideText(&o), o.By, o.Reason)}
			}
		}
		var result api.OverrideResult
		request := d.request(pool)
		request.Preview = true
		if _, err := s.client.do(ctx, call{method: http.MethodPost, path: "overrides", body: request, into: &result}, callWait); err != nil {
			return "", err
		}
		if s != d.servers[0] {
			continue
		}
		if !d.json {
			printChanges(d.out, result.Changes, result.ChangesTotal, "will be answered otherwise, for the time of the drill")
		}
		for _, c := range result.Changes {
			if slices.Contains(c.Names, name) {
				instead = c.To
			}
		}
	}
	return instead, nil
}

func (d *drill) request(pool string) *api.OverrideRequest {
	return &api.OverrideRequest{Kind: "drain", Pool: pool, Reason: d.reason, For: d.lasts}
}

// undrain ends the drain on all servers at the same time, so that none waits for one that hangs.
func (d *drill) undrain(ctx context.Context, pool string) error {
	errs := make([]error, len(d.servers))
	began := time.Now()
	var group sync.WaitGroup
	for i, s := range d.servers {
		if !s.is {
			continue
		}
		group.Go(func() {
			if err := s.undrain(ctx, pool); err != nil {
				errs[i] = fmt.Errorf("%s: THE DRAIN COULD NOT BE ENDED: %w; end it by gslb undrain %s, or it ends by itself %s after its begin", s.Server, err, pool, d.lasts)
				return
			}
			s.is, s.Undrained = false, time.Since(began).Seconds()
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// undrain ends the drain on a server. A drain that is not there has been refused, or has ended.
func (s *drilled) undrain(ctx context.Context, pool string) error {
	c := call{method: http.MethodDelete, path: "overrides/drain/" + url.PathEscape(pool), body: &api.RemoveRequest{Reason: "the drill is over"}}
	for try := 1; ; try++ {
		_, err := s.client.do(ctx, c, callWait)
		var no refused
		if errors.As(err, &no) && no.Type == api.NotFound {
			return nil
		}
		if err == nil || try == undrainTries {
			return err
		}
		time.Sleep(time.Second)
	}
}
