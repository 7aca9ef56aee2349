package admin

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"gslb/admin/api"
	"gslb/answer"
	"gslb/health"
	"gslb/safety"
	"gslb/steer"
	"gslb/zones"
)

// Bounds on text that somebody else has chosen: what was probed, or an editor of zones.toml.
const (
	longestText  = 2000 // bytes of a reason
	errorLines   = 101  // of a refused configuration: 100 errors, and how many more there are
	longestError = 500  // bytes of such a line
)

// view is a Status whose lists are made as they are read.
type view struct {
	api.Status
	Matched api.Matched
	moment  *moment
	names   selected[*zones.Name]
	Names   selected[api.Name]
	Pools   selected[api.Pool]
	Targets selected[api.Target]
	Events  selected[Event]
}

// status is what a moment says of the whole server.
func (s *Server) status(m *moment) api.Status {
	missing := s.missing()
	st := api.Status{
		Version: s.options.Version,
		Host:    s.options.Host,
		Started: s.options.Started.UTC(),
		Now:     m.now.UTC(),
		Ready:   len(missing) == 0,
		Waiting: missing,
		Config:  newConfig(m.table, s.options.ConfigStatus()),
		Summary: m.summary,
		Held:    []api.Hold{},

		Replications: m.replications(),
	}
	if m.doubt.Rule != "" {
		st.Held = append(st.Held, newHold(m.doubt))
	}
	if m.overrides != nil {
		st.Overrides = countOverrides(m.overrides)
	}
	if m.table != nil {
		st.ID, st.Published = m.table.Set().Server.ID, utc(m.table.Published())
	}
	said, told := m.ofIncidents()
	st.Problems = worstFirst(slices.Concat(said, s.alarms(m, &st, told), m.lostOverrides(), m.saidOverrides(), sayCopies(st.Replications), unready(st), problems(st, told), s.warnings(m)))
	return st
}

// worstFirst puts the critical first.
func worstFirst(list []api.Trouble) []api.Trouble {
	slices.SortStableFunc(list, func(a, b api.Trouble) int { return cmp.Compare(boolean(b.Critical), boolean(a.Critical)) })
	return list
}

func newHold(d safety.Doubt) api.Hold {
	return api.Hold{Rule: d.Rule, Since: utc(d.Since), Until: utc(d.Until), Why: cut(d.Why, longestText)}
}

// view makes the view of a moment that has the rows which sel asks for.
func (s *Server) view(m *moment, sel selection) view {
	v := view{Status: s.status(m)}
	f := filter{moment: m, selection: sel, scope: scopeOf(sel.name, m.table)}
	v.moment, v.names = m, f.names(nil)
	v.Names = made(v.names, m.newName)
	v.Pools = made(f.pools(nil), m.newPool)
	v.Targets = made(f.targets(nil), m.newTarget)
	v.Events = made(f.events(), func(e Event) Event { return e })
	v.Matched = api.Matched{Names: v.Names.Matched, Pools: v.Pools.Matched, Targets: v.Targets.Matched, Events: v.Events.Matched}
	return v
}

func made[T, R any](s selected[T], f func(T) R) selected[R] {
	return selected[R]{Rows: as(s.Rows, f), Shown: s.Shown, Matched: s.Matched}
}

func newConfig(table *answer.Table, reload ConfigStatus) api.Config {
	c := api.Config{LastReload: utc(reload.At), ReloadFailures: reload.Failures, Refused: reload.Refused, Pending: reload.Pending}
	if reload.Err != nil {
		c.LastReloadError = firstLines(reload.Err.Error())
	}
	if table != nil {
		set := table.Set()
		c.Path, c.Hash, c.Loaded = set.Path, set.Hash, utc(set.Loaded)
	}
	return c
}

// firstLines bounds the text of an error that may have any number of lines of any length.
func firstLines(text string) string {
	var lines []string
	left := 0
	for line := range strings.Lines(text) {
		if len(lines) == errorLines {
			left++
			continue
		}
		lines = append(lines, cut(strings.TrimSuffix(line, "\n"), longestError))
	}
	if left > 0 {
		lines = append(lines, fmt.Sprintf("and %d more, which show when some of these are mended", left))
	}
	return strings.Join(lines, "\n")
}

