package main

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gslb/alias"
	"gslb/health"
	"gslb/zones"
)

// aliases is what stands between the watcher, which finds the addresses of aliases, and the publisher,
// which answers them:
//
//	a host has             │ then
//	───────────────────────┼──────────────────────────────────────────────────────────────────────────
//	an address that is new │ its targets are probed; the host stays as it was until they have their
//	                       │ first verdicts, or as long as these may take
//	lost an address        │ that is published; then its targets are forgotten
//
// So a load balancer may get new addresses, even all of them at once, and its pool stays up
// throughout. It is safe for concurrent use.
type aliases struct {
	watcher     finder
	monitor     *health.Monitor
	descriptors *descriptors
	logger      *slog.Logger

	changed chan struct{} // to the publisher
	taken   chan struct{} // to Run: the publisher has taken what is current
	judged  chan struct{} // to Run: a host need not be held any longer

	current atomic.Pointer[alias.Addresses] // that may be answered
	last    atomic.Pointer[alias.Addresses] // that the publisher took last
	waiting sync.WaitGroup                  // of those who wait for verdicts

	mu         sync.Mutex
	sets       []*zones.Set             // whose targets are probed: the live one and, while that is replaced, the next
	configured map[health.TargetID]bool // of sets
	probed     map[health.TargetID]bool // that were added for the addresses of hosts
	hosts      map[string]alias.Host    // of current, by name
	held       map[string]*heldHost     // that differ from these
	ended      bool                     // no host is held any longer
}

// finder finds out the addresses of hosts: an [alias.Watcher].
type finder interface {
	Add(names []string)
	Retain(names []string)
	Ask(resolvers []netip.AddrPort)
	Wait(ctx context.Context, names []string) (missing []string)
	Settle()
	Changed() <-chan struct{}
	Take() *alias.Addresses
}

// heldHost is a host that waits for the first verdicts on its addresses.
type heldHost struct {
	alias.Host
	stop  context.CancelFunc
	ready bool
	over  chan struct{} // closed when it is held no longer
}

// newAliases probes the addresses that an earlier run has found of a configuration's aliases.
func newAliases(set *zones.Set, w finder, m *health.Monitor, d *descriptors, l *slog.Logger, restored map[health.TargetID]health.Record) (*aliases, error) {
	a := &aliases{
		watcher: w, monitor: m, descriptors: d, logger: l,
		changed: make(chan struct{}, 1), taken: make(chan struct{}, 1), judged: make(chan struct{}, 1),
		probed: make(map[health.TargetID]bool), hosts: make(map[string]alias.Host), held: make(map[string]*heldHost),
	}
	a.serve(set)
	if _, err := a.admit(set, restored); err != nil {
		return nil, err
	}
	a.publish()
	return a, nil
}

// Changed receives when Take has something new.
func (a *aliases) Changed() <-chan struct{} { return a.changed }

// Take returns the addresses that may be answered.
func (a *aliases) Take() *alias.Addresses {
	select {
	case <-a.changed:
	default:
	}
	current := a.current.Load()
	if a.last.Swap(current) != current {
		poke(a.taken)
	}
	return current
}

// poke sends without waiting: what is waiting there already says the same.
func poke(to chan struct{}) {
	select {
	case to <- struct{}{}:
	default:
	}
}

// Run goes on until ctx ends.
func (a *aliases) Run(ctx context.Context) error {
	defer a.waiting.Wait()
	defer a.release()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.watcher.Changed():
			a.look()
		case <-a.judged:
			a.accept(func(_ string, h *heldHost) bool { return h.ready })
		case <-a.taken:
			a.forget()
		}
	}
}

// Join makes ready for a configuration that is to replace the live one: its hosts are looked up, and
// their addresses probed by its checks. It returns the targets of these. Wait and Keep must follow.
func (a *aliases) Join(set *zones.Set) ([]health.TargetID, error) {
	a.watcher.Ask(set.Server.Resolvers)
	a.watcher.Add(hostsOf(set))
	a.mu.Lock()
	defer a.mu.Unlock()
	a.serve(a.sets[0], set)
	return a.admit(set, nil)
}

