package rrl

import (
	"math/bits"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/gaissmai/bart"
)

// Limiter decides which responses are sent. It is safe for concurrent use, takes no lock, and
// allocates nothing once it is made.
type Limiter struct {
	sets []set // a power of two of them; none: nothing is limited
	seed seed

	interval int64 // nanoseconds that one response takes to leak out
	capacity int64 // level of a full bucket, in nanoseconds
	most     int64 // highest level that a bucket can be seen with

	slip       int
	ipv4, ipv6 mask
	exempt     *bart.Lite // nil: empty
}

// skew is how far the times may be apart that concurrent callers have read.
const skew = time.Second

// New makes a Limiter. The error has everything that is wrong with the options.
func New(o Options) (*Limiter, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	l := &Limiter{ipv4: newMask(96 + o.IPv4Prefix), ipv6: newMask(o.IPv6Prefix)}
	if o.Rate == 0 {
		return l, nil
	}
	l.sets = make([]set, powerOfTwo((o.Buckets+len(set{})-1)/len(set{})))
	l.seed = newSeed()
	l.slip = o.Slip
	// Rounded up, so that no more than the rate passes.
	l.interval = (int64(time.Second) + int64(o.Rate) - 1) / int64(o.Rate)
	l.capacity = l.interval * int64(o.Burst)
	l.most = l.capacity + int64(skew)
	if len(o.Exempt) > 0 {
		l.exempt = new(bart.Lite)
		for _, p := range o.Exempt {
			l.exempt.Insert(p)
		}
	}
	return l, nil
}

// powerOfTwo is the least power of two that is at least n, which is positive.
func powerOfTwo(n int) int { return 1 << bits.Len(uint(n-1)) }

// Check counts a response that is about to go to client over UDP and decides what becomes of
// it. What hash is to be made of stands in the package's documentation; it needs no key of its
// own. now is in nanoseconds since any moment, the same for all callers; it ought not to jump,
// and may be up to a second old.
func (l *Limiter) Check(client netip.Addr, class Class, hash uint64, now int64) Decision {
	if len(l.sets) == 0 {
		return Decision{}
	}
	client = client.Unmap()
	if l.exempt != nil && l.exempt.Contains(client) {
		return Decision{}
	}
	passes, change := l.count(l.key(client, class, hash), now)
	if passes {
		return Decision{Pass, change}
	}
	return Decision{l.limit(), change}
}

// count takes a response into account and tells whether it passes.
func (l *Limiter) count(key uint64, now int64) (passes bool, change Change) {
	s := &l.sets[key&uint64(len(l.sets)-1)]
	tag := key >> tagShift
	for {
		place, old := s.find(tag, now, l.most)
		next, passes, change := l.next(old, tag, now)
		if next == old || place.CompareAndSwap(uint64(old), uint64(next)) {
			return passes, change
		}
	}
}

// next is what becomes of a bucket, which may be another's, with one more response.
func (l *Limiter) next(old bucket, tag uint64, now int64) (next bucket, passes bool, change Change) {
	level, limited := int64(0), false
	if old.tag() == tag {
		level, limited = old.level(now, l.most), old.limited()
	}
	switch {
	case level+l.interval > l.capacity && limited:
		return old, false, Unchanged // and so an attack writes nothing
	case level+l.interval > l.capacity:
		return old | limitedBit, false, Entered
	case level == 0 && limited:
		limited, change = false, Left
	}
	return makeBucket(tag, limited, now+level+l.interval), true, change
}

// limit chooses for a response that does not pass.
func (l *Limiter) limit() Action {
	switch {
	case l.slip == 1:
		return Slip
	case l.slip > 1 && rand.IntN(l.slip) == 0:
		return Slip
	}
	return Drop
}

// Network is the network that a client's responses are counted for, to be named in the log.
func (l *Limiter) Network(client netip.Addr) netip.Prefix {
	client = client.Unmap().WithZone("")
	bits := l.ipv6.bits
	if client.Is4() {
		bits = l.ipv4.bits - 96
	}
	p, err := client.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // no address
	}
	return p
}

// Class is the kind of a response. Classes are counted apart, so that an attack with one
// does not keep a network from the others.
type Class uint8

// What each class is counted by stands in the package's documentation.
const (
	Positive Class = iota // has what was asked for
	NoData                // the name exists, the type does not
	NXDomain              // the name does not exist
	Referral              // a delegation
	Wildcard              // made from a wildcard or a DNAME, whatever it has in it
	Any                   // to a query for type ANY (RFC 8482)
	Error                 // any other response code
)

// String is the class as a metric's label and in the log.
func (c Class) String() string {
	switch c {
	case Positive:
		return "positive"
	case NoData:
		return "nodata"
	case NXDomain:
		return "nxdomain"
	case Referral:
		return "referral"
	case Wildcard:
		return "wildcard"
	case Any:
		return "any"
	}
	return "error"
}

// Decision says what to do with a response.
type Decision struct {
	Action Action
	Change Change
}

// Action is what becomes of a response. The zero value is Pass.
type Action uint8

const (
	Pass Action = iota // send it
	Slip               // send the question with TC=1; an error as it is
	Drop               // send nothing
)

// String is the action as a metric's label.
func (a Action) String() string {
	switch a {
	case Slip:
		return "slip"
	case Drop:
		return "drop"
	}
	return "pass"
}

// Change tells of a bucket that begins or ceases to be limited, which is worth a line in the
// log, though not one for each of thousands. A bucket changes at most once while a full one
// drains, Burst/Rate seconds. The zero value is Unchanged.
type Change uint8

const (
	Unchanged Change = iota
	// Entered comes with the first response that is limited.
	Entered
	// Left comes with the first response after that which finds the bucket empty. Where no
	// response follows, or the bucket has lost its place, it never comes.
	Left
)
