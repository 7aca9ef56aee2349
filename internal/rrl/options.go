package rrl

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Options is what a [Limiter] is made from. Zero is a value like any other, not a default:
// begin with [Defaults].
type Options struct {
	// Rate is how many responses a second pass in each bucket; 0: all do.
	Rate int
	// Burst is how many responses an empty bucket passes at once.
	Burst int
	// Slip is how many limited responses there are to one that slips: with 1 all do, with 2
	// every second, by chance, so that none can be aimed at the drops; with 0 none.
	Slip int
	// IPv4Prefix and IPv6Prefix are the prefix lengths of what counts as one network.
	IPv4Prefix, IPv6Prefix int
	// Buckets is how many buckets there are, of 8 bytes each; rounded up to a power of two.
	// Four times the queries a second divided by Rate is ample: of a bucket with a single
	// response nothing is left after 1/Rate seconds.
	Buckets int
	// Exempt is the networks whose responses are neither limited nor counted.
	Exempt []netip.Prefix
}

// Defaults returns the options that suit most servers.
//
// Rate: the most that one network has reason to ask about one name must pass. A /24 full of
// resolvers that share no cache and ask for A, AAAA and HTTPS every 5 seconds, which is a
// short TTL, sends 154 queries a second. One that asks for each of its clients' networks anew
// (RFC 7871) passes 1,000 with 6,600 such networks at a TTL of 20 seconds. For a victim, 1,000
// a second are 0.8 Mbit/s of 100-byte answers and 10 Mbit/s of the largest that is sent, out of
// the hundreds that an open server reflects. NSD suggests 200 for the same buckets; Knot DNS
// has 1,600 for all responses to a /24.
//
// Slip: 1, as in Knot DNS. It takes the amplification away and lets every real client in an
// attacked network come over TCP at once. Each dropped response, in contrast, is a time-out
// for a resolver, and a longer time in which somebody else can forge its answer; 2, the choice
// of BIND and NSD, halves what is reflected at that price.
//
// IPv6Prefix: 56, as in BIND, the least that a site is given and can vary at will.
//
// Buckets: 1 MiB of them, which is enough for 30 million queries a second from as many
// networks at this rate, or for 300,000 at a rate of 10.
func Defaults() Options {
	return Options{
		Rate:       1000,
		Burst:      1000,
		Slip:       1,
		IPv4Prefix: 24,
		IPv6Prefix: 56,
		Buckets:    1 << 17,
	}
}

// Limits of the options.
const (
	maxRate    = 1_000_000 // a microsecond each
	maxBuckets = 1 << 28   // 2 GiB
	// maxDrain keeps the time that a full bucket takes to empty small against the time after
	// which the clocks of buckets wrap around.
	maxDrain = time.Minute
)

// check says everything that is wrong with the options.
func (o *Options) check() error {
	errs := []error{
		within("rate", o.Rate, 0, maxRate),
		within("slip", o.Slip, 0, 100),
		within("IPv4 prefix length", o.IPv4Prefix, 1, 32),
		within("IPv6 prefix length", o.IPv6Prefix, 1, 128),
		within("number of buckets", o.Buckets, 1, maxBuckets),
	}
	if o.Rate > 0 {
		errs = append(errs, within("burst", o.Burst, 1, o.Rate*int(maxDrain/time.Second)))
	}
	for _, p := range o.Exempt {
		switch {
		case !p.IsValid():
			errs = append(errs, fmt.Errorf("rrl: an exempt network is %v, must be an address and a prefix length", p))
		case p.Addr().Is4In6():
			errs = append(errs, fmt.Errorf("rrl: an exempt network is %v, IPv4 inside IPv6; write it as IPv4", p))
		}
	}
	return errors.Join(errs...)
}

func within(what string, value, least, most int) error {
	if value < least || value > most {
		return fmt.Errorf("rrl: %s is %d, must be from %d to %d", what, value, least, most)
	}
	return nil
}
