package operate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gslb/admin/api"
	"gslb/health"
	"gslb/override"
	"gslb/publish"
	"gslb/replication"
	"gslb/zones"
)

// table is a table in regions us and eu that are copied to each other with a delay, an app that writes to it,
// and the hooks that end and begin that. It is Marks and Hooks.
type table struct {
	delay time.Duration

	mu      sync.Mutex
	items   map[string]map[string]string // by region, by key
	copies  []copied                     // that are on their way, the oldest first
	written int                          // by the app, in us
	arrived int                          // of these, in eu
	allowed map[string]bool              // in which regions the app may write
	fails   map[string]error             // hooks, and calls: "put us", "get eu"
	hangs   map[string]bool              // the same, until their time is over
	calls   []string
	lost    int           // writes that had not arrived when clients were sent to eu
	stopped time.Time     // when writing ended
	pause   time.Duration // until it began again
}

// copied is something that was written in one region, on its way to the other.
type copied struct {
	due   time.Time
	apply func()
}

// copy has something that is written arrive after the delay. The caller has the lock, here and below.
func (b *table) copy(apply func()) {
	b.copies = append(b.copies, copied{time.Now().Add(b.delay), apply})
}

// catchUp applies what has arrived by now, in the order in which it was written.
func (b *table) catchUp() {
	for len(b.copies) > 0 && !time.Now().Before(b.copies[0].due) {
		b.copies[0].apply()
		b.copies = b.copies[1:]
	}
}

func newTable(delay time.Duration) *table {
	return &table{
		delay: delay, items: map[string]map[string]string{"us": {}, "eu": {}}, allowed: map[string]bool{"us": true},
		fails: map[string]error{}, hangs: map[string]bool{},
	}
}

// replicate has pools nyc and ams work with the table.
func (b *table) replicate(set *zones.Set, o *Options, _ *publish.Options) {
	hook := func() *replication.Hook {
		return &replication.Hook{URL: "https://app.example.com/", Timeout: 10 * time.Second}
	}
	group := &replication.Group{
		Name: "orders", Table: "Orders", Regions: []string{"eu", "us"}, Key: map[string]health.KeyAttribute{"id": {Value: "gslb"}}, Writer: "one",
		Interval: 5 * time.Second, MaxLag: 30 * time.Second, StopWrites: hook(), AcceptWrites: hook(), ResumeWrites: hook(),
	}
	set.Replications = []*replication.Group{group}
	for pool, region := range map[string]string{"nyc": "us", "ams": "eu"} {
		set.Pool(pool).Region, set.Pool(pool).Replication = region, group
	}
	o.Marks, o.Hooks = b, b
}

// run has the app write every 100 ms, as long as it may.
func (b *table) run(ctx context.Context) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		b.mu.Lock()
		if b.allowed["us"] {
			b.written++
			b.copy(func() { b.arrived++ })
		}
		b.mu.Unlock()
	}
}

// trouble is what a call or hook meets.
func (b *table) trouble(ctx context.Context, what string) error {
	b.mu.Lock()
	b.calls = append(b.calls, what)
	err, hangs := b.fails[what], b.hangs[what]
	b.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	return err
}

func (b *table) Put(ctx context.Context, mark health.Mark, value string) error {
	if err := b.trouble(ctx, "put "+mark.Region); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	key := mark.Key["id"].Value
	b.items[mark.Region][key] = value
	b.copy(func() {
		for region := range b.items {
			if region != mark.Region {
				b.items[region][key] = value
			}
		}
	})
	return nil
}

func (b *table) Get(ctx context.Context, mark health.Mark) (string, error) {
	if err := b.trouble(ctx, "get "+mark.Region); err != nil {
		return "", err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.catchUp()
	return b.items[mark.Region][mark.Key["id"].Value], nil
}

func (b *table) Run(ctx context.Context, hook *replication.Hook, call HookCall) error {
	ctx, cancel := context.WithTimeout(ctx, hook.Timeout)
	defer cancel()
	if err := b.trouble(ctx, call.Hook); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch call.Hook {
	case stopWrites:
		b.allowed["us"], b.stopped = false, time.Now()
	case acceptWrites:
		b.catchUp()
		b.allowed["eu"], b.lost, b.pause = true, b.written-b.arrived, time.Since(b.stopped)
	case resumeWrites:
		b.allowed["us"], b.pause = true, time.Since(b.stopped)
	}
	return nil
}

func (b *table) Check(*replication.Hook) error { return b.fails["check"] }

// set changes what calls meet.
func (b *table) set(change func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change()
}

// may reports whether the app may write in a region.
func (b *table) may(region string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.allowed[region]
}

// losses is how many writes had not arrived when clients were sent to eu.
func (b *table) losses() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lost
}

