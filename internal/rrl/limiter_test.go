package rrl

import (
	"math"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCheckOverTime(t *testing.T) {
	type step struct {
		at   int64 // ms
		want Decision
	}
	tests := map[string][]step{
		"a burst, then the rate": {
			{0, Decision{}}, {0, Decision{}}, {0, Decision{}},
			{0, Decision{Slip, Entered}}, {99, Decision{Slip, Unchanged}},
			{100, Decision{}}, {100, Decision{Slip, Unchanged}},
			{200, Decision{}}, {250, Decision{Slip, Unchanged}}, {300, Decision{}},
		},
		"at the rate nothing is limited": {
			{0, Decision{}}, {0, Decision{}}, {0, Decision{}},
			{100, Decision{}}, {200, Decision{}}, {300, Decision{}}, {400, Decision{}},
		},
		"a limited response does not count": {
			{0, Decision{}}, {0, Decision{}}, {0, Decision{}},
			{10, Decision{Slip, Entered}}, {20, Decision{Slip, Unchanged}}, {30, Decision{Slip, Unchanged}},
			{100, Decision{}},
		},
		"left alone it is empty again, and says so": {
			{0, Decision{}}, {0, Decision{}}, {0, Decision{}}, {0, Decision{Slip, Entered}},
			{300, Decision{Pass, Left}}, {300, Decision{}}, {300, Decision{}},
			{300, Decision{Slip, Entered}},
		},
		"not quite empty it says nothing": {
			{0, Decision{}}, {0, Decision{}}, {0, Decision{}}, {0, Decision{Slip, Entered}},
			{299, Decision{}}, {299, Decision{}}, {299, Decision{Slip, Unchanged}},
		},
		"a clock that was read a little earlier": {
			{50, Decision{}}, {50, Decision{}}, {50, Decision{}}, {0, Decision{Slip, Entered}},
			{100, Decision{Slip, Unchanged}}, {150, Decision{}},
		},
		"a clock that was set back": {
			{60_000, Decision{}}, {60_000, Decision{}}, {60_000, Decision{}}, {60_000, Decision{Slip, Entered}},
			{0, Decision{Pass, Left}}, {0, Decision{}}, {0, Decision{}}, {0, Decision{Slip, Entered}},
			{100, Decision{}},
		},
		"a clock that jumped ahead": {
			{0, Decision{}}, {0, Decision{}}, {0, Decision{}}, {0, Decision{Slip, Entered}},
			{86_400_000, Decision{Pass, Left}}, {86_400_000, Decision{}},
		},
	}
	// Time may begin anywhere: in buckets it wraps around.
	for _, start := range []int64{0, 1 << timeBits, 1<<timeBits - 150*ms, -150 * ms, math.MaxInt64 - 150*ms} {
		for name, steps := range tests {
			t.Run(name, func(t *testing.T) {
				l := limiter(t, slow)
				for i, s := range steps {
					if diff := cmp.Diff(s.want, l.Check(victim, Positive, 1, start+s.at*ms)); diff != "" {
						t.Errorf("from %d, response %d, after %d ms:\n%s", start, i+1, s.at, diff)
					}
				}
			})
		}
	}
}

func TestWhatSharesABucket(t *testing.T) {
	type response struct {
		client string
		class  Class
		hash   uint64
	}
	tests := map[string]struct {
		a, b  response
		share bool
	}{
		"the same":                  {response{"192.0.2.1", Positive, 1}, response{"192.0.2.1", Positive, 1}, true},
		"one IPv4 /24":              {response{"192.0.2.1", Positive, 1}, response{"192.0.2.255", Positive, 1}, true},
		"two IPv4 /24":              {response{"192.0.2.1", Positive, 1}, response{"192.0.3.1", Positive, 1}, false},
		"one IPv6 /56":              {response{"2001:db8::1", Positive, 1}, response{"2001:db8:0:ff::", Positive, 1}, true},
		"two IPv6 /56":              {response{"2001:db8::1", Positive, 1}, response{"2001:db8:0:100::1", Positive, 1}, false},
		"IPv4 on a socket for both": {response{"192.0.2.1", Positive, 1}, response{"::ffff:192.0.2.2", Positive, 1}, true},
		"IPv4, and IPv6 like it":    {response{"0.0.0.0", Positive, 1}, response{"::", Positive, 1}, false},
		"two names":                 {response{"192.0.2.1", Positive, 1}, response{"192.0.2.1", Positive, 2}, false},
		"two classes":               {response{"192.0.2.1", NoData, 1}, response{"192.0.2.1", NXDomain, 1}, false},
		"errors, whatever name":     {response{"192.0.2.1", Error, 1}, response{"192.0.2.1", Error, 2}, true},
		"a class that is unknown":   {response{"192.0.2.1", Error, 1}, response{"192.0.2.1", 200, 2}, true},
		"error and another":         {response{"192.0.2.1", Error, 0}, response{"192.0.2.1", Any, 0}, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l := limiter(t, slow)
			full(t, l, netip.MustParseAddr(test.a.client), test.a.class, test.a.hash, 0)
			shared := l.Check(netip.MustParseAddr(test.b.client), test.b.class, test.b.hash, 0).Action != Pass
			if shared != test.share {
				t.Errorf("shared: %v, want %v", shared, test.share)
			}
		})
	}
}

