package geodb

import (
	"fmt"
	"iter"
	"math/bits"
	"math/rand/v2"
	"net/netip"

	"github.com/maxmind/mmdbwriter/mmdbtype"
)

// walk goes through the address space, network by network, and always the same way.
type walk struct {
	random *rand.Rand
	world  *world
	wider  int // by so many bits is every network wider than in a database of full size
	v6     int // networks of IPv6
}

// full is the size in which lengths are those of MaxMind's databases. The share of IPv6 is that, too.
const (
	full    = 5_000_000
	v6Share = 0.3
)

func newWalk(networks int, w *world) *walk {
	return &walk{
		random: rand.New(rand.NewPCG(1, 2)), world: w,
		wider: max(0, bits.Len(uint(full/max(1, networks)))-1), v6: int(v6Share * float64(networks)),
	}
}

// share is a length of networks, and how many of a thousand have it.
type share struct{ length, of int }

// The lengths of networks before they are made to fit into what is free. With these, IPv4 has
// three and a half million networks.
var (
	v4Lengths = []share{
		{10, 1}, {13, 1}, {14, 2}, {15, 4}, {16, 10}, {17, 10}, {18, 25}, {19, 50}, {20, 140}, {21, 200}, {22, 275}, {23, 130}, {24, 130},
		{25, 8}, {26, 5}, {27, 4}, {28, 3}, {29, 2},
	}
	v6Lengths = []share{{29, 20}, {32, 300}, {36, 90}, {40, 110}, {44, 100}, {48, 380}}
)

// networks goes through IPv4 in full, but for what no host has, and then IPv6 as far as there are
// networks for.
func (w *walk) networks() iter.Seq[netip.Prefix] {
	return func(yield func(netip.Prefix) bool) {
		for at := uint64(1 << 24); at < 224<<24; {
			if at>>24 == 10 { // private
				at += 1 << 24
			}
			length := max(w.draw(v4Lengths)-w.wider, 32-bits.TrailingZeros64(at), 8)
			addr := netip.AddrFrom4([4]byte{byte(at >> 24), byte(at >> 16), byte(at >> 8), byte(at)})
			if !yield(netip.PrefixFrom(addr, length)) {
				return
			}
			at += 1 << (32 - length)
		}
		// What the registries give out begins at these /12s, of which each has the next five, too.
		regions := []uint64{0x2400 << 48, 0x2600 << 48, 0x2800 << 48, 0x2a00 << 48, 0x2c00 << 48}
		for i, at := range regions {
			end := at + 6<<52
			for range (w.v6 + len(regions) - 1 - i) / len(regions) {
				length := max(w.draw(v6Lengths)-w.wider, 16)
				size := uint64(1) << (64 - length)
				at = (at + size - 1) &^ (size - 1) // leaving out what is too narrow, as registries do
				var addr [16]byte
				for b := range 8 {
					addr[b] = byte(at >> (56 - 8*b))
				}
				if at >= end || !yield(netip.PrefixFrom(netip.AddrFrom16(addr), length)) {
					return
				}
				at += size
			}
		}
	}
}

func (w *walk) draw(lengths []share) int {
	at := w.random.IntN(1000)
	for _, s := range lengths {
		if at -= s.of; at < 0 {
			return s.length
		}
	}
	return lengths[len(lengths)-1].length
}

// cities are the networks and where each is. Some sixteen neighbours are of one country, among
// them a few of another one. Next to each other are hardly ever two of one city, which would be one
// network.
func (w *walk) cities() iter.Seq2[netip.Prefix, city] {
	const (
		together = 16 // networks of one country, on average
		sameWay  = 70 // per cent of changes that stay on the continent
		strays   = 40 // one of so many is from elsewhere
	)
	return func(yield func(netip.Prefix, city) bool) {
		country := w.world.at(w.random)
		last := 0
		for network := range w.networks() {
			if w.random.IntN(together) == 0 {
				next := w.world.at(w.random)
				if near := w.world.continents[countries[country].continent]; w.random.IntN(100) < sameWay {
					next = near[w.random.IntN(len(near))]
				}
				country, last = next, w.random.IntN(1<<30)
			}
			found := w.world.cities[country]
			last += 1 + w.random.IntN(len(found)-1) // another one than before
			place := found[last%len(found)]
			if w.random.IntN(strays) == 0 {
				place = w.world.anywhere(w.random)
			}
			if !yield(network, place) {
				return
			}
		}
	}
}

// FirstASN is the number of an autonomous system that has more networks than any other.
const FirstASN = 1000

// systems are the networks and whose each is: of 60,000, of which the first have the most.
func (w *walk) systems() iter.Seq2[netip.Prefix, mmdbtype.Map] {
	const count = 60_000
	return func(yield func(netip.Prefix, mmdbtype.Map) bool) {
		for network := range w.networks() {
			size := 1 + w.random.IntN(count) // evenly, and then once more among those up to it
			number := FirstASN + w.random.IntN(size)
			record := mmdbtype.Map{
				"autonomous_system_number":       mmdbtype.Uint32(number),
				"autonomous_system_organization": mmdbtype.String(fmt.Sprintf("Network %d", number)),
			}
			if !yield(network, record) {
				return
			}
		}
	}
}
