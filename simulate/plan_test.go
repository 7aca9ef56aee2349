package simulate

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	"gslb/health"
	"gslb/override"
	"gslb/zones"
)

// noon is when runs begin.
var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// story is what a run is about. Most invariants hold in each; some speak of a calm world in which one
// thing happens.
type story int

const (
	chaos   story = iota // anything, at any time
	cut                  // the network of this host dies and comes back, and nothing else changes
	lone                 // one pool fails, and is back later
	behind               // a copy of the data is late or cannot be seen, and is as before later
	restart              // the process is killed and started, while nothing changes
	stories
)

// plan is all that happens in a run, by times since its beginning.
type plan struct {
	seed   uint64
	story  story
	family *family
	length time.Duration
	faults []fault
	cuts   []cutOff

	copyFaults []copyFault

	acts []act // by time
	// at is when the story of a calm world happens, until when it is over, and calm when it must be as
	// before.
	at, until, calm time.Duration
	pool            int // that fails alone
}

// failure is the way in which a target fails.
type failure int

const (
	silent failure = iota // no answer within the timeout
	unreachable
	refused
	unavailable // status 503
	slow        // it passes, late
	flapping    // every second probe fails
	failures
)

// fault is a time in which a pool fails, or one of its members.
type fault struct {
	pool, member int // member -1: all, and the pool's own check
	how          failure
	from, to     time.Duration
}

// cutOff is a time in which this host has no network.
type cutOff struct {
	from, to time.Duration
	how      failure
}

// act is something that is done once.
type act struct {
	at   time.Duration
	what string // reload, restart, put, remove, clear, failback, jump

	variant  int               // of reload
	pause    time.Duration     // of restart: how long nothing runs
	by       time.Duration     // of jump, and of restart: the wall clock is set
	lost     bool              // of restart: what was not saved by then, as in a crash
	override override.Override // of put, with Until as a length from now, counted from the zero time; of remove only the ID matters
	length   time.Duration     // of put: how long it holds; 0: without end
}

// newPlan draws a plan.
func newPlan(seed uint64) *plan {
	r := rand.New(rand.NewPCG(seed, 1))
	p := &plan{seed: seed, family: familyOf(r.Uint64())}
	switch n := r.IntN(20); {
	case n < 9:
		p.story = chaos
		p.drawChaos(r)
	case n < 14:
		p.story = cut
		for p.family.fall == 1 { // the fail of a single probe is believed, and a short cut is no more than that
			p.family = familyOf(r.Uint64())
		}
		p.drawCut(r)
	case n < 18:
		p.story = lone
		p.drawLone(r)
	default:
		p.story = restart
		p.drawRestart(r)
	}
	p.drawCopies(rand.New(rand.NewPCG(seed, 3)))
	slices.SortStableFunc(p.acts, func(a, b act) int { return int(a.at - b.at) })
	return p
}

// between draws a time.
func between(r *rand.Rand, from, to time.Duration) time.Duration {
	return from + time.Duration(r.Int64N(int64(to-from)+1))
}

func (p *plan) drawChaos(r *rand.Rand) {
	p.length = between(r, 15*time.Second, 40*time.Second)
	for range r.IntN(5) {
		p.faults = append(p.faults, p.drawFault(r, between(r, 0, p.length), between(r, 0, 15*time.Second)))
	}
	for range r.IntN(3) {
		from := between(r, 0, p.length)
		p.cuts = append(p.cuts, cutOff{from, from + between(r, 0, 12*time.Second), failure(r.IntN(2))})
	}
	for range r.IntN(8) {
		a := act{at: between(r, 0, p.length)}
		switch n := r.IntN(20); {
		case n < 2:
			a.what, a.variant = "reload", r.IntN(variants)
		case n < 4:
			a.what, a.pause, a.lost = "restart", between(r, 0, 2*time.Second), r.IntN(2) == 0
			if r.IntN(4) == 0 {
				a.by = drawJump(r)
			}
		case n < 14:
			a.what = "put"
			a.override = p.drawOverride(r)
			if r.IntN(3) > 0 {
				a.length = between(r, time.Second, 12*time.Second)
			}
		case n < 16:
			a.what, a.override = "remove", p.drawOverride(r)
		case n < 17:
			a.what = "clear"
		case n < 19:
			a.what = "failback"
		default:
			a.what, a.by = "jump", drawJump(r)
		}
		p.acts = append(p.acts, a)
	}
}

func drawJump(r *rand.Rand) time.Duration {
	jump := []time.Duration{time.Second, 10 * time.Second, time.Hour}[r.IntN(3)]
	if r.IntN(2) == 0 {
		return -jump
	}
	return jump
}

func (p *plan) drawFault(r *rand.Rand, from, length time.Duration) fault {
	f := fault{pool: r.IntN(len(p.family.pools)), member: -1, how: failure(r.IntN(int(failures))), from: from, to: from + length}
	if r.IntN(3) == 0 {
		f.member = r.IntN(p.family.pools[f.pool])
	}
	return f
}

