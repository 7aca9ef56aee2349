package safety

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gslb/health"
)

// scene is a guard and the states that it is shown, at times that the test says.
type scene struct {
	*testing.T
	guard  *Guard
	now    time.Time
	states map[health.TargetID]health.State
	last   *health.Snapshot
	got    Judgement
}

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

var settings = Settings{SuspectShare: 80, SuspectWindow: 10 * time.Second, SuspectHold: time.Minute}

// newScene has targets that are up. Their places are their names without a digit at the end.
func newScene(t *testing.T, s Settings, ids ...string) *scene {
	sc := &scene{T: t, guard: NewGuard(Memory{}), now: noon, states: make(map[health.TargetID]health.State)}
	sc.use(s, ids...)
	for _, id := range ids {
		sc.states[health.TargetID(id)] = health.State{Status: health.Up, Since: noon.Add(-time.Hour), Cause: health.Result{Verdict: health.Pass, Reason: "ok"}}
	}
	sc.next()
	return sc
}

func (s *scene) use(settings Settings, ids ...string) {
	s.guard.Use(settings, targetsOf(settings, ids))
}

// restart has another guard go on, from what the file of the state has.
func (s *scene) restart(settings Settings, ids ...string) {
	s.Helper()
	text, err := json.Marshal(s.guard.Memory())
	if err != nil {
		s.Fatal(err)
	}
	var memory Memory
	if err := json.Unmarshal(text, &memory); err != nil {
		s.Fatal(err)
	}
	s.guard, s.last = NewGuard(memory), nil
	s.use(settings, ids...)
}

func targetsOf(settings Settings, ids []string) []health.Target {
	var targets []health.Target
	for _, id := range ids {
		t := health.Target{ID: health.TargetID(id), Place: id[:3], Interval: 5 * time.Second, FastInterval: time.Second, Timeout: 2 * time.Second, Rise: 2, Fall: 3}
		if slices.Contains(settings.Vantage, t.ID) {
			t.Place, t.Vantage = "", true
		}
		targets = append(targets, t)
	}
	return targets
}

// next has the guard judge what the states are, and holds the judgement to what is always so.
func (s *scene) next() {
	s.Helper()
	states := make(map[health.TargetID]health.State, len(s.states))
	for id, state := range s.states {
		states[id] = state
	}
	var raw *health.Snapshot
	if s.last == nil {
		raw = health.NewSnapshot(s.now, states)
	} else {
		raw = s.last.With(s.now, states)
	}
	s.last = raw
	s.got = s.guard.Next(raw, s.now)
	for id, is := range s.states {
		got := s.got.Snapshot.State(id)
		if is.Status != health.Down && got != is {
			s.Errorf("%s is %+v, and became %+v", id, is, got)
		}
		if s.guard.kept[id] && got != s.guard.keep(id, is) {
			s.Errorf("%s is kept as %+v, and is to be %+v", id, got, s.guard.keep(id, is))
		}
		if got.Status == health.Down && got != is {
			s.Errorf("%s is down, and not as its probes say: %+v", id, got)
		}
	}
	if s.got.Doubt.Rule == "" && len(s.guard.waiting) == 0 && s.got.Snapshot != raw {
		s.Error("nothing is held, and the snapshot is another")
	}
	if at := s.got.Revisit; !at.IsZero() && !at.After(s.now) {
		s.Errorf("to be revisited at %s, which is past", at)
	}
}

// after lets time pass, and has the guard judge when it wants to.
func (s *scene) after(d time.Duration) {
	s.Helper()
	until := s.now.Add(d)
	for at := s.got.Revisit; !at.IsZero() && !at.After(until); at = s.got.Revisit {
		s.now = at
		s.next()
	}
	s.now = until
	s.next()
}

