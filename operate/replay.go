package operate

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"gslb/admin/api"
	"gslb/alias"
	"gslb/health"
	"gslb/journal"
	"gslb/override"
	"gslb/publish"
	"gslb/replication"
	"gslb/steer"
	"gslb/zones"
)

// Replayed is what a configuration would have answered through a recorded incident.
type Replayed struct {
	From    time.Time        `json:"from"` // of the first event
	To      time.Time        `json:"to"`   // of the last one
	Events  int              `json:"events"`
	Damaged int              `json:"damaged"` // lines that are no events
	Targets int              `json:"targets"` // of the configuration
	Known   int              `json:"known"`   // of these, those that the recording speaks of; the others count as up
	Changes []ReplayedChange `json:"changes"`
}

// ReplayedChange is names that would have been answered otherwise from a time on.
type ReplayedChange struct {
	At time.Time `json:"at"`
	api.Change
}

// Recording is the part of recorded events that decides answers.
type Recording struct {
	steps   []step
	events  int
	first   map[health.TargetID]health.Status            // what a target was before its first event
	copies  map[replication.Region]replication.Condition // the same of a copy
	from    time.Time
	to      time.Time
	mention map[health.TargetID]bool
}

// step is what one event says.
type step struct {
	at     time.Time
	target health.TargetID
	status health.Status
	copy   replication.Region
	is     replication.State  // of the copy: its condition, whether it is degraded, and why
	word   *override.Override // that begins or, with gone, ends
	gone   bool
	census *journal.Census
	holds  bool // the verdicts do not count from now on
	counts bool // they do again
}

// mostSteps bounds the memory that a recording takes.
const mostSteps = 5_000_000

// ErrTooLong is returned by Add for a recording that is too long.
var ErrTooLong = errors.New("the recording is too long: give the file of the time in question alone")

// NewRecording is a recording of nothing.
func NewRecording() *Recording {
	return &Recording{
		first: make(map[health.TargetID]health.Status), copies: make(map[replication.Region]replication.Condition),
		mention: make(map[health.TargetID]bool),
	}
}

// Add takes the next event. It fails only for one too many.
func (r *Recording) Add(e *journal.Event) error {
	if r.events++; r.events == 1 {
		r.from = e.At
	}
	r.to = e.At
	s := step{at: e.At}
	switch e.Kind {
	case journal.Target:
		var from health.Status
		if s.target = health.TargetID(e.Subject); s.status.UnmarshalText([]byte(e.To)) != nil || from.UnmarshalText([]byte(e.From)) != nil {
			return nil
		}
		if !r.mention[s.target] {
			r.first[s.target] = from
		}
		r.mention[s.target] = true
	case journal.Copy:
		group, region, is := strings.Cut(e.Subject, "@")
		if !is {
			return nil
		}
		s.copy = replication.Region{Group: group, Region: region}
		s.is = replication.State{Condition: conditionOf(e.To), Degraded: e.Degraded, Why: e.Why}
		if _, known := r.copies[s.copy]; !known {
			r.copies[s.copy] = conditionOf(e.From)
		}
	case journal.Override:
		if e.Override == nil {
			return nil
		}
		s.word, s.gone = e.Override, e.To == ""
	case journal.Config:
		if e.Census == nil {
			return nil
		}
		s.census = e.Census
		for _, id := range slices.Concat(e.Census.DownTargets, e.Census.UnknownTargets) {
			r.mention[id] = true
		}
	case journal.Hold:
		if len(e.Targets) == 0 {
			return nil // it holds answers, which the configuration decides about
		}
		s.counts = e.To == ""
		s.holds = !s.counts
	default:
		return nil
	}
	if len(r.steps) == mostSteps {
		return ErrTooLong
	}
	r.steps = append(r.steps, s)
	return nil
}

// conditionOf reads a condition as events have it.
func conditionOf(text string) replication.Condition {
	if text == replication.Unknown.String() {
		return replication.Unknown
	}
	return replication.Condition(text)
}

// afterwards is how long the end of an incident is followed: a failback may wait for its time.
const afterwards = time.Hour

// mostRevisits bounds the decisions between two events that time alone asks for.
const mostRevisits = 10_000