func (p *plan) drawOverride(r *rand.Rand) override.Override {
	o := override.Override{Reason: "simulated", By: "somebody", Kind: []override.Kind{override.Pin, override.Drain, override.Drain, override.Force}[r.IntN(4)]}
	pool := r.IntN(len(p.family.pools))
	o.Pool = string(rune('a' + pool))
	switch {
	case o.Kind == override.Pin:
		o.Name, o.Anyway = []string{"app.gslb.test.", "api.gslb.test."}[r.IntN(2)], r.IntN(3) == 0
	case r.IntN(3) == 0:
		o.Member = memberOf(pool, r.IntN(p.family.pools[pool]))
	}
	if o.Kind == override.Force {
		o.Status = health.Status(1 + r.IntN(2))
	}
	return o
}

// memberOf is the address of a pool's member.
func memberOf(pool, member int) netip.Addr {
	return netip.AddrFrom4([4]byte{192, 0, 2, byte((pool+1)*10 + member)})
}

// settling is the time in which a calm world comes to rest from the beginning, or after a change.
func (f *family) settling() time.Duration {
	return 3*f.interval + 4*max(f.fast, f.timeout) + time.Second
}

func (p *plan) drawCut(r *rand.Rand) {
	f := p.family
	p.drawCalm(r)
	p.at = f.settling() + between(r, 0, f.interval)
	p.until = p.at + between(r, 0, []time.Duration{2 * time.Second, f.hold, 3 * f.hold}[r.IntN(3)])
	if f.vantage { // most of it must have the time to be missed
		p.until = max(p.until, p.at+2*(f.interval+f.timeout))
	}
	p.cuts = []cutOff{{p.at, p.until, failure(r.IntN(2))}}
	p.calm = p.until + f.back()
	for range r.IntN(3) {
		a := act{at: between(r, p.at, p.until+2*time.Second), what: "restart", pause: between(r, 0, time.Second), lost: r.IntN(2) == 0}
		p.acts = append(p.acts, a)
		p.calm = max(p.calm, a.at+a.pause+f.back()+f.settling())
	}
	p.length = p.calm + f.interval
}

// drawCalm draws what is so from the beginning, and stays.
func (p *plan) drawCalm(r *rand.Rand) {
	if r.IntN(4) == 0 {
		o := p.drawOverride(r)
		p.acts = append(p.acts, act{what: "put", override: o})
	}
	if r.IntN(8) == 0 {
		p.faults = append(p.faults, fault{pool: r.IntN(len(p.family.pools)), member: -1, how: refused, to: time.Hour})
	}
}

// back is how long it takes until all that is up was seen to be, once the network is back.
func (f *family) back() time.Duration {
	rise := time.Duration(max(f.rise, 3) + 2)
	return 2*f.interval + f.timeout + rise*max(f.fast, f.timeout) + 2*time.Second
}

func (p *plan) drawLone(r *rand.Rand) {
	f := p.family
	p.pool = r.IntN(len(f.pools))
	p.at = f.settling() + between(r, 0, f.interval)
	p.until = p.at + between(r, 100*time.Millisecond, 12*time.Second)
	p.faults = []fault{{pool: p.pool, member: -1, how: failure(r.IntN(int(unavailable) + 1)), from: p.at, to: p.until}}
	p.calm = p.until + f.back() + 16*time.Second
	p.length = p.calm
	if r.IntN(4) == 0 {
		p.acts = append(p.acts, act{at: between(r, p.until, p.calm), what: "restart", pause: between(r, 0, time.Second)})
		p.length += f.settling()
	}
	if r.IntN(3) == 0 { // a relapse
		from := p.until + between(r, 0, 10*time.Second)
		p.faults = append(p.faults, fault{pool: p.pool, member: -1, how: refused, from: from, to: from + between(r, 0, 4*time.Second)})
		p.calm = time.Hour
	}
	if r.IntN(3) == 0 {
		p.acts = append(p.acts, act{at: between(r, p.at, p.length), what: "failback"})
	}
}

func (p *plan) drawRestart(r *rand.Rand) {
	f := p.family
	p.drawCalm(r)
	p.at = f.settling() + between(r, 0, f.interval)
	p.until = p.at + between(r, 0, 2*time.Second)
	a := act{at: p.at, what: "restart", pause: p.until - p.at, lost: r.IntN(2) == 0}
	if r.IntN(3) == 0 {
		a.by = drawJump(r)
	}
	p.acts = append(p.acts, a)
	p.calm = p.until + f.settling()
	p.length = p.calm + time.Second
}

// drawCopies draws what happens to the copies of the data, and has some calm runs be about that alone.
func (p *plan) drawCopies(r *rand.Rand) {
	t := p.family.table
	switch {
	case t == nil:
	case p.story == chaos:
		for range r.IntN(4) {
			p.copyFaults = append(p.copyFaults, t.drawFault(r, between(r, 0, p.length), between(r, 0, 12*time.Second)))
		}
	case r.IntN(2) == 0:
		p.drawBehind(r)
	}
}