// silent turns targets down whose probes were not answered since so long ago, the last of which began
// two seconds ago.
func (s *scene) silent(ago time.Duration, ids ...string) {
	s.Helper()
	for _, id := range ids {
		state := s.states[health.TargetID(id)]
		state.Status, state.Turning, state.Since = health.Down, false, s.now
		state.Cause = health.Result{Verdict: health.Fail, Reason: "timeout", Blank: true}
		s.states[health.TargetID(id)] = state
		s.hear(id, func(h *health.Hearing) {
			h.Silent, h.Began, h.Asked = s.now.Add(-ago), s.now.Add(-2*time.Second), time.Time{}
		})
	}
}

// change changes the state of a target.
func (s *scene) change(id string, change func(*health.State)) {
	state := s.states[health.TargetID(id)]
	change(&state)
	s.states[health.TargetID(id)] = state
}

// hear changes what was heard of a target.
func (s *scene) hear(id string, change func(*health.Hearing)) {
	s.change(id, func(state *health.State) {
		hearing := state.Heard()
		change(&hearing)
		state.Hearing = &hearing
	})
}

// failing has targets that are up be silent since so long ago.
func (s *scene) failing(ago time.Duration, ids ...string) {
	for _, id := range ids {
		s.change(id, func(state *health.State) { state.Turning = true })
		s.hear(id, func(h *health.Hearing) { h.Silent, h.Asked = s.now.Add(-ago), time.Time{} })
	}
}

// heard has targets answer now.
func (s *scene) heard(ids ...string) {
	for _, id := range ids {
		s.change(id, func(state *health.State) { state.Turning = state.Status == health.Down })
		s.hear(id, func(h *health.Hearing) { h.Heard, h.Silent, h.Asked = s.now, time.Time{}, time.Time{} })
	}
}

// up turns targets up that have answered.
func (s *scene) up(ids ...string) {
	s.heard(ids...)
	for _, id := range ids {
		s.change(id, func(state *health.State) { state.Status, state.Turning, state.Since = health.Up, false, s.now })
	}
}

