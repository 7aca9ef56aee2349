package steer

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gslb/health"
	"gslb/zones"
)

// The rows are the tables above Decide, for routes whose tiers have several pools. Each pool has one
// member: 0.1 is a's.
func TestDecideTiers(t *testing.T) {
	waits := func(s *zones.Steering) { s.FailbackAfter, s.FailoverAfter = time.Minute, 30*time.Second }
	panics := func(s *zones.Steering) { s.PanicBelow = 50 }
	allDown := func(mode zones.WhenAllDown) func(*zones.Steering) {
		return func(s *zones.Steering) { s.WhenAllDown = mode }
	}
	tests := []struct {
		name    string
		policy  zones.Policy
		order   string
		with    func(*zones.Steering)
		history string
		want    string
	}{
		{"all of a tier that are up share", zones.Weighted, "a:3,b|c", nil, "a+ b+ c+", "normal a:3+b:1 20s"},
		{"one of them is down", zones.Weighted, "a:3,b|c", nil, "a- b+ c+", "normal b:1 20s"},
		{"all of them are", zones.Weighted, "a:3,b|c", nil, "a- b- c+", "normal c:1 20s"},
		{"sticky is the same", zones.Sticky, "a:3,b|c", nil, "a+ b+ c+", "normal a:3+b:1 20s"},
		{"all is the same", zones.All, "a:3,b|c", nil, "a+ b+ c+", "normal a:3+b:1 20s"},
		{"nearest takes the first of the tier", zones.Nearest, "a,b|c", nil, "a+ b+ c+", "normal a:1 20s"},
		{"and the next when it is down", zones.Nearest, "a,b|c", nil, "a- b+ c+", "normal b:1 20s"},
		{"the first tier in full before the second", zones.Nearest, "a,b|c", nil, "a- b- c+", "normal c:1 20s"},

		{"weight 0 while another is up", zones.Weighted, "a:0,b|c", nil, "a+ b+ c+", "normal b:1 20s"},
		{"weight 0 when every other is down", zones.Weighted, "a:0,b|c", nil, "a+ b- c+", "normal a:0 20s"},
		{"weight 0 goes before the next tier, also in an ordered tier", zones.Nearest, "a:0,b|c", nil, "a+ b- c+", "normal a:0 20s"},
		{"in an ordered tier too it comes last", zones.Nearest, "a:0,b|c", nil, "a+ b+ c+", "normal b:1 20s"},
		{"all have weight 0", zones.Weighted, "a:0,b:0|c", nil, "a+ b+ c+", "normal a:0+b:0 20s"},
		{"weight 0 and unknown, while another is up further on", zones.Weighted, "a:0,b|c", nil, "a? b- c+", "normal c:1 20s"},
		{"weight 0 before an unknown one with weight", zones.Weighted, "a:0,b|c", nil, "a+ b? c+", "normal a:0 20s"},

		{"unknown is passed over in a tier", zones.Weighted, "a,b|c", nil, "a? b+ c+", "normal b:1 20s"},
		{"and for the next tier", zones.Weighted, "a,b|c", nil, "a? b- c+", "normal c:1 20s"},
		{"the first tier with an unknown one", zones.Weighted, "a,b|c", nil, "a- b- c?", "unknown c:1 5s"},
		{"all unknown ones of it", zones.Weighted, "a,b|c", nil, "a? b? c?", "unknown a:1+b:1 5s"},
		{"not the one of weight 0", zones.Weighted, "a,b:0|c", nil, "a? b? c?", "unknown a:1 5s"},
		{"unless it is the only one", zones.Weighted, "a,b:0|c", nil, "a- b? c?", "unknown b:0 5s"},
		{"the tier of the last pools goes before", zones.Weighted, "a|b,c", nil, "a- b- c+; a? b? c?", "unknown b:1+c:1 5s"},
		{"if one of them is unknown", zones.Weighted, "a|b,c", nil, "a- b- c+; a? b? c-", "unknown a:1 5s"},
		{"in an ordered tier the last pool itself", zones.Nearest, "a|b,c", nil, "a- b- c+; a? b? c?", "unknown c:1 5s"},

		{"awaited in a shared tier", zones.Weighted, "a,b|c", nil, "a+ b+! c+", "pending - 20s"},
		{"whatever stands before it", zones.Weighted, "a,b|c", nil, "a+! b+ c+", "pending - 20s"},
		{"awaited in an ordered tier, behind one that is up", zones.Nearest, "a,b|c", nil, "a+ b+! c+", "normal a:1 20s"},
		{"awaited with weight 0, and not needed", zones.Weighted, "a,b:0|c", nil, "a+ b+! c+", "normal a:1 20s"},
		{"awaited with weight 0, and needed", zones.Weighted, "a,b:0|c", nil, "a- b+! c+", "pending - 20s"},
		{"awaited further on", zones.Weighted, "a,b|c", nil, "a+ b- c+!", "normal a:1 20s"},

		{"one of a tier recovers: it proves itself", zones.Weighted, "a,b|c", waits, "a+ b+ c+; b-; 2m; b+", "normal a:1 20s, 12:03:00"},
		{"and is back then", zones.Weighted, "a,b|c", waits, "a+ b+ c+; b-; 2m; b+; 1m", "normal a:1+b:1 20s"},
		{"a tier recovers pool by pool", zones.Weighted, "a,b|c", waits, "a- b- c+; 1m; a+; 10s; b+; 50s", "normal a:1 20s, 12:02:10"},
		{"a tier behind does not wait", zones.Weighted, "a|b,c", waits, "a+ b+ c+; c-; 2m; c+; a-; 40s", "normal b:1+c:1 20s"},
		{"the only one left does not wait", zones.Weighted, "a,b|c", waits, "a- b- c+; 1m; b+; c-", "normal b:1 20s"},
		{"it is waited for one that is awaited", zones.Weighted, "a|b", waits, "a- b+; 1m; a+ b+!", "pending - 20s, 12:02:00"},
		{"a recovers while b, answered, has weight 0", zones.Weighted, "a,b:0|c", waits, "a- b+ c+; 1m; a+", "normal b:0 20s, 12:02:00"},

		{"down for less than failover_after", zones.Failover, "a|b", waits, "a+ b+; a-; 29s", "held a:1 5s, 12:00:30"},
		{"for longer", zones.Failover, "a|b", waits, "a+ b+; a-; 30s", "normal b:1 20s"},
		{"up again within it", zones.Failover, "a|b", waits, "a+ b+; a-; 29s; a+", "normal a:1 20s"},
		{"only what was answered is held", zones.Failover, "a|b", waits, "a- b+", "normal b:1 20s"},
		{"held beside one that is up", zones.Weighted, "a,b|c", waits, "a+ b+ c+; a-", "held a:1+b:1 5s, 12:00:30"},
		{"held when all are down", zones.Failover, "a|b", waits, "a+ b+; a- b-", "held a:1 5s, 12:00:30"},
		{"then when_all_down, beginning with what was held", zones.Failover, "a|b", waits, "a+ b+; a- b-; 1h", "assume_up a:1 5s"},
		{"not held after unknown: nothing is known of how long it was down", zones.Failover, "a|b", waits, "a+ b+; a?; 1h; a-", "normal b:1 20s"},

		{"panic", zones.Weighted, "a:2,b:2,c|d", panics, "a- b- c+ d+", "panic a:2+b:2+c:1 5s"},
		{"at the threshold: none", zones.Weighted, "a:2,b,c|d", panics, "a- b+ c+ d+", "normal b:1+c:1 20s"},
		{"nothing is up: none", zones.Weighted, "a,b,c|d", panics, "a- b- c- d+", "normal d:1 20s"},
		{"unknown is not up", zones.Weighted, "a,b,c|d", panics, "a? b? c+ d+", "panic a:1+b:1+c:1 5s"},
		{"only of weight 0 is up: none", zones.Weighted, "a,b:0|c", panics, "a- b+ c+", "normal b:0 20s"},
		{"those of weight 0 are no part of it", zones.Weighted, "a,b,c,d:0", panics, "a- b- c+ d+", "panic a:1+b:1+c:1 5s"},
		{"an ordered tier panics to its first", zones.Nearest, "a,b,c|d", panics, "a- b- c+ d+", "panic a:1 5s"},
		{"what recovers alone has to prove itself first", zones.Weighted, "a,b,c|d", func(s *zones.Steering) { panics(s); waits(s) },
			"a- b- c- d+; 1m; c+", "normal d:1 20s, 12:02:00"},
		{"and panics then", zones.Weighted, "a,b,c|d", func(s *zones.Steering) { panics(s); waits(s) },
			"a- b- c- d+; 1m; c+; 1m", "panic a:1+b:1+c:1 5s"},
		{"panic leaves no memory", zones.Weighted, "a,b,c|d", func(s *zones.Steering) { panics(s); s.WhenAllDown = zones.LastGood },
			"a- b+ c+ d-; b-; c-", "last_good b:1+c:1 5s"},

		{"all down: as if all of the first tier were up", zones.Weighted, "a:3,b|c", nil, "a- b- c-", "assume_up a:3+b:1 5s"},
		{"sticky", zones.Sticky, "a:3,b|c", nil, "a- b- c-", "assume_up a:3+b:1 5s"},
		{"all", zones.All, "a:3,b|c", nil, "a- b- c-", "assume_up a:3+b:1 5s"},
		{"nearest: the first", zones.Nearest, "a:3,b|c", nil, "a- b- c-", "assume_up a:3 5s"},
		{"the tier of the last pools", zones.Weighted, "a|b,c", nil, "a- b- c+; c-", "assume_up b:1+c:1 5s"},
		{"nearest: the last pool", zones.Nearest, "a|b,c", nil, "a- b- c+; c-", "assume_up c:1 5s"},
		{"not those of weight 0", zones.Weighted, "a:0,b|c", nil, "a- b- c-", "assume_up b:1 5s"},
		{"unless there is no other", zones.Weighted, "a:0|c", nil, "a- c-", "assume_up a:0 5s"},
		{"last_good", zones.Weighted, "a,b|c", allDown(zones.LastGood), "a+ b- c+; a-; c-", "last_good c:1 5s"},
		{"last_good of several", zones.Sticky, "a:3,b|c", allDown(zones.LastGood), "a+ b+ c+; a- b- c-", "last_good a:3+b:1 5s"},
		{"last_good of nothing", zones.All, "a,b|c", allDown(zones.LastGood), "a- b- c-", "assume_up a:1+b:1 5s"},
		{"all of the route", zones.Failover, "a|b|c", allDown(zones.AnswerAll), "a- b- c-", "all a:1+b:1+c:1 5s"},
		{"all, weighted", zones.Weighted, "a:3,b|c:0", allDown(zones.AnswerAll), "a- b- c-", "all a:3+b:1+c:0 5s"},
		{"all, while one is unknown", zones.Failover, "a|b|c", allDown(zones.AnswerAll), "a- b? c-", "unknown b:1 5s"},
		{"nodata", zones.Weighted, "a,b|c", allDown(zones.NoData), "a- b- c-", "nodata - 5s"},
		{"servfail", zones.Nearest, "a,b|c", allDown(zones.ServFail), "a- b- c-", "servfail - 5s"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(1, 1, 1, 1)
			s := w.by(tt.policy, tt.order)
			if tt.with != nil {
				tt.with(s)
			}
			if d := w.play(tt.history); shares(d) != tt.want {
				t.Errorf("got  %s\nwant %s\n%v", shares(d), tt.want, d.Reasons)
			}
		})
	}
}

