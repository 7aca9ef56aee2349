// Package page measures the page that a person looks at in an incident, in a real browser: how soon it is there, how
// long it is, what it costs to keep it fresh, and how soon it shows a failover. Beside it: HAProxy's statistics page.
package page

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/chromedp/chromedp"

	"gslb/integration/figures"
	"gslb/integration/parts"
)

// size is how much there is of everything.
type size struct {
	names, pools, targets int
	schedule
}

// bench is a run of it.
type bench struct {
	*figures.Report
	dir       string
	binary    string // of gslb
	rounds    int
	loads     int           // of each page in each round
	window    time.Duration // for which a page is left open
	failovers int           // that are awaited in each round
}

// Run takes the figures of gslb's page and of HAProxy's, with files in dir.
func Run(ctx context.Context, report *figures.Report, dir string, args []string) error {
	b := &bench{Report: report, dir: dir}
	s := size{pools: 200, schedule: usual()}
	var targets string
	err := figures.Parse("page", args, func(f *flag.FlagSet) {
		f.StringVar(&targets, "targets", "2000,10000", "how many targets there are, each a world of its own, separated by commas")
		f.IntVar(&s.names, "names", 2000, "how many names there are")
		f.IntVar(&b.rounds, "rounds", 3, "how often each program is started and measured")
		f.IntVar(&b.loads, "loads", 5, "how often its page is loaded in each round")
		f.DurationVar(&b.window, "window", time.Minute, "how long the page is left open in each round, while little and while much changes")
		f.IntVar(&b.failovers, "failovers", 5, "how many failovers are awaited in each round")
		f.StringVar(&b.binary, "gslb", "", "path of the gslb binary; empty: bin/gslb")
	})
	if err != nil {
		return err
	}
	if s.names < s.pools || b.rounds < 1 || b.loads < 1 || b.failovers < 1 || b.window < time.Second {
		return fmt.Errorf("-names must be at least %d, -rounds, -loads and -failovers at least 1, -window at least 1s", s.pools)
	}
	var sizes []int
	for text := range strings.SplitSeq(targets, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < s.pools || n%s.pools != 0 || n > 60_000 {
			return fmt.Errorf("-targets: want multiples of %d up to 60000, not %q", s.pools, text)
		}
		sizes = append(sizes, n)
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	for _, s.targets = range sizes {
		all, err := b.measure(ctx, s)
		if err != nil {
			return fmt.Errorf("%d targets: %w", s.targets, err)
		}
		b.report(s, all)
	}
	return nil
}

// measure takes the figures of one size.
func (b *bench) measure(ctx context.Context, s size) (all []*contender, err error) {
	dir := filepath.Join(b.dir, fmt.Sprint(s.targets))
	lab, err := parts.NewLab(dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, lab.Close()) }()
	w, err := newWorld(lab, dir, s)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	all, err = contenders(lab, w, b.binary)
	if err != nil {
		return nil, err
	}
	for _, c := range all {
		defer func() { err = errors.Join(err, c.relay.close()) }()
	}
	for round := range b.rounds {
		for i := range all {
			c := all[(round+i)%len(all)]
			if c.beyond {
				continue
			}
			if err := c.start(ctx); err != nil {
				return nil, fmt.Errorf("round %d: start %s: %w", round+1, c.name, err)
			}
			err := errors.Join(b.round(ctx, w, c), c.part.Stop(ctx))
			if err != nil && ctx.Err() == nil && c != all[0] {
				b.Say("%s cannot be measured at this size: %v", c.name, err)
				c.beyond = true
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("round %d of %s: %w", round+1, c.name, err)
			}
		}
	}
	return all, nil
}

