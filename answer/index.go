package answer

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/miekg/dns"

	"gslb/geo"
	"gslb/internal/wire"
	"gslb/zones"
	"gslb/zones/records"
)

// Index is the static part of a table: which names exist, and their records. It depends on the
// configuration alone, so that all tables of one configuration share it. Apart from the zones
// themselves it consists of numbers and bytes: the garbage collector has nothing to follow, and
// another executor could read it. It is immutable and safe for concurrent use.
type Index struct {
	set    *zones.Set
	zones  []*zone
	byName hashTable       // of zones, by apex
	names  [][]*zones.Name // by Steering.Index: the names steered so
	// steerings says, by Steering.Index, which answers there are.
	steerings []steering
	counters  *Counters
}

// steering is where the answers of a steering are: one for each class of clients.
type steering struct {
	views   *geo.Map // which class a client is of; nil: there is one class
	first   int      // the Route.Index of the first
	aliases bool     // a pool is answered with a CNAME, so that data of every type is steered
	pools   []int32  // the Pool.Index of all that may be answered
}

// zone is one zone's tree of names, flattened: every name that exists, the empty
// non-terminals (RFC 8020) included, is a node.
type zone struct {
	name   string // fully qualified, lower case
	apex   []byte // the same in wire form
	data   *records.Data
	nodes  []node
	byName hashTable // of nodes, by owner
	// others holds the owners of the nodes that have no static records.
	others []byte
	// negative is the SOA with the TTL of negative answers.
	negative records.RRset
	denial   movable // a reply that is nothing else
}

// node is one name that exists.
type node struct {
	// at is the node's place in the zone's data or, as ^at, of its owner in zone.others.
	at       int32
	steering int32 // Steering.Index of a steered name; otherwise -1
	wildcard int32 // the place of the child "*" (RFC 4592); otherwise -1
	flags    uint8
	counters uint16 // the first of a steered name's own Counters; 0: it has none
}

const (
	isCut    = 1 << iota // a delegation: NS below the apex (RFC 1034, section 4.2)
	hasCNAME             // and so nothing else but DNSSEC's records
	hasDNAME
	isHidden // by a delegation or a DNAME above it
)

// none is the place of something that does not exist.
const none = -1

// NewIndex builds the index of a validated configuration. This is the larger part of the work for
// its first table, and needs no decision.
func NewIndex(set *zones.Set) *Index {
	ix := &Index{
		set:    set,
		zones:  make([]*zone, 0, len(set.Zones)),
		byName: newHashTable(len(set.Zones)),
		names:  make([][]*zones.Name, len(set.Steerings)),

		counters: newCounters(set),
	}
	for _, s := range set.Steerings {
		isAlias := func(p *zones.Pool) bool { return p.CNAME != "" }
		ix.steerings = append(ix.steerings, steering{
			views:   s.Map,
			first:   s.Routes[0].Index,
			aliases: slices.ContainsFunc(s.Pools, isAlias) || s.Fallback != nil && isAlias(s.Fallback),
			pools:   placesOf(s),
		})
	}
	var hashes wire.Hashes
	for _, config := range set.Zones {
		apex, ok := wire.ParseName(config.Name)
		if !ok {
			continue // the rules of zones/records let no such name pass
		}
		apex.Hash(&hashes)
		ix.byName.add(hashes[0], len(ix.zones))
		ix.zones = append(ix.zones, newZone(config, &apex, ix.counters))
		for _, steered := range config.Names {
			at := steered.Steering.Index
			ix.names[at] = append(ix.names[at], steered)
		}
	}
	return ix
}

// zone returns the zone of an apex; nil: it is not served.
func (ix *Index) zone(apex []byte, hash uint64) *zone {
	for from := ix.byName.begin(hash); ; {
		place, next := ix.byName.find(hash, from)
		if place < 0 {
			return nil
		}
		if z := ix.zones[place]; bytes.Equal(z.apex, apex) {
			return z
		}
		from = next
	}
}

