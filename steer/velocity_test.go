package steer

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gslb/health"
	"gslb/zones"
)

// TestVelocity is histories with max_down = 1 and within = "5m".
func TestVelocity(t *testing.T) {
	tests := []struct {
		name, order, history, want string
		held                       string // the pools that are held by the rule
	}{
		{"the first goes", "a|b|c", "a+ b+ c+; a-", "normal b:1 20s", ""},
		{"the second waits", "a|b|c", "a+ b+ c+; a-; 1m; b-", "held b:1 5s, 12:05:00", "b"},
		{"until just before the end", "a|b|c", "a+ b+ c+; a-; 1m; b-; 239s", "held b:1 5s, 12:05:00", "b"},
		{"the time is over", "a|b|c", "a+ b+ c+; a-; 1m; b-; 4m", "normal c:1 20s", ""},
		{"the third waits from then on", "a|b|c", "a+ b+ c+; a-; 1m; b-; 4m; 1m; c-", "held c:1 5s, 12:10:00", "c"},
		{"after the time the second goes at once", "a|b|c", "a+ b+ c+; a-; 5m; b-", "normal c:1 20s", ""},
		{"what is preferred has recovered", "a|b|c", "a+ b+ c+; a-; 1m; b-; a+; 1s", "normal a:1 20s", ""},
		{"the first has recovered meanwhile", "a|b|c", "a+ b+ c+; b-; 1m; b+; 1m; a-", "held a:1 5s, 12:05:00", "a"},
		{"the second recovers", "a|b|c", "a+ b+ c+; a-; 1m; b-; b+", "normal b:1 20s", ""},
		{"and falls again", "a|b|c", "a+ b+ c+; a-; 1m; b-; b+; 1m; b-", "held b:1 5s, 12:05:00", "b"},
		{"the same pool twice is one", "a|b|c", "a+ b+ c+; a-; 1m; a+; 2m; a-; 1s", "normal b:1 20s", ""},
		{"a person believes it", "a|b|c", "a+ b+ c+; a-; 1m; b-; force b down", "normal c:1 20s", ""},
		{"and it stays", "a|b|c", "a+ b+ c+; a-; 1m; b-; force b down; 1s; undrain", "normal c:1 20s", ""},
		{"a person has forced the first", "a|b|c", "a+ b+ c+; force a down; 1m; b-", "normal c:1 20s", ""},
		{"a drain does not count", "a|b|c", "a+ b+ c+; drain a; a-; 1m; b-", "normal c:1 20s", ""},
		{"drained since then", "a|b|c", "a+ b+ c+; a-; drain a; 1m; b-", "normal c:1 20s", ""},
		{"drained while it is held", "a|b|c", "a+ b+ c+; a-; 1m; b-; drain b", "normal c:1 20s", ""},
		{"a pool that is not answered counts", "a|b|c", "a+ b+ c+; c-; 1m; a-", "held a:1 5s, 12:05:00", "a"},
		{"and is not held", "a|b|c", "a+ b+ c+; a-; 1m; c-; b-", "held b:1 5s, 12:06:00", "b"},
		{"all at once", "a|b|c", "a+ b+ c+; a- b- c-", "held a:1 5s, 12:05:00", "a"},
		{"a share of the clients", "a,b,c", "a+ b+ c+; b-; 1m; c-", "held a:1+c:1 5s, 12:05:00", "c"},
		{"two at once, the one that stands first stays", "a,b,c", "a+ b+ c+; b- c-", "held a:1+b:1 5s, 12:05:00", "b"},
		{"one after the other", "a,b,c", "a+ b+ c+; c-; 1m; b-; 1m; a-; 3m", "held a:1 5s, 12:10:00", "a"},
		{"up beside it", "a,b,c", "a+ b+ c+; b-; 1m; c-; b+; 1m; b-", "held a:1+c:1 5s, 12:07:00", "c"},
		{"at a start nothing was up", "a|b|c", "a- b- c+", "normal c:1 20s", ""},
		{"unknown is not down", "a|b|c", "a+ b+ c+; a-; 1m; b?", "normal c:1 20s", ""},
		{"known to be down after it was unknown", "a|b|c", "a+ b+ c+; a-; 1m; c- b?; b-", "assume_up b:1 5s", ""},
		{"all are gone", "a|b", "a+ b+; a-; 5m; b-", "assume_up b:1 5s", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(1, 1, 1)
			s := w.by(zones.Failover, tt.order)
			if strings.Contains(tt.order, ",") {
				s.Policy = zones.Weighted
			}
			s.MaxDown, s.Within = 1, 5*time.Minute
			d := w.playWords(t, tt.history)
			if got := shares(d); got != tt.want {
				t.Errorf("got  %s\nwant %s: %+v", got, tt.want, d.Reasons)
			}
			if got := strings.Join(heldBy(d, Velocity), " "); got != tt.held {
				t.Errorf("held is %q, want %q", got, tt.held)
			}
		})
	}
}

