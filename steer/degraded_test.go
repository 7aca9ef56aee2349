package steer

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gslb/health"
	"gslb/override"
	"gslb/replication"
	"gslb/zones"
)

// copied has the pools of each letter take part in a replication, in a region of that name.
func (w *world) copied() *world {
	w.copies = make(map[replication.Region]replication.State)
	for _, pool := range w.set.Pools {
		pool.Replication, pool.Region = &replication.Group{Name: "orders"}, pool.Name
		w.setCopy(pool, replication.Current)
	}
	return w
}

// setCopy sets what is known of the copy of a pool, as package replication says it.
func (w *world) setCopy(pool *zones.Pool, condition replication.Condition) {
	why := ""
	if condition == replication.Behind || condition == replication.CutOff {
		why = "the writes of others arrive late"
	}
	w.copies[copyOf(pool)] = w.copies[copyOf(pool)].Next(condition, why, w.now)
}

// TestDegraded is histories of a|b|c, or of other routes, with failback_after = "1m".
func TestDegraded(t *testing.T) {
	const manual, ramped, panics = "manual", "ramped", "panics"
	tests := []struct {
		name, order, history, want string
		held                       string // the pools that are held by the rule
	}{
		{"it stays where it is answered", "a|b|c", "a+ b+ c+; a~; 1h", "normal a:1 20s", ""},
		{"nobody is moved to it", "a|b|c", "a+ b+ c+; b~; a-", "normal c:1 20s", "b"},
		{"unless nothing else is left", "a|b|c", "a+ b+ c+; b~; c-; a-", "normal b:1 20s", ""},
		{"then the first of several", "a|b|c", "a+ b+ c+; b~ c~; a-", "normal b:1 20s", ""},
		{"rather than to one of which nothing is known", "a|b", "a+ b+; b~; a?", "normal b:1 20s", ""},
		{"on a start", "a|b", "a+ b+ a~", "normal b:1 20s", "a"},
		{"on a start with nothing else", "a|b", "a+ b- a~", "normal a:1 20s", ""},
		{"on a start others are waited for", "a|b", "a+ b?! a~", "pending - 20s", "a"},
		{"it is not waited for itself", "a|b", "a?! b+ a~", "normal b:1 20s", "a"},
		{"when it is left it is not returned to", "a|b|c", "a+ b+ c+; a-; 1s; a+ a~; 1h", "normal b:1 20s", "a"},
		{"until it is current for failback_after", "a|b|c", "a+ b+ c+; a-; 1s; a+ a~; 1h; a=; 59s", "normal b:1 20s, 13:01:01", "a"},
		{"and is then", "a|b|c", "a+ b+ c+; a-; 1s; a+ a~; 1h; a=; 1m", "normal a:1 20s", ""},
		{"a short break begins it anew", "a|b|c", "a+ b+ c+; a-; 1s; a+ a~; 1h; a=; 50s; a%; 1s; a=; 50s", "normal b:1 20s, 13:01:52", "a"},
		{"a break is no end", "a|b|c", "a+ b+ c+; a-; 1s; a+ a~; 1h; a=; 50s; a%; 1h", "normal b:1 20s", "a"},
		{"a break later is none", "a|b|c", "a+ b+ c+; c-; a-; 1s; a+ a~; a=; 30s; 1m; b-; a%; 1s", "normal a:1 20s", ""},
		{"doubt alone is nothing", "a|b|c", "a+ b+ c+; a-; 1s; a+; a%; 1m", "normal a:1 20s", ""},
		{"a person cannot return to it", "a|b|c", "a+ b+ c+; a-; 1s; a+ a~; back", "normal b:1 20s", "a"},
		{"but does not wait for failback_after", "a|b|c", "a+ b+ c+; a-; 1s; a+ a~; a=; back", "normal a:1 20s", ""},
		{"drained, and back", "a|b|c", "a+ b+ c+; a~; drain a; 1s; undrain", "normal b:1 20s", "a"},
		{"what only it has is not left", "a|b|c", "a+ b+ c+; a-; 1s; a+ b~; 1h", "normal b:1 20s", "a"},
		{"nor by command", "a|b|c", "a+ b+ c+; a-; 1s; a+ b~; back", "normal b:1 20s", "a"},
		{"nor what does not arrive elsewhere", "a|b|c", "a+ b+ c+; a-; 1s; a+ b/; 1h", "normal b:1 20s", "a"},
		{"until it is current", "a|b|c", "a+ b+ c+; a-; 1s; a+ b~; 1h; b=", "normal a:1 20s", ""},
		{"when it is down it is left", "a|b|c", "a+ b+ c+; a-; 1s; a+ b~; 1h; b-", "normal a:1 20s", ""},
		{"it keeps its share", "a,b,c", "a+ b+ c+; b~; 1h", "normal a:1+b:1+c:1 20s", ""},
		{"and has none after it was left", "a,b,c", "a+ b+ c+; b~; b-; 1s; b+; 1h", "normal a:1+c:1 20s", "b"},
		{"until it is current for long enough", "a,b,c", "a+ b+ c+; b~; b-; 1s; b+; 1h; b=; 1m", "normal a:1+b:1+c:1 20s", ""},
		{"others return beside it", "a,b,c", "a+ b+ c+; a-; b~; 1s; a+; 1m", "normal a:1+b:1+c:1 20s", ""},
		{"a spare", "a,b:0", "a+ b+; b~; a-", "normal b:0 20s", ""},
		{"a spare that is better", "a,b,c:0", "a+ b- c+; b+ b~; a-", "normal c:0 20s", "b"},
		{"a tier", "a,b|c", "a+ b+ c+; a- b-; 1s; a+ b+ a~; 1m", "normal b:1 20s", "a"},
		{"no ramp", ramped + " a|b|c", "a+ b+ c+; a-; 1s; a+ a~; 1h", "normal b:1 20s", "a"},
		{"the ramp begins when it is current for long enough", ramped + " a|b|c", "a+ b+ c+; a-; 1s; a+ a~; 1h; a=; 1m", "ramped a:50000+b:950000 5s, 13:01:02", ""},
		{"degraded during the ramp", ramped + " a|b|c", "a+ b+ c+; a-; 1s; a+; 1m; 30s; a~", "normal b:1 20s", "a"},
		{"it does not count for panic_below", panics + " a,b,c", "a+ b- c+ c~", "panic a:1+b:1 5s", "c"},
		{"it counts where it is answered", panics + " a,b,c", "a+ b+ c+; b-; c~; 1s", "normal a:1+c:1 20s", ""},
		{"it counts while nothing else is up", panics + " a,b,c", "a- b- c+ c~", "panic a:1+b:1+c:1 5s", ""},
		{"by command it waits for a person afterwards", manual + " a|b|c", "a+ b+ c+; a~; drain a; 1s; undrain; a=; 1h", "normal b:1 20s", ""},
		{"also if it was drained while it was degraded", manual + " a|b|c", "a+ b+ c+; a~; drain a; 1s; a=; 1s; undrain; 1h", "normal b:1 20s", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(1, 1, 1).copied()
			how, order, given := strings.Cut(tt.order, " ")
			if !given {
				order = how
			}
			policy := zones.Failover
			if strings.Contains(order, ",") {
				policy = zones.Weighted
			}
			s := w.by(policy, order)
			s.FailbackAfter = time.Minute
			switch how {
			case manual:
				s.Failback, s.FailbackAfter = zones.FailbackManual, 0
			case ramped:
				s.Failback, s.FailbackRamp = zones.FailbackRamped, 2*time.Minute
			case panics:
				s.PanicBelow = 60
			}
			d := w.playWords(t, tt.history)
			if got := shares(d); got != tt.want {
				t.Errorf("got  %s\nwant %s: %+v", got, tt.want, d.Reasons)
			}
			if got := strings.Join(heldBy(d, Degraded), " "); got != tt.held {
				t.Errorf("held are %q, want %q", got, tt.held)
			}
			for _, r := range d.Reasons {
				if (r.Rule == Degraded) != slices.Contains(strings.Fields(tt.held), r.Pool) {
					t.Errorf("the rule of %s is %q: %s", r.Pool, r.Rule, r.Why)
				}
			}
		})
	}
}

