package notify

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gslb/incident"
	"gslb/zones"
)

var noon = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// oncall is a target with the settings that targets have by default.
func oncall() zones.NotifyTarget {
	return zones.NotifyTarget{
		Name: "oncall", Type: zones.NotifyShoutrrr, Resolved: true, GroupWait: 5 * time.Second, RepeatAfter: 24 * time.Hour, Rate: 60, Location: time.UTC,
	}
}

func nycDown() incident.Incident {
	return incident.Incident{ID: "failover/nyc/1", Kind: incident.Failover, Subject: "nyc", Since: noon, Text: "nyc is down"}
}

func over(i incident.Incident, at time.Time) incident.Incident {
	i.Until = at
	return i
}

func paused(i incident.Incident, since time.Time) incident.Incident {
	i.Paused = since
	return i
}

func moved(i incident.Incident, to string) incident.Incident {
	i.Moves, i.MovesTotal = []incident.Move{{Names: []string{"app."}, NamesTotal: 1, From: "nyc", To: to}}, 1
	return i
}

func waiting(i incident.Incident) incident.Incident {
	i.Kind = incident.Waiting
	return i
}

func turned(i incident.Incident, turns int) incident.Incident {
	i.Turns = turns
	return i
}

// at2 is an incident whose names are answered with another address of the same pool.
func at2(i incident.Incident) incident.Incident {
	i.Moves = slices.Clone(i.Moves)
	i.Moves[0].Addresses = []netip.Addr{netip.MustParseAddr("192.0.2.2")}
	return i
}

func critical(i incident.Incident) incident.Incident {
	i.Critical = true
	return i
}

