package steer

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gslb/health"
	"gslb/zones"
)

// TestManualFailback is histories of a|b|c, or of other routes, with failback = "manual". "back" is a
// person's command.
func TestManualFailback(t *testing.T) {
	const auto, weighted = "auto", "weighted"
	tests := []struct {
		name, order, history, want string
		waiting                    string // as remembered
	}{
		{"the preferred pool waits", "a|b|c", "a+ b+ c+; a-; 1s; a+; 240h; a+", "normal b:1 20s", "a"},
		{"nothing waits before it was left", "a|b|c", "a+ b+ c+", "normal a:1 20s", ""},
		{"by command", "a|b|c", "a+ b+ c+; a-; 1s; a+; back", "normal a:1 20s", ""},
		{"and it stays", "a|b|c", "a+ b+ c+; a-; 1s; a+; back; 1s; b-; b+", "normal a:1 20s", ""},
		{"a command while it is down does nothing", "a|b|c", "a+ b+ c+; a-; back; 1s; a+", "normal b:1 20s", "a"},
		{"nothing else is left", "a|b|c", "a+ b+ c+; a-; 1s; a+; b-; 1s; c-", "normal a:1 20s", ""},
		{"what is left is preferred", "a|b|c", "a+ b+ c+; a-; b-; 1s; a+ b+; c-", "normal a:1 20s", ""},
		{"both wait", "a|b|c", "a+ b+ c+; a-; b-; 1s; a+ b+", "normal c:1 20s", "a b"},
		{"the first of both by command", "a|b|c", "a+ b+ c+; a-; b-; 1s; a+ b+; back", "normal a:1 20s", ""},
		{"the second by command, while the first is down", "a|b|c", "a+ b+ c+; a-; b-; 1s; b+; back; 1s; a+", "normal b:1 20s", "a"},
		{"from the start", "a|b|c", "a- b+ c+; 1s; a+", "normal b:1 20s", "a"},
		{"unknown at the start", "a|b|c", "a? b+ c+; 1s; a+", "normal b:1 20s", "a"},
		{"awaited, so that nothing was passed over", "a|b|c", "a?! b+ c+; 1s; a+", "normal a:1 20s", ""},
		{"a blind moment", "a|b|c", "a+ b+ c+; a- b- c-; 1s; a+ b+ c+", "normal a:1 20s", ""},
		{"a blind moment after it recovered", "a|b|c", "a+ b+ c+; a-; 1s; a+; a- b- c-; 1s; a+ b+ c+", "normal b:1 20s", "a"},
		{"drained, not down", "a|b|c", "a+ b+ c+; drain a; 1s; undrain", "normal a:1 20s", ""},
		{"drained and down", "a|b|c", "a+ b+ c+; drain a; a-; 1s; undrain; a+", "normal b:1 20s", "a"},
		{"drained while it waits", "a|b|c", "a+ b+ c+; a-; 1s; a+; drain a; 1s; undrain", "normal b:1 20s", "a"},
		{"forced down", "a|b|c", "a+ b+ c+; force a down; 1s; undrain", "normal b:1 20s", "a"},
		{"of a tier", weighted + " a,b|c", "a+ b+ c+; b-; 1s; b+", "normal a:1 20s", "b"},
		{"of a tier, by command", weighted + " a,b|c", "a+ b+ c+; b-; 1s; b+; back", "normal a:1+b:1 20s", ""},
		{"of a tier, when the other goes", weighted + " a,b|c", "a+ b+ c+; b-; 1s; b+; a-", "normal b:1 20s", "a"},
		{"a whole tier", weighted + " a,b|c", "a+ b+ c+; a- b-; 1s; a+ b+", "normal c:1 20s", "a b"},
		{"a spare is not waited for", weighted + " a,b:0|c", "a+ b+ c+; b-; 1s; b+; a-", "normal b:0 20s", "a"},
		{"a command ends failback_after", auto + " a|b|c", "a+ b+ c+; a-; 1s; a+; back", "normal a:1 20s", ""},
		{"and again", auto + " a|b|c", "a+ b+ c+; a-; 1s; a+; back; 1s; a-; a+", "normal b:1 20s, 12:01:02", "a"},
		{"a tier, beside one that is held", auto + " a,b,c", "a+ b+ c+; a-; 10s; a+; b-; back; 10s; b-", "normal a:1+c:1 20s", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(1, 1, 1)
			policy, order := zones.Failover, tt.order
			failback := zones.FailbackManual
			if how, rest, ok := strings.Cut(tt.order, " "); ok {
				order = rest
				if how == weighted || strings.Contains(rest, ",") {
					policy = zones.Weighted
				}
				if how == auto {
					failback = zones.FailbackAuto
				}
			}
			s := w.by(policy, order)
			s.Failback = failback
			if failback == zones.FailbackAuto {
				s.FailbackAfter = time.Minute
				if policy == zones.Weighted {
					s.FailoverAfter = 5 * time.Second
				}
			}
			d := w.playWords(t, tt.history)
			if got := shares(d); got != tt.want {
				t.Errorf("got  %s\nwant %s: %+v", got, tt.want, d.Reasons)
			}
			if got := strings.Join(w.memory.Routes[s.Key].Waiting, " "); got != tt.waiting {
				t.Errorf("%q waits, want %q", got, tt.waiting)
			}
			for _, h := range d.Held {
				if h.Rule == FailbackManual && !slices.Contains(w.memory.Routes[s.Key].Waiting, h.Pool) {
					t.Errorf("%s is said to wait", h.Pool)
				}
			}
		})
	}
}