// What is held can go on, so that a preferred pool that is up again is waited for as always.
func TestFailbackFromASlowedPool(t *testing.T) {
	w := newWorld(1, 1, 1)
	s := w.steering()
	s.MaxDown, s.Within, s.Failback = 1, 5*time.Minute, zones.FailbackManual
	if d := w.playWords(t, "a+ b+ c+; a-; 1m; b-; a+"); shares(d) != "held b:1 5s, 12:05:00" {
		t.Errorf("got %s", shares(d))
	}
	if d := w.playWords(t, "back"); d.PoolName() != "a" || d.Mode != Normal {
		t.Errorf("by command: %s", shares(d))
	}
}

// heldBy is the pools that a rule holds.
func heldBy(d *Decision, rule string) (pools []string) {
	for _, h := range d.Held {
		if h.Rule == rule {
			pools = append(pools, h.Pool)
		}
	}
	return pools
}

func TestWhyAPoolIsSlowed(t *testing.T) {
	w := newWorld(1, 1, 1)
	s := w.steering()
	s.MaxDown, s.Within = 1, 5*time.Minute
	d := w.play("a+ b+ c+; a-; 1m; b-")
	const want = "down since 2026-01-02T12:01:00Z, but answered until 2026-01-02T12:05:00Z at least: max_down = 1 pools have gone down within 5m0s; gslb force down b ends that: 0 of 1 members up, 1 needed: pool@b is down: told"
	if r := d.Reasons[1]; r.Why != want || r.Rule != Velocity || !r.Chosen || r.Status != health.Down {
		t.Errorf("got  %+v\nwant %q", r, want)
	}
	if want := []Hold{{Velocity, "b", noon.Add(time.Minute), noon.Add(5 * time.Minute)}}; !slices.Equal(d.Held, want) {
		t.Errorf("held %v, want %v", d.Held, want)
	}
}

// A pool that failover_after may hold, and that clients leave all the same in this very decision, counts for
// how long another waits.
func TestASlowedPoolBesideOneThatIsLeft(t *testing.T) {
	w := newWorld(1, 1, 1, 1)
	s := w.by(zones.Weighted, "a,b,c|d")
	s.MaxDown, s.Within, s.FailoverAfter = 1, 5*time.Minute, time.Minute
	w.play("a+ b+ c+ d+; c-; 1m; 1m; a-; 30s; b-; 29s")
	w.after(time.Second)
	w.by(zones.Weighted, "a|b|c|d") // by a reload
	_, d := w.step()
	const want = "held a:1 5s, 12:07:30" // five minutes after b went down
	if shares(d) != want || len(d.Held) != 1 || !d.Held[0].Until.Equal(d.Revisit) {
		t.Errorf("got %s, held %v, want %s", shares(d), d.Held, want)
	}
	if _, again := w.step(); shares(again) != want {
		t.Errorf("then %s, want %s", shares(again), want)
	}
}

