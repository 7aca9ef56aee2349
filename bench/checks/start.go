package checks

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"time"

	"gslb/integration/figures"
	"gslb/integration/parts"
)

// idle is how long a server is left alone before its memory is read.
const idle = 10 * time.Second

// Start measures the time from the execution of a server, with two healthy regions, to its
// first right answer, and what memory it then keeps.
func Start(ctx context.Context, report *figures.Report, dir string, args []string) error {
	var runs int
	var binary string
	err := figures.Parse("start", args, func(f *flag.FlagSet) {
		f.IntVar(&runs, "runs", 20, "how often each server is started")
		f.StringVar(&binary, "gslb", "", "path of the gslb binary; empty: bin/gslb")
	})
	if err != nil {
		return err
	}
	if runs < 1 {
		return errors.New("-runs must be at least 1")
	}
	b, err := newBench(report, dir)
	if err != nil {
		return err
	}
	return errors.Join(b.start(ctx, binary, runs), b.lab.Close())
}

func (b *bench) start(ctx context.Context, binary string, runs int) error {
	site, err := b.startSite(ctx, binary, gslbSettings(2).Fall)
	if err != nil {
		return err
	}
	forget := func() error { return os.RemoveAll(b.stateDir()) }
	keep := func() error { return nil }
	starters := []*starter{
		{what: "gslb, first start", part: site.gslb.Part, listen: site.gslb.Listen, before: forget},
		{what: "gslb, restart with its state", part: site.gslb.Part, listen: site.gslb.Listen, before: keep},
		{what: "gdnsd", part: site.gdnsd.Part, listen: site.gdnsd.Listen, before: keep},
	}
	for run := range runs {
		for _, s := range starters {
			if err := s.start(ctx, site.primary()); err != nil {
				return fmt.Errorf("run %d of %s: %w", run+1, s.what, err)
			}
			b.Say("run %d of %d, %-28s %s", run+1, runs, s.what, figures.Milliseconds(s.took[run]))
		}
	}
	b.Say("waiting %v for all to come to rest", idle)
	select {
	case <-time.After(idle):
	case <-ctx.Done():
		return ctx.Err()
	}
	return b.reportStart(starters, runs)
}

// starter is one way to start a server.
type starter struct {
	what   string
	part   *parts.Part
	listen netip.AddrPort
	before func() error // is called while it does not run
	took   figures.Times
}

func (s *starter) start(ctx context.Context, right netip.Addr) error {
	ctx, cancel := context.WithTimeout(ctx, runWait)
	defer cancel()
	if err := errors.Join(s.part.Stop(ctx), s.before()); err != nil {
		return err
	}
	type outcome struct {
		answer seen
		err    error
	}
	watched := make(chan outcome, 1)
	go func() {
		answer, err := watch(ctx, s.listen, steered, only(right))
		watched <- outcome{answer, err}
	}()
	begun := time.Now()
	err := s.part.Start(ctx)
	if err != nil {
		cancel() // there will be no answer
	}
	o := <-watched
	if err := errors.Join(err, o.err); err != nil {
		return err
	}
	s.took = append(s.took, o.answer.at.Sub(begun))
	return nil
}

func (b *bench) reportStart(starters []*starter, runs int) error {
	t := &figures.Table{}
	t.Row("server", "median", "p95", "max", "resident, idle")
	for _, s := range starters {
		usage, err := s.part.Usage()
		if err != nil {
			return err
		}
		t.Row(s.what, figures.Milliseconds(s.took.Quantile(0.5)), figures.Milliseconds(s.took.Quantile(0.95)), figures.Milliseconds(s.took.Quantile(1)),
			figures.Mebibytes(float64(usage.Resident)))
	}
	b.print(fmt.Sprintf("%d runs each: from exec to the first right answer; memory %v after the last start.", runs, idle), t)
	return nil
}
