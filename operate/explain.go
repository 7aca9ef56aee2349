package operate

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"gslb/admin/api"
	"gslb/alias"
	"gslb/health"
	"gslb/override"
	"gslb/steer"
	"gslb/zones"
)

// Explain tells why a name answers what it does now.
func (op *Operator) Explain(_ context.Context, r *api.ExplainRequest) (*api.Explanation, error) {
	s, err := op.scene()
	if err != nil {
		return nil, err
	}
	return Explain(s.outcome, r, op.now())
}

// Explain tells why a name answers what it does in an outcome.
// An error is an *api.Problem.
func Explain(outcome *steer.Outcome, r *api.ExplainRequest, now time.Time) (*api.Explanation, error) {
	set := outcome.Set()
	name, asked, err := steeredName(set, r.Name)
	if err != nil {
		return nil, err
	}
	rtype := strings.ToUpper(r.Type)
	if rtype != "" && rtype != "A" && rtype != "AAAA" {
		return nil, api.NewProblem(api.BadRequest, "type: %q is not one of A, AAAA: no other type of record is steered", r.Type)
	}
	class, network, err := classOf(name.Steering, r.Client)
	if err != nil {
		return nil, err
	}
	if err := checkSupposed(set, r.Suppose); err != nil {
		return nil, err
	}
	if len(r.Suppose) > 0 {
		outcome = outcome.Suppose(outcome.Words(), r.Suppose)
	}
	e := explainer{outcome: outcome, decision: outcome.DecisionsOf(name)[class], rtype: rtype}
	explained := e.explanation(asked, now)
	explained.Name, explained.Zone, explained.Config = name.Name, name.Zone.Name, set.Hash
	explained.Type, explained.Client, explained.Network, explained.Now = rtype, r.Client, network, now
	for _, pool := range slices.Sorted(maps.Keys(r.Suppose)) {
		explained.Supposed = append(explained.Supposed, pool+"="+r.Suppose[pool].String())
	}
	return explained, nil
}

// steeredName finds the name that answers a question: the one with that name or, if there is none, the
// closest wildcard (RFC 4592, section 3.3.1). asked is the name with its final dot.
func steeredName(set *zones.Set, text string) (name *zones.Name, asked string, err error) {
	if text == "" {
		return nil, "", api.NewProblem(api.BadRequest, "name: it is missing")
	}
	asked = zones.Qualified(text)
	if name := set.Name(asked); name != nil {
		return name, asked, nil
	}
	rest := asked
	for {
		_, parent, more := strings.Cut(rest, ".")
		if !more || parent == "" {
			break
		}
		if name := set.Name("*." + parent); name != nil {
			return name, asked, nil
		}
		if set.Name(parent) != nil {
			break // it exists, and no wildcard above it applies
		}
		rest = parent
	}
	return nil, "", unknownName(set, asked)
}

// classOf is the place of the route that a client follows, and the clients who follow it too. A client
// is an address, or a network of which no more is known.
func classOf(steering *zones.Steering, client string) (class int, network netip.Prefix, err error) {
	var addr netip.Addr
	bits := -1
	if client != "" {
		if p, err := netip.ParsePrefix(client); err == nil {
			addr, bits = p.Masked().Addr(), p.Bits()
		} else if addr, err = netip.ParseAddr(client); err != nil || addr.Zone() != "" {
			return 0, network, api.NewProblem(api.BadRequest, "client: %q is not an address or a network, such as 192.0.2.1 or 192.0.2.0/24", client)
		}
	}
	if steering.Map == nil {
		return 0, network, nil
	}
	class, length := steering.Map.Find(addr)
	if bits >= 0 {
		class = steering.Map.Within(class, bits)
	}
	if addr.IsValid() {
		network = netip.PrefixFrom(addr, length).Masked()
	}
	return class, network, nil
}

func checkSupposed(set *zones.Set, status map[string]health.Status) error {
	for _, pool := range slices.Sorted(maps.Keys(status)) {
		if set.Pool(pool) == nil {
			return api.NewProblem(api.NotFound, "suppose: there is no pool %q", pool)
		}
	}
	return nil
}

// explainer explains one decision.
type explainer struct {
	outcome  *steer.Outcome
	decision *steer.Decision
	rtype    string // "A", "AAAA"; empty: both
}

