package replication

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Options is what a Book needs.
type Options struct {
	Groups     []*Group
	Memory     Memory           // of an earlier run
	Now        func() time.Time // the wall clock, for counters alone; nil: time.Now
	Registerer prometheus.Registerer
}

// Book keeps what heartbeats say, and judges the copies by it. It is safe for concurrent use, and none of its
// methods waits.
//
// Times are those of this host's monotonic clock: no two clocks are compared, and one that is set changes
// nothing.
type Book struct {
	now     func() time.Time
	changed chan struct{} // capacity 1: Take has something new

	mu       sync.Mutex
	groups   map[string]*group
	counter  uint64
	states   map[Region]State
	view     *View // of states, as the last Take returned it
	stale    bool  // states has changed since
	revision uint64
}

// group is what is known of the regions of a Group, by their places in its Regions.
type group struct {
	*Group
	regions []region
	edges   [][]edge // [from][to]
	reading reading
}

// reading is one through the endpoint of a region, of which several regions are told one after the other.
type reading struct {
	to    int
	began time.Time
	saw   int // how many regions so far
}

// NewBook makes a book that goes on from what an earlier one remembered.
func NewBook(o Options) *Book {
	b := &Book{now: o.Now, changed: make(chan struct{}, 1), groups: make(map[string]*group), states: make(map[Region]State)}
	if b.now == nil {
		b.now = time.Now
	}
	for name, regions := range o.Memory {
		for region, state := range regions {
			b.states[Region{name, region}] = state
		}
	}
	b.Keep(o.Groups)
	b.view = NewView(maps.Clone(b.states))
	b.stale = false
	if o.Registerer != nil {
		o.Registerer.MustRegister(collector{b})
	}
	return b
}

// Add has the book know of groups, beside or in place of those that it has. A group that is measured otherwise
// than before is measured anew, and each of its copies stays what it was until then.
func (b *Book) Add(groups []*Group) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.add(groups)
}

func (b *Book) add(groups []*Group) {
	for _, g := range groups {
		if known := b.groups[g.Name]; known != nil && known.isMeasuredAs(g) {
			known.Group = g
			continue
		}
		fresh := &group{Group: g, regions: make([]region, len(g.Regions)), edges: make([][]edge, len(g.Regions))}
		for i := range fresh.edges {
			fresh.edges[i] = make([]edge, len(g.Regions))
		}
		b.groups[g.Name] = fresh
	}
}

func (g *group) isMeasuredAs(other *Group) bool {
	same := *other
	same.Interval, same.MaxLag = g.Interval, g.MaxLag
	same.StopWrites, same.AcceptWrites, same.ResumeWrites = g.StopWrites, g.AcceptWrites, g.ResumeWrites
	return reflect.DeepEqual(*g.Group, same)
}

// Keep is Add, and forgets all other groups, and the regions that these do not have.
func (b *Book) Keep(groups []*Group) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.add(groups)
	has := func(name string) bool {
		return slices.ContainsFunc(groups, func(g *Group) bool { return g.Name == name })
	}
	maps.DeleteFunc(b.groups, func(name string, _ *group) bool { return !has(name) })
	for r := range b.states {
		if g := b.groups[r.Group]; g == nil || !slices.Contains(g.Regions, r.Region) {
			delete(b.states, r)
			b.touch()
		}
	}
}

// place finds a group, and a region of it by its place; nil: there is none.
func (b *Book) place(name, region string) (*group, int) {
	g := b.groups[name]
	if g == nil {
		return nil, 0
	}
	at, found := slices.BinarySearch(g.Regions, region)
	if !found {
		return nil, 0
	}
	return g, at
}

// Next is the counter to write into a region's item: the microseconds of Unix time, so that it is larger than
// those of earlier runs, or more if need be.
func (b *Book) Next(string, string) uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.counter = max(b.counter+1, uint64(max(0, b.now().UnixMicro())))
	return b.counter
}

// Wrote notes that a counter was written or, with an error, that no acknowledgement came: it may have been
// written nevertheless.
func (b *Book) Wrote(name, region string, counter uint64, began, ended time.Time, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	g, at := b.place(name, region)
	if g == nil {
		return
	}
	r, written := &g.regions[at], write{counter, began, ended}
	if err != nil {
		written.ended = time.Time{}
	}
	r.add(written)
	r.follow(ended)
	b.judge(g, ended)
}

