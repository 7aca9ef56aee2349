package operate

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"gslb/admin/api"
	"gslb/answer"
	"gslb/health"
	"gslb/internal/plural"
	"gslb/override"
	"gslb/publish"
	"gslb/steer"
	"gslb/zones"
)

// proposal is a change of what people say, and what comes of it.
type proposal struct {
	list    []override.Override // that are made or ended
	before  *scene
	after   *answer.Table
	changes []*publish.AnswerChange
	left    []*zones.Name // that would be left with nothing, and are not now
	notes   []string
}

func (p *proposal) override() *override.Override { return &p.list[0] }

// propose finds what a request would do.
func (op *Operator) propose(before *scene, by string, r *api.OverrideRequest) (*proposal, error) {
	o, err := before.parse(r, by, op.now())
	if err != nil {
		return nil, err
	}
	return op.supposing(before, o), nil
}

// supposing finds what an override would do.
func (op *Operator) supposing(before *scene, o *override.Override) *proposal {
	words, id := op.book.Words(), o.ID()
	p := &proposal{list: []override.Override{*o}, before: before}
	all := []override.Override{*o}
	for _, other := range words.All() {
		if other.ID() == id {
			p.note("it takes the place of one by %s since %s: %s", other.By, clock(other.Since), other.Reason)
			continue
		}
		all = append(all, other)
	}
	p.suppose(override.NewWords(all))
	if o.Until.IsZero() && o.Switch == nil {
		p.note("it has no end: it holds until somebody takes it back")
	}
	if !op.book.Kept() {
		p.note("a restart forgets it, since the configuration has no server.state_dir")
	}
	p.noteWhatIsStronger(o, words)
	return p
}

func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func (p *proposal) note(format string, args ...any) {
	p.notes = append(p.notes, fmt.Sprintf(format, args...))
}

// noteWhatIsStronger tells why an override may not do what its name says.
func (p *proposal) noteWhatIsStronger(o *override.Override, words *override.Words) {
	pool := p.after.Pools()[p.before.set.Pool(o.Pool).Index]
	switch {
	case o.Kind == override.Drain && !o.Member.IsValid():
		for _, other := range words.All() {
			if other.Kind == override.Pin && other.Pool == o.Pool {
				p.note("%s is pinned to the pool, which is stronger: it goes on to answer it", zones.Plain(other.Name))
			}
		}
	case o.Kind == override.Force && pool.Drained():
		p.note("the pool is drained, which is stronger: it is not answered")
	case o.Kind == override.Force && o.Status == health.Up && pool.Probed == health.Down:
		p.note("the probes say that the pool is down: clients may be sent to what does not work")
	case o.Kind == override.Pin && o.Switch == nil:
		if d := p.after.DecisionsOf(p.before.set.Name(o.Name)); len(d) > 0 && d[0].Mode != steer.Pinned && d[0].Mode != steer.Pending {
			p.note("the pin is not followed at present, since the pool is %s: it is as soon as the pool is usable; force follows it in any case", pool.Status)
		}
	}
}

// parse makes an override of a request. An error is an *api.Problem.
func (s *scene) parse(r *api.OverrideRequest, by string, now time.Time) (*override.Override, error) {
	bad := func(format string, args ...any) (*override.Override, error) {
		return nil, api.NewProblem(api.BadRequest, format, args...)
	}
	o := &override.Override{Kind: override.Kind(r.Kind), Pool: r.Pool, Anyway: r.Force, Reason: r.Reason, By: by, Since: now, Until: r.Until.Round(0)}
	switch o.Kind {
	case override.Pin:
		if r.Name == "" {
			return bad("name: it is missing")
		}
		o.Name = zones.Qualified(r.Name)
	case override.Drain, override.Force:
		if r.Name != "" {
			return bad("name: a %s is about a pool, not about a name", o.Kind)
		}
	default:
		return bad("kind: %q is not one of pin, drain, force", r.Kind)
	}
	if o.Kind == override.Force {
		o.Anyway = false // it holds in any case
	}
	if r.Status != "" {
		if err := o.Status.UnmarshalText([]byte(r.Status)); err != nil || o.Status == health.Unknown {
			return bad("status: %q is not one of up, down", r.Status)
		}
	}
	if r.Member != "" {
		addr, err := netip.ParseAddr(r.Member)
		if err != nil || addr.Zone() != "" {
			return bad("member: %q is not an IP address", r.Member)
		}
		o.Member = addr.Unmap()
	}
	if r.For != "" {
		d, err := time.ParseDuration(r.For)
		switch {
		case err != nil:
			return bad("for: %q is not a duration as \"2h\" or \"90m\"", r.For)
		case !r.Until.IsZero():
			return bad("for: there is until as well; give one of them")
		}
		if err := override.CheckLength(d); err != nil {
			return bad("for: %v", err)
		}
		o.Until = now.Add(d)
	}
	if err := o.Check(); err != nil {
		return bad("%v", err)
	}
	return o, s.find(o)
}