// paused is for how long nobody could write.
func (b *table) paused() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pause
}

// ran is the hooks that were run.
func (b *table) ran() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(slices.DeleteFunc(slices.Clone(b.calls), func(c string) bool { return strings.Contains(c, " ") }), " ")
}

// fenced plays with a table.
func fenced(t *testing.T, dir string, b *table, play func(t *testing.T, s *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s, end := open(t, dir, threePools, b.replicate)
		defer end()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go b.run(ctx)
		play(t, s)
	})
}

// moveFenced begins a move of app to ams.
func (s *stage) moveFenced(r api.SwitchRequest) *api.Switch {
	s.t.Helper()
	r.To, r.Reason = "ams", "test"
	shown, err := s.Switch(s.t.Context(), "ana (token)", app, &r)
	if err != nil {
		s.t.Fatal(err)
	}
	return shown
}

// phases is the steps of a move in words.
func phases(s *api.Switch) string {
	var list []string
	for _, step := range s.Steps {
		list = append(list, string(step.Phase))
	}
	return strings.Join(list, " ")
}

// TestFencedSwitch: whatever the delay of copies, nothing is lost, and writing pauses little longer than they take.
// A wait of ten times the usual lag either loses something or takes longer.
func TestFencedSwitch(t *testing.T) {
	const usual, fixed = time.Second, 10 * time.Second
	for _, delay := range []time.Duration{0, 50 * time.Millisecond, usual, 3 * time.Second, 9 * time.Second, 15 * time.Second, 30 * time.Second, 60 * time.Second} {
		b := newTable(delay)
		fenced(t, "", b, func(t *testing.T, s *stage) {
			shown := s.moveFenced(api.SwitchRequest{Wait: "90s"})
			if shown.Phase != api.SwitchLowersTTL || shown.Replication != "orders" || shown.Wait != 90 {
				t.Errorf("got %+v", shown)
			}
			time.Sleep(59 * time.Second)
			s.expect(map[string]string{"app": "nyc normal 5s"})
			time.Sleep(3*time.Minute + 2*time.Second)
			s.expect(map[string]string{"app": "ams pinned 1m0s", "api": "nyc normal 1m0s"})
			shown = s.phase(api.SwitchDone, "the pin stays until gslb unpin")
			const want = "lowering_ttl stopping_writes marking awaiting_marks accepting_writes watching"
			if got := phases(shown); got != want {
				t.Errorf("the steps are %s, want %s", got, want)
			}
			if b.losses() != 0 || b.ran() != "stop_writes accept_writes" {
				t.Errorf("%s: %d writes were lost; hooks: %s", delay, b.losses(), b.ran())
			}
			if b.paused() < delay || b.paused() > delay+time.Second {
				t.Errorf("%s: writing paused for %s", delay, b.paused())
			}
			if fmt.Sprint(shown.Stopped) != fmt.Sprint(b.paused().Round(time.Millisecond).Seconds()) {
				t.Errorf("%s: writing is said to have paused for %g s", b.paused(), shown.Stopped)
			}
			t.Logf("delay %s: paused %s, lost 0; a fixed wait: %s, safe: %t", delay, b.paused(), fixed, fixed >= delay)
		})
	}
}