// shares is a decision as "mode pool:weight+pool:weight ttl, revisit".
func shares(d *Decision) string {
	var list []string
	for _, s := range d.Shares {
		list = append(list, fmt.Sprint(s.Pool.Name, ":", s.Weight))
	}
	if list == nil {
		list = []string{"-"}
	}
	text := fmt.Sprintf("%s %s %s", d.Mode, strings.Join(list, "+"), d.TTL)
	if !d.Revisit.IsZero() {
		text += ", " + d.Revisit.Format(time.TimeOnly)
	}
	return text
}

func TestFallbackOfATier(t *testing.T) {
	for _, policy := range []zones.Policy{zones.Failover, zones.Weighted, zones.Sticky, zones.All, zones.Nearest} {
		w := newWorld(1, 1, 2)
		s := w.by(policy, "a,b")
		s.WhenAllDown, s.Fallback = zones.UseFallback, w.set.Pools[2]
		if d := w.play("a- b- c+"); brief(d) != "fallback c [2.1 2.2] 5s" {
			t.Errorf("%s: %s", policy, brief(d))
		}
		if d := w.play("a- b- c+!"); brief(d) != "pending - [] 5s" {
			t.Errorf("%s, the fallback is awaited: %s", policy, brief(d))
		}
	}
}

// A client in no view gets no address, whatever is up.
func TestRouteWithoutTiers(t *testing.T) {
	for _, mode := range everyWhenAllDown {
		w := newWorld(1)
		s := w.by(zones.Failover, "a")
		s.Routes[0].Tiers, s.WhenAllDown, s.Fallback = nil, mode, w.set.Pools[0]
		if d := w.play("a+"); brief(d) != "nodata - [] 5s" {
			t.Errorf("when_all_down = %s: %s", mode, brief(d))
		}
	}
}

