//go:build integration

package checks

import (
	"context"
	"io"
	"testing"
	"time"

	"gslb/integration/figures"
	"gslb/integration/parts"
)

// TestLoss loses nothing, at which nobody changes his mind, and then everything, at which
// all of HAProxy's servers go down.
func TestLoss(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	b := &bench{dir: t.TempDir(), lab: parts.ForTest(t), Report: &figures.Report{Out: io.Discard, Progress: t.Output()}}
	const names = 3
	l, err := b.newLossy(ctx, names)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.network.Close(); err != nil {
			t.Error(err)
		}
	})
	watchers, err := l.newWatchers(ctx, b, "example", lossSettings[0].settings, "", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, percent := range []int{0, 100} {
		changes, err := l.run(ctx, watchers, percent, 6*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		for i, w := range watchers {
			want := 0
			if percent == 100 && w.name == "HAProxy" {
				want = names
			}
			// Where all is down, a name server may go on answering with the same.
			if changes[i] != want && (percent == 0 || w.name == "HAProxy") {
				t.Errorf("%d %% lost: %s changed %d times, want %d", percent, w.name, changes[i], want)
			}
		}
	}
}