// What fails before the answer has moved is undone.
func TestFenceFails(t *testing.T) {
	broken := errors.New("broken")
	tests := []struct {
		name   string
		meet   func(b *table)
		within time.Duration // from the end of the old TTL until it is undone
		hooks  string
		why    string
	}{
		{"no copy arrives", func(b *table) { b.delay = time.Hour }, 12 * time.Second, "stop_writes resume_writes", "what was written in us has not arrived in eu within 10s: an older mark is there"},
		{"the mark cannot be written", func(b *table) { b.fails["put us"] = broken }, 13 * time.Second, "stop_writes resume_writes", "the mark could not be written in us within 10s: broken"},
		{"the old region hangs", func(b *table) { b.hangs["get us"] = true }, 13 * time.Second, "stop_writes resume_writes", "the mark could not be written in us within 10s"},
		{"the new region hangs", func(b *table) { b.hangs["get eu"] = true }, 13 * time.Second, "stop_writes resume_writes", "what was written in us has not arrived in eu"},
		{"the new region cannot be read", func(b *table) { b.fails["get eu"] = broken }, 13 * time.Second, "stop_writes resume_writes", "broken"},
		{"the hook fails", func(b *table) { b.fails[stopWrites] = broken }, 3 * time.Second, "stop_writes resume_writes", "hook stop_writes failed: broken"},
		{"the hook hangs", func(b *table) { b.hangs[stopWrites] = true }, 13 * time.Second, "stop_writes resume_writes", "hook stop_writes failed"},
		{"and so does the hook that undoes it", func(b *table) { b.delay, b.hangs[resumeWrites] = time.Hour, true }, 45 * time.Second, "stop_writes resume_writes resume_writes resume_writes", "has not arrived"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newTable(0)
			tt.meet(b)
			fenced(t, "", b, func(t *testing.T, s *stage) {
				s.moveFenced(api.SwitchRequest{Wait: "10s"})
				time.Sleep(time.Minute + tt.within)
				shown := s.phase(api.SwitchAborted, tt.why)
				s.expect(map[string]string{"app": "nyc normal 1m0s"})
				if b.ran() != tt.hooks {
					t.Errorf("hooks: %s, want %s", b.ran(), tt.hooks)
				}
				if len(s.book.Words().All()) > 0 {
					t.Errorf("a pin is left: %+v", s.book.Words().All())
				}
				if !strings.HasPrefix(tt.name, "and so does") && !b.may("us") {
					t.Error("nobody can write")
				}
				if got := s.heard(); strings.Count(got, "the move is aborted: ") != 1 {
					t.Errorf("told was %q", got)
				}
				if !strings.HasPrefix(phases(shown), "lowering_ttl stopping_writes") {
					t.Errorf("the steps are %s", phases(shown))
				}
			})
		})
	}
}

// With accept_loss it moves whatever fails, in bounded time.
func TestFenceAcceptsLoss(t *testing.T) {
	for _, meet := range []func(b *table){
		func(b *table) { b.delay = time.Hour },
		func(b *table) { b.hangs["get us"], b.hangs[stopWrites] = true, true },
		func(b *table) { b.hangs["get eu"] = true },
	} {
		b := newTable(0)
		meet(b)
		fenced(t, "", b, func(t *testing.T, s *stage) {
			s.moveFenced(api.SwitchRequest{Wait: "10s", AcceptLoss: true})
			time.Sleep(time.Minute + 25*time.Second)
			s.expect(map[string]string{"app": "ams pinned 1m0s"})
			shown := s.phase(api.SwitchWatches, "")
			if !strings.Contains(fmt.Sprint(shown.Steps), "gone on with, since loss is accepted") || b.ran() != "stop_writes accept_writes" {
				t.Errorf("%+v, hooks %s", shown.Steps, b.ran())
			}
		})
	}
}

// When the new pool fails while writing is ended, clients stay, even if loss is accepted.
func TestFenceWhilePoolFails(t *testing.T) {
	for _, acceptLoss := range []bool{false, true} {
		b := newTable(5 * time.Second)
		fenced(t, "", b, func(t *testing.T, s *stage) {
			s.moveFenced(api.SwitchRequest{AcceptLoss: acceptLoss})
			time.Sleep(time.Minute + 3*time.Second)
			s.phase(api.SwitchAwaitsMarks, "the mark of us is awaited in eu")
			s.health.fail("198.51.100.10")
			time.Sleep(10 * time.Second)
			s.phase(api.SwitchAborted, `pool "ams" is down`)
			s.expect(map[string]string{"app": "nyc normal 1m0s"})
			if !b.may("us") {
				t.Error("nobody can write")
			}
		})
	}
}

// Without hooks the marks are waited for nevertheless.
func TestFenceWithoutHooks(t *testing.T) {
	for _, delay := range []time.Duration{5 * time.Second, time.Hour} {
		b := newTable(delay)
		synctest.Test(t, func(t *testing.T) {
			s, end := open(t, "", threePools, b.replicate, func(set *zones.Set, _ *Options, _ *publish.Options) {
				g := set.Replications[0]
				g.StopWrites, g.AcceptWrites, g.ResumeWrites = nil, nil, nil
			})
			defer end()
			s.moveFenced(api.SwitchRequest{Wait: "10s"})
			time.Sleep(75 * time.Second)
			want := "lowering_ttl marking awaiting_marks accepting_writes watching"
			if delay == time.Hour {
				want = "lowering_ttl marking awaiting_marks resuming_writes"
			}
			shown, err := s.SwitchOf(t.Context(), app)
			if err != nil || phases(shown) != want || shown.Stopped != 0 || b.ran() != "" {
				t.Errorf("%s: %s, %+v; hooks %s", delay, phases(shown), shown, b.ran())
			}
		})
	}
}

