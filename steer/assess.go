package steer

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"gslb/alias"
	"gslb/health"
	"gslb/override"
	"gslb/replication"
	"gslb/zones"
)

// MemberState is what is believed of one member of a pool.
type MemberState struct {
	zones.Member
	Status health.Status // what it is taken for: what Force says, or Probed
	Probed health.Status // what its checks say
	Drain  *override.Override
	Force  *override.Override
}

// PoolState is what is believed of one pool. It is immutable.
type PoolState struct {
	Pool   *zones.Pool
	Status health.Status      // what it is taken for: what Force says, or Probed
	Probed health.Status      // what its checks and those of its members say
	Drain  *override.Override // of all of it; nil: none
	Force  *override.Override // of all of it; nil: none
	Held   health.Hold        // of a target of the pool, whose status is held; the zero value: of none
	Since  time.Time          // when Status became what it is
	// Recovered is when the pool last came up after it had been down; zero: never.
	Recovered time.Time
	Copy      replication.State // of the data behind it; the zero value: nothing is known of it
	Degraded  time.Time         // since when its data is behind, and has not been current since; zero: it is not
	CaughtUp  time.Time         // since when its data is current again after that; zero: it was never degraded
	Turning   bool              // the last results of a target of the pool disagree with its status
	Awaited   bool              // at a start: the first verdict of a target that may yet turn the pool is awaited
	Stale     bool              // a target of the pool has a verdict that is too old to be relied on
	Weight    Told              // that its targets want it to have
	Load      Told              // with Pool.Shed
	Members   []MemberState
	Why       string // one line: what made the status what it is
	Cause     string // the part of Why that is neither a count nor a person's word; may be empty

	// These are computed once, for all decisions on the pool.
	usable   []netip.Addr // the addresses that may be answered
	drained  bool         // all of it is
	spent    bool         // its status rests on drained members alone
	alone    []string     // the pool's name, for what is remembered if no other is answered
	unneeded string       // Why, if a pool before this one is taken

	memory PoolMemory // for the next state of the pool
}

// equal reports whether two states say the same of one pool, at times between which the clock
// was not set back: Since and Recovered then move with Status alone.
func (p *PoolState) equal(other *PoolState) bool {
	return p.Status == other.Status && p.Probed == other.Probed && p.Turning == other.Turning && p.Awaited == other.Awaited &&
		p.Stale == other.Stale && p.Held == other.Held && p.Copy == other.Copy && p.Weight == other.Weight && p.Load == other.Load && p.Why == other.Why &&
		p.Drain.Equal(other.Drain) && p.Force.Equal(other.Force) && slices.EqualFunc(p.Members, other.Members, sameMember)
}

// isEmpty reports whether there is nothing to answer of a pool: its alias has no addresses.
func (p *PoolState) isEmpty() bool { return len(p.Members) == 0 && p.Pool.CNAME == "" }

// sameMember compares two members of one pool, whose targets follow from their addresses.
func sameMember(a, b MemberState) bool {
	return a.Address == b.Address && a.Status == b.Status && a.Probed == b.Probed && a.Drain.Equal(b.Drain) && a.Force.Equal(b.Force)
}

