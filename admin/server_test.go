package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"gslb/answer"
	"gslb/health"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
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
		Hosts:        func() []string { return nil },
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
	s.options.Listener = listen(t)
	s.listener = newLimitedListener(s.options.Listener)
	s.options.Listener.Close()
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
			s.Record(events)
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
