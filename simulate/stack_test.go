package simulate

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gslb/health"
	"gslb/override"
	"gslb/replication"
	"gslb/safety"
	"gslb/state"
	"gslb/steer"
	"gslb/zones"
)

// stack is the program from probes to decisions, with time as a value.
type stack struct {
	plan    *plan
	random  *rand.Rand
	checker *checker

	now    time.Time     // by the clock that this process measures with
	zero   time.Time     // when the plan began, by the same
	offset time.Duration // of the wall clock, beyond that
	acts   []act         // to come

	set       *zones.Set
	prober    *prober
	settles   time.Time // when first verdicts are waited for no longer; zero: they are not
	guard     *safety.Guard
	judgement safety.Judgement
	outcome   *steer.Outcome
	book      *override.Book
	copies    *copies // nil: no pool has data
	copied    *replication.Book
	beats     *beats
	look      time.Time    // when the book looks at the clock
	next      *zones.Set   // a reload that waits for the first verdicts of what is new; nil: there is none
	ready     time.Time    // when it waits no longer
	crashes   bool         // there will be one
	saved     *state.State // that a crash leaves; nil: none yet
	save      time.Time
	back      bool // clients return now
}

// overridesKept is the file of overrides.
type overridesKept []override.Override

const (
	lookEvery = 500 * time.Millisecond // of the book
	saveEvery = 10 * time.Second       // of the keeper
	saveAfter = time.Second
)

// run runs a plan, and returns what was wrong at first; nil: nothing.
func run(p *plan, trace func(string)) (failed error) {
	defer func() {
		if value := recover(); value != nil {
			if v, is := value.(violation); is {
				failed = v
				return
			}
			panic(value)
		}
	}()
	s := &stack{plan: p, random: rand.New(rand.NewPCG(p.seed, 2)), now: noon, zero: noon, acts: p.acts, set: p.family.set[original]}
	if p.family.table != nil {
		s.copies = newCopies(p)
	}
	s.checker = newChecker(p, s.copies, trace)
	s.crashes = slices.ContainsFunc(p.acts, func(a act) bool { return a.lost })
	s.begin(state.State{}, nil)
	for {
		at, what := s.upcoming()
		if at.Sub(s.zero) > p.length {
			break
		}
		if at.After(s.now) {
			s.now = at
		}
		s.checker.time(s.world(), s.wall(), s.outcome.Words(), &s.judgement.Doubt)
		what()
	}
	s.checker.end(s.world())
	return nil
}

// world is how long the plan has run.
func (s *stack) world() time.Duration { return s.now.Sub(s.zero) }

func (s *stack) wall() time.Time { return s.now.Add(s.offset) }

// upcoming is what happens next.
func (s *stack) upcoming() (at time.Time, what func()) {
	at, target := s.prober.next()
	what = func() {
		s.prober.step(target, s.now)
		s.settle()
		if len(s.prober.changed) > 0 {
			s.publish()
		}
		s.reload()
	}
	first := func(t time.Time, then func()) {
		if !t.IsZero() && t.Before(at) {
			at, what = t, then
		}
	}
	if len(s.acts) > 0 {
		first(s.zero.Add(s.acts[0].at), s.act)
	}
	first(soonest(s.outcome.Revisit, s.judgement.Revisit), s.publish)
	first(s.look, s.lookAtClock)
	if s.beats != nil {
		beat := s.beats.next()
		first(s.zero.Add(beat.at), func() { s.beat(beat) })
	}
	first(s.settles, s.settle)
	first(s.ready, s.reload)
	if s.crashes {
		first(s.save, func() { s.saved, s.save = s.state(), s.now.Add(saveEvery) })
	}
	return at, what
}