// playWords is play with moments in which a person says something: "drain a", "force a down", "back",
// or, to take back what was said, "undrain". After each moment the memory goes through a file.
func (w *world) playWords(t *testing.T, history string) (d *Decision) {
	t.Helper()
	for moment := range strings.SplitSeq(history, ";") {
		moment = strings.TrimSpace(moment)
		switch word, _, _ := strings.Cut(moment, " "); word {
		case "drain", "force":
			w.said(moment)
		case "undrain":
			w.said()
		case "back":
			w.back = []int{0}
		default:
			d = w.play(moment)
			w.restart(t)
			continue
		}
		_, d = w.step()
		w.back = nil
		w.restart(t)
	}
	return d
}

// fataler is a test or a rapid one.
type fataler interface {
	Helper()
	Fatal(...any)
}

// restart has the memory written to a file, and read.
func (w *world) restart(t fataler) {
	t.Helper()
	data, err := json.Marshal(w.memory)
	if err != nil {
		t.Fatal(err)
	}
	w.memory = Memory{}
	if err := json.Unmarshal(data, &w.memory); err != nil {
		t.Fatal(err)
	}
}

// A command counts although a tier is in panic at that moment.
func TestManualFailbackInPanic(t *testing.T) {
	for history, want := range map[string]string{
		"a+ b+ c+; a-; a+; b- c-; b+":       "normal b:1 20s",
		"a+ b+ c+; a-; a+; b- c-; back; b+": "normal a:1+b:1 20s",
	} {
		w := newWorld(1, 1, 1)
		s := w.by(zones.Weighted, "a,b,c")
		s.Failback, s.PanicBelow = zones.FailbackManual, 50
		if d := w.playWords(t, history); shares(d) != want {
			t.Errorf("%s: got %s, want %s", history, shares(d), want)
		}
	}
}

func TestWhyAPoolWaits(t *testing.T) {
	w := newWorld(1, 1)
	w.set.Zones = []*zones.Zone{{Names: []*zones.Name{{Name: "app.example.", Steering: w.steering()}}}}
	w.steering().Failback = zones.FailbackManual
	d := w.play("a- b+; 1m; a+")
	const want = `up since 2026-01-02T12:01:00Z, waits for: gslb failback app.example (failback = "manual"): 1 of 1 members up, 1 needed`
	if r := d.Reasons[0]; r.Why != want || r.Rule != FailbackManual {
		t.Errorf("got  %s %q\nwant %s %q", r.Rule, r.Why, FailbackManual, want)
	}
	if want := []Hold{{Rule: FailbackManual, Pool: "a", Since: noon.Add(time.Minute)}}; !slices.Equal(d.Held, want) {
		t.Errorf("held %v, want %v", d.Held, want)
	}
}

