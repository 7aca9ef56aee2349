package admin

import (
	"net/netip"
	"slices"

	"gslb/admin/api"
	"gslb/override"
	"gslb/steer"
	"gslb/zones"
)

// viewItems is how many views of a name, and how many items of a list of a view, are sent.
const viewItems = 50

// names selects names; those that also accepts, if it is given.
func (f filter) names(also func(*moment, *zones.Name) bool) selected[*zones.Name] {
	matches := f.answersThatMatch()
	keep := func(n *zones.Name) bool {
		return (f.name == "" || n.Name == f.name) && (f.contains(n.Name) || matches(f.groupOf(n))) && (also == nil || also(f.moment, n))
	}
	trouble := func(n *zones.Name) bool {
		all := f.standingOf(n)
		return !all.preferred || all.stale
	}
	return pick(f.moment.names(), f.selection, keep, onlyIf(f.troubleFirst, trouble))
}

// answersThatMatch reports of a group whether what it answers, and why, contains the text.
// That is the same for all of its names, however many they are, and so is looked at once.
func (f filter) answersThatMatch() func(*group) bool {
	if f.text == "" {
		return func(*group) bool { return true }
	}
	known := make(map[*group]bool)
	return func(g *group) bool {
		matches, ok := known[g]
		if !ok {
			matches = f.contains(string(shownPolicy(g.steering()))) || slices.ContainsFunc(g.decisions, f.decisionMatches)
			known[g] = matches
		}
		return matches
	}
}

func (f filter) decisionMatches(d *steer.Decision) bool {
	if len(d.Route.Views) > 0 && f.contains(d.Route.Views[0]) {
		return true
	}
	if d.Pin != nil && f.contains("pinned", d.Pin.Pool, d.Pin.By, d.Pin.Reason) {
		return true
	}
	if slices.ContainsFunc(d.Held, func(h steer.Hold) bool { return f.contains(h.Rule) }) {
		return true
	}
	if f.contains(string(d.Mode), offPreference(d)) {
		return true
	}
	for i := range d.Shares {
		share := &d.Shares[i]
		if f.contains(share.Pool.Name, share.Pool.Region, share.Pool.CNAME, word(f.stalePools[share.Pool], "stale")) ||
			slices.ContainsFunc(share.Addresses, func(a netip.Addr) bool { return f.contains(a.String()) }) {
			return true
		}
	}
	return slices.ContainsFunc(d.Reasons, func(r steer.Considered) bool { return f.contains(r.Pool, r.Status.String(), r.Why) })
}

// shownPolicy is the policy of a steering; empty if it is the usual one.
func shownPolicy(s *zones.Steering) zones.Policy {
	if s.Policy == zones.Failover {
		return ""
	}
	return s.Policy
}

// offPreference says what is missing of an answer in normal mode; empty: nothing.
func offPreference(d *steer.Decision) string {
	switch {
	case d.Mode != steer.Normal || preferred(d):
		return ""
	case d.Tier() == 0 && !d.Route.Steering.Policy.IsOrdered():
		return "reduced" // other pools of the tier have the clients of one that is missing
	}
	return "not preferred"
}

func (m *moment) newName(n *zones.Name) api.Name {
	list := m.outcomes(m.groupOf(n))
	worst := list[0].decision
	row := api.Name{
		Zone:          n.Zone.Name,
		Name:          n.Name,
		Policy:        n.Steering.Policy,
		Mode:          worst.Mode,
		Pool:          worst.PoolName(),
		PreferredPool: preferredPool(worst.Route),
		Addresses:     slices.Clone(worst.Addresses()),
		TTL:           worst.TTL.Seconds(),
		Revisit:       utc(worst.Revisit),
		Stale:         m.standingOf(n).stale,
		Reasons:       newReasons(worst),
		Views:         transform(atMost(viewItems, list), m.newView),
		ViewsTotal:    len(list),
		Pin:           newOverride(worst.Pin),
		Held:          heldIn(list),
	}
	if rate, known := m.rateOf(n); known {
		row.Rate = &rate
	}
	if worst.Pool() != nil {
		row.Region = worst.Pool().Region
	}
	if row.Addresses == nil {
		row.Addresses = []netip.Addr{}
	}
	return row
}

// rateOf is how many answers a second a name gets, if that is counted.
func (m *moment) rateOf(n *zones.Name) (rate float64, known bool) {
	if m.rates == nil {
		return 0, false
	}
	rate = m.rates(n.Name)
	return rate, rate >= 0
}

func (m *moment) newView(o outcome) api.View {
	d := o.decision
	parts := d.Parts()
	v := api.View{
		Clients:      list(atMost(viewItems, o.clients)),
		ClientsTotal: len(o.clients),
		Mode:         d.Mode,
		Tier:         d.Tier() + 1,
		View:         widerView(d.Route, d.Tier()),
		Preferred:    preferred(d),
		Shares:       make([]api.Share, 0, min(viewItems, len(d.Shares))),
		SharesTotal:  len(d.Shares),
		TTL:          d.TTL.Seconds(),
		Revisit:      utc(d.Revisit),
		Stale:        m.isStaleAnswer(d),
		Reasons:      atMost(viewItems, newReasons(d)),
		ReasonsTotal: len(d.Reasons),
	}
	for i, share := range atMost(viewItems, d.Shares) {
		v.Shares = append(v.Shares, api.Share{
			Pool: share.Pool.Name, Region: share.Pool.Region, Weight: share.Weight, Share: parts[i],
			Addresses: list(atMost(viewItems, share.Addresses)), AddressesTotal: len(share.Addresses), CNAME: share.Pool.CNAME,
		})
	}
	return v
}

func newReasons(d *steer.Decision) []api.Reason {
	return transform(d.Reasons, func(c steer.Considered) api.Reason {
		return api.Reason{
			Tier: c.Tier + 1, View: widerView(d.Route, c.Tier),
			Pool: c.Pool, Status: c.Status, Chosen: c.Chosen, Why: cut(c.Why, longestText),
		}
	})
}

// heldIn is what is held in outcomes, each rule of a pool once; the first.
func heldIn(outcomes []outcome) []api.Hold {
	holds := []api.Hold{}
	for _, o := range outcomes {
		for _, h := range o.decision.Held {
			hold := api.Hold{Rule: h.Rule, Pool: h.Pool, Since: utc(h.Since), Until: utc(h.Until)}
			if len(holds) < viewItems && !slices.Contains(holds, hold) {
				holds = append(holds, hold)
			}
		}
	}
	return holds
}

// newOverride is a person's word; nil of none. Words that have an effect are never about nothing.
func newOverride(o *override.Override) *api.Override {
	if o == nil {
		return nil
	}
	return &api.Override{
		ID: o.ID(), Kind: o.Kind, Name: o.Name, Pool: o.Pool, Member: o.Member, Status: o.Status, Force: o.Anyway,
		Reason: o.Reason, By: o.By, Since: utc(o.Since), Until: utc(o.Until),
	}
}

// atMost is the first n items of a list.
func atMost[T any](n int, items []T) []T { return items[:min(n, len(items))] }
