package zones

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/miekg/dns"

	"gslb/internal/wire"
	"gslb/zones/masterfile"
)

// records is what a zone consists of while it is made: bytes in an arena and one item for each
// record, so that a million of them are a few large objects. Once settled, they are in
// canonical order of their owners, and those of an owner in order of their types.
type records struct {
	apex    []byte // in wire form and lower case
	arena   arena
	items   []item
	sorted  int      // so many items have their owners in order
	size    int      // that they take in Data at most, in bytes
	sources []origin // by item.source

	owner []byte // of the last item, as it was added
	key   []byte // scratch
}

// item is one record.
type item struct {
	key    uint32 // of its owner, in the arena; settled items of one owner have the same
	data   uint32 // TTL, length and data, in the arena
	line   uint32
	rtype  uint16
	source uint16
}

// origin is where records come from: the place of a key and, if it names one, a file.
type origin struct {
	at   *place
	file string
}

// Sizes in the arena, in bytes.
const (
	keyHead  = 2 // the length of the key
	dataHead = 6 // TTL and length of the data
	maxKey   = 2 * wire.MaxName
)

// reset empties the records for another zone.
func (rs *records) reset(apex []byte) {
	rs.apex = apex
	rs.arena.reset()
	if cap(rs.items) > 1<<16 {
		rs.items = nil // a large zone does not outlive its making
	}
	rs.items = rs.items[:0]
	clear(rs.sources)
	rs.sources, rs.owner, rs.sorted, rs.size = rs.sources[:0], rs.owner[:0], 0, 0
}

// expect makes room for the records of a text, most of which take a line each. The shortest has
// ten characters or so.
func (rs *records) expect(text []byte) {
	rs.items = slices.Grow(rs.items, min(bytes.Count(text, []byte("\n")), len(text)/10))
}

// append takes a record that comes from a place.
func (rs *records) append(r *masterfile.Record, at *place) error {
	source, err := rs.source(at, r.File)
	if err != nil {
		return err
	}
	if !rs.arena.room(keyHead + maxKey + dataHead + len(r.Data)) {
		return fmt.Errorf("the zone is larger than %d octets; expected it smaller", math.MaxUint32)
	}
	it := item{line: uint32(min(r.Line, math.MaxUint32)), rtype: r.Type, source: source}
	if it.key, err = rs.ownerKey(r); err != nil {
		return err
	}
	it.data = rs.arena.place()
	chunk := rs.arena.last()
	*chunk = binary.BigEndian.AppendUint32(*chunk, r.TTL)
	*chunk = binary.BigEndian.AppendUint16(*chunk, uint16(len(r.Data)))
	*chunk = append(*chunk, r.Data...)
	rs.size += rrsetHead + RecordHead + len(r.Data)
	rs.items = append(rs.items, it)
	return nil
}

// ownerKey puts the key of a record's owner into the arena, unless it is that of the record
// before, and counts for how long they come in order.
func (rs *records) ownerKey(r *masterfile.Record) (place uint32, err error) {
	n := len(rs.items)
	if n > 0 && bytes.Equal(rs.owner, r.Owner) {
		if rs.sorted == n {
			rs.sorted++
		}
		return rs.items[n-1].key, nil
	}
	key, inside := appendKey(rs.key[:0], r.Owner, rs.apex)
	rs.key = key
	if !inside {
		return 0, fmt.Errorf("%s %s lies outside the zone; expected a name that ends in %s",
			presentation(r.Owner), dns.Type(r.Type), presentation(rs.apex))
	}
	rs.owner = append(rs.owner[:0], r.Owner...)
	if rs.sorted == n {
		order := 1
		if n > 0 {
			order = bytes.Compare(key, rs.keyOf(rs.items[n-1]))
		}
		if order >= 0 {
			rs.sorted++
		}
		if order == 0 {
			return rs.items[n-1].key, nil
		}
	}
	place = rs.arena.place()
	chunk := rs.arena.last()
	*chunk = binary.BigEndian.AppendUint16(*chunk, uint16(len(key)))
	*chunk = append(*chunk, key...)
	rs.size += len(r.Owner) + nodeHead
	return place, nil
}

// source is the number of an origin.
func (rs *records) source(at *place, file string) (uint16, error) {
	if n := len(rs.sources); n > 0 && rs.sources[n-1].at == at && rs.sources[n-1].file == file {
		return uint16(n - 1), nil
	}
	if len(rs.sources) > math.MaxUint16 {
		return 0, fmt.Errorf("the zone comes from more than %d files; expected fewer", len(rs.sources))
	}
	rs.sources = append(rs.sources, origin{at, file})
	return uint16(len(rs.sources) - 1), nil
}

// addRR takes a record that the configuration makes.
func (rs *records) addRR(rr dns.RR, at *place) error {
	buf := make([]byte, dns.Len(rr)+1)
	end, err := dns.PackRR(rr, buf, 0, nil, false)
	if err != nil {
		return fmt.Errorf("pack %s %s: %w", rr.Header().Name, dns.Type(rr.Header().Rrtype), err)
	}
	owner := wire.SkipName(buf, 0)
	return rs.append(&masterfile.Record{
		Owner: buf[:owner],
		Type:  rr.Header().Rrtype,
		TTL:   rr.Header().Ttl,
		Data:  buf[owner+10 : end], // behind type, class, TTL and length
	}, at)
}

// keyOf is the key of a record's owner.
func (rs *records) keyOf(it item) []byte {
	b := rs.arena.from(it.key)
	return b[keyHead : keyHead+int(binary.BigEndian.Uint16(b))]
}

// ttl is that of a record, in seconds.
func (rs *records) ttl(it item) uint32 { return binary.BigEndian.Uint32(rs.arena.from(it.data)) }

func (rs *records) setTTL(it item, ttl uint32) {
	binary.BigEndian.PutUint32(rs.arena.from(it.data), ttl)
}

// data is that of a record, in wire form.
func (rs *records) data(it item) []byte {
	b := rs.arena.from(it.data)
	return b[dataHead : dataHead+int(binary.BigEndian.Uint16(b[4:]))]
}
