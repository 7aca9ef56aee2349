//go:build integration

package queries

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"gslb/integration/figures"
	"gslb/integration/parts"
)

func TestMain(m *testing.M) { os.Exit(parts.Isolated(m.Run)) }

// TestScenarios runs all of them on a small scale. How fast anybody is does not matter here.
func TestScenarios(t *testing.T) {
	root, err := parts.Root()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	b := &bench{
		binaries: binaries{gslb: filepath.Join(root, "bin", "gslb"), echo: filepath.Join(root, "bin", "bench-echo")},
		size:     size{names: 50, pools: 5, questions: 2000, random: 50_000, zone: 2000, failing: 500, networks: 5000, logged: []float64{1}},
		// Others test at the same time: half of what a server could bear a moment ago may be too much for it.
		rounds: 1, duration: 200 * time.Millisecond, warmUp: 100 * time.Millisecond, rate: 500, share: 0.1,
		dir: t.TempDir(), Report: &figures.Report{Out: &out, Progress: t.Output()},
	}
	if err := b.run(t.Context(), nil, []string{"gslb", "gdnsd", "NSD", "echo"}); err != nil {
		t.Fatal(err)
	}
	for _, s := range scenarios() {
		if !strings.Contains(out.String(), "**"+s.name) {
			t.Errorf("scenario %s has no table", s.name)
		}
	}
	// A row of each server in each table, where it takes part.
	rows := func(server string) int {
		return len(regexp.MustCompile(`(?m)^\| `+server+` `).FindAllString(out.String(), -1))
	}
	want := map[string]int{"gslb": 12, "gslb, 100 % logged": 2, "gdnsd": 9, "NSD": 8, "echo": 6, "geo by client subnet": 2, "sticky": 2}
	for name, count := range want {
		if got := rows(name); got != count {
			t.Errorf("%d rows of %s, want %d", got, name, count)
		}
	}
	for line := range strings.Lines(out.String()) {
		// gdnsd looks at a database every few seconds, and now and then misses a change where others test beside.
		if strings.Contains(line, "not within") && !strings.HasPrefix(line, "| gdnsd ") {
			t.Errorf("a change was not taken in: %s", line)
		}
	}
	if found := strings.Contains(out.String(), "**Goals.**") && strings.Contains(out.String(), "**Method.**"); !found {
		t.Error("goals or method are missing")
	}
	if t.Failed() {
		t.Log(out.String())
	}
}

// TestWrongAnswer has a server take part that serves something else, and fast.
func TestWrongAnswer(t *testing.T) {
	wrong := contender{name: "wrong", start: func(ctx context.Context, s setup) (*parts.Part, error) {
		s.shift++ // every name has another address
		file, err := os.Create(s.master)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		if err := s.writeMaster(file); err != nil {
			return nil, err
		}
		return startNSD(ctx, s)
	}}
	var out strings.Builder
	b := &bench{
		size: size{names: 50, pools: 5, questions: 2000}, contenders: []contender{wrong},
		rounds: 1, duration: 200 * time.Millisecond, rate: 500,
		dir: t.TempDir(), Report: &figures.Report{Out: &out, Progress: t.Output()},
	}
	err := steeredUDP(t.Context(), b)
	if err == nil || !strings.Contains(err.Error(), `expected ["n00000`) || out.Len() > 0 {
		t.Errorf("a server that answers with other addresses: %v, and this report:\n%s", err, out.String())
	}
}
