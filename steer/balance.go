package steer

import "gslb/zones"

// side is a pool among others that share the clients of a route, as [balance] sees it.
type side struct {
	base   float64     // its part of the clients by weight
	behind int         // 0: it has clients by weight; n: it only takes what n stages before it give up
	size   float64     // of those behind: how much they take beside each other
	shed   *zones.Shed // nil: it takes anything
	known  bool        // its load is
	load   float64
	part   float64 // that it had when the load was read
	rises  float64 // what the load would rise by with all clients more
	falls  float64 // what it would fall by with all clients less
}

// balance finds what part of the clients each pool gets, by the loads that they had with the parts that
// they had. The parts sum to 1.
//
// With a common level, 1 or more, each pool wants a part of the clients:
//
//	the pool            │ and its load                │ then it wants
//	────────────────────┼─────────────────────────────┼────────────────────────────────────────────
//	has no watermarks   │                             │ level × base
//	has watermarks      │ is not known                │ its base: it gives up nothing, and can take
//	                    │                             │ nothing more that it has said
//	has watermarks      │ with level × base would be  │ level × base
//	                    │ from or less                │
//	has watermarks      │ would be more               │ the part at which it is level × base ×
//	                    │                             │ (to - load) / (to - from), with the load that
//	                    │                             │ this part makes
//	stands behind       │                             │ the same with (level - n) × size in place of
//	                    │                             │ level × base, and nothing up to level n; but
//	                    │                             │ no more than what loads it as much, between
//	                    │                             │ its watermarks, as the pools before it will be
//
// So between the watermarks each pool keeps in proportion, and what it gives up raises the level for all. The
// level is the one at which everything is taken. It solves for the loads that will be, not for those that were, so
// that nothing swings back when they are read again. No pool is sent clients of others beyond to. Regions that
// are loaded alike do not send each other their clients.
//
// If even all pools at to could not take everything:
//
//	the pool, with its base, would be │ then it gets
//	──────────────────────────────────┼───────────────────────────────────────────────────────────────
//	below to, or stands behind        │ what brings it to to
//	at to, or its load is not known   │ its base
//	above to                          │ its base, less its part of what those below have taken: in
//	                                  │ proportion to how far it is above. If all are, each keeps its own
func balance(sides []side) []float64 {
	parts := make([]float64, len(sides))
	if want(sides, 1, parts) >= 1-1e-12 {
		return parts
	}
	low, high := 1.0, 2.0
	for want(sides, high, parts) < 1 {
		if low, high = high, 2*high; high > 1e9 {
			return overloaded(sides)
		}
	}
	for range 60 {
		if middle := (low + high) / 2; want(sides, middle, parts) < 1 {
			low = middle
		} else {
			high = middle
		}
	}
	// What a pool wants may leap at the level, if its load hardly follows its part. It gets what is left to it.
	below := make([]float64, len(sides))
	least := want(sides, low, below)
	share := (1 - least) / (want(sides, high, parts) - least)
	for i := range parts {
		parts[i] = below[i] + share*(parts[i]-below[i])
	}
	return parts
}

// want finds what the pools want at a level, and the sum of that.
func want(sides []side, level float64, parts []float64) (total float64) {
	pressure := 0.0 // of the pools that are answered anyway, the largest
	for i := range sides {
		if s := &sides[i]; s.behind == 0 {
			parts[i] = s.wants(level)
			if s.shed != nil && s.known {
				pressure = max(pressure, (s.with(parts[i])-s.shed.From)/(s.shed.To-s.shed.From))
			}
		}
	}
	for i := range sides {
		s := &sides[i]
		if s.behind > 0 {
			parts[i] = s.wants(level)
			if s.shed != nil && s.known {
				parts[i] = min(parts[i], s.at(s.shed.From+pressure*(s.shed.To-s.shed.From)))
			}
		}
		total += parts[i]
	}
	return total
}

// wants is the part that the pool wants at a level.
func (s *side) wants(level float64) float64 {
	most := level * s.base
	if s.behind > 0 {
		most = max(0, level-float64(s.behind)) * s.size
	}
	switch {
	case s.shed == nil:
		return most
	case !s.known:
		return s.base
	case s.with(most) <= s.shed.From:
		return most
	}
	// The part p at which p = most × (to - load(p)) / (to - from), where load is a line on each side of the
	// part that it was read with.
	width := s.shed.To - s.shed.From
	per := s.rises
	if most*(s.shed.To-s.load) <= s.part*width {
		per = s.falls
	}
	alone := s.load - per*s.part
	return max(0, most*(s.shed.To-alone)/(width+most*per))
}

// with is the load that the pool would have with a part.
func (s *side) with(part float64) float64 {
	if part > s.part {
		return s.load + (part-s.part)*s.rises
	}
	return max(0, s.load+(part-s.part)*s.falls)
}

// roof is the part that brings the load to the high watermark; 1: no part does.
func (s *side) roof() float64 {
	switch {
	case s.shed == nil:
		return 1
	case !s.known:
		return s.base
	}
	return s.at(s.shed.To)
}

// at is the part that brings the load to a value; 1: no part does.
func (s *side) at(load float64) float64 {
	over := s.load - load
	switch {
	case over == 0:
		return s.part
	case over > 0 && s.falls == 0:
		return 0
	case over > 0:
		return max(0, s.part-over/s.falls)
	case s.rises == 0:
		return 1
	}
	return min(1, s.part-over/s.rises)
}

// overloaded is balance where all pools together cannot take everything.
func overloaded(sides []side) []float64 {
	room, excess := 0.0, 0.0
	for i := range sides {
		over := sides[i].base - sides[i].roof()
		room, excess = room+max(0, -over), excess+max(0, over)
	}
	parts := make([]float64, len(sides))
	for i := range sides {
		over := sides[i].base - sides[i].roof()
		parts[i] = sides[i].base
		switch {
		case excess == 0:
		case over > 0:
			parts[i] -= over * min(1, room/excess)
		default:
			parts[i] -= over * min(1, excess/room)
		}
	}
	return parts
}
