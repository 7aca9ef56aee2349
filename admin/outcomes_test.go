package admin

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gslb/health"
	"gslb/steer"
	"gslb/zones"
)

// TestOutcomesAreOfAllRoutes draws names with views, and pools that are down: every route is in an
// outcome that says of it what was decided, and the first outcome is as bad as the name is counted.
func TestOutcomesAreOfAllRoutes(t *testing.T) {
	now := time.Now()
	views := []string{"default", "continent:EU", "country:US", "asn:1", "192.0.2.0/24"}
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(now)
		for _, name := range []string{"fra", "nrt"} {
			w.set.Pools = append(w.set.Pools, &zones.Pool{Index: len(w.set.Pools), Name: name, CNAME: name + ".example.", Weight: 1})
		}
		s := w.addName("drawn", nyc).Steering
		s.Policy = rapid.SampledFrom([]zones.Policy{zones.Failover, zones.Weighted, zones.Sticky, zones.All, zones.Nearest}).Draw(t, "policy")
		s.WhenAllDown = rapid.SampledFrom([]zones.WhenAllDown{zones.AssumeUp, zones.LastGood, zones.AnswerAll, zones.NoData, zones.ServFail}).Draw(t, "when all are down")
		s.PanicBelow = rapid.SampledFrom([]int{0, 60}).Draw(t, "panic below")
		w.set.Routes, s.Routes, s.Pools = w.set.Routes[:len(w.set.Routes)-1], nil, w.set.Pools
		for i := range rapid.IntRange(1, 12).Draw(t, "routes") {
			r := &zones.Route{Index: len(w.set.Routes), Key: fmt.Sprint("drawn ", i), Steering: s}
			r.Views = rapid.SliceOfNDistinct(rapid.SampledFrom(views), 0, 3, rapid.ID).Draw(t, "views")
			order := rapid.Permutation(w.set.Pools).Draw(t, "order")
			for len(order) > 0 && len(r.Tiers) < 3 {
				n := 1
				if s.Policy != zones.Failover {
					n = rapid.IntRange(1, len(order)).Draw(t, "pools of a tier")
				}
				tier := zones.Tier{View: rapid.SampledFrom(append([]string{""}, r.Views...)).Draw(t, "view of a tier")}
				for _, pool := range order[:n] {
					tier.Shares = append(tier.Shares, zones.Share{Pool: pool, Weight: rapid.IntRange(0, 2).Draw(t, "weight")})
				}
				r.Tiers, order = append(r.Tiers, tier), order[n:]
			}
			if i > 0 && rapid.IntRange(0, 5).Draw(t, "has tiers") == 0 {
				r.Tiers = nil
			}
			s.Routes, w.set.Routes = append(s.Routes, r), append(w.set.Routes, r)
		}
		for _, id := range []health.TargetID{"table@us-east-1", "table@eu-west-1", "web@2001:db8::10"} {
			switch rapid.IntRange(0, 2).Draw(t, string(id)) {
			case 1:
				w.fail(id, now, "timeout", "")
			case 2:
				w.report(id).State = health.State{}
			}
		}
		w.publish(now)
		server, _ := w.server()
		m := server.observe()

		list := m.outcomes(m.groups[s.Index])
		says := func(d *steer.Decision) string {
			return fmt.Sprint(d.Mode, d.Described(), d.Parts(), d.Addresses(), d.TTL, d.Revisit, d.Tier(), preferred(d), len(d.Route.Tiers) == 0)
		}
		for _, r := range s.Routes {
			d := m.table.Decisions()[r.Index]
			if !slices.ContainsFunc(list, func(o outcome) bool {
				return says(o.decision) == says(d) && (len(r.Views) == 0 || slices.Contains(o.clients, r.Views[0]))
			}) {
				t.Errorf("no outcome of %v says %s", r.Views, says(d))
			}
		}
		all := m.groups[s.Index].standing
		if all.mode != list[0].decision.Mode {
			t.Errorf("counted as %s, and the first outcome is %s", all.mode, says(list[0].decision))
		}
		worse := slices.ContainsFunc(list, func(o outcome) bool { return len(o.decision.Route.Tiers) > 0 && !preferred(o.decision) })
		if all.preferred == worse {
			t.Errorf("preferred is %t, of %d outcomes", all.preferred, len(list))
		}
		row := m.newNameRow(w.set.Zones[0].Names[2], cellItems, true)
		if len(row.Lines) == 0 || len(row.Lines) > len(list) {
			t.Errorf("%d lines of %d outcomes", len(row.Lines), len(list))
		}
	})
}
