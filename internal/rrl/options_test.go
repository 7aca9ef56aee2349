package rrl

import (
	"math"
	"net/netip"
	"strings"
	"testing"
	"unsafe"
)

func TestNewRefuses(t *testing.T) {
	tests := map[string]struct {
		change func(*Options)
		want   string
	}{
		"rate below":      {func(o *Options) { o.Rate = -1 }, "rrl: rate is -1, must be from 0 to 1000000"},
		"rate above":      {func(o *Options) { o.Rate = math.MaxInt }, "rrl: rate is"},
		"no burst":        {func(o *Options) { o.Burst = 0 }, "rrl: burst is 0, must be from 1 to 60000"},
		"burst above":     {func(o *Options) { o.Rate, o.Burst = 1, 61 }, "rrl: burst is 61, must be from 1 to 60"},
		"slip below":      {func(o *Options) { o.Slip = -1 }, "rrl: slip is -1"},
		"slip above":      {func(o *Options) { o.Slip = 101 }, "rrl: slip is 101"},
		"all of IPv4":     {func(o *Options) { o.IPv4Prefix = 0 }, "rrl: IPv4 prefix length is 0"},
		"IPv4 above":      {func(o *Options) { o.IPv4Prefix = 33 }, "rrl: IPv4 prefix length is 33"},
		"IPv6 above":      {func(o *Options) { o.IPv6Prefix = 129 }, "rrl: IPv6 prefix length is 129"},
		"no buckets":      {func(o *Options) { o.Buckets = 0 }, "rrl: number of buckets is 0"},
		"buckets above":   {func(o *Options) { o.Buckets = maxBuckets + 1 }, "rrl: number of buckets is"},
		"no network":      {func(o *Options) { o.Exempt = make([]netip.Prefix, 1) }, "rrl: an exempt network is invalid Prefix"},
		"IPv4 inside":     {func(o *Options) { o.Exempt = []netip.Prefix{netip.MustParsePrefix("::ffff:192.0.2.0/120")} }, "write it as IPv4"},
		"the first of it": {func(o *Options) { *o = Options{Rate: 1} }, "rrl: burst is 0"},
		"the last of it":  {func(o *Options) { *o = Options{Rate: 1} }, "rrl: number of buckets is 0"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := Defaults()
			test.change(&o)
			if _, err := New(o); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

func TestNewTakesTheLimits(t *testing.T) {
	for _, o := range []Options{
		{Rate: 0, IPv4Prefix: 1, IPv6Prefix: 1, Buckets: 1},
		{Rate: 1, Burst: 60, IPv4Prefix: 32, IPv6Prefix: 128, Buckets: 1, Slip: 100},
		{Rate: maxRate, Burst: 100_000, IPv4Prefix: 32, IPv6Prefix: 128, Buckets: 9},
	} {
		l, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		if o.Rate > 0 && passing(l, 2*o.Burst, victim, Positive, 1, 0) != o.Burst {
			t.Errorf("%+v: another number than the burst passes", o)
		}
	}
}

func TestTableSize(t *testing.T) {
	for buckets, want := range map[int]int{1: 8, 8: 8, 9: 16, 1000: 1024, 1 << 17: 1 << 17} {
		l := limiter(t, func(o *Options) { o.Buckets = buckets })
		if got := len(l.sets) * len(set{}); got != want {
			t.Errorf("%d buckets become %d, want %d", buckets, got, want)
		}
	}
	l := limiter(t, nil)
	if at := uintptr(unsafe.Pointer(&l.sets[0])); at%64 != 0 {
		t.Errorf("the table is at %#x, which is not the beginning of a cache line", at)
	}
}
