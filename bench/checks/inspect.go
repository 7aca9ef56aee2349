package checks

import (
	"context"
	"fmt"
	"net/netip"
	"regexp"
	"time"

	"gslb/integration/parts"
)

const (
	looks     = 10              // scrapes of the metrics
	lookEvery = 2 * time.Second // which cost gslb processor time, and so come after the window
)

// wellbeing is the worst values of gslb's metrics about itself.
type wellbeing struct {
	inFlight, goroutines, resident float64
	healthy, hung                  group
}

// group is the targets that are in the same state, and what gslb believes of them.
type group struct {
	size   int
	right  int     // have the status that they should, at the worst look
	oldest float64 // verdict, in seconds
}

func (g group) share() string {
	if g.size == 0 {
		return "–"
	}
	return fmt.Sprintf("%d of %d", g.right, g.size)
}

func (g group) oldestText() string {
	if g.size == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f s", g.oldest)
}

// inspect looks at gslb's metrics several times; the first so many targets hang.
func (s *scaling) inspect(ctx context.Context, server *parts.GSLB, hung int) (wellbeing, error) {
	w := wellbeing{
		healthy: group{size: s.targets.count - hung, right: s.targets.count - hung},
		hung:    group{size: hung, right: hung},
	}
	for range looks {
		if err := pause(ctx, lookEvery); err != nil {
			return w, err
		}
		series, err := server.Metrics(ctx)
		if err != nil {
			return w, err
		}
		if err := w.look(series, hung); err != nil {
			return w, err
		}
	}
	return w, nil
}

// ofTarget matches a series that there is of every target.
var ofTarget = regexp.MustCompile(`^gslb_health_target_(status|age_seconds)\{.*target="web@([0-9.]+)"\}$`)

// look takes in one scrape.
func (w *wellbeing) look(series map[string]float64, hung int) error {
	w.inFlight = max(w.inFlight, series["gslb_health_probes_in_flight"])
	w.goroutines = max(w.goroutines, series["go_goroutines"])
	w.resident = max(w.resident, series["process_resident_memory_bytes"])
	right := map[*group]int{}
	for text, value := range series {
		match := ofTarget.FindStringSubmatch(text)
		if match == nil {
			continue
		}
		addr, err := netip.ParseAddr(match[2])
		if err != nil {
			return fmt.Errorf("series %s: %w", text, err)
		}
		g, status := &w.healthy, 1.0
		if targetIndex(addr) < hung {
			g, status = &w.hung, 0
		}
		switch {
		case match[1] == "age_seconds":
			g.oldest = max(g.oldest, value)
		case value == status:
			right[g]++
		}
	}
	for _, g := range []*group{&w.healthy, &w.hung} {
		g.right = min(g.right, right[g])
	}
	return nil
}
