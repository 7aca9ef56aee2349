package admin

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestHostAllowed(t *testing.T) {
	listen, hosts := netip.MustParseAddr("192.0.2.1"), []string{"gslb.internal.example", "2001:db8::1"}
	tests := map[string]bool{
		"":                            true,
		"127.0.0.1:8053":              true,
		"127.0.0.1":                   true,
		"192.0.2.1:8053":              true,
		"[::1]:8053":                  true,
		"[::ffff:192.0.2.1]:8053":     true,
		"[2001:db8::1]":               true, // among hosts
		"192.0.2.2:8053":              false,
		"[fe80::1]:8053":              false,
		"localhost":                   true,
		"LocalHost:8053":              true,
		"gslb.localhost:8053":         true,
		"gslb.internal.example":       true,
		"GSLB.Internal.example.:80":   true,
		"evil.example":                false,
		"evil.example:8053":           false,
		"127.0.0.1.evil.example":      false,
		"localhost.evil.example":      false,
		"notlocalhost":                false,
		"x.gslb.internal.example":     false,
		"127.1:8053":                  false,
		"[evil.example]:8053":         false,
		"gslb.internal.example:80:1":  false,
		"127.0.0.1:8053.evil.example": false,
		"127.0.0.1:65536":             false,
	}
	for host, want := range tests {
		if got := hostAllowed(host, listen, hosts); got != want {
			t.Errorf("hostAllowed(%q) is %t, want %t", host, got, want)
		}
	}
	for _, everywhere := range []string{"0.0.0.0", "::"} {
		if !hostAllowed("192.0.2.2:8053", netip.MustParseAddr(everywhere), nil) {
			t.Errorf("a server that listens on %s refuses one of its addresses", everywhere)
		}
	}
}

// TestGuard asks as browsers do when another site is behind it.
func TestGuard(t *testing.T) {
	tests := []struct {
		name   string
		host   string
		header http.Header
		want   int
	}{
		{"curl", "127.0.0.1:8053", nil, 200},
		{"a rebound name", "evil.example", nil, 421},
		{"typed by a person", "127.0.0.1", http.Header{"Sec-Fetch-Site": {"none"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}}, 200},
		{"the page's own script", "127.0.0.1", http.Header{"Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Dest": {"empty"}}, 200},
		{"a link on another site", "127.0.0.1", http.Header{"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}}, 200},
		{"another site's frame", "127.0.0.1", http.Header{"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"iframe"}}, 403},
		{"another site's script", "127.0.0.1", http.Header{"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"no-cors"}, "Sec-Fetch-Dest": {"script"}}, 403},
		{"a neighbour's script", "127.0.0.1", http.Header{"Sec-Fetch-Site": {"same-site"}, "Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Dest": {"empty"}}, 403},
		{"another site's fetch, of an old browser", "127.0.0.1", http.Header{"Origin": {"https://evil.example"}}, 403},
		{"a fetch from a file", "127.0.0.1", http.Header{"Origin": {"null"}}, 403},
		{"own origin", "127.0.0.1:8053", http.Header{"Origin": {"http://127.0.0.1:8053"}}, 200},
		{"another port", "127.0.0.1:8053", http.Header{"Origin": {"http://127.0.0.1:1"}}, 403},
	}
	w := newWorld(time.Now())
	w.publish(time.Now())
	s, _ := w.server()
	for _, tt := range tests {
		for _, path := range []string{"/", "/api/status", "/metrics", "/healthz", "/readyz"} {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.Host = tt.host
			for key, values := range tt.header {
				r.Header[key] = values
			}
			got := httptest.NewRecorder()
			s.Handler().ServeHTTP(got, r)
			if got.Code != tt.want {
				t.Errorf("%s: %s: status %d, want %d", tt.name, path, got.Code, tt.want)
			}
			if tt.want != 200 && got.Body.Len() > 200 {
				t.Errorf("%s: %s: the refusal is not one line: %s", tt.name, path, got.Body)
			}
		}
	}
}

// TestPanicsAreContained: a request that ends in a panic gets no answer that looks whole,
// and a hundred of them fill no log.
func TestPanicsAreContained(t *testing.T) {
	var log bytes.Buffer
	w := newWorld(time.Now())
	s, _ := w.server()
	s.options.Logger = slog.New(slog.NewTextHandler(&log, nil))
	s.options.Readiness = func() []string { panic(strings.Repeat("no", 10_000)) }
	for range 100 {
		func() {
			defer func() {
				if p := recover(); p != http.ErrAbortHandler {
					t.Errorf("panic %v, want http.ErrAbortHandler", p)
				}
			}()
			get(t, s, "/readyz")
		}()
	}
	if lines := strings.Count(log.String(), "ended in a panic"); lines != 1 || log.Len() > 20_000 {
		t.Errorf("%d lines and %d bytes are logged of 100 panics, want one line of bounded length", lines, log.Len())
	}
}
