package follow

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

// Options is what New needs.
type Options struct {
	Set     *zones.Set // the configuration of the start
	Watcher Watcher
	Monitor *health.Monitor
	// Restored is what an earlier run knew of targets.
	Restored map[health.TargetID]health.Record
	// Reserve is told how many targets are to be probed, those of the configuration among them: by New,
	// and whenever the number changes. It must not call the Follower.
	Reserve func(targets int)
	Logger  *slog.Logger
}

// Watcher finds out the addresses of hosts: an [alias.Watcher].
type Watcher interface {
	Add(names []string)
	Retain(names []string)
	Ask(resolvers []netip.AddrPort)
	Wait(ctx context.Context, names []string) (missing []string)
	Settle()
	Changed() <-chan struct{}
	Take() *alias.Addresses
}

// Follower has the addresses that a watcher finds probed, and lets them be answered when there are
// verdicts on them. It is safe for concurrent use.
type Follower struct {
	watcher Watcher
	logger  *slog.Logger

	changed chan struct{} // to the publisher
	taken   chan struct{} // to Run: the publisher has taken what is current
	judged  chan struct{} // to Run: a host need not be held any longer

	current atomic.Pointer[alias.Addresses] // that may be answered
	last    atomic.Pointer[alias.Addresses] // that the publisher took last
	waiting sync.WaitGroup                  // of those who wait for verdicts

	mu      sync.Mutex
	targets targets
	hosts   map[string]alias.Host // of current, by name
	held    map[string]*heldHost  // that differ from these
	ended   bool                  // no host is held any longer
}

// heldHost is a host that waits for the first verdicts on its addresses.
type heldHost struct {
	alias.Host
	until time.Time // it is held no longer than this
	stop  context.CancelFunc
	ready bool
	over  chan struct{} // closed when it is held no longer
}

// New has the addresses probed that an earlier run has found. It fails if that cannot be done.
func New(o Options) (*Follower, error) {
	f := &Follower{
		watcher: o.Watcher, logger: o.Logger,
		changed: make(chan struct{}, 1), taken: make(chan struct{}, 1), judged: make(chan struct{}, 1),
		targets: targets{monitor: o.Monitor, reserve: o.Reserve, added: make(map[health.TargetID]bool)},
		hosts:   make(map[string]alias.Host), held: make(map[string]*heldHost),
	}
	f.targets.serve(o.Set)
	if _, err := f.admit(o.Set, o.Restored); err != nil {
		return nil, err
	}
	f.publish()
	return f, nil
}

// Changed receives when Take has something new.
func (f *Follower) Changed() <-chan struct{} { return f.changed }

// Take returns the addresses that may be answered.
func (f *Follower) Take() *alias.Addresses {
	select {
	case <-f.changed:
	default:
	}
	current := f.current.Load()
	if f.last.Swap(current) != current {
		poke(f.taken)
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

// Run goes on until ctx ends. From then on nothing is waited for.
func (f *Follower) Run(ctx context.Context) error {
	defer f.waiting.Wait()
	defer f.release()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-f.watcher.Changed():
			f.look()
		case <-f.judged:
			f.accept(func(_ string, h *heldHost) bool { return h.ready })
		case <-f.taken:
			f.forget()
		}
	}
}

// Join makes ready for a configuration that is to replace the live one: its hosts are looked up, and
// their addresses probed by its checks. It returns the targets of these. Keep must follow, with the one
// that serves from then on.
func (f *Follower) Join(set *zones.Set) ([]health.TargetID, error) {
	f.watcher.Ask(set.Server.Resolvers)
	f.watcher.Add(set.Aliases())
	f.mu.Lock()
	defer f.mu.Unlock()
	f.targets.serve(f.targets.sets[0], set)
	return f.admit(set, nil)
}

// Wait returns when every host of a configuration was looked up and its addresses were probed, or when
// ctx ends, with the hosts that were not looked up. From then on what is known of them counts.
func (f *Follower) Wait(ctx context.Context, set *zones.Set) (missing []string) {
	names := set.Aliases()
	missing = f.watcher.Wait(ctx, names)
	f.watcher.Settle()
	f.look()
	for _, name := range names {
		if over := f.awaited(name); over != nil {
			select {
			case <-over:
			case <-ctx.Done():
			}
		}
	}
	f.accept(func(name string, _ *heldHost) bool { return f.hosts[name].Awaited })
	return missing
}

// awaited returns a channel that is closed when a new host is held no longer; nil if it is not.
func (f *Follower) awaited(name string) <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if h := f.held[name]; h != nil && f.hosts[name].Awaited {
		return h.over
	}
	return nil
}

// Keep makes a configuration the only one, whether it is new or another was refused. What only others
// need is forgotten.
func (f *Follower) Keep(set *zones.Set) {
	names := set.Aliases()
	f.watcher.Ask(set.Server.Resolvers)
	f.watcher.Retain(names)
	f.mu.Lock()
	for name := range f.held {
		if !slices.Contains(names, name) {
			f.drop(name)
		}
	}
	maps.DeleteFunc(f.hosts, func(name string, _ alias.Host) bool { return !slices.Contains(names, name) })
	f.publish()
	f.targets.keep(set)
	f.mu.Unlock()
	f.forget()
}