// A person ends it in any stage before the answer has moved, and not afterwards.
func TestAbortOfAFence(t *testing.T) {
	for _, test := range []struct {
		at    time.Duration
		phase api.Phase
		meet  func(b *table)
		hooks string
	}{
		{30 * time.Second, api.SwitchLowersTTL, func(*table) {}, ""},
		{65 * time.Second, api.SwitchStopsWrites, func(b *table) { b.hangs[stopWrites] = true }, "stop_writes resume_writes"},
		{65 * time.Second, api.SwitchWritesMarks, func(b *table) { b.hangs["put us"] = true }, "stop_writes resume_writes"},
		{65 * time.Second, api.SwitchAwaitsMarks, func(b *table) { b.delay = time.Hour }, "stop_writes resume_writes"},
	} {
		b := newTable(0)
		test.meet(b)
		fenced(t, t.TempDir(), b, func(t *testing.T, s *stage) {
			s.moveFenced(api.SwitchRequest{})
			time.Sleep(test.at)
			s.phase(test.phase, "")
			if _, err := s.Abort(t.Context(), "ci (token)", app); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			s.expect(map[string]string{"app": "nyc normal 1m0s"})
			if b.ran() != test.hooks || len(s.book.Words().All()) > 0 || !b.may("us") {
				t.Errorf("%s: hooks %s, left %+v", test.phase, b.ran(), s.book.Words().All())
			}
		})
	}
	fenced(t, "", newTable(0), func(t *testing.T, s *stage) {
		s.moveFenced(api.SwitchRequest{})
		time.Sleep(2 * time.Minute)
		var problem *api.Problem
		if _, err := s.Abort(t.Context(), "x", app); !errors.As(err, &problem) || problem.Type != api.Conflict || !strings.Contains(problem.Detail, "gslb switch "+app+" --to nyc") {
			t.Errorf("got %v", err)
		}
	})
}

// While writing is ended, nothing takes the move away.
func TestWordsAgainstAFence(t *testing.T) {
	fenced(t, "", newTable(20*time.Second), func(t *testing.T, s *stage) {
		s.moveFenced(api.SwitchRequest{})
		time.Sleep(65 * time.Second)
		refused := func(what string, err error) {
			t.Helper()
			var problem *api.Problem
			if !errors.As(err, &problem) || problem.Type != api.Conflict || !strings.Contains(problem.Detail, "--abort") {
				t.Errorf("%s: got %v", what, err)
			}
		}
		_, err := s.Remove(t.Context(), "x", "pin/"+app, &api.RemoveRequest{})
		refused("unpin", err)
		_, err = s.Clear(t.Context(), "x", &api.RemoveRequest{})
		refused("clear", err)
		_, err = s.Put(t.Context(), "x", &api.OverrideRequest{Kind: "pin", Name: app, Pool: "nyc", Reason: "test"})
		refused("pin", err)
		_, err = s.Switch(t.Context(), "x", app, &api.SwitchRequest{To: "ams"})
		refused("switch", err)
		if _, err = s.Put(t.Context(), "x", &api.OverrideRequest{Kind: "drain", Pool: "sfo", Reason: "test"}); err != nil {
			t.Errorf("drain: %v", err)
		}
		time.Sleep(20 * time.Second)
		s.phase(api.SwitchWatches, "ams is answered")
	})
}

