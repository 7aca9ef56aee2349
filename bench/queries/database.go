package queries

import (
	"context"
	"errors"
	"fmt"

	"github.com/miekg/dns"

	"gslb/bench/geodb"
	"gslb/integration/figures"
	"gslb/internal/plural"
)

// byPlace is a content whose names have ten views. Without clients, they have failover instead,
// and no database is needed.
func (b *bench) byPlace(places *clients) content {
	c := content{names: b.size.names, pools: b.size.pools}
	if places != nil {
		c.clients, c.views, c.policies = places, tenViews, []string{byView}
	}
	return c
}

// database measures the memory that databases take, and the time that it takes to load them.
func database(ctx context.Context, b *bench) error {
	places, err := b.places()
	if err != nil {
		return err
	}
	with, err := b.capacities(ctx, "database", b.byPlace(places))
	if err != nil {
		return err
	}
	without, err := b.capacities(ctx, "database-none", b.byPlace(nil))
	if err != nil {
		return err
	}
	t := &figures.Table{}
	t.Row("server", "start", "resident", "start without", "resident without", "what the databases add", "gslb/it", "resident: gslb/it")
	added := func(i int) float64 { return with[i].resident.Median() - without[i].resident.Median() }
	for i, c := range with {
		ratios := []string{none, none}
		if with[0].name == ours {
			ratios = []string{ratio(added(0), added(i)), ratio(with[0].resident.Median(), c.resident.Median())}
		}
		t.Row(append([]string{
			c.name, shortSeconds(c.loading.Median()), figures.Mebibytes(c.resident.Median()),
			shortSeconds(without[i].loading.Median()), figures.Mebibytes(without[i].resident.Median()), figures.Mebibytes(added(i)),
		}, ratios...)...)
		if with[0].name == ours && c.name == "gdnsd" {
			b.goalRatio(fmt.Sprintf("databases of %d networks, %d views: memory beside gdnsd", b.size.networks, len(tenViews)),
				atMost(0.5), with[0].resident.Median()/c.resident.Median())
			b.goalRatio("of that, what the databases add, beside gdnsd", atMost(0.5), added(0)/added(i))
		}
	}
	b.Table(t, "**database: %d networks, and %d views of %d names.** Medians of %s; resident %v after the start.",
		b.size.networks, len(tenViews), b.size.names, plural.Of(b.rounds, "round", "rounds"), b.size.rest)
	return nil
}

// capacities starts each contender with a content, and has it come to rest.
func (b *bench) capacities(ctx context.Context, name string, c content) (found []capacity, err error) {
	t, err := b.newTrial(name, c, rare(), b.among(ours, older, "gdnsd"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	found = make([]capacity, len(t.servers))
	return found, t.eachTurn(func(server *server, label string) error {
		c := &found[server.index]
		c.contender = server.contender
		if err := t.load(ctx, server, t.content.first(placeMix, sampled), c); err != nil {
			return err
		}
		b.Say("%s, %s: %s, %s", name, label, last(c.loading), figures.Mebibytes(c.resident[len(c.resident)-1]))
		return nil
	})
}

// replaceDatabase measures what another database of places does to the answers, at half of the
// load that a server can bear.
func replaceDatabase(ctx context.Context, b *bench) (err error) {
	places, err := b.places()
	if err != nil {
		return err
	}
	t, err := b.newTrial("replace", b.byPlace(places), rare(), b.among(ours, older, "gdnsd", "echo"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	files := t.databases
	files.City = files.Changed
	changed, err := geodb.Open(files)
	if err != nil {
		return err
	}
	defer changed.Close()
	anew := t.content
	anew.clients = &clients{changed}
	moved := anew.askAs(client{source: geodb.Moved.Addr().Next()}, 0, dns.TypeA)
	found, err := t.reloads(ctx, "replace", t.content.first(placeMix, b.size.questions), change{
		apply: func(*server) error { return t.link(t.databases.Changed, cityFile) },
		undo:  func() error { return t.link(t.databases.City, cityFile) },
		anew:  []question{moved},
	})
	if err != nil {
		return err
	}
	b.reportReloads(fmt.Sprintf("replace: another database of %d networks under load", b.size.networks),
		fmt.Sprintf("another database of %d networks at half of saturation: ", b.size.networks), found)
	return nil
}
