package checks

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"syscall"
	"time"

	"gslb/integration/figures"
	"gslb/integration/parts"
)

// scaling is a run of scale.
type scaling struct {
	*bench
	window  time.Duration // of one measurement
	rounds  int
	targets *targets
	crowd   crowd
}

// Scale has gslb, HAProxy and gdnsd check very many targets, one program after the other,
// and measures what that costs them; and then what gslb does when targets hang.
func Scale(ctx context.Context, report *figures.Report, dir string, args []string) error {
	s := &scaling{}
	var count int
	var binary string
	err := figures.Parse("scale", args, func(f *flag.FlagSet) {
		f.IntVar(&count, "targets", 10_000, "how many targets there are")
		f.DurationVar(&s.window, "window", time.Minute, "how long each measurement takes")
		f.IntVar(&s.rounds, "rounds", 3, "how often each program is measured")
		f.StringVar(&binary, "gslb", "", "path of the gslb binary; empty: bin/gslb")
	})
	if err != nil {
		return err
	}
	if count < 100 || count > maxTargets || count%2 != 0 || s.rounds < 1 || s.window < time.Second {
		return fmt.Errorf("-targets must be even and between 100 and %d, -rounds at least 1, -window at least 1s", maxTargets)
	}
	if s.bench, err = newBench(report, dir); err != nil {
		return err
	}
	return errors.Join(s.run(ctx, binary, count), s.lab.Close())
}

func (s *scaling) run(ctx context.Context, binary string, count int) (err error) {
	// When all hang, all are under way at once.
	if err := raiseFileLimit(uint64(count) + 1000); err != nil {
		return err
	}
	if s.targets, err = s.startTargets(ctx, count); err != nil {
		return err
	}
	s.crowd = s.newCrowd(s.targets)

	var server *parts.GSLB
	gslb, err := s.newGSLB(binary, s.crowd, &server)
	if err != nil {
		return err
	}
	haproxy, err := s.newHAProxy(s.crowd)
	if err != nil {
		return err
	}
	gdnsd, err := s.newGdnsd(s.crowd)
	if err != nil {
		return err
	}
	if err := s.compare(ctx, []*contender{gslb, haproxy, gdnsd}); err != nil {
		return err
	}
	if err := gslb.start(ctx); err != nil {
		return err
	}
	return s.hang(ctx, server)
}

// raiseFileLimit lets the programs that are started from now on open so many files. (Go
// gives children the limit that it was given itself, unless the program has set it.)
func raiseFileLimit(files uint64) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("limit of open files: %w", err)
	}
	if limit.Max < files {
		return fmt.Errorf("limit of open files: it is %d, and so many targets need %d: see ulimit -Hn", limit.Max, files)
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("limit of open files: %w", err)
	}
	return nil
}

// compare measures every contender once a round, in an order that shifts by one each time.
func (s *scaling) compare(ctx context.Context, contenders []*contender) error {
	for round := range s.rounds {
		for i := range contenders {
			c := contenders[(round+i)%len(contenders)]
			if err := c.start(ctx); err != nil {
				return err
			}
			m, err := s.measure(ctx, c.part)
			if err := errors.Join(err, c.part.Stop(ctx)); err != nil {
				return fmt.Errorf("round %d of %s: %w", round+1, c.name, err)
			}
			c.rate, c.cpu, c.resident = append(c.rate, m.rate), append(c.cpu, m.cpu), append(c.resident, m.resident)
			s.Say("round %d of %d, %-7s %.0f checks/s, %s each, %s", round+1, s.rounds, c.name, m.rate, microseconds(m.cpu), figures.Mebibytes(m.resident))
		}
	}
	t := &figures.Table{}
	t.Row("program", "checks/s", "CPU a check", "beside gslb", "resident")
	for _, c := range contenders {
		t.Row(c.name, fmt.Sprintf("%.0f", c.rate.Median()), microseconds(c.cpu.Median()),
			fmt.Sprintf("%.2f", c.cpu.Median()/contenders[0].cpu.Median()), figures.Mebibytes(c.resident.Median()))
	}
	s.print(fmt.Sprintf("%d healthy targets, interval %v: medians of %d windows of %v.", s.targets.count, s.crowd.Interval, s.rounds, s.window), t)
	return nil
}

