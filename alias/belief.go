package alias

import (
	"net/netip"
	"time"
)

const (
	// believed is how many answers in a row must say that there are no addresses.
	believed = 3

	// The pace of look-ups that are answered is the TTL, within these bounds.
	paceLeast, paceMost = 5 * time.Second, 5 * time.Minute

	// A look-up that failed is repeated after retryFirst, and then twice as long each time.
	retryFirst, retryMost = time.Second, 30 * time.Second

	// spread is by which share of itself a pause may be longer, so that names do not keep being asked
	// for at one moment. It is never shorter: the resolver would answer from its cache.
	spread = 0.1
)

// belief is what is believed of the addresses of one name in one family.
type belief struct {
	addresses []netip.Addr
	confirmed time.Time // when a resolver last said what is believed; zero: none has
	denied    int       // how many answers in a row said that there are no addresses
	failures  int       // how many look-ups in a row failed

	asked time.Time // when the last look-up ended; zero: none has in this run
	next  time.Time // when the next one begins
	last  said      // what the last one said
}

// after is what is believed after a look-up.
//
//	it says         │ before it             │ believed are          │ confirmed │ denied
//	────────────────┼───────────────────────┼───────────────────────┼───────────┼────────
//	addresses       │ any                   │ the addresses it says │ yes       │ 0
//	there are none  │ denied twice or more  │ none                  │ yes       │ + 1
//	there are none  │ denied once, or never │ the same as before    │ no        │ + 1
//	nothing, failed │ any                   │ the same as before    │ no        │ same
//
// A look-up that failed lies between two answers without being one. luck, from 0 to 1, is where
// within its bounds the pause before the next one lies.
func (b belief) after(s said, now time.Time, luck float64) belief {
	b.asked, b.last = now, s
	switch s.kind {
	case found:
		b.addresses, b.confirmed, b.denied = s.addresses, now, 0
	case nothing:
		if b.denied++; b.denied >= believed {
			b.addresses, b.confirmed = nil, now
		}
	}
	if s.kind == failed {
		b.failures++
	} else {
		b.failures = 0
	}
	b.next = now.Add(pause(s, b.failures, luck))
	return b
}

// pause is how long to wait before the next look-up.
//
//	the last one said │ pause
//	──────────────────┼────────────────────────────────────────────
//	something         │ its TTL, from paceLeast to paceMost
//	nothing, failed   │ 1, 2, 4, 8, 16 s, and from then on retryMost
func pause(s said, failures int, luck float64) time.Duration {
	wait := min(max(s.ttl, paceLeast), paceMost)
	if s.kind == failed {
		wait = retryMost
		if failures <= 5 {
			wait = retryFirst << (failures - 1)
		}
	}
	return wait + time.Duration(luck*spread*float64(wait))
}

// gone reports whether it is believed that there are no addresses.
func (b belief) gone() bool { return len(b.addresses) == 0 && b.denied >= believed }
