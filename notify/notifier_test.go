package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"gslb/incident"
	"gslb/zones"
)

// world is a Notifier whose messages go to a transport of the test.
type world struct {
	t    *testing.T
	dir  string
	log  bytes.Buffer
	host *host

	mu   sync.Mutex
	open []incident.Incident

	notifier *Notifier
	metrics  *prometheus.Registry
	stop     context.CancelFunc
	ended    chan error
}

// host takes the messages of all targets.
type host struct {
	mu    sync.Mutex
	down  bool
	hangs bool
	got   []string // "/path what subject"
}

func (h *host) RoundTrip(r *http.Request) (*http.Response, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.hangs {
		h.mu.Unlock()
		<-r.Context().Done()
		h.mu.Lock()
		return nil, r.Context().Err()
	}
	if h.down {
		return nil, errors.New("dial " + r.URL.String() + ": connection refused")
	}
	var d Document
	if err := json.NewDecoder(r.Body).Decode(&d); err != nil {
		return nil, err
	}
	h.got = append(h.got, fmt.Sprintf("%s %s %s", strings.TrimPrefix(r.URL.Path, "/"), d.What, d.Incident.Subject))
	return &http.Response{StatusCode: 204, Body: io.NopCloser(strings.NewReader(""))}, nil
}

func (h *host) set(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
}

func hook(name string) zones.NotifyTarget {
	return zones.NotifyTarget{
		Name: name, Type: zones.NotifyWebhook, URL: zones.Secret("http://hunter2/" + name), Key: "0123456789abcdef", Resolved: true, GroupWait: 5 * time.Second, Rate: 60, Location: time.UTC,
	}
}

func newWorld(t *testing.T) *world { return &world{t: t, dir: t.TempDir(), host: &host{}} }

// start begins a run with targets of these names.
func (w *world) start(targets ...zones.NotifyTarget) {
	w.t.Helper()
	w.metrics = prometheus.NewPedanticRegistry()
	var err error
	w.notifier, err = New(Options{
		Settings: zones.Notify{Targets: targets}, Dir: w.dir, Host: "ns1", Registerer: w.metrics,
		Logger: slog.New(slog.NewTextHandler(&w.log, nil)), transport: w.host,
		Incidents: func() []incident.Incident {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.open
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(w.t.Context())
	w.stop, w.ended = stop, make(chan error, 1)
	go func() { w.ended <- w.notifier.Run(ctx) }()
	synctest.Wait()
}

func (w *world) end() {
	w.t.Helper()
	w.stop()
	if err := <-w.ended; err != nil {
		w.t.Error(err)
	}
}

// now makes an incident the last state of its ID.
func (w *world) now(what incident.What, i incident.Incident) {
	w.mu.Lock()
	var others []incident.Incident
	for _, o := range w.open {
		if o.ID != i.ID {
			others = append(others, o)
		}
	}
	if what != incident.Ended {
		others = append(others, i)
	}
	w.open = others
	w.mu.Unlock()
	w.notifier.Notice([]incident.Change{{What: what, Incident: i}})
}

// told compares what was sent since the last time, after some time.
func (w *world) told(after time.Duration, want ...string) {
	w.t.Helper()
	time.Sleep(after)
	synctest.Wait()
	var got []string
	w.host.set(func() { got, w.host.got = w.host.got, nil })
	if len(w.notifier.workers) > 1 {
		slices.Sort(got) // targets are told independently
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		w.t.Errorf("told: %q, want %q", got, want)
	}
}

func inBubble(t *testing.T, f func(w *world)) {
	synctest.Test(t, func(t *testing.T) { f(newWorld(t)) })
}

func TestNotifier(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(hook("a"), hook("b"))
		nyc := incident.Incident{ID: "1", Kind: incident.PoolDown, Subject: "nyc", Since: time.Now()}
		w.now(incident.Began, nyc)
		w.told(time.Second)
		w.told(5*time.Second, "a began nyc", "b began nyc")
		w.now(incident.Ended, over(nyc, time.Now()))
		w.told(6*time.Second, "a ended nyc", "b ended nyc")
		w.told(time.Hour)
		w.end()
		if strings.Contains(w.log.String(), "hunter2") {
			t.Errorf("the log has a secret:\n%s", &w.log)
		}
	})
}

// Nothing is lost by a restart, and nothing is said twice.
func TestRestart(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(hook("a"))
		nyc := incident.Incident{ID: "1", Kind: incident.PoolDown, Subject: "nyc", Since: time.Now()}
		ams := incident.Incident{ID: "2", Kind: incident.PoolDown, Subject: "ams", Since: time.Now()}
		sfo := incident.Incident{ID: "3", Kind: incident.PoolDown, Subject: "sfo", Since: time.Now()}
		w.now(incident.Began, nyc)
		w.now(incident.Began, ams)
		w.told(10*time.Second, "a began nyc", "a began ams")
		w.now(incident.Began, sfo)
		w.end() // before it is said
		w.told(0)
		time.Sleep(time.Hour)
		// Meanwhile nyc has recovered, and nobody has seen it.
		w.open = []incident.Incident{ams, sfo}
		w.start(hook("a"))
		w.told(10*time.Second, "a began sfo", "a ended nyc")
		w.told(time.Hour)
		w.end()
	})
}

