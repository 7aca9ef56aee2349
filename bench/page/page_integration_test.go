//go:build integration

package page

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gslb/integration/figures"
	"gslb/integration/parts"
)

func TestMain(m *testing.M) { os.Exit(parts.Isolated(m.Run)) }

// TestTargetsAreChecked has a size that there cannot be after one that there can. Nothing begins, and the files of the
// run before stay.
func TestTargetsAreChecked(t *testing.T) {
	dir := t.TempDir()
	before := filepath.Join(dir, "before")
	if err := os.WriteFile(before, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	report := &figures.Report{Out: t.Output(), Progress: t.Output()}
	for _, bad := range []string{"many", "100", "2100", "80000", ""} {
		err := Run(ctx, report, dir, []string{"-targets", "2000," + bad})
		if err == nil || !strings.Contains(err.Error(), `not "`+bad+`"`) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := os.Stat(before); err != nil {
		t.Error(err)
	}
}

// TestPages takes all figures on a small scale, in which both pages show that a pool fails and that it comes back.
// How fast they do does not matter here.
func TestPages(t *testing.T) {
	var out strings.Builder
	b := &bench{
		Report: &figures.Report{Out: &out, Progress: t.Output()}, dir: t.TempDir(),
		rounds: 1, loads: 1, window: 100 * time.Millisecond, failovers: 1,
	}
	s := size{names: 10, pools: 10, targets: 20, schedule: schedule{
		Interval: 400 * time.Millisecond, Fast: 200 * time.Millisecond, Timeout: 100 * time.Millisecond, Refresh: time.Second,
	}}
	all, err := b.measure(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	b.report(s, all)
	for _, c := range all {
		if len(c.loads) != 1 || len(c.seen) != 1 {
			t.Fatalf("%s: %d loads and %d failovers", c.name, len(c.loads), len(c.seen))
		}
		l := c.loads[0]
		if l.FirstPaint <= 0 || l.FirstContent < l.FirstPaint || l.Loaded <= 0 || l.main <= 0 || l.Height < windowHeight || l.Elements < 100 || l.Decoded < 10_000 {
			t.Errorf("%s: %+v", c.name, l)
		}
		// Both compress.
		if l.wire < 1000 || l.wire >= l.Decoded {
			t.Errorf("%s: %v bytes were received of a page of %v", c.name, l.wire, l.Decoded)
		}
		if n := strings.Count(out.String(), "\n| "+c.name+" "); n != 2 {
			t.Errorf("%d rows of %s, want 2", n, c.name)
		}
	}
	if t.Failed() {
		t.Log(out.String())
	}
}
