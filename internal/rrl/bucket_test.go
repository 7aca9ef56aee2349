package rrl

import (
	"encoding/binary"
	"net/netip"
	"testing"
)

// Networks, names and classes that are numbered one after the other, as they are in life, are
// spread over the table as evenly as by chance, and each gets a key of its own.
func TestKeysSpread(t *testing.T) {
	const keys, sets, mean = 1 << 16, 1 << 10, 64
	l := limiter(t, nil)
	name := uint64(0x123456789abcdef)
	for kind, key := range map[string]func(i uint32) uint64{
		"IPv4 networks": func(i uint32) uint64 { return l.key(address(i<<8), Positive, name) },
		"IPv6 networks, in classes": func(i uint32) uint64 {
			ip := [16]byte{0x20, 0x01, 0x0d, 0xb8}
			binary.BigEndian.PutUint32(ip[3:], i>>2)
			return l.key(netip.AddrFrom16(ip), Class(i&3), name)
		},
		"names":       func(i uint32) uint64 { return l.key(victim, Positive, uint64(i)) },
		"hashed high": func(i uint32) uint64 { return l.key(victim, Positive, uint64(i)<<48) },
		"classes":     func(i uint32) uint64 { return l.key(victim, Class(i&3), uint64(i>>2)) },
	} {
		seen := make(map[uint64]bool, keys)
		var inSet, withTag [sets]int
		for i := range uint32(keys) {
			k := key(i)
			seen[k] = true
			inSet[k%sets]++
			withTag[k>>54]++
		}
		if len(seen) != keys {
			t.Errorf("%s: %d keys for %d", kind, len(seen), keys)
		}
		for i := range sets {
			// Ten standard deviations.
			if max(inSet[i], withTag[i]) > mean+80 {
				t.Errorf("%s: %d keys in set %d, and %d whose tag begins so, want about %d", kind, inSet[i], i, withTag[i], mean)
			}
		}
	}
}

func TestKeysAreAnotherInEachProcess(t *testing.T) {
	a, b := limiter(t, nil), limiter(t, nil)
	if a.key(victim, Positive, 1) == b.key(victim, Positive, 1) {
		t.Error("two limiters share a seed")
	}
}