// A restart in any stage goes on with it, and an outage that is longer than the wait undoes it.
func TestFenceOverARestart(t *testing.T) {
	for _, test := range []struct {
		at, out time.Duration
		meet    func(b *table)
		phase   api.Phase // before
		moved   bool
	}{
		{30 * time.Second, time.Second, func(*table) {}, api.SwitchLowersTTL, true},
		{30 * time.Second, time.Hour, func(*table) {}, api.SwitchLowersTTL, true},
		{65 * time.Second, time.Second, func(b *table) { b.hangs[stopWrites] = true }, api.SwitchStopsWrites, true},
		{65 * time.Second, time.Second, func(b *table) { b.fails["put us"] = errors.New("broken") }, api.SwitchWritesMarks, true},
		{65 * time.Second, time.Hour, func(b *table) { b.fails["put us"] = errors.New("broken") }, api.SwitchWritesMarks, false},
		{65 * time.Second, time.Second, func(b *table) { b.delay = 20 * time.Second }, api.SwitchAwaitsMarks, true},
		{65 * time.Second, time.Hour, func(b *table) { b.delay = 20 * time.Second }, api.SwitchAwaitsMarks, false},
		{65 * time.Second, time.Hour, func(b *table) { b.hangs[acceptWrites] = true }, api.SwitchAcceptsWrites, true},
		{130 * time.Second, time.Hour, func(b *table) { b.delay, b.hangs[resumeWrites] = 24*time.Hour, true }, api.SwitchResumesWrites, false},
	} {
		b := newTable(0)
		test.meet(b)
		dir := t.TempDir()
		synctest.Test(t, func(t *testing.T) {
			s, end := open(t, dir, threePools, b.replicate)
			s.moveFenced(api.SwitchRequest{})
			time.Sleep(test.at)
			s.phase(test.phase, "")
			end()
			time.Sleep(test.out)
			b.set(func() { clear(b.hangs); clear(b.fails) })
			s, end = open(t, dir, threePools, b.replicate)
			defer end()
			time.Sleep(70 * time.Second)
			want := "nyc normal 1m0s"
			if test.moved {
				want = "ams pinned 1m0s"
			}
			if got := s.answered("app"); got != want {
				t.Errorf("%s, out for %s: it answers %s, want %s", test.phase, test.out, got, want)
			}
			if !b.may("us") && !b.may("eu") {
				t.Errorf("%s, out for %s: nobody can write", test.phase, test.out)
			}
		})
	}
}

// failingBook takes nothing, once its disk is broken.
type failingBook struct {
	Book
	broken *atomic.Bool
}

func (b failingBook) Advance(ctx context.Context, was, o *override.Override) error {
	if b.broken.Load() {
		return fmt.Errorf("%w: full", override.ErrDisk)
	}
	return b.Book.Advance(ctx, was, o)
}

func (b failingBook) Remove(ctx context.Context, ids []string, by, why string) ([]override.Override, error) {
	if b.broken.Load() {
		return nil, fmt.Errorf("%w: full", override.ErrDisk)
	}
	return b.Book.Remove(ctx, ids, by, why)
}

// A disk that breaks while writing is ended does not keep it so: the move is undone, and ends when that can be
// kept.
func TestFenceThatCannotBeKept(t *testing.T) {
	for _, at := range []time.Duration{30 * time.Second, 65 * time.Second} {
		b, broken := newTable(10*time.Second), new(atomic.Bool)
		synctest.Test(t, func(t *testing.T) {
			s, end := open(t, "", threePools, b.replicate, func(_ *zones.Set, o *Options, _ *publish.Options) { o.Book = failingBook{o.Book, broken} })
			defer end()
			s.moveFenced(api.SwitchRequest{})
			time.Sleep(at)
			broken.Store(true)
			time.Sleep(time.Minute)
			s.expect(map[string]string{"app": "nyc normal 5s"})
			if b.may("eu") || !b.may("us") {
				t.Errorf("broken after %s: hooks %s", at, b.ran())
			}
			broken.Store(false)
			time.Sleep(3 * time.Second)
			s.expect(map[string]string{"app": "nyc normal 1m0s"})
			s.phase(api.SwitchAborted, "full")
		})
	}
}

// The mark of a move before, and a clock that was set back, are not taken for what is awaited.
func TestFenceAgain(t *testing.T) {
	b := newTable(0)
	fenced(t, "", b, func(t *testing.T, s *stage) {
		b.set(func() { b.delay = 5 * time.Second })
		s.moveFenced(api.SwitchRequest{})
		time.Sleep(3 * time.Minute)
		if _, err := s.Clear(t.Context(), "x", &api.RemoveRequest{}); err != nil {
			t.Fatal(err)
		}
		s.clock.Store(int64(-time.Hour))
		b.set(func() { b.calls, b.allowed["us"] = nil, true })
		s.moveFenced(api.SwitchRequest{})
		time.Sleep(61500 * time.Millisecond)
		s.phase(api.SwitchAwaitsMarks, "")
		time.Sleep(time.Minute)
		if b.losses() != 0 || b.ran() != "stop_writes accept_writes" {
			t.Errorf("%d are lost; hooks %s", b.losses(), b.ran())
		}
	})
}