// nodeOf returns the node of a steered name.
func (ix *Index) nodeOf(name *zones.Name) *node {
	var hashes wire.Hashes
	apex, ok := wire.ParseName(name.Zone.Name)
	if !ok {
		return nil
	}
	apex.Hash(&hashes)
	z := ix.zone(apex.Bytes(), hashes[0])
	owner, ok := wire.ParseName(name.Name)
	if z == nil || !ok {
		return nil
	}
	owner.Hash(&hashes)
	return z.at(owner.Bytes(), hashes[0])
}

func newZone(config *zones.Zone, apex *wire.Name, counters *Counters) *zone {
	z := &zone{
		name:   config.Name,
		apex:   bytes.Clone(apex.Bytes()),
		data:   &config.Data,
		nodes:  make([]node, 0, config.Data.Len()+len(config.Names)),
		byName: newHashTable(config.Data.Len() + len(config.Names)),
	}
	b := builder{zone: z, apex: apex}
	for i := range config.Data.Len() {
		b.addStatic(i)
	}
	for _, steered := range config.Names {
		b.addSteered(steered, counters.add(steered))
	}
	var hashes wire.Hashes
	apex.Hash(&hashes)
	if top := z.at(apex.Bytes(), hashes[0]); top != nil {
		if soa := z.static(top, dns.TypeSOA); soa.Count > 0 {
			z.negative = negativeSOA(soa)
			z.denial = newMovable(z.apex, piece{owner: z.apex, RRset: z.negative})
		}
	}
	return z
}

// negativeSOA is the SOA with the TTL of a negative answer: the lesser of its own and its
// minimum field (RFC 2308, section 3), which is its last.
func negativeSOA(soa records.RRset) records.RRset {
	soa.Records = bytes.Clone(soa.Records)
	minimum := binary.BigEndian.Uint32(soa.Records[len(soa.Records)-4:])
	setTTL(soa.Records, min(soa.TTL(), minimum))
	return soa
}

// builder adds names to a zone.
type builder struct {
	zone   *zone
	apex   *wire.Name
	name   wire.Name // that is being added
	hashes wire.Hashes
}

// addStatic adds the node at a place of the zone's data.
func (b *builder) addStatic(i int) {
	static := b.zone.data.Node(i)
	if _, ok := b.name.Read(static.Owner(), 0); !ok || !b.name.Within(b.apex) {
		return // the rules of zones/records let no such name pass
	}
	if isHashed(static) {
		return
	}
	b.name.Hash(&b.hashes)
	n := &b.zone.nodes[b.ensure(0, int32(i))]
	for set := range static.Sets() {
		switch set.Type {
		case dns.TypeNS:
			if b.name.Labels() > b.apex.Labels() {
				n.flags |= isCut
			}
		case dns.TypeCNAME:
			n.flags |= hasCNAME
		case dns.TypeDNAME:
			n.flags |= hasDNAME
		}
	}
}

// isHashed reports whether a node is the owner of an NSEC3 record, which is no name of the
// zone: a question for it is answered as if it were not there (RFC 5155, section 7.2.8).
func isHashed(static records.Node) bool {
	hashed := false
	for set := range static.Sets() {
		if set.Type != dns.TypeNSEC3 && set.Type != dns.TypeRRSIG {
			return false
		}
		hashed = hashed || set.Type == dns.TypeNSEC3
	}
	return hashed
}

// addSteered adds the node of a steered name, which has counters of its own unless the first is 0.
func (b *builder) addSteered(steered *zones.Name, counters uint16) {
	name, ok := wire.ParseName(steered.Name)
	if !ok || !name.Within(b.apex) {
		return // the rules of zones/records let no such name pass
	}
	b.name = name
	b.name.Hash(&b.hashes)
	n := &b.zone.nodes[b.ensure(0, none)]
	n.steering, n.counters = int32(steered.Steering.Index), counters
}

// ensure returns the place of the node of the name without its first i labels. If there is none
// yet, it makes the node and its ancestors up to the apex. static is the place of the name in the
// zone's data, or none.
func (b *builder) ensure(i int, static int32) int {
	z := b.zone
	owner := b.name.Suffix(i)
	if place := z.place(owner, b.hashes[i]); place >= 0 {
		return place
	}
	if static == none {
		static = ^int32(len(z.others))
		z.others = append(z.others, owner...)
	}
	place := len(z.nodes)
	z.nodes = append(z.nodes, node{at: static, steering: none, wildcard: none})
	z.byName.add(b.hashes[i], place)
	if b.name.Labels()-i > b.apex.Labels() {
		parent := b.ensure(i+1, none)
		// The flags are known already: static data is added first, and each owner before the names
		// below it.
		if z.nodes[parent].flags&(isCut|hasDNAME|isHidden) != 0 {
			z.nodes[place].flags = isHidden
		}
		if b.name.IsWildcard(i) {
			z.nodes[parent].wildcard = int32(place)
		}
	}
	return place
}

