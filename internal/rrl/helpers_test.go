package rrl

import (
	"net/netip"
	"testing"
	"time"
)

const (
	ms     = int64(time.Millisecond)
	second = int64(time.Second)
)

var (
	victim = netip.MustParseAddr("192.0.2.1")
	other  = netip.MustParseAddr("198.51.100.1")
)

// fataler is a test or a property.
type fataler interface {
	Helper()
	Fatal(args ...any)
}

// limiter makes a Limiter of the default options as change leaves them.
func limiter(t fataler, change func(*Options)) *Limiter {
	t.Helper()
	o := Defaults()
	if change != nil {
		change(&o)
	}
	l, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// slow lets one response in 100 ms pass, and three at once.
func slow(o *Options) { o.Rate, o.Burst = 10, 3 }

// passing is how many of n responses pass.
func passing(l *Limiter, n int, client netip.Addr, class Class, hash uint64, now int64) (passed int) {
	for range n {
		if l.Check(client, class, hash, now).Action == Pass {
			passed++
		}
	}
	return passed
}

// full fills a bucket.
func full(t testing.TB, l *Limiter, client netip.Addr, class Class, hash uint64, now int64) {
	t.Helper()
	for range 1_000_000 {
		if l.Check(client, class, hash, now).Action != Pass {
			return
		}
	}
	t.Fatal("the bucket does not fill")
}
