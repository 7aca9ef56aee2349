//go:build integration

package replicating

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gslb/integration/parts"
)

// replicated is as much of /api/v1/replication as the tests look at.
type replicated struct {
	Table   string
	Regions []struct {
		Region, Condition, Why, Failing string
		Degraded                        bool
		Current                         time.Time `json:"current_since"`
		Pools                           []string
	}
	Lags []struct {
		From, To, Arrival string
		Lag               *float64 `json:"lag_seconds"`
	}
}

// replicated returns what the API says of the table at this moment.
func (w *world) replicated(ctx context.Context) (*replicated, error) {
	var list struct{ Replications []replicated }
	if err := w.JSON(ctx, "/api/v1/replication", &list); err != nil {
		return nil, err
	}
	if len(list.Replications) != 1 || list.Replications[0].Table != w.Table {
		return nil, fmt.Errorf("/api/v1/replication: %+v, want table %s alone", list, w.Table)
	}
	return &list.Replications[0], nil
}

// copies is what is said of the regions, by their pools: "behind, degraded"; and the ways that are not in
// time: "nyc → ams late".
type copies struct {
	Regions map[string]string
	Ways    []string
}

func (r *replicated) copies() copies {
	poolOf := make(map[string]string)
	for pool, region := range regionOf {
		poolOf[region] = pool
	}
	c := copies{Regions: make(map[string]string)}
	for _, region := range r.Regions {
		words := []string{region.Condition}
		if region.Degraded {
			words = append(words, "degraded")
		}
		if region.Failing != "" {
			words = append(words, region.Failing+" fail")
		}
		c.Regions[poolOf[region.Region]] = strings.Join(words, ", ")
	}
	for _, l := range r.Lags {
		if l.Arrival != "in time" {
			c.Ways = append(c.Ways, poolOf[l.From]+" → "+poolOf[l.To]+" "+l.Arrival)
		}
	}
	slices.Sort(c.Ways)
	return c
}

// awaitCopies waits until the API says that of the copies: of those that are not named, that they are current.
func (w *world) awaitCopies(t *testing.T, ctx context.Context, when string, regions map[string]string, ways ...string) *replicated {
	t.Helper()
	want := copies{Regions: maps.Clone(regions), Ways: ways}
	if want.Regions == nil {
		want.Regions = make(map[string]string)
	}
	for _, s := range w.Sites {
		if want.Regions[s.Pool] == "" {
			want.Regions[s.Pool] = "current"
		}
	}
	slices.Sort(want.Ways)
	var found *replicated
	err := parts.Until(ctx, "the copies are as they must be "+when, func(ctx context.Context) error {
		r, err := w.replicated(ctx)
		if err != nil {
			return err
		}
		if diff := cmp.Diff(want, r.copies()); diff != "" {
			return fmt.Errorf("(-want +got):\n%s%+v", diff, r)
		}
		found = r
		return nil
	})
	must(t, err)
	return found
}

// lag is what the API says of one way, in seconds; false: that it is not known.
func (r *replicated) lag(from, to string) (float64, bool) {
	for _, l := range r.Lags {
		if l.From == regionOf[from] && l.To == regionOf[to] && l.Lag != nil {
			return *l.Lag, true
		}
	}
	return 0, false
}

// TestMatrix has the copying between three regions stopped, in all ways of a region and in single ones, and
// looks at what is said of each copy.
func TestMatrix(t *testing.T) {
	ctx, w := begin(t, settings{Pools: []string{"nyc", "ams", "sin"}})
	w.awaitCopies(t, ctx, "at first", nil)
	clients := w.watch(t)
	for _, step := range []struct {
		name    string
		halted  []string // ways
		regions map[string]string
		late    []string
	}{
		{"one way", []string{"nyc ams"},
			map[string]string{"nyc": "ambiguous", "ams": "ambiguous"}, []string{"nyc → ams late"}},
		{"all ways to a region", []string{"ams nyc", "sin nyc"},
			map[string]string{"nyc": "behind, degraded"}, []string{"ams → nyc late", "sin → nyc late"}},
		{"all ways from a region", []string{"nyc ams", "nyc sin"},
			map[string]string{"nyc": "silent"}, []string{"nyc → ams late", "nyc → sin late"}},
		{"both", []string{"nyc ams", "nyc sin", "ams nyc", "sin nyc"},
			map[string]string{"nyc": "cut off, degraded"}, []string{"ams → nyc late", "nyc → ams late", "nyc → sin late", "sin → nyc late"}},
	} {
		for _, way := range step.halted {
			from, to, _ := strings.Cut(way, " ")
			w.halt(from, to)
		}
		r := w.awaitCopies(t, ctx, "with "+step.name+" halted", step.regions, step.late...)
		for _, way := range step.halted {
			from, to, _ := strings.Cut(way, " ")
			if lag, known := r.lag(from, to); !known || lag <= maxLag.Seconds() {
				t.Errorf("%s halted: lag %s → %s is %.1f s (known: %t), want more than %s", step.name, from, to, lag, known, maxLag)
			}
			w.resume(from, to)
		}
		w.awaitCopies(t, ctx, "after "+step.name, nil)
	}
	clients.check(t, "nyc") // it was up all the time, and served
}

// TestDelay has what is written in one region arrive later in one other, by less than max_lag, and by more.
func TestDelay(t *testing.T) {
	ctx, w := begin(t, settings{Pools: []string{"nyc", "ams"}})
	w.awaitCopies(t, ctx, "at first", nil)
	isAbout := func(delay time.Duration) error {
		all, err := w.Metrics(ctx)
		if err != nil {
			return err
		}
		there, back := all[`gslb_replication_lag_seconds{from="us-east-1",replication="orders",to="eu-west-1"}`], all[`gslb_replication_lag_seconds{from="eu-west-1",replication="orders",to="us-east-1"}`]
		// What is seen was written before, at most one interval and what the machine is late.
		if there < delay.Seconds()-1.1 || there > (delay+slack).Seconds() || back > maxLag.Seconds() {
			return fmt.Errorf("the lag is %.1f s there and %.1f s back", there, back)
		}
		return nil
	}
	const short = 1200 * time.Millisecond
	w.Global.Delay("us-east-1", "eu-west-1", short)
	must(t, parts.Until(ctx, "a short lag is measured", func(context.Context) error { return isAbout(short) }))
	w.awaitCopies(t, ctx, "with a short delay", nil)

	w.Global.Delay("us-east-1", "eu-west-1", 2*maxLag)
	w.awaitCopies(t, ctx, "with a delay of twice max_lag", map[string]string{"nyc": "silent", "ams": "behind, degraded"}, "nyc → ams late")
	must(t, parts.Until(ctx, "a lag of twice max_lag is measured", func(context.Context) error { return isAbout(2 * maxLag) }))

	w.Global.Delay("us-east-1", "eu-west-1", 0)
	w.awaitCopies(t, ctx, "in the end", nil)
}
