package answer

import (
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gslb/health"
	"gslb/override"
	"gslb/steer"
	"gslb/zones"
	"gslb/zones/records"
)

// manySteerings has pools of both families, and steerings some of which answer the same.
const manySteerings = `
[server]
listen = ["127.0.0.1:0"]
[checks.web]
type = "tcp"
address = "{address}:80"
[pools.ams]
members = ["198.51.100.10"]
checks = ["web"]
[pools.nyc]
members = ["203.0.113.10", "2001:db8::10", "203.0.113.11"]
checks = ["web"]
[pools.sfo]
members = ["192.0.2.10", "2001:db8::20"]
checks = ["web"]
[pools.lb]
cname = "lb.example.net"
[zones."gslb.example.com"]
nameservers = { ns1 = ["192.0.2.53"] }
[zones."gslb.example.com".names]
a = { pools = ["ams", "nyc"] }
b = { pools = ["nyc", "ams"] }
c = { pools = ["nyc", "sfo"] }
d = { pools = ["nyc", "sfo"], ttl = "60s" }
e = { pools = ["sfo"], when_all_down = "servfail" }
f = { policy = "weighted", pools = [["nyc", "ams"], "sfo"], weights = { nyc = 3 } }
g = { policy = "weighted", pools = [["nyc", "ams"], "sfo"], panic_below = "60%" }
h = { policy = "sticky", pools = [["nyc", "sfo"], "ams"], when_all_down = "all" }
i = { policy = "all", pools = [["nyc", "ams"]], order = "fixed", when_all_down = "nodata" }
j = { policy = "weighted", pools = ["lb", "ams"], when_all_down = "last_good" }
k = { views = { "192.0.2.0/24" = ["ams"], "192.0.0.0/16" = ["nyc"], "2001:db8::/32" = ["lb"] } }
m = { policy = "weighted", pools = ["sfo", "lb"], weights = { sfo = 5, lb = 0 } }
n = { pools = ["sfo"] }
l = { views = { "192.0.2.0/24" = ["ams", "nyc"], default = ["sfo"] }, fence = ["192.0.2.0/24"], failover_after = "10s" }
`

// However health goes, a table that was made from the one before is the one that would be
// compiled anew, and leaves the one before as it was.
func TestWithIsCompile(t *testing.T) {
	set := parse(t, manySteerings)
	comparePacked := cmp.AllowUnexported(steered{}, choice{}, share{}, column{}, pending{})
	rapid.Check(t, func(t *rapid.T) {
		snap := snapshot(set)
		outcome := steer.Step(set, steer.Input{Snapshot: snap, Now: noon}, steer.Memory{})
		table, now, words := Compile(set, outcome.Pools, outcome.Decisions), noon, drawWords(t)
		for range rapid.IntRange(1, 10).Draw(t, "changes") {
			target := rapid.SampledFrom(set.Targets).Draw(t, "target").ID
			status := health.Status(rapid.IntRange(0, 2).Draw(t, "status"))
			snap = snap.With(noon, map[health.TargetID]health.State{target: {
				Status: status, Awaited: rapid.IntRange(0, 5).Draw(t, "awaited") == 0,
			}})
			if rapid.Bool().Draw(t, "words") {
				words = drawWords(t)
			}
			now = now.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "seconds")) * time.Second)
			next := outcome.Next(steer.Input{Snapshot: snap, Words: words, Now: now})
			with, anew := table.With(next), table.index.Compile(next)
			if !reflect.DeepEqual(anew.steered, with.steered) {
				t.Fatalf("(-compiled +with):\n%s", cmp.Diff(anew.steered, with.steered, comparePacked))
			}
			if !reflect.DeepEqual(anew.own, with.own) {
				t.Fatalf("of names apart (-compiled +with):\n%s", cmp.Diff(anew.own, with.own, comparePacked))
			}
			before := table.index.Compile(outcome)
			if !reflect.DeepEqual(before.steered, table.steered) || !reflect.DeepEqual(before.own, table.own) {
				t.Fatalf("the table before was changed (-was +is):\n%s", cmp.Diff(before.steered, table.steered, comparePacked))
			}
			outcome, table = next, with
		}
	})
}

// drawWords draws pins of some of manySteerings' names, and drains.
func drawWords(t *rapid.T) *override.Words {
	list := map[string]override.Override{}
	for range rapid.IntRange(0, 4).Draw(t, "words") {
		o := override.Override{
			Kind: rapid.SampledFrom([]override.Kind{override.Pin, override.Pin, override.Drain}).Draw(t, "kind"),
			Pool: rapid.SampledFrom([]string{"ams", "nyc", "sfo", "lb"}).Draw(t, "pool"), Anyway: rapid.Bool().Draw(t, "anyway"),
		}
		if o.Kind == override.Pin {
			o.Name = rapid.SampledFrom([]string{"a", "f", "h", "i", "j", "k", "l"}).Draw(t, "name") + ".gslb.example.com."
		}
		list[o.ID()] = o
	}
	return override.NewWords(slices.Collect(maps.Values(list)))
}

func TestSameAnswerIsPackedOnce(t *testing.T) {
	table := compile(parse(t, manySteerings))
	of := make(map[string]*steered)
	for i, names := range table.index.names {
		for _, n := range names {
			host, _, _ := strings.Cut(n.Name, ".")
			of[host] = table.steered[table.index.steerings[i].first]
		}
	}
	if of["m"] != of["n"] {
		t.Error("a pool that is alone is packed once for each weight or policy")
	}
	if of["b"] != of["c"] {
		t.Error("two steerings answer the same pool, each with records of its own")
	}
	if of["a"] == of["b"] || of["c"] == of["d"] {
		t.Error("another pool or another TTL is packed as the same answer")
	}
}

func TestPackedAddresses(t *testing.T) {
	route := &zones.Route{Steering: &zones.Steering{Policy: zones.Failover, Fixed: true}}
	decision := &steer.Decision{Route: route, TTL: 20 * time.Second, Shares: []steer.Share{{Pool: &zones.Pool{}, Addresses: []netip.Addr{
		netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"),
	}}}}
	packed := newCompiler().compile(decision)
	got := struct{ a, aaaa records.RRset }{packed.a.shares[0].RRset, packed.aaaa.shares[0].RRset}
	var lines []string
	for _, set := range []piece{{RRset: got.a}, {RRset: got.aaaa}} {
		for _, rr := range rrsOf([]piece{set}, "app.example.com.") {
			lines = append(lines, strings.Join(strings.Fields(rr.String()), " "))
		}
	}
	want := []string{
		"app.example.com. 20 IN A 192.0.2.1",
		"app.example.com. 20 IN A 192.0.2.2",
		"app.example.com. 20 IN AAAA 2001:db8::1",
	}
	if diff := cmp.Diff(want, lines); diff != "" || got.a.Count != 2 || got.aaaa.Count != 1 {
		t.Errorf("%d and %d records (-want +got):\n%s", got.a.Count, got.aaaa.Count, diff)
	}
}
