package operate

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"gslb/admin/api"
	"gslb/alias"
	"gslb/health"
	"gslb/override"
	"gslb/publish"
	"gslb/replication"
	"gslb/steer"
	"gslb/zones"
	"gslb/zones/records"
)

// Bounds of a plan.
const (
	mostPlanned     = 1000             // of each list
	mostKept        = 20               // of each list of what a refused configuration would change
	probedAtOnce    = 32               // new targets
	probesTogether  = 20 * time.Second // all of them
	lookUpsTogether = 5 * time.Second  // of new aliases
)

// Planner tells what a configuration would change. It touches nothing of the running server: what is new
// is probed with probes of its own.
type Planner struct {
	// Outcome is what is served; nil: nothing yet.
	Outcome func() *steer.Outcome
	// Load reads a configuration as if it stood at a path. With remote, it reads no other files of this
	// machine for it than those in the folder of the running configuration.
	Load func(path, content string, remote bool) (*zones.Set, error)
	// Make makes the maker of probes that have nothing in common with those of the server.
	Make func() health.Maker
	// LookUp finds the addresses that hosts have, by name.
	LookUp func(ctx context.Context, hosts []string, resolvers []netip.AddrPort) map[string]alias.Host

	// Heavy calls a function that takes much of a processor, so that queries do not wait for it; nil: like
	// any other.
	Heavy func(func())

	turn   sync.Mutex // one plan at a time of those who ask
	behind sync.Mutex // and one of a refused configuration
}

// Plan tells what a configuration would change, by the health that the running server sees. With remote,
// who asks is not on this machine.
func (p *Planner) Plan(ctx context.Context, remote bool, r *api.PlanRequest) (*api.Plan, error) {
	if !p.turn.TryLock() {
		return nil, api.NewProblem(api.Unavailable, "another plan is being made; try again in a moment")
	}
	defer p.turn.Unlock()
	live := p.Outcome()
	if live == nil {
		return nil, notYet()
	}
	path := cmp.Or(r.Path, live.Set().Path)
	set, err := p.Load(path, r.Content, remote)
	if err != nil {
		return nil, refusedConfiguration(path, err)
	}
	c, err := p.compare(ctx, live, set, false)
	if err != nil {
		return nil, refusedConfiguration(path, err)
	}
	return c.plan(path, mostPlanned), nil
}

// PlanRefused tells what a configuration would change that could be loaded, and not taken into use: the first
// few of each list. Targets that no probe can be made of, which may be why it is refused, are not probed.
func (p *Planner) PlanRefused(ctx context.Context, set *zones.Set) (*api.Plan, error) {
	p.behind.Lock()
	defer p.behind.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err // it was given up while it waited
	}
	live := p.Outcome()
	if live == nil {
		return nil, notYet()
	}
	c, err := p.compare(ctx, live, set, true)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return c.plan(set.Path, mostKept), nil
}

// comparison is what is served, and what would be.
type comparison struct {
	live, next *steer.Outcome
	crossing   *publish.Crossing
	fresh      []health.Target
	results    []health.Result // of fresh
}

// compare finds what a configuration would answer, by the health of the running server and one probe of each
// target that is new. That a probe can't be made is an error, unless the configuration is refused already.
func (p *Planner) compare(ctx context.Context, live *steer.Outcome, set *zones.Set, refused bool) (*comparison, error) {
	in := live.Input()
	in.Now = time.Now()
	in.Hosts = p.hosts(ctx, live, set)
	fresh, err := freshTargets(live, set, in.Hosts)
	if err != nil {
		return nil, err
	}
	all, err := allTargets(set, in.Hosts)
	if err != nil {
		return nil, err
	}
	c := &comparison{live: live, fresh: fresh}
	if c.results, err = p.probe(ctx, fresh, refused); err != nil {
		return nil, err
	}
	in.Snapshot = withResults(in, all, fresh, c.results)
	heavy := p.Heavy
	if heavy == nil {
		heavy = func(f func()) { f() }
	}
	heavy(func() {
		c.next = steer.Step(set, in, live.Memory())
		c.crossing = publish.Across(live, c.next)
	})
	return c, nil
}

// refusedConfiguration is the problem of a configuration that serve would refuse.
func refusedConfiguration(path string, err error) error {
	problem := api.NewProblem(api.Refused, "%s is not valid", path)
	for _, line := range strings.Split(err.Error(), "\n") {
		if line != "" && len(problem.Errors) < 100 {
			problem.Errors = append(problem.Errors, line)
		}
	}
	return problem
}