// Pools that only other clients of the names get count too.
func TestVelocityOfViews(t *testing.T) {
	w := newWorld(1, 1, 1, 1)
	us, eu := w.route("a|b"), w.route("c|d")
	us.Views, us.Key, eu.Views, eu.Key = []string{"country:US"}, "us", []string{"default"}, "eu"
	s := w.steering()
	s.Pools, s.Routes, s.MaxDown, s.Within = nil, []*zones.Route{us, eu}, 1, 5*time.Minute
	w.play("a+ b+ c+ d+; a-; 1m")
	w.health("c-")
	out, _ := w.step()
	if got := [2]string{shares(out.Decisions[0]), shares(out.Decisions[1])}; got != [2]string{"normal b:1 20s", "held c:1 5s, 12:05:00"} {
		t.Errorf("got %q", got)
	}
	// The same, made incrementally. That c is held for others does not matter: it is down.
	w.after(time.Second).health("c+")
	next := out.Next(Input{Snapshot: health.NewSnapshot(w.now, maps.Clone(w.states)), Now: w.now})
	w.after(time.Second).health("b-")
	next = next.Next(Input{Snapshot: health.NewSnapshot(w.now, w.states), Now: w.now})
	if got := shares(next.Decisions[0]); got != "held b:1 5s, 12:06:00" {
		t.Errorf("got %s", got)
	}
}

// Of a pool that is held are answered the members that are up; if none is, those that were answered last.
func TestMembersOfASlowedPool(t *testing.T) {
	for members, want := range map[string]string{"-++": "0.2 0.3", "--+": "0.3", "---": "0.2 0.3"} {
		w := newWorld(3, 1, 1)
		w.set.Pools[0].MinUp.Count = 2
		s := w.steering()
		s.MaxDown, s.Within = 1, 5*time.Minute
		w.play("a+ b+ c+")
		w.is(health.Down, "web@192.0.0.1").step()
		w.play("b-; 1s")
		for i, status := range members {
			if status == '-' {
				w.is(health.Down, fmt.Sprint("web@192.0.0.", i+1))
			}
		}
		for range 2 { // the second time from what the first remembers
			_, d := w.step()
			mode := "held"
			if members == "-++" {
				mode = "normal"
			}
			if got := string(d.Mode) + " " + addresses(d); got != mode+" "+want {
				t.Errorf("%s: got %s, want %s %s", members, got, mode, want)
			}
			w.restart(t)
		}
	}
}

func addresses(d *Decision) string {
	var list []string
	for _, a := range d.Addresses() {
		list = append(list, strings.TrimPrefix(a.String(), "192.0."))
	}
	return strings.Join(list, " ")
}

// TestVelocityHoldsWhatItSays has pools that share clients go down and up at random. Within any time
// of `within`, at most max_down different ones go, and none is held while fewer have gone. Restarts and
// reloads change nothing.
func TestVelocityHoldsWhatItSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(1, 1, 1, 1)
		s := w.by(zones.Weighted, "a,b,c,d")
		s.MaxDown, s.Within = rapid.IntRange(1, 3).Draw(t, "max_down"), 20*time.Second
		_, d := w.health("a+ b+ c+ d+").step()
		answered := map[string]bool{}
		went := map[string]time.Time{}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			clear(answered)
			for _, share := range d.Shares {
				answered[share.Pool.Name] = !d.Mode.IsEmergency()
			}
			w.after(time.Duration(rapid.IntRange(0, 8).Draw(t, "seconds")) * time.Second)
			if rapid.IntRange(0, 5).Draw(t, "restart") == 0 {
				w.restart(t)
			}
			for range rapid.IntRange(0, 3).Draw(t, "changes") {
				w.health(fmt.Sprintf("%c%c", 'a'+rapid.IntRange(0, 3).Draw(t, "pool"), rapid.SampledFrom([]byte("++-")).Draw(t, "status")))
			}
			var out *Outcome
			out, d = w.step()
			held := heldBy(d, Velocity)
			for _, p := range out.Pools {
				name := p.Pool.Name
				if p.Status == health.Down && !slices.Contains(held, name) && !went[name].After(p.Since) && !went[name].Equal(p.Since) {
					went[name] = w.now
				}
			}
			lately := func(but string) (names []string) {
				for name, at := range went {
					if name != but && w.now.Before(at.Add(s.Within)) {
						names = append(names, name)
					}
				}
				return names
			}
			for name, at := range went {
				if at.Equal(w.now) && answered[name] && len(lately(name)) >= s.MaxDown {
					t.Fatalf("%s goes, though %v have gone lately: %s", name, lately(name), shares(d))
				}
			}
			for _, name := range held {
				if len(lately(name)) < s.MaxDown {
					t.Fatalf("%s is held, though only %v have gone lately: %s", name, lately(name), shares(d))
				}
				if d.Revisit.IsZero() {
					t.Fatalf("%s is held for ever", name)
				}
			}
		}
	})
}