// Saw notes which counter of the item of a region was read through the endpoint of another; 0: there is no such
// item.
func (b *Book) Saw(name, from, to string, counter uint64, began, ended time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	g, at := b.place(name, to)
	other, source := b.place(name, from)
	if g == nil || other == nil || source == at {
		return
	}
	if ahead := b.now().Add(implausible); counter > uint64(max(0, ahead.UnixMicro())) {
		counter = 0 // somebody else has written that
	}
	r := &g.regions[at]
	r.read, r.unread, r.fails = ended, time.Time{}, fails{}
	r.follow(ended)
	g.edges[source][at].see(&g.regions[source], counter, began, ended, g.MaxLag)
	seen := uint64(math.MaxUint64)
	for to := range g.edges[source] {
		if to != source {
			seen = min(seen, g.edges[source][to].seen)
		}
	}
	g.regions[source].forget(seen)
	b.counter = max(b.counter, counter) // the clock may have been set back
	if g.reading.to != at || !g.reading.began.Equal(began) {
		g.reading = reading{to: at, began: began}
	}
	// A part of a reading would make one way late that is late with all others. If it has no more parts,
	// the next report is soon enough.
	if g.reading.saw++; g.reading.saw == len(g.regions)-1 {
		b.judge(g, ended)
	}
}

// implausible is how far ahead of this host's clock a counter is that no server has written.
const implausible = 365 * 24 * time.Hour

// Unread notes that nothing could be read through the endpoint of a region.
func (b *Book) Unread(name, to string, began, ended time.Time, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	g, at := b.place(name, to)
	if g == nil {
		return
	}
	for from := range g.edges {
		g.edges[from][at].arrival = Unmeasured
	}
	r := &g.regions[at]
	if r.unread.IsZero() {
		r.unread = began
	}
	r.follow(ended)
	switch {
	case !isFail(err):
	case g.isReadElsewhere(at, ended):
		r.fails.add(began, ended, err)
	default:
		// This host may be at fault, which does not count. Nor does what came before: part of it may be the same
		// fault. Another region that fails now and then delays this.
		r.fails = fails{}
	}
	b.judge(g, ended)
}

// isFail reports whether an error speaks against the region, not against this host or its credentials.
func isFail(err error) bool {
	judged, ok := err.(interface{ IsFail() bool })
	return !ok || judged.IsFail()
}

// isReadElsewhere reports whether another region than one could be read when it was last tried, which was lately.
// If none could be, this host is at fault.
func (g *group) isReadElsewhere(at int, now time.Time) bool {
	for other := range g.regions {
		if r := &g.regions[other]; other != at && r.unread.IsZero() && !r.read.IsZero() && now.Sub(r.read) <= 2*g.Interval {
			return true
		}
	}
	return false
}

// isUnread reports whether a region could not be read for longer than MaxLag, by two readings at least.
func (g *group) isUnread(at int) bool {
	f := &g.regions[at].fails
	return f.count > 1 && f.ended.Sub(f.began) > g.MaxLag
}

// judge brings the states of a group's copies up to date.
func (b *Book) judge(g *group, now time.Time) {
	m := &matrix{arrivals: make([][]Arrival, len(g.regions)), unread: make([]bool, len(g.regions)), unwritten: make([]bool, len(g.regions))}
	was := make([]Condition, len(g.regions))
	for i := range g.regions {
		m.unread[i], m.unwritten[i] = !g.regions[i].unread.IsZero(), !g.regions[i].unwritten.IsZero()
		was[i] = b.states[Region{g.Name, g.Regions[i]}].Condition
		m.arrivals[i] = make([]Arrival, len(g.regions))
		for j := range g.edges[i] {
			m.arrivals[i][j] = g.edges[i][j].arrival
		}
	}
	for i, condition := range judge(m, was) {
		r := Region{g.Name, g.Regions[i]}
		state := b.states[r]
		if !state.Degraded && g.isUnread(i) {
			condition = Unread
		}
		why := state.Why
		if condition != was[i] || condition == Behind || condition == Ambiguous || condition == Unread {
			// What made it so stands until something else is known, also if no way shows it at present.
			if why = g.why(m, i, condition); why == "" && condition == was[i] {
				why = state.Why
			}
		}
		if next := state.Next(condition, why, now); next != state {
			b.states[r] = next
			b.touch()
		}
	}
}