// A target that can't be reached is told what matters when it can be, the others at once.
func TestTargetIsUnreachable(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(hook("a"))
		w.host.down = true
		nyc := incident.Incident{ID: "1", Kind: incident.PoolDown, Subject: "nyc", Since: time.Now()}
		w.now(incident.Began, nyc)
		w.told(time.Minute)
		r := w.notifier.Reports()[0]
		if !r.Broken(time.Now()) || r.Why != "connection refused" || r.Waiting != 1 || r.Name != "a" || r.Kind != "webhook" {
			t.Errorf("%+v", r)
		}
		if n := testutil.CollectAndCount(w.metrics); n != 5 {
			t.Errorf("%d metrics", n)
		}
		w.now(incident.Ended, over(nyc, time.Now()))
		w.told(time.Hour)
		if tries := w.notifier.Reports()[0].Failed; tries > 25 {
			t.Errorf("it was tried %d times in an hour", tries)
		}
		w.host.set(func() { w.host.down = false })
		w.told(5*time.Minute, "a was nyc")
		if r := w.notifier.Reports()[0]; r.Broken(time.Now()) || r.Why != "" || r.Waiting != 0 || r.Sent != 1 {
			t.Errorf("%+v", r)
		}
		w.end()
		if got := strings.Count(w.log.String(), "was not taken"); got != 1 || !strings.Contains(w.log.String(), "arrive again") {
			t.Errorf("the log:\n%s", &w.log)
		}
	})
}

// A target that takes connections and says nothing holds up nobody, not even the end.
func TestTargetHangs(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(hook("a"))
		w.host.hangs = true
		w.now(incident.Began, incident.Incident{ID: "1", Kind: incident.PoolDown, Subject: "nyc", Since: time.Now()})
		w.told(time.Minute)
		begun := time.Now()
		w.now(incident.Began, incident.Incident{ID: "2", Kind: incident.PoolDown, Subject: "ams", Since: time.Now()})
		if time.Since(begun) > 0 {
			t.Error("Notice has waited")
		}
		w.told(7 * time.Second)
		w.end()
		if took := time.Since(begun); took > 7*time.Second+2*endGrace {
			t.Errorf("the end took %s", took)
		}
		w.host.hangs = false
		w.start(hook("a"))
		w.told(time.Minute, "a began nyc", "a began ams")
		w.end()
	})
}

// A change that got lost is found, and a target that is new is told what is open.
func TestLook(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(hook("a"))
		w.mu.Lock()
		w.open = []incident.Incident{{ID: "1", Kind: incident.PoolDown, Subject: "nyc", Since: time.Now()}}
		w.mu.Unlock()
		w.told(lookEvery+6*time.Second, "a began nyc")
		if err := w.notifier.Use(zones.Notify{Targets: []zones.NotifyTarget{hook("a"), hook("b")}}); err != nil {
			t.Fatal(err)
		}
		w.told(6*time.Second, "b began nyc")
		// Another URL of the same target changes nothing of what it was told; one that is gone is told nothing.
		moved := hook("a")
		moved.URL = "http://hunter2/moved"
		if err := w.notifier.Use(zones.Notify{Targets: []zones.NotifyTarget{moved}}); err != nil {
			t.Fatal(err)
		}
		w.now(incident.Ended, over(w.open[0], time.Now()))
		w.told(6*time.Second, "moved ended nyc")
		w.end()
	})
}

// A run that ends before the disk has responded leaves what the run before has written.
func TestEndBeforeItIsRead(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(hook("a"))
		w.now(incident.Began, incident.Incident{ID: "1", Kind: incident.PoolDown, Subject: "nyc", Since: time.Now()})
		w.told(10*time.Second, "a began nyc")
		w.end()
		ctx, stop := context.WithCancel(w.t.Context())
		stop()
		for range 20 { // whichever of the two comes first
			n, err := New(Options{Settings: w.notifier.settings, Dir: w.dir, Registerer: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler), transport: w.host, Incidents: w.notifier.options.Incidents})
			if err != nil {
				t.Fatal(err)
			}
			if err := n.Run(ctx); err != nil {
				t.Fatal(err)
			}
		}
		w.start(hook("a"))
		w.told(time.Minute)
		w.end()
	})
}

