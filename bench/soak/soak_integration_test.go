//go:build integration

package soak

import (
	"io"
	"os"
	"testing"
	"time"

	"github.com/miekg/dns"

	"gslb/integration/figures"
	"gslb/integration/parts"
)

func TestMain(m *testing.M) { os.Exit(parts.Isolated(m.Run)) }

// TestSoak soaks for seconds. Whether anything grows does not show in that time, but that all
// of it happens, and that no query is answered wrongly.
func TestSoak(t *testing.T) {
	s := &soak{
		Report: &figures.Report{Out: io.Discard, Progress: t.Output()}, dir: t.TempDir(),
		time: 12 * time.Second, warm: time.Second, rate: 500, reloadEvery: 2 * time.Second,
	}
	answers, err := s.run(t.Context(), parts.ForTest(t))
	if err != nil {
		t.Fatal(err)
	}
	if right := answers.Rcodes[dns.RcodeSuccess]; right < answers.Sent()/2 || right+answers.Lost() != answers.Sent() {
		t.Errorf("of %d queries, %d were answered with NOERROR and %d not at all", answers.Sent(), right, answers.Lost())
	}
	if len(s.samples) == 0 || s.reloads < 3 {
		t.Errorf("%d samples, %d reloads", len(s.samples), s.reloads)
	}
	for _, r := range resources() {
		if r.of(s.samples[0]) == 0 {
			t.Errorf("%s is not exported", r.name)
		}
	}
}
