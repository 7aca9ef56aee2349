package steer

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gslb/health"
	"gslb/override"
	"gslb/replication"
	"gslb/zones"
)

// TestProperties walks random worlds through random health, and holds every decision to
// what must be true of all of them.
func TestProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(rapid.SliceOfN(rapid.IntRange(1, 3), 1, 5).Draw(t, "members")...)
		policy := rapid.SampledFrom(everyPolicy).Draw(t, "policy")
		s := w.by(policy, drawOrder(t, policy, len(w.set.Pools)))
		w.app()
		s.WhenAllDown = rapid.SampledFrom(everyWhenAllDown).Draw(t, "when_all_down")
		s.Fallback = w.set.Pools[0]
		s.FailbackAfter = time.Duration(rapid.IntRange(0, 5).Draw(t, "failback_after")) * time.Second
		s.FailoverAfter = time.Duration(rapid.IntRange(0, 3).Draw(t, "failover_after")) * time.Second
		s.PanicBelow = rapid.SampledFrom([]int{0, 50, 100}).Draw(t, "panic_below")
		drawFailback(t, s)
		w.copied()
		for _, pool := range w.set.Pools {
			pool.DownDegraded = rapid.IntRange(0, 4).Draw(t, "on_degraded down") == 0
			pool.MinUp.Count = rapid.IntRange(1, len(pool.Members)).Draw(t, "min_up")
		}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			for _, pool := range w.set.Pools {
				for _, id := range allTargets(pool) {
					w.states[id] = health.State{
						Status:  health.Status(rapid.IntRange(0, 2).Draw(t, string(id))),
						Turning: rapid.Bool().Draw(t, "turning"),
						Awaited: rapid.IntRange(0, 9).Draw(t, "awaited") == 0,
					}
				}
			}
			w.words = drawWorldWords(t, w)
			drawCopies(t, w)
			w.after(time.Duration(rapid.IntRange(0, 3000).Draw(t, "ms")) * time.Millisecond)
			was := w.memory
			out, d := w.step()
			hold(t, w, was, out, d)
		}
	})
}

// drawWorldWords draws drains and forces, and now and then drains nearly everything.
func drawWorldWords(t *rapid.T, w *world) *override.Words {
	var list []override.Override
	often := rapid.SampledFrom([]int{0, 1, 1, 4}).Draw(t, "words of 5")
	is := func(what string) bool { return rapid.IntRange(0, 4).Draw(t, what) < often }
	say := func(o override.Override) {
		if is("drain") {
			o.Kind = override.Drain
			list = append(list, o)
		}
		if is("force") {
			o.Kind, o.Status = override.Force, rapid.SampledFrom([]health.Status{health.Up, health.Down}).Draw(t, "to")
			list = append(list, o)
		}
	}
	for _, pool := range w.set.Pools {
		say(override.Override{Pool: pool.Name})
		for _, m := range pool.Members {
			say(override.Override{Pool: pool.Name, Member: m.Address})
		}
	}
	if is("pin") {
		pin := override.Override{Kind: override.Pin, Name: "app.", Pool: rapid.SampledFrom(w.set.Pools).Draw(t, "pinned to").Name, Anyway: is("anyway")}
		list = append(list, pin)
	}
	return override.NewWords(list)
}

var everyPolicy = []zones.Policy{zones.Failover, zones.Weighted, zones.Sticky, zones.All, zones.Nearest}

