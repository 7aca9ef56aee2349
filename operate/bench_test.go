package operate

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"gslb/admin/api"
	"gslb/override"
)

// timedBook notes when a change was acknowledged.
type timedBook struct {
	Book
	acknowledged time.Time
}

func (b *timedBook) Put(ctx context.Context, o override.Override) error {
	err := b.Book.Put(ctx, o)
	b.acknowledged = time.Now()
	return err
}

func (b *timedBook) Remove(ctx context.Context, ids []string, by, why string) ([]override.Override, error) {
	list, err := b.Book.Remove(ctx, ids, by, why)
	b.acknowledged = time.Now()
	return list, err
}

// timedPublisher notes when the table that has all began to serve.
type timedPublisher struct {
	Publisher
	served time.Time
}

func (p *timedPublisher) Settle(ctx context.Context) error {
	err := p.Publisher.Settle(ctx)
	p.served = p.Table().Published()
	return err
}

// BenchmarkDrain is a drain, and its end, of the pool that every name prefers: all of it, with the
// preview and the disk, and the part from when it is acknowledged until it is served.
func BenchmarkDrain(b *testing.B) {
	for _, world := range []struct {
		name         string
		pools, names int
		table        func(name int) string
	}{
		{"2_names", 2, 2, func(int) string { return `pools = ["p0", "p1"]` }},
		{"100000_names_of_one_steering", 2, 100_000, func(int) string { return `pools = ["p0", "p1"]` }},
		{"20000_steerings", 201, 20_000, func(i int) string {
			second, third := i%200, (i%200+1+i/200)%200
			return fmt.Sprintf(`pools = ["p0", "p%d", "p%d"]`, 1+second, 1+third)
		}},
	} {
		b.Run(world.name, func(b *testing.B) {
			s, end := open(b, b.TempDir(), poolsAndNames(world.pools, world.names, world.table))
			defer end()
			book, publisher := &timedBook{Book: s.book}, &timedPublisher{Publisher: s.publisher}
			op := New(Options{Book: book, Publisher: publisher, Logger: s.logger})
			var until, longest time.Duration
			note := func(err error) {
				if err != nil {
					b.Fatal(err)
				}
				took := publisher.served.Sub(book.acknowledged)
				until += took
				longest = max(longest, took)
			}
			for b.Loop() {
				_, err := op.Put(b.Context(), "x", &api.OverrideRequest{Kind: "drain", Pool: "p0", Reason: "test"})
				note(err)
				_, err = op.Remove(b.Context(), "x", "drain/p0", &api.RemoveRequest{})
				note(err)
			}
			b.ReportMetric(until.Seconds()*1e3/float64(2*b.N), "ms-until-served")
			b.ReportMetric(longest.Seconds()*1e3, "ms-longest")
		})
	}
}

// poolsAndNames is a configuration of pools of one member each, and of names, each with a table.
func poolsAndNames(pools, names int, table func(name int) string) string {
	var text strings.Builder
	text.WriteString("[server]\nlisten = [\"127.0.0.1:0\"]\n[checks.web]\ntype = \"tcp\"\naddress = \"{address}:80\"\n")
	for i := range pools {
		fmt.Fprintf(&text, "[pools.p%d]\nmembers = [\"10.0.%d.%d\"]\nchecks = [\"web\"]\n", i, i/250, i%250+1)
	}
	text.WriteString("[zones.\"gslb.example.com\"]\nnameservers = { ns1 = [\"192.0.2.53\"] }\n")
	for i := range names {
		fmt.Fprintf(&text, "[zones.\"gslb.example.com\".names.n%d]\n%s\n", i, table(i))
	}
	return text.String()
}
