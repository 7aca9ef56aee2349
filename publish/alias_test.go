package publish

import (
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"

	"gslb/alias"
	"gslb/health"
	"gslb/zones"
)

const lb = "lb.example.net."

// fakeHosts is a source of addresses that a test moves by hand.
type fakeHosts struct {
	changed chan struct{}

	mu    sync.Mutex
	hosts map[string]alias.Host
}

func (f *fakeHosts) Changed() <-chan struct{} { return f.changed }

func (f *fakeHosts) Take() *alias.Addresses {
	f.mu.Lock()
	defer f.mu.Unlock()
	return alias.NewAddresses(f.hosts)
}

// find has the host resolve to these addresses; to none: it has none.
func (f *fakeHosts) find(list ...string) {
	host := alias.Host{Status: alias.Absent, Why: "NXDOMAIN"}
	for _, text := range list {
		host.Status, host.Why = alias.Resolved, ""
		host.Addresses = append(host.Addresses, netip.MustParseAddr(text))
	}
	f.mu.Lock()
	f.hosts = map[string]alias.Host{lb: host}
	f.mu.Unlock()
	f.changed <- struct{}{}
}

// TestPublisherFollowsHosts: other addresses of an alias are published like changes of health. What
// befalls the target of an address is told once the address is published, with the change that it
// causes.
func TestPublisherFollowsHosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := parse(t, strings.Replace(twoPools, `members = ["203.0.113.10"]`, `alias = "lb.example.net"`, 1))
		const first, second = "web@203.0.113.10", "web@203.0.113.11"
		th := &theatre{health: newFakeHealth(&zones.Set{Targets: append([]health.Target{{ID: first}, {ID: second}}, set.Targets...)})}
		hosts := &fakeHosts{changed: make(chan struct{}, 1)}
		th.Publisher = New(Options{
			Health: th.health, Hosts: hosts, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
			Listeners: []func([]Event){th.listen},
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- th.Run(ctx) }()
		defer func() { cancel(); <-done }()
		if err := th.Use(ctx, set); err != nil {
			t.Fatal(err)
		}
		th.expect(t, "198.51.100.10", "config", "pool ams unknown→up", "answer →ams app.gslb.example.com.")

		hosts.find("203.0.113.10")
		th.expect(t, "203.0.113.10", "pool nyc unknown→up", "answer ams→nyc app.gslb.example.com.")
		th.health.turn(first, health.Down)
		th.expect(t, "198.51.100.10", "target "+first+" down", "pool nyc up→down", "answer nyc→ams app.gslb.example.com.")

		// The target of an address that nobody is answered with yet.
		th.health.turn(second, health.Up)
		th.expect(t, "198.51.100.10")
		hosts.find("203.0.113.11")
		th.expect(t, "198.51.100.10", "target "+second+" up", "pool nyc down→up") // failback_after
		hosts.find()
		th.expect(t, "198.51.100.10", "pool nyc up→down")
	})
}