// Awaited is the hosts whose first addresses are awaited, sorted.
func (f *Follower) Awaited() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var names []string
	for name, host := range f.hosts {
		if host.Awaited {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// look takes in what the watcher has found.
func (f *Follower) look() {
	f.mu.Lock()
	defer f.mu.Unlock()
	found := f.watcher.Take()
	for name := range f.hosts {
		host := found.Of(name)
		var until time.Time
		if held := f.held[name]; held != nil {
			if held.Equal(host) {
				continue
			}
			until = held.until
			f.drop(name)
		}
		if !host.Equal(f.hosts[name]) {
			f.take(name, host, until)
		}
	}
	f.publish() // once, since it takes long if there are many hosts
}

// accept lets hosts be answered that were held.
func (f *Follower) accept(which func(string, *heldHost) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for name, h := range f.held {
		if which(name, h) {
			f.hosts[name] = h.Host
			f.drop(name)
		}
	}
	f.publish()
}

// forget stops probing what no answer depends on. It does so when what is current was taken: after
// that the publisher looks only at verdicts on its addresses.
func (f *Follower) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.last.Load() != f.current.Load() {
		return // Take will tell
	}
	f.targets.forget(func(name string) []netip.Addr {
		if h := f.held[name]; h != nil {
			return slices.Concat(f.hosts[name].Addresses, h.Addresses)
		}
		return f.hosts[name].Addresses
	})
}

// release ends all waiting.
func (f *Follower) release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
	for name := range f.held {
		f.drop(name)
	}
}

// All that follow need mu.

// admit has the addresses probed that are known of a configuration's hosts, and accepts the hosts that
// are new as they are.
func (f *Follower) admit(set *zones.Set, restored map[health.TargetID]health.Record) ([]health.TargetID, error) {
	found := f.watcher.Take()
	var list []health.Target
	for _, name := range set.Aliases() {
		if _, known := f.hosts[name]; !known {
			f.hosts[name] = found.Of(name)
		}
		addresses := f.hosts[name].Addresses
		if h := f.held[name]; h != nil {
			addresses = slices.Concat(addresses, h.Addresses)
		}
		more, err := apply(set, name, addresses)
		if err != nil {
			return nil, err
		}
		list = append(list, more...)
	}
	return f.targets.add(list, restored)
}

// take accepts a host, or holds it until its new addresses are probed. If it was held already, with
// other addresses, until is as long as that would have lasted: a host whose addresses change faster
// than they are probed would otherwise keep its old ones for ever.
func (f *Follower) take(name string, host alias.Host, until time.Time) {
	before := f.hosts[name].Addresses
	fresh := slices.DeleteFunc(slices.Clone(host.Addresses), func(addr netip.Addr) bool { return slices.Contains(before, addr) })
	list, err := f.targets.of(name, fresh)
	var added []health.TargetID
	if err == nil {
		added, err = f.targets.add(list, nil)
	}
	switch {
	case err != nil:
		// What serves stays. The watcher tells when the host changes again.
		kept := f.hosts[name]
		kept.Awaited = host.Awaited
		f.hosts[name] = kept
		f.logger.Error("new addresses of an alias are not used, since they cannot be probed", "alias", name, "addresses", fresh, "error", err)
	case len(added) == 0, f.ended:
		f.hosts[name] = host
	default:
		most := time.Now().Add(health.FirstVerdicts(list))
		if until.IsZero() || until.After(most) {
			until = most
		}
		f.hold(name, host, added, until)
	}
}

// hold keeps a host from being answered until there are verdicts on some targets, or until some time.
func (f *Follower) hold(name string, host alias.Host, ids []health.TargetID, until time.Time) {
	ctx, stop := context.WithDeadline(context.Background(), until)
	h := &heldHost{Host: host, until: until, stop: stop, over: make(chan struct{})}
	f.held[name] = h
	f.waiting.Go(func() {
		defer stop()
		missing := f.targets.monitor.Wait(ctx, ids)
		if errors.Is(ctx.Err(), context.Canceled) {
			return // it is held no longer
		}
		if len(missing) > 0 {
			f.logger.Warn("using new addresses of an alias without the first verdict of some targets", "alias", name, "targets", len(missing), "first", missing[0])
		}
		f.mu.Lock()
		h.ready = true
		f.mu.Unlock()
		poke(f.judged)
	})
}

// drop stops holding a host.
func (f *Follower) drop(name string) {
	h := f.held[name]
	delete(f.held, name)
	h.stop()
	close(h.over)
}

// publish makes what is accepted current.
func (f *Follower) publish() {
	next := alias.NewAddresses(maps.Clone(f.hosts))
	if before := f.current.Load(); before == nil || len(next.ChangedSince(before)) > 0 {
		f.current.Store(next)
		poke(f.changed)
	}
}