// Assess computes the state of a pool from those of its targets.
//
//	its own checks │ members up      │ members up or unknown │ the pool is
//	───────────────┼─────────────────┼───────────────────────┼────────────
//	one is down    │ any             │ any                   │ down
//	none is down   │ any             │ fewer than needed     │ down
//	all up         │ as many as      │ any                   │ up
//	               │ needed          │                       │
//	anything else  │                 │                       │ unknown
//
// So many members are needed as min_up says of all, min_up_ipv4 of those with an IPv4 address, and
// min_up_ipv6 of those with an IPv6 address. A pool that is answered with a CNAME needs none.
//
// The members of a pool with an alias are the addresses that its host has. Without any, the same holds
// but for the first two rows:
//
//	its host                 │ its own checks │ the pool is
//	─────────────────────────┼────────────────┼────────────
//	has none: it was said so │ any            │ down
//	was never resolved       │ one is down    │ down
//	was never resolved       │ none is down   │ unknown
//
// A member is down when one of its checks is, up when all are, and unknown otherwise. A member or
// pool without checks is up. What a person has forced counts in place of what the checks say: of a
// member before members are counted, of the pool in place of the tables. It is not awaited, turning or
// stale. A drained member counts as others: to drain is no failure. A pool whose data is degraded is down
// whatever its checks say, if it is configured so. Since, Recovered, Degraded and CaughtUp, which need a
// memory, are left to Step.
func Assess(pool *zones.Pool, in Input) PoolState {
	snap, words := in.Snapshot, in.Words.Pool(pool.Name)
	if words == nil {
		words = &nothingSaid
	}
	own := judge(pool.Targets, snap)
	all := own.signs // of all targets
	members, host := membersOf(pool, in.Hosts)
	state := PoolState{Pool: pool, Members: make([]MemberState, len(members)), Drain: words.Drain, Force: words.Force}
	if pool.Replication != nil {
		state.Copy = in.Copies.State(copyOf(pool))
	}
	tally := newTally(pool, members, own)
	for i, member := range members {
		j := judge(member.Targets, snap)
		m := MemberState{Member: member, Probed: j.status, Drain: words.Drained[member.Address], Force: words.Forced[member.Address]}
		if m.Force != nil {
			j = judgement{status: m.Force.Status, force: m.Force}
		}
		m.Status = j.status
		state.Members[i] = m
		all.add(j.signs)
		tally.count(&m, j)
	}
	switch {
	case own.status == health.Down, host.Status == alias.Absent:
		state.Probed = health.Down
	case host.Status == alias.Unknown:
	case tally.isHopeless():
		state.Probed = health.Down
	case own.status == health.Up && tally.isEnough():
		state.Probed = health.Up
	}
	state.Status = state.Probed
	state.Why, state.Cause = why(&tally, len(members), host, tally.cause(state.Status), snap)
	state.listen(snap)
	if pool.DownDegraded && state.Copy.Proven && state.Probed != health.Down {
		state.Why = "down by on_degraded; the checks say " + state.Probed.String() + ": " + state.Why
		state.Cause = state.data() + " (on_degraded)"
		state.Probed, state.Status = health.Down, health.Down
	}
	if words.Force != nil {
		// The addresses of an alias may yet be awaited: they are no matter of its status.
		state.Status, all = words.Force.Status, signs{}
		state.Why = words.Force.String() + "; the probes say " + state.Probed.String() + ": " + state.Why
	}
	if words.Drain != nil {
		state.Why = words.Drain.String() + "; " + state.Why
	}
	// A first verdict can only turn the pool down, so that one that is down waits for none.
	state.Turning, state.Stale, state.Held = all.turning, all.stale, all.held
	state.Awaited = (all.awaited || host.Awaited) && state.Status != health.Down
	state.unneeded = "not needed: " + state.Why
	state.findUsable()
	state.alone = []string{pool.Name}
	return state
}

var nothingSaid override.PoolWords

// membersOf is the members of a pool, and what is known of the host that they come from. Members that
// are configured are as if they came from one that is resolved.
func membersOf(pool *zones.Pool, hosts *alias.Addresses) ([]zones.Member, alias.Host) {
	if pool.Alias == "" {
		return pool.Members, alias.Host{Status: alias.Resolved}
	}
	host := hosts.Of(pool.Alias)
	members := make([]zones.Member, len(host.Addresses))
	for i, addr := range host.Addresses {
		members[i] = pool.Member(addr)
	}
	return members, host
}

// judgement is the combined status of the checks of one member, or of a pool's own.
type judgement struct {
	signs
	status health.Status
	by     health.TargetID    // the first target that made status what it is; empty when up
	force  *override.Override // or what did so in place of targets
}

// hasCause reports whether something made the status what it is.
func (j judgement) hasCause() bool { return j.by != "" || j.force != nil }

// signs are true of several targets if they are true of one of them.
type signs struct {
	turning bool // its last results disagree with its status
	stale   bool // its verdict is too old
	awaited bool // its first verdict is awaited
	held    health.Hold
}

func (s *signs) add(other signs) {
	s.turning = s.turning || other.turning
	s.stale = s.stale || other.stale
	s.awaited = s.awaited || other.awaited
	if s.held.Rule == "" {
		s.held = other.held
	}
}

func judge(targets []health.TargetID, snap *health.Snapshot) judgement {
	j := judgement{status: health.Up}
	for _, id := range targets {
		state := snap.State(id)
		j.add(signs{state.Turning, state.Stale, state.Awaited, state.Held})
		if one := (judgement{status: state.Status, by: id}); one.worseThan(j) {
			j.status, j.by = one.status, one.by
		}
	}
	return j
}

// worseThan orders judgements: down is worse than unknown, and that worse than up.
func (j judgement) worseThan(other judgement) bool {
	return j.status == health.Down && other.status != health.Down ||
		j.status == health.Unknown && other.status == health.Up
}

