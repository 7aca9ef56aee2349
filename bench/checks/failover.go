package checks

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"gslb/integration/figures"
	"gslb/integration/parts"
)

const (
	// tolerance is by how much the bound may be missed: the time to take in a verdict and
	// to publish an answer, and what is lost to a busy machine.
	tolerance = 50 * time.Millisecond
	// runWait is for everything that a run waits for: a JVM that starts, above all.
	runWait = time.Minute
)

// Failover inflicts every fault on the first region several times, and measures how long both
// servers go on answering with that region. Both watch the same fault at the same time, so that
// neither is favoured by chance.
func Failover(ctx context.Context, report *figures.Report, dir string, args []string) error {
	var runs, fall int
	var binary string
	err := figures.Parse("failover", args, func(f *flag.FlagSet) {
		f.IntVar(&runs, "runs", 20, "how often each fault is inflicted")
		f.IntVar(&fall, "fall", 2, "fails in a row that turn a target down, of both servers")
		f.StringVar(&binary, "gslb", "", "path of the gslb binary; empty: bin/gslb")
	})
	if err != nil {
		return err
	}
	if runs < 1 || fall < 1 {
		return errors.New("-runs and -fall must be at least 1")
	}
	b, err := newBench(report, dir)
	if err != nil {
		return err
	}
	return errors.Join(b.failover(ctx, binary, runs, fall), b.lab.Close())
}

func (b *bench) failover(ctx context.Context, binary string, runs, fall int) error {
	site, err := b.startSite(ctx, binary, fall)
	if err != nil {
		return err
	}
	took := make(map[parts.Fault]*outcome)
	for run := range runs {
		for _, fault := range parts.Faults() {
			if run == 0 {
				took[fault] = &outcome{}
			}
			if err := site.suffer(ctx, fault, took[fault]); err != nil {
				return fmt.Errorf("run %d of %s: %w", run+1, fault, err)
			}
			last := *took[fault]
			b.Say("run %d of %d, %-13s gslb %s, gdnsd %s", run+1, runs, fault, figures.Seconds(last.gslb[run]), figures.Seconds(last.gdnsd[run]))
		}
	}
	return b.reportFailover(took, runs, fall)
}

// outcome is how long each server took to notice one fault, run by run.
type outcome struct{ gslb, gdnsd figures.Times }

// suffer inflicts a fault on the first region at a random moment, adds to o how long the
// servers took, and heals the region.
func (s *site) suffer(ctx context.Context, fault parts.Fault, o *outcome) error {
	ctx, cancel := context.WithTimeout(ctx, runWait)
	defer cancel()
	if _, err := s.await(ctx, only(s.primary())); err != nil {
		return err
	}
	// A random moment of the interval.
	wait := rand.N(max(gslbSettings(1).Interval, gdnsdSettings(1).Interval))
	select {
	case <-time.After(wait):
	case <-ctx.Done():
		return ctx.Err()
	}

	var changed [2]seen
	var watchErr error
	var watching sync.WaitGroup
	watching.Go(func() { changed, watchErr = s.await(ctx, other(s.primary())) })
	called := time.Now()
	begun, err := s.inflict(ctx, fault)
	if err != nil {
		cancel() // nothing will change
	}
	watching.Wait()
	if err := errors.Join(err, watchErr); err != nil {
		return err
	}
	for _, change := range changed {
		if change.at.Before(called) {
			return errors.New("an answer changed before the fault was there")
		}
		if !only(s.secondary())(change.addrs) {
			return fmt.Errorf("the changed answer is %v, expected %v", change.addrs, s.secondary())
		}
	}
	o.gslb = append(o.gslb, changed[0].at.Sub(begun))
	o.gdnsd = append(o.gdnsd, changed[1].at.Sub(begun))
	return s.Primary.Heal(ctx)
}

// inflict brings a fault about and returns the moment from which it is there. A signal and
// a file take effect as they are sent and written; a table is gone when DynamoDB says so.
func (s *site) inflict(ctx context.Context, fault parts.Fault) (time.Time, error) {
	begun := time.Now()
	err := s.Primary.Inflict(ctx, fault)
	if fault == parts.TableGone {
		begun = time.Now()
	}
	return begun, err
}

// await returns the first awaited answer of gslb and that of gdnsd.
func (s *site) await(ctx context.Context, awaited func([]netip.Addr) bool) ([2]seen, error) {
	servers := [2]netip.AddrPort{s.gslb.Listen, s.gdnsd.Listen}
	var answers [2]seen
	var errs [2]error
	var watching sync.WaitGroup
	for i, server := range servers {
		watching.Go(func() { answers[i], errs[i] = watch(ctx, server, steered, awaited) })
	}
	watching.Wait()
	return answers, errors.Join(errs[:]...)
}

// failingProbe is how long gslb's probe takes to fail that shows the fault: no time where
// something refuses, its timeout where something hangs.
func failingProbe(fault parts.Fault, s settings) time.Duration {
	switch fault {
	case parts.LoadBalancerHung, parts.DynamoDBHung:
		return s.Timeout
	default:
		return 0
	}
}

func (b *bench) reportFailover(took map[parts.Fault]*outcome, runs, fall int) error {
	ours, theirs := gslbSettings(fall), gdnsdSettings(fall)
	t := &figures.Table{}
	t.Row("fault", "gslb median", "p95", "max", "bound", "verdict", "gdnsd median", "p95", "max")
	var missed []error
	for _, fault := range parts.Faults() {
		o := took[fault]
		bound := ours.bound(failingProbe(fault, ours))
		verdict := "within"
		if longest := o.gslb.Quantile(1); longest > bound+tolerance {
			verdict = "MISSED"
			missed = append(missed, fmt.Errorf("%s took %s, the bound is %s + %s", fault, figures.Seconds(longest), figures.Seconds(bound), figures.Milliseconds(tolerance)))
		}
		t.Row(string(fault), figures.Seconds(o.gslb.Quantile(0.5)), figures.Seconds(o.gslb.Quantile(0.95)), figures.Seconds(o.gslb.Quantile(1)), figures.Seconds(bound), verdict,
			figures.Seconds(o.gdnsd.Quantile(0.5)), figures.Seconds(o.gdnsd.Quantile(0.95)), figures.Seconds(o.gdnsd.Quantile(1)))
	}
	what := fmt.Sprintf("%d runs of each fault. gslb: interval %v, fast_interval %v, timeout %v, fall %d. gdnsd: interval %v, timeout %v, down_thresh %d.",
		runs, ours.Interval, ours.Fast, ours.Timeout, ours.Fall, theirs.Interval, theirs.Timeout, theirs.Fall)
	b.print(what, t)
	return errors.Join(missed...)
}
