package queries

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/miekg/dns"

	"gslb/integration/figures"
	"gslb/integration/parts"
	"gslb/internal/plural"
)

// loadWait is how long a server may take to load what it serves.
const loadWait = 3 * time.Minute

// capacity is what a large zone costs a server.
type capacity struct {
	contender
	loading  figures.Sample // seconds from exec to the first right answer
	resident figures.Sample // bytes, once it has come to rest
}

// manyNames measures the time and the memory that a large static zone takes.
func manyNames(ctx context.Context, b *bench) (err error) {
	t, err := b.newTrial("names", content{names: b.size.zone}, rare(), b.nameServers())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	found := make([]capacity, len(t.servers))
	err = t.eachTurn(func(server *server, label string) error {
		c := &found[server.index]
		c.contender = server.contender
		final := t.content.ask(t.content.names-1, dns.TypeA)
		if err := t.load(ctx, server, append([]question{final}, t.content.first(nameMix, sampled)...), c); err != nil {
			return err
		}
		b.Say("names, %s: %s, %s", label, last(c.loading), figures.Mebibytes(c.resident[len(c.resident)-1]))
		return nil
	})
	if err != nil {
		return err
	}
	b.reportCapacity(found)
	return nil
}

// load measures one start of a server, up to the first right answer to the first of the questions.
// It answers the others right as well.
func (t *trial) load(ctx context.Context, server *server, questions []question, c *capacity) (err error) {
	limited, cancel := context.WithTimeout(ctx, loadWait)
	defer cancel()
	begun := time.Now()
	if err := server.start(limited); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.part.Stop(ctx)) }()
	err = parts.Until(limited, "it answers right", func(ctx context.Context) error {
		return verify(ctx, "udp", server.listen, questions[:1])
	})
	if err != nil {
		return err
	}
	loading := time.Since(begun)
	if err := verify(ctx, "udp", server.listen, questions); err != nil {
		return err
	}
	if err := pause(ctx, t.size.rest); err != nil {
		return err
	}
	resident, err := server.part.Memory()
	if err != nil {
		return err
	}
	c.loading = append(c.loading, loading.Seconds())
	c.resident = append(c.resident, float64(resident))
	return nil
}

func (b *bench) reportCapacity(found []capacity) {
	t := &figures.Table{}
	t.Row("server", "loading", "resident", "loading: gslb/it", "resident: gslb/it")
	for _, c := range found {
		loading, resident := none, none
		if found[0].name == ours {
			loading = ratio(found[0].loading.Median(), c.loading.Median())
			resident = ratio(found[0].resident.Median(), c.resident.Median())
		}
		t.Row(c.name, shortSeconds(c.loading.Median()), figures.Mebibytes(c.resident.Median()), loading, resident)
	}
	b.Table(t, "**names: %d in a master file.** Medians of %s; resident %v later.", b.size.zone, plural.Of(b.rounds, "round", "rounds"), b.size.rest)
	if found[0].name == ours {
		b.capacityGoals(found)
	}
}

// capacityGoals compares the first of those found, gslb, with the better of NSD and Knot, which
// in time need not be the one that is so in memory.
func (b *bench) capacityGoals(found []capacity) {
	for _, metric := range []struct {
		what string
		of   func(capacity) float64
	}{
		{"time to load", func(c capacity) float64 { return c.loading.Median() }},
		{"memory", func(c capacity) float64 { return c.resident.Median() }},
	} {
		var best *capacity
		for i, c := range found {
			if (c.name == "NSD" || c.name == "Knot") && (best == nil || metric.of(c) < metric.of(*best)) {
				best = &found[i]
			}
		}
		if best != nil {
			b.goalRatio(fmt.Sprintf("%d names, %s, beside %s", b.size.zone, metric.what, best.name), atMost(1), metric.of(found[0])/metric.of(*best))
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