// Replay decides by a configuration what would have been answered. The statuses of targets are those of
// the recording, by their IDs, and so are those of copies, persons' words, and the times in which verdicts did not count.
// A target that it does not speak of counts as up. Events at one time were published together. Those that
// begin with a configuration say what was the case, and are no change.
//
//	events ─► statuses, words ─► steer ─► the differences from one decision to the next
func (r *Recording) Replay(set *zones.Set, hosts *alias.Addresses) *Replayed {
	replayed := &Replayed{From: r.from, To: r.to, Events: r.events, Targets: len(set.Targets), Changes: []ReplayedChange{}}
	for i := range set.Targets {
		if r.mention[set.Targets[i].ID] {
			replayed.Known++
		}
	}
	p := newReplayer(set, hosts, r)
	steps := r.steps
	p.begun = len(steps) == 0 || steps[0].census == nil
	for len(steps) > 0 {
		n := 1
		for n < len(steps) && steps[n].at.Equal(steps[0].at) {
			n++
		}
		p.until(steps[0].at)
		for i := range steps[:n] {
			p.take(&steps[i])
		}
		p.decide(steps[0].at)
		steps = steps[n:]
	}
	p.until(r.to.Add(afterwards))
	replayed.Changes = append(replayed.Changes, p.changes...)
	return replayed
}

// replayer is a replay under way.
type replayer struct {
	set     *zones.Set
	hosts   *alias.Addresses
	names   [][]*zones.Name                   // by Steering.Index
	said    map[health.TargetID]health.Status // by the recording
	held    bool                              // failing verdicts do not count
	counted map[health.TargetID]health.Status // what counts
	words   map[string]override.Override      // by ID
	copies  map[replication.Region]replication.State
	dirty   map[health.TargetID]bool
	derived *health.Calculation
	outcome *steer.Outcome
	begun   bool // it is known what was answered in the beginning
	changes []ReplayedChange
}

func newReplayer(set *zones.Set, hosts *alias.Addresses, r *Recording) *replayer {
	at := r.from
	p := &replayer{
		set: set, hosts: hosts, names: make([][]*zones.Name, len(set.Steerings)),
		said: make(map[health.TargetID]health.Status), counted: make(map[health.TargetID]health.Status),
		words: make(map[string]override.Override), copies: make(map[replication.Region]replication.State), dirty: make(map[health.TargetID]bool),
	}
	if all, err := allTargets(set, hosts); err == nil { // otherwise they are not probed either
		p.derived = health.NewCalculation(all)
	}
	for _, zone := range set.Zones {
		for _, n := range zone.Names {
			p.names[n.Steering.Index] = append(p.names[n.Steering.Index], n)
		}
	}
	up := AllUp(set, hosts, at)
	states := make(map[health.TargetID]health.State)
	for id, status := range r.first {
		p.said[id], p.counted[id] = status, status
		states[id] = stateOf(status, at)
	}
	for region, condition := range r.copies {
		p.copies[region] = replication.State{}.Next(condition, "so it was recorded", at)
	}
	in := up.Input()
	in.Copies = replication.NewView(maps.Clone(p.copies))
	in.Snapshot = in.Snapshot.With(at, p.withDerived(in.Snapshot, states, at))
	p.outcome = steer.Step(set, in, steer.Memory{})
	return p
}

func stateOf(status health.Status, at time.Time) health.State {
	return health.State{Status: status, Since: at, Cause: health.Result{Reason: "recorded", Detail: "so it was recorded"}}
}

// withDerived adds to states what is calculated from them. The recording may be of a configuration that
// calculated otherwise.
func (p *replayer) withDerived(snapshot *health.Snapshot, states map[health.TargetID]health.State, at time.Time) map[health.TargetID]health.State {
	for _, id := range p.derived.Affected(maps.Keys(states)) {
		states[id] = p.derived.State(id, snapshot.State(id), func(id health.TargetID) health.State {
			if state, is := states[id]; is {
				return state
			}
			return snapshot.State(id)
		}, at)
	}
	return states
}