// A reload that makes failback manual leaves a pool waiting that waits for failback_after, or is down.
func TestManualFromAuto(t *testing.T) {
	for _, then := range []string{"a+", "a-"} {
		w := newWorld(1, 1)
		w.steering().FailbackAfter = time.Minute
		w.play("a- b+; 1s; " + then)
		w.steering().Failback, w.steering().FailbackAfter = zones.FailbackManual, 0
		if d := w.play(then + "; 10m; a+"); shares(d) != "normal b:1 20s" {
			t.Errorf("after %s: %s", then, shares(d))
		}
	}
}

// TestManualNeverMovesBack: with every pool up at the start, the answer never moves to a pool that
// stands before, except by command or when what is answered is down. Restarts and reloads may come
// at any time.
func TestManualNeverMovesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(1, 1, 1, 1)
		s := w.steering()
		s.Failback = zones.FailbackManual
		s.FailoverAfter = time.Duration(rapid.IntRange(0, 2).Draw(t, "failover_after")) * time.Second
		d := w.play("a+ b+ c+ d+")
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			was := d.PoolName()
			w.after(time.Duration(rapid.IntRange(0, 3).Draw(t, "seconds")) * time.Second)
			back := false
			switch rapid.SampledFrom([]string{"health", "health", "health", "restart", "reload", "back"}).Draw(t, "what") {
			case "health":
				w.health(fmt.Sprintf("%c%c", 'a'+rapid.IntRange(0, 3).Draw(t, "pool"), rapid.SampledFrom([]byte("+-?")).Draw(t, "status")))
			case "restart":
				w.restart(t)
			case "reload":
				edited := *s
				edited.TTL += time.Second
				edited.Key += "'"
				edited.Routes = nil
				s = &edited
				w.set = &zones.Set{Pools: w.set.Pools, Steerings: []*zones.Steering{s}, Zones: []*zones.Zone{{Names: []*zones.Name{{Name: "app.", Steering: s}}}}}
			case "back":
				back, w.back = true, []int{0}
			}
			var out *Outcome
			out, d = w.step()
			w.back = nil
			answered := out.Pools[was[0]-'a']
			if d.Mode == Normal && d.PoolName() < was && answered.Status == health.Up && !back {
				t.Fatalf("moved from %s, which is up, to %s", was, shares(d))
			}
			if back && d.Mode == Normal {
				for _, p := range out.Pools[:d.PoolName()[0]-'a'] {
					if p.Status == health.Up {
						t.Fatalf("after the command %s is answered, not %s", d.PoolName(), p.Pool.Name)
					}
				}
			}
		}
	})
}

