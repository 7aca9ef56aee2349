//go:build integration

package integration

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"gslb/integration/parts"
)

// allDownZone has a name for each when_all_down, over the same regions.
const allDownZone = `
[pools.sorry] # no checks: always there
members = ["127.0.0.99", "fd00::99"]

[zones."gslb.example.com"]
nameservers = { ns1 = ["127.0.0.53"] }

[zones."gslb.example.com".names.assume]
pools = ["nyc", "ams"] # assume_up is the default

[zones."gslb.example.com".names.good]
pools         = ["nyc", "ams"]
when_all_down = "last_good"

[zones."gslb.example.com".names.fallback]
pools         = ["nyc", "ams"]
when_all_down = "fallback"
fallback      = "sorry"

[zones."gslb.example.com".names.servfail]
pools         = ["nyc", "ams"]
when_all_down = "servfail"
`

// TestAllDown fails both regions, one after the other and in different ways.
func TestAllDown(t *testing.T) {
	ctx := begin(t)
	s := setup{Zone: allDownZone}.serve(t, ctx)
	check := func(want map[string]string) {
		t.Helper()
		for name, region := range want {
			if name += ".gslb.example.com."; region == "SERVFAIL" {
				checkServFail(t, ctx, s.Listen, name)
			} else {
				checkDig(t, ctx, s.Listen, name, region)
			}
		}
	}
	all := func(region string) map[string]string {
		return map[string]string{"assume": region, "good": region, "fallback": region, "servfail": region}
	}
	clients := watch(t, s.Listen, "fallback.gslb.example.com.")
	clients.await(t, ctx, "nyc", time.Time{})
	check(all("nyc"))

	must(t, world.nyc.Inflict(ctx, parts.LoadBalancerKilled))
	clients.await(t, ctx, "ams", time.Now())
	check(all("ams"))

	logged := s.logged(t)
	must(t, world.ams.Inflict(ctx, parts.DynamoDBStopped))
	clients.await(t, ctx, "sorry", time.Now())
	// The one that was answered last, twice; the third; none.
	check(map[string]string{"assume": "ams", "good": "ams", "fallback": "sorry", "servfail": "SERVFAIL"})
	s.checkMetrics(t, ctx, map[string]float64{
		`gslb_names{mode="normal"}`:    0,
		`gslb_names{mode="assume_up"}`: 1,
		`gslb_names{mode="last_good"}`: 1,
		`gslb_names{mode="fallback"}`:  1,
		`gslb_names{mode="servfail"}`:  1,
	})
	var loud []line
	for _, mode := range []string{"assume_up", "last_good", "fallback", "servfail"} {
		loud = append(loud, line{"answer changed", map[string]string{"level": "ERROR", "mode": mode}})
	}
	s.awaitLines(t, ctx, logged, loud...)

	must(t, world.nyc.Heal(ctx))
	clients.await(t, ctx, "nyc", time.Now())
	check(all("nyc"))
	checkTurns(t, clients.end(), "nyc ams sorry nyc")
}

func checkServFail(t *testing.T, ctx context.Context, at netip.AddrPort, name string) {
	t.Helper()
	for _, qtype := range []string{"A", "AAAA"} {
		reply, err := parts.Dig(ctx, at, name, qtype)
		if err != nil {
			t.Error(err)
		} else if reply.Status != "SERVFAIL" || len(reply.Answer) > 0 {
			t.Errorf("dig %s %s: %s, want SERVFAIL:\n%s", name, qtype, reply.Status, reply.Text)
		}
	}
}