// What would not be read again is not written in place of what can be.
func TestSpoolIsBounded(t *testing.T) {
	s := newSpool(t.TempDir(), nil)
	if err := s.save([]byte(`{"version":1}`)); err != nil {
		t.Fatal(err)
	}
	if err := s.save(make([]byte, largestSpool+1)); err == nil {
		t.Error("it was written")
	}
	if _, err := s.load(); err != nil {
		t.Errorf("what was there: %v", err)
	}
}

// What somebody removes while the server runs is there again soon, and what a crash has left is not.
func TestSpoolIsRemoved(t *testing.T) {
	inBubble(t, func(w *world) {
		if err := os.WriteFile(filepath.Join(w.dir, spoolName+".123"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		w.start(hook("a"))
		w.now(incident.Began, incident.Incident{ID: "1", Kind: incident.PoolDown, Subject: "nyc", Since: time.Now()})
		w.told(10*time.Second, "a began nyc")
		if err := os.RemoveAll(w.dir); err != nil {
			t.Fatal(err)
		}
		w.told(2 * lookEvery)
		all, err := os.ReadDir(w.dir)
		if err != nil || len(all) != 1 || all[0].Name() != spoolName {
			t.Errorf("there is %v, %v", all, err)
		}
		w.end()
	})
}

// A spool that can't be written is known while that is so, and written as soon as it can be, though nothing new is told.
func TestSpoolFails(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(hook("a"))
		refused := errors.New("another process has it")
		var held atomic.Bool
		held.Store(true)
		w.notifier.spool.hold = func() error { // nothing is written before something is told
			if held.Load() {
				return refused
			}
			return nil
		}
		w.now(incident.Began, incident.Incident{ID: "1", Kind: incident.PoolDown, Subject: "nyc", Since: time.Now()})
		w.told(10*time.Second, "a began nyc")
		if err := w.notifier.Err(); !errors.Is(err, refused) {
			t.Errorf("it fails by %v, want %v", err, refused)
		}
		held.Store(false)
		time.Sleep(2 * lookEvery)
		synctest.Wait()
		if err := w.notifier.Err(); err != nil {
			t.Errorf("it is not written again: %v", err)
		}
		w.end()
	})
}

// A spool that can't be used is set aside, and what is open is told again.
func TestDamagedSpool(t *testing.T) {
	for _, content := range []string{"", "{", `{"version":2}`, `{"version":1,"targets":{"a":{"1":null}}}`, `{"version":1,"targets":{"a":{"1":{"incident":{"id":"2"}}}}}`} {
		inBubble(t, func(w *world) {
			path := filepath.Join(w.dir, spoolName)
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			w.open = []incident.Incident{{ID: "1", Kind: incident.PoolDown, Subject: "nyc", Since: time.Now()}}
			w.start(hook("a"))
			w.told(6*time.Second, "a began nyc")
			w.end()
			if kept, err := os.ReadFile(path + ".damaged"); err != nil || string(kept) != content {
				t.Errorf("%q: %v", kept, err)
			}
			if !strings.Contains(w.log.String(), "can't be used, and is kept as "+path+".damaged: ") {
				t.Errorf("the log:\n%s", &w.log)
			}
		})
	}
	// A null for a target is as good as nothing.
	inBubble(t, func(w *world) {
		if err := os.WriteFile(filepath.Join(w.dir, spoolName), []byte(`{"version":1,"targets":{"a":null}}`), 0o600); err != nil {
			t.Fatal(err)
		}
		w.start(hook("a"))
		w.now(incident.Began, incident.Incident{ID: "1", Kind: incident.PoolDown, Subject: "nyc", Since: time.Now()})
		w.told(6*time.Second, "a began nyc")
		w.end()
	})
}

func TestTrial(t *testing.T) {
	server := receive(t, nil)
	good, bad := hook("good"), hook("bad")
	good.URL, bad.URL = zones.Secret(server.URL), "http://127.0.0.1:1/hunter2"
	settings := zones.Notify{Targets: []zones.NotifyTarget{bad, good}}
	results, err := Test(t.Context(), settings, "", "ns1")
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != 2 || results[0].Err == nil || strings.Contains(results[0].Err.Error(), "hunter2") || results[1] != (Tried{Name: "good", Kind: "webhook"}) {
		t.Errorf("%+v", results)
	}
	if body := <-server.bodies; !strings.Contains(string(body), "This is a test") {
		t.Errorf("%s", body)
	}
	if results, err := Test(t.Context(), settings, "none", "ns1"); err != nil || len(results) != 0 {
		t.Errorf("%+v, %v", results, err)
	}
}
