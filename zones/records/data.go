package records

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"iter"

	"github.com/miekg/dns"

	"gslb/internal/wire"
)

// Data is the static records of a zone, packed as replies carry them: some 20 bytes a record beside
// its data, without pointers for the garbage collector to follow. It is immutable and safe for
// concurrent use. The zero value has no records.
//
// A node is laid out as
//
//	owner, in wire form and lower case
//	number of RRsets (2 bytes)
//	RRset, by ascending type: type (2), number of records (2), their size in bytes (4), records
//
// and a record as it stands in a reply to a question for its owner: the compression pointer
// to the question (0xC00C), type, class, TTL, length, data (RFC 1035, sections 3.2.1 and
// 4.1.4). Names in the data are not compressed.
type Data struct {
	blob  []byte
	nodes []uint32 // where each begins in blob, in canonical order of the owners
}

// Sizes of the layout, in bytes.
const (
	nodeHead  = 2
	rrsetHead = 8
	// RecordHead is what stands before a record's data.
	RecordHead = 12
)

// Node is the records of one owner name.
type Node struct{ data []byte }

// RRset is the records of one type at one owner.
type RRset struct {
	Type    uint16
	Count   int
	Records []byte
}

// Len is the number of owner names.
func (d *Data) Len() int { return len(d.nodes) }

// Node is one of them, in canonical order (RFC 4034, section 6.1): an owner comes before
// what lies below it.
func (d *Data) Node(i int) Node { return Node{d.blob[d.nodes[i]:]} }

// Owner is the node's name in wire form, in lower case.
func (n Node) Owner() []byte { return n.data[:wire.SkipName(n.data, 0)] }

// Sets yields the node's RRsets by ascending type.
func (n Node) Sets() iter.Seq[RRset] {
	return func(yield func(RRset) bool) {
		at := wire.SkipName(n.data, 0)
		count := int(binary.BigEndian.Uint16(n.data[at:]))
		at += nodeHead
		for range count {
			set := readRRset(n.data[at:])
			if !yield(set) {
				return
			}
			at += rrsetHead + len(set.Records)
		}
	}
}

// Set returns the RRset of a type; one without records if there is none.
func (n Node) Set(rtype uint16) RRset {
	rest := n.data[wire.SkipName(n.data, 0):]
	count := binary.BigEndian.Uint16(rest)
	rest = rest[nodeHead:]
	for range count {
		switch found := binary.BigEndian.Uint16(rest); {
		case found == rtype:
			return readRRset(rest)
		case found > rtype:
			return RRset{Type: rtype}
		}
		rest = rest[rrsetHead+binary.BigEndian.Uint32(rest[4:]):]
	}
	return RRset{Type: rtype}
}

func readRRset(data []byte) RRset {
	size := binary.BigEndian.Uint32(data[4:])
	return RRset{
		Type:    binary.BigEndian.Uint16(data),
		Count:   int(binary.BigEndian.Uint16(data[2:])),
		Records: data[rrsetHead : rrsetHead+size : rrsetHead+size],
	}
}

// Data yields the data of each record.
func (s RRset) Data() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for r := range s.each() {
			if !yield(r[RecordHead:]) {
				return
			}
		}
	}
}

// each yields the records, each from its pointer on.
func (s RRset) each() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for at := 0; at < len(s.Records); {
			end := at + RecordHead + int(binary.BigEndian.Uint16(s.Records[at+RecordHead-2:]))
			if !yield(s.Records[at:end:end]) {
				return
			}
			at = end
		}
	}
}

// RRs yields the records of an RRset under an owner name, a fully qualified one in presentation
// form. They are new at each call, and pack to exactly this data.
func (s RRset) RRs(owner string) iter.Seq[dns.RR] {
	return func(yield func(dns.RR) bool) {
		for data := range s.Data() {
			head := dns.RR_Header{
				Name: owner, Rrtype: s.Type, Class: dns.ClassINET,
				Ttl: s.TTL(), Rdlength: uint16(len(data)),
			}
			if !yield(newRR(head, data)) {
				return
			}
		}
	}
}

// newRR makes a record of data. Only addresses, and the types whose names a reply may compress, are
// unpacked: the library loses backslashes of other types when it packs them again.
func newRR(head dns.RR_Header, data []byte) dns.RR {
	switch head.Rrtype {
	case dns.TypeA, dns.TypeAAAA, dns.TypeNS, dns.TypeCNAME, dns.TypeSOA, dns.TypePTR, dns.TypeMX:
		if rr, _, err := dns.UnpackRRWithHeader(head, data, 0); err == nil && len(data) > 0 { // without data it makes up some
			return rr
		}
	}
	return &dns.RFC3597{Hdr: head, Rdata: hex.EncodeToString(data)}
}

// TTL is that of the set's records, in seconds.
func (s RRset) TTL() uint32 { return binary.BigEndian.Uint32(s.Records[6:]) }

// RRs yields every record, owners in canonical order and in lower case.
func (d *Data) RRs() iter.Seq[dns.RR] {
	return func(yield func(dns.RR) bool) {
		for i := range d.nodes {
			n := d.Node(i)
			owner := Presentation(n.Owner())
			for set := range n.Sets() {
				for rr := range set.RRs(owner) {
					if !yield(rr) {
						return
					}
				}
			}
		}
	}
}

// IsOwnedBy reports whether owner, in wire form and lower case, is the node's.
func (n Node) IsOwnedBy(owner []byte) bool { return bytes.HasPrefix(n.data, owner) }
