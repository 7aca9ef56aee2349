package steer

import (
	"cmp"
	"math"
	"slices"
	"time"

	"gslb/health"
	"gslb/zones"
)

// Shedding is what a route remembers of the clients that its pools have given up by their loads. The zero value
// remembers nothing: no pool of the route has watermarks.
type Shedding struct {
	// At is when Kept became what it is; zero: it has been so from the beginning. Without Kept the clients had
	// something else since then, by which no load can be judged.
	At    time.Time `json:"at,omitzero"`
	Since time.Time `json:"since,omitzero"` // when a pool began to give up clients; zero: none does
	Kept  []Kept    `json:"kept,omitempty"` // in the order of the route
}

// Kept is a pool, and what it has of the clients.
type Kept struct {
	Pool string  `json:"pool"`
	Part float64 `json:"part"` // of all clients
	Base float64 `json:"base"` // its part by weight; 0: it only takes what others give up
	// Yields is how much of its load follows its part, from 0 to 1, and Heavy how many times more the clients of
	// others load it than they load those. Each step shows it anew, by the load and the part that were before it.
	Yields float64 `json:"yields"`
	Heavy  float64 `json:"heavy"`
	Load   float64 `json:"load,omitempty"`
	Was    float64 `json:"was,omitempty"` // the part; negative: it was looked at already
}

const (
	// leastStep is the least change of a part that is made. Below it, parts follow what loads do by chance.
	leastStep = 0.02
	// otherMix is how far parts may drift by other rules, such as a ramp, before loads count as those of
	// other parts.
	otherMix = 0.05
)

// shed takes clients from the pools that are answered and loaded above their low watermark, and gives them to
// the others of their tier or, where those cannot take all, to the pools behind. What each gets is for
// [balance] to say. This is when it is asked:
//
//	the mode is           │ and                                          │ then
//	──────────────────────┼──────────────────────────────────────────────┼──────────────────────────────────
//	neither normal nor    │                                              │ no pool gives up anything
//	ramped                │                                              │
//	normal or ramped      │ no pool that is answered has watermarks, or  │ the same
//	                      │ all are answered together                    │
//	normal or ramped      │ the parts have been the same for the TTL and │ the parts are those of balance, if
//	                      │ the time that loads need to show a change    │ one changes by 2 % of the clients
//	                      │                                              │ or more, or all return to their own
//	normal or ramped      │ they have not: the loads are still those of  │ each pool keeps as much of its base
//	                      │ other parts                                  │ as before; revisited then
//
// So what a step does is seen before the next one is made. When a pool goes down or comes, the loads that were
// read before tell what the new parts will make of them, and one step is made at once.
func (w *walk) shed() {
	past := w.past.Shed
	switch {
	case w.Mode == Pending:
		w.shedding = past
		return
	case w.Mode != Normal && w.Mode != Ramped || w.Joined():
		if past.isAny() {
			w.shedding = Shedding{At: past.At}
			if past.Kept != nil {
				w.shedding.At = w.now
			}
		}
		return
	case !slices.ContainsFunc(w.Shares, func(s Share) bool { return s.Pool.Shed != nil }):
		return
	}
	fresh := past.Kept == nil && !past.At.IsZero() // what the loads are those of is not known
	if fresh || past.At.After(w.now) {             // or the clock was set back
		past.At = w.now
	}
	answered := len(w.Shares)
	w.addBehind()
	sides := w.sides(answered)
	settles := max(w.policy.TTL+slowest(w.Shares), time.Second)
	settled := past.At.IsZero() || !past.At.Add(settles).After(w.now)
	kept := w.keep(sides, settled)
	parts, step := held(sides, kept), false
	if settled {
		if want := trimmed(balance(sides), sides); isStep(parts, want, sides) {
			parts, step = want, true
		}
	}
	w.shedding = w.nextShedding(past, sides, kept, parts, step)
	if until := w.shedding.At.Add(settles); !w.shedding.At.IsZero() && until.After(w.now) {
		w.Revisit = soonest(w.Revisit, until)
	}
	if w.shedding.Since.IsZero() {
		w.Shares = w.Shares[:answered]
	} else {
		w.setParts(sides, parts)
	}
	w.sayOverloads()
}

// isAny reports whether there is something to remember.
func (s *Shedding) isAny() bool { return !s.At.IsZero() || s.Kept != nil }

func (s *Shedding) equal(other *Shedding) bool {
	return s.At.Equal(other.At) && s.Since.Equal(other.Since) && slices.Equal(s.Kept, other.Kept)
}

// of is what a pool had.
func (s *Shedding) of(pool *zones.Pool) (Kept, bool) {
	for _, k := range s.Kept {
		if k.Pool == pool.Name {
			return k, true
		}
	}
	return Kept{}, false
}