// take takes in what an event says.
func (p *replayer) take(s *step) {
	switch {
	case s.target != "":
		p.say(s.target, s.status)
	case s.copy.Group != "":
		state := p.copies[s.copy].Next(s.is.Condition, s.is.Why, s.at)
		state.Degraded = s.is.Degraded
		p.copies[s.copy] = state
	case s.word != nil && s.gone:
		delete(p.words, s.word.ID())
	case s.word != nil:
		p.words[s.word.ID()] = *s.word
	case s.census != nil:
		for id, status := range p.said {
			if status == health.Unknown && !slices.Contains(s.census.UnknownTargets, id) {
				p.say(id, health.Up)
			}
		}
		for _, id := range s.census.DownTargets {
			p.say(id, health.Down)
		}
		for _, id := range s.census.UnknownTargets {
			p.say(id, health.Unknown)
		}
	case s.holds:
		p.held = true
	case s.counts:
		p.held = false
		for id, status := range p.said {
			p.say(id, status)
		}
	}
}

// say takes in the status of a target. While verdicts are held, one that was up stays so.
func (p *replayer) say(id health.TargetID, status health.Status) {
	p.said[id] = status
	if before, known := p.counted[id]; p.held && status == health.Down && (!known || before == health.Up) {
		return
	}
	if before, known := p.counted[id]; !known || before != status {
		p.counted[id], p.dirty[id] = status, true
	}
}

// until decides again whenever time alone may change something before at.
func (p *replayer) until(at time.Time) {
	for range mostRevisits {
		next := p.outcome.Revisit
		if next.IsZero() || !next.Before(at) {
			return
		}
		p.decide(next)
	}
}

// decide decides at a time, and notes what is answered otherwise.
func (p *replayer) decide(at time.Time) {
	in := p.outcome.Input()
	if len(p.dirty) > 0 {
		states := make(map[health.TargetID]health.State, len(p.dirty))
		for id := range p.dirty {
			states[id] = stateOf(p.counted[id], at)
		}
		in.Snapshot = in.Snapshot.With(at, p.withDerived(in.Snapshot, states, at))
		clear(p.dirty)
	}
	words := make([]override.Override, 0, len(p.words))
	for _, w := range p.words {
		words = append(words, w)
	}
	in.Words, in.Copies, in.Now = override.NewWords(words), replication.NewView(maps.Clone(p.copies)), at
	before := p.outcome
	p.outcome = before.Next(in)
	if !p.begun {
		p.begun = true // what is answered from the beginning is no change
		return
	}
	for _, c := range planned(p.differences(before)) {
		p.changes = append(p.changes, ReplayedChange{at, c})
	}
}

// differences lists what is answered otherwise than before.
func (p *replayer) differences(before *steer.Outcome) []*publish.AnswerChange {
	var list []*publish.AnswerChange
	note := func(from, to *steer.Decision, names []*zones.Name) {
		change := &publish.AnswerChange{From: *from, To: *to, Routes: []*zones.Route{to.Route}, Names: names}
		if from != to && len(names) > 0 && change.Difference() != "" {
			list = append(list, change)
		}
	}
	alone := make(map[*zones.Name]bool)
	for _, o := range []*steer.Outcome{before, p.outcome} {
		for _, a := range o.Apart {
			alone[a.Name] = true
		}
	}
	for _, i := range p.outcome.Changed.Decisions {
		to := p.outcome.Decisions[i]
		names := p.names[to.Route.Steering.Index]
		if len(alone) > 0 {
			names = slices.DeleteFunc(slices.Clone(names), func(n *zones.Name) bool { return alone[n] })
		}
		note(before.Decisions[i], to, names)
	}
	for _, zone := range p.set.Zones {
		if len(alone) == 0 {
			break
		}
		for _, n := range zone.Names {
			if !alone[n] {
				continue
			}
			was := before.DecisionsOf(n)
			for i, to := range p.outcome.DecisionsOf(n) {
				note(was[i], to, []*zones.Name{n})
			}
		}
	}
	return list
}

// Answered is pools that are answered, in words, with the mode if it is not the usual one.
func (c *ReplayedChange) Answered() (from, to string) {
	from, to = answered(c.From, c.FromMode), answered(c.To, c.ToMode)
	if from == to {
		to += ", with other addresses"
	}
	return from, to
}

// Who is the names that change, the first of them, in words.
func (c *ReplayedChange) Who() string { return spoken(c.Names, c.NamesTotal, 1) }