// hosts is the addresses of the aliases of a configuration: those that are known, and the others looked up.
func (p *Planner) hosts(ctx context.Context, live *steer.Outcome, set *zones.Set) *alias.Addresses {
	all := make(map[string]alias.Host)
	var others []string
	for _, host := range set.Aliases() {
		if known := live.Input().Hosts.Of(host); known.Status != alias.Unknown {
			all[host] = known
		} else {
			others = append(others, host)
		}
	}
	if len(others) > 0 {
		bounded, cancel := context.WithTimeout(ctx, lookUpsTogether)
		defer cancel()
		for host, found := range p.LookUp(bounded, others, set.Server.Resolvers) {
			found.Awaited = false
			all[host] = found
		}
	}
	return alias.NewAddresses(all)
}

// freshTargets is the targets of a configuration that the live one does not have, or has with another
// probe, those of the addresses of aliases included. What no answer depends on is left out: a heartbeat would
// write into a table.
func freshTargets(live *steer.Outcome, set *zones.Set, hosts *alias.Addresses) ([]health.Target, error) {
	had, err := allTargets(live.Set(), live.Input().Hosts)
	if err != nil {
		return nil, err
	}
	has, err := allTargets(set, hosts)
	if err != nil {
		return nil, err
	}
	known := make(map[health.TargetID]string, len(had))
	for i := range had {
		known[had[i].ID] = had[i].Fingerprint
	}
	return slices.DeleteFunc(has, func(t health.Target) bool {
		fingerprint, is := known[t.ID]
		return t.Aside || is && fingerprint == t.Fingerprint
	}), nil
}

// allTargets is the targets of a configuration, each once, in memory of their own.
func allTargets(set *zones.Set, hosts *alias.Addresses) ([]health.Target, error) {
	list := slices.Clone(set.Targets)
	seen := make(map[health.TargetID]bool)
	for _, pool := range set.Pools {
		if pool.Alias == "" {
			continue
		}
		if len(seen) == 0 {
			for i := range list {
				seen[list[i].ID] = true
			}
		}
		for _, addr := range hosts.Of(pool.Alias).Addresses {
			targets, err := pool.Apply(addr)
			if err != nil {
				return nil, err
			}
			for _, t := range targets {
				if !seen[t.ID] {
					seen[t.ID] = true
					list = append(list, t)
				}
			}
		}
	}
	return list, nil
}

// probe makes one probe of each target, as many as end in time. A result without a reason says that
// there was none. The only error is of probes that can't be made: then none is, unless others matter.
func (p *Planner) probe(ctx context.Context, targets []health.Target, othersMatter bool) ([]health.Result, error) {
	results := make([]health.Result, len(targets))
	if len(targets) == 0 {
		return results, nil
	}
	maker := p.Make()
	probes := make([]health.Probe, len(targets))
	var errs []error
	for i := range targets {
		if targets[i].IsCalculated() {
			continue // its result follows from those of others
		}
		probe, err := maker(targets[i])
		if err != nil {
			errs = append(errs, err)
			results[i] = health.Result{Reason: "impossible", Detail: err.Error()}
			continue
		}
		probes[i] = probe
	}
	if err := errors.Join(errs...); err != nil && !othersMatter {
		return nil, err
	}
	all, cancel := context.WithTimeout(ctx, probesTogether)
	defer cancel()
	turns := make(chan int)
	var group sync.WaitGroup
	for range min(probedAtOnce, len(targets)) {
		group.Go(func() {
			for i := range turns {
				bounded, end := context.WithTimeout(all, targets[i].Timeout)
				result := attempt(bounded, probes[i])
				end()
				if all.Err() == nil { // otherwise it was cut short by the others
					results[i] = result
				}
			}
		})
	}
	for i := range targets {
		if all.Err() != nil {
			break
		}
		if probes[i] != nil {
			turns <- i
		}
	}
	close(turns)
	group.Wait()
	return results, nil
}

// attempt makes a probe. A panic decides nothing, as in the monitor: what serves must not end for a plan.
func attempt(ctx context.Context, probe health.Probe) (result health.Result) {
	defer func() {
		if value := recover(); value != nil {
			result = health.Result{Verdict: health.Indeterminate, Reason: "panic", Detail: fmt.Sprint(value)}
		}
	}()
	return probe(ctx)
}