// slowest is how long the loads of pools take to show a change.
func slowest(shares []Share) time.Duration {
	most := time.Duration(0)
	for i := range shares {
		if shed := shares[i].Pool.Shed; shed != nil {
			most = max(most, shed.Settles)
		}
	}
	return most
}

// addBehind adds the pools that can take what those before give up: those of the next tiers and, with an ordered
// policy, those of the same one, that are up and have a weight. They have no clients yet.
func (w *walk) addBehind() {
	ordered := w.policy.Policy.IsOrdered()
	last := 0
	for at := range w.Reasons {
		if w.Reasons[at].Chosen {
			last = at
		}
	}
	stage, tier := 0, w.Reasons[last].Tier
	at := 0
	for t := range w.Route.Tiers {
		for i := range w.Route.Tiers[t].Shares {
			s := &w.Route.Tiers[t].Shares[i]
			behind := at > last && (ordered || t > w.Reasons[last].Tier)
			at++
			state := w.state(s.Pool)
			if !behind || w.status(state) != health.Up || state.Awaited || state.isEmpty() || !w.weighty(s) || w.isSetAside(state) || w.bound(t, state) != nil {
				continue
			}
			if ordered || t != tier {
				stage, tier = stage+1, t
			}
			w.Shares = append(w.Shares, Share{Pool: s.Pool, Addresses: state.usable, Size: w.weightOf(s), Behind: stage})
		}
	}
}

// sides is what balance needs of the shares; the first so many are answered anyway.
func (w *walk) sides(answered int) []side {
	sides := make([]side, len(w.Shares))
	parts := w.Parts()
	part, size := 0.0, 0.0
	for i := range w.Shares[:answered] {
		part, size = part+parts[i], size+w.sizeOf(&w.Shares[i])
	}
	for i := range w.Shares {
		s := &w.Shares[i]
		load := w.state(s.Pool).Load
		sides[i] = side{behind: s.Behind, size: w.sizeOf(s) / size, shed: s.Pool.Shed, known: load.Known, load: load.Value}
		if s.Behind == 0 {
			sides[i].base = parts[i] / part
		}
	}
	return sides
}

// sizeOf is how much of the clients a pool can bear beside others, as far as is configured: its weight.
func (w *walk) sizeOf(s *Share) float64 {
	if w.policy.Policy == zones.Failover { // which shares no clients by weight
		return float64(max(1, s.Pool.Weight))
	}
	return cmp.Or(s.Size, 1)
}

// keep finds what is known of each side from before: what it had, and how its load follows that.
func (w *walk) keep(sides []side, settled bool) []Kept {
	kept := make([]Kept, len(sides))
	typical, n := 0.0, 0.0 // what all clients would load a pool of size 1 with
	for i := range sides {
		s := &sides[i]
		k, had := w.past.Shed.of(w.Shares[i].Pool)
		if !had {
			k = Kept{Pool: w.Shares[i].Pool.Name, Yields: 1, Heavy: 1, Was: looked}
			if !w.past.Shed.isAny() { // it was always so
				k.Part, k.Base = s.base, s.base
			}
		}
		s.part, kept[i] = k.Part, k
		if s.known && s.behind == 0 && s.part > leastStep {
			typical, n = typical+s.load*s.size/s.part, n+1
		}
	}
	if n > 0 {
		typical /= n
	}
	for i := range sides {
		s, k := &sides[i], &kept[i]
		own, guests := s.load/s.part, typical/s.size
		if settled && k.Was >= 0 {
			if moved := k.Part - k.Was; math.Abs(moved) >= leastStep && s.known {
				k.learn((s.load-k.Load)/moved, own, guests)
			}
			k.Was, k.Load = looked, 0
		}
		switch {
		case s.part <= leastStep:
			s.rises, s.falls = guests*k.Heavy, guests*k.Heavy
		case s.behind > 0:
			s.rises, s.falls = min(own, guests*k.Heavy), min(own, guests*k.Heavy)
		default:
			s.rises, s.falls = own, own*k.Yields
		}
	}
	return kept
}

// learn takes in what a step has shown: by how much the load has changed for a change of all clients. own is what
// it would be if all of the load followed the part, and guests what clients load a pool with that is of a size with
// those that are answered. One step may have met a change of the demand, so that none makes much of
// little. A pool that can take more than its size says is not filled at once, but step by step.
func (k *Kept) learn(shown, own, guests float64) {
	if k.Base > 0 {
		if own > 0 {
			k.Yields = min(1, max(shown/own, k.Yields/2))
		}
		return
	}
	if guests > 0 {
		k.Heavy = min(1000, max(shown/guests, k.Heavy/2, 1))
	}
}

// looked is Kept.Was when the last step was looked at.
const looked = -1