func TestPrefixLengths(t *testing.T) {
	tests := map[string]struct {
		ipv4, ipv6 int
		a, b       string
		share      bool
	}{
		"a host":         {32, 128, "192.0.2.1", "192.0.2.0", false},
		"an IPv4 /9":     {9, 56, "10.0.0.1", "10.127.255.255", true},
		"two IPv4 /9":    {9, 56, "10.0.0.1", "10.128.0.0", false},
		"an IPv6 /64":    {24, 64, "2001:db8::1", "2001:db8::ffff:0:0:0", true},
		"two IPv6 /64":   {24, 64, "2001:db8::1", "2001:db8:0:1::1", false},
		"an IPv6 /65":    {24, 65, "2001:db8::1", "2001:db8::8000:0:0:1", false},
		"two IPv6 hosts": {24, 128, "2001:db8::1", "2001:db8::", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l := limiter(t, func(o *Options) { o.IPv4Prefix, o.IPv6Prefix = test.ipv4, test.ipv6 })
			a, b := netip.MustParseAddr(test.a), netip.MustParseAddr(test.b)
			full(t, l, a, Positive, 1, 0)
			if shared := l.Check(b, Positive, 1, 0).Action != Pass; shared != test.share {
				t.Errorf("%v and %v share a bucket: %v, want %v", a, b, shared, test.share)
			}
			if same := l.Network(a) == l.Network(b); same != test.share {
				t.Errorf("%v and %v are one network in the log: %v, want %v", a, b, same, test.share)
			}
		})
	}
}

func TestNetwork(t *testing.T) {
	l := limiter(t, nil)
	for client, want := range map[string]string{
		"192.0.2.77":         "192.0.2.0/24",
		"::ffff:192.0.2.77":  "192.0.2.0/24",
		"2001:db8:1:2ff::9":  "2001:db8:1:200::/56",
		"fe80::1%interface0": "fe80::/56",
	} {
		if got := l.Network(netip.MustParseAddr(client)).String(); got != want {
			t.Errorf("%s is counted as %s, want %s", client, got, want)
		}
	}
}

// A caller's mistake is counted, like a client, and does not panic.
func TestNoAddress(t *testing.T) {
	l := limiter(t, func(o *Options) { o.Exempt = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} })
	full(t, l, netip.Addr{}, Positive, 1, 0)
	if n := l.Network(netip.Addr{}); n.IsValid() {
		t.Errorf("no address is counted as %v", n)
	}
}

func TestSlip(t *testing.T) {
	const limited = 30_000
	for slip, share := range map[int]float64{0: 0, 1: 1, 2: 1. / 2, 3: 1. / 3, 10: 1. / 10} {
		l := limiter(t, func(o *Options) { o.Slip = slip })
		full(t, l, victim, Positive, 1, 0)
		var slips float64
		for range limited {
			switch l.Check(victim, Positive, 1, 0).Action {
			case Pass:
				t.Fatal("a full bucket lets one pass")
			case Slip:
				slips++
			}
		}
		// Seven standard deviations are 400 years of tests, one a millisecond.
		want, deviation := limited*share, math.Sqrt(limited*share*(1-share))
		if math.Abs(slips-want) > 7*deviation {
			t.Errorf("slip %d: %v of %d slipped, want about %v", slip, slips, limited, want)
		}
	}
}

func TestExempt(t *testing.T) {
	l := limiter(t, func(o *Options) {
		slow(o)
		o.Exempt = []netip.Prefix{netip.MustParsePrefix("192.0.2.128/25"), netip.MustParsePrefix("2001:db8::/32")}
	})
	for _, friend := range []string{"192.0.2.200", "::ffff:192.0.2.200", "2001:db8:1::1"} {
		if got := passing(l, 100, netip.MustParseAddr(friend), Positive, 1, 0); got != 100 {
			t.Errorf("%s: %d of 100 passed", friend, got)
		}
	}
	if got := passing(l, 100, victim, Positive, 1, 0); got != 3 {
		t.Errorf("%d of 100 passed to the rest of the /24, want its burst of 3", got)
	}
}

func TestRateZeroLimitsNothing(t *testing.T) {
	l := limiter(t, func(o *Options) { o.Rate, o.Burst = 0, 0 })
	if got := passing(l, 100_000, victim, Error, 0, 0); got != 100_000 {
		t.Errorf("%d of 100,000 passed", got)
	}
	if got := l.Network(victim).String(); got != "192.0.2.0/24" {
		t.Errorf("network %s", got)
	}
}
