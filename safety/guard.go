package safety

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"gslb/health"
)

// Guard holds statuses while the verdicts against them may be the fault of this host's network. It is
// not safe for concurrent use.
type Guard struct {
	settings Settings
	targets  map[health.TargetID]target        // that a pool has
	vantage  map[health.TargetID]time.Duration // the timeouts of those that show what this host sees
	places   map[string]*place
	derived  *health.Calculation // of the targets that are calculated from others
	stale    bool                // the places are to be counted anew

	memory  Memory
	changed bool             // the memory has since Changed
	raw     *health.Snapshot // of the last Next, and what was made of it
	out     *health.Snapshot
	kept    map[health.TargetID]bool // in out: the targets whose states are not those of raw
	waiting map[health.TargetID]bool // of kept: those that are undecided
	waited  map[health.TargetID]bool // waiting, and what the rule said, when out was made
	said    hold
	before  Held      // those that were when the guard before ended
	sight   time.Time // when the network was last back, also when nothing is held any more
}

// NewGuard makes a guard that goes on from what an earlier one remembered.
func NewGuard(m Memory) *Guard {
	m.Held = maps.Clone(m.Held)
	if m.Held == nil && m.Rule != "" {
		m.Held = make(Held) // JSON has none that is empty
	}
	g := &Guard{memory: m, before: m.Waiting}
	g.memory.Waiting = nil
	return g
}

// Judgement is what a guard made of a snapshot.
type Judgement struct {
	Snapshot *health.Snapshot
	Doubt    Doubt
	Revisit  time.Time // when it may become another by itself; zero: never
}

// Doubt says by which rule statuses are held; the zero value: by none.
type Doubt struct {
	Rule         string
	Since, Until time.Time         // Until is when it ends at the latest; zero: when most of the vantage pass
	Targets      []health.TargetID // whose statuses are held, by ID
	Why          string            // one line
}

// Use says which targets there are, and what the rules are. An ID may come several times. What is
// calculated is no evidence, and follows from what is held of its operands.
func (g *Guard) Use(s Settings, targets []health.Target) {
	g.settings, g.stale, g.said = s, true, hold{}
	g.targets = make(map[health.TargetID]target, len(targets))
	g.places = make(map[string]*place)
	g.derived = health.NewCalculation(targets)
	g.vantage = make(map[health.TargetID]time.Duration, len(s.Vantage))
	for _, id := range s.Vantage {
		g.vantage[id] = 0
	}
	for i := range targets {
		t := &targets[i]
		if _, is := g.vantage[t.ID]; is {
			g.vantage[t.ID] = t.Timeout // a pool may have it too, which must not be down for it
		}
		if _, again := g.targets[t.ID]; again || t.Place == "" || t.IsCalculated() {
			continue
		}
		p := g.places[t.Place]
		if p == nil {
			p = newPlace()
			g.places[t.Place] = p
		}
		p.size++
		g.targets[t.ID] = target{p, t.Timeout, grace(t)}
	}
}

// Memory is what the next guard must remember. The caller must not change it.
func (g *Guard) Memory() Memory {
	m := g.memory
	m.Held = maps.Clone(m.Held)
	if len(g.waiting) > 0 {
		m.Waiting = make(Held, len(g.waiting))
	}
	for id := range g.waiting {
		m.Waiting[id] = g.out.State(id).Since
	}
	return m
}

// Changed reports whether Memory has become another since the last call.
func (g *Guard) Changed() bool {
	changed := g.changed
	g.changed = false
	return changed
}

// Next judges the next snapshot, or the same at a later time.
func (g *Guard) Next(raw *health.Snapshot, now time.Time) Judgement {
	if g.raw == nil {
		g.resume(now)
	}
	ids := raw.ChangedSince(g.raw)
	answered := g.take(raw, ids)
	g.adopt(now)
	switch {
	case g.memory.Rule == Blind || g.memory.Rule == "" && len(g.vantage) > 0:
		g.watch(raw, now)
	case g.memory.isLost() && answered:
		g.see(now)
	}
	was := g.waiting
	g.judge(raw, g.fallen(raw, ids), now)
	g.changed = g.changed || !maps.Equal(was, g.waiting)
	g.prove(raw, now)
	g.settle(raw, ids, now)
	return Judgement{g.out, g.doubt(raw, now), g.revisit(raw, now)}
}