// want says which targets are down, and by which rule others are held.
func (s *scene) want(rule string, down ...health.TargetID) {
	s.Helper()
	var got []health.TargetID
	for id := range s.states {
		if s.got.Snapshot.State(id).Status == health.Down {
			got = append(got, id)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, down) || s.got.Doubt.Rule != rule {
		s.Errorf("at %s: down are %v, rule %q; want %v, %q", s.now.Sub(noon), got, s.got.Doubt.Rule, down, rule)
	}
}

// Each row is what others say when a1 of place aaa turns down, silent since three seconds.
func TestEvidence(t *testing.T) {
	const waits = "it is held until they have said"
	for _, test := range []struct {
		name    string
		ids     []string
		others  func(*scene)
		verdict string // "": it is believed at once
	}{
		{"the other of two is silent", []string{"aaa1", "bbb1"}, func(s *scene) { s.failing(2*time.Second, "bbb1") }, Suspect},
		{"the other of two has answered", []string{"aaa1", "bbb1"}, func(s *scene) { s.heard("bbb1") }, ""},
		{"the other of two is asked", []string{"aaa1", "bbb1"}, func(s *scene) { s.hear("bbb1", func(h *health.Hearing) { h.Asked = s.now }) }, waits},
		{"the other of two should have answered", []string{"aaa1", "bbb1"},
			func(s *scene) { s.hear("bbb1", func(h *health.Hearing) { h.Asked = s.now.Add(-time.Minute) }) }, ""},
		{"nothing is known of the other", []string{"aaa1", "bbb1"}, func(*scene) {}, ""},
		{"the other answered before the last probe of this one", []string{"aaa1", "bbb1"}, func(s *scene) {
			s.hear("bbb1", func(h *health.Hearing) { h.Heard, h.Asked = s.now.Add(-3*time.Second), s.now })
		}, waits},
		{"the other is silent for a long time", []string{"aaa1", "bbb1"}, func(s *scene) { s.failing(time.Minute, "bbb1") }, ""},
		{"the other fails otherwise, and answers", []string{"aaa1", "bbb1"},
			func(s *scene) {
				s.heard("bbb1")
				s.change("bbb1", func(st *health.State) { st.Status = health.Down })
			}, ""},
		{"the other failed otherwise, and is silent", []string{"aaa1", "bbb1"},
			func(s *scene) {
				s.failing(2*time.Second, "bbb1")
				s.change("bbb1", func(st *health.State) { st.Status = health.Down })
			}, Suspect},
		{"all of its place are silent, the others asked", []string{"aaa1", "aaa2", "aaa3", "aaa4", "bbb1"}, func(s *scene) {
			s.failing(2*time.Second, "aaa2", "aaa3", "aaa4")
			s.heard("bbb1")
		}, ""},
		{"there is one place", []string{"aaa1", "aaa2", "aaa3"}, func(s *scene) { s.failing(2*time.Second, "aaa2", "aaa3") }, ""},
		{"four of five are silent", []string{"aaa1", "bbb1", "ccc1", "ddd1", "eee1"}, func(s *scene) {
			s.failing(time.Second, "bbb1", "ccc1", "ddd1")
			s.heard("eee1")
		}, Suspect},
		{"three of four are", []string{"aaa1", "bbb1", "ccc1", "ddd1"}, func(s *scene) {
			s.failing(time.Second, "bbb1", "ccc1")
			s.heard("ddd1")
		}, ""},
		{"three of four are, and one is asked", []string{"aaa1", "bbb1", "ccc1", "ddd1"}, func(s *scene) {
			s.failing(time.Second, "bbb1", "ccc1")
			s.hear("ddd1", func(h *health.Hearing) { h.Asked = s.now })
		}, waits},
		{"one of each place was asked, and is silent", []string{"aaa1", "aaa2", "aaa3", "bbb1", "bbb2", "bbb3"}, func(s *scene) {
			s.failing(time.Second, "bbb1")
		}, Suspect},
		{"one of each place was asked, and answers", []string{"aaa1", "aaa2", "aaa3", "bbb1", "bbb2", "bbb3"}, func(s *scene) {
			s.heard("bbb1")
		}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newScene(t, settings, test.ids...)
			s.after(time.Minute)
			s.silent(3*time.Second, "aaa1")
			test.others(s)
			s.next()
			isUp := s.got.Snapshot.State("aaa1").Status == health.Up
			held := s.got.Snapshot.State("aaa1").Held.Rule
			switch {
			case test.verdict == "" && isUp, test.verdict != "" && !isUp:
				t.Errorf("it is %+v", s.got.Snapshot.State("aaa1"))
			case test.verdict == waits && (held != "" || s.got.Doubt.Rule != "" || s.got.Revisit.IsZero()):
				t.Errorf("it waits by rule %q (%+v), until %s", held, s.got.Doubt, s.got.Revisit)
			case test.verdict == Suspect && (held != Suspect || s.got.Doubt.Rule != Suspect || !s.got.Revisit.Equal(s.now.Add(time.Minute))):
				t.Errorf("it is held by rule %q (%+v), until %s", held, s.got.Doubt, s.got.Revisit)
			}
			if test.verdict == waits { // nobody says anything
				s.after(10 * time.Second)
				if len(s.guard.waiting) > 0 {
					t.Error("it waits for ever")
				}
			}
		})
	}
}

