package geo

import (
	"bytes"
	"context"
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"gslb/geo/geotest"
)

// raw is a file of nodes, which may lead anywhere, and of one record.
type raw struct {
	nodes   [][2]uint32
	size    int // bits of each of the two
	version uint16
	record  []byte
}

// leaf leads to the record of a raw file of so many nodes, and nothing to nothing.
func leaf(nodes int) uint32    { return uint32(nodes + between) }
func nothing(nodes int) uint32 { return uint32(nodes) }

func (r raw) bytes() []byte {
	var b []byte
	for _, n := range r.nodes {
		switch left, right := n[0], n[1]; r.size {
		case 24:
			b = append(b, byte(left>>16), byte(left>>8), byte(left), byte(right>>16), byte(right>>8), byte(right))
		case 28:
			b = append(b, byte(left>>16), byte(left>>8), byte(left), byte(left>>24<<4|right>>24), byte(right>>16), byte(right>>8), byte(right))
		default:
			b = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, left), right)
		}
	}
	b = append(b, make([]byte, between)...)
	b = append(b, r.record...)
	b = append(b, "\xAB\xCD\xEFMaxMind.com"...)
	b = append(b, encoded(5)...)
	for _, field := range []struct {
		key   string
		value []byte
	}{
		{"binary_format_major_version", encodedNumber(2)},
		{"database_type", encodedString("Test")},
		{"ip_version", encodedNumber(uint32(r.version))},
		{"node_count", encodedNumber(uint32(len(r.nodes)))},
		{"record_size", encodedNumber(uint32(r.size))},
	} {
		b = append(append(b, encodedString(field.key)...), field.value...)
	}
	return b
}

// encoded begins a map of so many keys.
func encoded(keys int) []byte { return []byte{7<<5 | byte(keys)} }

func encodedString(s string) []byte { return append([]byte{2<<5 | byte(len(s))}, s...) }

func encodedNumber(n uint32) []byte { return binary.BigEndian.AppendUint32([]byte{6<<5 | 4}, n) }

// america is the record of a client in the US.
func america() []byte {
	return slices.Concat(encoded(1), encodedString("country"), encoded(1), encodedString("iso_code"), encodedString("US"))
}

func loadBytes(data []byte, q Question) (*Map, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var l Library
	maps, _, err := l.Load(ctx, []Source{{Name: "Test.mmdb", Read: func() ([]byte, error) { return data, nil }}}, []Question{q})
	if err != nil {
		return nil, err
	}
	return maps[0], nil
}

// The tree is read as the library reads it, whatever the size of its nodes.
func TestNodes(t *testing.T) {
	q := Question{Views: views(t, "country:US")}
	for _, size := range []int{24, 28, 32} {
		// 64.0.0.0/2 leads to the record.
		data := raw{[][2]uint32{{1, nothing(2)}, {nothing(2), leaf(2)}}, size, 4, america()}.bytes()
		m, err := loadBytes(data, q)
		if err != nil {
			t.Fatalf("%d bits: %v", size, err)
		}
		for a, want := range map[string]string{"63.255.255.255": "", "64.0.0.0": "country:US", "127.255.255.255": "country:US", "128.0.0.0": ""} {
			class, length := m.Find(addr(t, a))
			if got := names(q, m.Classes()[class]); got != want || length > 2 {
				t.Errorf("%d bits, %s: %q, %d", size, a, got, length)
			}
		}
	}
	// Offsets of more than 24 bits.
	d := database{size: 28, tree: []byte{1, 2, 3, 0xAB, 4, 5, 6}}
	if left, right := d.children(0); left != 0x0A010203 || right != 0x0B040506 {
		t.Errorf("%#x and %#x", left, right)
	}
}

// One record for many addresses, IPv4 among them.
func TestWideNetwork(t *testing.T) {
	q := Question{Views: views(t, "country:US")}
	m, err := loadBytes(raw{[][2]uint32{{leaf(1), nothing(1)}}, 24, 6, america()}.bytes(), q)
	if err != nil {
		t.Fatal(err)
	}
	for a, want := range map[string]string{"2.0.0.1": "country:US", "255.255.255.255": "country:US", "2001:db8::": "country:US", "::1": "country:US", "8000::": ""} {
		class, _ := m.Find(addr(t, a))
		if got := names(q, m.Classes()[class]); got != want {
			t.Errorf("%s: %q; want %q", a, got, want)
		}
	}
}