// TestRampedFailback is histories with failback_after = "1m" and failback_ramp = "2m", of which each
// second is a step. Shares are in percent.
func TestRampedFailback(t *testing.T) {
	tests := []struct {
		name    string
		policy  zones.Policy
		order   string
		history string
		want    string
	}{
		{"before it", zones.Failover, "a|b", "a+ b+; a-; a+; 59s", "normal b 100"},
		{"the first step", zones.Failover, "a|b", "a+ b+; a-; a+; 60s", "ramped a 5 b 95"},
		{"within a step", zones.Failover, "a|b", "a+ b+; a-; a+; 60900ms", "ramped a 5 b 95"},
		{"half of it", zones.Failover, "a|b", "a+ b+; a-; a+; 2m", "ramped a 52.5 b 47.5"},
		{"the last step", zones.Failover, "a|b", "a+ b+; a-; a+; 179s", "ramped a 99.2 b 0.8"},
		{"its end", zones.Failover, "a|b", "a+ b+; a-; a+; 3m", "normal a 100"},
		{"a relapse", zones.Failover, "a|b", "a+ b+; a-; a+; 2m; a-", "normal b 100"},
		{"after a relapse", zones.Failover, "a|b", "a+ b+; a-; a+; 2m; a-; 1s; a+; 60s", "ramped a 5 b 95"},
		{"what is answered goes down", zones.Failover, "a|b", "a+ b+; a-; a+; 90s; b-", "normal a 100"},
		{"a pool that was never down", zones.Failover, "a|b", "a? b+; a+", "normal a 100"},
		{"by command before it", zones.Failover, "a|b", "a+ b+; a-; a+; back", "normal a 100"},
		{"by command within it", zones.Failover, "a|b", "a+ b+; a-; a+; 2m; back; 1s", "normal a 100"},
		{"drained within it", zones.Failover, "a|b", "a+ b+; a-; a+; 2m; drain a", "normal b 100"},
		{"undrained within it", zones.Failover, "a|b", "a+ b+; a-; a+; 90s; drain a; 30s; undrain", "ramped a 52.5 b 47.5"},
		{"forced down within it", zones.Failover, "a|b", "a+ b+; a-; a+; 2m; force a down", "normal b 100"},
		{"two, one behind the other", zones.Failover, "a|b|c", "a+ b+ c+; a- b-; b+; 60s; a+; 60s", "ramped a 5 b 49.9 c 45.1"},
		{"two at once", zones.Failover, "a|b|c", "a+ b+ c+; a- b-; a+ b+; 60s", "ramped a 5 b 4.8 c 90.3"},
		{"by distance", zones.Nearest, "a,b,c", "a+ b+ c+; a- b-; a+ b+; 60s", "ramped a 5 b 4.8 c 90.3"},
		{"within a tier", zones.Weighted, "a:3,b:1|c", "a+ b+ c+; a-; a+; 60s", "ramped a 13 b 87"},
		{"within a tier, half", zones.Weighted, "a:3,b:1|c", "a+ b+ c+; a-; a+; 2m", "ramped a 61.2 b 38.8"},
		{"a whole tier", zones.Weighted, "a:3,b:1|c", "a+ b+ c+; a- b-; a+ b+; 2m", "ramped a 39.4 b 13.1 c 47.5"},
		{"a tier, one after the other", zones.Weighted, "a,b|c", "a+ b+ c+; a- b-; a+; 60s; b+; 60s", "ramped a 47.9 b 4.6 c 47.5"},
		{"one of a tier was never down", zones.Weighted, "a,b|c", "a- b? c+; a+; 60s; b+", "ramped a 4.8 b 95.2"},
		{"in place of a spare", zones.Weighted, "a,b:0|c", "a+ b+ c+; a-; a+; 60s", "ramped a 5 b 95"},
		{"a spare", zones.Weighted, "a:0,b:0|c", "a+ b+ c+; a-; a+; 60s", "ramped a 4.8 b 95.2"},
		{"in place of a tier", zones.Weighted, "a|b:3,c:1", "a+ b+ c+; a-; a+; 2m", "ramped a 52.5 b 35.6 c 11.9"},
		{"by the client", zones.Sticky, "a|b", "a+ b+; a-; a+; 2m", "ramped a 52.5 b 47.5"},
		{"one of those that stay goes and is back", zones.Weighted, "a|b,c", "a+ b+ c+; a-; a+; 90s; c-; 1s; c+; 29s", "ramped a 52.5 b 47.5"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(1, 1, 1)
			s := w.by(tt.policy, tt.order)
			s.Failback, s.FailbackAfter, s.FailbackRamp = zones.FailbackRamped, time.Minute, 2*time.Minute
			d := w.playWords(t, tt.history)
			if got := percents(d); got != tt.want {
				t.Errorf("got  %s\nwant %s: %+v", got, tt.want, d.Reasons)
			}
			if d.Mode == Ramped && (d.TTL != s.TTLMin || !d.Revisit.After(w.now) || d.Revisit.Sub(w.now) > time.Second) {
				t.Errorf("TTL %s, revisited at %s, which is not within the second after %s", d.TTL, d.Revisit, w.now)
			}
		})
	}
}