// What is suspect is held, then believed, and held again when the network is back, until each has shown
// that it is up.
func TestSuspectFromBeginningToEnd(t *testing.T) {
	s := newScene(t, settings, "aaa1", "bbb1", "ccc1")
	s.silent(3*time.Second, "aaa1")
	s.failing(2*time.Second, "bbb1", "ccc1")
	s.next()
	s.want(Suspect)
	s.after(time.Second)
	s.silent(4*time.Second, "bbb1", "ccc1")
	s.next()
	s.want(Suspect)
	if got := s.got.Snapshot.State("bbb1"); !got.Turning || !got.Held.Until.Equal(noon.Add(time.Minute)) || !got.Since.Equal(noon.Add(-time.Hour)) {
		t.Errorf("bbb1 is %+v", got)
	}
	s.after(58 * time.Second)
	s.want(Suspect)
	s.after(2 * time.Second)
	s.want("", "aaa1", "bbb1", "ccc1")

	s.after(time.Hour)
	s.heard("bbb1")
	s.next()
	s.want(Suspect)
	s.after(time.Second)
	s.up("bbb1")
	s.next()
	s.want(Suspect)
	s.after(time.Second)
	s.up("ccc1")
	s.next()
	s.want(Suspect)
	if got := s.got.Snapshot.State("aaa1"); got.Status != health.Up || got.Held.Rule != Suspect {
		t.Errorf("aaa1 has its time, and is %+v", got)
	}
	s.after(10 * time.Second) // its time is over
	s.want("", "aaa1")
	if !cmp.Equal(s.guard.Memory(), Memory{}) {
		t.Errorf("remembered is %+v", s.guard.Memory())
	}
}

// An answer among silence, as on a link that comes and goes, moves nothing: all are silent again when
// the time is over.
func TestSightThatIsLostAgain(t *testing.T) {
	s := newScene(t, settings, "aaa1", "bbb1")
	s.silent(3*time.Second, "aaa1", "bbb1")
	s.next()
	s.want(Suspect)
	s.after(10 * time.Second)
	s.heard("aaa1")
	s.next()
	s.after(2 * time.Second)
	s.silent(time.Second, "aaa1")
	s.next()
	s.after(20 * time.Second)
	s.want(Suspect)
	s.after(time.Minute) // the hold is not longer for it
	s.want("", "aaa1", "bbb1")
}

// While the vantage fails, nothing counts. A single lost packet of it is not announced.
func TestBlind(t *testing.T) {
	with := settings
	with.Vantage = []health.TargetID{"eye1", "eye2", "eye3"}
	ids := []string{"aaa1", "bbb1", "eye1", "eye2", "eye3"}
	s := newScene(t, with, ids...)
	s.failing(time.Second, "eye1", "eye2")
	s.next()
	s.want("")
	s.up("eye1", "eye2")

	s.silent(3*time.Second, "aaa1")
	s.hear("eye1", func(h *health.Hearing) { h.Asked = s.now })
	s.hear("eye2", func(h *health.Hearing) { h.Asked = s.now })
	s.next()
	s.want("") // they are asked, and it waits
	if got := s.got.Snapshot.State("aaa1"); got.Status != health.Up || got.Held.Rule != "" || s.got.Revisit.IsZero() {
		t.Errorf("aaa1 is %+v", got)
	}
	s.failing(time.Second, "eye1", "eye2")
	s.next()
	s.want(Blind)
	s.change("bbb1", func(st *health.State) {
		st.Status, st.Cause = health.Down, health.Result{Verdict: health.Fail, Reason: "status"}
	})
	s.silent(time.Second, "eye1", "eye2")
	s.after(time.Hour)
	s.want(Blind, "eye1", "eye2")
	s.heard("eye1")
	s.next()
	s.want(Blind, "eye1", "eye2")
	s.up("aaa1", "eye1", "eye2")
	s.next()
	s.want(Blind)
	s.after(10 * time.Second)
	s.want("", "bbb1")

	s.silent(3*time.Second, "aaa1")
	s.heard("eye1", "eye2")
	s.next()
	s.want("", "aaa1", "bbb1")
}