// What is waited for is said.
func TestDegradedWhy(t *testing.T) {
	const upA = "2 of 2 members up, 1 needed"
	for history, want := range map[string]string{
		"a+ b+; a-; a+ a~":           "not used while another can be: it waits until its data is current for 1m0s (failback_after): " + upA + "; degraded since 2026-01-02T12:00:00Z: its data is behind, the writes of others arrive late",
		"a+ b+; a-; a+ a~; 1s; a=":   "its data is current since 2026-01-02T12:00:01Z, used again at 2026-01-02T12:01:01Z (failback_after): " + upA,
		"a+ b+; a-; a+; b~; 1h":      "not returned to while clients would leave b, which may have what no other region has: its data is behind, the writes of others arrive late since 2026-01-02T12:00:00Z",
		"a+ b+; a-; a+; 10s; b/; 1h": "not returned to while clients would leave b, which may have what no other region has: its data is silent since 2026-01-02T12:00:10Z",
		"a+ b+; a~":                  upA + "; degraded since 2026-01-02T12:00:00Z: its data is behind, the writes of others arrive late",
	} {
		w := newWorld(2, 2).copied()
		w.steering().FailbackAfter = time.Minute
		if d := w.playWords(t, history); d.Reasons[0].Why != want {
			t.Errorf("%s:\ngot  %s\nwant %s", history, d.Reasons[0].Why, want)
		}
	}
}

// Two pools with one copy: to move between them loses nothing.
func TestDegradedPoolsWithOneCopy(t *testing.T) {
	for history, want := range map[string]string{
		"a+ b+ c+; a~ b~; a-":             "normal b:1 20s",
		"a+ b+ c+; a-; 1s; a+ a~ b~; 1m":  "normal a:1 20s",
		"a+ b+ c+; a- b-; a~ b~; a+; 10m": "normal c:1 20s",
	} {
		w := newWorld(1, 1, 1).copied()
		w.set.Pools[1].Region = "a"
		w.steering().FailbackAfter = time.Minute
		if d := w.playWords(t, history); shares(d) != want {
			t.Errorf("%s: got %s, want %s: %+v", history, shares(d), want, d.Reasons)
		}
	}
}

