package answer

import "math/bits"

// hashTable finds the places of items by a hash: open addressing with linear probing, never
// more than two thirds full. A slot holds the hash's upper half above the item's place, so
// that what is not there is nearly always known without a look at the items; it has no
// pointers for the garbage collector to follow. The upper bits also say where to begin, so
// that the table can grow without the hashes.
type hashTable struct {
	slots []uint64 // 0: free; otherwise the hash's upper half, and the place plus one
	used  int
	shift int // that leaves of a hash the slot to begin at
}

const placeMask = 1<<32 - 1

// newHashTable has room for n items.
func newHashTable(n int) hashTable {
	log := bits.Len(uint(n + n/2))
	return hashTable{slots: make([]uint64, 1<<log), shift: 64 - log}
}

// begin is the slot at which the items of some hash begin.
func (t *hashTable) begin(hash uint64) int { return int(hash >> t.shift) }

// find returns the place of the first item at or after slot from that has the upper half
// of hash, and the slot to go on from if it is another one; negative: there is none.
func (t *hashTable) find(hash uint64, from int) (place, next int) {
	mask := len(t.slots) - 1
	for at := from; ; at++ {
		slot := t.slots[at&mask]
		if slot == 0 {
			return -1, 0
		}
		if slot>>32 == hash>>32 {
			return int(slot&placeMask) - 1, at + 1
		}
	}
}

// add puts in the place of an item that is not in yet.
func (t *hashTable) add(hash uint64, place int) {
	if t.used++; t.used+t.used/2 >= len(t.slots) {
		old := t.slots
		*t = hashTable{slots: make([]uint64, 2*len(old)), used: t.used, shift: t.shift - 1}
		for _, slot := range old {
			if slot != 0 {
				t.put(slot)
			}
		}
	}
	t.put(hash&^placeMask | uint64(place+1))
}

func (t *hashTable) put(slot uint64) {
	mask := len(t.slots) - 1
	at := t.begin(slot)
	for ; t.slots[at&mask] != 0; at++ {
	}
	t.slots[at&mask] = slot
}
