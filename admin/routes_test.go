package admin

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

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