// What is answered of a pool that is down and used nevertheless.
func TestMembersOfAPoolThatIsDown(t *testing.T) {
	tests := []struct {
		name    string
		with    func(*zones.Steering)
		members string // of a, after all were up: each + or -
		want    string
	}{
		{"held: those that are up", func(s *zones.Steering) { s.FailoverAfter = time.Minute }, "+--", "held a+b [0.1 1.1] 5s"},
		{"held: all, if none is", func(s *zones.Steering) { s.FailoverAfter = time.Minute }, "---", "held a+b [0.1 0.2 0.3 1.1] 5s"},
		{"panic: all", func(s *zones.Steering) { s.PanicBelow = 60 }, "+--", "panic a+b [0.1 0.2 0.3 1.1] 5s"},
		{"panic: of a pool that is up those that are", func(s *zones.Steering) { s.PanicBelow = 60 }, "++-", "normal a+b [0.1 0.2 1.1] 20s"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(3, 1)
			tt.with(w.by(zones.Weighted, "a,b"))
			w.set.Pools[0].MinUp.Count = 2
			w.play("a+ b+")
			for i, c := range tt.members {
				if c == '-' {
					w.is(health.Down, string(w.set.Pools[0].Members[i].Targets[0]))
				}
			}
			if _, d := w.step(); brief(d) != tt.want {
				t.Errorf("got  %s\nwant %s", brief(d), tt.want)
			}
		})
	}
}

