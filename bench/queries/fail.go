package queries

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"

	"gslb/bench/figures"
	"gslb/integration/parts"
)

const (
	// polled is how many of the names are asked for again and again.
	polled = 200
	// failWait is how long a pool may take to fail.
	failWait = time.Minute
)

// failPool measures how long gslb takes to answer anew for very many names, when the one
// pool that they all use fails.
func failPool(ctx context.Context, b *bench) (err error) {
	gslb := b.among(ours)
	if len(gslb) == 0 {
		b.Say("fail: gslb does not take part")
		return nil
	}
	checks := schedule{interval: time.Second, fall: 1}
	t, err := b.newTrial("fail", content{names: b.size.failing, pools: 2, together: true}, checks, gslb)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	var found failures
	err = t.eachServing(ctx, "udp", t.content.first(nameMix, sampled), func(server *server, label string) error {
		defer t.responder.fail() // nothing fails any more, for the next start
		ctx, cancel := context.WithTimeout(ctx, failWait)
		defer cancel()
		if err := t.failOnce(ctx, server, &found); err != nil {
			return err
		}
		b.Say("fail, %s: first answer %s, last %s, publishing %s", label, last(found.first), last(found.last), last(found.publish))
		return nil
	})
	if err != nil {
		return err
	}
	found.report(b)
	return nil
}

// failures are the times that it took, in seconds, failure by failure.
type failures struct {
	first   figures.Sample // from the check that failed to the first new answer
	last    figures.Sample // to the last one
	spread  figures.Sample // from the first to the last
	publish figures.Sample // what publishing took meanwhile, by the server's own metric
}

// failOnce fails the pool, which is up, and waits for new answers.
func (t *trial) failOnce(ctx context.Context, server *server, f *failures) error {
	next := t.content
	next.shift++ // every name has the other pool
	var awaited []question
	for i := range min(polled, next.names) {
		awaited = append(awaited, next.ask(i*next.names/min(polled, next.names), dns.TypeA))
	}
	before, err := server.publications(ctx)
	if err != nil {
		return err
	}
	var changed []time.Time
	var pollErr error
	var polling sync.WaitGroup
	polling.Go(func() { changed, pollErr = poll(ctx, server.listen, awaited) })
	t.responder.fail(poolAddrs(t.content.pool(0))...)
	polling.Wait()
	if pollErr != nil {
		return pollErr
	}
	// Scrapes within a second may share one text.
	var after publications
	err = parts.Until(ctx, "the publication is counted", func(ctx context.Context) (err error) {
		if after, err = server.publications(ctx); err == nil && after.count == before.count {
			err = errors.New("there was none")
		}
		return err
	})
	if err != nil {
		return err
	}
	failed := t.responder.failedAt()
	first, last := slices.MinFunc(changed, time.Time.Compare), slices.MaxFunc(changed, time.Time.Compare)
	if failed.IsZero() || first.Before(failed) {
		return fmt.Errorf("the answers changed (%v) before a check failed (%v)", first, failed)
	}
	add(&f.first, first.Sub(failed).Seconds())
	add(&f.last, last.Sub(failed).Seconds())
	add(&f.spread, last.Sub(first).Seconds())
	add(&f.publish, after.seconds-before.seconds)
	return nil
}

// publications are those of a gslb so far.
type publications struct{ count, seconds float64 }

func (s *server) publications(ctx context.Context) (publications, error) {
	series, err := (&parts.GSLB{Part: s.part, Admin: s.admin}).Metrics(ctx)
	const metric = "gslb_table_publish_duration_seconds"
	return publications{series[metric+"_count"], series[metric+"_sum"]}, err
}

func (f *failures) report(b *bench) {
	t := &figures.Table{}
	t.Row("from a failed check", "median", "max")
	for _, row := range []struct {
		what string
		took figures.Sample
	}{
		{"to the first new answer", f.first},
		{"to the last new answer", f.last},
		{"between the two", f.spread},
		{"publishing meanwhile, by its own metric", f.publish},
	} {
		t.Row(row.what, shortSeconds(row.took.Median()), shortSeconds(row.took.Quantile(1)))
	}
	b.Table(t, "**fail: the pool of %d names fails.** %s; %d of the names are asked for.",
		b.size.failing, plural(b.rounds, "time", "times"), min(polled, b.size.failing))
	b.goalTime(fmt.Sprintf("a pool of %d names fails: to the last new answer", b.size.failing), atMost(0.020), f.last.Median())
}

// last is what was measured last, as text.
func last(s figures.Sample) string { return shortSeconds(s[len(s)-1]) }
