package queries

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"gslb/integration/figures"
	"gslb/integration/parts"
	"gslb/internal/plural"
)

const (
	// polled is how many of the names are asked for again and again.
	polled = 200
	// failWait is how long a pool may take to fail.
	failWait = time.Minute
)

// failPool measures how long gslb takes to answer anew for very many names, when the one
// pool that they all use fails.
func failPool(ctx context.Context, b *bench) error {
	return b.fails(ctx, "fail", "", content{names: b.size.failing, pools: 2, groups: 1})
}

// failViews does so for names that have six views, in each of which the pool is the first: all of
// them alike, and steered in many different ways.
func failViews(ctx context.Context, b *bench) error {
	places, err := b.places()
	if err != nil {
		return err
	}
	c := content{names: b.size.failing, pools: 2, groups: 1, clients: places, views: sixViews, policies: []string{byView}}
	if err := b.fails(ctx, "views, alike", fmt.Sprintf(" with %d views each", len(c.views)), c); err != nil {
		return err
	}
	c.pools, c.groups = 11, min(1000, c.names)
	return b.fails(ctx, "views, apart", fmt.Sprintf(" with %d views each, in %d ways,", len(c.views), c.groups), c)
}

// fails measures the failure of the first pool of a content.
func (b *bench) fails(ctx context.Context, name, what string, c content) (err error) {
	gslb := b.among(ours)
	if len(gslb) == 0 {
		b.Say("%s: gslb does not take part", name)
		return nil
	}
	t, err := b.newTrial(strings.ReplaceAll(name, ", ", "-"), c, schedule{interval: time.Second, fall: 1}, gslb)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	next := c
	next.shift++ // every name has the other pool
	awaited, err := next.spread(polled)
	if err != nil {
		return err
	}
	first, err := c.spread(sampled)
	if err != nil {
		return err
	}
	var found failures
	err = t.eachServing(ctx, "udp", first, func(server *server, label string) error {
		defer t.responder.fail() // nothing fails any more, for the next start
		ctx, cancel := context.WithTimeout(ctx, failWait)
		defer cancel()
		if err := t.failOnce(ctx, server, awaited, &found); err != nil {
			return err
		}
		b.Say("%s, %s: first answer %s, last %s, publishing %s", name, label, last(found.first), last(found.last), last(found.publish))
		return nil
	})
	if err != nil {
		return err
	}
	found.report(b, name, what)
	return nil
}

// spread asks for so many of the names, far from each other and, where they have views, for a
// client in each of these in turn.
func (c content) spread(count int) ([]question, error) {
	who := []client{{}}
	if c.clients != nil {
		who = nil
		for view := range c.views {
			found, err := c.clients.in(c.views, view)
			if err != nil {
				return nil, err
			}
			who = append(who, found)
		}
	}
	count = min(count, c.names)
	var questions []question
	for i := range count {
		questions = append(questions, c.askAs(who[i%len(who)], i*c.names/count, dns.TypeA))
	}
	return questions, nil
}

// failures are the times that it took, in seconds, failure by failure.
type failures struct {
	first   figures.Sample // from the check that failed to the first new answer
	last    figures.Sample // to the last one
	spread  figures.Sample // from the first to the last
	publish figures.Sample // what publishing took meanwhile, by the server's own metric
}

// failOnce fails the pool, which is up, and waits for new answers.
func (t *trial) failOnce(ctx context.Context, server *server, awaited []question, f *failures) error {
	before, err := server.publications(ctx)
	if err != nil {
		return err
	}
	var changed []time.Time
	var pollErr error
	var polling sync.WaitGroup
	polling.Go(func() { changed, pollErr = poll(ctx, server.listen, awaited) })
	t.responder.fail(poolAddrs(0)...)
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

// report prints the times. What the names have follows their number.
func (f *failures) report(b *bench, name, what string) {
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
	b.Table(t, "**%s: the pool of %d names%s fails.** %s; %d of the names are asked for.",
		name, b.size.failing, what, plural.Of(b.rounds, "time", "times"), min(polled, b.size.failing))
	limit := 0.020
	if what != "" {
		limit = 0.030
	}
	b.goalTime(fmt.Sprintf("a pool of %d names%s fails: to the last new answer", b.size.failing, what), atMost(limit), f.last.Median())
}

// last is what was measured last, as text.
func last(s figures.Sample) string { return shortSeconds(s[len(s)-1]) }
