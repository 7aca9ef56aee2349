package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"gslb/answer"
	"gslb/health"
	"gslb/zones"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(askAsAnother); path != "" {
		askOnce(path)
		return
	}
	goleak.VerifyTestMain(m)
}

// listen binds a free port of the loopback.
func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// fetch asks a running server with a connection of its own.
func fetch(url string) (string, error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	response, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

// TestRunFinishesWhatItBegan stops the server in the middle of a request: the request is
// answered, the port is given back, and no goroutine is left.
func TestRunFinishesWhatItBegan(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	w := newWorld(time.Now())
	w.publish(time.Now())
	registry := prometheus.NewRegistry()
	l := listen(t)
	s := New(Options{
		Listener: l,
		Table:    func() *answer.Table { return w.table },
		Reports:  func() []health.Report { return nil },
		Readiness: func() []string {
			close(entered)
			<-release
			return nil
		},
		ConfigStatus: func() ConfigStatus { return ConfigStatus{} },
		Settings:     func() *zones.Admin { return &zones.Admin{} },
		Gatherer:     registry, Registerer: registry,
		Logger: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- s.Run(ctx) }()

	type result struct {
		body string
		err  error
	}
	answered := make(chan result, 1)
	go func() {
		body, err := fetch(fmt.Sprintf("http://%s/readyz", l.Addr()))
		answered <- result{body, err}
	}()
	<-entered
	cancel()
	close(release)
	if got := <-answered; got.err != nil || got.body != "ready\n" {
		t.Errorf("the request under way got %q, error %v", got.body, got.err)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Run returned %v, want nil after its context ended", err)
	}
	if conn, err := net.Dial("tcp", l.Addr().String()); err == nil {
		conn.Close()
		t.Error("the port still accepts after Run has returned")
	}
}

func TestRunReportsALostListener(t *testing.T) {
	w := newWorld(time.Now())
	s, _ := w.server()
	l := listen(t)
	s.tcp = newLimitedListener(l, connections)
	l.Close()
	if err := s.Run(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Run returned %v, want an error that wraps net.ErrClosed", err)
	}
}

// TestConcurrentUse reads everything while events come in; the race detector judges.
func TestConcurrentUse(t *testing.T) {
	w, events := failedOver(time.Now())
	s, _ := w.server()
	var group sync.WaitGroup
	group.Go(func() {
		for range 50 {
			record(s, events)
		}
	})
	for _, path := range []string{"/", "/api/status", "/metrics", "/readyz"} {
		group.Go(func() {
			for range 10 {
				if got := do(t, s, http.MethodGet, path).Code; got != http.StatusOK {
					t.Errorf("GET %s: status %d", path, got)
				}
			}
		})
	}
	group.Wait()
}

func TestProbeEndpoints(t *testing.T) {
	now := time.Now()
	published := func(w *world) { w.publish(now) }
	tests := []struct {
		name     string
		path     string
		prepare  func(*world)
		wantCode int
		want     string
	}{
		{"alive before anything is served", "/healthz", func(*world) {}, 200, "ok\n"},
		{"alive whatever becomes of the regions", "/healthz", func(w *world) {
			for _, r := range w.reports {
				w.fail(r.Target.ID, now, "timeout", "")
			}
			w.publish(now)
		}, 200, "ok\n"},
		{"ready", "/readyz", published, 200, "ready\n"},
		{"ready whatever becomes of the regions", "/readyz", func(w *world) {
			for _, r := range w.reports {
				w.fail(r.Target.ID, now, "timeout", "")
			}
			w.publish(now)
		}, 200, "ready\n"},
		{"ready, told more", "/readyz?verbose", published, 200, "ready\n"},
		{"ready, with overrides that are not in force", "/readyz?verbose", func(w *world) {
			w.publish(now)
			w.notes = []string{"overrides of an earlier run are not in force"}
		}, 200, "ready\noverrides of an earlier run are not in force\n"},
		{"ready, and not asked for more", "/readyz", func(w *world) {
			w.publish(now)
			w.notes = []string{"overrides of an earlier run are not in force"}
		}, 200, "ready\n"},
		{"nothing is published", "/readyz", func(*world) {}, 503, "waiting for the first answers to be published\n"},
		{"published, but something is missing", "/readyz", func(w *world) {
			w.publish(now)
			w.waiting = []string{"waiting for the first verdict of web@203.0.113.10", "waiting for the first verdict of table@us-east-1"}
		}, 503, "waiting for the first verdict of web@203.0.113.10\nwaiting for the first verdict of table@us-east-1\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(now)
			tt.prepare(w)
			s, _ := w.server()
			got := get(t, s, tt.path)
			if got.Code != tt.wantCode {
				t.Errorf("status %d, want %d", got.Code, tt.wantCode)
			}
			if diff := cmp.Diff(tt.want, got.Body.String()); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
			if got := got.Header().Get("Content-Type"); got != "text/plain; charset=utf-8" {
				t.Errorf("Content-Type %q", got)
			}
		})
	}
}

func TestMethodsAndPaths(t *testing.T) {
	w := newWorld(time.Now())
	w.publish(time.Now())
	s, _ := w.server()
	for _, path := range []string{"/", "/api/status", "/metrics", "/healthz", "/readyz", "/assets/page.css", "/assets/page.js"} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			if got := do(t, s, method, path); got.Code != http.StatusOK {
				t.Errorf("%s %s: status %d, want 200", method, path, got.Code)
			}
		}
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions} {
			got := do(t, s, method, path)
			if got.Code != http.StatusMethodNotAllowed {
				t.Errorf("%s %s: status %d, want 405", method, path, got.Code)
			}
			if allow := got.Header().Get("Allow"); allow != "GET, HEAD" {
				t.Errorf("%s %s: Allow %q, want GET, HEAD", method, path, allow)
			}
		}
	}
	for _, path := range []string{"/nothing", "/api", "/api/status/x", "/assets/", "/assets/page.html", "/debug/pprof/"} {
		if got := get(t, s, path); got.Code != http.StatusNotFound {
			t.Errorf("GET %s: status %d, want 404", path, got.Code)
		}
	}
}

func TestSecurityHeaders(t *testing.T) {
	w := newWorld(time.Now())
	s, _ := w.server()
	for _, path := range []string{"/", "/api/status", "/metrics", "/readyz", "/assets/page.js", "/nothing"} {
		h := get(t, s, path).Header()
		want := map[string]string{
			"X-Content-Type-Options": "nosniff",
			"X-Frame-Options":        "DENY",
			"Referrer-Policy":        "no-referrer",
			"Cache-Control":          "no-store",
		}
		for key, value := range want {
			if h.Get(key) != value {
				t.Errorf("%s: %s is %q, want %q", path, key, h.Get(key), value)
			}
		}
		policy := h.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none';") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: Content-Security-Policy %q", path, policy)
		}
	}
}