// begin starts the process, from what the one before left.
func (s *stack) begin(left state.State, words overridesKept) {
	left = left.At(s.now)
	s.book = override.Open(override.Options{Now: s.wall, Logger: slog.New(slog.DiscardHandler), Registerer: nowhere{}})
	for _, o := range words {
		if o.InForce(s.wall()) {
			s.put(o)
		}
	}
	s.prober = newProber(s.plan, s.random, s.set, left.Fresh(s.now, s.set.Server.StateMaxAge), s.now, s.zero)
	s.settles = s.now.Add(max(s.set.Server.StartupWait, health.FirstVerdicts(s.set.Targets)))
	s.guard = safety.NewGuard(left.Safety)
	s.guard.Use(s.set.Safety, s.set.Targets)
	s.copied = replication.NewBook(replication.Options{Groups: s.set.Replications, Memory: left.Copies, Now: s.wall})
	if s.copies != nil {
		s.beats = newBeats(s.copies, s.copied, s.random, s.zero, s.world())
	}
	s.next, s.ready, s.save, s.back = nil, time.Time{}, s.now.Add(saveEvery), false
	s.outcome = nil
	s.decide(left.Memory)
	s.lookAtClock()
	s.settle()
}

func (s *stack) put(o override.Override) {
	if err := s.book.Put(context.Background(), o); err != nil {
		fail("an override was refused: %v", err)
	}
}

// beat does what is due of a heartbeat.
func (s *stack) beat(due *beat) {
	if !s.beats.step(due, s.world()) {
		return
	}
	select {
	case <-s.copied.Changed():
		s.save = soonest(s.save, s.now.Add(saveAfter))
		s.publish()
	default:
	}
	s.checker.checkTruth(s.world(), s.outcome.Input().Copies)
}

// lookAtClock is what the book does often, since its timers do not know that the clock was set.
func (s *stack) lookAtClock() {
	s.look = time.Time{}
	for _, o := range s.book.Words().All() {
		if !o.Until.IsZero() {
			s.look = s.now.Add(max(time.Millisecond, min(lookEvery, o.Until.Sub(s.wall()))))
			break
		}
	}
	select {
	case <-s.book.Changed():
		s.publish()
	default:
	}
}

// settle ends the waiting for first verdicts if all are there, or if it has lasted long enough.
func (s *stack) settle() {
	if s.settles.IsZero() || s.now.Before(s.settles) && !s.prober.haveAnswered(s.set) {
		return
	}
	s.settles = time.Time{}
	s.prober.settle()
	s.publish()
}

// reload serves the next configuration if its targets were probed.
func (s *stack) reload() {
	if s.next == nil || s.now.Before(s.ready) && !s.prober.haveAnswered(s.next) {
		return
	}
	memory := s.outcome.Memory()
	s.set, s.next, s.ready = s.next, nil, time.Time{}
	s.copied.Keep(s.set.Replications)
	s.guard.Use(s.set.Safety, s.set.Targets)
	s.prober.retain(s.set)
	s.outcome = nil
	s.decide(memory)
}

// publish decides again.
func (s *stack) publish() { s.decide(steer.Memory{}) }

// decide decides, anew from a memory if there is no outcome yet.
func (s *stack) decide(memory steer.Memory) {
	raw := s.prober.take(s.now)
	s.judgement = s.guard.Next(raw, s.now)
	words, _ := s.book.Take()
	copies, _ := s.copied.Take()
	in := steer.Input{Snapshot: s.judgement.Snapshot, Words: words, Copies: copies, Now: s.now}
	if s.back {
		s.back = false
		for _, r := range s.set.Routes {
			in.Failback = append(in.Failback, r.Index)
		}
	}
	before := s.outcome
	if before == nil {
		s.outcome = steer.Step(s.set, in, memory)
	} else {
		s.outcome = before.Next(in)
		if s.random.IntN(4) == 0 {
			sameOutcome("Next is not Step", steer.Step(s.set, in, before.Memory()), s.outcome)
		}
	}
	if before == nil || s.guard.Changed() || !s.outcome.SameMemory(before) {
		s.save = soonest(s.save, s.now.Add(saveAfter))
	}
	s.checker.served(moment{
		at: s.world(), now: s.now, wall: s.wall(), set: s.set, raw: raw, judgement: s.judgement, out: s.outcome,
		back: len(in.Failback) > 0, awaits: !s.settles.IsZero(),
	})
}

