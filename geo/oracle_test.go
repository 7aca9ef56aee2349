package geo

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"testing"

	"github.com/gaissmai/bart"
	"pgregory.net/rapid"

	"gslb/geo/geotest"
)

// plain answers a question for one address at a time: by looking it up in every database, and by
// trying every view.
type plain struct {
	question  Question
	databases []*bart.Table[geotest.Record]
	found     map[netip.Addr]Class // before
}

func (p plain) class(a netip.Addr) Class {
	c, ok := p.found[a]
	if !ok {
		c = p.find(a)
		p.found[a] = c
	}
	return c
}

func (p plain) find(a netip.Addr) Class {
	var asn uint32
	var country, continent string
	var subdivisions []string
	var at *[2]float64
	for _, d := range p.databases {
		r, ok := d.Lookup(a)
		if !ok {
			continue
		}
		of := r.Country
		if of == "" {
			of = r.Registered
		}
		if asn == 0 {
			asn = r.ASN
		}
		if country == "" {
			country = of
		}
		if continent == "" {
			continent = r.Continent
		}
		if len(subdivisions) == 0 && of != "" && of == country {
			for _, s := range r.Subdivisions {
				subdivisions = append(subdivisions, of+"-"+s)
			}
		}
		if at == nil {
			at = r.At
		}
	}
	var words []string // the views that match, the narrowest first
	for bits := 128; bits >= 0; bits-- {
		if prefix, err := a.Prefix(bits); err == nil {
			words = append(words, prefix.String())
		}
	}
	words = append(words, fmt.Sprint("asn:", asn))
	for _, s := range slices.Backward(subdivisions) {
		words = append(words, "subdivision:"+s)
	}
	words = append(words, "country:"+country, "continent:"+continent, "default")
	var c Class
	places := make(map[string]int)
	for i, v := range p.question.Views {
		places[v.String()] = i
	}
	for _, word := range words {
		if i, ok := places[word]; ok {
			c.Views = append(c.Views, i)
		}
	}
	if at != nil && len(p.question.Points) > 0 {
		for i := range p.question.Points {
			c.Order = append(c.Order, i)
		}
		slices.SortStableFunc(c.Order, func(i, j int) int {
			from := Point{at[0], at[1]}
			return from.Distance(p.question.Points[i]) - from.Distance(p.question.Points[j])
		})
	}
	return c
}

// holding leaves out the views that are networks of more bits than length.
func (p plain) holding(places []int, length int) []int {
	return slices.DeleteFunc(slices.Clone(places), func(i int) bool {
		v := p.question.Views[i]
		return v.kind == Prefix && v.prefix.Bits() > length
	})
}

func sameClass(a, b Class) bool {
	return slices.Equal(a.Views, b.Views) && slices.Equal(a.Order, b.Order)
}

// prefixes draws networks that often lie within each other, or side by side.
func prefixes(ipv6 bool) *rapid.Generator[netip.Prefix] {
	return rapid.Custom(func(t *rapid.T) netip.Prefix {
		octets := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 0x7F, 0x80, 0xFF}), 16, 16).Draw(t, "octets")
		if ipv6 {
			// Nothing around what IPv4 is embedded in (2001::/32 and 2002::/16): databases leave it out.
			octets[0] = 0x2A
			return netip.PrefixFrom(netip.AddrFrom16([16]byte(octets)), rapid.IntRange(7, 128).Draw(t, "bits")).Masked()
		}
		return netip.PrefixFrom(netip.AddrFrom4([4]byte(octets[:4])), rapid.IntRange(0, 32).Draw(t, "bits")).Masked()
	})
}

// records draws what a database knows, often nothing of something.
func records() *rapid.Generator[geotest.Record] {
	return rapid.Custom(func(t *rapid.T) geotest.Record {
		r := geotest.Record{
			Country:      rapid.SampledFrom([]string{"", "US", "CA", "FR"}).Draw(t, "country"),
			Registered:   rapid.SampledFrom([]string{"", "US", "DE"}).Draw(t, "registered"),
			Continent:    rapid.SampledFrom([]string{"", "NA", "EU"}).Draw(t, "continent"),
			Subdivisions: rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"CA", "NY", "75"}), 0, 2, rapid.ID).Draw(t, "subdivisions"),
			ASN:          rapid.SampledFrom([]uint32{0, 64500, 64501}).Draw(t, "asn"),
		}
		if rapid.Bool().Draw(t, "located") {
			r.At = &[2]float64{rapid.Float64Range(-90, 90).Draw(t, "latitude"), rapid.Float64Range(-180, 180).Draw(t, "longitude")}
		}
		return r
	})
}