// withResults is the live picture with what new targets came to, of all of a configuration. The first verdict
// on a target needs one probe; without one it is unknown. The results of those that are calculated are
// filled in.
func withResults(in steer.Input, all, targets []health.Target, results []health.Result) *health.Snapshot {
	if len(targets) == 0 {
		return in.Snapshot
	}
	changed := make(map[health.TargetID]health.State, len(targets))
	for i := range targets {
		id, result := targets[i].ID, results[i]
		state := health.State{Since: in.Now, Cause: result}
		switch before := in.Snapshot.State(id); {
		case result.Reason != "" && result.Verdict == health.Pass:
			state.Status = health.Up
		case result.Reason != "" && result.Verdict == health.Fail:
			state.Status = health.Down
		default:
			state.Status = before.Status // of one that is probed otherwise now
		}
		changed[id] = state
	}
	stateOf := func(id health.TargetID) health.State {
		if state, is := changed[id]; is {
			return state
		}
		return in.Snapshot.State(id)
	}
	derived := health.NewCalculation(all)
	for _, id := range derived.Affected(maps.Keys(changed)) {
		changed[id] = derived.State(id, in.Snapshot.State(id), stateOf, in.Now)
	}
	for i := range targets {
		if targets[i].IsCalculated() {
			results[i] = changed[targets[i].ID].Cause
		}
	}
	return in.Snapshot.With(in.Now, changed)
}

func plannedTarget(t *health.Target, result health.Result) api.PlannedTarget {
	planned := api.PlannedTarget{ID: string(t.ID), Check: t.Check, Subject: t.Subject, Reason: result.Reason, Detail: result.Detail}
	if result.Reason != "" {
		planned.Verdict = result.Verdict.String()
	}
	return planned
}

// plan is a comparison for those who ask: the first of each list.
func (c *comparison) plan(path string, most int) *api.Plan {
	live, next, crossing := c.live, c.next, c.crossing
	old, set := live.Set(), next.Set()
	plan := &api.Plan{
		Path: path, Hash: set.Hash, Running: old.Hash,
		Added: plannedNames(next, crossing.Added, most), AddedTotal: len(crossing.Added),
		Removed: plannedNames(live, crossing.Removed, most), RemovedTotal: len(crossing.Removed),
		Changes: []api.Change{}, Moved: crossing.Moved, Names: crossing.Names,
		Targets: []api.PlannedTarget{}, RemovedTargets: []string{},
		Restart: []string{}, Other: other(old, set), Warnings: []string{},
	}
	plan.Changes, plan.ChangesTotal = Planned(crossing, most)
	has := make(map[health.TargetID]bool, len(set.Targets))
	for i := range set.Targets {
		has[set.Targets[i].ID] = true
	}
	for i := range old.Targets {
		if id := old.Targets[i].ID; !has[id] {
			plan.RemovedTargetsTotal++
			if len(plan.RemovedTargets) < most {
				plan.RemovedTargets = append(plan.RemovedTargets, string(id))
			}
		}
	}
	for _, change := range NeedsRestart(old, set) {
		plan.Restart = append(plan.Restart, change.Error())
	}
	if n := len(crossing.Resteered); n > 0 {
		plan.Other = append(plan.Other, fmt.Sprintf("%s steered otherwise, and answered as before: %s", are(n, "name"), spoken(names(crossing.Resteered), n, 3)))
	}
	plan.Other = append(plan.Other, unmatched(live.Words(), set)...)
	for _, warning := range set.Warnings {
		plan.Warnings = append(plan.Warnings, warning.Error())
	}
	for i := range c.fresh {
		plan.TargetsTotal++
		if len(plan.Targets) < most {
			plan.Targets = append(plan.Targets, plannedTarget(&c.fresh[i], c.results[i]))
		}
	}
	plan.Nothing = plan.AddedTotal+plan.RemovedTotal+plan.ChangesTotal+plan.TargetsTotal+plan.RemovedTargetsTotal+len(plan.Restart)+len(plan.Other) == 0
	plan.Other, plan.Warnings = firstLines(most, plan.Other), firstLines(most, plan.Warnings)
	plan.Text = planText(plan)
	return plan
}

// firstLines is at most so many of a list, and then how many more there are.
func firstLines(most int, list []string) []string {
	if len(list) <= most {
		return list
	}
	return append(list[:most:most], fmt.Sprintf("and %d more", len(list)-most))
}

// plannedNames is what names are answered with: of those with views, the clients of no other view.
func plannedNames(o *steer.Outcome, names []*zones.Name, most int) []api.PlannedName {
	list := []api.PlannedName{}
	for _, n := range names[:min(most, len(names))] {
		d := o.DecisionsOf(n)[0]
		list = append(list, api.PlannedName{Name: n.Name, Pool: d.Described(), Mode: d.Mode})
	}
	return list
}

// unmatched says which overrides a configuration does not have the subjects of.
func unmatched(words *override.Words, set *zones.Set) []string {
	var list []string
	for _, o := range words.All() {
		if set.Pool(o.Pool) == nil || o.Kind == override.Pin && set.Name(o.Name) == nil {
			list = append(list, fmt.Sprintf("the override %s would be about nothing", zones.Plain(o.ID())))
		}
	}
	return list
}