// With on_degraded = "down" a pool is down, unless a person says otherwise.
func TestDownDegraded(t *testing.T) {
	for history, want := range map[string]string{
		"a+ b+; a~":                          "normal b:1 20s",
		"a+ b+; a/":                          "normal a:1 20s",
		"a+ b+; a~; 1s; a=; 59s":             "normal b:1 20s, 12:01:01",
		"a+ b+; a~; 1s; a=; 60s":             "normal a:1 20s",
		"a+ b+; a~; force a up; 1s":          "normal b:1 20s",
		"a+ b+; force a up; a~; 1s":          "normal a:1 20s",
		"a+ b+; a~; b-":                      "assume_up b:1 5s",
		"a+ b+; b~; a-":                      "assume_up a:1 5s",
		"a+ b+; a~; 1s; a-; a=; 10m; 1s; a+": "normal b:1 20s, 12:11:02",
	} {
		w := newWorld(1, 1).copied()
		w.steering().FailbackAfter = time.Minute
		for _, pool := range w.set.Pools {
			pool.DownDegraded = true
		}
		if d := w.playWords(t, history); shares(d) != want {
			t.Errorf("%s: got %s, want %s: %+v", history, shares(d), want, d.Reasons)
		}
	}
	w := newWorld(1).copied().health("a+ a~")
	w.set.Pools[0].DownDegraded = true
	out, _ := w.step()
	const why = "down by on_degraded; the checks say up: 1 of 1 members up, 1 needed; degraded since 2026-01-02T12:00:00Z: its data is behind, the writes of others arrive late"
	if p := out.Pools[0]; p.Status != health.Down || p.Probed != health.Down || p.Why != why {
		t.Errorf("%s: %s", p.Status, p.Why)
	}
}

// A pin is stronger.
func TestDegradedAndPinned(t *testing.T) {
	w := newWorld(1, 1).copied().app().health("a+ b+ b~")
	w.words = override.NewWords([]override.Override{{Kind: override.Pin, Name: "app.", Pool: "b", Reason: "test"}})
	out, d := w.step()
	if got := out.ofApp(); got.PoolName() != "b" || got.Mode != Pinned || !strings.Contains(got.reasonOf(out.Pools[1]).Why, "its data is behind") {
		t.Errorf("%s: %+v", brief(got), got.Reasons)
	}
	if d.PoolName() != "a" {
		t.Errorf("others answer %s", brief(d))
	}
}

// drawCopies has the data of some pools in another condition.
func drawCopies(t *rapid.T, w *world) {
	for _, pool := range w.set.Pools {
		if rapid.IntRange(0, 2).Draw(t, "copy changes") == 0 {
			w.setCopy(pool, rapid.SampledFrom([]replication.Condition{
				replication.Current, replication.Current, replication.Behind, replication.CutOff, replication.Silent, replication.Unknown,
			}).Draw(t, "condition"))
		}
	}
}

// TestDegradedWhereClientsWere: a pool is spared while clients are at its copy. The decision that moves them to another
// copy already says that the pool is held for its data, and not only the next one.
func TestDegradedWhereClientsWere(t *testing.T) {
	w := newWorld(1, 1, 1).copied()
	s := w.by(zones.Weighted, "a,b,c")
	s.FailbackAfter = time.Minute
	for _, pool := range w.set.Pools[:2] { // of one copy
		pool.Region = "a"
	}
	d := w.playWords(t, "a- b+ c+; 1s; a~; a+; drain b")
	if got, want := shares(d), "normal c:1 20s"; got != want {
		t.Errorf("got  %s\nwant %s: %+v", got, want, d.Reasons)
	}
	if got, want := heldBy(d, Degraded), []string{"a"}; !slices.Equal(got, want) {
		t.Errorf("held for their data are %v, want %v: %+v", got, want, d.Reasons)
	}
}

// holdCopies: clients are moved to a pool that is degraded only if all that is up is.
func holdCopies(t *rapid.T, w *world, past RouteMemory, out *Outcome, d *Decision) {
	isUsable := func(s zones.Share) bool {
		p := out.Pools[s.Pool.Index]
		return p.Status == health.Up && !p.Drained() && !onlyDrainedBear(p) && (p.Degraded.IsZero() || slices.Contains(past.Pools, p.Pool.Name))
	}
	better := false
	for _, tier := range d.Route.Tiers {
		better = better || slices.ContainsFunc(tier.Shares, isUsable)
	}
	for _, share := range d.Shares {
		p := out.Pools[share.Pool.Index]
		if w.copies[copyOf(p.Pool)].Degraded && p.Degraded.IsZero() {
			t.Fatalf("%s is not said to be degraded", p.Pool.Name)
		}
		if better && !p.Degraded.IsZero() && !slices.Contains(past.Pools, p.Pool.Name) {
			t.Fatalf("%s, though %s is degraded, and was not answered", brief(d), p.Pool.Name)
		}
	}
}