// filter selects rows. The text asked for is looked for in all that a row shows.
type filter struct {
	*moment
	selection
	scope *scope
}

// pools selects pools; those that also accepts, if it is given. On the page, where targets are inside of
// pools, a pool matches if one of its targets does.
func (f filter) pools(also func(*moment, *steer.PoolState) bool) selected[*steer.PoolState] {
	keep := func(p *steer.PoolState) bool {
		if !f.scope.hasPool(p) || also != nil && !also(f.moment, p) {
			return false
		}
		return f.poolMatches(p) || f.troubleFirst && f.anyTargetMatches(p)
	}
	return pick(slices.Values(f.moment.pools()), f.selection, keep, onlyIf(f.troubleFirst, f.isTrouble))
}

func (f filter) poolMatches(p *steer.PoolState) bool {
	if f.contains(p.Pool.Name, p.Pool.Region, p.Pool.CNAME, p.Pool.Alias, p.Status.String(), p.Why,
		word(p.Turning, "turning"), word(f.stalePools[p.Pool], "stale"), word(!p.Degraded.IsZero(), "degraded")) {
		return true
	}
	return slices.ContainsFunc(p.Members, func(m steer.MemberState) bool {
		return f.contains(m.Address.String(), m.Status.String())
	})
}

func (f filter) anyTargetMatches(p *steer.PoolState) bool {
	for id := range targetsOf(p) {
		if r := f.reportOf(id); r != nil && f.targetMatches(r) {
			return true
		}
	}
	return false
}

// isTrouble reports whether a pool needs a person.
func (m *moment) isTrouble(p *steer.PoolState) bool {
	return p.Status != health.Up || p.Turning || m.stalePools[p.Pool] || !p.Degraded.IsZero()
}

// targets selects targets; those that also accepts, if it is given.
func (f filter) targets(also func(*moment, *health.Report) bool) selected[*health.Report] {
	keep := func(r *health.Report) bool {
		return f.scope.hasTarget(r) && (also == nil || also(f.moment, r)) && f.targetMatches(r)
	}
	return pick(f.moment.targets(), f.selection, keep, onlyIf(f.troubleFirst, f.isTroubled))
}

func (f filter) targetMatches(r *health.Report) bool {
	return f.contains(string(r.Target.ID), r.Target.Check, r.Target.Subject, kind(r), r.State.Status.String(),
		word(r.State.Turning, "turning"), word(f.stale[r.Target.ID], "stale"), word(r.Restored, "from an earlier run"),
		word(slow(r), "slow"), word(!r.State.Expiring.IsZero(), "expiring"),
		word(!r.Probed.IsZero(), r.Last.Verdict.String()), r.Last.Reason, r.Last.Detail)
}

// isTroubled reports whether a target needs a person.
func (m *moment) isTroubled(r *health.Report) bool {
	return r.State.Status != health.Up || r.State.Turning || m.stale[r.Target.ID] || indeterminate(r) || failing(r) || !r.State.Expiring.IsZero()
}

func (f filter) events() selected[Event] {
	keep := func(e Event) bool {
		return f.scope.hasEvent(e) && (f.contains(e.Subject, string(e.Kind), e.From, e.To, string(e.Mode), e.Why) ||
			f.contains(e.Names...) || f.contains(e.Views...) || f.contains(e.CNAMEs...) || slices.ContainsFunc(e.Addresses, func(a netip.Addr) bool { return f.contains(a.String()) }))
	}
	return pick(slices.Values(f.moment.events), f.selection, keep, nil)
}

// onlyIf is f under a condition, otherwise nil.
func onlyIf[T any](wanted bool, f func(T) bool) func(T) bool {
	if !wanted {
		return nil
	}
	return f
}

// word is a word that a row shows under a condition.
func word(shown bool, text string) string {
	if !shown {
		return ""
	}
	return text
}