// drawDatabase draws a database, and the same as a prefix table. Its networks are added to edges.
func drawDatabase(t *rapid.T, name string, edges *[]netip.Prefix) (Source, *bart.Table[geotest.Record]) {
	version := rapid.SampledFrom([]int{4, 6}).Draw(t, "version")
	networks := rapid.SliceOfNDistinct(prefixes(false), 0, 8, rapid.ID).Draw(t, "ipv4")
	if version == 6 {
		networks = append(networks, rapid.SliceOfNDistinct(prefixes(true), 0, 8, rapid.ID).Draw(t, "ipv6")...)
	}
	// The writer overwrites: shorter prefixes come first, so that longer ones stay.
	slices.SortStableFunc(networks, func(a, b netip.Prefix) int { return a.Bits() - b.Bits() })
	database, err := geotest.New("Test", version)
	if err != nil {
		t.Fatal(err)
	}
	table := new(bart.Table[geotest.Record])
	for _, network := range networks {
		r := records().Draw(t, "record")
		if err := database.Add(network, r); err != nil {
			t.Fatal(err)
		}
		table.Insert(network, r)
	}
	*edges = append(*edges, networks...)
	var b bytes.Buffer
	if _, err := database.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return Source{Name: name, Digest: name, Read: func() ([]byte, error) { return b.Bytes(), nil }}, table
}

func drawQuestion(t *rapid.T, edges *[]netip.Prefix) Question {
	words := rapid.SliceOfDistinct(rapid.SampledFrom([]string{
		"default", "continent:NA", "continent:EU", "country:US", "country:DE", "country:FR", "subdivision:US-CA", "subdivision:US-NY", "subdivision:FR-75",
		"asn:64500", "asn:64501",
	}), rapid.ID).Draw(t, "views")
	networks := slices.Concat(
		rapid.SliceOfNDistinct(prefixes(false), 0, 6, rapid.ID).Draw(t, "IPv4 views"),
		rapid.SliceOfNDistinct(prefixes(true), 0, 6, rapid.ID).Draw(t, "IPv6 views"))
	if len(*edges) > 0 && rapid.Bool().Draw(t, "as in the database") {
		networks = append(networks, (*edges)[0])
	}
	*edges = append(*edges, networks...)
	for _, network := range networks {
		words = append(words, network.String())
	}
	slices.Sort(words)
	words = slices.Compact(words)
	var q Question
	for _, word := range rapid.Permutation(words).Draw(t, "order of views") {
		v, err := ParseView(word)
		if err != nil {
			t.Fatal(err)
		}
		q.Views = append(q.Views, v)
	}
	for range rapid.IntRange(0, 4).Draw(t, "points") {
		q.Points = append(q.Points, Point{
			rapid.SampledFrom([]float64{-90, 0, 40, 90}).Draw(t, "latitude"),
			rapid.SampledFrom([]float64{-180, -120, 0, 120, 180}).Draw(t, "longitude"),
		})
	}
	return q
}

