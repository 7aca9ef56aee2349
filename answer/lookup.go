package answer

import (
	"encoding/binary"
	"net/netip"

	"github.com/miekg/dns"

	"gslb/internal/wire"
	"gslb/zones/records"
)

// Kind is the outcome of the look-up of a question's name.
type Kind uint8

const (
	NoZone   Kind = iota // no zone that is served; or an answer that cannot be given
	Positive             // data of its own, or an alias
	NoData               // it exists, without data of the type
	NXDomain             // it does not exist
	Referral             // it lies in a delegated zone
	Wildcard             // it stands for a wildcard or below a DNAME
	Pending              // it is steered, or leads to a name that is, and what is asked is not decided yet: no reply
)

// maxChain bounds how many CNAME and DNAME records one answer follows. Resolvers give up
// at about the same length.
const maxChain = 16

// Lookup answers questions, one after the other, without allocating once it is warm. It is
// for one goroutine at a time. The zero value is ready.
//
// It finds references into the table that it was run on. [Lookup.Append] packs them.
type Lookup struct {
	table *Table
	asked []byte // the question's name in wire form, in the case it was asked
	qtype uint16

	client Client
	scope  int
	seed   uint64 // of random
	lot    uint64 // by which a pool is drawn for the present name; 0: none yet
	pool   int32  // whose share was chosen last: Pool.Index, or several

	counter int // of the answer: see Counter

	// The name that is looked up at present: the question's or, after an alias, its target.
	name   *wire.Name
	owner  []byte // as its records are owned: nil for the question's name
	hashes wire.Hashes
	alias  wire.Name
	host   wire.Name // whose addresses are additional
	hosts  []uint64  // whose addresses have been, by their hashes

	kind          Kind
	bucket        uint64
	zone          *zone // that answered; nil: none
	rcode         int
	authoritative bool
	answer        []piece
	authority     []piece
	denial        *movable // the same as authority, if the reply is nothing else
	synthesised   []byte   // the CNAME records made from DNAMEs
	shortened     []byte   // an SOA with a TTL that is less than the zone's

	packer packer
}

// piece is one RRset of a reply.
type piece struct {
	owner []byte // in wire form; nil: the question's name
	records.RRset
	rest []byte // more of its records, which Count includes; not nil only for addresses
}

// Client is whom an answer is for.
type Client struct {
	// Addr is the address that the client is judged by; the zero value: nothing is known of it.
	Addr netip.Addr
	// Hidden is how many of its last bits are not known, and 0 in Addr.
	Hidden int
}

// Run answers a question of class IN by RFC 1034, section 4.3.2, with the refinements of
// RFC 2308 (negative answers), RFC 4592 (wildcards), RFC 6672 (DNAME), RFC 8020 (empty
// non-terminals) and RFC 8482 (ANY). asked is the name in wire form, in the case it was
// asked; name is the same in lower case. Both must stay as they are until the result has
// been used. A name outside every zone is REFUSED.
func (l *Lookup) Run(t *Table, client Client, asked []byte, name *wire.Name, qtype uint16) {
	l.table, l.client, l.asked, l.qtype = t, client, asked, qtype
	l.name, l.owner = name, nil
	l.reset()
	for hop := 0; ; hop++ {
		l.name.Hash(&l.hashes)
		z, depth := t.zoneOf(l.name, &l.hashes, qtype)
		if hop == 0 {
			l.zone = z
		}
		switch {
		case z == nil && hop == 0:
			l.rcode = dns.RcodeRefused
			return
		case z == nil, hop > maxChain:
			// The resolver goes on from the alias.
		default:
			if target := l.step(z, depth); target != nil && l.follow(target) {
				continue
			}
		}
		break
	}
}

// Zone is the name of the zone that answered, fully qualified and in lower case; empty with
// REFUSED.
func (l *Lookup) Zone() string {
	if l.zone == nil {
		return ""
	}
	return l.zone.name
}

// Kind says what the question's name came to.
func (l *Lookup) Kind() Kind { return l.kind }

// Bucket is a number by which the rate limit counts replies. It is made of a name that a client
// cannot vary at will: the name asked for if it has data of its own, otherwise that of the
// wildcard, the delegation or the zone.
func (l *Lookup) Bucket() uint64 { return l.bucket }

// Scope is how many bits of the client's address the reply depends on: it would be the same for all
// clients that share them. Additional records count once [Lookup.Append] has added them. A referral is
// for the resolver, whoever its client is (RFC 7871, section 7.4).
func (l *Lookup) Scope() int {
	if l.kind == Referral {
		return 0
	}
	return l.scope
}

// Rcode is the response code.
func (l *Lookup) Rcode() int { return l.rcode }

// Authoritative says whether the AA bit is to be set.
func (l *Lookup) Authoritative() bool { return l.authoritative }

// reset forgets the reply before.
func (l *Lookup) reset() {
	l.kind, l.bucket, l.scope = NoZone, 0, 0
	l.zone, l.rcode, l.authoritative = nil, dns.RcodeSuccess, false
	l.answer, l.authority = l.answer[:0], l.authority[:0]
	l.denial, l.synthesised = nil, l.synthesised[:0]
	l.counter = 0
}

