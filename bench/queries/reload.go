package queries

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"gslb/bench/figures"
	"gslb/bench/load"
	"gslb/integration/parts"
)

// reloadWait is how long a reload may take.
const reloadWait = time.Minute

// reloads are what was measured of a server, reload by reload.
type reloads struct {
	contender
	rate   figures.Sample // queries per second, of the load
	took   figures.Sample // seconds, from the signal to the first new answer
	lost   figures.Sample // queries, over the whole run
	before figures.Sample // seconds: p99.9 of the latency, before the signal
	during figures.Sample // the same, from the signal to the first new answer
	all    figures.Sample // the same, over the whole run
	most   figures.Sample // seconds: the longest latency, over the whole run
}

// reloadNames measures what a reload of very many names does to the answers meanwhile, at
// half of the load that the server can bear.
func reloadNames(ctx context.Context, b *bench) (err error) {
	able := b.among(ours, "Knot", "NSD", "echo") // who read their files anew on SIGHUP, or have none
	if len(able) == 0 {
		b.Say("reload: nobody takes part")
		return nil
	}
	old := content{names: b.size.failing, pools: 2, together: true}
	t, err := b.newTrial("reload", old, rare(), able)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	file, err := t.writeQuestions(nameMix, b.size.questions)
	if err != nil {
		return err
	}
	found := make([]reloads, len(t.servers))
	err = t.eachServing(ctx, "udp", old.first(nameMix, sampled), func(server *server, label string) error {
		saturated, err := t.dnsperf(ctx, server, label+"-saturation", file.path, 0, max(warmUp, b.duration/5))
		if err != nil {
			return err
		}
		rate := int(float64(saturated.answered) / saturated.took.Seconds() / 2)
		r := &found[server.index]
		r.contender = server.contender
		if server.floor {
			return t.bear(ctx, server, rate, r)
		}
		if err := t.reloadOnce(ctx, server, rate, r); err != nil {
			return err
		}
		b.Say("reload, %s at %d/s: took %s, lost %.0f, p99.9 %s before, %s during, at most %s",
			label, rate, last(r.took), r.lost[len(r.lost)-1], last(r.before), last(r.during), last(r.most))
		return errors.Join(t.write(old), t.install())
	})
	if err != nil {
		return err
	}
	b.reportReloads(found)
	return nil
}

// reloadOnce has a server under load reload a content in which every name has another
// address.
func (t *trial) reloadOnce(ctx context.Context, server *server, rate int, r *reloads) error {
	config, err := t.reloadLoad(server, rate, t.duration+reloadWait)
	if err != nil {
		return err
	}
	next := t.content
	next.shift++
	if err := t.write(next); err != nil {
		return err
	}
	loading, stop := context.WithCancel(ctx)
	defer stop()
	var report *load.UDPReport
	var loadErr error
	var generating sync.WaitGroup
	generating.Go(func() { report, loadErr = load.UDP(loading, config) })
	signalled, renewed, err := t.reload(ctx, server)
	stop()
	generating.Wait()
	if err := errors.Join(err, loadErr); err != nil {
		return err
	}
	r.add(rate, report)
	add(&r.took, renewed.Sub(signalled).Seconds())
	add(&r.before, report.Between(report.Begun, signalled).Latency(0.999).Seconds())
	add(&r.during, report.Between(signalled, renewed).Latency(0.999).Seconds())
	return nil
}

// bear has a server that has nothing to reload bear the same load.
func (t *trial) bear(ctx context.Context, server *server, rate int, r *reloads) error {
	config, err := t.reloadLoad(server, rate, t.duration)
	if err != nil {
		return err
	}
	report, err := load.UDP(ctx, config)
	if err != nil {
		return err
	}
	r.add(rate, report)
	t.Say("reload, %s at %d/s: lost %.0f, p99.9 %s, at most %s", server.name, rate, r.lost[len(r.lost)-1], last(r.all), last(r.most))
	return nil
}

// reloadLoad is the load that a server bears while it reloads.
func (t *trial) reloadLoad(server *server, rate int, length time.Duration) (load.UDPConfig, error) {
	queries, err := pack(t.content.first(nameMix, t.size.questions))
	return load.UDPConfig{Server: server.listen, Queries: queries, Rate: rate, Time: length, Processor: loadProcessor}, err
}

// add adds what is known of any load.
func (r *reloads) add(rate int, report *load.UDPReport) {
	add(&r.rate, float64(rate))
	add(&r.lost, float64(report.Lost()))
	add(&r.all, report.Latency(0.999).Seconds())
	add(&r.most, report.Latency(1).Seconds())
}

// reload sends the signal, in the middle of a measurement that the reload comes on top of, and
// returns the moment of that and the one of the first new answer.
func (t *trial) reload(ctx context.Context, server *server) (signalled, renewed time.Time, err error) {
	if err := pause(ctx, t.duration/2); err != nil {
		return signalled, renewed, err
	}
	if err := t.install(); err != nil {
		return signalled, renewed, err
	}
	signalled = time.Now()
	server.part.Signal(syscall.SIGHUP)
	limited, cancel := context.WithTimeout(ctx, reloadWait)
	defer cancel()
	sample := t.content.first(nameMix, 1)
	err = parts.Until(limited, "it answers anew", func(ctx context.Context) error {
		return verify(ctx, "udp", server.listen, sample)
	})
	renewed = time.Now()
	return signalled, renewed, errors.Join(err, pause(ctx, t.duration/2))
}

// median is that of a number of times; there may be none.
func median(seconds figures.Sample) string {
	if len(seconds) == 0 {
		return none
	}
	return shortSeconds(seconds.Median())
}

func (b *bench) reportReloads(found []reloads) {
	t := &figures.Table{}
	t.Row("server", "load", "reload", "lost", "p99.9 before", "during", "of all", "longest")
	for _, r := range found {
		t.Row(r.name, fmt.Sprintf("%.0f/s", r.rate.Median()), median(r.took), fmt.Sprintf("%.0f", r.lost.Quantile(1)),
			median(r.before), median(r.during), median(r.all), shortSeconds(r.most.Quantile(1)))
		if r.name == ours {
			what := fmt.Sprintf("reload of %d names at half of saturation: ", b.size.failing)
			b.goalCount(what+"queries lost", atMost(0), r.lost.Quantile(1))
			b.goalTime(what+"p99.9 meanwhile", atMost(0.005), r.during.Median())
		}
	}
	b.Table(t, "**reload: %d names under load.** Medians of %s of %v and the reload, but for the most that were lost, and the longest latency.",
		b.size.failing, plural(b.rounds, "round", "rounds"), b.duration)
}
