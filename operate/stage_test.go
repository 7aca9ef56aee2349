package operate

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gslb/admin/api"
	"gslb/health"
	"gslb/journal"
	"gslb/override"
	"gslb/publish"
	"gslb/steer"
	"gslb/zones"
	"gslb/zones/config"
)

const threePools = `
[server]
listen = ["127.0.0.1:0"]
[checks.web]
type = "tcp"
address = "{address}:80"
[pools.ams]
members = ["198.51.100.10"]
checks = ["web"]
[pools.nyc]
members = ["203.0.113.10", "203.0.113.11"]
checks = ["web"]
[pools.sfo]
members = ["192.0.2.10"]
checks = ["web"]
[zones."gslb.example.com"]
nameservers = { ns1 = ["192.0.2.53"] }
ttl = "60s"
[zones."gslb.example.com".names.app]
pools = ["nyc", "ams"]
[zones."gslb.example.com".names.api]
pools = ["nyc", "ams"]
[zones."gslb.example.com".names.www]
pools = ["ams"]
[zones."gslb.example.com".names.shop]
policy = "weighted"
pools = ["nyc", "sfo"]
weights = { nyc = 3, sfo = 1 }
`

// fakeHealth has the targets up that a test has not turned down.
type fakeHealth struct {
	changed chan struct{}

	mu   sync.Mutex
	set  *zones.Set
	down map[string]bool // addresses
	last *health.Snapshot
}

func (f *fakeHealth) Changed() <-chan struct{} { return f.changed }

func (f *fakeHealth) Take() (*health.Snapshot, []health.Transition) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.last == nil {
		states := make(map[health.TargetID]health.State)
		for _, t := range f.set.Targets {
			states[t.ID] = health.State{Status: health.Up}
			if f.down[strings.TrimPrefix(string(t.ID), "web@")] {
				states[t.ID] = health.State{Status: health.Down, Cause: health.Result{Verdict: health.Fail, Reason: "timeout"}}
			}
		}
		f.last = health.NewSnapshot(time.Now(), states)
	}
	return f.last, nil
}

// fail turns addresses down, and the others up.
func (f *fakeHealth) fail(addresses ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last, f.down = nil, make(map[string]bool)
	for _, a := range addresses {
		f.down[a] = true
	}
	f.changed <- struct{}{}
}

// stage is a server without sockets.
type stage struct {
	*Operator
	t         testing.TB
	book      *override.Book
	publisher *publish.Publisher
	health    *fakeHealth
	clock     *atomic.Int64 // by how much it was set

	mu   sync.Mutex
	told []journal.Event
}

// perform plays on a stage whose overrides are kept in a folder, or in memory.
func perform(t *testing.T, dir, text string, play func(t *testing.T, s *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s, end := open(t, dir, text)
		defer end()
		play(t, s)
	})
}

func parse(t testing.TB, text string) *zones.Set {
	t.Helper()
	set, err := config.Parse([]byte(text), "zones.toml", config.LoadOptions{Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func open(t testing.TB, dir, text string, with ...func(*zones.Set, *Options, *publish.Options)) (*stage, func()) {
	set := parse(t, text)
	logger := slog.New(slog.DiscardHandler)
	s := &stage{t: t, clock: new(atomic.Int64), health: &fakeHealth{changed: make(chan struct{}, 1), set: set}}
	now := func() time.Time { return time.Now().Add(time.Duration(s.clock.Load())) }
	s.book = override.Open(override.Options{Dir: dir, Now: now, Logger: logger, Registerer: prometheus.NewRegistry()})
	published := publish.Options{Health: s.health, Words: s.book, Logger: logger, Registerer: prometheus.NewRegistry()}
	options := Options{Book: s.book, Now: now, Logger: logger, Tell: func(events ...journal.Event) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.told = append(s.told, events...)
	}}
	for _, w := range with {
		w(set, &options, &published)
	}
	s.publisher = publish.New(published)
	options.Publisher = s.publisher
	s.Operator = New(options)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, run := range []func(context.Context) error{s.book.Run, s.publisher.Run, s.Operator.Run} {
		running.Go(func() { _ = run(ctx) })
	}
	if err := s.publisher.Use(ctx, set); err != nil {
		t.Fatal(err)
	}
	return s, func() { cancel(); running.Wait() }
}

// answered is what a name answers: "nyc normal 60s".
func (s *stage) answered(name string) string {
	s.t.Helper()
	n := s.publisher.Table().Set().Name(name + ".gslb.example.com.")
	if n == nil {
		s.t.Fatalf("there is no %s", name)
	}
	d := s.publisher.Table().DecisionsOf(n)[0]
	return d.Described() + " " + string(d.Mode) + " " + d.TTL.String()
}

func (s *stage) expect(want map[string]string) {
	s.t.Helper()
	for name, want := range want {
		if got := s.answered(name); got != want {
			s.t.Errorf("%s answers %q, want %q", name, got, want)
		}
	}
}

// put makes an override, for an hour unless the request says otherwise.
func (s *stage) put(r api.OverrideRequest) *api.OverrideResult {
	s.t.Helper()
	if r.Reason == "" {
		r.Reason = "test"
	}
	if r.For == "" {
		r.For = "1h"
	}
	result, err := s.Put(context.Background(), "root (socket)", &r)
	if err != nil {
		s.t.Fatalf("%+v: %v", r, err)
	}
	return result
}

// refused makes an override that must be refused.
func (s *stage) refused(r api.OverrideRequest, kind string) *api.Problem {
	s.t.Helper()
	if r.Reason == "" {
		r.Reason = "test"
	}
	before := s.book.Words()
	_, err := s.Put(context.Background(), "root (socket)", &r)
	problem, _ := err.(*api.Problem)
	if problem == nil || problem.Type != kind {
		s.t.Fatalf("%+v: got %v, want a problem of type %s", r, err, kind)
	}
	if s.book.Words() != before {
		s.t.Errorf("%+v: refused, and kept", r)
	}
	return problem
}

// changes is a list of changes as text, in order: "api,app nyc→ams".
func changes(list []api.Change) string {
	var texts []string
	for _, c := range list {
		text := short(c.Names) + " " + c.From + "→" + c.To
		if c.ToMode != steer.Normal {
			text += " " + string(c.ToMode)
		}
		if c.LeavesNothing {
			text += " (nothing left)"
		}
		texts = append(texts, text)
	}
	slices.Sort(texts)
	return strings.Join(texts, "; ")
}

func answers(list []api.Answer) string {
	var texts []string
	for _, a := range list {
		texts = append(texts, short(a.Names)+" "+a.Pool+" "+string(a.Mode))
	}
	slices.Sort(texts)
	return strings.Join(texts, "; ")
}

func short(names []string) string {
	return strings.ReplaceAll(strings.Join(names, ","), ".gslb.example.com.", "")
}

func hasNote(notes []string, text string) bool {
	return slices.ContainsFunc(notes, func(n string) bool { return strings.Contains(n, text) })
}