// Wait returns when every host of a configuration was looked up and its addresses were probed, or when
// ctx ends, with the hosts that were not looked up. From then on what is known of them counts.
func (a *aliases) Wait(ctx context.Context, set *zones.Set) (missing []string) {
	names := hostsOf(set)
	missing = a.watcher.Wait(ctx, names)
	a.watcher.Settle()
	a.look()
	for _, name := range names {
		if over := a.awaited(name); over != nil {
			select {
			case <-over:
			case <-ctx.Done():
			}
		}
	}
	a.accept(func(name string, _ *heldHost) bool { return a.hosts[name].Awaited })
	return missing
}

// awaited returns a channel that is closed when a new host is held no longer; nil if it is not.
func (a *aliases) awaited(name string) <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	if h := a.held[name]; h != nil && a.hosts[name].Awaited {
		return h.over
	}
	return nil
}

// Keep makes a configuration the only one, whether it is new or another was refused. What only others
// need is forgotten.
func (a *aliases) Keep(set *zones.Set) {
	a.watcher.Ask(set.Server.Resolvers)
	a.watcher.Retain(hostsOf(set))
	a.mu.Lock()
	a.serve(set)
	names := hostsOf(set)
	for name := range a.held {
		if !slices.Contains(names, name) {
			a.drop(name)
		}
	}
	maps.DeleteFunc(a.hosts, func(name string, _ alias.Host) bool { return !slices.Contains(names, name) })
	a.publish()
	retained := slices.Clone(set.Targets)
	for id := range a.probed {
		retained = append(retained, health.Target{ID: id})
	}
	a.monitor.Retain(retained)
	a.mu.Unlock()
	a.forget()
}

// Reserve reserves descriptors for what is probed.
func (a *aliases) Reserve() budget {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.descriptors.reserve(a.count())
}

