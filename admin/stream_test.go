package admin

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gslb/journal"
)

// streamWriter is a client of a stream that reads at once.
type streamWriter struct {
	header http.Header

	mu   sync.Mutex
	text strings.Builder
}

func (s *streamWriter) Header() http.Header { return s.header }
func (s *streamWriter) WriteHeader(int)     {}
func (s *streamWriter) Flush()              {}

func (s *streamWriter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

// take is what has come since the last take.
func (s *streamWriter) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := s.text.String()
	s.text.Reset()
	return text
}

// open begins a stream, in a bubble of synctest. Its client has received what take returns after
// synctest.Wait.
func open(t *testing.T, s *Server, path string, headers ...string) (client *streamWriter, ended <-chan struct{}, leave func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	client = &streamWriter{header: http.Header{}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.routes().ServeHTTP(client, r)
	}()
	synctest.Wait()
	return client, done, cancel
}

func numbered(ids ...uint64) []Event {
	return transform(ids, func(id uint64) Event { return Event{ID: id, Kind: journal.Pool, Subject: fmt.Sprint("p", id)} })
}

// idsOf is the IDs in a part of a stream; "missed" for such an event, and "beat" for a sign of life.
func idsOf(text string) string {
	var ids []string
	for line := range strings.Lines(text) {
		switch line = strings.TrimSuffix(line, "\n"); {
		case line == "event: missed":
			ids = append(ids, "missed")
		case strings.HasPrefix(line, ":"):
			ids = append(ids, "beat")
		case strings.HasPrefix(line, "id: "):
			ids = append(ids, line[4:])
		}
	}
	return strings.Join(ids, " ")
}

// TestStream: a reader is sent what is new, at once; one that comes back what it has not got yet.
func TestStream(t *testing.T) {
	tests := []struct {
		name, path string
		headers    []string
		want       string // at once
		then       string // of events 40 and 50
	}{
		{"from now on", "events/stream", nil, "", "40 50"},
		{"by the header Accept", "events", []string{"Accept", "text/event-stream"}, "", "40 50"},
		{"after an event", "events/stream", []string{"Last-Event-ID", "10"}, "20 30", "40 50"},
		{"after an event, as a parameter", "events/stream?after=20", nil, "30", "40 50"},
		{"the header is newer than the parameter", "events/stream?after=10", []string{"Last-Event-ID", "30"}, "", "40 50"},
		{"after one that is forgotten", "events/stream?after=5", nil, "missed 10 20 30", "40 50"},
		{"everything", "events/stream?after=0", nil, "10 20 30", "40 50"},
		{"after one of a run whose clock was ahead", "events/stream?after=45", nil, "missed 10 20 30", "40 50"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, _ := newWorld(time.Now()).server()
				s.Record(numbered(10, 20, 30))
				client, ended, leave := open(t, s, v1+tt.path, tt.headers...)
				text := client.take()
				if got := idsOf(text); got != tt.want || !strings.HasPrefix(text, "retry: 3000\n\n") {
					t.Errorf("at once %q, want %q, in\n%s", got, tt.want, text)
				}
				if got := client.header.Get("Content-Type"); got != "text/event-stream" {
					t.Errorf("Content-Type %q", got)
				}
				s.Record(numbered(40, 50))
				synctest.Wait()
				text = client.take()
				if got := idsOf(text); got != tt.then {
					t.Errorf("then %q, want %q", got, tt.then)
				}
				if !strings.Contains(text, "id: 50\ndata: {\"id\":50,") || !strings.HasSuffix(text, "}\n\n") {
					t.Errorf("an event is sent as\n%s", text)
				}
				time.Sleep(heartbeat)
				synctest.Wait()
				if got := idsOf(client.take()); got != "beat" {
					t.Errorf("after %v of silence: %q", heartbeat, got)
				}
				leave()
				<-ended
			})
		})
	}
}

// TestStreamOfMany: a burst that is larger than what is remembered is told as what it is.
func TestStreamOfMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newWorld(time.Now()).server()
		s.Record(numbered(1))
		client, ended, leave := open(t, s, v1+"events/stream")
		client.take()
		var many []uint64
		for id := range uint64(eventsKept + 100) {
			many = append(many, id+2)
		}
		s.Record(numbered(many...))
		synctest.Wait()
		got := strings.Fields(idsOf(client.take()))
		if len(got) != eventsKept+1 || got[0] != "missed" || got[1] != "102" || got[eventsKept] != fmt.Sprint(eventsKept+101) {
			t.Errorf("%d events, the first %q", len(got), got[:min(3, len(got))])
		}
		leave()
		<-ended
	})
}

// TestStreamEndsWithTheServer: a stream does not hold up the end, and a reader that does not read is
// cut off.
func TestStreamEndsWithTheServer(t *testing.T) {
	w := newWorld(time.Now())
	w.publish(time.Now())
	s, _ := w.server()
	l := listen(t)
	s.tcp = newLimitedListener(l, connections)
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- s.Run(ctx) }()

	response, err := http.Get("http://" + l.Addr().String() + v1 + "events/stream?after=0")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	s.Record(numbered(7))
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "id: 7") {
	}
	begun := time.Now()
	cancel()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if took := time.Since(begun); took >= stopTimeout {
		t.Errorf("the end took %v", took)
	}
	for lines.Scan() {
	}
}