// other is what else differs, a line each.
func other(old, set *zones.Set) []string {
	list := []string{}
	before := make(map[string]*zones.Zone, len(old.Zones))
	for _, z := range old.Zones {
		before[z.Name] = z
	}
	for _, z := range set.Zones {
		was := before[z.Name]
		delete(before, z.Name)
		switch {
		case was == nil:
			list = append(list, "zone "+zones.Plain(z.Name)+" is new")
		case was.NegativeTTL != z.NegativeTTL, !sameRecords(&was.Data, &z.Data):
			list = append(list, "zone "+zones.Plain(z.Name)+" has other records")
		}
	}
	for _, z := range old.Zones {
		if before[z.Name] != nil {
			list = append(list, "zone "+zones.Plain(z.Name)+" is removed")
		}
	}
	groups := make(map[string]*replication.Group, len(old.Replications))
	for _, g := range old.Replications {
		groups[g.Name] = g
	}
	for _, g := range set.Replications {
		if was := groups[g.Name]; was == nil {
			list = append(list, "replication "+g.Name+" is new")
		} else if !reflect.DeepEqual(was, g) {
			list = append(list, "replication "+g.Name+" is measured otherwise")
		}
		delete(groups, g.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		list = append(list, "replication "+name+" is removed")
	}
	list = append(list, otherKeys("server", old.Server, set.Server, "Listen", "TCP", "StateDir")...)
	list = append(list, otherKeys("admin", old.Admin, set.Admin, "Listen", "Socket", "Explicit", "Files")...)
	list = append(list, otherKeys("safety", old.Safety, set.Safety)...)
	return append(list, otherKeys("notify", old.Notify, set.Notify)...)
}

// sameRecords compares all records but for SOA, whose serial rises with every change of a zone.
func sameRecords(a, b *records.Data) bool {
	if a.Len() != b.Len() {
		return false
	}
	for i := range a.Len() {
		x, y := a.Node(i), b.Node(i)
		if !bytes.Equal(x.Owner(), y.Owner()) || !slices.EqualFunc(setsOf(x), setsOf(y), sameSet) {
			return false
		}
	}
	return true
}

const typeSOA = 6

func setsOf(n records.Node) []records.RRset {
	return slices.DeleteFunc(slices.Collect(n.Sets()), func(s records.RRset) bool { return s.Type == typeSOA })
}

func sameSet(a, b records.RRset) bool { return a.Type == b.Type && bytes.Equal(a.Records, b.Records) }

// otherKeys names the settings of a table that differ, but for some.
func otherKeys(table string, old, set any, but ...string) []string {
	var list []string
	was, is := reflect.ValueOf(old), reflect.ValueOf(set)
	for i := range was.NumField() {
		field := was.Type().Field(i)
		if !slices.Contains(but, field.Name) && !reflect.DeepEqual(was.Field(i).Interface(), is.Field(i).Interface()) {
			list = append(list, table+"."+snake(field.Name)+" is another")
		}
	}
	return list
}

// snake is the name of a field as a key of zones.toml.
func snake(field string) string {
	var b strings.Builder
	for i, c := range field {
		upper := 'A' <= c && c <= 'Z'
		if upper && i > 0 && field[i-1] >= 'a' {
			b.WriteByte('_')
		}
		b.WriteRune(c)
	}
	return strings.ToLower(b.String())
}

// NeedsRestart lists the changes that only take effect at a restart. A reload refuses them, rather than
// ignore them silently.
func NeedsRestart(old, set *zones.Set) []error {
	var errs []error
	changed := func(key string, from, to any) {
		errs = append(errs, fmt.Errorf("%s: changed from %v to %v, which needs a restart", key, from, to))
	}
	if !slices.Equal(old.Server.Listen, set.Server.Listen) {
		changed("server.listen", old.Server.Listen, set.Server.Listen)
	}
	if old.Server.TCP != set.Server.TCP {
		changed("server.tcp", old.Server.TCP, set.Server.TCP)
	}
	if old.Server.StateDir != set.Server.StateDir {
		changed("server.state_dir", fmt.Sprintf("%q", old.Server.StateDir), fmt.Sprintf("%q", set.Server.StateDir))
	}
	if old.Admin.Listen != set.Admin.Listen {
		changed("admin.listen", old.Admin.Listen, set.Admin.Listen)
	}
	byDefault := !old.Admin.Explicit && !set.Admin.Explicit // it moves with state_dir, of which more was said
	if old.Admin.Socket != set.Admin.Socket && !(byDefault && old.Server.StateDir != set.Server.StateDir) {
		changed("admin.socket", fmt.Sprintf("%q", old.Admin.Socket), fmt.Sprintf("%q", set.Admin.Socket))
	}
	return errs
}
