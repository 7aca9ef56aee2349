package answer

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestHashTable holds the table to a map from hashes to the places added with them. The
// hashes have few upper halves, so that many share one, and begin anywhere.
func TestHashTable(t *testing.T) {
	hashes := rapid.Custom(func(t *rapid.T) uint64 {
		upper := rapid.SampledFrom([]uint64{0, 1, 1 << 31, 1<<32 - 1, 0xdeadbeef, 0x80000001}).Draw(t, "upper")
		return upper<<32 | uint64(rapid.Uint32().Draw(t, "lower"))
	})
	rapid.Check(t, func(t *rapid.T) {
		table := newHashTable(rapid.IntRange(0, 20).Draw(t, "expected"))
		want := make(map[uint32][]int) // by upper half, which is all that a slot has
		for place, hash := range rapid.SliceOfN(hashes, 0, 200).Draw(t, "hashes") {
			table.add(hash, place)
			want[uint32(hash>>32)] = append(want[uint32(hash>>32)], place)
		}
		for _, upper := range append(uppers(want), 7, 1<<31-1) {
			got := places(&table, uint64(upper)<<32)
			if !slices.Equal(got, want[upper]) {
				t.Fatalf("hash %x has the places %v, want %v", upper, got, want[upper])
			}
		}
		if first, last := table.begin(0), table.begin(1<<64-1); first != 0 || last != len(table.slots)-1 {
			t.Errorf("items begin at slots %d to %d of %d", first, last, len(table.slots))
		}
		if used := 3 * table.used; used > 2*len(table.slots)+3 {
			t.Errorf("%d of %d slots are used", table.used, len(table.slots))
		}
	})
}

func uppers(m map[uint32][]int) []uint32 {
	var list []uint32
	for upper := range m {
		list = append(list, upper)
	}
	return list
}

// places lists what is found under a hash, sorted.
func places(table *hashTable, hash uint64) []int {
	var list []int
	for place, next := table.find(hash, table.begin(hash)); place >= 0; place, next = table.find(hash, next) {
		list = append(list, place)
	}
	slices.Sort(list)
	return list
}

// TestHashTableGrows fills one from nothing with as many places as a large zone has.
func TestHashTableGrows(t *testing.T) {
	const items = 100_000
	hash := func(i int) uint64 { return uint64(i+1) * 0x9e3779b97f4a7c15 }
	table := newHashTable(0)
	for i := range items {
		table.add(hash(i), i)
	}
	for i := range items {
		if got := places(&table, hash(i)); !slices.Contains(got, i) {
			t.Fatalf("place %d is not found, but %v", i, got)
		}
	}
	if n := len(table.slots); n > 4*items {
		t.Errorf("%d slots for %d items", n, items)
	}
}

// TestHashTableOfKnownSize does not grow if the size was told.
func TestHashTableOfKnownSize(t *testing.T) {
	for n := range 200 {
		table := newHashTable(n)
		before := len(table.slots)
		for i := range n {
			table.add(uint64(i+1)*0x9e3779b97f4a7c15, i)
		}
		if len(table.slots) != before {
			t.Errorf("%d items: from %d slots to %d", n, before, len(table.slots))
		}
	}
}
