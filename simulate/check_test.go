package simulate

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"gslb/health"
	"gslb/override"
	"gslb/safety"
	"gslb/steer"
	"gslb/zones"
)

// moment is what begins to be served.
type moment struct {
	at        time.Duration // of the plan
	now, wall time.Time
	set       *zones.Set
	raw       *health.Snapshot
	judgement safety.Judgement
	out       *steer.Outcome
	back      bool // since clients are to return now
	awaits    bool // first verdicts
}

// checker holds what is served to the invariants. It knows what happens in the world, and computes from
// statuses and words as plainly as can be what may be answered.
type checker struct {
	plan  *plan
	trace func(string) // nil: nobody looks

	copies *copies       // nil: no pool has data
	slack  time.Duration // how late the checker may see what is served
	last   moment
	began  time.Duration            // of the process
	said   map[string]*word         // by ID: what should be in force
	late   map[string]time.Duration // by ID: since when what is in force has ended
	routes map[string]*routePast    // by name
	base   map[string]string        // what a calm world answers, by name; nil: not known yet
	data   copiesPast
	looked []poolView               // at this moment
	moved  map[string]time.Duration // when names first left the pool that fails alone
}

// word is what a person has said.
type word struct {
	override.Override
	lapsed bool // it had ended by the wall clock, which may have been set back since
}

// routePast is what is known of the answers of a name so far.
type routePast struct {
	set     *zones.Set
	mode    steer.Mode
	shares  []steer.Share
	settled []string             // the pools that were answered last while they were up
	waits   map[string]bool      // with failback = "manual"
	left    map[string]time.Time // when pools were left that had gone down by their probes alone
	up      map[string]bool      // whether pools were up when something was last known of them, without a pause
}

func newChecker(p *plan, copies *copies, trace func(string)) *checker {
	c := &checker{plan: p, copies: copies, trace: trace, said: make(map[string]*word), late: make(map[string]time.Duration), routes: make(map[string]*routePast), moved: make(map[string]time.Duration)}
	if copies != nil {
		n := p.family.table.regions
		c.data = copiesPast{table: p.family.set[original].Replications[0].Table, degraded: make([]bool, n), caughtUp: make([]time.Time, n), turns: make([]int, n)}
	}
	return c
}

func (c *checker) log(format string, args ...any) {
	if c.trace != nil {
		c.trace(fmt.Sprintf(format, args...))
	}
}

func (c *checker) acted(a *act) { c.log("%s: %s %+v", a.at, a.what, a) }

func (c *checker) put(o override.Override) { c.said[o.ID()] = &word{Override: o} }

func (c *checker) removed(ids []string) {
	for _, id := range ids {
		delete(c.said, id)
	}
}

// restarted notes that another process has begun.
func (c *checker) restarted(at time.Duration, a *act) {
	c.began, c.data.since, c.data.restored = at, at, true
	if a.by != 0 || a.lost {
		for _, past := range c.routes {
			past.left = make(map[string]time.Time)
			past.waits = make(map[string]bool)
			past.set = nil
		}
	}
}

// graceOfEnd is how long an override may be in force after its end.
const graceOfEnd = time.Second

// hasEnded reports whether an override has, by the wall clock.
func hasEnded(o *override.Override, wall time.Time) bool {
	return !o.Until.IsZero() && !wall.Before(o.Until)
}

// time holds what is served to the clock.
func (c *checker) time(at time.Duration, wall time.Time, words *override.Words, doubt *safety.Doubt) {
	p, f := c.plan, c.plan.family
	believed := p.at + f.interval + time.Duration(f.fall)*max(f.fast, f.timeout) + f.hold + 2*time.Second
	if p.story == cut && !f.vantage && c.began == 0 && at > believed && at < p.until && doubt.Rule != "" {
		fail("%s: this host is without its network since %s, and still holds statuses: %+v", at, p.at, *doubt)
	}
	for _, s := range c.said {
		s.lapsed = s.lapsed || hasEnded(&s.Override, wall)
	}
	for _, o := range words.All() {
		id := o.ID()
		since, is := c.late[id]
		switch {
		case !hasEnded(&o, wall):
			delete(c.late, id)
		case !is:
			c.late[id] = at
		case at-since > graceOfEnd:
			fail("%s: %s ended at %s, and is still in force at %s", at, id, o.Until, wall)
		}
	}
}

