package zones

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/miekg/dns"
)

// pointer is the compression pointer to the question, as a reply has it behind its header
// (RFC 1035, section 4.1.4).
const pointer = 0xc000 | 12

// pack lays the records out as Data has them. They must be settled and keep the rules.
func (rs *records) pack() (Data, error) {
	// Places are kept in 32 bits.
	if rs.size > math.MaxUint32 {
		return Data{}, fmt.Errorf("the records take %d octets; expected at most %d", rs.size, math.MaxUint32)
	}
	nodes, sets := 0, 0
	for rest := rs.items; len(rest) > 0; nodes++ {
		node := firstNode(rest)
		rest = rest[len(node):]
		for ; len(node) > 0; sets++ {
			node = node[len(firstSet(node)):]
		}
	}
	d := Data{
		blob:  make([]byte, 0, rs.size-rrsetHead*(len(rs.items)-sets)),
		nodes: make([]uint32, 0, nodes),
	}
	for rest := rs.items; len(rest) > 0; {
		node := firstNode(rest)
		rest = rest[len(node):]
		d.nodes = append(d.nodes, uint32(len(d.blob)))
		d.blob = rs.appendNode(d.blob, node)
	}
	// Owners and records that were there several times were counted each time.
	if cap(d.blob)-len(d.blob) > len(d.blob)/8 {
		d.blob = bytes.Clone(d.blob)
	}
	return d, nil
}

// appendNode appends the records of one owner.
func (rs *records) appendNode(blob []byte, node []item) []byte {
	blob = appendOwner(blob, rs.keyOf(node[0]), rs.apex)
	head, sets := len(blob), uint16(0)
	blob = append(blob, 0, 0)
	for ; len(node) > 0; sets++ {
		set := firstSet(node)
		node = node[len(set):]
		blob = rs.appendSet(blob, set)
	}
	binary.BigEndian.PutUint16(blob[head:], sets)
	return blob
}

func (rs *records) appendSet(blob []byte, set []item) []byte {
	at := len(blob)
	blob = binary.BigEndian.AppendUint16(blob, set[0].rtype)
	blob = binary.BigEndian.AppendUint16(blob, uint16(len(set)))
	blob = append(blob, 0, 0, 0, 0)
	for _, r := range set {
		blob = binary.BigEndian.AppendUint16(blob, pointer)
		blob = binary.BigEndian.AppendUint16(blob, r.rtype)
		blob = binary.BigEndian.AppendUint16(blob, dns.ClassINET)
		// TTL, length and data lie in the arena as they do here.
		blob = append(blob, rs.arena.from(r.data)[:dataHead+len(rs.data(r))]...)
	}
	binary.BigEndian.PutUint32(blob[at+4:], uint32(len(blob)-at-rrsetHead))
	return blob
}

// setSerial fills in the serial of the SOA record at the apex.
func (d *Data) setSerial(serial uint32) {
	data := d.Node(0).Set(dns.TypeSOA).Records[RecordHead:]
	binary.BigEndian.PutUint32(data[len(data)-soaNumbers:], serial)
}