// A tree that leads on and on is no reason to go on for ever, or to fill the memory.
func TestDamagedTrees(t *testing.T) {
	chain := func(n int, last uint32) [][2]uint32 {
		var nodes [][2]uint32
		for i := range n - 1 {
			nodes = append(nodes, [2]uint32{uint32(i + 1), uint32(i + 1)})
		}
		return append(nodes, [2]uint32{last, last})
	}
	for name, r := range map[string]raw{
		"2^120 networks":               {chain(120, leaf(120)), 24, 6, america()},
		"2^120 times nothing":          {chain(120, nothing(120)), 24, 6, america()},
		"2^30 networks of IPv4":        {chain(30, leaf(30)), 32, 4, america()},
		"too deep for IPv4":            {chain(40, leaf(40)), 24, 4, america()},
		"a circle":                     {[][2]uint32{{1, 1}, {2, 2}, {1, 1}}, 28, 4, america()},
		"a circle to the right":        {[][2]uint32{{nothing(2), 1}, {nothing(2), 1}}, 28, 6, america()},
		"between tree and records":     {[][2]uint32{{2, 2}}, 24, 4, america()},
		"a record beyond the file":     {[][2]uint32{{1_000_000, 1}}, 24, 4, america()},
		"a record that ends too early": {[][2]uint32{{leaf(1), 1}}, 24, 4, america()[:12]},
		"nodes of another size":        {[][2]uint32{{leaf(1), 1}}, 20, 4, america()},
		"another IP version":           {[][2]uint32{{leaf(1), 1}}, 24, 5, america()},
		"a country that is no map": {[][2]uint32{{leaf(1), 1}}, 24, 4,
			slices.Concat(encoded(1), encodedString("country"), encodedString("US"))},
	} {
		_, err := loadBytes(r.bytes(), Question{Views: views(t, "country:US")})
		if err == nil {
			t.Errorf("%s: want an error", name)
		} else if !strings.HasPrefix(err.Error(), "Test.mmdb is damaged, or no database in MaxMind's format; fetch it again: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Wherever a file is cut off, and whichever octet is another, there is an answer or an error.
func TestDamagedFiles(t *testing.T) {
	data, err := geotest.Parse("Test", world)
	if err != nil {
		t.Fatal(err)
	}
	q := Question{Views: views(t, "country:US", "subdivision:US-CA", "default"), Points: tenPoints}
	for i := range data {
		if _, err := loadBytes(data[:i], q); err == nil {
			t.Errorf("cut off after %d octets of %d: want an error", i, len(data))
		}
	}
	for i := range data {
		for _, octet := range []byte{0, 0xFF, data[i] ^ 1, data[i] ^ 0x20} {
			damaged := bytes.Clone(data)
			damaged[i] = octet
			if m, err := loadBytes(damaged, q); err == nil {
				askSome(t, m)
			}
		}
	}
}

// askSome looks some addresses up.
func askSome(t *testing.T, m *Map) {
	for _, a := range []netip.Addr{{}, addr(t, "0.0.0.0"), addr(t, "2.0.0.1"), addr(t, "255.255.255.255"), addr(t, "::"), addr(t, "2001:db8::1"), addr(t, "ffff::")} {
		class, length := m.Find(a)
		if class < 0 || class >= len(m.Classes()) || length < 0 || length > a.BitLen() {
			t.Errorf("%s: class %d of %d, %d bits", a, class, len(m.Classes()), length)
		}
	}
}

func FuzzDatabase(f *testing.F) {
	for _, size := range []int{24, 28, 32} {
		f.Add(raw{[][2]uint32{{1, nothing(2)}, {nothing(2), leaf(2)}}, size, 4, america()}.bytes())
		f.Add(raw{[][2]uint32{{1, leaf(3)}, {2, 2}, {leaf(3), nothing(3)}}, size, 6, america()}.bytes())
	}
	data, err := geotest.Parse("Test", world)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	q := Question{Views: views(f, "country:US", "subdivision:US-CA", "asn:64500", "2.0.0.0/24", "2001:db8::1/128", "default"), Points: tenPoints}
	f.Fuzz(func(t *testing.T, data []byte) {
		if m, err := loadBytes(data, q); err == nil {
			askSome(t, m)
		} else if context.Cause(t.Context()) == nil && strings.Contains(err.Error(), context.DeadlineExceeded.Error()) {
			t.Errorf("a file of %d octets takes for ever", len(data))
		}
	})
}