// served holds what is served to all invariants.
func (c *checker) served(m moment) {
	if c.trace != nil {
		c.traceMoment(&m)
	}
	c.looked = c.looked[:0]
	c.checkWords(&m)
	c.checkCalculated(&m)
	c.checkCopies(&m)
	for _, n := range names(m.set) {
		d := m.out.Decisions[n.Steering.Routes[0].Index]
		past := c.routes[n.Name]
		if past == nil {
			past = &routePast{waits: make(map[string]bool), left: make(map[string]time.Time), up: make(map[string]bool)}
			c.routes[n.Name] = past
		}
		v := c.view(&m, n, d)
		if past.set != m.set {
			past.set, past.settled = m.set, nil
			past.waits, past.left = make(map[string]bool), make(map[string]time.Time)
			past.mode, past.shares = "", nil
		}
		c.checkAnswer(&m, v)
		c.checkData(&m, v, past)
		c.checkDrains(v)
		c.checkFailback(&m, v, past)
		c.checkRamp(&m, v, past)
		c.checkVelocity(&m, v, past)
		if d.Mode == steer.Normal || d.Mode == steer.Held || d.Mode == steer.Ramped {
			past.settled = past.settled[:0]
			for i := range d.Shares {
				if !d.Shares[i].Returning {
					past.settled = append(past.settled, d.Shares[i].Pool.Name)
				}
			}
		}
		past.mode, past.shares = d.Mode, d.Shares
		c.checkPin(&m, v)
	}
	c.checkCalm(&m)
	c.last = m
}

// answers is what names answer at a moment.
func answers(m *moment) map[string]string {
	all := make(map[string]string)
	for _, n := range names(m.set) {
		all[n.Name] = answerOf(m.out.DecisionsOf(n)[0])
	}
	return all
}

func answerOf(d *steer.Decision) string {
	var b strings.Builder
	for i := range d.Shares {
		fmt.Fprintf(&b, "%s%v ", d.Shares[i].Pool.Name, d.Shares[i].Addresses)
	}
	return b.String()
}

// isCalmMode reports whether an answer is what is answered in a calm world.
func isCalmMode(m steer.Mode) bool { return m == steer.Normal || m == steer.Pinned }

func isEmergency(m steer.Mode) bool {
	switch m {
	case steer.AssumeUp, steer.LastGood, steer.All, steer.NoData, steer.ServFail, steer.Fallback:
		return true
	}
	return false
}

// checkCalm holds the stories of a calm world to what they promise.
func (c *checker) checkCalm(m *moment) {
	p := c.plan
	if p.story == chaos {
		return
	}
	if m.at < p.at {
		c.base = answers(m)
		for _, n := range names(m.set) {
			if d := m.out.DecisionsOf(n)[0]; !isCalmMode(d.Mode) {
				delete(c.base, n.Name) // nothing is promised
			}
		}
		return
	}
	switch p.story {
	case cut, restart:
		c.checkNothingMoves(m)
	case lone:
		c.checkLone(m)
	case behind: // clients are moved neither to data that is behind nor away from it
		if len(p.faults) == 0 && !p.family.table.down {
			c.checkNothingMoves(m)
		}
	}
}

// checkNothingMoves: while this host sees nothing no answer moves, nor when it sees again, nor when it is
// started again. Without a vantage its verdicts are believed after a time, until it sees again.
func (c *checker) checkNothingMoves(m *moment) {
	p := c.plan
	for _, n := range names(m.set) {
		base, known := c.base[n.Name]
		d := m.out.DecisionsOf(n)[0]
		switch {
		case !known, answerOf(d) == base && (m.at < p.calm || isCalmMode(d.Mode)):
		case m.awaits && (d.Mode == steer.Pending || d.Mode == steer.Pinned || p.story != cut):
		case c.isBelieved(m) && m.at < p.calm:
			if n.Steering.MaxDown > 0 || !isEmergency(d.Mode) && d.Mode != steer.Held {
				delete(c.base, n.Name) // clients have moved, to what max_down keeps or a person has forced up
			}
		default:
			fail("%s: %s answered %s, and %s %s although nothing else has failed", m.at, n.Name, base, d.Mode, answerOf(d))
		}
	}
}

// isBelieved reports whether this host has been without its network for so long that its verdicts count.
func (c *checker) isBelieved(m *moment) bool {
	return c.plan.story == cut && !c.plan.family.vantage && m.at-c.plan.at > c.plan.family.hold
}

// checkLone notes when the pool that fails alone is left.
func (c *checker) checkLone(m *moment) {
	for _, n := range names(m.set) {
		d := m.out.DecisionsOf(n)[0]
		pool := string(rune('a' + c.plan.pool))
		if _, left := c.moved[n.Name]; !left && d.Mode != steer.Pending && !slices.ContainsFunc(d.Shares, func(s steer.Share) bool { return s.Pool.Name == pool }) {
			c.moved[n.Name] = m.at
		}
	}
}

// end holds a run as a whole to what its story promises.
func (c *checker) end(time.Duration) {
	p, m := c.plan, &c.last
	if p.story != lone && p.story != behind {
		return
	}
	for _, n := range names(m.set) {
		base, known := c.base[n.Name]
		pool := string(rune('a' + p.pool))
		if !known || p.story == lone && !strings.Contains(base, pool+"[") {
			continue
		}
		if d := m.out.DecisionsOf(n)[0]; n.Steering.Failback != zones.FailbackManual && m.at >= p.calm && answerOf(d) != base {
			fail("%s: all is as before since %s, and %s answers %s %s", m.at, p.until, n.Name, d.Mode, answerOf(d))
		}
		if p.story != lone {
			continue
		}
		if bound := c.bound(n); p.until-p.at > bound && n.Steering.PanicBelow == 0 {
			if left, moved := c.moved[n.Name]; !moved || left > p.at+bound+c.slack {
				fail("%s: %s failed at %s, and was left at %s (%t), not until %s", n.Name, pool, p.at, left, moved, p.at+bound)
			}
		}
	}
}