// A story is what happens at times after noon, and what is said then: "5s began".
func TestQueue(t *testing.T) {
	nyc := nycDown()
	ams := incident.Incident{ID: "pool-down/ams/2", Kind: incident.PoolDown, Subject: "ams", Since: noon}
	at := func(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }
	type step struct {
		seconds int
		is      incident.Incident
	}
	type outage struct{ from, to int }
	for _, test := range []struct {
		name   string
		target func(*zones.NotifyTarget)
		one    bool
		steps  []step
		outage outage // in which nothing is taken
		until  int
		want   string
	}{
		{name: "it begins and ends", steps: []step{{0, nyc}, {60, over(nyc, at(60))}}, until: 3600, want: "5 began nyc, 65 ended nyc"},
		{name: "it is over before it is told", steps: []step{{0, nyc}, {3, over(nyc, at(3))}}, until: 3600, want: "5 was nyc"},
		{name: "it pauses before it is told, and ends", steps: []step{{0, nyc}, {3, paused(nyc, at(3))}, {33, over(nyc, at(3))}}, until: 3600, want: "33 was nyc"},
		{name: "it pauses before it is told, and goes on", steps: []step{{0, nyc}, {3, paused(nyc, at(3))}, {20, nyc}}, until: 3600, want: "20 began nyc"},
		{name: "it pauses after it was told", steps: []step{{0, nyc}, {8, paused(nyc, at(8))}, {20, nyc}}, until: 3600, want: "5 began nyc"},
		{name: "two go together", steps: []step{{0, nyc}, {4, ams}}, until: 60, want: "5 began nyc, 9 began ams"},
		{name: "a message each", one: true, steps: []step{{0, nyc}, {0, ams}}, until: 60, want: "5 began nyc, 5 began ams"},
		{name: "the same again", steps: []step{{0, nyc}, {30, nyc}}, until: 3600, want: "5 began nyc"},
		{name: "names move", steps: []step{{0, nyc}, {10, moved(nyc, "ams")}}, until: 3600, want: "5 began nyc, 65 changed nyc"},
		{name: "it moves and moves back", steps: []step{{0, nyc}, {2, moved(nyc, "ams")}, {4, nyc}}, until: 3600, want: "5 began nyc"},
		{name: "it becomes critical", steps: []step{{0, nyc}, {10, critical(nyc)}}, until: 3600, want: "5 began nyc, 15 changed nyc!"},
		{name: "critical ones alone", target: func(t *zones.NotifyTarget) { t.CriticalOnly = true },
			steps: []step{{0, nyc}, {0, ams}, {20, critical(nyc)}, {40, nyc}, {70, over(nyc, at(70))}}, until: 3600, want: "25 began nyc!, 70 ended nyc"},
		{name: "some kinds", target: func(t *zones.NotifyTarget) { t.Kinds = []string{"pool-down"} },
			steps: []step{{0, nyc}, {0, ams}}, until: 60, want: "5 began ams"},
		{name: "no end is told", target: func(t *zones.NotifyTarget) { t.Resolved = false },
			steps: []step{{0, nyc}, {60, over(nyc, at(60))}}, until: 3600, want: "5 began nyc"},
		{name: "no end is told, but what is over at once is", target: func(t *zones.NotifyTarget) { t.Resolved = false },
			steps: []step{{0, nyc}, {2, over(nyc, at(2))}}, until: 3600, want: "5 was nyc"},
		{name: "it lasts", target: func(t *zones.NotifyTarget) { t.RepeatAfter = time.Hour },
			steps: []step{{0, nyc}}, until: 7300, want: "5 began nyc, 3605 lasts nyc, 7205 lasts nyc"},
		{name: "it lasts, and is told once", target: func(t *zones.NotifyTarget) { t.RepeatAfter = 0 },
			steps: []step{{0, nyc}}, until: 200_000, want: "5 began nyc"},
		{name: "it is not told that it can't be told", steps: []step{{0, incident.Incident{ID: "x", Kind: incident.Notifying, Subject: "oncall"}}}, until: 60, want: ""},
		{name: "nothing comes through while it lasts", steps: []step{{0, nyc}, {100, over(nyc, at(100))}}, outage: outage{0, 200}, until: 3600, want: "200+ was nyc"},
		{name: "nothing comes through when it ends", steps: []step{{0, nyc}, {100, over(nyc, at(100))}}, outage: outage{90, 200}, until: 3600, want: "5 began nyc, 200+ ended nyc"},
		{name: "a report of before", steps: []step{{0, nyc}, {60, over(nyc, at(60))}, {62, nyc}, {100, nyc}}, until: 3600, want: "5 began nyc, 65 ended nyc"},
		{name: "the end of something unknown", steps: []step{{0, over(nyc, at(0))}}, until: 60, want: ""},
		{name: "quiet time", target: func(t *zones.NotifyTarget) { t.Quiet = &zones.Quiet{From: 11 * time.Hour, To: 13 * time.Hour} },
			steps: []step{{0, nyc}, {10, critical(ams)}, {60, over(nyc, at(60))}, {70, over(critical(ams), at(70))}}, until: 7200, want: "15 began ams!, 75 ended ams!, 3600 was nyc"},
		{name: "quiet time for all", target: func(t *zones.NotifyTarget) {
			t.Quiet = &zones.Quiet{From: 11 * time.Hour, To: 13 * time.Hour, Critical: true}
		}, steps: []step{{0, nyc}, {10, critical(ams)}}, until: 7200, want: "3600 began ams!, 3600 began nyc"},
		{name: "it waits for a person", steps: []step{{0, moved(nyc, "ams")}, {100, waiting(moved(nyc, "ams"))}}, until: 3600, want: "5 began nyc, 105 changed nyc"},
		{name: "it is again as it was told", steps: []step{{0, nyc}, {10, waiting(nyc)}, {20, nyc}}, until: 3600, want: "5 began nyc"},
		{name: "it flaps, and waits for a person each time", steps: []step{{0, nyc}, {100, waiting(turned(nyc, 2))}, {200, turned(nyc, 3)}, {205, waiting(turned(nyc, 3))}, {210, turned(nyc, 4)}},
			until: 3600, want: "5 began nyc, 125 changed nyc, 605 changed nyc"},
		{name: "a member of what is answered is down, too", steps: []step{{0, moved(nyc, "ams")}, {100, at2(moved(nyc, "ams"))}}, until: 3600, want: "5 began nyc"},
		{name: "critical for a moment", target: func(t *zones.NotifyTarget) { t.CriticalOnly = true },
			steps: []step{{0, critical(nyc)}, {2, nyc}}, until: 3600, want: ""},
		{name: "nothing comes through until it is quiet", target: func(t *zones.NotifyTarget) {
			t.Quiet = &zones.Quiet{From: 12*time.Hour + time.Minute, To: 13 * time.Hour}
		},
			steps: []step{{0, nyc}}, outage: outage{0, 600}, until: 7200, want: "3600 began nyc"},
		{name: "two an hour", one: true, target: func(t *zones.NotifyTarget) { t.Rate = 2 },
			steps: []step{{0, nyc}, {60, over(nyc, at(60))}, {120, ams}}, until: 7200, want: "5 began nyc, 65 ended nyc, 1805+ began ams"},
	} {
		t.Run(test.name, func(t *testing.T) {
			target := oncall()
			if test.target != nil {
				test.target(&target)
			}
			q := newQueue(target, test.one)
			var got []string
			for second := range test.until {
				now := at(second)
				for _, s := range test.steps {
					if s.seconds == second {
						q.notice(s.is, now)
					}
				}
				for {
					items, next := q.next(now)
					if len(items) == 0 {
						if !next.IsZero() && !next.After(now) {
							t.Fatalf("at %d there is nothing to say, and the next time is %s", second, next)
						}
						break
					}
					if second >= test.outage.from && second < test.outage.to {
						q.missed(items, false, errors.New("unreachable"), now)
						continue
					}
					for _, i := range items {
						mark := ""
						if i.incident.Critical {
							mark = "!"
						}
						got = append(got, fmt.Sprintf("%d %s %s%s", second, i.what, i.incident.Subject, mark))
					}
					q.taken(items, now)
				}
			}
			if want := test.want; !matches(got, want) {
				t.Errorf("it was told\n%s\nwant\n%s", strings.Join(got, ", "), want)
			}
		})
	}
}