// A hook that cannot be run is told of before anything is begun.
func TestFenceWithABrokenHook(t *testing.T) {
	b := newTable(0)
	b.fails["check"] = errors.New("no such file")
	fenced(t, "", b, func(t *testing.T, s *stage) {
		var problem *api.Problem
		_, err := s.Switch(t.Context(), "x", app, &api.SwitchRequest{To: "ams"})
		if !errors.As(err, &problem) || problem.Detail != `hook stop_writes of replication "orders" cannot be run: no such file` || len(s.book.Words().All()) > 0 {
			t.Errorf("got %v", err)
		}
	})
}

// fakeCopies says of eu what a test wants, and that us is current.
type fakeCopies struct {
	changed chan struct{}

	mu sync.Mutex
	eu replication.State
}

func (c *fakeCopies) use(_ *zones.Set, _ *Options, o *publish.Options) { o.Copies = c }

func (c *fakeCopies) Changed() <-chan struct{} { return c.changed }

func (c *fakeCopies) Take() (*replication.View, []replication.Change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return replication.NewView(map[replication.Region]replication.State{{Group: "orders", Region: "eu"}: c.eu}), nil
}

func (c *fakeCopies) set(s replication.State) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.eu = s
	c.changed <- struct{}{}
}

// Nobody is moved to data that is behind, or was until lately, unless loss is accepted.
func TestSwitchToADegradedPool(t *testing.T) {
	b := newTable(0)
	synctest.Test(t, func(t *testing.T) {
		copies := &fakeCopies{changed: make(chan struct{}, 1)}
		s, end := open(t, "", strings.ReplaceAll(threePools, "names.app]", "names.app]\nfailback_after = \"1m\""), b.replicate, copies.use)
		defer end()
		refused := func(want string) {
			t.Helper()
			var problem *api.Problem
			_, err := s.Switch(t.Context(), "x", app, &api.SwitchRequest{To: "ams"})
			if !errors.As(err, &problem) || problem.Type != api.DataBehind || !strings.Contains(problem.Detail, want) || len(s.book.Words().All()) > 0 {
				t.Errorf("got %v, want %s", err, want)
			}
		}
		copies.set(replication.State{Condition: replication.Behind, Degraded: true, Why: "late"})
		synctest.Wait()
		refused("the data of pool \"ams\" is degraded")
		s.health.fail("203.0.113.10", "203.0.113.11")
		synctest.Wait()
		s.expect(map[string]string{"app": "ams normal 1m0s"}) // nothing else is left
		s.health.fail()
		time.Sleep(time.Minute)
		s.expect(map[string]string{"app": "ams normal 1m0s"})
		result, err := s.Failback(t.Context(), "x", app)
		if err != nil || !hasNote(result.Notes, "nyc is not returned to while clients would leave ams") || len(result.Changes) > 0 {
			t.Errorf("got %+v, %v", result, err)
		}
		s.put(api.OverrideRequest{Kind: "drain", Pool: "ams", Force: true})
		if _, err := s.Remove(t.Context(), "x", "drain/ams", &api.RemoveRequest{}); err != nil {
			t.Fatal(err)
		}
		s.expect(map[string]string{"app": "nyc normal 1m0s"})
		copies.set(replication.State{Condition: replication.Current, Good: time.Now()})
		synctest.Wait()
		refused("current for too short a time")
		time.Sleep(59 * time.Second)
		refused("current for too short a time")
		time.Sleep(time.Second)
		s.moveFenced(api.SwitchRequest{})
		time.Sleep(2 * time.Minute)
		s.expect(map[string]string{"app": "ams pinned 1m0s"})
	})
}

// A name that leaves no replicated region moves without a fence.
func TestSwitchWithoutAFence(t *testing.T) {
	fenced(t, "", newTable(0), func(t *testing.T, s *stage) {
		const shop = "shop.gslb.example.com"
		if _, err := s.Switch(t.Context(), "x", shop, &api.SwitchRequest{To: "sfo"}); err != nil {
			t.Fatal(err)
		}
		shown, err := s.SwitchOf(t.Context(), shop)
		if err != nil || shown.Replication != "" || len(shown.Steps) > 0 {
			t.Errorf("got %+v, %v", shown, err)
		}
		for _, r := range []api.SwitchRequest{{To: "nyc", Wait: "10s"}, {To: "nyc", AcceptLoss: true}} {
			var problem *api.Problem
			if _, err := s.Switch(t.Context(), "x", "www.gslb.example.com", &r); !errors.As(err, &problem) || problem.Type == "" {
				t.Errorf("got %v", err)
			}
		}
	})
}