func (e *explainer) explanation(owner string, now time.Time) *api.Explanation {
	d := e.decision
	steering := d.Route.Steering
	x := &api.Explanation{
		Views: append([]string{}, d.Route.Views...), Policy: steering.Policy,
		Mode: d.Mode, Tier: max(0, d.Tier()+1), RCode: "NOERROR", Answers: e.answers(owner), Shares: e.shares(), TTL: d.TTL.Seconds(), Why: e.why(),
		Held: held(d.Held, ""), Tiers: e.tiers(), Supposed: []string{}, WhenAllDown: string(steering.WhenAllDown),
	}
	switch d.Mode {
	case steer.Pending:
		x.RCode = "PENDING"
	case steer.ServFail:
		x.RCode = "SERVFAIL"
	}
	if steering.WhenAllDown == zones.UseFallback {
		x.WhenAllDown += " " + steering.Fallback.Name
	}
	for i := range d.Shares {
		x.Stale = x.Stale || e.outcome.Pools[d.Shares[i].Pool.Index].Stale
	}
	if d.Pin != nil {
		pin := shown(d.Pin)
		x.Pin = &pin
	}
	if d.Revisit.After(now) {
		x.Revisit, x.RevisitWhy = d.Revisit, revisitWhy(d)
	}
	return x
}

// revisitWhy is what runs out when a decision is to be revisited.
func revisitWhy(d *steer.Decision) string {
	for _, h := range d.Held {
		if h.Until.Equal(d.Revisit) {
			return h.Rule + " of " + h.Pool
		}
	}
	if d.Pin != nil && d.Pin.Switch != nil && d.Pin.Switch.Move.Equal(d.Revisit) {
		return "the planned move to " + d.Pin.Pool
	}
	if slices.ContainsFunc(d.Shares, func(s steer.Share) bool { return s.Pool.Shed != nil }) {
		return "shed: the loads show what the last change has done"
	}
	return "failover_after or failback_after"
}

// why is an answer in one line.
func (e *explainer) why() string {
	d := e.decision
	var causes []string
	for _, r := range d.Reasons {
		if r.Chosen {
			causes = append(causes, r.Pool+": "+r.Why)
		}
	}
	line := "no pool is answered"
	switch {
	case len(d.Route.Tiers) == 0:
		return "no view has these clients, so that there is no address for them"
	case d.Mode == steer.Pending:
		return "no reply is given yet: a first verdict is awaited"
	case len(causes) > 0:
		line = strings.Join(causes, "; ")
	}
	if d.Mode.IsEmergency() {
		line = "nothing that is up is left, so that it is answered by " + string(d.Mode) + "; " + line
	}
	if n := d.Route.Steering.MaxAnswers; n > 0 && len(e.addresses(d.Addresses())) > n {
		line += fmt.Sprintf("; a reply has %d of the addresses", n)
	}
	return line
}

// answers is the records that clients get, those of all shares.
func (e *explainer) answers(owner string) []string {
	d := e.decision
	ttl := int64(d.TTL / time.Second)
	list := []string{}
	for i := range d.Shares {
		if cname := d.Shares[i].Pool.CNAME; cname != "" {
			list = append(list, fmt.Sprintf("%s %d CNAME %s", owner, ttl, cname))
		}
	}
	for _, addr := range e.addresses(d.Addresses()) {
		rtype := "AAAA"
		if addr.Is4() {
			rtype = "A"
		}
		list = append(list, fmt.Sprintf("%s %d %s %s", owner, ttl, rtype, addr))
	}
	return list
}

// addresses is those of the type that is asked for.
func (e *explainer) addresses(all []netip.Addr) []netip.Addr {
	list := []netip.Addr{}
	for _, addr := range all {
		if e.rtype == "" || addr.Is4() == (e.rtype == "A") {
			list = append(list, addr)
		}
	}
	return list
}

// mostExplained bounds the addresses that are listed of a pool.
const mostExplained = 50

func (e *explainer) shares() []api.Share {
	list := []api.Share{}
	parts := e.decision.Parts()
	for i := range e.decision.Shares {
		s := &e.decision.Shares[i]
		addresses := e.addresses(s.Addresses)
		list = append(list, api.Share{
			Pool: s.Pool.Name, Region: s.Pool.Region, Weight: s.Weight, Share: parts[i],
			Addresses: addresses[:min(mostExplained, len(addresses))], AddressesTotal: len(addresses), CNAME: s.Pool.CNAME,
		})
	}
	return list
}

