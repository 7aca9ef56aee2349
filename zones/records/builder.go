package records

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/miekg/dns"

	"gslb/internal/wire"
	"gslb/zones/masterfile"
	"gslb/zones/problem"
)

// Builder is what the records of a zone are while it is made: bytes in an arena and one item for each
// record, so that a million of them are a few large objects. Once settled, they are in
// canonical order of their owners, and those of an owner in order of their types.
type Builder struct {
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
	at   *problem.Place
	file string
}

// Sizes in the arena, in bytes.
const (
	keyHead  = 2 // the length of the key
	dataHead = 6 // TTL and length of the data
	maxKey   = 2 * wire.MaxName
)

// Reset empties the records for another zone.
func (b *Builder) Reset(apex []byte) {
	b.apex = apex
	b.arena.reset()
	if cap(b.items) > 1<<16 {
		b.items = nil // the memory of a large zone is given back
	}
	b.items = b.items[:0]
	clear(b.sources)
	b.sources, b.owner, b.sorted, b.size = b.sources[:0], b.owner[:0], 0, 0
}

// Expect makes room for the records of a text, most of which take a line each. The shortest has
// ten characters or so.
func (b *Builder) Expect(text []byte) {
	b.items = slices.Grow(b.items, min(bytes.Count(text, []byte("\n")), len(text)/10))
}

// ErrOutside is what Append wraps for a record that does not belong into the zone.
var ErrOutside = errors.New("lies outside the zone")

// Append takes a record that comes from a place.
func (b *Builder) Append(r *masterfile.Record, at *problem.Place) error {
	source, err := b.source(at, r.File)
	if err != nil {
		return err
	}
	if !b.arena.room(keyHead + maxKey + dataHead + len(r.Data)) {
		return fmt.Errorf("the zone is larger than %d octets; expected it smaller", math.MaxUint32)
	}
	it := item{line: uint32(min(r.Line, math.MaxUint32)), rtype: r.Type, source: source}
	if it.key, err = b.ownerKey(r); err != nil {
		return err
	}
	it.data = b.arena.place()
	chunk := b.arena.last()
	*chunk = binary.BigEndian.AppendUint32(*chunk, r.TTL)
	*chunk = binary.BigEndian.AppendUint16(*chunk, uint16(len(r.Data)))
	*chunk = append(*chunk, r.Data...)
	b.size += rrsetHead + RecordHead + len(r.Data)
	b.items = append(b.items, it)
	return nil
}

// ownerKey puts the key of a record's owner into the arena, unless it is that of the record
// before, and counts for how long they come in order.
func (b *Builder) ownerKey(r *masterfile.Record) (place uint32, err error) {
	n := len(b.items)
	if n > 0 && bytes.Equal(b.owner, r.Owner) {
		if b.sorted == n {
			b.sorted++
		}
		return b.items[n-1].key, nil
	}
	key, inside := AppendKey(b.key[:0], r.Owner, b.apex)
	b.key = key
	if !inside {
		return 0, fmt.Errorf("%s %s %w", Presentation(r.Owner), masterfile.TypeName(r.Type), ErrOutside)
	}
	b.owner = append(b.owner[:0], r.Owner...)
	if b.sorted == n {
		order := 1
		if n > 0 {
			order = bytes.Compare(key, b.keyOf(b.items[n-1]))
		}
		if order >= 0 {
			b.sorted++
		}
		if order == 0 {
			return b.items[n-1].key, nil
		}
	}
	place = b.arena.place()
	chunk := b.arena.last()
	*chunk = binary.BigEndian.AppendUint16(*chunk, uint16(len(key)))
	*chunk = append(*chunk, key...)
	b.size += len(r.Owner) + nodeHead
	return place, nil
}

// source is the number of an origin.
func (b *Builder) source(at *problem.Place, file string) (uint16, error) {
	if n := len(b.sources); n > 0 && b.sources[n-1].at == at && b.sources[n-1].file == file {
		return uint16(n - 1), nil
	}
	if len(b.sources) > math.MaxUint16 {
		return 0, fmt.Errorf("the zone comes from more than %d files; expected fewer", len(b.sources))
	}
	b.sources = append(b.sources, origin{at, file})
	return uint16(len(b.sources) - 1), nil
}

