package queries

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"gslb/bench/load"
	"gslb/integration/figures"
	"gslb/integration/parts"
	"gslb/internal/plural"
)

// reloadWait is how long a reload may take.
const reloadWait = time.Minute

// reloads are what was measured of a server, reload by reload.
type reloads struct {
	contender
	rate   figures.Sample // queries per second, of the load
	took   figures.Sample // seconds, from the change to the first new answer
	lost   figures.Sample // queries, over the whole run
	before figures.Sample // seconds: p99.9 of the latency, before the signal
	during figures.Sample // the same, from the change to the first new answer
	all    figures.Sample // the same, over the whole run
	most   figures.Sample // seconds: the longest latency, over the whole run
	late   int            // reloads that had not come after reloadWait
}

// change is what a server under load is to take in.
type change struct {
	prepare func() error // before the load, which what it takes must not disturb
	apply   func(*server) error
	undo    func() error // for the next start
	anew    []question   // their answers are right after it, and were not before
}

// reloadNames measures what a reload of very many names does to the answers meanwhile, at
// half of the load that the server can bear.
func reloadNames(ctx context.Context, b *bench) (err error) {
	able := b.among(ours, "Knot", "NSD", "echo") // who read their files anew on SIGHUP, or have none
	if len(able) == 0 {
		b.Say("reload: nobody takes part")
		return nil
	}
	old := content{names: b.size.failing, pools: 2, groups: 1}
	t, err := b.newTrial("reload", old, rare(), able)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	next := old
	next.shift++ // every name has another address
	found, err := t.reloads(ctx, "reload", old.first(nameMix, b.size.questions), change{
		prepare: func() error { return t.write(next) },
		apply: func(server *server) error {
			if err := t.install(); err != nil {
				return err
			}
			server.part.Signal(syscall.SIGHUP)
			return nil
		},
		undo: func() error { return errors.Join(t.write(old), t.install()) },
		anew: next.first(nameMix, 1),
	})
	if err != nil {
		return err
	}
	b.reportReloads(fmt.Sprintf("reload: %d names under load", b.size.failing),
		fmt.Sprintf("reload of %d names at half of saturation: ", b.size.failing), found)
	return nil
}

// reloads has all servers take in a change, at half of the load that each can bear.
func (t *trial) reloads(ctx context.Context, name string, questions []question, change change) ([]reloads, error) {
	found := make([]reloads, len(t.servers))
	queries, err := pack(questions)
	if err != nil {
		return nil, err
	}
	return found, t.eachServing(ctx, "udp", sample(questions), func(server *server, label string) error {
		config := load.UDPConfig{
			Server: server.listen, Queries: queries, Sources: sources(questions), Processor: loadProcessor,
			Open: openQueries, Time: max(t.warmUp, t.duration/5),
		}
		saturated, err := load.UDP(ctx, config)
		if err != nil {
			return err
		}
		config.Open = 0
		config.Rate = max(1, int(float64(saturated.Sent()-saturated.Lost())/saturated.Took.Seconds()*t.share))
		r := &found[server.index]
		r.contender = server.contender
		if server.floor {
			return t.bear(ctx, config, r)
		}
		err = t.reloadOnce(ctx, server, config, change, r)
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil && server.name != ours {
			r.late++
			t.Say("%s, %s at %d/s: %v", name, label, config.Rate, err)
			return change.undo()
		}
		if err != nil {
			return err
		}
		t.Say("%s, %s at %d/s: took %s, lost %.0f, p99.9 %s before, %s during, at most %s",
			name, label, config.Rate, last(r.took), r.lost[len(r.lost)-1], last(r.before), last(r.during), last(r.most))
		return change.undo()
	})
}

// reloadOnce has a server under load take in a change.
func (t *trial) reloadOnce(ctx context.Context, server *server, config load.UDPConfig, change change, r *reloads) error {
	if change.prepare != nil {
		if err := change.prepare(); err != nil {
			return err
		}
	}
	config.Time = t.duration + reloadWait
	loading, stop := context.WithCancel(ctx)
	defer stop()
	var report *load.UDPReport
	var loadErr error
	var generating sync.WaitGroup
	generating.Go(func() { report, loadErr = load.UDP(loading, config) })
	applied, renewed, err := t.reload(ctx, server, change)
	stop()
	generating.Wait()
	if loadErr != nil {
		return fmt.Errorf("the load: %v", loadErr) // whatever it is, it is not that the server was late
	}
	r.add(config.Rate, report)
	if err != nil {
		return err
	}
	add(&r.took, renewed.Sub(applied).Seconds())
	add(&r.before, report.Between(report.Begun, applied).Latency(0.999).Seconds())
	add(&r.during, report.Between(applied, renewed).Latency(0.999).Seconds())
	return nil
}

// bear has a server that has nothing to reload bear the same load.
func (t *trial) bear(ctx context.Context, config load.UDPConfig, r *reloads) error {
	config.Time = t.duration
	report, err := load.UDP(ctx, config)
	if err != nil {
		return err
	}
	r.add(config.Rate, report)
	t.Say("%s at %d/s: lost %.0f, p99.9 %s, at most %s", r.name, config.Rate, r.lost[len(r.lost)-1], last(r.all), last(r.most))
	return nil
}

// add adds what is known of any load.
func (r *reloads) add(rate int, report *load.UDPReport) {
	add(&r.rate, float64(rate))
	add(&r.lost, float64(report.Lost()))
	add(&r.all, report.Latency(0.999).Seconds())
	add(&r.most, report.Latency(1).Seconds())
}

// reload applies a change in the middle of a measurement that what it takes comes on top of, and
// returns the moment of that and the one of the first new answer.
func (t *trial) reload(ctx context.Context, server *server, change change) (applied, renewed time.Time, err error) {
	if err := pause(ctx, t.duration/2); err != nil {
		return applied, renewed, err
	}
	applied = time.Now()
	if err := change.apply(server); err != nil {
		return applied, renewed, err
	}
	limited, cancel := context.WithTimeout(ctx, reloadWait)
	defer cancel()
	err = parts.Until(limited, "it answers anew", func(ctx context.Context) error {
		return verify(ctx, "udp", server.listen, change.anew)
	})
	renewed = time.Now()
	return applied, renewed, errors.Join(err, pause(ctx, t.duration/2))
}

// median is that of a number of times; there may be none.
func median(seconds figures.Sample) string {
	if len(seconds) == 0 {
		return none
	}
	return shortSeconds(seconds.Median())
}

func (b *bench) reportReloads(title, goal string, found []reloads) {
	t := &figures.Table{}
	t.Row("server", "load", "reload", "lost", "p99.9 before", "during", "of all", "longest")
	for _, r := range found {
		took := median(r.took)
		if r.late > 0 {
			took += fmt.Sprintf(" (%d of %d not within %v)", r.late, r.late+len(r.took), reloadWait)
		}
		t.Row(r.name, fmt.Sprintf("%.0f/s", r.rate.Median()), took, fmt.Sprintf("%.0f", r.lost.Quantile(1)),
			median(r.before), median(r.during), median(r.all), shortSeconds(r.most.Quantile(1)))
		if r.name == ours {
			b.goalCount(goal+"queries lost", atMost(0), r.lost.Quantile(1))
			b.goalTime(goal+"p99.9 meanwhile", atMost(0.005), r.during.Median())
		}
	}
	b.Table(t, "**%s.** Medians of %s of %v and the reload, but for the most that were lost, and the longest latency.",
		title, plural.Of(b.rounds, "round", "rounds"), b.duration)
}
