package answer

import (
	"encoding/binary"
	"time"

	"github.com/miekg/dns"

	"gslb/internal/wire"
	"gslb/steer"
	"gslb/zones"
	"gslb/zones/records"
)

// compiler packs the answers of many decisions, and equal answers only once.
type compiler struct {
	packed map[string]*steered // by what they are made of
	buffer []byte
}

func newCompiler() *compiler { return &compiler{packed: make(map[string]*steered)} }

// compile returns what a decision answers.
func (c *compiler) compile(d *steer.Decision) *steered {
	if d.Mode == steer.Pending {
		return &steered{pending: awaited(d), ttl: seconds(d.Route.Steering.TTLMin)}
	}
	c.buffer = c.describe(c.buffer[:0], d)
	if same := c.packed[string(c.buffer)]; same != nil {
		return same
	}
	s := newSteered(d)
	c.packed[string(c.buffer)] = s
	return s
}

// describe appends everything that the packed form of a decision depends on. What cannot matter is
// left out, such as the weight of a pool that is alone, so that more answers are equal.
func (c *compiler) describe(b []byte, d *steer.Decision) []byte {
	steering := d.Route.Steering
	shared := len(d.Shares) > 1 && !d.Joined()
	for _, is := range [...]bool{d.Mode == steer.ServFail, d.Joined(), steering.Fixed, shared && steering.Policy == zones.Sticky} {
		b = appendBool(b, is)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(steering.MaxAnswers))
	b = binary.BigEndian.AppendUint32(b, seconds(d.TTL))
	for i := range d.Shares {
		s := &d.Shares[i]
		if shared {
			b = binary.BigEndian.AppendUint32(b, uint32(s.Weight))
			b = appendBool(b, s.IsExtra())
		}
		b = binary.BigEndian.AppendUint32(b, uint32(s.Pool.Index))
		b = binary.BigEndian.AppendUint32(b, uint32(len(s.Addresses)))
		for _, addr := range s.Addresses {
			as16 := addr.As16()
			b = append(b, as16[:]...)
		}
	}
	return b
}

func appendBool(b []byte, is bool) []byte {
	if is {
		return append(b, 1)
	}
	return append(b, 0)
}

// newSteered makes the packed form of a decision.
func newSteered(d *steer.Decision) *steered {
	s := &steered{ttl: seconds(d.TTL), servFail: d.Mode == steer.ServFail}
	shares := d.Shares
	if d.Joined() {
		// No client sees which pool an address is from. Where no pool has addresses, one CNAME is drawn:
		// there can be only one.
		if addresses := d.Addresses(); len(addresses) > 0 {
			all := &zones.Pool{Index: several}
			if len(shares) == 1 {
				all.Index = shares[0].Pool.Index
			}
			shares = []steer.Share{{Pool: all, Addresses: addresses}}
		}
	}
	s.a = s.choiceOf(d, shares, dns.TypeA)
	s.aaaa = s.choiceOf(d, shares, dns.TypeAAAA)
	for i := range shares {
		if shares[i].Pool.CNAME != "" {
			s.others = s.choiceOf(d, shares, dns.TypeCNAME)
			break
		}
	}
	return s
}

