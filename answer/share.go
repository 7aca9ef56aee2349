package answer

import (
	"encoding/binary"
	"math/bits"
	"net/netip"

	"github.com/dchest/siphash"
)

// column is one column of Walker's alias table as Vose builds it: a draw takes two steps, however
// many shares there are. The column is the share itself if the rest of the random number is below
// the threshold, otherwise the other one.
type column struct {
	threshold uint32
	other     int32
}

// newColumns builds the table of the shares' weights.
func newColumns(shares []share) []column {
	n := uint64(len(shares))
	var sum uint64
	for i := range shares {
		sum += uint64(shares[i].weight)
	}
	// Of each column, sum is as much as it can hold, and n times a weight is what a share has.
	left := make([]uint64, n)
	var small, large []int
	for i := range shares {
		left[i] = uint64(shares[i].weight) * n
		if left[i] < sum {
			small = append(small, i)
		} else {
			large = append(large, i)
		}
	}
	columns := make([]column, n)
	for i := range columns {
		columns[i] = column{1<<32 - 1, int32(i)}
	}
	for len(small) > 0 && len(large) > 0 {
		least, most := small[len(small)-1], large[len(large)-1]
		small = small[:len(small)-1]
		hi, lo := bits.Mul64(left[least], 1<<32)
		threshold, _ := bits.Div64(hi, lo, sum)
		columns[least] = column{uint32(threshold), int32(most)}
		if left[most] -= sum - left[least]; left[most] < sum {
			large = large[:len(large)-1]
			small = append(small, most)
		}
	}
	return columns
}

// draw picks a share by weight with a random number.
func draw(columns []column, random uint64) int {
	i := below(random, len(columns))
	if uint32(random) < columns[i].threshold {
		return i
	}
	return int(columns[i].other)
}

// The networks that stick together: as large as a provider moves one client around in.
const (
	stickyIPv4 = 24
	stickyIPv6 = 56
)

// network is a number of the network that a client is in, and the length of its prefix. A client
// of which nothing is known has 0 and 0.
func network(client netip.Addr) (key uint64, bits int) {
	switch {
	case client.Is4():
		as4 := client.As4()
		return 1<<63 | uint64(binary.BigEndian.Uint32(as4[:])>>(32-stickyIPv4)), stickyIPv4
	case client.Is6():
		as16 := client.As16()
		return binary.BigEndian.Uint64(as16[:8]) >> (64 - stickyIPv6), stickyIPv6
	}
	return 0, 0
}

// seedOf is a number made of a pool's name, the same on all servers.
func seedOf(pool string) uint64 { return siphash.Hash(0, 0, []byte(pool)) }

// stickTo is weighted rendezvous hashing: each share draws a time for the client, exponentially
// distributed with the weight as its rate, and always the same for one client and one pool. The share
// with the shortest time gets the client. So when a pool goes, only its own clients move, and when it
// is back, only they return. All is integer arithmetic, so that all servers agree.
func stickTo(shares []share, client uint64) int {
	client = mix(client)
	best, bestTime := 0, exponential(shares[0].seed^client)
	for i := 1; i < len(shares); i++ {
		time := exponential(shares[i].seed ^ client)
		// time / weight < bestTime / bestWeight. Both products have at most 37 + 21 bits.
		if time*uint64(shares[best].weight) < bestTime*uint64(shares[i].weight) {
			best, bestTime = i, time
		}
	}
	return best
}

// exponential is -log2 of a number between 0 and 1 that is made of another, times 2^31.
func exponential(of uint64) uint64 { return 64<<31 - log2(mix(of)|1) }

// golden is the odd number next to 2^64 divided by the golden ratio.
const golden = 0x9e3779b97f4a7c15

// mix is the finalizer of SplitMix64: each bit of the result depends on every bit of x.
func mix(x uint64) uint64 {
	x += golden
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// log2 is the binary logarithm of a number that is not 0, times 2^31: from a table, with straight
// lines between its entries. It is wrong by less than 2^-18.
func log2(x uint64) uint64 {
	zeros := bits.LeadingZeros64(x)
	mantissa := x << zeros << 1 // without the leading one, as a fraction of 2^64
	i := mantissa >> (64 - logBits)
	rest := mantissa << logBits >> 32
	low, high := uint64(logarithms[i]), uint64(logarithms[i+1])
	return uint64(63-zeros)<<31 + low + (high-low)*rest>>32
}

const logBits = 10

// logarithms are those of 1, 1 + 2^-10, … 2, times 2^31.
var logarithms = newLogarithms()

// newLogarithms computes them digit by digit: squaring a number doubles its logarithm. No floating
// point is used, which may differ between processors.
func newLogarithms() (table [1<<logBits + 1]uint32) {
	for i := range table[:1<<logBits] {
		x := uint64(1<<logBits+i) << (63 - logBits) // between 1 and 2, times 2^63
		for range 31 {
			high, low := bits.Mul64(x, x)
			x = high<<1 | low>>63 // times 2^63 again, if it is below 2
			table[i] <<= 1
			if high>>63 != 0 {
				table[i] |= 1
				x = high
			}
		}
	}
	table[1<<logBits] = 1 << 31
	return table
}
