//go:build integration

package integration

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"gslb/integration/parts"
)

// server is a gslb that runs.
type server struct {
	*parts.GSLB
	setup setup
	path  string // of zones.toml
}

// serve starts a server, which ends with the test.
func (s setup) serve(t *testing.T, ctx context.Context) *server {
	t.Helper()
	lab := parts.ForTest(t)
	s = s.complete(t, lab)
	path := s.write(t)
	g, err := lab.StartGSLB(ctx, parts.GSLBConfig{
		Name: "gslb", Binary: s.Binary, Zones: path, Listen: s.Listen, Admin: s.Admin, Env: s.Env, Args: s.Args,
	})
	must(t, err)
	t.Cleanup(func() { g.CheckLog(t) })
	return &server{GSLB: g, setup: s, path: path}
}

// logged is how much the server has logged so far, for awaitLine.
func (s *server) logged(t *testing.T) int {
	t.Helper()
	lines, err := s.LogLines()
	must(t, err)
	return len(lines)
}

// line says what a line of the log is to have: its message, and words in attributes.
type line struct {
	msg  string
	with map[string]string
}

func (l line) matches(logged parts.LogLine) bool {
	for key, word := range l.with {
		if !strings.Contains(logged.Text(key), word) {
			return false
		}
	}
	return logged.Text("msg") == l.msg
}

// awaitLines waits until each of the lines is logged, after the first `from` lines.
func (s *server) awaitLines(t *testing.T, ctx context.Context, from int, want ...line) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, enough)
	defer cancel()
	err := parts.Until(ctx, "the log has the lines", func(context.Context) error {
		lines, err := s.LogLines()
		if err != nil {
			return err
		}
		for _, l := range want {
			if !slices.ContainsFunc(lines[from:], l.matches) {
				return fmt.Errorf("no line %q with %v", l.msg, l.with)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// checkMetrics compares series of /metrics. They are what is true now, so nothing is waited for.
func (s *server) checkMetrics(t *testing.T, ctx context.Context, want map[string]float64) {
	t.Helper()
	got, err := s.Metrics(ctx)
	must(t, err)
	for series, value := range want {
		if v, there := got[series]; !there || v != value {
			t.Errorf("metric %s = %v (there: %t), want %v", series, v, there, value)
		}
	}
}

// metric returns the present value of one series of /metrics, 0 where it is not there yet.
func (s *server) metric(t *testing.T, ctx context.Context, series string) float64 {
	t.Helper()
	all, err := s.Metrics(ctx)
	must(t, err)
	return all[series]
}

// awaitMetric waits until a series of /metrics is at least some value.
func (s *server) awaitMetric(t *testing.T, ctx context.Context, series string, least float64) {
	t.Helper()
	must(t, parts.Until(ctx, fmt.Sprintf("%s is at least %v", series, least), func(ctx context.Context) error {
		all, err := s.Metrics(ctx)
		if err == nil && all[series] < least {
			err = fmt.Errorf("it is %v", all[series])
		}
		return err
	}))
}

// status is as much of /api/status as the tests look at.
type status struct {
	Config struct {
		Hash            string
		LastReloadError string `json:"last_reload_error"`
		ReloadFailures  int    `json:"reload_failures"`
	}
	Names []struct {
		Name, Mode, Pool string
		Reasons          []struct {
			Pool, Status, Why string
			Chosen            bool
		}
	}
	Targets []struct {
		ID, Check, Status string
		Last              struct{ Verdict, Reason, Detail string }
	}
}

func (s *server) status(t *testing.T, ctx context.Context) status {
	t.Helper()
	var st status
	must(t, s.Status(ctx, &st))
	return st
}
