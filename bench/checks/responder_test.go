package checks

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestTargetAddr(t *testing.T) {
	for index, want := range map[int]string{0: "127.1.0.1", 254: "127.1.0.255", 255: "127.1.1.0", 9999: "127.1.39.16"} {
		if got := targetAddr(index); got != netip.MustParseAddr(want) {
			t.Errorf("targetAddr(%d) = %v, want %s", index, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		index := rapid.IntRange(0, maxTargets-1).Draw(t, "index")
		if got := targetIndex(targetAddr(index)); got != index {
			t.Errorf("targetIndex(targetAddr(%d)) = %d", index, got)
		}
	})
}

// startResponder runs a responder on all targets and returns how to reach it.
func startResponder(t *testing.T) *targets {
	t.Helper()
	listener, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	var r responder
	control := httptest.NewServer(r.control())
	accepting := make(chan struct{})
	go func() {
		defer close(accepting)
		r.accept(listener)
	}()
	t.Cleanup(func() {
		listener.Close()
		<-accepting
		control.Close()
	})
	return &targets{port: uint16(listener.Addr().(*net.TCPAddr).Port), control: control.URL}
}

// request sends a request to a target, in two pieces, and returns what comes back.
func request(ctx context.Context, to netip.AddrPort) (string, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", to.String())
	if err != nil {
		return "", err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	for _, piece := range []string{"GET /health HTTP/1.1\r\nHost: app.exa", "mple.com\r\n\r\n"} {
		if _, err := io.WriteString(conn, piece); err != nil {
			return "", err
		}
	}
	text, err := io.ReadAll(conn)
	return string(text), err
}

func TestResponder(t *testing.T) {
	ctx := t.Context()
	targets := startResponder(t)
	if err := targets.hang(ctx, 1); err != nil {
		t.Fatal(err)
	}

	text, err := request(ctx, netip.AddrPortFrom(targetAddr(1), targets.port))
	if err != nil || !strings.HasPrefix(text, "HTTP/1.1 200 OK\r\n") {
		t.Errorf("a healthy target says %q, %v", text, err)
	}
	soon, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	if text, err := request(soon, netip.AddrPortFrom(targetAddr(0), targets.port)); text != "" || err == nil {
		t.Errorf("a hung target says %q, %v", text, err)
	}
	if accepted, err := targets.accepted(ctx); accepted != 2 || err != nil {
		t.Errorf("accepted = %d, %v, want 2", accepted, err)
	}

	if err := targets.hang(ctx, 0); err != nil {
		t.Fatal(err)
	}
	if text, err := request(ctx, netip.AddrPortFrom(targetAddr(0), targets.port)); text == "" || err != nil {
		t.Errorf("a target that hangs no more says %q, %v", text, err)
	}
}

func TestLook(t *testing.T) {
	series := map[string]float64{
		"gslb_health_probes_in_flight": 7, "go_goroutines": 20, "process_resident_memory_bytes": 1 << 20,
		`gslb_health_probe_duration_seconds_count{check="web"}`: 99,
	}
	for index, s := range []struct{ status, age float64 }{{0, 6}, {1, 5}, {1, 4}, {0, 1}} {
		labels := fmt.Sprintf(`{check="web",target="web@%v"}`, targetAddr(index))
		series["gslb_health_target_status"+labels] = s.status
		series["gslb_health_target_age_seconds"+labels] = s.age
	}
	w := wellbeing{healthy: group{size: 2, right: 2}, hung: group{size: 2, right: 2}}
	if err := w.look(series, 2); err != nil {
		t.Fatal(err)
	}
	want := wellbeing{
		inFlight: 7, goroutines: 20, resident: 1 << 20,
		healthy: group{size: 2, right: 1, oldest: 4},
		hung:    group{size: 2, right: 1, oldest: 6},
	}
	if w != want {
		t.Errorf("look: %+v, want %+v", w, want)
	}
}
