package rrl

import (
	"net/netip"
	"testing"
)

// Every response over UDP is checked.
func TestNoAllocations(t *testing.T) {
	l := limiter(t, func(o *Options) {
		o.Slip = 2
		o.Exempt = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	})
	full(t, l, other, Positive, 1, 0)
	now := int64(0)
	for name, client := range map[string]netip.Addr{
		"exempted": victim,
		"limited":  other,
		"IPv6":     netip.MustParseAddr("2001:db8::1"),
		"mapped":   netip.MustParseAddr("::ffff:203.0.113.1"),
	} {
		if allocs := testing.AllocsPerRun(1000, func() {
			now++
			l.Check(client, Positive, 1, now)
		}); allocs != 0 {
			t.Errorf("%s: %v allocations, want none", name, allocs)
		}
	}
}
