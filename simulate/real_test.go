package simulate

import (
	"context"
	"encoding/json"
	"flag"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gslb/health"
	"gslb/incident"
	"gslb/override"
	"gslb/publish"
	"gslb/replication"
	"gslb/safety"
	"gslb/state"
	"gslb/steer"
	"gslb/zones"
)

var realRuns = flag.Int("real", 100, "how many runs of TestRealRuns")

// TestRealRuns makes runs with the program's monitor, publisher and book, each in a bubble.
func TestRealRuns(t *testing.T) {
	t.Parallel()
	if *one != 0 {
		t.Run("one", func(t *testing.T) { realRun(t, *one) })
		return
	}
	for seed := *from; seed < *from+uint64(*realRuns) && !t.Failed(); seed++ {
		realRun(t, seed)
	}
}

func realRun(t *testing.T, seed uint64) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlan(seed)
		trace := func(string) {}
		if *one != 0 && testing.Verbose() {
			t.Log(p)
			trace = func(line string) { t.Log(line) }
		}
		if err := newTheatre(t, p, trace).run(); err != nil {
			t.Errorf("the run with seed %d fails: %v\nagain, with all that happens: go test ./simulate -run TestRealRuns -seed %d -v", seed, err, seed)
		}
	})
}

// tick is how often what is served is looked at.
const tick = 10 * time.Millisecond

// theatre is the program's parts, one process after the other.
type theatre struct {
	plan    *plan
	checker *checker
	dir     string // of the overrides
	begun   time.Time
	offset  atomic.Int64 // of the wall clock, from the bubble's
	set     *zones.Set

	stop      context.CancelFunc
	parts     sync.WaitGroup // of the process
	monitor   *health.Monitor
	publisher *publish.Publisher
	book      *override.Book
	copies    *copies // nil: no pool has data
	copied    *replication.Book
	awaits    atomic.Bool
	loading   sync.Mutex // of one configuration at a time
	incidents *incident.Book
	seen      *steer.Outcome
	changed   time.Time // when that began to be served
	back      bool      // clients were told to return since
}

func newTheatre(t *testing.T, p *plan, trace func(string)) *theatre {
	th := &theatre{plan: p, dir: t.TempDir(), begun: time.Now(), set: p.family.set[original]}
	if p.family.table != nil {
		th.copies = newCopies(p)
	}
	th.checker = newChecker(p, th.copies, trace)
	th.checker.slack = 2 * tick
	return th
}

func (th *theatre) world() time.Duration { return time.Since(th.begun) }

func (th *theatre) wall() time.Time { return time.Now().Add(time.Duration(th.offset.Load())) }

// run runs the plan, and returns what was wrong at first; nil: nothing.
func (th *theatre) run() (failed error) {
	defer func() {
		th.end()
		if value := recover(); value != nil {
			v, is := value.(violation)
			if !is {
				panic(value)
			}
			failed = v
		}
	}()
	th.begin(state.State{})
	acts := th.plan.acts
	for th.world() < th.plan.length {
		next := th.begun.Add(th.world().Truncate(tick) + tick)
		if len(acts) > 0 && th.begun.Add(acts[0].at).Before(next) {
			next = th.begun.Add(acts[0].at)
		}
		time.Sleep(time.Until(next))
		synctest.Wait()
		th.look()
		for len(acts) > 0 && acts[0].at <= th.world() {
			th.act(&acts[0])
			acts = acts[1:]
			synctest.Wait()
			th.look()
		}
	}
	th.checker.end(th.world())
	th.checkQuiet()
	return nil
}

// look holds what is served to the invariants.
func (th *theatre) look() {
	out := th.publisher.Outcome()
	if out == nil {
		return
	}
	doubt := th.publisher.Doubt()
	if th.copies != nil {
		th.checker.checkTruth(th.world(), out.Input().Copies)
	}
	th.checker.time(th.world(), th.wall(), out.Words(), &doubt)
	if out == th.seen {
		th.checkIncidents(out, th.changed)
		return
	}
	th.checker.served(moment{
		at: th.world(), now: out.Input().Now, wall: th.wall(), set: out.Set(), raw: out.Input().Snapshot, out: out,
		judgement: safety.Judgement{Snapshot: out.Input().Snapshot, Doubt: doubt}, back: th.back, awaits: th.awaits.Load(),
	})
	th.seen, th.changed, th.back = out, time.Now(), false
}

// begin starts a process from what the one before left.
func (th *theatre) begin(left state.State) {
	var ctx context.Context
	ctx, th.stop = context.WithCancel(context.Background())
	left = left.At(time.Now())
	quiet := slog.New(slog.DiscardHandler)
	th.copied = replication.NewBook(replication.Options{Groups: th.set.Replications, Memory: left.Copies, Now: th.wall})
	th.monitor = health.NewMonitor(health.MonitorOptions{Make: th.probe})
	th.book = override.Open(override.Options{Dir: th.dir, Now: th.wall, Logger: quiet, Registerer: nowhere{}})
	th.openIncidents()
	th.publisher = publish.New(publish.Options{Listeners: []func([]publish.Event){th.incidents.Notice}, Health: th.monitor, Words: th.book, Copies: th.copied, Memory: left.Memory, Safety: left.Safety, Logger: quiet, Registerer: nowhere{}})
	if err := th.monitor.Add(th.set.Targets, left.Fresh(time.Now(), th.set.Server.StateMaxAge)); err != nil {
		fail("the monitor takes no targets: %v", err)
	}
	th.awaits.Store(true)
	th.parts.Go(func() { _ = th.monitor.Run(ctx) })
	th.parts.Go(func() { _ = th.publisher.Run(ctx) })
	th.parts.Go(func() { _ = th.book.Run(ctx) })
	th.parts.Go(func() { _ = th.incidents.Run(ctx) })
	set := th.set
	th.loading.Lock()
	th.parts.Go(func() {
		defer th.loading.Unlock()
		if th.publisher.Begin(ctx, set) != nil {
			return
		}
		bounded, cancel := context.WithTimeout(ctx, max(set.Server.StartupWait, health.FirstVerdicts(set.Targets)))
		defer cancel()
		th.monitor.Wait(bounded, th.monitor.Awaited())
		th.monitor.Settle()
		if th.publisher.Use(ctx, set) == nil {
			th.awaits.Store(false)
		}
	})
}