// drawOrder puts pools a, b, c … into tiers, in the form of world.route.
func drawOrder(t *rapid.T, policy zones.Policy, pools int) string {
	var b strings.Builder
	for i := range pools {
		switch {
		case i == 0:
		case policy == zones.Failover || rapid.Bool().Draw(t, "next tier"):
			b.WriteByte('|')
		default:
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%c:%d", 'a'+i, rapid.IntRange(0, 2).Draw(t, "weight"))
	}
	return b.String()
}

func allTargets(pool *zones.Pool) []health.TargetID {
	ids := append([]health.TargetID(nil), pool.Targets...)
	for _, m := range pool.Members {
		ids = append(ids, m.Targets...)
	}
	return ids
}

func hold(t *rapid.T, w *world, was Memory, out *Outcome, d *Decision) {
	s := d.Route.Steering
	past, now := was.Routes[d.Route.Key], w.memory.Routes[d.Route.Key]
	if d.Mode != Normal && d.Mode != Ramped && d.Mode != Held && !(slices.Equal(past.Pools, now.Pools) && slices.Equal(past.Good, now.Good)) {
		t.Fatalf("%s is remembered as what was answered last: %+v, before that %+v", brief(d), now, past)
	}
	holdTTL(t, out, d)
	if !d.Revisit.IsZero() && !d.Revisit.After(w.now) {
		t.Fatalf("revisited at %s, which is not after %s", d.Revisit, w.now)
	}
	holdReasons(t, d)
	isOut := func(p *PoolState) bool { return p.Drained() || onlyDrainedBear(p) }
	anyUp, anyUnknown, anyAwaited := false, false, false
	for _, p := range out.Pools {
		anyUp = anyUp || p.Status == health.Up && !isOut(p)
		anyUnknown = anyUnknown || p.Status == health.Unknown && !isOut(p)
		anyAwaited = anyAwaited || p.Awaited && !p.Drained()
	}
	slowed := func(p *PoolState) bool {
		return s.MaxDown > 0 && p.Status == health.Down && now.Gone[p.Pool.Name].Before(p.memory.Fell) && !w.now.Before(p.Since.Add(s.FailoverAfter))
	}
	kept := func(p *PoolState) bool {
		return p.Status == health.Down && p.Force == nil && !isOut(p) && slices.Contains(past.Pools, p.Pool.Name) &&
			(slowed(p) || w.now.Before(p.Since.Add(s.FailoverAfter)))
	}
	for _, name := range now.Pools {
		if !slices.Contains(past.Pools, name) && !slices.ContainsFunc(out.Pools, func(p *PoolState) bool { return p.Pool.Name == name && p.Status == health.Up }) {
			t.Fatalf("%s: %s is remembered as answered while it was up", brief(d), name)
		}
	}
	if everythingIsDrained(out) && !(string(d.Mode) == string(s.WhenAllDown) || d.Mode == AssumeUp && s.WhenAllDown == zones.LastGood && len(past.Good) == 0) {
		t.Fatalf("everything is drained, and when_all_down is %s, but %s", s.WhenAllDown, brief(d))
	}
	anyKept := slices.ContainsFunc(out.Pools, kept)
	switch d.Mode {
	case Pending:
		if !anyAwaited || len(d.Shares) > 0 {
			t.Fatalf("%s, though a pool is awaited: %t", brief(d), anyAwaited)
		}
	case Normal, Ramped, Held:
		holdCopies(t, w, past, out, d)
		for _, share := range d.Shares {
			p := out.Pools[share.Pool.Index]
			if isOut(p) || p.Status != health.Up && !(d.Mode == Held && kept(p)) {
				t.Fatalf("%s, though %s is %s", brief(d), p.Pool.Name, p.Status)
			}
		}
	case Panic:
		isAside := func(p *PoolState) bool { return !p.Degraded.IsZero() && !slices.Contains(past.Pools, p.Pool.Name) }
		isUp := func(p *PoolState) bool { return p.Status == health.Up && !isOut(p) || slowed(p) }
		shares := slices.DeleteFunc(slices.Clone(d.Route.Tiers[tierOf(d)].Shares), func(s zones.Share) bool { return out.Pools[s.Pool.Index].Drained() })
		// Pools that are degraded do not count while another is up.
		better := slices.DeleteFunc(slices.Clone(shares), func(s zones.Share) bool { return isAside(out.Pools[s.Pool.Index]) })
		if slices.ContainsFunc(better, func(s zones.Share) bool { return s.Weight > 0 && isUp(out.Pools[s.Pool.Index]) }) {
			shares = better
		}
		up, all := 0, 0
		for _, share := range shares {
			all += share.Weight
			if isUp(out.Pools[share.Pool.Index]) {
				up += share.Weight
			}
		}
		if up == 0 || up*100 >= all*s.PanicBelow {
			t.Fatalf("%s, though %d of %d is up", brief(d), up, all)
		}
	case Untested:
		if anyUp || !anyUnknown || anyKept {
			t.Fatalf("%s, though a pool is up: %t, or held: %t", brief(d), anyUp, anyKept)
		}
	default:
		if anyUp || anyUnknown || anyKept {
			t.Fatalf("%s, though a pool is up: %t, unknown: %t, held: %t", brief(d), anyUp, anyUnknown, anyKept)
		}
	}
	if none := d.Mode == ServFail || d.Mode == NoData || d.Mode == Pending; (len(d.Addresses()) == 0) != none {
		t.Fatalf("an answer without addresses, or with some: %s", brief(d))
	}
	holdMembers(t, out, d)
	holdDrains(t, out, d)
	holdPin(t, out, d)
	if (d.Mode == ServFail || d.Mode == NoData) && string(d.Mode) != string(s.WhenAllDown) {
		t.Fatalf("%s, though when_all_down is %s", brief(d), s.WhenAllDown)
	}
	if next := Decide(d.Route, out.Pools, now, w.now); !cmp.Equal(d, next, compareOutcomes) {
		t.Fatalf("made once more, the decision is another (-was +is):\n%s", cmp.Diff(d, next, compareOutcomes))
	}
	if diff := again(w, was, out); diff != "" {
		t.Fatalf("the same input gave another outcome: %s", diff)
	}
}

// holdTTL: it is the full one only if nothing is the matter.
func holdTTL(t *rapid.T, out *Outcome, d *Decision) {
	turning := slices.ContainsFunc(out.Pools, func(p *PoolState) bool { return p.Turning })
	s := d.Route.Steering
	switch {
	case d.TTL != s.TTL && d.TTL != s.TTLMin,
		d.Mode != Normal && d.Mode != Pending && d.TTL != s.TTLMin,
		d.Mode == Normal && !turning && d.TTL != s.TTL:
		t.Fatalf("a target is turning: %t, but %s", turning, brief(d))
	}
	for _, share := range d.Shares {
		if out.Pools[share.Pool.Index].Turning && d.TTL != s.TTLMin {
			t.Fatalf("a target of %s is turning, but %s", share.Pool.Name, brief(d))
		}
	}
}

// holdReasons: every pool of the route is there, in order, and those are chosen that are answered.
func holdReasons(t *rapid.T, d *Decision) {
	var pools, chosen, answered []string
	for tier := range d.Route.Tiers {
		for _, share := range d.Route.Tiers[tier].Shares {
			pools = append(pools, share.Pool.Name)
		}
	}
	for i, r := range d.Reasons {
		if r.Tier >= 0 && r.Pool != pools[i] || r.Why == "" {
			t.Fatalf("reason %d is %+v", i, r)
		}
		if r.Chosen {
			chosen = append(chosen, r.Pool)
		}
	}
	for _, share := range d.Shares {
		answered = append(answered, share.Pool.Name)
	}
	slices.Sort(chosen)
	slices.Sort(answered)
	if !slices.Equal(chosen, answered) {
		t.Fatalf("chosen are %s, answered %s", chosen, answered)
	}
}

// tierOf is the tier of the pools that are answered, but for those that return.
func tierOf(d *Decision) int {
	for t := range d.Route.Tiers {
		for _, share := range d.Route.Tiers[t].Shares {
			if slices.ContainsFunc(d.Shares, func(s Share) bool { return s.Pool == share.Pool && !s.Returning }) {
				return t
			}
		}
	}
	return none
}

// holdMembers: of a pool that is not taken for up against its checks, a member that is down is answered
// only if all are. Of a pool that is slowed these are those that were answered last.
func holdMembers(t *rapid.T, out *Outcome, d *Decision) {
	if d.Mode == Panic || d.Mode == AssumeUp || d.Mode == All || d.Mode == LastGood {
		return
	}
	for _, share := range d.Shares {
		p := out.Pools[share.Pool.Index]
		regardless := allDrained(p.Members) || everythingIsDrained(out)
		best := health.Down
		for _, m := range p.Members {
			if (regardless || m.Drain == nil) && (m.Status == health.Up || m.Status == health.Unknown && best == health.Down) {
				best = m.Status
			}
		}
		isSlowed := slices.ContainsFunc(d.Held, func(h Hold) bool { return h.Rule == Velocity && h.Pool == share.Pool.Name })
		if isSlowed && best == health.Down {
			continue
		}
		for _, m := range p.Members {
			if listed := slices.Contains(share.Addresses, m.Address); listed != (m.Status == best && (regardless || m.Drain == nil)) {
				t.Fatalf("member %s is %s, but %s", m.Address, m.Status, brief(d))
			}
		}
	}
}

func everythingIsDrained(out *Outcome) bool {
	return !slices.ContainsFunc(out.Pools, func(p *PoolState) bool { return !p.Drained() })
}

func allDrained(members []MemberState) bool {
	return !slices.ContainsFunc(members, func(m MemberState) bool { return m.Drain == nil })
}

// onlyDrainedBear reports whether the pool has its status by its drained members alone: none of the
// others has a status as good, although there are some.
func onlyDrainedBear(p *PoolState) bool {
	if p.Force != nil || p.Status == health.Down || allDrained(p.Members) {
		return false
	}
	return !slices.ContainsFunc(p.Members, func(m MemberState) bool {
		return m.Drain == nil && (m.Status == health.Up || m.Status == health.Unknown && p.Status == health.Unknown)
	})
}

// holdDrains: while anything is not drained, nothing that is drained is answered.
func holdDrains(t *rapid.T, out *Outcome, d *Decision) {
	if everythingIsDrained(out) {
		return
	}
	for _, share := range d.Shares {
		p := out.Pools[share.Pool.Index]
		if p.Drained() {
			t.Fatalf("%s is drained, but %s", p.Pool.Name, brief(d))
		}
		for _, m := range p.Members {
			if m.Drain != nil && slices.Contains(share.Addresses, m.Address) {
				t.Fatalf("%s of %s is drained, but %s", m.Address, p.Pool.Name, brief(d))
			}
		}
	}
}

// holdPin: a name that is pinned to a pool answers it unless it is down, and otherwise what the others do.
func holdPin(t *rapid.T, out *Outcome, others *Decision) {
	pin := out.Words().Pin("app.")
	if pin == nil || len(out.Apart) == 0 {
		if pin != nil || len(out.Apart) > 0 {
			t.Fatalf("%v is said of the name, and %d names stand apart", pin, len(out.Apart))
		}
		return
	}
	d, pool := out.Apart[0].Decisions[0], out.Pools[pin.Pool[0]-'a']
	want := brief(others)
	switch follow := pool.Status != health.Down || pin.Anyway; {
	case pool.Awaited && !pin.Anyway:
		want = brief(&Decision{Mode: Pending, TTL: d.TTL})
	case follow:
		want = brief(&Decision{Mode: Pinned, Shares: []Share{{Pool: pool.Pool, Addresses: d.Addresses()}}, TTL: d.Route.Steering.TTL})
		if pool.Turning {
			want = brief(&Decision{Mode: Pinned, Shares: d.Shares, TTL: d.Route.Steering.TTLMin})
		}
		if len(d.Addresses()) == 0 {
			t.Fatalf("no address: %s", brief(d))
		}
	}
	if brief(d) != want {
		t.Fatalf("pinned to %s, which is %s: %s, want %s", pin.Pool, pool.Status, brief(d), want)
	}
	for _, m := range pool.Members {
		if d.Mode == Pinned && m.Drain != nil && slices.Contains(d.Addresses(), m.Address) && !allDrained(pool.Members) && !onlyDrainedBear(pool) {
			t.Fatalf("%s is drained, but %s", m.Address, brief(d))
		}
	}
}

// again steps once more from the same memory.
func again(w *world, was Memory, out *Outcome) string {
	second := Step(w.set, Input{Snapshot: health.NewSnapshot(w.now, w.states), Words: w.words, Copies: replication.NewView(w.copies), Now: w.now}, was)
	return cmp.Diff(out, second, compareOutcomes)
}
