package zones

import (
	"encoding/binary"
	"fmt"
	"iter"
	"slices"

	"github.com/miekg/dns"

	"gslb/internal/wire"
)

// Data is the static records of a zone, packed as replies carry them: some 20 bytes a
// record beside its data, and nothing that the garbage collector would have to walk. It is
// immutable and safe for concurrent use. The zero value has no records.
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

// maxData bounds what a zone's records may take, since places are kept in 32 bits.
const maxData = 1<<32 - 1

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
	for set := range n.Sets() {
		if set.Type >= rtype {
			if set.Type == rtype {
				return set
			}
			break
		}
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
		for at := 0; at < len(s.Records); {
			end := at + RecordHead + int(binary.BigEndian.Uint16(s.Records[at+RecordHead-2:]))
			if !yield(s.Records[at+RecordHead : end]) {
				return
			}
			at = end
		}
	}
}

// RRs yields the records of an RRset under an owner name, a fully qualified one in
// presentation form. They are made anew each time.
func (s RRset) RRs(owner string) iter.Seq[dns.RR] {
	return func(yield func(dns.RR) bool) {
		for data := range s.Data() {
			head := dns.RR_Header{
				Name: owner, Rrtype: s.Type, Class: dns.ClassINET,
				Ttl: s.TTL(), Rdlength: uint16(len(data)),
			}
			rr, _, err := dns.UnpackRRWithHeader(head, data, 0)
			if err != nil {
				// What was packed from a record unpacks to it.
				panic(fmt.Sprintf("zones: unpack %s %s: %v", owner, dns.Type(s.Type), err))
			}
			if !yield(rr) {
				return
			}
		}
	}
}

// TTL is that of the set's records, in seconds.
func (s RRset) TTL() uint32 { return binary.BigEndian.Uint32(s.Records[6:]) }

// RRs yields every record, owners in canonical order and in lower case.
func (d *Data) RRs() iter.Seq[dns.RR] {
	return func(yield func(dns.RR) bool) {
		for i := range d.nodes {
			n := d.Node(i)
			owner, _, err := dns.UnpackDomainName(n.Owner(), 0)
			if err != nil {
				panic(fmt.Sprintf("zones: unpack an owner: %v", err))
			}
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

// pack packs records of class IN. Those of an RRset keep their order.
func pack(records []dns.RR) (Data, error) {
	type packed struct {
		owner wire.Name
		rtype uint16
		bytes []byte // from the pointer on
	}
	list := make([]*packed, len(records))
	buf := make([]byte, dns.MaxMsgSize)
	for i, rr := range records {
		end, err := dns.PackRR(rr, buf, 0, nil, false)
		if err != nil {
			return Data{}, fmt.Errorf("pack %s %s: %w", rr.Header().Name, dns.Type(rr.Header().Rrtype), err)
		}
		p := &packed{rtype: rr.Header().Rrtype}
		at, ok := p.owner.Read(buf[:end], 0)
		if !ok {
			return Data{}, fmt.Errorf("pack %s: it is no name", rr.Header().Name)
		}
		p.bytes = append([]byte{0xc0, 0x0c}, buf[at:end]...)
		list[i] = p
	}
	slices.SortStableFunc(list, func(a, b *packed) int {
		if c := wire.Compare(&a.owner, &b.owner); c != 0 {
			return c
		}
		return int(a.rtype) - int(b.rtype)
	})
	var d Data
	for i := 0; i < len(list); {
		owner := list[i].owner
		d.nodes = append(d.nodes, uint32(len(d.blob)))
		d.blob = append(d.blob, owner.Bytes()...)
		head := len(d.blob)
		d.blob = append(d.blob, 0, 0)
		sets := 0
		for i < len(list) && wire.Compare(&list[i].owner, &owner) == 0 {
			rtype, count, at := list[i].rtype, 0, len(d.blob)
			d.blob = append(d.blob, make([]byte, rrsetHead)...)
			for ; i < len(list) && list[i].rtype == rtype && wire.Compare(&list[i].owner, &owner) == 0; i++ {
				d.blob = append(d.blob, list[i].bytes...)
				count++
			}
			binary.BigEndian.PutUint16(d.blob[at:], rtype)
			binary.BigEndian.PutUint16(d.blob[at+2:], uint16(count))
			binary.BigEndian.PutUint32(d.blob[at+4:], uint32(len(d.blob)-at-rrsetHead))
			sets++
		}
		binary.BigEndian.PutUint16(d.blob[head:], uint16(sets))
	}
	if len(d.blob) > maxData {
		return Data{}, fmt.Errorf("the records take %d bytes; expected at most %d", len(d.blob), maxData)
	}
	return d, nil
}
