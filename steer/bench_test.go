package steer

import (
	"fmt"
	"net/netip"
	"testing"

	"gslb/health"
	"gslb/zones"
)

// manySteerings is so many steerings of six views each, whose pools all stand behind the one that all
// routes prefer.
func manySteerings(n int) *zones.Set {
	set := &zones.Set{}
	for i := range 201 {
		set.Pools = append(set.Pools, &zones.Pool{
			Index: i, Name: fmt.Sprint("p", i), Targets: []health.TargetID{health.TargetID(fmt.Sprint("check@p", i))}, MinUp: zones.Quorum{Count: 1},
			Members: []zones.Member{{Address: netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})}},
		})
	}
	for i := range n {
		s := &zones.Steering{Index: i, Key: fmt.Sprint(i), Policy: zones.Failover, TTL: 20e9, TTLMin: 5e9, WhenAllDown: zones.AssumeUp, FailbackAfter: 60e9}
		for view := range 6 {
			r := &zones.Route{Index: len(set.Routes), Key: fmt.Sprint(i, " ", view), Steering: s}
			for _, p := range []int{0, 1 + (i+view)%200, 1 + (i+view+7)%200} {
				r.Tiers = append(r.Tiers, zones.Tier{Shares: []zones.Share{{Pool: set.Pools[p], Weight: 1}}})
			}
			set.Routes = append(set.Routes, r)
			s.Routes = append(s.Routes, r)
		}
		set.Steerings = append(set.Steerings, s)
	}
	return set
}

// BenchmarkPoolFails is the cost of deciding anew when the pool fails that all routes prefer.
func BenchmarkPoolFails(b *testing.B) {
	for _, n := range []int{1_000, 100_000} {
		b.Run(fmt.Sprintf("%d_steerings_of_6_views", n), func(b *testing.B) {
			set := manySteerings(n)
			states := make(map[health.TargetID]health.State)
			for _, pool := range set.Pools {
				states[pool.Targets[0]] = health.State{Status: health.Up}
			}
			snap := health.NewSnapshot(noon, states)
			before := Step(set, Input{Snapshot: snap, Now: noon}, Memory{})
			down := snap.With(noon, map[health.TargetID]health.State{"check@p0": {Status: health.Down}})
			b.ReportAllocs()
			for b.Loop() {
				before.Next(Input{Snapshot: down, Now: noon})
			}
		})
	}
}
