package answer

import (
	"encoding/binary"

	"github.com/miekg/dns"

	"gslb/internal/wire"
	"gslb/zones/records"
)

// Fit says how much of a reply there was room for.
type Fit uint8

const (
	Whole     Fit = iota // all of it
	Shortened            // all but additional records that a client can do without
	Truncated            // a part that the client needs is missing: the TC bit has to be set
)

// Append appends the answer, authority and additional sections to msg, which holds a
// header and the question that Run was given, and counts them in the header. The result has
// at most limit bytes; msg has room for these and [Slack].
//
// No RRset is ever split. Additional records are left out first, whole RRsets from the end (RFC
// 2181, section 9); losing glue that a referral needs truncates the reply (RFC 9471, section 3.1).
// If answer and authority alone do not fit, neither is sent: a client would have to discard a part
// of them anyway, and a forged query would gain more.
//
// Names are compressed (RFC 1035, section 4.1.4) wherever an owner or the data of a type that
// allows it (RFC 3597, section 4) repeats one, in any case of letters.
func (l *Lookup) Append(msg []byte, limit int) ([]byte, Fit) {
	limit = min(limit, cap(msg)-Slack)
	if l.denial != nil {
		return l.denial.append(msg, len(l.asked), limit)
	}
	p := &l.packer
	p.begin(msg, limit)
	if !p.section(wire.OffANCount, l.answer) || !p.section(wire.OffNSCount, l.authority) {
		clear(msg[wire.OffANCount:wire.HeaderSize])
		return msg, Truncated
	}
	return p.msg, l.appendAdditional(p)
}

// appendAdditional appends the additional section as far as it fits. The rest is not looked up.
func (l *Lookup) appendAdditional(p *packer) Fit {
	count, fit := 0, Whole
	for set := range l.additional() {
		end := len(p.msg)
		if !p.put(&set.piece) {
			p.msg = p.msg[:end]
			fit = Shortened
			if set.needed {
				fit = Truncated
			}
			break
		}
		count += set.Count
	}
	binary.BigEndian.PutUint16(p.msg[wire.OffARCount:], uint16(count))
	return fit
}

// packer writes records and compresses names against those that it wrote before.
type packer struct {
	msg   []byte
	limit int
	// targets are the names, and their suffixes, that a compression pointer may point to. Those of
	// the question come first.
	targets [maxTargets]target
	known   int
	// onPointer, if it is not nil, is called with the offset of each pointer that is written.
	onPointer func(at int)
}

// begin makes the packer continue after a header and a question.
func (p *packer) begin(msg []byte, limit int) {
	p.msg, p.limit, p.known = msg, limit, 0
}

// section writes a section and counts it in the header, at offset; false: it does not fit.
func (p *packer) section(offset int, pieces []piece) bool {
	count := 0
	for i := range pieces {
		if !p.put(&pieces[i]) {
			return false
		}
		count += pieces[i].Count
	}
	binary.BigEndian.PutUint16(p.msg[offset:], uint16(count))
	return true
}

// maxTargets bounds how many names a pointer may point to. It is enough for the longest question
// and for all but very long replies, which are then less compressed.
const maxTargets = 64

// target is a name in the message.
type target struct {
	at   uint16
	size uint8 // uncompressed
}

// put writes one RRset; false: it does not fit.
func (p *packer) put(set *piece) bool {
	if set.owner == nil && nameInData(set.Type).first < 0 {
		// Records are kept as they are sent.
		if len(p.msg)+len(set.Records)+len(set.rest) > p.limit {
			return false
		}
		p.msg = append(append(p.msg, set.Records...), set.rest...)
		return true
	}
	if p.known == 0 {
		p.remember(wire.HeaderSize, wire.SkipName(p.msg, wire.HeaderSize)-wire.HeaderSize, 1)
	}
	return p.records(set, set.Records) && p.records(set, set.rest)
}

// records writes some records of a set one by one.
func (p *packer) records(set *piece, list []byte) bool {
	for len(list) > 0 {
		end := records.RecordHead + int(binary.BigEndian.Uint16(list[records.RecordHead-2:]))
		if !p.record(set, list[:end]) {
			return false
		}
		list = list[end:]
	}
	return true
}

// Slack is the most that compression may shorten a record by, in bytes: an owner and the two names
// in the data of an SOA. A record is written before it is known whether it fits.
const Slack = 3 * wire.MaxName

// record writes one record of a set.
func (p *packer) record(set *piece, record []byte) bool {
	if len(p.msg)+len(record)+len(set.owner) > p.limit+Slack {
		return false
	}
	if set.owner == nil {
		p.msg = append(p.msg, record[:2]...)
	} else {
		p.name(set.owner)
	}
	p.msg = append(p.msg, record[2:records.RecordHead]...)
	start := len(p.msg)
	p.data(set.Type, record[records.RecordHead:])
	binary.BigEndian.PutUint16(p.msg[start-2:], uint16(len(p.msg)-start))
	return len(p.msg) <= p.limit
}