// matches compares what was said with what was to be. "200+" is within five minutes after 200, or an hour for a
// rate.
func matches(got []string, want string) bool {
	var wanted []string
	if want != "" {
		wanted = strings.Split(want, ", ")
	}
	return slices.EqualFunc(got, wanted, func(got, want string) bool {
		gotAt, gotWhat, _ := strings.Cut(got, " ")
		wantAt, wantWhat, _ := strings.Cut(want, " ")
		if !strings.HasSuffix(wantAt, "+") {
			return got == want
		}
		var g, w int
		_, _ = fmt.Sscan(gotAt, &g)
		_, _ = fmt.Sscan(strings.TrimSuffix(wantAt, "+"), &w)
		return gotWhat == wantWhat && g >= w && g <= w+300
	})
}

// What one message is refused for does not hold up the others.
func TestRefusedMessage(t *testing.T) {
	q := newQueue(oncall(), true)
	q.notice(nycDown(), noon)
	q.notice(incident.Incident{ID: "2", Kind: incident.Blind}, noon)
	now := noon.Add(time.Minute)
	first, _ := q.next(now)
	q.missed(first, true, errors.New("no"), now)
	second, _ := q.next(now)
	if len(second) != 1 || second[0].incident.ID == first[0].incident.ID {
		t.Fatalf("after %v was refused, %v is next", first, second)
	}
	q.taken(second, now)
	if items, at := q.next(now); len(items) > 0 || !at.After(now) || at.After(now.Add(firstRetry)) {
		t.Errorf("then %v is next, or something at %s", items, at)
	}
	// Another URL is tried at once.
	other := oncall()
	other.URL = "https://other"
	q.use(other, true)
	if items, _ := q.next(now); len(items) != 1 {
		t.Error("another URL is not tried at once")
	}
}

// One of several that go together may be what all are refused for: each is tried alone then. However many are
// refused, the target is not asked all the time, and what is new has not to wait for long.
func TestRefusedTogether(t *testing.T) {
	q := newQueue(oncall(), false)
	for i := range 20 {
		q.notice(incident.Incident{ID: fmt.Sprint(i), Kind: incident.PoolDown, Since: noon}, noon)
	}
	taken, tries := 0, 0
	for second := range 600 {
		now := noon.Add(time.Duration(second) * time.Second)
		for {
			items, _ := q.next(now)
			if len(items) == 0 {
				break
			}
			tries++
			if slices.ContainsFunc(items, func(i item) bool { return i.incident.ID == "7" }) {
				q.missed(items, true, errors.New("no"), now)
				continue
			}
			taken += len(items)
			q.taken(items, now)
		}
	}
	if taken != 19 || tries > 40 {
		t.Errorf("%d were taken, after %d tries", taken, tries)
	}

	q = newQueue(oncall(), true)
	for i := range 500 {
		q.notice(incident.Incident{ID: fmt.Sprint(i), Kind: incident.PoolDown, Since: noon}, noon)
	}
	tries = 0
	now := noon.Add(time.Minute)
	for items, _ := q.next(now); len(items) > 0; items, _ = q.next(now) {
		tries++
		q.missed(items, true, errors.New("no"), now)
	}
	if _, at := q.next(now); tries > refusedMost+1 || at.Sub(now) > refusedWait {
		t.Errorf("%d tries at once, the next after %s", tries, at.Sub(now))
	}
}