// round measures a program that has just been started. Its browser is its own: what one page has done to it does not
// count against another.
func (b *bench) round(ctx context.Context, w *world, c *contender) (err error) {
	browser, end, err := parts.Browse(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	if err := pause(ctx, w.settle()); err != nil {
		return err
	}
	for range b.loads {
		tab, l, err := open(ctx, browser, c.relay)
		if err != nil {
			return err
		}
		if err := chromedp.Cancel(tab); err != nil {
			return err
		}
		c.loads = append(c.loads, l)
		b.Say("%s: painted after %.0f ms, loaded after %.0f ms, %s received", c.name, l.FirstPaint, l.Loaded, kilobytes(l.wire))
	}
	tab, _, err := open(ctx, browser, c.relay)
	if err != nil {
		return err
	}
	if err := b.watch(ctx, c, &c.quiet); err != nil {
		return err
	}
	changing, calm := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { defer close(done); w.change(changing) }()
	err = b.watch(ctx, c, &c.busy)
	calm()
	<-done
	if err != nil {
		return err
	}
	for range b.failovers {
		took, err := b.failover(ctx, tab, w, c)
		if err != nil {
			return err
		}
		c.seen = append(c.seen, took)
		b.Say("%s: a failover is seen after %s", c.name, figures.Milliseconds(took))
	}
	return nil
}

// watch counts for a while what a page that is open receives.
func (b *bench) watch(ctx context.Context, c *contender, into *flows) error {
	requests, bytes, begun := c.relay.requests.Load(), c.relay.bytes.Load(), time.Now()
	if err := pause(ctx, b.window); err != nil {
		return err
	}
	minutes := time.Since(begun).Minutes()
	into.requests = append(into.requests, float64(c.relay.requests.Load()-requests)/minutes)
	into.bytes = append(into.bytes, float64(c.relay.bytes.Load()-bytes)/minutes)
	b.Say("%s: %.0f requests and %s a minute", c.name, into.requests[len(into.requests)-1], kilobytes(into.bytes[len(into.bytes)-1]))
	return nil
}

// patience is how long a page may take to load, or to show what is awaited: very long ones take a minute for either.
const patience = 5 * time.Minute

// failover has the pool that is watched fail, at some moment between two refreshes of the page. It returns how long
// after the program knew it the page showed it, and has the pool come back.
func (b *bench) failover(ctx, tab context.Context, w *world, c *contender) (time.Duration, error) {
	if err := pause(ctx, rand.N(w.Refresh)); err != nil {
		return 0, err
	}
	knows := func() (bool, error) { return c.down(ctx) }
	shows := func() (bool, error) { return evaluate[bool](ctx, tab, c.shows) }
	var known, seen time.Time
	await := func(down bool) error {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		w.failed.Store(down)
		done := make(chan error, 1)
		go func() {
			var err error
			known, err = until(ctx, c.name+" knows of it", knows, down)
			done <- err
		}()
		var err error
		seen, err = until(ctx, "the page of "+c.name+" shows it", shows, down)
		return errors.Join(err, <-done)
	}
	if err := await(true); err != nil {
		return 0, fmt.Errorf("a failover: %w", err)
	}
	took := max(0, seen.Sub(known))
	if err := await(false); err != nil {
		return 0, fmt.Errorf("a failback: %w", err)
	}
	return took, nil
}

// until looks again and again, until it finds a state, and returns when that was. What fails, as a page does while it
// is loaded anew, is tried again.
func until(ctx context.Context, what string, look func() (bool, error), state bool) (time.Time, error) {
	err := parts.Until(ctx, what, func(context.Context) error {
		found, err := look()
		if err == nil && found != state {
			err = fmt.Errorf("down is said to be %t", found)
		}
		return err
	})
	return time.Now(), err
}

// report prints the tables of one size.
func (b *bench) report(s size, all []*contender) {
	of := func(c *contender, value func(loading) float64) float64 {
		var sample figures.Sample
		for _, l := range c.loads {
			sample = append(sample, value(l))
		}
		return sample.Median()
	}
	t := &figures.Table{}
	t.Row("page", "first paint", "first content", "loaded", "main thread", "received", "decoded", "elements", "height")
	for _, c := range all {
		if len(c.loads) == 0 {
			t.Row(c.name, "–", "–", "not within "+patience.String(), "–", "–", "–", "–", "–")
			continue
		}
		t.Row(c.name,
			fmt.Sprintf("%.0f ms", of(c, func(l loading) float64 { return l.FirstPaint })),
			fmt.Sprintf("%.0f ms", of(c, func(l loading) float64 { return l.FirstContent })),
			fmt.Sprintf("%.0f ms", of(c, func(l loading) float64 { return l.Loaded })),
			fmt.Sprintf("%.0f ms", 1000*of(c, func(l loading) float64 { return l.main })),
			kilobytes(of(c, func(l loading) float64 { return l.wire })),
			kilobytes(of(c, func(l loading) float64 { return l.Decoded })),
			fmt.Sprintf("%.0f", of(c, func(l loading) float64 { return l.Elements })),
			fmt.Sprintf("%.0f px", of(c, func(l loading) float64 { return l.Height })))
	}
	b.Table(t, "**page: %d names, %d targets in %d pools.** Medians of %d loads, each with an empty cache.\n%s",
		s.names, s.targets, s.pools, b.rounds*b.loads, figures.Host())

	t = &figures.Table{}
	t.Row("page left open", "quiet: requests a minute", "bytes each", "bytes a minute", "changing: requests a minute", "bytes each", "bytes a minute", "failover seen after", "at most")
	for _, c := range all {
		if c.beyond {
			t.Row(c.name, "–", "–", "–", "–", "–", "–", "–", "–")
			continue
		}
		t.Row(c.name,
			fmt.Sprintf("%.0f", c.quiet.requests.Median()), kilobytes(c.quiet.eachBytes()), kilobytes(c.quiet.bytes.Median()),
			fmt.Sprintf("%.0f", c.busy.requests.Median()), kilobytes(c.busy.eachBytes()), kilobytes(c.busy.bytes.Median()),
			figures.Seconds(c.seen.Quantile(0.5)), figures.Seconds(c.seen.Quantile(1)))
	}
	b.Table(t, "Medians of %d windows of %v, and of %d failovers.", b.rounds, b.window, b.rounds*b.failovers)

	ours := all[0]
	t = &figures.Table{}
	t.Row("goal", "bound", "found", "verdict")
	goal := func(what string, limit, found float64, text func(float64) string) {
		verdict := "met"
		if found > limit {
			verdict = "MISSED"
		}
		t.Row(what, "≤ "+text(limit), text(found), verdict)
	}
	goal("gslb: first paint", 300, of(ours, func(l loading) float64 { return l.FirstPaint }), func(ms float64) string { return fmt.Sprintf("%.0f ms", ms) })
	goal("gslb: height", 20_000, of(ours, func(l loading) float64 { return l.Height }), func(px float64) string { return fmt.Sprintf("%.0f px", px) })
	goal("gslb: bytes of a refresh while much changes", 200_000, ours.busy.eachBytes(), kilobytes)
	b.Table(t, "**Goals.**")
}

// kilobytes writes a number of bytes.
func kilobytes(bytes float64) string { return fmt.Sprintf("%.0f kB", bytes/1000) }