// tiers is every tier of the route, and the fallback.
func (e *explainer) tiers() []api.ExplainedTier {
	d := e.decision
	steering := d.Route.Steering
	list := []api.ExplainedTier{}
	reasons := d.Reasons
	for t := range d.Route.Tiers {
		tier := api.ExplainedTier{Tier: t + 1, View: d.Route.Tiers[t].View, Policy: steering.Policy, Pools: []api.ExplainedPool{}}
		for _, share := range d.Route.Tiers[t].Shares {
			var reason steer.Considered
			if len(reasons) > 0 && reasons[0].Tier == t && reasons[0].Pool == share.Pool.Name {
				reason, reasons = reasons[0], reasons[1:] // they stand in this order
			}
			tier.Taken = tier.Taken || reason.Chosen
			tier.Pools = append(tier.Pools, e.pool(share.Pool, share.Weight, reason))
		}
		list = append(list, tier)
	}
	if steering.WhenAllDown == zones.UseFallback {
		var reason steer.Considered
		if len(reasons) > 0 {
			reason = reasons[0]
		}
		list = append(list, api.ExplainedTier{
			Policy: steering.Policy, Taken: reason.Chosen,
			Pools: []api.ExplainedPool{e.pool(steering.Fallback, 1, reason)},
		})
	}
	return list
}

// pool is what was made of a pool; the reason is empty if it was not needed.
func (e *explainer) pool(pool *zones.Pool, weight int, reason steer.Considered) api.ExplainedPool {
	state := e.outcome.Pools[pool.Index]
	x := api.ExplainedPool{
		Pool: pool.Name, Region: pool.Region, Weight: weight, Load: api.PoolLoad(state), Status: state.Status, Probed: state.Probed, Since: state.Since,
		Chosen: reason.Chosen, Rule: reason.Rule, Why: cmp.Or(reason.Why, "not needed: "+state.Why), Overrides: overridesOf(state),
		Held: held(e.decision.Held, pool.Name), Addresses: e.addresses(answerable(state)), CNAME: pool.CNAME,
	}
	parts := e.decision.Parts()
	for i := range e.decision.Shares {
		if s := &e.decision.Shares[i]; s.Pool == pool {
			x.Part, x.Weight = parts[i], s.Weight
			x.Addresses = e.addresses(s.Addresses)
		}
	}
	x.Addresses = x.Addresses[:min(mostExplained, len(x.Addresses))]
	return x
}

// answerable is the addresses of the members that are up, and not drained.
func answerable(state *steer.PoolState) []netip.Addr {
	var list []netip.Addr
	for i := range state.Members {
		if m := &state.Members[i]; m.Status == health.Up && m.Drain == nil {
			list = append(list, m.Address)
		}
	}
	return list
}

// overridesOf is what people said about a pool and its members. A status that is supposed, which nobody
// said, is not among it.
func overridesOf(state *steer.PoolState) []api.Override {
	list := []api.Override{}
	add := func(words ...*override.Override) {
		for _, w := range words {
			if w != nil && w.By != "" && len(list) < mostExplained {
				list = append(list, shown(w))
			}
		}
	}
	add(state.Drain, state.Force)
	for i := range state.Members {
		add(state.Members[i].Drain, state.Members[i].Force)
	}
	return list
}

// held is the rules that hold a pool in a decision; of all pools without a name.
func held(all []steer.Hold, pool string) []api.Hold {
	list := []api.Hold{}
	for _, h := range all {
		if pool == "" || h.Pool == pool {
			list = append(list, api.Hold{Rule: h.Rule, Pool: h.Pool, Since: h.Since, Until: h.Until})
		}
	}
	return list
}

// AllUp is what a configuration answers with every target up, for a command without a server.
func AllUp(set *zones.Set, hosts *alias.Addresses, now time.Time) *steer.Outcome {
	states := make(map[health.TargetID]health.State, len(set.Targets))
	up := health.State{Status: health.Up, Since: now, Cause: health.Result{Verdict: health.Pass, Reason: "supposed", Detail: "taken to be up"}}
	for i := range set.Targets {
		states[set.Targets[i].ID] = up
	}
	for _, pool := range set.Pools {
		if pool.Alias == "" {
			continue
		}
		for _, addr := range hosts.Of(pool.Alias).Addresses {
			for _, id := range pool.IDs(addr) {
				states[id] = up
			}
		}
	}
	return steer.Step(set, steer.Input{Snapshot: health.NewSnapshot(now, states), Hosts: hosts, Now: now}, steer.Memory{})
}