// why says for people what makes the condition of a region what it is.
func (g *group) why(m *matrix, x int, c Condition) string {
	var in, out []string
	for other, name := range g.Regions {
		if other == x || m.isOut(other) {
			continue
		}
		if m.arrivals[other][x] == Late {
			in = append(in, name)
		}
		if m.arrivals[x][other] == Late {
			out = append(out, name)
		}
	}
	arriving := fmt.Sprintf("what is written in %s does not arrive here within %s", strings.Join(in, ", "), g.MaxLag)
	leaving := fmt.Sprintf("what is written here does not arrive in %s within %s", strings.Join(out, ", "), g.MaxLag)
	switch {
	case c == Current, c == Unknown:
		return ""
	case (c == Behind || c == CutOff) && len(in) == 0: // it is as it was, and what made it so cannot be seen at present
		return ""
	case c == Unread && g.regions[x].unread.IsZero() && !g.regions[x].read.IsZero():
		return "it can be read again, but has not shown yet that it has what was written meanwhile"
	case c == Unread && g.regions[x].fails.count == 0: // as above: not tried since the start, or no other region could be read either
		return ""
	case c == Unread:
		return fmt.Sprintf("nothing could be read through its endpoint for more than %s: %s", g.MaxLag, g.regions[x].fails.explanation)
	case len(in) > 0 && len(out) > 0:
		return arriving + ", and " + leaving
	case len(in) > 0:
		return arriving
	case len(out) > 0:
		return leaving
	}
	return ""
}

// touch notes that a state has changed. The caller has the lock.
func (b *Book) touch() {
	b.stale = true
	b.revision++
	select {
	case b.changed <- struct{}{}:
	default:
	}
}

// Changed receives when Take has something new.
func (b *Book) Changed() <-chan struct{} { return b.changed }

// Take returns what is known of all copies, and what has changed since the last Take. It is the same view as
// long as nothing changes. It is meant for one consumer.
func (b *Book) Take() (*View, []Change) {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-b.changed:
	default:
	}
	if !b.stale {
		return b.view, nil
	}
	view := NewView(maps.Clone(b.states))
	var changes []Change
	now := time.Now()
	for _, r := range view.ChangedSince(b.view) {
		change := Change{Region: r, From: b.view.State(r), To: view.State(r), At: now}
		if g := b.groups[r.Group]; g != nil && change.matters() {
			change.Lags = g.lags(r.Region, now)
			changes = append(changes, change)
		}
	}
	slices.SortFunc(changes, func(a, b Change) int { return strings.Compare(a.ID(), b.ID()) })
	b.view, b.stale = view, false
	return view, changes
}

// Change is a change of what is known of a copy.
type Change struct {
	Region
	From, To State
	At       time.Time
	Lags     Lags // of the ways into the region, and out of it, at that time
}

// ID names the copy: the group and the region.
func (r Region) ID() string { return r.Group + "@" + r.Region }

// matters reports whether people are told of a change: not of a copy that is found to be current at first.
func (c *Change) matters() bool {
	if c.From.Degraded != c.To.Degraded {
		return true
	}
	return c.From.Condition != c.To.Condition && (c.From.Condition != Unknown || c.To.Condition != Current)
}

// Revision changes whenever Memory does.
func (b *Book) Revision() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.revision
}

// Memory is what the next run must remember, by group and region.
type Memory map[string]map[string]State

// Memory is what the next run must remember.
func (b *Book) Memory() Memory {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := make(Memory)
	for r, state := range b.states {
		if m[r.Group] == nil {
			m[r.Group] = make(map[string]State)
		}
		m[r.Group][r.Region] = state
	}
	return m
}

// Moved is the memory with its times moved by a function.
func (m Memory) Moved(move func(time.Time) time.Time) Memory {
	moved := make(Memory, len(m))
	for group, regions := range m {
		moved[group] = make(map[string]State, len(regions))
		for region, state := range regions {
			state.Since, state.Good = move(state.Since), move(state.Good)
			moved[group][region] = state
		}
	}
	return moved
}

// Last is the latest time of a memory.
func (m Memory) Last() (last time.Time) {
	for _, regions := range m {
		for _, state := range regions {
			for _, at := range []time.Time{state.Since, state.Good} {
				if at.After(last) {
					last = at
				}
			}
		}
	}
	return last
}