// What the target does not want any more it is not told, and what it was told of it is told to the end.
func TestOtherWishes(t *testing.T) {
	q := newQueue(oncall(), false)
	q.notice(nycDown(), noon)
	now := noon.Add(time.Minute)
	items, _ := q.next(now)
	q.taken(items, now)
	q.notice(incident.Incident{ID: "2", Kind: incident.Blind}, now)
	other := oncall()
	other.Kinds = []string{"all-down"}
	q.use(other, false)
	if _, told := q.entries[nycDown().ID]; !told || len(q.entries) != 1 {
		t.Errorf("it goes on with %v", q.entries)
	}
}

// A clock that was set back between two runs keeps nobody waiting, and a target that fails does so over a restart.
func TestRestore(t *testing.T) {
	q := newQueue(oncall(), false)
	past := noon.Add(-1000 * time.Hour)
	q.restore(map[string]*entry{
		"a": {Incident: incident.Incident{ID: "a"}, Pending: true, Since: noon},
		"b": {Incident: incident.Incident{ID: "b"}, Pending: true, Since: noon, Told: true, Last: noon},
	}, noon, past)
	now := past.Add(failingAfter + changeWait)
	if items, at := q.next(now); len(items) != 2 {
		t.Errorf("%v is next, or something at %s", items, at)
	}
	if r := (&Report{Failing: q.failing, Tries: q.failed}); !r.Broken(now) || r.Failing.After(past) {
		t.Errorf("it fails since %s", q.failing)
	}
}

// Nor does a clock that is set back later, while what the run before has left waits.
func TestClockIsSetBackAfterRestore(t *testing.T) {
	q := newQueue(oncall(), false)
	told, untold := nycDown(), nycDown()
	told.ID, untold.ID = "told", "untold"
	q.restore(map[string]*entry{
		"told":   {Incident: told, Pending: true, Since: noon, Told: true, Last: noon},
		"untold": {Incident: untold, Pending: true, Since: noon},
	}, time.Time{}, noon)
	past := noon.Add(-24 * time.Hour)
	q.look([]incident.Incident{told, untold}, past)
	if items, at := q.next(past.Add(changeWait)); len(items) != 2 {
		t.Errorf("%v is next, or something at %s", items, at)
	}
}

// However long nothing comes through, the memory is bounded, and what is critical is not what is dropped.
func TestQueueIsBounded(t *testing.T) {
	q := newQueue(oncall(), false)
	for i := range 2 * mostKept {
		q.notice(incident.Incident{ID: fmt.Sprint(i), Kind: incident.PoolDown, Critical: i%2 == 0, Since: noon}, noon.Add(time.Duration(i)*time.Second))
	}
	if len(q.entries) != mostKept || q.dropped != mostKept {
		t.Errorf("%d are kept, %d were dropped", len(q.entries), q.dropped)
	}
	for id, e := range q.entries {
		if !e.Critical && id != fmt.Sprint(2*mostKept-1) {
			t.Fatalf("%s is kept, which is not critical", id)
		}
	}
}

func TestBackoff(t *testing.T) {
	for failures, most := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 9: 256 * time.Second, 10: lastRetry, 1000: lastRetry} {
		for range 100 {
			if d := backoff(failures); d > most || d < most*8/10 {
				t.Fatalf("after %d failures: %s, want from %s to %s", failures, d, most*8/10, most)
			}
		}
	}
}