// probe makes what sees the world of the plan.
func (th *theatre) probe(t health.Target) (health.Probe, error) {
	if h, is := t.Spec.(*health.Heartbeat); is {
		return th.heartbeat(int(h.Region[1]-'a'), th.copied), nil
	}
	return func(ctx context.Context) health.Result {
		result, took := th.plan.outcome(&t, th.world())
		select {
		case <-time.After(took):
			return result
		case <-ctx.Done():
			return timedOut
		}
	}, nil
}

// heartbeat makes the heartbeats of a region.
func (th *theatre) heartbeat(x int, book *replication.Book) health.Probe {
	region := regionOf(x)
	wait := func(ctx context.Context, took time.Duration) bool {
		select {
		case <-time.After(took):
			return true
		case <-ctx.Done():
			return false // the process ends
		}
	}
	return func(ctx context.Context) health.Result {
		counter, began, at := book.Next("data", region), time.Now(), th.world()
		took, err := th.copies.write(x, counter, at)
		if !wait(ctx, took) {
			return timedOut
		}
		book.Wrote("data", region, counter, began, time.Now(), err)
		began, at = time.Now(), th.world()
		took, err = th.copies.reading(x, at)
		if !wait(ctx, took) {
			return timedOut
		}
		tell(book, th.copies, x, at, took, began, time.Now(), err)
		return health.Result{Verdict: health.Pass}
	}
}

// end ends the process.
func (th *theatre) end() {
	th.stop()
	th.parts.Wait()
}

func (th *theatre) act(a *act) {
	th.checker.acted(a)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	switch a.what {
	case "reload":
		th.reload(th.plan.family.set[a.variant])
	case "restart":
		th.restart(a)
	case "put":
		o := a.override
		o.Since = th.wall()
		if a.length > 0 {
			o.Until = o.Since.Add(a.length)
		}
		if err := th.book.Put(ctx, o); err != nil {
			fail("an override was refused: %v", err)
		}
		th.checker.put(o)
	case "remove", "clear":
		ids := []string{a.override.ID()}
		if a.what == "clear" {
			ids = nil
			for _, o := range th.book.Words().All() {
				ids = append(ids, o.ID())
			}
		}
		if _, err := th.book.Remove(ctx, ids, "somebody", "simulated"); err != nil {
			fail("overrides were not removed: %v", err)
		}
		th.checker.removed(ids)
	case "failback":
		_, _ = th.publisher.Failback(ctx, "app.gslb.test.", "api.gslb.test.") // an error: nothing is served yet
		th.back = true
	case "jump":
		th.offset.Add(int64(a.by))
	}
}

// reload serves another configuration once its targets were probed, if no other is being loaded.
func (th *theatre) reload(set *zones.Set) {
	if !th.loading.TryLock() {
		return
	}
	publisher, monitor, copied := th.publisher, th.monitor, th.copied
	copied.Add(set.Replications)
	th.checker.measured(th.world(), set)
	ctx, cancel := context.WithTimeout(context.Background(), health.FirstVerdicts(set.Targets))
	th.set = set
	th.parts.Go(func() {
		defer th.loading.Unlock()
		defer cancel()
		if monitor.Add(set.Targets, nil) != nil {
			return
		}
		ids := make([]health.TargetID, len(set.Targets))
		for i := range set.Targets {
			ids[i] = set.Targets[i].ID
		}
		monitor.Wait(ctx, ids)
		served, stop := context.WithTimeout(context.Background(), time.Second) // not for ever: the process may have ended
		defer stop()
		if publisher.Use(served, set) == nil {
			copied.Keep(set.Replications)
			monitor.Retain(set.Targets)
		}
	})
}

// restart ends the process, and starts the next one from the state as JSON and the file of overrides.
func (th *theatre) restart(a *act) {
	kept := state.Decided{Memory: th.publisher.Memory(), Safety: th.publisher.Safety(), Copies: th.copied.Memory()}.Kept(time.Now())
	text, err := json.Marshal(state.State{Targets: th.monitor.Records(), Memory: kept.Memory, Safety: kept.Safety, Copies: kept.Copies})
	var left state.State
	if err == nil {
		err = json.Unmarshal(text, &left)
	}
	if err != nil {
		fail("the state cannot be read: %v", err)
	}
	th.end()
	time.Sleep(a.pause)
	th.offset.Add(int64(a.by))
	th.checker.restarted(th.world(), a)
	th.begin(left)
}