func (m *moment) newPool(p *steer.PoolState) api.Pool {
	return api.Pool{
		Name:     p.Pool.Name,
		Region:   p.Pool.Region,
		Status:   p.Status,
		Since:    utc(p.Since),
		Why:      cut(p.Why, longestText),
		Probed:   p.Probed,
		Turning:  p.Turning,
		Stale:    m.stalePools[p.Pool],
		Degraded: utc(p.Degraded),
		MinUp:    p.Pool.MinUp.Of(len(p.Members)),
		CNAME:    p.Pool.CNAME,
		Alias:    m.newAlias(p.Pool.Alias),
		Members: transform(p.Members, func(member steer.MemberState) api.Member {
			return api.Member{
				Address: member.Address, Status: member.Status, Probed: member.Probed, Stale: m.anyStale(member.Targets), Targets: list(member.Targets),
				Drain: newOverride(member.Drain), Force: newOverride(member.Force),
			}
		}),
		Targets: list(p.Pool.Targets),
		Load:    api.PoolLoad(p),
		Weight:  api.NewLoad(p.Weight),
		Drain:   newOverride(p.Drain),
		Force:   newOverride(p.Force),
	}
}

// newAlias is what is known of a host; nil of none.
func (m *moment) newAlias(host string) *api.Alias {
	if host == "" {
		return nil
	}
	r := m.aliases[host]
	a := &api.Alias{Host: host, Status: r.Status.String(), Lookups: make([]api.Lookup, 0, len(r.Families))}
	if at := r.Confirmed(); !at.IsZero() {
		age := m.now.Sub(at).Seconds()
		a.Age = &age
	}
	for _, f := range r.Families {
		if f.Type != "" { // otherwise it was not looked up at this moment yet
			a.Lookups = append(a.Lookups, api.Lookup{
				Type: f.Type, At: utc(f.Asked), Next: utc(f.Next), Said: cut(f.Said, longestText), Failed: f.Failing, Denied: f.Denied,
			})
		}
	}
	return a
}

func (m *moment) newTarget(r *health.Report) api.Target {
	t := api.Target{
		ID:         r.Target.ID,
		Check:      r.Target.Check,
		Kind:       kind(r),
		Subject:    r.Target.Subject,
		Status:     r.State.Status,
		Since:      utc(r.State.Since),
		Turning:    r.State.Turning,
		StaleAfter: r.Target.StaleAfter().Seconds(),
		Stale:      m.stale[r.Target.ID],
		Restored:   r.Restored,
		Took:       r.Took.Seconds(),

		RecentFailed: r.Failed, Recent: r.Of,
		Probes: api.ProbeCounts{
			Pass:          r.Probes[health.Pass],
			Fail:          r.Probes[health.Fail],
			Indeterminate: r.Probes[health.Indeterminate],
			Slow:          r.Slow,
		},
		CertificateExpires: utc(r.Expires),
		Expiring:           !r.State.Expiring.IsZero(),
		Slow:               slow(r),
	}
	if load := r.State.Load; load != nil {
		t.Load = &api.Load{Value: load.Value, Percent: load.Percent}
	}
	if m.held[r.Target.ID] {
		hold := newHold(m.doubt)
		t.Held = &hold
	}
	if !r.Judged.IsZero() {
		age := m.now.Sub(r.Judged).Seconds()
		t.Age = &age
	}
	if !r.Probed.IsZero() {
		t.Last = &api.Probe{At: utc(r.Probed), Verdict: r.Last.Verdict.String(), Reason: r.Last.Reason, Detail: cut(r.Last.Detail, longestText)}
	}
	return t
}

// slow says whether the last probe took longer than its check calls slow.
func slow(r *health.Report) bool { return r.Last.Notes != nil && r.Last.Notes.Slow }

func kind(r *health.Report) string {
	if r.Target.Spec == nil {
		return ""
	}
	return r.Target.Spec.Kind()
}

// transform applies f to each item. It never returns nil, which JSON would write as null.
func transform[T, R any](items []T, f func(T) R) []R {
	rows := make([]R, 0, len(items))
	for _, item := range items {
		rows = append(rows, f(item))
	}
	return rows
}

// list is items, and [] rather than null in JSON when there are none.
func list[T any](items []T) []T {
	if items == nil {
		return []T{}
	}
	return items
}

// utc keeps the zero time zero and drops the monotonic reading.
func utc(t time.Time) time.Time { return t.UTC().Round(0) }