// state is what is saved.
func (s *stack) state() *state.State {
	return &state.State{Targets: s.prober.records(), Memory: s.outcome.Memory(), Safety: s.guard.Memory(), Copies: s.copied.Memory()}
}

// throughJSON is what the next process reads of what this one wrote.
func throughJSON[T any](written T) (read T) {
	text, err := json.Marshal(written)
	if err == nil {
		err = json.Unmarshal(text, &read)
	}
	if err != nil {
		fail("what is kept cannot be read: %v", err)
	}
	return read
}

func (s *stack) act() {
	a := s.acts[0]
	s.acts = s.acts[1:]
	s.checker.acted(&a)
	switch a.what {
	case "reload":
		s.next = s.plan.family.set[a.variant]
		s.copied.Add(s.next.Replications)
		s.checker.measured(s.world(), s.next)
		s.prober.add(s.next, nil, s.now)
		s.ready = s.now.Add(health.FirstVerdicts(s.next.Targets))
		s.reload()
	case "restart":
		s.restart(&a)
	case "put":
		o := a.override
		o.Since = s.wall()
		if a.length > 0 {
			o.Until = o.Since.Add(a.length)
		}
		s.put(o)
		s.checker.put(o)
		s.lookAtClock()
	case "remove", "clear":
		ids := []string{a.override.ID()}
		if a.what == "clear" {
			ids = nil
			for _, o := range s.book.Words().All() {
				ids = append(ids, o.ID())
			}
		}
		if _, err := s.book.Remove(context.Background(), ids, "somebody", "simulated"); err != nil {
			fail("overrides were not removed: %v", err)
		}
		s.checker.removed(ids)
		s.lookAtClock()
	case "failback":
		s.back = true
		s.publish()
	case "jump":
		s.offset += a.by
		s.look = s.now.Add(time.Duration(s.random.Int64N(int64(lookEvery))))
	default:
		panic(a.what)
	}
}

// restart kills the process, and starts the next one.
func (s *stack) restart(a *act) {
	left := throughJSON(*s.state())
	if a.lost && s.saved != nil {
		left = throughJSON(*s.saved)
	} else {
		s.sameWithJSON(left)
	}
	words := throughJSON(overridesKept(s.book.Words().All()))
	s.now = s.now.Add(a.pause + a.by)
	s.zero = s.zero.Add(a.by)
	s.saved = &left
	s.checker.restarted(s.world(), a)
	s.begin(left, words)
}

// sameWithJSON has the parts that remember something go on from what was read, and from the values
// themselves.
func (s *stack) sameWithJSON(left state.State) {
	in := s.outcome.Input()
	sameOutcome("a restart decides otherwise", steer.Step(s.set, in, s.outcome.Memory()), steer.Step(s.set, in, left.Memory))
	copied := replication.NewBook(replication.Options{Groups: s.set.Replications, Memory: left.Copies})
	if view, _ := copied.Take(); len(view.ChangedSince(in.Copies)) > 0 {
		fail("after a restart copies are known otherwise: %v", view.ChangedSince(in.Copies))
	}
	guard := safety.NewGuard(left.Safety)
	guard.Use(s.set.Safety, s.set.Targets)
	raw := s.prober.take(s.now)
	judgement := guard.Next(raw, s.now)
	for id := range s.guard.Memory().Held {
		if was, is := s.judgement.Snapshot.State(id), judgement.Snapshot.State(id); was.Status != is.Status || was.Held.Rule != is.Held.Rule {
			fail("after a restart %s is %s (%+v), before it was %s (%+v)", id, is.Status, is.Held, was.Status, was.Held)
		}
	}
}

// nowhere is a Registerer for metrics that nobody reads.
type nowhere struct{}

func (nowhere) Register(prometheus.Collector) error  { return nil }
func (nowhere) MustRegister(...prometheus.Collector) {}
func (nowhere) Unregister(prometheus.Collector) bool { return true }

// violation is an invariant that did not hold.
type violation string

func (v violation) Error() string { return string(v) }

func fail(format string, args ...any) { panic(violation(fmt.Sprintf(format, args...))) }