// at returns the node of an owner; nil: there is none.
func (z *zone) at(owner []byte, hash uint64) *node {
	if place := z.place(owner, hash); place >= 0 {
		return &z.nodes[place]
	}
	return nil
}

// place returns where the node of an owner is; negative: there is none.
func (z *zone) place(owner []byte, hash uint64) int {
	for from := z.byName.begin(hash); ; {
		place, next := z.byName.find(hash, from)
		if place < 0 || z.isOwnedBy(&z.nodes[place], owner) {
			return place
		}
		from = next
	}
}

func (z *zone) isOwnedBy(n *node, owner []byte) bool {
	if n.at >= 0 {
		return z.data.Node(int(n.at)).IsOwnedBy(owner)
	}
	return bytes.HasPrefix(z.others[^n.at:], owner)
}

// ownerOf is a node's name in wire form and lower case.
func (z *zone) ownerOf(n *node) []byte {
	if n.at >= 0 {
		return z.data.Node(int(n.at)).Owner()
	}
	other := z.others[^n.at:]
	return other[:wire.SkipName(other, 0)]
}

// static returns the node's records of one type; none for a nil node.
func (z *zone) static(n *node, rtype uint16) records.RRset {
	if n == nil || n.at < 0 {
		return records.RRset{Type: rtype}
	}
	return z.data.Node(int(n.at)).Set(rtype)
}

// setTTL sets the TTL of every packed record.
func setTTL(list []byte, ttl uint32) {
	for at := 0; at < len(list); {
		binary.BigEndian.PutUint32(list[at+6:], ttl)
		at += records.RecordHead + int(binary.BigEndian.Uint16(list[at+records.RecordHead-2:]))
	}
}

// hashTable finds the places of items by a hash: open addressing with linear probing, never more
// than two thirds full. A slot holds the hash's upper half above the item's place, so that a miss
// nearly always needs no look at the items. There are no pointers for the garbage collector to
// follow. The upper half also gives the slot to begin at, so that the table can grow without the
// full hashes.
type hashTable struct {
	slots []uint64 // 0: free; otherwise the hash's upper half, and the place plus one
	used  int
	shift int // that leaves of a hash the slot to begin at
}

const placeMask = 1<<32 - 1

// newHashTable has room for n items.
func newHashTable(n int) hashTable {
	log := bits.Len(uint(n + n/2))
	return hashTable{slots: make([]uint64, 1<<log), shift: 64 - log}
}

// begin is the slot at which the search for a hash begins.
func (t *hashTable) begin(hash uint64) int { return int(hash >> t.shift) }

// find returns the place of the first item, at or after slot from, whose hash has the same upper
// half, and the slot to continue from if that item is not the right one. A negative place means
// that there is none.
func (t *hashTable) find(hash uint64, from int) (place, next int) {
	mask := len(t.slots) - 1
	for at := from; ; at++ {
		slot := t.slots[at&mask]
		if slot == 0 {
			return -1, 0
		}
		if slot>>32 == hash>>32 {
			return int(slot&placeMask) - 1, at + 1
		}
	}
}

// add enters an item, which must not be in the table yet.
func (t *hashTable) add(hash uint64, place int) {
	if t.used++; t.used+t.used/2 >= len(t.slots) {
		old := t.slots
		*t = hashTable{slots: make([]uint64, 2*len(old)), used: t.used, shift: t.shift - 1}
		for _, slot := range old {
			if slot != 0 {
				t.put(slot)
			}
		}
	}
	t.put(hash&^placeMask | uint64(place+1))
}

func (t *hashTable) put(slot uint64) {
	mask := len(t.slots) - 1
	at := t.begin(slot)
	for ; t.slots[at&mask] != 0; at++ {
	}
	t.slots[at&mask] = slot
}