// measurement is what a program did and used in one window.
type measurement struct {
	rate     float64 // checks per second
	cpu      float64 // seconds a check
	resident float64 // bytes, at the end
}

// measure lets a program settle and then measures it for one window.
func (s *scaling) measure(ctx context.Context, part *parts.Part) (measurement, error) {
	if err := pause(ctx, 3*s.crowd.Interval); err != nil {
		return measurement{}, err
	}
	return s.measureFor(ctx, part, s.window)
}

// measureFor measures a program from this moment on.
func (s *scaling) measureFor(ctx context.Context, part *parts.Part, window time.Duration) (measurement, error) {
	begun := time.Now()
	before, err := s.read(ctx, part)
	if err != nil {
		return measurement{}, err
	}
	if err := pause(ctx, window); err != nil {
		return measurement{}, err
	}
	took := time.Since(begun).Seconds()
	after, err := s.read(ctx, part)
	if err != nil {
		return measurement{}, err
	}
	checks := float64(after.checks - before.checks)
	if checks == 0 {
		return measurement{}, errors.New("it checks nothing")
	}
	return measurement{
		rate: checks / took, cpu: (after.CPU() - before.CPU()).Seconds() / checks, resident: float64(after.Resident),
	}, nil
}

// reading is what a program has used and done so far.
type reading struct {
	parts.Usage
	checks int64
}

func (s *scaling) read(ctx context.Context, part *parts.Part) (r reading, err error) {
	if r.Usage, err = part.Usage(); err != nil {
		return r, err
	}
	r.checks, err = s.targets.accepted(ctx)
	return r, err
}

// hang measures gslb, which is running, with no target hung, one in a hundred, and all: what it does until it has
// found them down, and what afterwards. Meanwhile a name is asked for, which must not have to wait.
func (s *scaling) hang(ctx context.Context, server *parts.GSLB) error {
	t := &figures.Table{}
	t.Row("targets hung", "checks/s", "CPU a check", "in flight, most", "goroutines, most", "resident, most",
		"healthy: up", "oldest verdict", "hung: down", "oldest verdict")
	turning := &figures.Table{}
	turning.Row("targets hung", "checks/s", "CPU a check", "processor", "an answer takes", "p99", "most", "lost")
	bound := s.crowd.bound(s.crowd.Timeout)
	if err := pause(ctx, 3*s.crowd.Interval); err != nil { // its start is over
		return err
	}
	for _, hung := range []int{0, s.targets.count / 100, s.targets.count} {
		asked := ask(ctx, s.crowd.Listen, s.crowd.Names[0].Name+"."+zone)
		if err := s.targets.hang(ctx, hung); err != nil {
			asked()
			return err
		}
		turn, err := s.measureFor(ctx, server.Part, bound)
		answers := asked()
		if err != nil {
			return err
		}
		turning.Row(append([]string{fmt.Sprint(hung), fmt.Sprintf("%.0f", turn.rate), microseconds(turn.cpu),
			fmt.Sprintf("%.0f %%", 100*turn.rate*turn.cpu)}, answers.cells()...)...)
		m, err := s.measure(ctx, server.Part)
		if err != nil {
			return err
		}
		w, err := s.inspect(ctx, server, hung)
		if err != nil {
			return err
		}
		s.Say("%d hung: %.0f checks/s, %s each, %+v", hung, m.rate, microseconds(m.cpu), w)
		t.Row(fmt.Sprint(hung), fmt.Sprintf("%.0f", m.rate), microseconds(m.cpu),
			fmt.Sprintf("%.0f", w.inFlight), fmt.Sprintf("%.0f", w.goroutines), figures.Mebibytes(max(m.resident, w.resident)),
			w.healthy.share(), w.healthy.oldestText(), w.hung.share(), w.hung.oldestText())
	}
	s.print(fmt.Sprintf("gslb with %d targets, interval %v, fast_interval %v, timeout %v, fall %d, when some of them hang: one window of %v each.",
		s.targets.count, s.crowd.Interval, s.crowd.Fast, s.crowd.Timeout, s.crowd.Fall, s.window), t)
	s.print(fmt.Sprintf("The %v before: from the moment that they begin to hang until the last is found down at the latest. A name is asked for every %v.",
		bound, nameEvery), turning)
	return nil
}

func microseconds(seconds float64) string {
	return fmt.Sprintf("%.0f µs", math.Round(seconds*1e6))
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