// follow makes the target of an alias the name to look up. It returns false if that would lead in a
// circle.
func (l *Lookup) follow(target []byte) bool {
	if _, ok := l.alias.Read(target, 0); !ok {
		return false
	}
	for i := range l.answer {
		p := &l.answer[i]
		if p.Type != dns.TypeCNAME {
			continue
		}
		if wire.Equal(l.nameOf(p.owner), l.alias.Bytes()) {
			return false
		}
	}
	l.name, l.owner = &l.alias, target
	return true
}

// step answers the current name within its zone. It returns the target of an alias to continue
// with, or nil. The apex is the name without its first depth labels.
func (l *Lookup) step(z *zone, depth int) (target []byte) {
	// The usual case: the name exists, and no delegation or DNAME stands above it.
	if here := z.at(l.name.Bytes(), l.hashes[0]); here != nil && here.flags&(isCut|isHidden) == 0 {
		l.is(Positive, 0)
		l.authoritative = true
		return l.data(z, here)
	}
	encloser := z.at(l.name.Suffix(depth), l.hashes[depth])
	for i := depth; encloser != nil; i-- {
		here := z.at(l.name.Suffix(i), l.hashes[i])
		switch {
		case here == nil:
			l.authoritative = true
			if encloser.wildcard == none {
				l.is(NXDomain, depth)
				l.rcode = dns.RcodeNameError
				l.negative(z)
				return nil
			}
			l.is(Wildcard, i+1)
			return l.data(z, &z.nodes[encloser.wildcard])
		// The parent's side of the cut answers DS (RFC 4035, section 3.1.4.1).
		case here.flags&isCut != 0 && !(i == 0 && l.qtype == dns.TypeDS):
			l.is(Referral, i)
			l.referral(z, here)
			return nil
		case i == 0:
			l.is(Positive, i)
			l.authoritative = true
			return l.data(z, here)
		case here.flags&hasDNAME != 0:
			l.is(Wildcard, i)
			l.authoritative = true
			return l.redirect(z, here, i)
		}
		encloser = here
	}
	return nil
}

// is records the kind and the bucket of the question's own name; the bucket is the name without its
// first i labels. The targets of aliases change neither.
func (l *Lookup) is(kind Kind, i int) {
	if l.kind == NoZone {
		l.kind, l.bucket = kind, l.hashes[i]
	}
}

// data answers the current name from its node, which is its own or a wildcard's.
func (l *Lookup) data(z *zone, n *node) (target []byte) {
	if n.flags&hasCNAME != 0 && !l.asksBeside(z, n) {
		return l.alsoKnownAs(piece{RRset: z.static(n, dns.TypeCNAME)})
	}
	if l.isSteered(n, l.qtype) {
		return l.steer(z, n)
	}
	set := z.recordsOf(n, l.qtype)
	if set.Count == 0 {
		l.noData()
		l.negative(z)
		return nil
	}
	if len(l.answer) == 0 || !l.stands(set) {
		l.answer = append(l.answer, piece{owner: l.owner, RRset: set})
	}
	return nil
}

// alsoKnownAs answers with a CNAME, and returns its target.
func (l *Lookup) alsoKnownAs(alias piece) (target []byte) {
	alias.owner = l.owner
	l.answer = append(l.answer, alias)
	return alias.Records[records.RecordHead:]
}

// noData notes that the question's own name has no data of the type.
func (l *Lookup) noData() {
	if l.kind == Positive && l.owner == nil {
		l.kind = NoData
	}
}

// steer answers the current name, whose data of the type is steered.
func (l *Lookup) steer(z *zone, n *node) (target []byte) {
	s := l.steeredAt(n)
	switch {
	case s.isPending(l.qtype):
		l.giveUp(Pending)
		return nil
	case s.servFail:
		l.count(n, nothing)
		l.giveUp(NoZone)
		return nil
	}
	l.lot = 0
	set := l.choose(s.choiceFor(l.qtype))
	if set.Count == 0 && l.qtype == dns.TypeANY { // of the family that was looked at first
		set = l.choose(&s.aaaa)
	}
	if set.Count > 0 {
		l.count(n, l.pool)
	} else {
		l.count(n, nothing)
	}
	if set.Count > 0 && set.Type == dns.TypeCNAME && l.qtype != dns.TypeCNAME && l.qtype != dns.TypeANY {
		return l.alsoKnownAs(set)
	}
	if set.Count == 0 && l.qtype != dns.TypeA && l.qtype != dns.TypeAAAA {
		set = piece{RRset: z.recordsOf(n, l.qtype)}
	}
	if set.Count == 0 {
		l.noData()
		l.negativeFor(z, s.ttl)
		return nil
	}
	set.owner = l.owner
	l.answer = append(l.answer, set)
	return nil
}