// Whatever happens, in whatever order, with restarts at any time: of each incident a target is told one story.
// It begins once, ends once and last, and once everything is over and comes through, nothing is kept.
func TestQueueTellsOneStory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		target := oncall()
		target.Resolved = rapid.Bool().Draw(t, "resolved")
		target.GroupWait = time.Duration(rapid.IntRange(0, 60).Draw(t, "wait")) * time.Second
		target.RepeatAfter = time.Duration(rapid.IntRange(0, 2).Draw(t, "repeat")) * time.Hour
		if rapid.Bool().Draw(t, "quiet") {
			target.Quiet = &zones.Quiet{From: 13 * time.Hour, To: 15 * time.Hour}
		}
		one := rapid.Bool().Draw(t, "one")
		q := newQueue(target, one)
		now := noon
		open := make(map[string]incident.Incident)
		story := make(map[string][]what)
		begun := 0
		say := func(through bool) {
			for range 10_000 {
				items, next := q.next(now)
				if len(items) == 0 {
					if !next.IsZero() && !next.After(now) {
						t.Fatalf("nothing to say, and the next time is %s ago", now.Sub(next))
					}
					return
				}
				if one && len(items) > 1 {
					t.Fatal("a message is about several incidents")
				}
				if !through {
					q.missed(items, rapid.Bool().Draw(t, "refused"), errors.New("no"), now)
					continue
				}
				for _, i := range items {
					story[i.incident.ID] = append(story[i.incident.ID], i.what)
				}
				q.taken(items, now)
			}
			t.Fatal("it never ceases to say something")
		}
		ids := func() []string {
			var list []string
			for id := range open {
				list = append(list, id)
			}
			slices.Sort(list)
			return list
		}
		t.Repeat(map[string]func(*rapid.T){
			"begin": func(t *rapid.T) {
				begun++
				i := incident.Incident{ID: fmt.Sprint(begun), Kind: incident.PoolDown, Since: now, Critical: rapid.Bool().Draw(t, "critical")}
				open[i.ID] = i
				q.notice(i, now)
			},
			"change": func(t *rapid.T) {
				if len(open) == 0 {
					return
				}
				i := open[rapid.SampledFrom(ids()).Draw(t, "id")]
				i.Critical = rapid.Bool().Draw(t, "critical")
				i = moved(i, rapid.SampledFrom([]string{"a", "b"}).Draw(t, "to"))
				open[i.ID] = i
				q.notice(i, now)
			},
			"end": func(t *rapid.T) {
				if len(open) == 0 {
					return
				}
				i := open[rapid.SampledFrom(ids()).Draw(t, "id")]
				delete(open, i.ID)
				if rapid.Bool().Draw(t, "seen") { // otherwise it is found by a look
					q.notice(over(i, now), now)
				}
			},
			"look": func(*rapid.T) {
				var all []incident.Incident
				for _, id := range ids() {
					all = append(all, open[id])
				}
				q.look(all, now)
			},
			"time": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(1, 5000).Draw(t, "seconds")) * time.Second)
			},
			"say": func(*rapid.T) { say(true) },
			"say nothing that comes through": func(*rapid.T) {
				say(false)
			},
			"restart": func(t *rapid.T) {
				kept, err := json.Marshal(q.entries)
				if err != nil {
					t.Fatal(err)
				}
				q = newQueue(target, one)
				if err := json.Unmarshal(kept, &q.entries); err != nil {
					t.Fatal(err)
				}
			},
		})
		now = now.Add(time.Minute)
		q.look(nil, now)
		for range 1000 {
			now = now.Add(10 * time.Minute)
			say(true)
			if len(q.entries) == 0 {
				break
			}
		}
		if len(q.entries) > 0 && q.dropped == 0 {
			t.Fatalf("%d entries are kept for ever", len(q.entries))
		}
		for id, said := range story {
			text := strings.Trim(strings.ReplaceAll(fmt.Sprint(said), "changed", "lasts"), "[]")
			middle := strings.TrimSpace(strings.Trim(strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(text, "began"), "ended"), "lasts", ""), " "))
			whole := text == "was" || strings.HasPrefix(text, "began") && (strings.HasSuffix(text, "ended") == target.Resolved) && middle == ""
			if !whole {
				t.Fatalf("of %s was told: %s", id, text)
			}
		}
	})
}