// find reports what of an override's subject the configuration does not have.
func (s *scene) find(o *override.Override) error {
	pool := s.set.Pool(o.Pool)
	if pool == nil {
		return api.NewProblem(api.NotFound, "there is no pool %q; there %s", o.Pool, listed(len(s.set.Pools), func(i int) string { return s.set.Pools[i].Name }))
	}
	if members := s.table.Pools()[pool.Index].Members; o.Member.IsValid() && !has(members, o.Member) {
		return api.NewProblem(api.NotFound, "pool %q has no member %s; there %s", o.Pool, o.Member, listed(len(members), func(i int) string { return members[i].Address.String() }))
	}
	if o.Kind != override.Pin {
		return nil
	}
	name := s.set.Name(o.Name)
	if name == nil {
		return unknownName(s.set, o.Name)
	}
	candidates := slices.Collect(name.Steering.Candidates())
	if !slices.Contains(candidates, pool) {
		return api.NewProblem(api.Conflict, "%s cannot answer with pool %q; there %s", zones.Plain(o.Name), o.Pool, listed(len(candidates), func(i int) string { return candidates[i].Name }))
	}
	return nil
}

// unknownName is the problem of a name that a configuration does not have. It offers those that a person
// who wrote it without its zone may mean.
func unknownName(set *zones.Set, name string) error {
	text := "there is no steered name " + zones.Plain(name)
	if meant := set.NamesBeginning(name, mostMeant); len(meant) > 0 {
		list := make([]string, len(meant))
		for i, n := range meant {
			list[i] = zones.Plain(n.Name)
		}
		text += "; did you mean " + strings.Join(list, " or ") + "?"
	}
	return api.NewProblem(api.NotFound, "%s", text)
}

func has(members []steer.MemberState, addr netip.Addr) bool {
	return slices.ContainsFunc(members, func(m steer.MemberState) bool { return m.Address == addr })
}

// listed is the first of a list, in words that follow "there".
func listed(n int, text func(int) string) string {
	if n == 0 {
		return "are none"
	}
	list := make([]string, 0, mostNames)
	for i := range min(n, mostNames) {
		list = append(list, text(i))
	}
	verb := "are "
	if n == 1 {
		verb = "is "
	}
	if n > mostNames {
		return verb + strings.Join(list, ", ") + fmt.Sprintf(" and %d more", n-mostNames)
	}
	return verb + strings.Join(list, ", ")
}

// matches reports whether the configuration has what an override is about.
func (s *scene) matches(o *override.Override) bool { return s.find(o) == nil }

// suppose finds what other words change.
func (p *proposal) suppose(words *override.Words) {
	before := p.before.table
	p.after = before.With(p.before.outcome.Suppose(words, nil))
	p.changes = publish.Compare(before, p.after)
	p.left = leftWithNothing(before, p.after)
}

// leftWithNothing is the names for which nothing is left in one table, though something is in that
// before it.
func leftWithNothing(before, after *answer.Table) []*zones.Name {
	var left []*zones.Name
	apart := make(map[*zones.Name]bool)
	for _, a := range after.Apart() {
		apart[a.Name] = true
		was := before.DecisionsOf(a.Name)
		for i, d := range a.Decisions {
			if d.Mode.IsEmergency() && !was[i].Mode.IsEmergency() {
				left = append(left, a.Name)
				break
			}
		}
	}
	seen := make(map[*zones.Steering]bool)
	for i, d := range after.Decisions() {
		steering := d.Route.Steering
		if d == before.Decisions()[i] || seen[steering] || !d.Mode.IsEmergency() || before.Decisions()[i].Mode.IsEmergency() {
			continue
		}
		seen[steering] = true
		for _, name := range after.Names(steering.Index) {
			if !apart[name] {
				left = append(left, name)
			}
		}
	}
	return byName(left)
}

// refusal is why a drain is not made.
func (p *proposal) refusal() error {
	o := p.override()
	problem := api.NewProblem(api.LeavesNothing, "without %s, %s would be left with nothing: %s; bring up another pool first",
		subject(o), plural.Of(len(p.left), "name", "names"), spoken(names(p.left), len(p.left), mostNames))
	problem.Names, problem.NamesTotal = names(p.left), len(p.left)
	return problem
}

func subject(o *override.Override) string {
	if o.Member.IsValid() {
		return o.Pool + "/" + o.Member.String()
	}
	return o.Pool
}

// preview is the result of a proposal that is not carried out.
func (p *proposal) preview(op *Operator) *api.OverrideResult {
	result := p.result(op)
	result.Preview = true
	if len(p.left) > 0 && len(p.list) == 1 && p.override().Kind == override.Drain {
		result.Notes = append(result.Notes, plural.Of(len(p.left), "name", "names")+" would be left with nothing, so that it is refused without force")
	}
	return result
}

// result is what comes of a proposal.
func (p *proposal) result(op *Operator) *api.OverrideResult {
	changes := commanded(p.changes)
	result := &api.OverrideResult{
		Overrides: make([]api.Override, 0, min(mostListed, len(p.list))), Total: len(p.list),
		Changes: first(mostListed, changes), ChangesTotal: len(changes),
		Answers: []api.Answer{}, Notes: append([]string{}, p.notes...),
	}
	for i := range p.list[:min(mostListed, len(p.list))] {
		result.Overrides = append(result.Overrides, op.show(p.before, &p.list[i]))
	}
	if len(changes) == 0 {
		result.Notes = append(result.Notes, "nothing is answered otherwise")
	}
	return result
}

// answers is what the names that a proposal concerns are answered with, after it is served.
func (p *proposal) answers(after *scene) []api.Answer {
	if after.set != p.before.set {
		return []api.Answer{} // a reload came between
	}
	concerned := make(map[*zones.Name]bool)
	for _, c := range p.changes {
		for _, n := range c.Names {
			concerned[n] = true
		}
	}
	for i := range p.list {
		if o := &p.list[i]; o.Kind == override.Pin {
			if n := after.set.Name(o.Name); n != nil {
				concerned[n] = true
			}
		}
	}
	return after.answers(concerned)
}