// edgesOf are the addresses around which a class can change, in order: the first and the last ones of
// the networks, and those before and after them.
func edgesOf(networks []netip.Prefix) []netip.Addr {
	addrs := []netip.Addr{netip.MustParseAddr("0.0.0.0"), netip.MustParseAddr("2a00::"), netip.MustParseAddr("2aff::ffff")}
	for _, p := range networks {
		first, last := p.Addr(), lastAddr(p)
		for _, a := range []netip.Addr{first.Prev(), first, last, last.Next()} {
			if a.IsValid() {
				addrs = append(addrs, a)
			}
		}
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return slices.Compact(addrs)
}

func lastAddr(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for bit := p.Bits(); bit < 8*len(b); bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// Every address is in the class that looking it up in every database says, all those within its
// scope are in the same, and the scope is as wide as it can be.
func TestFindAsPlain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var edges []netip.Prefix
		var files []Source
		var tables []*bart.Table[geotest.Record]
		for i := range rapid.IntRange(0, 3).Draw(t, "databases") {
			file, table := drawDatabase(t, fmt.Sprint(i), &edges)
			files, tables = append(files, file), append(tables, table)
		}
		questions := []Question{drawQuestion(t, &edges), drawQuestion(t, &edges)}
		var l Library
		maps, _, err := l.Load(context.Background(), files, questions)
		if err != nil {
			t.Fatal(err)
		}
		for i, m := range maps {
			checkAsPlain(t, m, plain{questions[i], tables, make(map[netip.Addr]Class)}, edges)
		}
	})
}

func checkAsPlain(t *rapid.T, m *Map, p plain, edges []netip.Prefix) {
	addrs := edgesOf(edges)
	occurs := map[int]bool{Nobody: true}
	for _, a := range addrs {
		class, length := m.Find(a)
		want := p.class(a)
		if !sameClass(m.Classes()[class], want) {
			t.Fatalf("%s: %v; want %v", a, m.Classes()[class], want)
		}
		for length := a.BitLen(); length >= 0; length-- {
			within := m.Within(class, length)
			occurs[within] = true
			if c := (Class{p.holding(want.Views, length), want.Order}); !sameClass(m.Classes()[within], c) {
				t.Fatalf("%s, of which %d bits are known: %v; want %v", a, length, m.Classes()[within], c)
			}
		}
		scope, err := a.Prefix(length)
		if err != nil {
			t.Fatalf("%s: a prefix of %d bits: %v", a, length, err)
		}
		if other, differs := differing(p, scope, addrs, want); differs {
			t.Fatalf("%s is in %v, and %s within the scope %s is in %v", a, want, other, scope, p.class(other))
		}
		if length > 0 {
			wider, _ := a.Prefix(length - 1)
			if _, differs := differing(p, wider, addrs, want); !differs {
				t.Fatalf("%s: the scope is %s, but all within %s are in the same class", a, scope, wider)
			}
		}
	}
	if len(occurs) != len(m.Classes()) {
		t.Fatalf("%d classes are there, and %d occur", len(m.Classes()), len(occurs))
	}
}

// differing finds an address within a prefix that is not in a class. Only the first address of the
// prefix and the edges in it can be.
func differing(p plain, prefix netip.Prefix, addrs []netip.Addr, class Class) (netip.Addr, bool) {
	if !sameClass(p.class(prefix.Addr()), class) {
		return prefix.Addr(), true
	}
	from, _ := slices.BinarySearchFunc(addrs, prefix.Addr(), netip.Addr.Compare)
	for _, a := range addrs[from:] {
		if !prefix.Contains(a) {
			break
		}
		if !sameClass(p.class(a), class) {
			return a, true
		}
	}
	return netip.Addr{}, false
}

// Numbers of classes take one octet or two, and there is an index of some size.
func TestManyClasses(t *testing.T) {
	for _, n := range []int{1, 253, 254, 255, 256, 5000} {
		var q Question
		for i := range n {
			b := [4]byte{10, byte(i >> 8), byte(i), 0}
			q.Views = append(q.Views, View{kind: Prefix, prefix: netip.PrefixFrom(netip.AddrFrom4(b), 24)})
		}
		m := load(t, q)
		if len(m.Classes()) != n+1 {
			t.Fatalf("%d classes; want %d", len(m.Classes()), n+1)
		}
		for i := range n {
			class, length := m.Find(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 77}))
			if c := m.Classes()[class]; !slices.Equal(c.Views, []int{i}) || length != 24 {
				t.Fatalf("view %d of %d: %v, %d bits", i, n, c, length)
			}
		}
	}
	q := Question{}
	for i := range math.MaxUint16 + 1 {
		q.Views = append(q.Views, View{kind: Prefix, prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24)})
	}
	var l Library
	if _, _, err := l.Load(context.Background(), nil, []Question{q}); err == nil {
		t.Error("more classes than there are numbers: want an error")
	}
}
