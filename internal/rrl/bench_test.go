package rrl

import (
	"encoding/binary"
	"net/netip"
	"sync/atomic"
	"testing"
)

// A microsecond from one response to the next, as at a million a second.
const step = 1000

func BenchmarkCheck(b *testing.B) {
	b.Run("pass", func(b *testing.B) {
		l := limiter(b, func(o *Options) { o.Rate, o.Burst = maxRate, maxRate })
		b.ReportAllocs()
		for now := int64(0); b.Loop(); now += step {
			l.Check(victim, Positive, 1, now)
		}
	})
	b.Run("limited", func(b *testing.B) {
		l := limiter(b, nil)
		b.ReportAllocs()
		for now := int64(0); b.Loop(); now += step {
			l.Check(victim, Positive, 1, now)
		}
	})
	b.Run("exempted", func(b *testing.B) {
		l := limiter(b, func(o *Options) { o.Exempt = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} })
		b.ReportAllocs()
		for now := int64(0); b.Loop(); now += step {
			l.Check(victim, Positive, 1, now)
		}
	})
	// Each response in another bucket, all over the table.
	b.Run("networks", func(b *testing.B) {
		l := limiter(b, nil)
		b.ReportAllocs()
		i := uint32(0)
		for now := int64(0); b.Loop(); now += step {
			i += 0x9e3779b1
			l.Check(address(i), Positive, 1, now)
		}
	})
	// The same, with a table that is too small: each response takes another's place.
	b.Run("crowded", func(b *testing.B) {
		l := limiter(b, func(o *Options) { o.Rate, o.Burst, o.Buckets = 1, 5, 1<<10 })
		b.ReportAllocs()
		i := uint32(0)
		for now := int64(0); b.Loop(); now += step {
			i += 0x9e3779b1
			l.Check(address(i), Positive, 1, now)
		}
	})
}

// All workers answer to one network that is attacked.
func BenchmarkCheckParallel(b *testing.B) {
	l := limiter(b, nil)
	var workers atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		now := workers.Add(1)
		for ; pb.Next(); now += step {
			l.Check(victim, Positive, 1, now)
		}
	})
}

func address(i uint32) netip.Addr {
	var ip [4]byte
	binary.BigEndian.PutUint32(ip[:], i)
	return netip.AddrFrom4(ip)
}
