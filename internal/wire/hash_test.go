package wire

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Every suffix has the hash that it would have as a name of its own, so that equal names
// have equal hashes, however they were reached.
func TestHashOfSuffixes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := names().Draw(t, "name")
		var whole, part Hashes
		n.Hash(&whole)
		for i := range n.Labels() + 1 {
			var suffix Name
			if _, ok := suffix.Read(n.Suffix(i), 0); !ok {
				t.Fatalf("%q is refused", n.Suffix(i))
			}
			suffix.Hash(&part)
			if whole[i] != part[0] {
				t.Errorf("%q has another hash below %q", suffix.Bytes(), n.Bytes())
			}
		}
	})
}

// TestHashTellsApart hashes names that differ as little as names do: none may collide, and
// the bits that a table uses, which are the upper ones, must be spread.
func TestHashTellsApart(t *testing.T) {
	seen := make(map[uint64]string)
	const slots = 1 << 8
	var spread [slots]int
	add := func(text string) {
		n, ok := ParseName(text)
		if !ok {
			t.Fatalf("%s is refused", text)
		}
		var h Hashes
		n.Hash(&h)
		if other, taken := seen[h[0]]; taken {
			t.Fatalf("%s and %s have the same hash", text, other)
		}
		seen[h[0]] = text
		spread[h[0]>>56]++
	}
	for i := range 50_000 {
		add(fmt.Sprintf("n%d.gslb.example.com.", i))
		add(fmt.Sprintf("%08x.example.com.", i))
	}
	for i := range maxLabel { // padding, and where a label ends
		add(strings.Repeat(`\000`, i+1) + ".")
		add(strings.Repeat("a", i+1) + ".")
		add(strings.Repeat("a.", i+2))
	}
	mean := len(seen) / slots
	for slot, n := range spread {
		if n < mean*3/4 || n > mean*5/4 {
			t.Errorf("%d names of %d in slot %d, about %d expected", n, len(seen), slot, mean)
		}
	}
}