// A check of the vantage may be one of a pool too. The pool is held by it, as by its other checks.
func TestTheVantageOfAPool(t *testing.T) {
	with := settings
	with.Vantage = []health.TargetID{"aaa2", "eye1"}
	s := newScene(t, with, "aaa1", "aaa2", "eye1")
	targets := targetsOf(with, []string{"aaa1", "aaa2", "eye1"})
	targets[1].Place = "aaa"
	s.guard.Use(with, targets)
	s.next()
	s.silent(3*time.Second, "aaa2")
	s.heard("eye1")
	s.next()
	s.want("", "aaa2") // it has failed alone
	s.up("aaa2")
	s.next()

	s.silent(3*time.Second, "aaa2")
	s.failing(2*time.Second, "eye1")
	s.next()
	s.want(Blind)
	s.silent(3*time.Second, "aaa1", "eye1")
	s.next()
	s.want(Blind, "eye1")
	s.heard("aaa2", "eye1")
	s.next()
	s.want(Blind, "eye1")
	s.after(10 * time.Second)
	s.want("", "aaa1", "aaa2", "eye1")
}

// The vantage alone says that this server is blind, before any target of a pool fails.
func TestBlindIsAnnouncedWithoutAnyFail(t *testing.T) {
	with := settings
	with.Vantage = []health.TargetID{"eye1"}
	s := newScene(t, with, "aaa1", "eye1")
	s.silent(3*time.Second, "eye1")
	s.next()
	s.want(Blind, "eye1")
	s.up("eye1")
	s.next()
	s.want("")
}

// A guard that is made anew from what the one before remembered goes on where that was, at any step.
func TestRestart(t *testing.T) {
	for restart := range 5 {
		t.Run(fmt.Sprint(restart), func(t *testing.T) {
			s := newScene(t, settings, "aaa1", "bbb1")
			step := 0
			again := func() {
				if step++; step-1 != restart {
					return
				}
				s.restart(settings, "aaa1", "bbb1")
				for id := range s.states { // a restored state knows no more
					s.change(string(id), func(st *health.State) {
						*st = health.State{Status: st.Status, Since: st.Since, Cause: st.Cause}
					})
				}
				s.next()
			}
			s.silent(3*time.Second, "aaa1", "bbb1")
			s.next()
			again()
			s.want(Suspect)
			s.after(70 * time.Second)
			again()
			s.want("", "aaa1", "bbb1")
			s.heard("bbb1")
			s.next()
			again()
			s.want(Suspect)
			s.after(2 * time.Second)
			s.up("bbb1")
			s.next()
			again()
			s.want(Suspect)
			s.up("aaa1")
			s.next()
			again()
			s.want("")
		})
	}
}

// A rule that holds no target yet is remembered, and holds those that turn down after a restart.
func TestRestartWhileNothingIsHeld(t *testing.T) {
	with := settings
	with.Vantage = []health.TargetID{"eye1"}
	s := newScene(t, with, "aaa1", "eye1")
	s.silent(3*time.Second, "eye1")
	s.next()
	s.restart(with, "aaa1", "eye1")
	s.next()
	s.silent(3*time.Second, "aaa1")
	s.next()
	s.want(Blind, "eye1")
}

// One that is undecided, and answers itself, shows that the network is back: it was not down.
func TestUndecidedAnswers(t *testing.T) {
	s := newScene(t, settings, "aaa1", "bbb1")
	s.after(time.Minute)
	s.silent(3*time.Second, "aaa1")
	s.hear("bbb1", func(h *health.Hearing) { h.Asked = s.now })
	s.next()
	s.want("") // it waits
	s.now = s.now.Add(time.Second)
	s.heard("aaa1")
	s.next()
	s.want(Suspect)
	s.after(10 * time.Second)
	s.want("", "aaa1")
}

// Of a place with one that is silent, another that is asked may be silent too, so that it does not speak
// against a network that was away.
func TestAskedBesideSilent(t *testing.T) {
	s := newScene(t, settings, "aaa1", "aaa2", "bbb1", "bbb2")
	s.after(time.Minute)
	s.silent(3*time.Second, "aaa1")
	s.hear("aaa2", func(h *health.Hearing) { h.Asked = s.now })
	for _, id := range []string{"bbb1", "bbb2"} {
		s.hear(id, func(h *health.Hearing) { h.Missed, h.Heard = s.now.Add(-time.Second), s.now })
	}
	s.next()
	s.want(Suspect)
}