// tally counts the members of a pool: all, those of IPv4, and those of IPv6.
type tally [3]struct {
	up, maybe, needed, drained int

	first [3]judgement // by status: the first that speaks against the pool
}

// newTally has no member yet. own is the judgement of the pool's own checks.
func newTally(pool *zones.Pool, members []zones.Member, own judgement) tally {
	ipv4 := 0
	for i := range members {
		if members[i].Address.Is4() {
			ipv4++
		}
	}
	var t tally
	t[0].needed = pool.MinUp.Of(len(members))
	t[1].needed = pool.MinUpIPv4.Of(ipv4)
	t[2].needed = pool.MinUpIPv6.Of(len(members) - ipv4)
	for i := range t {
		t[i].first[own.status] = own
	}
	return t
}

func (t *tally) count(m *MemberState, j judgement) {
	family := 2
	if m.Address.Is4() {
		family = 1
	}
	for _, i := range [...]int{0, family} {
		if j.status != health.Down {
			t[i].maybe++
		}
		if j.status == health.Up {
			t[i].up++
		}
		if m.Drain != nil {
			t[i].drained++
		}
		if !t[i].first[j.status].hasCause() {
			t[i].first[j.status] = j
		}
	}
}

// cause is the reason for the pool's status. Where a family lacks members, it is one of that family.
// For a pool that is up, it is the worst judgement in it, which has no cause if all are up.
func (t *tally) cause(status health.Status) judgement {
	if status == health.Up {
		if t[0].first[health.Down].hasCause() {
			return t[0].first[health.Down]
		}
		return t[0].first[health.Unknown]
	}
	for i := range t {
		if status == health.Down && t[i].maybe < t[i].needed || status == health.Unknown && t[i].up < t[i].needed {
			return t[i].first[status]
		}
	}
	return t[0].first[status]
}

// isEnough reports whether as many are up as are needed.
func (t *tally) isEnough() bool {
	return t[0].up >= t[0].needed && t[1].up >= t[1].needed && t[2].up >= t[2].needed
}

// isHopeless reports whether there would not be enough even if the unknown were up.
func (t *tally) isHopeless() bool {
	return t[0].maybe < t[0].needed || t[1].maybe < t[1].needed || t[2].maybe < t[2].needed
}

// why explains the state in one line, the end of which is the cause. It does without fmt, since it runs for
// every pool with a target that changes.
func why(t *tally, members int, host alias.Host, cause judgement, snap *health.Snapshot) (text, because string) {
	line := make([]byte, 0, 60)
	switch {
	case host.Status != alias.Resolved:
		line = append(line, cmp.Or(host.Why, "the addresses of the alias are not known yet")...)
	case members > 0:
		line = appendCount(line, t[0].up, members, t[0].needed)
		if t[0].drained > 0 {
			line = append(line, ", "...)
			line = strconv.AppendInt(line, int64(t[0].drained), 10)
			line = append(line, " drained"...)
		}
		for i, family := range [...]string{1: " (IPv4: ", 2: " (IPv6: "} {
			if i > 0 && t[i].needed > 0 {
				line = append(line, family...)
				line = strconv.AppendInt(line, int64(t[i].up), 10)
				line = append(line, " up, "...)
				line = strconv.AppendInt(line, int64(t[i].needed), 10)
				line = append(line, " needed)"...)
			}
		}
	default:
		line = append(line, "answered as a CNAME"...)
	}
	if !cause.hasCause() {
		return string(line), ""
	}
	because = cause.why(snap)
	text = string(line) + ": " + because
	return text, text[len(text)-len(because):]
}

func appendCount(line []byte, up, members, needed int) []byte {
	line = strconv.AppendInt(line, int64(up), 10)
	line = append(line, " of "...)
	line = strconv.AppendInt(line, int64(members), 10)
	line = append(line, " members up, "...)
	line = strconv.AppendInt(line, int64(needed), 10)
	return append(line, " needed"...)
}

func (j judgement) why(snap *health.Snapshot) string {
	cause := snap.State(j.by).Cause
	switch {
	case j.force != nil:
		return fmt.Sprintf("%s is %s", j.force.Member, j.force)
	case j.status == health.Unknown && cause.Reason == "":
		return fmt.Sprintf("%s has no verdict yet", j.by)
	case cause.Detail != "":
		return fmt.Sprintf("%s is %s: %s", j.by, j.status, cause.Detail)
	case cause.Reason != "":
		return fmt.Sprintf("%s is %s: %s", j.by, j.status, cause.Reason)
	}
	return fmt.Sprintf("%s is %s", j.by, j.status)
}
