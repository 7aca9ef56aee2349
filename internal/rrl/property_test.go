package rrl

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

// flood is what arrives for one bucket.
type flood struct {
	rate, burst int
	start       int64
	gaps        []int64 // nanoseconds before each response
}

var anyFlood = rapid.Custom(func(t *rapid.T) flood {
	f := flood{
		rate:  rapid.IntRange(1, 2000).Draw(t, "rate"),
		burst: rapid.IntRange(1, 50).Draw(t, "burst"),
		start: rapid.Int64().Draw(t, "start"),
	}
	f.burst = min(f.burst, 60*f.rate)
	interval := second / int64(f.rate)
	f.gaps = rapid.SliceOfN(rapid.OneOf(
		rapid.Just(int64(0)),
		rapid.Int64Range(0, interval/2),
		rapid.Int64Range(0, 4*interval),
	), 100, 300).Draw(t, "gaps")
	return f
})

func (f flood) limiter(t *rapid.T, buckets int) *Limiter {
	return limiter(t, func(o *Options) { o.Rate, o.Burst, o.Buckets = f.rate, f.burst, buckets })
}

// history is when responses of one bucket passed, in nanoseconds.
type history []int64

// roomFor reports whether one more may pass: it is not one too many for any span of time that
// ends with it.
func (h history) roomFor(l *Limiter, burst int, now int64) bool {
	for i, from := range h {
		inSpan := int64(len(h) - i + 1)
		if (inSpan-int64(burst))*l.interval > now-from {
			return false
		}
	}
	return true
}

// In no span of time does more pass than the burst and what the rate allows, and never is one
// held back that these two allow.
func TestExactlyTheRatePasses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := anyFlood.Draw(t, "flood")
		l := f.limiter(t, 64)
		if l.interval*int64(f.rate) < second {
			t.Fatalf("at an interval of %d ns more than %d pass in a second", l.interval, f.rate)
		}
		now := f.start
		var passed history
		for _, gap := range f.gaps {
			now += gap
			want := passed.roomFor(l, f.burst, now)
			if got := l.Check(victim, Positive, 1, now).Action == Pass; got != want {
				t.Fatalf("%d ns after the start, with %d passed: passes %v, want %v", now-f.start, len(passed), got, want)
			}
			if want {
				passed = append(passed, now)
			}
		}
	})
}

// Whatever has happened, Burst/Rate seconds later all is forgotten.
func TestIdleBucketRecovers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := anyFlood.Draw(t, "flood")
		l := f.limiter(t, 64)
		now := f.start
		for _, gap := range f.gaps {
			now += gap
			l.Check(victim, Positive, 1, now)
		}
		now += l.capacity + rapid.Int64Range(0, 3600*second).Draw(t, "idle")
		if got := passing(l, f.burst+1, victim, Positive, 1, now); got != f.burst {
			t.Fatalf("%d pass after the silence, want the burst of %d", got, f.burst)
		}
	})
}

// noise is responses to networks that share the one set of a tiny table with a bucket, and are
// not taken for it.
func noise(l *Limiter, n int, now int64) {
	own := l.key(victim, Positive, 1) >> tagShift
	for i := range n {
		client := netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1})
		if l.key(client, Positive, 1)>>tagShift != own {
			l.Check(client, Positive, 1, now)
		}
	}
}

// However many others overflow its set, a bucket is limited for nothing but its own responses.
func TestOthersNeverLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := anyFlood.Draw(t, "flood")
		l := f.limiter(t, 8)
		now := f.start
		var passed history
		for _, gap := range f.gaps {
			now += gap
			noise(l, rapid.IntRange(0, 20).Draw(t, "others"), now)
			if l.Check(victim, Positive, 1, now).Action == Pass {
				passed = append(passed, now)
			} else if passed.roomFor(l, f.burst, now) {
				t.Fatalf("%d ns after the start, with %d passed, limited by the company of others", now-f.start, len(passed))
			}
		}
	})
}

// A full bucket keeps its place, so that no attacker can have it forgotten by the way.
func TestOthersNeverRelieve(t *testing.T) {
	l := limiter(t, func(o *Options) { o.Rate, o.Burst, o.Buckets = 10, 10, 8 })
	full(t, l, victim, Positive, 1, 0)
	passed := 0
	for now := int64(0); now < 10*second; now += 10 * ms {
		noise(l, 100, now)
		if l.Check(victim, Positive, 1, now).Action == Pass {
			passed++
		}
	}
	if passed > 100 {
		t.Errorf("%d passed in 10 seconds at a rate of 10", passed)
	}
}
