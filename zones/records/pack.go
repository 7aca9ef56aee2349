package records

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash"
	"math"
	"slices"

	"github.com/miekg/dns"
)

// pointer is the compression pointer to the question, as a reply has it behind its header
// (RFC 1035, section 4.1.4).
const pointer = 0xc000 | 12

// Pack lays the records out as Data has them. They must be settled and keep the rules.
func (b *Builder) Pack() (Data, error) {
	// Places are kept in 32 bits.
	if b.size > math.MaxUint32 {
		return Data{}, fmt.Errorf("the records take %d octets; expected at most %d", b.size, math.MaxUint32)
	}
	nodes, sets := 0, 0
	for rest := b.items; len(rest) > 0; nodes++ {
		node := firstNode(rest)
		rest = rest[len(node):]
		for ; len(node) > 0; sets++ {
			node = node[len(firstSet(node)):]
		}
	}
	d := Data{
		blob:  make([]byte, 0, b.size-rrsetHead*(len(b.items)-sets)),
		nodes: make([]uint32, 0, nodes),
	}
	for rest := b.items; len(rest) > 0; {
		node := firstNode(rest)
		rest = rest[len(node):]
		d.nodes = append(d.nodes, uint32(len(d.blob)))
		d.blob = b.appendNode(d.blob, node)
	}
	// Owners and records that were there several times were counted each time.
	if cap(d.blob)-len(d.blob) > len(d.blob)/8 {
		d.blob = bytes.Clone(d.blob)
	}
	return d, nil
}

// appendNode appends the records of one owner.
func (b *Builder) appendNode(blob []byte, node []item) []byte {
	blob = appendOwner(blob, b.keyOf(node[0]), b.apex)
	head, sets := len(blob), uint16(0)
	blob = append(blob, 0, 0)
	for ; len(node) > 0; sets++ {
		set := firstSet(node)
		node = node[len(set):]
		blob = b.appendSet(blob, set)
	}
	binary.BigEndian.PutUint16(blob[head:], sets)
	return blob
}

func (b *Builder) appendSet(blob []byte, set []item) []byte {
	at := len(blob)
	blob = binary.BigEndian.AppendUint16(blob, set[0].rtype)
	blob = binary.BigEndian.AppendUint16(blob, uint16(len(set)))
	blob = append(blob, 0, 0, 0, 0)
	for _, r := range set {
		blob = binary.BigEndian.AppendUint16(blob, pointer)
		blob = binary.BigEndian.AppendUint16(blob, r.rtype)
		blob = binary.BigEndian.AppendUint16(blob, dns.ClassINET)
		// TTL, length and data lie in the arena as they do here.
		blob = append(blob, b.arena.from(r.data)[:dataHead+len(b.data(r))]...)
	}
	binary.BigEndian.PutUint32(blob[at+4:], uint32(len(blob)-at-rrsetHead))
	return blob
}

// soaNumbers is the size of the numbers that the data of an SOA record ends with, in bytes:
// serial, refresh, retry, expire and minimum.
const soaNumbers = 20

// Authority is what the data of an SOA record says of a zone.
func Authority(soa []byte) (serial, minimum uint32) {
	return binary.BigEndian.Uint32(soa[len(soa)-soaNumbers:]), binary.BigEndian.Uint32(soa[len(soa)-4:])
}

// SetSerial fills in the serial of the SOA record at the apex. It must be called before the data is
// shared.
func (d *Data) SetSerial(serial uint32) {
	data := d.Node(0).Set(dns.TypeSOA).Records[RecordHead:]
	binary.BigEndian.PutUint32(data[len(data)-soaNumbers:], serial)
}

// Digest writes the data to a hash, in whatever order the records were written down.
func (d *Data) Digest(h hash.Hash) {
	var head []byte
	for i := range d.Len() {
		node := d.Node(i)
		h.Write(node.Owner())
		for set := range node.Sets() {
			head = binary.BigEndian.AppendUint16(head[:0], set.Type)
			head = binary.BigEndian.AppendUint32(head, uint32(len(set.Records)))
			h.Write(head)
			if set.Count == 1 {
				h.Write(set.Records)
				continue
			}
			for _, r := range slices.SortedFunc(set.each(), bytes.Compare) {
				h.Write(r)
			}
		}
	}
}