// Awaited is the hosts whose first addresses are awaited.
func (a *aliases) Awaited() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var names []string
	for name, host := range a.hosts {
		if host.Awaited {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// hostsOf is the names of a configuration's aliases, each once.
func hostsOf(set *zones.Set) []string {
	var names []string
	for _, pool := range set.Pools {
		if pool.Alias != "" {
			names = append(names, pool.Alias)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// look takes in what the watcher has found.
func (a *aliases) look() {
	a.mu.Lock()
	defer a.mu.Unlock()
	found := a.watcher.Take()
	for name := range a.hosts {
		host := found.Of(name)
		if held := a.held[name]; held != nil {
			if held.Equal(host) {
				continue
			}
			a.drop(name)
		}
		if !host.Equal(a.hosts[name]) {
			a.take(name, host)
		}
	}
}

// All that follow need mu, except for accept, release and forget.

// serve sets whose targets are probed.
func (a *aliases) serve(sets ...*zones.Set) {
	a.sets, a.configured = sets, make(map[health.TargetID]bool)
	for _, set := range sets {
		for i := range set.Targets {
			a.configured[set.Targets[i].ID] = true
		}
	}
}

// count is how many targets are probed.
func (a *aliases) count() int {
	n := len(a.configured)
	for id := range a.probed {
		if !a.configured[id] {
			n++
		}
	}
	return n
}

// admit probes what is known of a configuration's hosts, and accepts those that are new as they are.
func (a *aliases) admit(set *zones.Set, restored map[health.TargetID]health.Record) ([]health.TargetID, error) {
	found := a.watcher.Take()
	var targets []health.Target
	for _, name := range hostsOf(set) {
		if _, known := a.hosts[name]; !known {
			a.hosts[name] = found.Of(name)
		}
		hosts := []alias.Host{a.hosts[name]}
		if h := a.held[name]; h != nil {
			hosts = append(hosts, h.Host)
		}
		for _, host := range hosts {
			list, err := applied(set, name, host.Addresses)
			if err != nil {
				return nil, err
			}
			targets = append(targets, list...)
		}
	}
	return a.probe(targets, restored)
}

// applied is the targets of some addresses of a host in one configuration.
func applied(set *zones.Set, name string, addresses []netip.Addr) ([]health.Target, error) {
	var targets []health.Target
	for _, pool := range set.Pools {
		if pool.Alias != name {
			continue
		}
		for _, addr := range addresses {
			list, err := pool.Apply(addr)
			if err != nil {
				return nil, err
			}
			targets = append(targets, list...)
		}
	}
	return targets, nil
}

// probe adds targets to those that are probed. Of two with one ID the last counts: a configuration
// that is on its way may have another one.
func (a *aliases) probe(targets []health.Target, restored map[health.TargetID]health.Record) ([]health.TargetID, error) {
	last := make(map[health.TargetID]health.Target, len(targets))
	for _, t := range targets {
		last[t.ID] = t
	}
	if err := a.monitor.Add(slices.Collect(maps.Values(last)), restored); err != nil {
		return nil, err
	}
	for id := range last {
		a.probed[id] = true
	}
	return slices.Sorted(maps.Keys(last)), nil
}

// take accepts a host, or holds it until its new addresses are probed.
func (a *aliases) take(name string, host alias.Host) {
	before := a.hosts[name].Addresses
	fresh := slices.DeleteFunc(slices.Clone(host.Addresses), func(addr netip.Addr) bool { return slices.Contains(before, addr) })
	var targets []health.Target
	var err error
	for _, set := range a.sets {
		var list []health.Target
		if list, err = applied(set, name, fresh); err != nil {
			break
		}
		targets = append(targets, list...)
	}
	var added []health.TargetID
	if err == nil {
		added, err = a.probe(targets, nil)
	}
	switch {
	case err != nil:
		// What serves stays. The watcher tells when the host changes again.
		kept := a.hosts[name]
		kept.Awaited = host.Awaited
		a.hosts[name] = kept
		a.publish()
		a.logger.Error("new addresses of an alias are not used, since they cannot be probed", "alias", name, "addresses", fresh, "error", err)
	case len(added) == 0, a.ended:
		a.hosts[name] = host
		a.publish()
	default:
		a.descriptors.reserve(a.count())
		a.hold(name, host, added, health.FirstVerdicts(targets)+verdictsMargin)
	}
}

// hold keeps a host from being answered until there are verdicts on some targets, or for some time.
func (a *aliases) hold(name string, host alias.Host, targets []health.TargetID, most time.Duration) {
	ctx, stop := context.WithTimeout(context.Background(), most)
	h := &heldHost{Host: host, stop: stop, over: make(chan struct{})}
	a.held[name] = h
	a.waiting.Go(func() {
		defer stop()
		missing := a.monitor.Wait(ctx, targets)
		if errors.Is(ctx.Err(), context.Canceled) {
			return // it is held no longer
		}
		if len(missing) > 0 {
			a.logger.Warn("using new addresses of an alias without the first verdict of some targets", "alias", name, "targets", len(missing), "first", missing[0])
		}
		a.mu.Lock()
		h.ready = true
		a.mu.Unlock()
		poke(a.judged)
	})
}

// drop stops holding a host.
func (a *aliases) drop(name string) {
	h := a.held[name]
	delete(a.held, name)
	h.stop()
	close(h.over)
}

// publish makes what is accepted current.
func (a *aliases) publish() {
	next := alias.NewAddresses(maps.Clone(a.hosts))
	if before := a.current.Load(); before == nil || len(next.ChangedSince(before)) > 0 {
		a.current.Store(next)
		poke(a.changed)
	}
}

// accept lets hosts be answered that were held.
func (a *aliases) accept(which func(string, *heldHost) bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for name, h := range a.held {
		if which(name, h) {
			a.hosts[name] = h.Host
			a.drop(name)
		}
	}
	a.publish()
}

// release ends all waiting.
func (a *aliases) release() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = true
	for name := range a.held {
		a.drop(name)
	}
}

// forget stops probing what no answer depends on. It does so when what is current was taken: after
// that the publisher looks only at verdicts on its addresses.
func (a *aliases) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.last.Load() != a.current.Load() {
		return // Take will tell
	}
	needed := make(map[health.TargetID]bool, len(a.probed))
	for _, set := range a.sets {
		for _, pool := range set.Pools {
			if pool.Alias == "" {
				continue
			}
			addresses := a.hosts[pool.Alias].Addresses
			if h := a.held[pool.Alias]; h != nil {
				addresses = slices.Concat(addresses, h.Addresses)
			}
			for _, addr := range addresses {
				for i := range pool.Checks {
					needed[pool.Checks[i].ID(addr)] = true
				}
			}
		}
	}
	var gone []health.TargetID
	for id := range a.probed {
		if !needed[id] {
			delete(a.probed, id)
			if !a.configured[id] {
				gone = append(gone, id)
			}
		}
	}
	if len(gone) > 0 {
		a.monitor.Forget(gone)
		a.descriptors.reserve(a.count())
	}
}