// Each line is what an operator reads of a pool: what is the case with it, and then why.
func TestWhy(t *testing.T) {
	const up, down, unknown = "1 of 1 members up, 1 needed", "0 of 1 members up, 1 needed: pool@%s is down: told", "0 of 1 members up, 1 needed: pool@%s is unknown: told"
	tests := []struct {
		history string
		pool    string
		want    string
	}{
		{"a+ b+ c+", "a", up},
		{"a+ b+ c+", "c", "not needed: " + up},
		{"a- b+ c+", "a", fmt.Sprintf(down, "a")},
		{"a? b+ c+", "a", fmt.Sprintf(unknown, "a")},
		{"a+ b+ c+; b-", "b", "down since 2026-01-02T12:00:00Z, left at 2026-01-02T12:00:30Z (failover_after): " + fmt.Sprintf(down, "b")},
		{"a- b- c+; 1m; a+", "a", "recovered at 2026-01-02T12:01:00Z, used again at 2026-01-02T12:02:00Z (failback_after): " + up},
		{"a+! b+ c+", "a", "its first verdicts are awaited: " + up},
		{"a- b- d+ c+", "a", "less than panic_below of the tier's weight is up: " + fmt.Sprintf(down, "a")},
		{"a- b- d+ c+", "d", "less than panic_below of the tier's weight is up: " + up},
		{"a- b- d- c-", "c", fmt.Sprintf(down, "c")},
	}
	for _, tt := range tests {
		t.Run(tt.history, func(t *testing.T) {
			w := newWorld(1, 1, 1, 1)
			order := "a,b|c"
			if strings.Contains(tt.history, "d") {
				order = "a,b,d|c"
			}
			s := w.by(zones.Weighted, order)
			s.FailbackAfter, s.FailoverAfter, s.PanicBelow = time.Minute, 30*time.Second, 50
			d := w.play(tt.history)
			for _, r := range d.Reasons {
				if r.Pool == tt.pool && r.Why != tt.want {
					t.Errorf("%s: got  %q\nwant %q", shares(d), r.Why, tt.want)
				}
			}
		})
	}
}