// held is the parts as they were, as far as the pools are still there, in proportion to what they get by weight.
func held(sides []side, kept []Kept) []float64 {
	parts := make([]float64, len(sides))
	total := 0.0
	for i := range sides {
		parts[i] = sides[i].base
		switch k := &kept[i]; {
		case sides[i].behind > 0 && k.Base == 0:
			parts[i] = k.Part
		case k.Base > 0 && k.Part > 0:
			parts[i] *= k.Part / k.Base
		}
		total += parts[i]
	}
	for i := range parts {
		parts[i] /= total
	}
	return parts
}

// trimmed leaves out the pools behind that would get next to nothing.
func trimmed(parts []float64, sides []side) []float64 {
	total := 0.0
	for i := range parts {
		if sides[i].behind > 0 && parts[i] < leastStep {
			parts[i] = 0
		}
		total += parts[i]
	}
	for i := range parts {
		parts[i] /= total
	}
	return parts
}

// isStep reports whether a change of parts is worth it.
func isStep(parts, want []float64, sides []side) bool {
	all, own := 0.0, 0.0
	for i := range parts {
		all = max(all, math.Abs(want[i]-parts[i]))
		own = max(own, math.Abs(want[i]-sides[i].base))
	}
	return all >= leastStep || own < 1e-9 && all > 1e-9
}

// nextShedding is what is remembered once the parts are decided. Loads count from now on as those of the parts
// if they are others than the loads so far were read with.
func (w *walk) nextShedding(past Shedding, sides []side, kept []Kept, parts []float64, step bool) Shedding {
	next := Shedding{At: past.At, Since: past.Since}
	drift, gives := 0.0, false
	for i := range parts {
		drift = max(drift, math.Abs(parts[i]-kept[i].Part))
		gives = gives || math.Abs(parts[i]-sides[i].base) > 1e-9
	}
	for _, k := range past.Kept { // of those that are gone
		if !slices.ContainsFunc(kept, func(now Kept) bool { return now.Pool == k.Pool }) {
			drift = max(drift, k.Part)
		}
	}
	if step || drift > otherMix {
		next.At = w.now
		for i := range kept {
			k := &kept[i]
			k.Was, k.Load = looked, 0
			if step && sides[i].known {
				k.Was, k.Load = k.Part, sides[i].load
			}
			k.Part, k.Base = parts[i], sides[i].base
		}
	}
	switch {
	case !gives:
		next.Since = time.Time{}
	case next.Since.IsZero() || next.Since.After(w.now):
		next.Since = w.now
	}
	next.Kept = slices.DeleteFunc(kept, func(k Kept) bool { return k.Part == 0 && k.Base == 0 && k.Heavy == 1 && k.Was == looked })
	return next
}

// setParts gives the shares their parts, and says why.
func (w *walk) setParts(sides []side, parts []float64) {
	shares := w.Shares[:0]
	var sizes []float64
	for i, s := range w.Shares {
		reason := w.reasonFor(s.Pool)
		switch {
		case s.Behind > 0 && parts[i] == 0:
			continue
		case s.Behind > 0:
			w.see(w.state(s.Pool))
			reason.Chosen = true
			w.hold(reason, Shed, w.shedding.Since, time.Time{})
			reason.Why = "gets " + Percent(parts[i]) + " of the clients, which pools before it give up (shed): " + w.state(s.Pool).Why
		case parts[i] < sides[i].base*(1-leastStep):
			w.hold(reason, Shed, w.shedding.Since, time.Time{})
			reason.Why = "gets " + Percent(parts[i]) + " of the clients instead of " + Percent(sides[i].base) + ", since it is loaded (shed): " + reason.Why
		case parts[i] > sides[i].base*(1+leastStep):
			reason.Why = "gets " + Percent(parts[i]) + " of the clients instead of " + Percent(sides[i].base) + ", since others are loaded (shed): " + reason.Why
		}
		shares, sizes = append(shares, s), append(sizes, parts[i])
	}
	w.Shares = shares
	w.setWeights(sizes)
}

// sayOverloads says that a pool has more load than it wants, and no other can take it.
func (w *walk) sayOverloads() {
	for i := range w.Shares {
		pool := w.Shares[i].Pool
		load := w.state(pool).Load
		if reason := w.reasonFor(pool); pool.Shed != nil && load.Known && load.Value >= pool.Shed.To && reason.Rule == "" {
			reason.Why = "loaded beyond " + written(pool.Shed.To, pool.Shed.Percent) + ", and no other pool says that it can take more (shed): " + reason.Why
		}
	}
}

// reasonFor is that of a pool of the route.
func (w *walk) reasonFor(pool *zones.Pool) *Considered {
	at := slices.IndexFunc(w.Reasons, func(c Considered) bool { return c.Pool == pool.Name })
	return &w.Reasons[at]
}