// In panic all of a tier is answered alike, also a pool of it that is returning.
func TestRampInPanic(t *testing.T) {
	w := newWorld(1, 1, 1, 1, 1)
	s := w.by(zones.Weighted, "a,b,c,d,e")
	s.Failback, s.FailbackAfter, s.FailbackRamp, s.PanicBelow = zones.FailbackRamped, time.Minute, 2*time.Minute, 50
	d := w.playWords(t, "a+ b+ c+ d+ e+; a-; a+; 90s; c- d- e-")
	if got, want := percents(d), "panic a 20 b 20 c 20 d 20 e 20"; got != want || len(d.Held) > 0 {
		t.Errorf("got %s, held %v, want %s and nothing", got, d.Held, want)
	}
}

// percents is a decision as "mode pool percent pool percent".
func percents(d *Decision) string {
	text := string(d.Mode)
	for i, part := range d.Parts() {
		text += fmt.Sprintf(" %s %v", d.Shares[i].Pool.Name, math.Round(1000*part)/10)
	}
	return text
}

func TestWhyAPoolReturns(t *testing.T) {
	w := newWorld(1, 1)
	s := w.steering()
	s.Failback, s.FailbackAfter, s.FailbackRamp = zones.FailbackRamped, time.Minute, 2*time.Minute
	d := w.play("a- b+; 1s; a+; 2m")
	const want = `returned to since 2026-01-02T12:01:01Z, with 52 % of its clients, and all of them at 2026-01-02T12:03:01Z (failback_ramp): 1 of 1 members up, 1 needed`
	if r := d.Reasons[0]; r.Why != want || r.Rule != FailbackRamp || !r.Chosen {
		t.Errorf("got  %s %q\nwant %s %q", r.Rule, r.Why, FailbackRamp, want)
	}
	if want := []Hold{{FailbackRamp, "a", noon.Add(61 * time.Second), noon.Add(181 * time.Second)}}; !slices.Equal(d.Held, want) {
		t.Errorf("held %v, want %v", d.Held, want)
	}
}

// TestRamp walks through ramps by their own steps: they grow from 5 % to all, by equal heights, and
// no step is longer than 5 s.
func TestRamp(t *testing.T) {
	for length, steps := range map[time.Duration]int{
		time.Second: 10, 7 * time.Second: 70, 30 * time.Second: 120, 2 * time.Minute: 120, 10 * time.Minute: 120,
		10*time.Minute + time.Second: 121, time.Hour: 720,
	} {
		at, before, count := time.Duration(0), 0.0, 0
		for at < length {
			part, next := ramp(at, length)
			if at == 0 && part != 0.05 || part <= before || part >= 1 {
				t.Fatalf("%s: %v after %v at %s", length, part, before, at)
			}
			if same, _ := ramp(next-1, length); same != part {
				t.Fatalf("%s: at %s it changes before %s", length, at, next)
			}
			if next <= at || next-at > 5*time.Second || next-at < 100*time.Millisecond && next != length {
				t.Fatalf("%s: from %s to %s", length, at, next)
			}
			at, before, count = next, part, count+1
		}
		if at != length || count != steps || 1-before > 0.1 {
			t.Errorf("%s ends at %s after %d steps with %v, want %d", length, at, count, before, steps)
		}
	}
}