// Make takes a record that the configuration makes.
func (b *Builder) Make(rr dns.RR, at *problem.Place) error {
	buf := make([]byte, dns.Len(rr)+1)
	end, err := dns.PackRR(rr, buf, 0, nil, false)
	if err != nil {
		return fmt.Errorf("pack %s %s: %w", rr.Header().Name, dns.Type(rr.Header().Rrtype), err)
	}
	owner := wire.SkipName(buf, 0)
	return b.Append(&masterfile.Record{
		Owner: buf[:owner],
		Type:  rr.Header().Rrtype,
		TTL:   rr.Header().Ttl,
		Data:  buf[owner+10 : end], // behind type, class, TTL and length
	}, at)
}

// keyOf is the key of a record's owner.
func (b *Builder) keyOf(it item) []byte {
	p := b.arena.from(it.key)
	return p[keyHead : keyHead+int(binary.BigEndian.Uint16(p))]
}

// ttl is that of a record, in seconds.
func (b *Builder) ttl(it item) uint32 { return binary.BigEndian.Uint32(b.arena.from(it.data)) }

func (b *Builder) setTTL(it item, ttl uint32) {
	binary.BigEndian.PutUint32(b.arena.from(it.data), ttl)
}

// data is that of a record, in wire form.
func (b *Builder) data(it item) []byte {
	p := b.arena.from(it.data)
	return p[dataHead : dataHead+int(binary.BigEndian.Uint16(p[4:]))]
}

// describe names a record: its owner and type.
func (b *Builder) describe(r item) string {
	return b.ownerName(r) + " " + masterfile.TypeName(r.rtype)
}

// ownerName is the owner of a record in presentation form.
func (b *Builder) ownerName(r item) string {
	return Presentation(appendOwner(nil, b.keyOf(r), b.apex))
}

// where says where a record comes from, seen from the same zone.
func (b *Builder) where(r item) string {
	from := b.sources[r.source]
	if s := (problem.Source{File: from.file, Line: int(r.line)}).String(); s != "" {
		return s
	}
	return from.at.String()
}

// arena keeps many short pieces of bytes in a few long ones, each piece by a place of 32 bits.
// It never moves what it holds.
type arena struct {
	chunks [][]byte // those in use, the last one being filled
	spare  [][]byte // of an earlier use
}

// A place is the number of a chunk and a place in it. What is added must fit in a chunk.
const (
	chunkBits = 20
	chunkSize = 1 << chunkBits
	maxChunks = (math.MaxUint32 + 1) / chunkSize
)

// room makes sure that so many bytes fit in a row, and says whether they do.
func (a *arena) room(size int) bool {
	if n := len(a.chunks); n > 0 && len(a.chunks[n-1])+size <= chunkSize {
		return true
	}
	if len(a.chunks) == maxChunks || size > chunkSize {
		return false
	}
	var chunk []byte
	if n := len(a.spare); n > 0 {
		chunk, a.spare = a.spare[n-1], a.spare[:n-1]
	} else {
		chunk = make([]byte, 0, chunkSize)
	}
	a.chunks = append(a.chunks, chunk)
	return true
}

// last is the chunk that is being filled; what is appended to it must have room.
func (a *arena) last() *[]byte { return &a.chunks[len(a.chunks)-1] }

// place is where the next byte comes to lie.
func (a *arena) place() uint32 {
	n := len(a.chunks) - 1
	return uint32(n)<<chunkBits | uint32(len(a.chunks[n]))
}

// from is what lies at a place, and what comes after it.
func (a *arena) from(place uint32) []byte {
	return a.chunks[place>>chunkBits][place&(chunkSize-1):]
}

// reset empties the arena, and keeps one chunk for the next use.
func (a *arena) reset() {
	if len(a.chunks) > 0 {
		a.spare = append(a.spare[:0], a.chunks[0][:0])
	}
	clear(a.chunks)
	a.chunks = a.chunks[:0]
}