// bound is within what time a pool that fails alone is left.
func (c *checker) bound(n *zones.Name) time.Duration {
	f, how := c.plan.family, c.plan.faults[0].how
	takes := longestRTT
	switch how {
	case silent:
		takes = f.timeout
	case unreachable:
		takes = time.Millisecond
	}
	bound := f.interval + time.Duration(f.fall-1)*max(f.fast, takes) + takes + n.Steering.FailoverAfter
	switch { // others say before that the network of this host works, unless the fail comes at once
	case how == unreachable:
		bound += f.timeout/4 + longestRTT // how often others are asked at most, and an answer
	case how == silent && f.fall == 1:
		bound += longestRTT
	}
	return bound
}

// traceMoment says what is served.
func (c *checker) traceMoment(m *moment) {
	c.log("%s (%s): %s", m.at, m.now.Format("15:04:05.000"), strings.Join(slices.Sorted(maps.Values(answers(m))), "; "))
	for _, n := range names(m.set) {
		d := m.out.DecisionsOf(n)[0]
		c.log("    %s %s %s%s", n.Name, d.Mode, answerOf(d), c.view(m, n, m.out.Decisions[n.Steering.Routes[0].Index]))
	}
	for i := range m.set.Targets {
		id := m.set.Targets[i].ID
		s, is := m.raw.State(id), m.judgement.Snapshot.State(id)
		c.log("        %s %s turning %t silent %s heard %s asked %s awaited %t; taken for %s %s", id, s.Status, s.Turning, clock(s.Heard().Silent), clock(s.Heard().Heard), clock(s.Heard().Asked), s.Awaited, is.Status, is.Held.Rule)
	}
	if m.judgement.Doubt.Rule != "" {
		c.log("    doubt %+v", m.judgement.Doubt)
	}
}

func clock(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Format("05.000")
}

// sameOutcome compares all that the next outcome can depend on.
func sameOutcome(what string, want, got *steer.Outcome) {
	for i, d := range want.Decisions {
		sameDecision(what, d, got.Decisions[i])
	}
	if len(want.Apart) != len(got.Apart) {
		fail("%s: %d names stand apart, not %d", what, len(got.Apart), len(want.Apart))
	}
	for i, a := range want.Apart {
		if a.Name != got.Apart[i].Name {
			fail("%s: %s stands apart, not %s", what, got.Apart[i].Name.Name, a.Name.Name)
		}
		for j, d := range a.Decisions {
			sameDecision(what, d, got.Apart[i].Decisions[j])
		}
	}
	isPending := func(d *steer.Decision) bool { return d.Mode == steer.Pending }
	if !want.Revisit.Equal(got.Revisit) && !slices.ContainsFunc(want.Decisions, isPending) {
		fail("%s: revisited at %s, not at %s", what, got.Revisit, want.Revisit)
	}
	is, was := got.Memory(), want.Memory()
	for name, p := range was.Pools {
		q := is.Pools[name]
		if p.Status != q.Status || !p.Since.Equal(q.Since) || p.Down != q.Down || !p.Recovered.Equal(q.Recovered) || !p.Degraded.Equal(q.Degraded) || !p.CaughtUp.Equal(q.CaughtUp) || !p.Fell.Equal(q.Fell) {
			fail("%s: of %s is remembered %+v, not %+v", what, name, q, p)
		}
	}
	for key, r := range was.Routes {
		q := is.Routes[key]
		if !slices.Equal(r.Pools, q.Pools) || !slices.Equal(r.Good, q.Good) || !slices.Equal(r.Waiting, q.Waiting) || !maps.EqualFunc(r.Gone, q.Gone, time.Time.Equal) {
			fail("%s: of a route is remembered %+v, not %+v", what, q, r)
		}
	}
}

func sameDecision(what string, want, got *steer.Decision) {
	if want.Mode == steer.Pending && got.Mode == steer.Pending {
		return // a person's word to return was for that moment
	}
	same := want.Mode == got.Mode && want.TTL == got.TTL && want.Revisit.Equal(got.Revisit) &&
		slices.Equal(want.Reasons, got.Reasons) &&
		slices.EqualFunc(want.Shares, got.Shares, func(a, b steer.Share) bool {
			return a.Pool == b.Pool && a.Weight == b.Weight && a.Returning == b.Returning && slices.Equal(a.Addresses, b.Addresses)
		}) &&
		slices.EqualFunc(want.Held, got.Held, func(a, b steer.Hold) bool {
			return a.Rule == b.Rule && a.Pool == b.Pool && a.Since.Equal(b.Since) && a.Until.Equal(b.Until)
		})
	if !same {
		fail("%s:\n%+v\nnot\n%+v", what, *got, *want)
	}
}
