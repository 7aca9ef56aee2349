package rrl

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
)

// Workers that meet in the same buckets let exactly the burst pass between them, and exactly
// one of them learns that a bucket is limited from now on.
func TestConcurrentChecks(t *testing.T) {
	const workers, clients, burst = 8, 50, 20
	l := limiter(t, func(o *Options) { o.Burst = burst })
	var passed, entered [clients]atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range burst {
				for c := range clients {
					switch d := l.Check(netip.AddrFrom4([4]byte{10, 0, byte(c), 1}), NXDomain, 1, second); {
					case d.Action == Pass:
						passed[c].Add(1)
					case d.Change == Entered:
						entered[c].Add(1)
					}
				}
			}
		})
	}
	wg.Wait()
	for c := range clients {
		if p, e := passed[c].Load(), entered[c].Load(); p != burst || e != 1 {
			t.Errorf("client %d: %d passed and %d entered, want %d and 1", c, p, e, burst)
		}
	}
}

// Under contention for places as well, no more than twice the limit passes: that is what the
// package says of two workers that make room for one bucket.
func TestConcurrentChecksInAFullTable(t *testing.T) {
	const workers, rounds, burst = 8, 2000, 20
	l := limiter(t, func(o *Options) { o.Rate, o.Burst, o.Buckets = 10, burst, 8 })
	var passed atomic.Int64
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range rounds {
				// Clocks that differ, by less than it takes to leak one response.
				now := second + int64(w)*ms
				l.Check(netip.AddrFrom4([4]byte{10, byte(w), byte(i), 1}), NXDomain, 1, now)
				if l.Check(victim, NXDomain, 1, now).Action == Pass {
					passed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if p := passed.Load(); p < burst || p > 2*burst {
		t.Errorf("%d passed, want %d, or up to twice as many", p, burst)
	}
}