// resume goes on from what is remembered. Nothing was probed meanwhile, so that those that had time to show
// that they are up have it again; and so do those that were undecided.
func (g *Guard) resume(now time.Time) {
	if len(g.before) > 0 && g.memory.Rule == "" {
		g.begin(g.rule(), now, now, "")
		g.see(now)
	}
	if !g.memory.Seen.IsZero() {
		g.memory.Seen, g.sight, g.changed = now, now, true
	}
	maps.Copy(g.memory.Held, g.before)
	g.before = nil
}

// take counts what has changed, and reports whether a target that was silent has answered.
func (g *Guard) take(raw *health.Snapshot, ids []health.TargetID) (answered bool) {
	for _, id := range ids {
		t, known := g.targets[id]
		if !known {
			continue
		}
		is := raw.State(id)
		_, held := g.memory.Held[id]
		if was := t.place.silent[id]; (held || !was.IsZero() && !was.Before(g.memory.From)) && is.Heard().Silent.IsZero() && is.Heard().Heard.After(g.memory.Lost) {
			answered = true
		}
		if !g.stale {
			t.place.take(id, t.timeout, g.raw.State(id), is)
		}
	}
	if g.stale {
		g.stale = false
		for id, t := range g.targets {
			t.place.unknown++ // as every target is at first
			t.place.take(id, t.timeout, health.State{}, raw.State(id))
		}
	}
	return answered
}

// adopt goes on by the rule that the configuration has.
func (g *Guard) adopt(now time.Time) {
	m := &g.memory
	switch {
	case m.Rule == Blind && len(g.vantage) == 0 && g.settings.SuspectShare > 0:
		m.Rule, m.Until, m.Lost, m.Seen, g.changed = Suspect, now.Add(g.settings.SuspectHold), now, time.Time{}, true
	case m.Rule == Suspect && len(g.vantage) > 0:
		m.Rule, m.Until, g.changed = Blind, time.Time{}, true
	case m.Rule != "" && len(g.vantage) == 0 && g.settings.SuspectShare == 0:
		*m, g.changed = Memory{}, true
	}
}

// watch begins or ends the rule blind.
func (g *Guard) watch(raw *health.Snapshot, now time.Time) {
	failing, _ := g.look(raw, now)
	switch blind := 2*failing > len(g.vantage); {
	case blind && !g.memory.isLost():
		if down := g.down(raw); g.memory.Rule != "" || 2*down > len(g.vantage) {
			g.begin(Blind, now, time.Time{}, g.whyBlind(raw))
		}
	case !blind && g.memory.isLost():
		g.see(now)
	}
}

// look counts the vantage whose last verdict is a fail, and those that are asked.
func (g *Guard) look(raw *health.Snapshot, now time.Time) (failing, asked int) {
	for id, timeout := range g.vantage {
		switch s := raw.State(id); {
		case s.Status == health.Down && !s.Turning, s.Status == health.Up && s.Turning:
			failing++
		case !s.Heard().Asked.IsZero() && now.Before(s.Heard().Asked.Add(timeout+slack)):
			asked++
		}
	}
	return failing, asked
}

// down counts the vantage that is down.
func (g *Guard) down(raw *health.Snapshot) (n int) {
	for id := range g.vantage {
		n += count(raw.State(id).Status == health.Down)
	}
	return n
}

func (g *Guard) whyBlind(raw *health.Snapshot) string {
	failing, _ := g.look(raw, time.Time{})
	return fmt.Sprintf("%d of the %d targets of safety.vantage fail, so that this server sees nothing", failing, len(g.vantage))
}

// begin begins to hold statuses, or goes on when sight is lost again.
func (g *Guard) begin(rule string, now, from time.Time, why string) {
	m := &g.memory
	g.changed = true
	if m.Rule == "" {
		*m = Memory{Rule: rule, Since: now, From: from, Until: g.settings.holdUntil(rule, now), Held: make(Held)}
	}
	m.Lost, m.Seen, m.Why = now, time.Time{}, why
}

// see notes that the network is back.
func (g *Guard) see(now time.Time) {
	g.memory.Seen, g.sight, g.changed = now, now, true
	g.memory.Why = "this server sees again, and each target whose status is held has a moment to show that it is up"
}