// choiceOf packs what is answered for a type: of each pool its addresses of the family or its CNAME.
// A pool that has neither is left out, so that no client is told that there is no address while
// another pool has one. For type CNAME pools with addresses stay in with no records: the draw decides
// between an alias and none. While the part of a pool that returns is growing, or a pool gets what others
// give up by their loads, those beside it stay in too if none of them has any: clients are told that there is
// no address, as they were before, and not all of them sent to that pool.
func (s *steered) choiceOf(d *steer.Decision, from []steer.Share, qtype uint16) choice {
	steering := d.Route.Steering
	c := choice{rotate: !steering.Fixed}
	sets := make([]records.RRset, len(from))
	onlyExtra := false // have what is asked for
	for i := range from {
		sets[i] = s.setOf(&from[i], qtype)
		onlyExtra = onlyExtra || sets[i].Count > 0
	}
	for i := range from {
		onlyExtra = onlyExtra && (from[i].IsExtra() || sets[i].Count == 0)
	}
	sum, largest := 0, 0
	for i, set := range sets {
		if set.Count > 0 || qtype == dns.TypeCNAME || onlyExtra && !from[i].IsExtra() {
			c.shares = append(c.shares, share{RRset: set, seed: seedOf(from[i].Pool.Name), weight: uint32(from[i].Weight), pool: int32(from[i].Pool.Index)})
			sum += from[i].Weight
			largest = max(largest, set.Count)
		}
	}
	if sum == 0 || len(c.shares) == 1 { // equal parts, or all
		for i := range c.shares {
			c.shares[i].weight = 1
		}
	}
	if len(c.shares) > 1 && steering.Policy != zones.Sticky {
		c.columns = newColumns(c.shares)
	}
	most := mostRecords(qtype)
	if steering.MaxAnswers > 0 {
		most = min(most, steering.MaxAnswers)
	}
	if largest > most {
		c.most = most
	}
	return c
}

// mostRecords is how many addresses fit in any reply. A pool never has more, but all together may.
func mostRecords(qtype uint16) int {
	size := 4
	if qtype == dns.TypeAAAA {
		size = 16
	}
	return (records.MaxSet - wire.MaxName) / (records.RecordHead + size)
}

// setOf packs the records of one share.
func (s *steered) setOf(from *steer.Share, qtype uint16) records.RRset {
	if from.Pool.CNAME != "" {
		target, ok := wire.ParseName(from.Pool.CNAME)
		if !ok {
			return records.RRset{Type: qtype} // configuration lets no such name pass
		}
		b := appendHead(nil, dns.TypeCNAME, s.ttl, len(target.Bytes()))
		return records.RRset{Type: dns.TypeCNAME, Count: 1, Records: append(b, target.Bytes()...)}
	}
	set := records.RRset{Type: qtype}
	for _, addr := range from.Addresses {
		if qtype == dns.TypeA && addr.Is4() || qtype == dns.TypeAAAA && !addr.Is4() {
			set.Records = appendHead(set.Records, qtype, s.ttl, addr.BitLen()/8)
			set.Records = append(set.Records, addr.AsSlice()...)
			set.Count++
		}
	}
	return set
}

// appendHead appends the beginning of a record of the question's name, in the layout of records.Data.
func appendHead(b []byte, rtype uint16, ttl uint32, size int) []byte {
	b = append(b, 0xc0, wire.HeaderSize)
	b = binary.BigEndian.AppendUint16(b, rtype)
	b = binary.BigEndian.AppendUint16(b, dns.ClassINET)
	b = binary.BigEndian.AppendUint32(b, ttl)
	return binary.BigEndian.AppendUint16(b, uint16(size))
}

// awaited is what is known of a pending answer whatever the verdicts will be: a family of which no
// pool has an address has none to answer with, unless all may be answered SERVFAIL.
func awaited(d *steer.Decision) *pending {
	r, p := d.Route, &pending{}
	p.a = r.Steering.WhenAllDown == zones.ServFail
	p.aaaa = p.a
	see := func(pool *zones.Pool) {
		if pool.CNAME != "" {
			p.a, p.aaaa, p.alias = true, true, true
		}
		if pool.Alias != "" {
			p.a, p.aaaa = true, true
		}
		for _, m := range pool.Members {
			p.a = p.a || m.Address.Is4()
			p.aaaa = p.aaaa || !m.Address.Is4()
		}
	}
	for t := range r.Tiers {
		for _, share := range r.Tiers[t].Shares {
			see(share.Pool)
		}
	}
	if fallback := r.Steering.Fallback; fallback != nil {
		see(fallback)
	}
	if d.Pin != nil { // it may be to a pool that only other clients have
		for pool := range r.Steering.Candidates() {
			see(pool)
		}
	}
	return p
}

func seconds(d time.Duration) uint32 { return uint32(d / time.Second) }
