package publish

import (
	"fmt"
	"strings"
	"testing"

	"gslb/answer"
	"gslb/health"
	"gslb/override"
	"gslb/steer"
	"gslb/zones"
)

// BenchmarkPublish is the cost of one change of health, a pool's failure, in three parts:
// until it is decided, until the table is compiled that answers so, and, when that serves
// already, until there is a list of what changed.
func BenchmarkPublish(b *testing.B) {
	for _, world := range []struct {
		name         string
		pools, names int
		table        func(name int) string // of the name; the pool that fails is p0
	}{
		{"10000_pools", 10_000, 10_000, func(i int) string { return poolList(i, (i+1)%10_000) }},
		{"100000_names_of_one_steering", 2, 100_000, func(int) string { return poolList(0, 1) }},
		{"100000_names_of_6_views", 3, 100_000, func(int) string { return sixViews(1, 2) }},
		{"20000_steerings_of_one_pool", 201, 20_000, func(i int) string {
			second, third := i%200, (i%200+1+i/200)%200
			return poolList(0, 1+second, 1+third)
		}},
		{"20000_steerings_of_6_views", 201, 20_000, func(i int) string { return sixViews(1+i%200, 1+(i%200+1+i/200)%200) }},
		{"100000_steerings_of_50000_pools", 50_000, 100_000, func(i int) string { return poolList(i%50_000, (i+1+i/50_000)%50_000) }},
	} {
		b.Run(world.name, func(b *testing.B) {
			benchmarkPublish(b, parse(b, poolsAndNames(world.pools, world.names, world.table)))
		})
	}
}

// BenchmarkWords is the time from a person's word being taken until a table is there that answers so: of
// a pool on which 100,000 names depend that are steered alike, or in 1,000 ways, and of one name.
func BenchmarkWords(b *testing.B) {
	for _, world := range []struct {
		name  string
		pools int
		table func(name int) string
	}{
		{"100000_names_of_one_steering", 2, func(int) string { return poolList(0, 1) }},
		{"100000_names_of_1000_steerings", 1001, func(i int) string { return poolList(0, 1+i%1000) }},
	} {
		set := parse(b, poolsAndNames(world.pools, 100_000, world.table))
		up, _ := newFakeHealth(set).Take()
		before := steer.Step(set, steer.Input{Snapshot: up, Now: noon}, steer.Memory{})
		old := answer.NewIndex(set).Compile(before)
		for _, o := range []override.Override{
			{Kind: override.Drain, Pool: "p0"},
			{Kind: override.Force, Pool: "p0", Status: health.Down},
			{Kind: override.Pin, Pool: "p1", Name: "n0.gslb.example.com."},
		} {
			words := override.NewWords([]override.Override{o})
			b.Run(world.name+"/"+string(o.Kind), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					after := before.Next(steer.Input{Snapshot: up, Words: words, Now: noon})
					if table := old.With(after); table.DecisionsOf(set.Name("n0.gslb.example.com."))[0].PoolName() != "p1" {
						b.Fatal("the word does not count")
					}
				}
			})
		}
	}
}

// poolList has these pools in their order.
func poolList(pools ...int) string {
	var list []string
	for _, pool := range pools {
		list = append(list, fmt.Sprintf("\"p%d\"", pool))
	}
	return "pools = [" + strings.Join(list, ", ") + "]\n"
}

// sixViews has six views that all prefer p0.
func sixViews(second, third int) string {
	var views strings.Builder
	views.WriteString("views = { ")
	for _, view := range []string{`"10.0.0.0/8"`, `"10.1.0.0/16"`, `"172.16.0.0/12"`, `"192.168.0.0/16"`, `"2001:db8::/32"`, "default"} {
		fmt.Fprintf(&views, "%s = [\"p0\", \"p%d\", \"p%d\"], ", view, second, third)
	}
	return strings.TrimSuffix(views.String(), ", ") + " }\n"
}

func benchmarkPublish(b *testing.B, set *zones.Set) {
	up, _ := newFakeHealth(set).Take()
	down := up.With(noon, map[health.TargetID]health.State{"web@10.0.0.1": {Status: health.Down, Since: noon}})
	before := steer.Step(set, steer.Input{Snapshot: up, Now: noon}, steer.Memory{})
	after := before.Next(steer.Input{Snapshot: down, Now: noon})
	old := answer.Compile(set, before.Pools, before.Decisions)
	table := old.With(after)
	b.Logf("%d pools, %d steerings, %d events", len(set.Pools), len(set.Steerings), len(events(old, table, down, after.Changed, nil)))
	for _, part := range []struct {
		name string
		do   func()
	}{
		{"decide", func() { before.Next(steer.Input{Snapshot: down, Now: noon}) }},
		{"compile", func() { old.With(after) }},
		{"events", func() { events(old, table, down, after.Changed, nil) }},
	} {
		b.Run(part.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				part.do()
			}
		})
	}
}

// poolsAndNames is a configuration of pools of one member each, and of names, each with a table.
func poolsAndNames(pools, names int, table func(name int) string) string {
	var text strings.Builder
	text.WriteString("[server]\nlisten = [\"127.0.0.1:0\"]\n[checks.web]\ntype = \"tcp\"\naddress = \"{address}:80\"\n")
	for i := range pools {
		fmt.Fprintf(&text, "[pools.p%d]\nmembers = [\"10.%d.%d.%d\"]\nchecks = [\"web\"]\n", i, i/62500, i/250%250, i%250+1)
	}
	text.WriteString("[zones.\"gslb.example.com\"]\nnameservers = { ns1 = [\"192.0.2.53\"] }\n")
	for i := range names {
		fmt.Fprintf(&text, "[zones.\"gslb.example.com\".names.n%d]\n%s", i, table(i))
	}
	return text.String()
}