// fallen is the targets that turned down while they were up so far, by ID.
func (g *Guard) fallen(raw *health.Snapshot, ids []health.TargetID) []health.TargetID {
	var list []health.TargetID
	for _, id := range slices.Concat(ids, slices.Collect(maps.Keys(g.waiting))) {
		_, held := g.memory.Held[id]
		_, known := g.targets[id]
		if known && !held && raw.State(id).Status == health.Down && g.out.State(id).Status == health.Up {
			list = append(list, id)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// judge decides about targets that turned down: which of them are held, and which are undecided.
//
//	a rule holds                           │ the target                   │ then
//	───────────────────────────────────────┼──────────────────────────────┼──────────────────────────
//	blind, and the network is not back     │ is down                      │ held
//	suspect, and the network is not back   │ is silent                    │ held
//	none any more, or the network is back  │ is silent, and its last      │ held
//	                                       │ probe began before it was    │
//	none, or the network is back           │ was undecided, and has       │ held: the network is back
//	                                       │ answered                     │
//	none, or the network is back           │ is silent                    │ as the evidence says
//	any                                    │ is not silent                │ its verdict counts
func (g *Guard) judge(raw *health.Snapshot, fallen []health.TargetID, now time.Time) {
	var silent, answered, before []health.TargetID
	for _, id := range fallen {
		switch heard := raw.State(id).Heard(); {
		case heard.Silent.IsZero() && g.waiting[id] && heard.Heard.After(heard.Began):
			answered = append(answered, id)
		case heard.Silent.IsZero():
		case heard.Began.Before(g.sight):
			before = append(before, id)
		default:
			silent = append(silent, id)
		}
	}
	g.waiting = nil
	switch {
	case g.memory.isLost() && g.memory.Rule == Blind:
		g.hold(fallen)
		return
	case g.memory.isLost():
		g.hold(silent)
		g.hold(answered)
		return
	}
	if back := slices.Concat(before, answered); len(back) > 0 && g.memory.Rule == "" {
		g.begin(g.rule(), now, raw.State(back[0]).Heard().Began, "")
		g.see(now)
	}
	g.hold(before)
	if len(answered) > 0 {
		g.see(now)
		g.hold(answered)
		g.hold(silent)
		return
	}
	if len(silent) > 0 && g.weigh(raw, silent, now) {
		g.hold(silent)
		g.waiting = nil
	}
}

// hold holds the statuses of targets that were up so far.
func (g *Guard) hold(ids []health.TargetID) {
	for _, id := range ids {
		g.memory.Held[id], g.changed = g.out.State(id).Since, true
	}
}

// rule is the one by which this configuration holds statuses.
func (g *Guard) rule() string {
	if len(g.vantage) > 0 {
		return Blind
	}
	return Suspect
}

// weigh judges silent targets by the evidence, and reports whether they are to be held. The one whose last probe began last is judged first: who
// has answered since has answered since those of the others began.
func (g *Guard) weigh(raw *health.Snapshot, silent []health.TargetID, now time.Time) bool {
	type fall struct {
		id health.TargetID
		health.Hearing
	}
	byBegin := make([]fall, len(silent)) // looked up once each: there may be thousands
	for i, id := range silent {
		byBegin[i] = fall{id, raw.State(id).Heard()}
	}
	slices.SortFunc(byBegin, func(a, b fall) int { return b.Began.Compare(a.Began) })
	from, to := byBegin[0].Silent, byBegin[0].Silent
	for i := range byBegin {
		from, to = earlier(from, byBegin[i].Silent), later(to, byBegin[i].Silent)
	}
	first := from
	from, to = from.Add(-g.settings.SuspectWindow), to.Add(g.settings.SuspectWindow)
	for _, p := range g.places {
		p.look(from, to, first, now)
	}
	g.waiting = make(map[health.TargetID]bool)
	for i := range byBegin {
		switch verdict, why := g.verdict(raw, first, byBegin[i].Began, now); verdict {
		case suspected, shaken:
			rule := g.rule()
			if !g.memory.Seen.IsZero() {
				g.memory.Until = g.settings.holdUntil(rule, now)
			}
			g.begin(rule, now, from, why)
			if verdict == shaken {
				g.see(now)
			}
			return true
		case undecided:
			g.waiting[byBegin[i].id] = true
		case believed:
			return false // and so are those whose probes began before
		}
	}
	return false
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// verdict is what the evidence says of a target whose last probe began at a time, and which is silent
// since first at most.
func (g *Guard) verdict(raw *health.Snapshot, first, began, now time.Time) (verdict, string) {
	if len(g.vantage) > 0 {
		failing, asked := g.look(raw, now)
		missed := 0
		for id := range g.vantage {
			missed += count(raw.State(id).Heard().Missed.After(first))
		}
		switch {
		case 2*failing > len(g.vantage):
			return suspected, g.whyBlind(raw)
		case 2*(failing+asked) > len(g.vantage):
			return undecided, ""
		case 2*missed > len(g.vantage):
			return shaken, ""
		}
		return believed, ""
	}
	if g.settings.SuspectShare == 0 {
		return believed, ""
	}
	e := g.evidence(began)
	verdict := e.judge(g.settings.SuspectShare)
	if verdict == undecided || verdict == believed {
		return verdict, ""
	}
	return verdict, g.whySuspect(e)
}

// evidence is that of all places.
func (g *Guard) evidence(since time.Time) (e evidence) {
	for _, p := range g.places {
		e.add(p, len(g.places), since)
	}
	return e
}

func (g *Guard) whySuspect(e evidence) string {
	return fmt.Sprintf("%d of %d targets in %d places went silent at about the same time, as if the network of this server were dead",
		e.silent, e.silent+e.answering+e.asked, e.silentPlaces)
}

// prove ends the hold of each target that is up again, and of each that had the time to show it.
func (g *Guard) prove(raw *health.Snapshot, now time.Time) {
	m := &g.memory
	if m.Rule == "" || m.Seen.IsZero() {
		return
	}
	isLostAgain := sync.OnceValue(func() bool { return g.isLostAgain(now) }) // thousands may be out of time
	for id := range m.Held {
		switch {
		case raw.State(id).Status == health.Down && g.targets[id].place != nil && now.Before(m.Seen.Add(g.targets[id].grace)):
			continue
		case raw.State(id).Status == health.Down && g.targets[id].place != nil && isLostAgain():
			g.begin(Suspect, now, m.From, m.Why)
			return
		}
		delete(m.Held, id)
		g.changed = true
	}
	if len(m.Held) == 0 {
		*m, g.changed = Memory{}, true
	}
}

// isLostAgain reports whether nearly all are silent, although one has answered in between.
func (g *Guard) isLostAgain(now time.Time) bool {
	if g.memory.Rule != Suspect {
		return false // the vantage would say so
	}
	for _, p := range g.places {
		p.look(g.memory.From, now, now, now)
	}
	e := g.evidence(g.memory.Lost)
	return e.judge(g.settings.SuspectShare) == suspected
}

// settle makes the snapshot in which statuses are held. It shares what it can with the one before.
func (g *Guard) settle(raw *health.Snapshot, ids []health.TargetID, now time.Time) {
	was := g.kept
	g.kept = g.keeps(raw, now)
	switch {
	case len(g.kept) == 0:
		g.out = raw
	case g.out == nil:
		g.out = raw.With(raw.At, g.states(raw, slices.Collect(maps.Keys(g.kept)), now))
	default:
		states := g.states(raw, append(g.unsettled(was), ids...), now)
		maps.DeleteFunc(states, func(id health.TargetID, s health.State) bool { return g.out.State(id) == s })
		if len(states) > 0 {
			g.out = g.out.With(raw.At, states)
		}
	}
	g.raw, g.waited, g.said = raw, g.waiting, g.memory.hold()
}

// unsettled is the targets that are to be said otherwise than in the last snapshot, although their own
// states have not changed: those that are kept since or no longer or, if the rule says otherwise, all.
// Many may be kept, and few of them change at once.
func (g *Guard) unsettled(was map[health.TargetID]bool) []health.TargetID {
	ids := slices.AppendSeq(slices.Collect(maps.Keys(g.waited)), maps.Keys(g.waiting))
	all := g.said != g.memory.hold()
	for id := range g.kept {
		if all || !was[id] {
			ids = append(ids, id)
		}
	}
	for id := range was {
		if !g.kept[id] {
			ids = append(ids, id)
		}
	}
	return ids
}

// keeps is the targets whose states are not those of the raw snapshot.
func (g *Guard) keeps(raw *health.Snapshot, now time.Time) map[health.TargetID]bool {
	keeps := maps.Clone(g.waiting)
	if keeps == nil {
		keeps = make(map[health.TargetID]bool)
	}
	if g.memory.Rule != "" && !g.memory.isBelieved(now) {
		for id := range g.memory.Held {
			if raw.State(id).Status == health.Down {
				keeps[id] = true
			}
		}
	}
	for _, id := range g.derived.Affected(maps.Keys(keeps)) {
		keeps[id] = true
	}
	return keeps
}

// states is what is to be believed of some targets, and of those that are calculated from them.
func (g *Guard) states(raw *health.Snapshot, ids []health.TargetID, now time.Time) map[health.TargetID]health.State {
	states := make(map[health.TargetID]health.State, len(ids))
	for _, id := range ids {
		switch {
		case !g.kept[id]:
			states[id] = raw.State(id)
		case !g.derived.Has(id):
			states[id] = g.keep(id, raw.State(id))
		}
	}
	for _, id := range g.derived.Affected(slices.Values(ids)) {
		if g.kept[id] {
			states[id] = g.derive(id, raw, states, now)
		}
	}
	return states
}

// derive is the state of a target that is calculated from others, some of which are kept. It is held if
// that makes its status another one.
func (g *Guard) derive(id health.TargetID, raw *health.Snapshot, states map[health.TargetID]health.State, now time.Time) health.State {
	before := raw.State(id)
	if g.out != nil {
		before = g.out.State(id)
	}
	var hold health.Hold
	s := g.derived.State(id, before, func(operand health.TargetID) health.State {
		state, isNew := states[operand]
		switch {
		case isNew:
		case g.kept[operand]:
			state = g.out.State(operand)
		default:
			state = raw.State(operand)
		}
		if hold.Rule == "" {
			hold = state.Held
		}
		return state
	}, now)
	if s.Status != raw.State(id).Status {
		s.Held = hold
	}
	return s
}

// keep is the state of a target that is kept up. It is turning, since its verdicts say otherwise, so
// that answers have a low TTL.
func (g *Guard) keep(id health.TargetID, raw health.State) health.State {
	up := health.State{Status: health.Up, Turning: true, Stale: raw.Stale, Since: g.out.State(id).Since,
		Cause: health.Result{Verdict: health.Pass, Reason: "ok"}, Hearing: raw.Hearing}
	if before := g.out.State(id); before.Status == health.Up {
		up.Cause, up.Awaited, up.Since = before.Cause, before.Awaited && g.waiting[id], before.Since
	}
	if since, held := g.memory.Held[id]; held {
		up.Since = since
		up.Held = health.Hold{Rule: g.memory.Rule, Since: g.memory.Since, Until: g.until(id)}
	}
	return up
}

// until is when the hold of a target ends at the latest.
func (g *Guard) until(id health.TargetID) time.Time {
	if g.memory.Seen.IsZero() {
		return g.memory.Until
	}
	return g.memory.Seen.Add(g.targets[id].grace)
}

// doubt is what is said of the rule that holds.
func (g *Guard) doubt(raw *health.Snapshot, now time.Time) Doubt {
	m := &g.memory
	if m.Rule == "" || m.isBelieved(now) {
		return Doubt{}
	}
	d := Doubt{Rule: m.Rule, Since: m.Since, Until: m.Until, Why: m.Why}
	if !m.Seen.IsZero() {
		d.Until = m.Seen
	}
	for id := range m.Held {
		if raw.State(id).Status == health.Down {
			d.Targets = append(d.Targets, id)
			if until := g.until(id); !m.Seen.IsZero() && until.After(d.Until) {
				d.Until = until
			}
		}
	}
	slices.Sort(d.Targets)
	return d
}

// revisit is when the judgement may become another although no state changes.
func (g *Guard) revisit(raw *health.Snapshot, now time.Time) (at time.Time) {
	soonest := func(t time.Time) {
		if t.After(now) && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	m := &g.memory
	switch {
	case m.Rule == "":
	case m.Seen.IsZero():
		soonest(m.Until)
	default:
		for id := range m.Held {
			soonest(g.until(id))
		}
	}
	if len(g.waiting) > 0 {
		for _, p := range g.places {
			soonest(p.pendingUntil(now))
		}
		for id, timeout := range g.vantage {
			if asked := raw.State(id).Heard().Asked; !asked.IsZero() {
				soonest(asked.Add(timeout + slack))
			}
		}
	}
	return at
}
