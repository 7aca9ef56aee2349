package steer

import (
	"cmp"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"

	"gslb/zones"
)

// passOver reports whether a pool that is up is not to be taken yet, or with a part of its clients only,
// since to take it would be to return to it: it is no last pool, and a last pool that stands no earlier
// can go on.
//
//	failback │ the pool                                       │ then
//	─────────┼────────────────────────────────────────────────┼──────────────────────────────────────
//	any      │ to return to it is to leave a pool whose data  │ passed over ([walk.bound])
//	         │ no other may have                              │
//	any      │ a person says that clients return now          │ taken
//	manual   │ was passed over before while it was not up     │ passed over, until a person says so
//	manual   │ any other                                      │ taken
//	others   │ was never down or degraded, or is up and       │ taken
//	         │ current for failback_after and failback_ramp   │
//	others   │ is up, or current after it was degraded, for   │ passed over; revisited then
//	         │ less than failback_after                       │
//	ramped   │ is so for less than failback_ramp beyond that  │ it gets a part that grows; revisited
//	         │                                                │ with the next step
//
// So a pool that is undrained, or new in the configuration, is taken at once: it was not down. One that was,
// and waited for a person before it was drained, goes on to wait.
func (w *walk) passOver(t int, s *zones.Share, reason *Considered, state *PoolState) bool {
	if t > w.stay || w.isLast(s.Pool) {
		return false
	}
	if serving := w.bound(t, state); serving != nil {
		w.passed = append(w.passed, s.Pool.Name)
		since := cmp.Or(serving.Degraded, serving.Copy.Since)
		w.hold(reason, Degraded, since, time.Time{})
		reason.Why = "not returned to while clients would leave " + serving.Pool.Name + ", which may have what no other region has: " + serving.data() + " since " + clock(since)
		return true
	}
	if w.back {
		return false
	}
	if w.policy.Failback == zones.FailbackManual {
		if !slices.Contains(w.past.Waiting, s.Pool.Name) {
			return false
		}
		w.passed = append(w.passed, s.Pool.Name)
		w.hold(reason, FailbackManual, state.Since, time.Time{})
		reason.Why = "up since " + clock(state.Since) + ", waits for: gslb failback " + strings.TrimSuffix(w.past.Name, ".") + ` (failback = "manual"): ` + state.Why
		return true
	}
	good := state.Recovered
	isCopy := state.CaughtUp.After(good)
	if isCopy {
		good = state.CaughtUp
	}
	if good.IsZero() {
		return false
	}
	from := good.Add(w.policy.FailbackAfter)
	if from.After(w.now) {
		w.passed = append(w.passed, s.Pool.Name)
		w.Revisit = soonest(w.Revisit, from)
		if isCopy {
			w.hold(reason, Degraded, good, from)
			reason.Why = "its data is current since " + clock(good) + ", used again at " + clock(from) + " (failback_after): " + state.Why
			return true
		}
		w.hold(reason, FailbackAfter, state.Recovered, from)
		reason.Why = "recovered at " + clock(state.Recovered) + ", used again at " + clock(from) + " (failback_after): " + state.Why
		return true
	}
	until := from.Add(w.policy.FailbackRamp)
	if !until.After(w.now) {
		return false
	}
	part, next := ramp(w.now.Sub(from), w.policy.FailbackRamp)
	w.passed = append(w.passed, s.Pool.Name)
	w.Revisit = soonest(w.Revisit, from.Add(next))
	w.hold(reason, FailbackRamp, from, until)
	reason.Why = "returned to since " + clock(from) + ", with " + Percent(part) + " of its clients, and all of them at " + clock(until) + " (failback_ramp): " + state.Why
	w.returning = append(w.returning, returning{t, s, reason, state.usable, w.weightOf(s), part})
	return true
}

// stillWaits reports whether a pool waits for a person that is up, but drained: it does so afterwards, too.
func (w *walk) stillWaits(state *PoolState) bool {
	return (state.drained || state.spent) && !w.back && slices.Contains(w.past.Waiting, state.Pool.Name)
}

// The growth of a returning pool's part: from rampBegin to 1, in steps of equal height.
const (
	rampBegin   = 0.05
	rampSteps   = 120
	minRampStep = 100 * time.Millisecond
	maxRampStep = 5 * time.Second
)

// ramp is the part that a returning pool gets of its clients at a time of its ramp, and the time of the
// next step.
func ramp(at, length time.Duration) (part float64, next time.Duration) {
	step := min(max(length/rampSteps, minRampStep), maxRampStep)
	steps := (length + step - 1) / step
	taken := at / step
	return rampBegin + (1-rampBegin)*float64(taken)/float64(steps), min((taken+1)*step, length)
}

// returning is a pool whose part of the clients is still growing.
type returning struct {
	tier      int
	share     *zones.Share
	reason    *Considered
	addresses []netip.Addr
	weight    float64
	part      float64 // of the clients that it will have
}

// sharesWith reports whether two pools share clients by their weights once they are taken.
func (r *returning) sharesWith(tier int, weight float64) bool {
	return r.tier == tier && (r.weight > 0) == (weight > 0)
}

// rampUp adds the returning pools to what else is answered. Those of its tier get their weight, times
// their part. Others come before it, and those that share clients among themselves get the largest of
// their parts together, by their weights times their parts; what comes behind them gets the rest. With
// an ordered policy each pool stands for itself.
func (w *walk) rampUp() {
	ordered := w.policy.Policy.IsOrdered()
	tier, first := w.Tier(), w.Shares[0].Size
	sizes := make([]float64, len(w.Shares), len(w.Shares)+len(w.returning))
	for i := range w.Shares {
		sizes[i] = cmp.Or(w.Shares[i].Size, 1)
	}
	for end := len(w.returning); end > 0; {
		last := &w.returning[end-1]
		begin := end - 1
		for !ordered && begin > 0 && w.returning[begin-1].sharesWith(last.tier, last.weight) {
			begin--
		}
		group := w.returning[begin:end]
		end = begin
		most, sum := 0.0, 0.0
		for i := range group {
			most, sum = max(most, group[i].part), sum+group[i].size()
		}
		scale := 1.0
		if ordered || !last.sharesWith(tier, first) {
			scale = most / sum
			behind := 0.0
			for _, size := range sizes {
				behind += size
			}
			for i := range sizes {
				sizes[i] *= (1 - most) / behind
			}
		}
		for i := range group {
			r := &group[i]
			r.reason.Chosen = true
			w.Shares = append(w.Shares, Share{Pool: r.share.Pool, Addresses: r.addresses, Returning: true, Size: r.weight})
			sizes = append(sizes, r.size()*scale)
		}
	}
	w.setWeights(sizes)
	if w.Mode == Normal {
		w.Mode = Ramped
	}
}

// size is a returning pool's weight at present.
func (r *returning) size() float64 { return cmp.Or(r.weight, 1) * r.part }

// setWeights gives the shares weights in proportion to sizes, and puts them into the order of the route.
func (w *walk) setWeights(sizes []float64) {
	const all = 1_000_000 // few enough for package answer, which multiplies weights
	sum := 0.0
	for _, size := range sizes {
		sum += size
	}
	for i := range sizes {
		w.Shares[i].Weight = max(1, int(math.Round(all*sizes[i]/sum)))
	}
	place := func(s Share) int {
		return slices.IndexFunc(w.Reasons, func(c Considered) bool { return c.Pool == s.Pool.Name })
	}
	slices.SortFunc(w.Shares, func(a, b Share) int { return cmp.Compare(place(a), place(b)) })
}