func (p *plan) drawBehind(r *rand.Rand) {
	f, t := p.family, p.family.table
	p.story, p.faults, p.cuts, p.acts = behind, nil, nil, nil
	p.at = max(f.settling(), t.settling()) + between(r, 0, t.interval)
	p.copyFaults = []copyFault{t.drawFault(r, p.at, between(r, 0, []time.Duration{t.maxLag, 4 * t.maxLag}[r.IntN(2)]))}
	p.until = p.copyFaults[0].over()
	over := p.until
	if r.IntN(3) == 0 { // a pool fails in the meantime
		from := between(r, p.at, p.until)
		p.faults = []fault{{pool: r.IntN(len(f.pools)), member: -1, how: refused, from: from, to: from + between(r, 0, 6*time.Second)}}
		over = max(over, p.faults[0].to)
	}
	p.calm = max(p.until+t.settling(), over+f.back()) + 16*time.Second
	if r.IntN(3) == 0 {
		a := act{at: between(r, p.at, p.calm), what: "restart", pause: between(r, 0, time.Second)}
		if r.IntN(2) == 0 {
			a.by = drawJump(r)
		}
		p.acts = append(p.acts, a)
		p.calm = max(p.calm, a.at+a.pause+f.settling()+t.settling()+16*time.Second)
	}
	if r.IntN(4) == 0 {
		p.acts = append(p.acts, act{at: between(r, p.at, p.calm), what: "failback"})
	}
	p.length = p.calm
}

// outcome is the result of a probe that begins at a time, and how long it takes. It is a function of the
// plan alone, so that both stacks see the same world.
func (p *plan) outcome(t *health.Target, at time.Duration) (health.Result, time.Duration) {
	took := rtt(t.ID)
	result := health.Result{Verdict: health.Pass, Reason: "ok"}
	if t.Check == "off" {
		result = health.Result{Verdict: health.Fail, Reason: "refused", Detail: "connection refused"}
	}
	if f := p.faultOf(t, at); f != nil {
		switch f.how {
		case silent:
			result, took = timedOut, t.Timeout
		case unreachable:
			result, took = notReached, time.Millisecond
		case refused:
			result = health.Result{Verdict: health.Fail, Reason: "refused", Detail: "connection refused"}
		case unavailable:
			result = health.Result{Verdict: health.Fail, Reason: "status", Detail: "status 503"}
		case slow:
			took = t.Timeout * 9 / 10
		case flapping:
			if uint64(at/time.Millisecond)*2654435761>>16&1 == 0 {
				result = health.Result{Verdict: health.Fail, Reason: "status", Detail: "status 500"}
			}
		}
	}
	for i := range p.cuts {
		c := &p.cuts[i]
		switch {
		case c.to < at || c.from > at+took:
		case c.how == silent && c.to <= at+t.Timeout/3 && result.Verdict == health.Pass: // it tries a second time
			took = max(took, t.Timeout/3+rtt(t.ID))
		case c.how == unreachable && at >= c.from:
			return notReached, time.Millisecond
		default:
			return timedOut, t.Timeout
		}
	}
	return result, took
}

var (
	timedOut   = health.Result{Verdict: health.Fail, Reason: "timeout", Detail: "timeout", Blank: true}
	notReached = health.Result{Verdict: health.Fail, Reason: "unreachable", Detail: "network is unreachable", Blank: true}
)

// rtt is how long a probe of a target takes that passes.
func rtt(id health.TargetID) time.Duration {
	sum := uint32(0)
	for i := range len(id) {
		sum = sum*31 + uint32(id[i])
	}
	return time.Duration(3+sum%50) * time.Millisecond
}

// longestRTT is a bound of that.
const longestRTT = 53 * time.Millisecond

// faultOf is the fault that a target has at a time; nil: none.
func (p *plan) faultOf(t *health.Target, at time.Duration) *fault {
	for i := len(p.faults) - 1; i >= 0; i-- {
		f := &p.faults[i]
		if at < f.from || at >= f.to || t.Place != "r"+string(rune('a'+f.pool)) {
			continue
		}
		if f.member < 0 || strings.Contains(string(t.ID), memberOf(f.pool, f.member).String()) {
			return f
		}
	}
	return nil
}

// String is the plan for whoever looks into a run that failed.
func (p *plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "story %d, %s long, at %s until %s calm %s, pool %d\n%s\n", p.story, p.length, p.at, p.until, p.calm, p.pool, p.family.text[original])
	for _, f := range p.faults {
		fmt.Fprintf(&b, "fault %+v\n", f)
	}
	for _, c := range p.cuts {
		fmt.Fprintf(&b, "cut %+v\n", c)
	}
	for _, f := range p.copyFaults {
		fmt.Fprintf(&b, "copies %+v\n", f)
	}
	for _, a := range p.acts {
		fmt.Fprintf(&b, "at %s %s: variant %d, pause %s, by %s, lost %t, %s for %s\n", a.at, a.what, a.variant, a.pause, a.by, a.lost, a.override.ID(), a.length)
	}
	return b.String()
}

// names is the steered names of a configuration.
func names(set *zones.Set) []*zones.Name { return set.Zones[0].Names }
