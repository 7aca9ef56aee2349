package slo

import (
	"slices"

	"gslb/health"
	"gslb/publish"
	"gslb/steer"
)

// direction says where the clients of some names have gone.
type direction int

const (
	stayed direction = iota
	left             // a failover: away from pools that are preferred
	came             // a failback: to pools that are preferred to those of before
)

// Why clients have moved: the label "cause".
const (
	down          = "down"          // a pool's probes fail, or a person has forced it down
	drained       = "drain"         // a person takes a pool out, or puts it back
	pinned        = "pin"           // a person wants another pool, or no longer
	recovered     = "recovered"     // a pool is up again
	commanded     = "command"       // gslb failback
	configuration = "configuration" // another one was taken into use, and nothing else explains it
)

var (
	leftCauses = []string{down, drained, pinned, configuration}
	cameCauses = []string{recovered, drained, pinned, commanded, configuration}
)

// moveOf says in which direction a change of an answer moves clients, and why. Pools are compared by their
// place in the order of preference; only those that are answered in their own right count, not those that
// get a part of the clients of others.
//
//	the pools of before that are  │ the pools that are new  │ then clients have
//	not answered any longer       │                         │
//	──────────────────────────────┼─────────────────────────┼─────────────────────────
//	none                          │ none, or all of a later │ stayed
//	                              │ tier than those         │
//	none                          │ one of their tier, or   │ come: a failback
//	                              │ an earlier one          │
//	some                          │ none, or all come after │ left: a failover
//	                              │ the first of those      │
//	some                          │ one comes before        │ come: a failback
//
// A first answer moves nobody, and neither do pools that share clients by their loads. Where nothing is left,
// clients are answered as when_all_down says, which is no better place: they have stayed.
//
//	what is said of the first pool that was left    │ cause
//	────────────────────────────────────────────────┼──────────────
//	the name is pinned now                          │ pin
//	it is drained                                   │ drain
//	it is not up                                    │ down
//	anything else                                   │ configuration
//
//	what was said of the first pool that came, and  │ cause
//	was not answered before                         │
//	────────────────────────────────────────────────┼──────────────
//	the name is pinned now, or was                  │ pin
//	it was drained                                  │ drain
//	it waited for a person                          │ command
//	it was not up, or waited for its time or data   │ recovered
//	anything else                                   │ configuration
func moveOf(c *publish.AnswerChange) (direction, string) {
	if c.Difference() != publish.OtherPool || c.From.FollowsLoads() || c.To.FollowsLoads() || c.To.Mode.IsEmergency() {
		return stayed, ""
	}
	before, after := answered(&c.From), answered(&c.To)
	gone := slices.DeleteFunc(slices.Clone(before), func(p string) bool { return slices.Contains(after, p) })
	fresh := slices.DeleteFunc(slices.Clone(after), func(p string) bool { return slices.Contains(before, p) })
	place := func(pool string) int {
		at := slices.IndexFunc(c.To.Reasons, func(r steer.Considered) bool { return r.Pool == pool })
		if at < 0 {
			return len(c.To.Reasons) // it is no more
		}
		return at
	}
	switch {
	case len(gone) > 0 && (len(fresh) == 0 || place(fresh[0]) > place(gone[0])):
		return left, whyLeft(c, gone[0])
	case len(gone) > 0, len(fresh) > 0 && len(before) > 0 && said(&c.To, fresh[0]).Tier <= said(&c.To, before[0]).Tier:
		return came, whyCame(c, fresh[0])
	}
	return stayed, ""
}

// answered is the pools that are answered in their own right, in the order of preference.
func answered(d *steer.Decision) []string {
	var pools []string
	for _, r := range d.Reasons {
		at := slices.IndexFunc(d.Shares, func(s steer.Share) bool { return s.Pool.Name == r.Pool })
		if at >= 0 && d.Shares[at].Behind == 0 && !slices.Contains(pools, r.Pool) {
			pools = append(pools, r.Pool)
		}
	}
	return pools
}

func said(d *steer.Decision, pool string) steer.Considered {
	for _, r := range d.Reasons {
		if r.Pool == pool {
			return r
		}
	}
	return steer.Considered{Status: health.Up}
}

func whyLeft(c *publish.AnswerChange, pool string) string {
	r := said(&c.To, pool)
	switch {
	case c.To.Mode == steer.Pinned:
		return pinned
	case r.Rule == steer.Drain:
		return drained
	case r.Status != health.Up:
		return down
	}
	return configuration
}

func whyCame(c *publish.AnswerChange, pool string) string {
	r := said(&c.From, pool)
	switch {
	case c.To.Mode == steer.Pinned, c.From.Mode == steer.Pinned:
		return pinned
	case r.Rule == steer.Drain:
		return drained
	case r.Rule == steer.FailbackManual:
		return commanded
	case r.Status != health.Up, r.Rule == steer.FailbackAfter, r.Rule == steer.FailbackRamp, r.Rule == steer.Degraded:
		return recovered
	}
	return configuration
}
