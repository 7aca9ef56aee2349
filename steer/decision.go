package steer

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"gslb/health"
	"gslb/override"
	"gslb/zones"
)

// Mode says how a decision was made.
type Mode string

const (
	Pending  Mode = "pending"   // at a start: no reply until a first verdict has come
	Normal   Mode = "normal"    // pools that are up
	Held     Mode = "held"      // the same, with one that is down: by failover_after, or by max_down
	Pinned   Mode = "pinned"    // the pool that a person said the name is to answer
	Ramped   Mode = "ramped"    // pools that are up; the part of one that returns is still growing
	Panic    Mode = "panic"     // less than panic_below of a tier is up: all of it
	Untested Mode = "unknown"   // none is up; pools of which nothing is known yet
	AssumeUp Mode = "assume_up" // none is left: as if all were up
	LastGood Mode = "last_good" // none is left: what was last answered while something was up
	Fallback Mode = "fallback"  // none is left: the named pool
	All      Mode = "all"       // none is left: every address of every pool
	NoData   Mode = "nodata"    // none is left, or no view has these clients: no address
	ServFail Mode = "servfail"  // none is left: no answer
)

// Modes is every mode, the best first.
var Modes = [...]Mode{
	Normal, Pinned, Ramped, Pending, Untested, Held, Panic, Fallback, LastGood, AssumeUp, All, NoData, ServFail,
}

// Severity is greater for what is worse for clients.
func (m Mode) Severity() int { return slices.Index(Modes[:], m) }

// The names of the rules by which a pool is answered, or not, against what its status alone would say.
const (
	Drain          = "drain"           // a person has taken it out
	Pin            = "pin"             // a person wants it, or another
	PanicBelow     = "panic_below"     // it is answered since so little of the tier is up
	FailoverAfter  = "failover_after"  // a pool is answered although it is down
	FailbackAfter  = "failback_after"  // a pool that has recovered is not answered yet
	FailbackManual = "failback_manual" // the same, until a person says so
	FailbackRamp   = "failback_ramp"   // a pool that has recovered gets a part of its clients only
	Degraded       = "degraded"        // its data, or that of the pool that would be left, is behind
	Shed           = "shed"            // a pool gives up clients since it is loaded, or gets those of others
	Velocity       = "velocity"        // a pool is taken for up, since others have gone down already
)

// Rules is every such rule.
var Rules = [...]string{
	Drain, Pin, PanicBelow, FailoverAfter, FailbackAfter, FailbackManual, FailbackRamp, Degraded, Shed, Velocity,
}

// Hold is a rule that holds a pool in a decision for a time. Rule is one of the above, or one of package
// safety, by which the status of a target of the pool is held.
type Hold struct {
	Rule  string
	Pool  string
	Since time.Time
	Until time.Time // when it ends at the latest; zero: when what it depends on does
}

// Considered is one pool that a decision considered. They stand in the order of preference.
type Considered struct {
	Tier   int // in Route.Tiers; -1: the fallback
	Pool   string
	Status health.Status
	Chosen bool
	Rule   string // by which it is chosen or not; empty: by its status and its place
	Why    string // one line for an operator
}

// Share is a pool that is answered, and its part of the clients.
type Share struct {
	Pool      *zones.Pool
	Weight    int          // of the sum of all weights; all 0: equal parts
	Addresses []netip.Addr // both families, in the order of the configuration; none with Pool.CNAME
	Returning bool         // its part is still growing (failback = "ramped")

	Size   float64 // its weight as it is, which may be no whole number
	Told   bool    // the pool itself says that weight
	Behind int     // 0: it is answered by its place; n: so many stages before it give up clients
}

// Decision is what one route answers now, and why. It is immutable.
type Decision struct {
	Route  *zones.Route
	Mode   Mode
	Shares []Share // what is answered: one pool, or several among which the policy shares clients
	TTL    time.Duration

	Reasons []Considered
	// Revisit is when the decision may change without any change of health, such as when failback_after
	// or failover_after runs out; zero: never.
	Revisit time.Time

	// Pin is what was said of the name: it is followed if Mode is Pinned; otherwise the reasons say why
	// not. Only decisions of a name that stands apart have one.
	Pin  *override.Override
	Held []Hold // every rule that holds a pool that was consulted

	memory RouteMemory // for the next decision of the route
}

// Joined reports whether one answer has the addresses of all shares, rather than of one of them.
func (d *Decision) Joined() bool {
	return d.Mode == All || d.Route.Steering.Policy == zones.All
}

// IsExtra reports whether a pool gets only a part of the clients of others: it is returning, or they give up
// what it gets.
func (s *Share) IsExtra() bool { return s.Returning || s.Behind > 0 }

// IsShedding reports whether pools give up clients by their loads.
func (d *Decision) IsShedding() bool {
	return slices.ContainsFunc(d.Held, func(h Hold) bool { return h.Rule == Shed })
}

// FollowsLoads reports whether parts of the clients change with what pools say of their load or weight.
func (d *Decision) FollowsLoads() bool {
	return d.IsShedding() || slices.ContainsFunc(d.Shares, func(s Share) bool { return s.Told })
}

// IsGrowing reports whether the part of the clients that a pool gets is still growing.
func (d *Decision) IsGrowing() bool {
	return slices.ContainsFunc(d.Shares, func(s Share) bool { return s.Returning })
}

// Pool is the pool that is answered, or the first of several; nil if there is none.
func (d *Decision) Pool() *zones.Pool {
	if len(d.Shares) == 0 {
		return nil
	}
	return d.Shares[0].Pool
}

// PoolName is the pool that is answered or, if there are several, their names with a plus sign between
// them; empty if there is none.
func (d *Decision) PoolName() string {
	if len(d.Shares) == 1 {
		return d.Shares[0].Pool.Name
	}
	names := make([]string, len(d.Shares))
	for i := range d.Shares {
		names[i] = d.Shares[i].Pool.Name
	}
	return strings.Join(names, "+")
}

// Addresses is those of all pools that are answered, each once.
func (d *Decision) Addresses() []netip.Addr {
	if len(d.Shares) == 1 {
		return d.Shares[0].Addresses
	}
	var list []netip.Addr
	seen := make(map[netip.Addr]bool)
	for i := range d.Shares {
		for _, addr := range d.Shares[i].Addresses {
			if !seen[addr] {
				seen[addr] = true
				list = append(list, addr)
			}
		}
	}
	return list
}