// stands reports whether a set of the current name is in the answer already: a chain of aliases may
// lead back to a DNAME that it passed.
func (l *Lookup) stands(set records.RRset) bool {
	for i := range l.answer {
		p := &l.answer[i]
		if &p.Records[0] == &set.Records[0] && wire.Equal(l.nameOf(p.owner), l.nameOf(l.owner)) {
			return true
		}
	}
	return false
}

// nameOf is the owner of a piece.
func (l *Lookup) nameOf(owner []byte) []byte {
	if owner == nil {
		return l.asked
	}
	return owner
}

// giveUp makes the reply SERVFAIL, whatever aliases have led here. With kind Pending there is no
// reply.
func (l *Lookup) giveUp(kind Kind) {
	l.kind, l.rcode, l.authoritative = kind, dns.RcodeServerFailure, false
	l.answer = l.answer[:0]
}

// asksBeside reports whether the question is for records at the alias's own name: the CNAME itself,
// or the records that DNSSEC puts beside it (RFC 4035, section 2.5).
func (l *Lookup) asksBeside(z *zone, n *node) bool {
	switch l.qtype {
	case dns.TypeCNAME, dns.TypeANY:
		return true
	case dns.TypeNSEC, dns.TypeRRSIG:
		return z.static(n, l.qtype).Count > 0
	}
	return false
}

// isAddress reports whether a question of a type may be answered with steered addresses.
func isAddress(qtype uint16) bool {
	return qtype == dns.TypeA || qtype == dns.TypeAAAA || qtype == dns.TypeANY
}

// redirect answers with the DNAME at the present name without its first i labels, and the
// CNAME synthesised from it (RFC 6672, section 3.1).
func (l *Lookup) redirect(z *zone, n *node, i int) (target []byte) {
	dname := z.static(n, dns.TypeDNAME)
	if !l.hasAnswered(dname) { // an alias may have led below it again
		l.answer = append(l.answer, piece{owner: z.ownerOf(n), RRset: dname})
	}
	prefix := l.nameOf(l.owner)[:l.name.Start(i)]
	to := dname.Records[records.RecordHead:]
	if len(prefix)+len(to) > wire.MaxName {
		l.rcode = dns.RcodeYXDomain
		return nil
	}
	cname := l.synthesise(dname.TTL(), prefix, to)
	l.answer = append(l.answer, piece{owner: l.owner, RRset: cname})
	// A target below the DNAME itself would lead to it again, with a longer name each time.
	if l.qtype == dns.TypeCNAME || isBelow(to, z.ownerOf(n)) {
		return nil
	}
	return cname.Records[records.RecordHead:]
}

func (l *Lookup) hasAnswered(set records.RRset) bool {
	for i := range l.answer {
		if &l.answer[i].Records[0] == &set.Records[0] {
			return true
		}
	}
	return false
}

// synthesise makes a CNAME record whose target is prefix and to.
func (l *Lookup) synthesise(ttl uint32, prefix, to []byte) records.RRset {
	if l.synthesised == nil {
		// It must not move while pieces refer to it.
		l.synthesised = make([]byte, 0, (maxChain+1)*(records.RecordHead+wire.MaxName))
	}
	start := len(l.synthesised)
	b := append(l.synthesised, 0xc0, wire.HeaderSize)
	b = binary.BigEndian.AppendUint16(b, dns.TypeCNAME)
	b = binary.BigEndian.AppendUint16(b, dns.ClassINET)
	b = binary.BigEndian.AppendUint32(b, ttl)
	b = binary.BigEndian.AppendUint16(b, uint16(len(prefix)+len(to)))
	b = append(append(b, prefix...), to...)
	l.synthesised = b
	return records.RRset{Type: dns.TypeCNAME, Count: 1, Records: b[start:]}
}

// negative adds the SOA that tells resolvers how long to cache the negative answer (RFC 2308,
// section 3).
func (l *Lookup) negative(z *zone) {
	if z.negative.Count == 0 {
		return
	}
	l.authority = append(l.authority, piece{owner: z.apex, RRset: z.negative})
	if len(l.answer) == 0 {
		l.denial = &z.denial
	}
}

// negativeFor is negative for a steered name. Its "no data" for one family is cached no longer than
// its addresses of the other family, since both change together.
func (l *Lookup) negativeFor(z *zone, ttl uint32) {
	if z.negative.Count == 0 || z.negative.TTL() <= ttl {
		l.negative(z)
		return
	}
	l.shortened = append(l.shortened[:0], z.negative.Records...)
	setTTL(l.shortened, ttl)
	soa := z.negative
	soa.Records = l.shortened
	l.authority = append(l.authority, piece{owner: z.apex, RRset: soa})
}

// referral points to the servers of a delegated zone (RFC 1034, section 4.3.2, step 3b).
// The answer is authoritative only for the aliases that led here.
func (l *Lookup) referral(z *zone, cut *node) {
	l.authoritative = len(l.answer) > 0
	l.authority = append(l.authority, piece{owner: z.ownerOf(cut), RRset: z.static(cut, dns.TypeNS)})
}