// A target whose last probe began before the network was back is held, whatever others answer since.
func TestProbeFromBeforeTheNetworkWasBack(t *testing.T) {
	s := newScene(t, settings, "aaa1", "bbb1", "ccc1")
	s.silent(3*time.Second, "bbb1", "ccc1")
	s.failing(2*time.Second, "aaa1")
	s.next()
	s.want(Suspect)
	s.after(time.Second)
	s.heard("bbb1", "ccc1")
	s.next()
	s.after(time.Second)
	s.silent(4*time.Second, "aaa1")
	s.next()
	s.want(Suspect)
}

// So it is if all others have shown before that they are up.
func TestProbeFromBeforeTheNetworkWasBackIsTheLast(t *testing.T) {
	s := newScene(t, settings, "aaa1", "bbb1", "ccc1")
	s.silent(3*time.Second, "bbb1", "ccc1")
	s.failing(2*time.Second, "aaa1")
	s.next()
	s.want(Suspect)
	s.now = s.now.Add(500 * time.Millisecond)
	s.up("bbb1", "ccc1")
	s.next()
	s.want("")
	s.now = s.now.Add(time.Second)
	s.silent(4*time.Second, "aaa1")
	s.next()
	s.want(Suspect)
}

// While nothing ran no target could show that it is up.
func TestRestartGivesTimeAgain(t *testing.T) {
	s := newScene(t, settings, "aaa1", "bbb1")
	s.silent(3*time.Second, "aaa1", "bbb1")
	s.next()
	s.after(time.Second)
	s.heard("bbb1")
	s.next()
	s.after(5 * time.Second)
	s.restart(settings, "aaa1", "bbb1")
	s.next()
	s.after(5 * time.Second)
	s.want(Suspect)
	s.after(5 * time.Second)
	s.want("", "aaa1", "bbb1")
}

// One that is undecided when the program ends has time to show that it is up after the start.
func TestRestartWhileUndecided(t *testing.T) {
	s := newScene(t, settings, "aaa1", "bbb1")
	s.after(time.Minute)
	s.silent(3*time.Second, "aaa1")
	s.hear("bbb1", func(h *health.Hearing) { h.Asked = s.now })
	s.next()
	s.restart(settings, "aaa1", "bbb1")
	s.next()
	s.want(Suspect)
	s.after(10 * time.Second)
	s.want("", "aaa1")
}

func TestNothingIsSuspectWithShareZero(t *testing.T) {
	never := settings
	never.SuspectShare = 0
	s := newScene(t, never, "aaa1", "bbb1")
	s.silent(3*time.Second, "aaa1", "bbb1")
	s.next()
	s.want("", "aaa1", "bbb1")
}

// However much is calculated from a target that is silent, it is one target that is silent.
func TestCalculatedIsNoEvidence(t *testing.T) {
	ids := []string{"aaa1", "bbb1", "ccc1"}
	s := newScene(t, settings, ids...)
	targets := targetsOf(settings, ids)
	for i := range 10 {
		derived := targets[0]
		derived.ID, derived.Spec = health.TargetID(fmt.Sprint("aaa-any", i)), &health.Calculated{Op: health.Any, Of: []health.TargetID{"aaa1"}}
		targets = append(targets, derived)
		s.states[derived.ID] = s.states["aaa1"]
	}
	s.guard.Use(settings, targets)
	s.next()
	s.heard("ccc1")
	s.failing(2*time.Second, "bbb1")
	s.silent(3*time.Second, "aaa1")
	s.hear("ccc1", func(h *health.Hearing) { h.Heard = s.now })
	s.next()
	s.want("", "aaa1")
}