// names says where the data of a type holds names: count names, from the offset first on.
type names struct {
	first, count int
	compress     bool // they may be written as pointers
}

// nameInData lists the types with names in their data that may repeat other names of a reply. Only
// the data of types that RFC 1035 defines may have compressed names (RFC 3597, section 4).
func nameInData(rtype uint16) names {
	switch rtype {
	case dns.TypeNS, dns.TypeCNAME, dns.TypePTR:
		return names{0, 1, true}
	case dns.TypeSOA:
		return names{0, 2, true}
	case dns.TypeMX:
		return names{2, 1, true}
	case dns.TypeDNAME:
		return names{0, 1, false}
	case dns.TypeSVCB, dns.TypeHTTPS:
		return names{2, 1, false}
	case dns.TypeSRV:
		return names{6, 1, false}
	}
	return names{first: none}
}

// data writes a record's data.
func (p *packer) data(rtype uint16, data []byte) {
	names := nameInData(rtype)
	at := max(0, names.first)
	p.msg = append(p.msg, data[:at]...)
	for range names.count {
		end := wire.SkipName(data, at)
		if names.compress {
			p.name(data[at:end])
		} else {
			p.msg = append(p.msg, data[at:end]...)
			p.remember(len(p.msg)-(end-at), end-at, 1)
		}
		at = end
	}
	p.msg = append(p.msg, data[at:]...)
}

// name writes a name, as much of it as possible as a pointer.
func (p *packer) name(name []byte) {
	fresh := len(p.msg)
	for rest := name; len(rest) > 1; rest = rest[1+int(rest[0]):] {
		if at, found := p.find(rest); found {
			p.msg = append(p.msg, name[:len(name)-len(rest)]...)
			if p.onPointer != nil {
				p.onPointer(len(p.msg))
			}
			p.msg = binary.BigEndian.AppendUint16(p.msg, 0xc000|at)
			p.remember(fresh, len(name), len(rest))
			return
		}
	}
	p.msg = append(p.msg, name...)
	p.remember(fresh, len(name), 1)
}

// find returns where a name is in the message already.
func (p *packer) find(name []byte) (at uint16, found bool) {
	for i := range p.targets[:p.known] {
		t := &p.targets[i]
		if int(t.size) == len(name) && p.isAt(int(t.at), name) {
			return t.at, true
		}
	}
	return 0, false
}

// isAt reports whether the name at a place of the message is name.
func (p *packer) isAt(at int, name []byte) bool {
	for {
		size := int(p.msg[at])
		if size >= 0xc0 {
			at = int(binary.BigEndian.Uint16(p.msg[at:]) &^ 0xc000)
			continue
		}
		if !wire.Equal(p.msg[at:at+1+size], name[:1+size]) {
			return false
		}
		if size == 0 {
			return true
		}
		at, name = at+1+size, name[1+size:]
	}
}

// remember adds the name at a place, and its suffixes longer than last, to the targets.
func (p *packer) remember(at, size, last int) {
	const pointable = 1 << 14 // RFC 1035, section 4.1.4: 14 bits
	for size > last && p.known < maxTargets && at < pointable {
		p.targets[p.known] = target{at: uint16(at), size: uint8(size)}
		p.known++
		label := 1 + int(p.msg[at])
		at, size = at+label, size-label
	}
}

// movable is an authority section that was packed for a question for the zone's apex, and can
// follow a question for any name in the zone. Such a question is longer by the labels before the
// apex, and every pointer of the section grows by that length.
type movable struct {
	records  []byte
	count    int
	apexSize int
	pointers []uint16 // where the compression pointers are in records
}

// newMovable packs a section.
func newMovable(apex []byte, pieces ...piece) movable {
	question := append(make([]byte, wire.HeaderSize, 1<<12), apex...)
	question = append(question, 0, 0, 0, 0) // type and class
	m := movable{apexSize: len(apex)}
	p := packer{msg: question, limit: cap(question) - Slack}
	p.onPointer = func(at int) { m.pointers = append(m.pointers, uint16(at-len(question))) }
	for i := range pieces {
		if !p.put(&pieces[i]) {
			return movable{}
		}
		m.count += pieces[i].Count
	}
	m.records = p.msg[len(question):]
	return m
}

// append appends the section to a message of header and question. nameSize is the size of the
// question's name.
func (m *movable) append(msg []byte, nameSize, limit int) ([]byte, Fit) {
	if len(msg)+len(m.records) > limit {
		return msg, Truncated
	}
	start, by := len(msg), uint16(nameSize-m.apexSize)
	msg = append(msg, m.records...)
	for _, at := range m.pointers {
		pointer := msg[start+int(at):]
		binary.BigEndian.PutUint16(pointer, binary.BigEndian.Uint16(pointer)+by)
	}
	binary.BigEndian.PutUint16(msg[wire.OffNSCount:], uint16(m.count))
	return msg, Whole
}
