package records

import (
	"bytes"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"pgregory.net/rapid"

	"gslb/internal/wire"
	"gslb/zones/masterfile"
)

// flat is a record as it comes out, by what a test can compare.
type flat struct {
	Owner string
	Type  uint16
	TTL   uint32
	Data  string
}

// However records come in, Data holds each once, owners in canonical order, types in ascending
// order, the records of a set as they came and with the TTL of the first.
func TestDataHoldsWhatCameIn(t *testing.T) {
	apex := []byte("\x07example\x03com\x00")
	types := []uint16{dns.TypeA, dns.TypeTXT, dns.TypeMX}
	rapid.Check(t, func(t *rapid.T) {
		var in []masterfile.Record
		for i := range rapid.IntRange(1, 60).Draw(t, "count") {
			owner := anyName(t, apex, "owner")
			// Keys of several pieces, where labels end before, at and behind the end of one.
			for _, size := range rapid.SliceOfN(rapid.SampledFrom([]int{1, 6, pieceSize - 2, pieceSize - 1, pieceSize, 40}), 0, 3).Draw(t, "labels") {
				owner = slices.Concat([]byte{byte(size)}, bytes.Repeat([]byte("a"), size), owner)
			}
			data := make([]byte, 4)
			data[3] = rapid.ByteRange(0, 12).Draw(t, "data")
			rtype := rapid.SampledFrom(types).Draw(t, "type")
			if rtype != dns.TypeA {
				data = []byte{1, 'a' + data[3]}
			}
			if rtype == dns.TypeMX {
				data = []byte{0, 1, 1, data[1], 0}
			}
			in = append(in, masterfile.Record{Owner: owner, Type: rtype, TTL: rapid.Uint32Range(0, 3).Draw(t, "ttl"), Data: data, Line: i + 1})
		}

		b := new(Builder)
		b.Reset(apex)
		for i := range in {
			if err := b.Append(&in[i], nil); err != nil {
				t.Fatal(err)
			}
			if i == len(in)/2 {
				b.Settle()
			}
		}
		b.Settle()
		(&rules{Builder: b, zone: &Zone{FromFile: true}}).reconcile()
		d, err := b.Pack()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(expectedData(t, in), flatten(&d)); diff != "" {
			t.Fatalf("(-want +got)\n%s", diff)
		}
	})
}

// Whatever the data of a record is, it packs to the same octets again.
func TestRecordsPackToTheirData(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rtype := rapid.OneOf(rapid.Uint16Range(1, 127), rapid.Uint16Range(256, 270), rapid.Just(uint16(65280))).Draw(t, "type")
		data := rapid.SliceOfN(rapid.SampledFrom([]byte(`\"a`+"\x00\x01\x02\x03\x81\xff")), 0, 24).Draw(t, "data")
		b := new(Builder)
		b.Reset([]byte{0})
		if err := b.Append(&masterfile.Record{Owner: []byte{0}, Type: rtype, Data: data}, nil); err != nil {
			t.Fatal(err)
		}
		b.Settle()
		d, err := b.Pack()
		if err != nil {
			t.Fatal(err)
		}
		for rr := range d.RRs() {
			buf := make([]byte, 100)
			end, err := dns.PackRR(rr, buf, 0, nil, false)
			if got := buf[11:max(end, 11)]; err != nil || !bytes.Equal(got, data) {
				t.Fatalf("%x is packed to %x (%v)", data, got, err)
			}
		}
	})
}

// expectedData makes the same by sorting and searching.
func expectedData(t *rapid.T, in []masterfile.Record) []flat {
	in = slices.Clone(in)
	slices.SortStableFunc(in, func(a, b masterfile.Record) int {
		if c := wire.Compare(parsed(t, a.Owner), parsed(t, b.Owner)); c != 0 {
			return c
		}
		return int(a.Type) - int(b.Type)
	})
	var want []flat
	for _, r := range in {
		f := flat{string(parsed(t, r.Owner).Bytes()), r.Type, r.TTL, string(r.Data)}
		same := func(o flat) bool { return o.Owner == f.Owner && o.Type == f.Type && o.Data == f.Data }
		if slices.ContainsFunc(want, same) {
			continue
		}
		if n := len(want); n > 0 && want[n-1].Owner == f.Owner && want[n-1].Type == f.Type {
			f.TTL = want[n-1].TTL
		}
		want = append(want, f)
	}
	return want
}

func flatten(d *Data) []flat {
	var list []flat
	for i := range d.Len() {
		for set := range d.Node(i).Sets() {
			n := 0
			for data := range set.Data() {
				list = append(list, flat{string(d.Node(i).Owner()), set.Type, set.TTL(), string(data)})
				n++
			}
			if n != set.Count {
				list = append(list, flat{Owner: "miscounted"})
			}
		}
	}
	return list
}
