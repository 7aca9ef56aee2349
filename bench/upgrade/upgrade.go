// Package upgrade counts the queries that are lost while a server's process is replaced by another one. Beside gslb:
// gdnsd, which can do that too, and a server that is restarted.
package upgrade

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/miekg/dns"

	"gslb/bench/load"
	"gslb/integration/figures"
	"gslb/integration/parts"
)

// The processors that servers and load are bound to.
const (
	serverProcessor = 0
	loadProcessor   = 1
)

// bench is a run of it.
type bench struct {
	*figures.Report
	dir      string
	binary   string // of gslb
	rounds   int
	upgrades int           // in each measurement
	time     time.Duration // of each measurement
	rate     int           // of UDP, queries per second
}

// kind is a way to ask. It runs until ctx ends, or for the time of a measurement.
type kind struct {
	name string
	tcp  bool
	run  func(ctx context.Context, c *contender, queries [][]byte, o *outcome) error
}

func (b *bench) kinds() []kind {
	return []kind{
		{"UDP", false, b.udp},
		{"TCP, connections that stay", true, b.tcp(0)},
		{"TCP, a query each", true, b.tcp(1)},
	}
}

// Run takes the figures of all contenders, with files in dir. It fails if gslb loses a query or a connection.
func Run(ctx context.Context, report *figures.Report, dir string, args []string) error {
	root, err := parts.Root()
	if err != nil {
		return err
	}
	b := &bench{Report: report, dir: dir}
	err = figures.Parse("upgrade", args, func(f *flag.FlagSet) {
		f.IntVar(&b.rounds, "rounds", 3, "how often each server is measured with each load")
		f.IntVar(&b.upgrades, "upgrades", 3, "how often it is upgraded in each measurement")
		f.DurationVar(&b.time, "time", 15*time.Second, "how long each measurement takes")
		f.IntVar(&b.rate, "rate", 5000, "queries per second over UDP; over TCP as many are sent as are answered")
		f.StringVar(&b.binary, "gslb", filepath.Join(root, "bin", "gslb"), "path of the gslb binary")
	})
	if err != nil {
		return err
	}
	if b.rounds < 1 || b.upgrades < 1 || b.rate < 1 || b.time < time.Second {
		return errors.New("-rounds, -upgrades and -rate must be at least 1, -time at least 1s")
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	all, err := b.measure(ctx)
	if err != nil {
		return err
	}
	b.report(all)
	for _, o := range all[0].by {
		if lost := o.sent - o.answered; lost > 0 || o.failed > 0 {
			return fmt.Errorf("%s lost %d queries and %d connections", all[0].name, lost, o.failed)
		}
	}
	return nil
}

// measure starts all contenders and asks one after the other.
func (b *bench) measure(ctx context.Context) (all []*contender, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	lab, err := parts.NewLab(b.dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, lab.Close()) }()
	lab.Bind(serverProcessor)
	if all, err = b.contenders(ctx, lab); err != nil {
		return nil, err
	}
	query, err := new(dns.Msg).SetQuestion(owner+"."+zone+".", dns.TypeA).Pack()
	if err != nil {
		return nil, err
	}
	queries := make([][]byte, 100) // so many are sent at a time
	for i := range queries {
		queries[i] = query
	}
	for round := range b.rounds {
		for _, k := range b.kinds() {
			for i := range all {
				c := all[(round+i)%len(all)]
				if k.tcp && c.udpOnly {
					continue
				}
				if err := b.during(ctx, c, k, queries); err != nil {
					return nil, fmt.Errorf("round %d of %s over %s: %w", round+1, c.name, k.name, err)
				}
			}
		}
	}
	return all, nil
}

// errUnasked says that a server was upgraded when nobody asked, so that nothing could be lost.
var errUnasked = errors.New("the upgrades outlasted the load")

