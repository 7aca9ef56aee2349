package geotest

import (
	"encoding/binary"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/netip"
)

// Network is a network, and what is known of it.
type Network struct {
	Prefix netip.Prefix
	Record Record
}

// places are countries with their share of addresses (in thousands), where they are and how far
// they reach, in degrees, and some of their subdivisions.
var places = []struct {
	share               int
	continent, country  string
	latitude, longitude float64
	reach               float64
	subdivisions        []string
}{
	{380, "NA", "US", 38, -97, 12, []string{"CA", "NY", "TX", "FL", "WA", "VA", "IL", "OH"}},
	{20, "NA", "CA", 50, -95, 12, []string{"ON", "QC", "BC", "AB"}},
	{10, "NA", "MX", 23, -102, 7, []string{"CMX", "JAL"}},
	{25, "SA", "BR", -14, -51, 12, []string{"SP", "RJ"}},
	{6, "SA", "AR", -34, -64, 9, nil},
	{6, "SA", "CO", 4, -73, 5, nil},
	{33, "EU", "DE", 51, 10, 4, []string{"BE", "BY", "HE", "NW"}},
	{34, "EU", "GB", 53, -2, 3, []string{"ENG", "SCT", "WLS"}},
	{24, "EU", "FR", 46, 2, 4, []string{"IDF", "ARA"}},
	{16, "EU", "IT", 42, 12, 4, nil},
	{14, "EU", "NL", 52, 5, 1, []string{"NH", "ZH"}},
	{9, "EU", "ES", 40, -4, 4, nil},
	{14, "EU", "RU", 56, 60, 25, nil},
	{7, "EU", "PL", 52, 19, 3, nil},
	{9, "EU", "SE", 60, 15, 5, nil},
	{90, "AS", "CN", 35, 104, 15, []string{"BJ", "SH", "GD"}},
	{55, "AS", "JP", 36, 138, 5, []string{"13", "27"}},
	{30, "AS", "KR", 36, 128, 2, nil},
	{12, "AS", "IN", 21, 78, 9, []string{"MH", "KA"}},
	{9, "AS", "TW", 24, 121, 1, nil},
	{5, "AS", "SG", 1.3, 103.8, 0.1, nil},
	{5, "AS", "TR", 39, 35, 5, nil},
	{13, "OC", "AU", -25, 133, 13, []string{"NSW", "VIC", "QLD"}},
	{3, "OC", "NZ", -41, 174, 4, nil},
	{2, "OC", "FJ", -17, 179, 1, nil},
	{8, "AF", "ZA", -29, 24, 5, []string{"GP", "WC"}},
	{3, "AF", "EG", 27, 30, 4, nil},
	{2, "AF", "KE", 0, 38, 4, nil},
	{1, "AF", "NA", -22, 17, 4, nil},
}

// world draws networks as they are in real databases: registries give blocks to countries, and
// these are cut into networks of cities and of providers.
type world struct {
	*rand.Rand
	cities [][]Record // by place
	weight int
}

func newWorld(seed uint64) *world {
	w := &world{Rand: rand.New(rand.NewPCG(seed, seed))}
	for _, p := range places {
		w.weight += p.share
		var cities []Record
		for i := range 40 + 40*p.share {
			r := Record{
				Country: p.country, Registered: p.country, Continent: p.continent,
				City: fmt.Sprintf("City %d of %s", i, p.country),
				At: &[2]float64{
					round(p.latitude + p.reach*(2*w.Float64()-1)),
					round(p.longitude + p.reach*(2*w.Float64()-1)),
				},
			}
			if n := len(p.subdivisions); n > 0 {
				r.Subdivisions = p.subdivisions[i%n : i%n+1]
			}
			cities = append(cities, r)
		}
		w.cities = append(w.cities, cities)
	}
	return w
}

// round leaves four digits after the point, as databases have them.
func round(degrees float64) float64 {
	if degrees > 180 {
		degrees -= 360
	}
	return float64(int(degrees*10_000)) / 10_000
}

// place draws a country.
func (w *world) place() int {
	n := w.IntN(w.weight)
	for i, p := range places {
		if n -= p.share; n < 0 {
			return i
		}
	}
	return 0
}

// Cities draws n networks of both families, in the order of their addresses, each with the record
// of a city. Equal seeds draw the same.
func Cities(n int, seed uint64) iter.Seq[Network] {
	return draw(n, seed, func(w *world, place int) func() Record {
		return func() Record {
			if w.IntN(50) == 0 {
				place = w.place()
			}
			cities := w.cities[place]
			// Most are in the large cities.
			f := w.Float64()
			return cities[int(f*f*f*float64(len(cities)))]
		}
	})
}

// ASNs draws n networks like Cities does, each with the number of an autonomous system.
func ASNs(n int, seed uint64) iter.Seq[Network] {
	return draw(n, seed, func(w *world, _ int) func() Record {
		return func() Record {
			f := w.Float64()
			return Record{ASN: 1 + uint32(f*f*80_000)}
		}
	})
}

// draw draws networks, two of three of IPv4. For every block that a registry gives to a country,
// fill tells what draws the records in it.
func draw(n int, seed uint64, fill func(w *world, place int) func() Record) iter.Seq[Network] {
	return func(yield func(Network) bool) {
		w := newWorld(seed)
		left := n
		// Keys are the first 32 bits of IPv4 and the first 64 of IPv6.
		cut := func(from, to uint64, width, block, mean int, count int, prefix func(key uint64, bits int) netip.Prefix) bool {
			for key := from; key < to && count > 0; {
				end := min(to, (key>>block+1)<<block)
				record := fill(w, w.place())
				for key < end && count > 0 && left > 0 {
					size := mean - 3 + w.IntN(6)
					for key&(1<<size-1) != 0 || key+1<<size > end {
						size--
					}
					if !yield(Network{prefix(key, width-size), record()}) {
						return false
					}
					key += 1 << size
					count--
					left--
				}
			}
			return true
		}
		v4 := n * 2 / 3
		if !cut(1<<24, 224<<24, 32, 16, fit(223<<24, v4), v4, func(key uint64, bits int) netip.Prefix {
			return netip.PrefixFrom(netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, uint32(key)))), bits)
		}) {
			return
		}
		// In 2400::/12 to 2c00::/12, the blocks that registries give from.
		for i := range 5 {
			from := uint64(0x2400+0x200*i) << 48
			count := left / (5 - i)
			if !cut(from, from+1<<52, 64, 36, max(fit(1<<52, count), 18), count, func(key uint64, bits int) netip.Prefix {
				var b [16]byte
				binary.BigEndian.PutUint64(b[:], key)
				return netip.PrefixFrom(netip.AddrFrom16(b), bits)
			}) {
				return
			}
		}
	}
}

// fit is how many bits the networks have so that about n of them fill a space.
func fit(space uint64, n int) int {
	bits := 3
	for bits < 60 && space>>bits > uint64(n) {
		bits++
	}
	return bits
}

// Make makes a database of networks.
func Make(kind string, networks iter.Seq[Network]) (*Database, error) {
	d, err := New(kind, 6)
	if err != nil {
		return nil, err
	}
	for n := range networks {
		if err := d.Add(n.Prefix, n.Record); err != nil {
			return nil, fmt.Errorf("%s: %w", n.Prefix, err)
		}
	}
	return d, nil
}