// TestRampsGrow has pools of any route down and up again, and then only time pass. From revisit to
// revisit each returning tier's part grows, until all clients are where they belong; restarts do not
// matter.
func TestRampsGrow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(1, 1, 1, 1)
		policy := rapid.SampledFrom([]zones.Policy{zones.Failover, zones.Weighted, zones.Sticky, zones.Nearest}).Draw(t, "policy")
		s := w.by(policy, drawOrder(t, policy, 4))
		s.Failback = zones.FailbackRamped
		s.FailbackAfter = time.Duration(rapid.IntRange(0, 20).Draw(t, "failback_after")) * time.Second
		s.FailbackRamp = time.Duration(rapid.IntRange(1, 30).Draw(t, "failback_ramp")) * time.Second
		d := w.play("a+ b+ c+ d+")
		best := d
		for range rapid.IntRange(1, 6).Draw(t, "changes") {
			w.after(time.Duration(rapid.IntRange(0, 10).Draw(t, "seconds")) * time.Second)
			w.health(fmt.Sprintf("%c%c", 'a'+rapid.IntRange(0, 3).Draw(t, "pool"), rapid.SampledFrom([]byte("+-")).Draw(t, "status")))
			w.step()
		}
		w.after(time.Second).health("a+ b+ c+ d+")
		_, d = w.step()
		for !d.Revisit.IsZero() {
			before := ahead(d)
			w.after(d.Revisit.Sub(w.now))
			w.restart(t)
			_, d = w.step()
			for i, now := range ahead(d) {
				if now < before[i]-1e-5 {
					t.Fatalf("the part of what stands before place %d fell from %v to %v: %s", i+1, before[i], now, percents(d))
				}
			}
		}
		if shares(d) != shares(best) {
			t.Fatalf("in the end it is %s, not %s", shares(d), shares(best))
		}
	})
}

// ahead is, for each tier, or each pool of an ordered policy, the part of the clients that gets it or
// what stands before it. In a tier, pools without a weight stand behind the others.
func ahead(d *Decision) (parts []float64) {
	sum := 0.0
	of := func(pool *zones.Pool) {
		for i, part := range d.Parts() {
			if d.Shares[i].Pool == pool {
				sum += part
			}
		}
	}
	for t := range d.Route.Tiers {
		for _, weighty := range []bool{true, false} {
			for i := range d.Route.Tiers[t].Shares {
				s := &d.Route.Tiers[t].Shares[i]
				if weighty != (s.Weight > 0) {
					continue
				}
				of(s.Pool)
				if d.Route.Steering.Policy.IsOrdered() && s.Weight > 0 {
					parts = append(parts, sum)
				}
			}
		}
		parts = append(parts, sum)
	}
	return parts
}

// TestFailbackOfNextAndStep walks random configurations through random histories with commands and
// restarts: Next comes to what Step does, and a memory that was written and read to the same.
func TestFailbackOfNextAndStep(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t)
		fast := Step(h.set, Input{Snapshot: h.snapshot, Hosts: h.hosts, Now: h.now}, Memory{})
		slow := fast
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			h.tick(t)
			in := Input{Hosts: h.hosts, Now: h.now}
			slowMemory := slow.Memory()
			switch rapid.SampledFrom([]string{"health", "health", "time", "failback", "failback", "restart"}).Draw(t, "what") {
			case "health":
				h.changeHealth(t)
			case "failback":
				in.Failback = rapid.SliceOfNDistinct(rapid.IntRange(0, len(h.set.Routes)-1), 1, 2, rapid.ID[int]).Draw(t, "routes")
				if rapid.Bool().Draw(t, "with health") {
					h.changeHealth(t)
				}
			case "restart":
				w := &world{memory: slowMemory}
				w.restart(t)
				slowMemory = w.memory
			}
			in.Snapshot = h.snapshot
			before := fast
			fast = before.Next(in)
			slow = Step(h.set, in, slowMemory)
			if diff := cmp.Diff(slow, fast, compareOutcomes); diff != "" {
				t.Fatalf("Next is not Step (-want +got):\n%s", diff)
			}
			checkShared(t, before, fast)
			if len(in.Failback) == 0 {
				continue
			}
			for _, i := range in.Failback {
				for _, hold := range fast.Decisions[i].Held {
					if hold.Rule == FailbackAfter || hold.Rule == FailbackManual || hold.Rule == FailbackRamp {
						t.Fatalf("after the command %s waits by %s", hold.Pool, hold.Rule)
					}
				}
			}
			if again := fast.Suppose(nil, nil); len(again.Changed.Decisions) > 0 {
				t.Fatalf("the command is carried out again: %v", again.Changed)
			}
		}
	})
}