// during has a server upgraded again and again under a load.
func (b *bench) during(ctx context.Context, c *contender, k kind, queries [][]byte) error {
	if c.by[k.name] == nil {
		if c.by == nil {
			c.by = map[string]*outcome{}
		}
		c.by[k.name] = new(outcome)
	}
	o := c.by[k.name]
	before := *o
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var loading sync.WaitGroup
	var loadErr error
	begun := time.Now()
	loading.Go(func() {
		if loadErr = k.run(ctx, c, queries, o); loadErr != nil {
			cancel() // the upgrades
		}
	})
	took, err := b.upgrade(ctx, c)
	if err != nil {
		cancel() // the load
	}
	replaced := time.Since(begun)
	if c.lingers && err == nil {
		replaced -= took[len(took)-1] // it began in time, and its end waits for the load's
	}
	loading.Wait()
	if err := errors.Join(loadErr, err); err != nil {
		return err
	}
	if replaced > b.time {
		return fmt.Errorf("%w: the last of %d came after %v, and the load lasts %v: give more with -time", errUnasked, len(took), replaced.Round(time.Millisecond), b.time)
	}
	o.took = append(o.took, took...)
	o.upgrades += len(took)
	b.Say("%s over %s: %d queries, %d lost, %d connections lost", c.name, k.name,
		o.sent-before.sent, o.sent-before.sent-(o.answered-before.answered), o.failed-before.failed)
	return nil
}

// upgrade upgrades a server a few times, at even intervals, and returns how long each took.
func (b *bench) upgrade(ctx context.Context, c *contender) (figures.Times, error) {
	var took figures.Times
	beat := time.NewTicker(b.time / time.Duration(b.upgrades+1))
	defer beat.Stop()
	for len(took) < b.upgrades {
		select {
		case <-beat.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		begun := time.Now()
		if err := c.replace(ctx); err != nil {
			return nil, fmt.Errorf("upgrade: %w", err)
		}
		took = append(took, time.Since(begun))
	}
	return took, nil
}

// udp asks at a steady rate, whatever is answered.
func (b *bench) udp(ctx context.Context, c *contender, queries [][]byte, o *outcome) error {
	report, err := load.UDP(ctx, load.UDPConfig{Server: c.listen, Queries: queries, Rate: b.rate, Time: b.time, Processor: loadProcessor})
	if err != nil {
		return err
	}
	answered := report.Sent() - report.Lost()
	o.sent += report.Sent()
	o.answered += answered
	o.slowest = max(o.slowest, report.Latency(1))
	return right(report.Rcodes, answered)
}

// tcp asks as fast as is answered, with so many queries a connection; 0: as many as there is time for.
func (b *bench) tcp(each int) func(context.Context, *contender, [][]byte, *outcome) error {
	return func(ctx context.Context, c *contender, queries [][]byte, o *outcome) error {
		report, err := load.TCP(ctx, load.TCPConfig{
			Server: c.listen, Queries: queries, Connections: 20, PerConn: each, Window: 1, Time: b.time, Processor: loadProcessor,
		})
		if err != nil {
			return err
		}
		o.sent += report.Sent
		o.answered += report.Answered
		o.failed += report.Failed
		o.slowest = max(o.slowest, report.Slowest)
		if report.Failure != nil {
			b.Say("%s: %v", c.name, report.Failure)
		}
		return right(report.Rcodes, report.Answered)
	}
}

// right returns an error if not all replies have an answer.
func right(rcodes [16]int, answered int) error {
	if rcodes[dns.RcodeSuccess] != answered {
		return fmt.Errorf("of %d replies %d say NOERROR", answered, rcodes[dns.RcodeSuccess])
	}
	return nil
}

// report prints the table.
func (b *bench) report(all []*contender) {
	t := &figures.Table{}
	t.Row("server", "load", "upgrades", "sent", "answered", "lost", "connections lost", "slowest answer", "an upgrade takes")
	for _, k := range b.kinds() {
		for _, c := range all {
			o := c.by[k.name]
			if o == nil {
				continue
			}
			connections := "–"
			if k.tcp {
				connections = fmt.Sprint(o.failed)
			}
			t.Row(c.name, k.name, fmt.Sprint(o.upgrades), fmt.Sprint(o.sent), fmt.Sprint(o.answered), fmt.Sprint(o.sent-o.answered), connections,
				figures.Milliseconds(o.slowest), figures.Seconds(o.took.Quantile(0.5)))
		}
	}
	b.Table(t, "**upgrade: %d in %v, %d times.** The slowest of all answers, and the median of the upgrades.\n%s", b.upgrades, b.time, b.rounds, figures.Host())
}
