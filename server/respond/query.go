package respond

import (
	"encoding/binary"

	"github.com/miekg/dns"

	"gslb/internal/wire"
	"gslb/server/meter"
)

// query is what could be read of any message.
type query struct {
	opcode int
	rd     bool
	// rcode is what parsing alone has decided; with anything but success the fields below
	// hold what was understood until then.
	rcode int

	end    int       // offset of the first byte after the question; wire.HeaderSize: there is none
	name   wire.Name // in lower case
	qtype  uint16
	qclass uint16

	edns wire.EDNS
	tsig *dns.TSIG // nil: the query is not signed
}

// flags is those of the query that its reply repeats.
func (q *query) flags() uint16 {
	flags := uint16(q.opcode) << wire.OpcodeShift
	if q.rd {
		flags |= wire.FlagRD
	}
	return flags
}

func (q *query) hasQuestion() bool { return q.end > wire.HeaderSize }

// ignored says why a message must not be answered; meter.Answerable if it must be.
func ignored(msg []byte) meter.Drop {
	switch {
	case len(msg) < wire.HeaderSize:
		return meter.DropShort
	case binary.BigEndian.Uint16(msg[wire.OffFlags:])&wire.FlagQR != 0:
		// If responses were answered, two servers could keep each other busy for ever.
		return meter.DropResponse
	}
	return meter.Answerable
}

// parse reads a message that is not ignored. Only edns refers to msg afterwards.
func (q *query) parse(msg []byte) {
	flags := binary.BigEndian.Uint16(msg[wire.OffFlags:])
	*q = query{
		opcode: int(flags >> wire.OpcodeShift & wire.OpcodeMask),
		rd:     flags&wire.FlagRD != 0,
		end:    wire.HeaderSize,
	}
	if q.opcode != dns.OpcodeQuery {
		q.parseOther(msg)
		return
	}
	questions := binary.BigEndian.Uint16(msg[wire.OffQDCount:])
	switch {
	case questions > 1,
		questions == 1 && !q.parseQuestion(msg),
		!q.parseRecords(msg),
		// Without a question a cookie alone may be asked for (RFC 7873, section 5.4).
		questions == 0 && (q.edns.ClientCookie == nil || q.tsig != nil):
		q.rcode = dns.RcodeFormatError
		q.tsig = nil // the message is refused, not the signature
	}
}

// parseOther reads a message of another opcode, of which only the header's layout is sure. If it has
// the layout of a query all the same, as those of all opcodes that are defined have, then its OPT
// counts, since whoever sends one gets one (RFC 6891, section 6.1.1).
func (q *query) parseOther(msg []byte) {
	questions := binary.BigEndian.Uint16(msg[wire.OffQDCount:])
	if questions > 1 || questions == 1 && !q.parseQuestion(msg) || !q.parseRecords(msg) {
		q.edns = wire.EDNS{}
	}
	q.rd, q.end, q.tsig = false, wire.HeaderSize, nil // RD has another meaning with each opcode
	q.rcode = dns.RcodeNotImplemented
}

// refuse makes q a query whose options cannot be relied on.
func (q *query) refuse() {
	q.edns = wire.EDNS{Present: true}
	if q.rcode == dns.RcodeSuccess {
		q.rcode = dns.RcodeFormatError
	}
	q.tsig = nil
}

func (q *query) parseQuestion(msg []byte) bool {
	end, ok := q.name.Read(msg, wire.HeaderSize)
	if !ok || end+4 > len(msg) {
		return false
	}
	q.qtype = binary.BigEndian.Uint16(msg[end:])
	q.qclass = binary.BigEndian.Uint16(msg[end+2:])
	q.end = end + 4
	return true
}

// parseRecords walks the records after the question for OPT and TSIG.
func (q *query) parseRecords(msg []byte) bool {
	counts := [...]int{
		int(binary.BigEndian.Uint16(msg[wire.OffANCount:])),
		int(binary.BigEndian.Uint16(msg[wire.OffNSCount:])),
		int(binary.BigEndian.Uint16(msg[wire.OffARCount:])),
	}
	off := q.end
	for section, count := range counts {
		additional := section == 2
		for i := range count {
			rec, end, ok := readRecord(msg, off)
			if !ok {
				return false
			}
			switch rec.rrtype {
			case dns.TypeOPT:
				again := q.edns.Present
				wellFormed := q.edns.Parse(rec.class, rec.ttl, rec.rdata)
				if again || !additional || !rec.atRoot || !wellFormed {
					q.edns = wire.EDNS{Present: true} // nothing in it can be relied on
					return false
				}
			case dns.TypeTSIG:
				if !additional || i != count-1 {
					return false
				}
				if q.tsig, ok = unpackTSIG(msg[:end], off); !ok {
					return false
				}
			}
			off = end
		}
	}
	return true
}

// unpackTSIG reads the TSIG record at off, the last of msg.
func unpackTSIG(msg []byte, off int) (*dns.TSIG, bool) {
	rr, end, err := dns.UnpackRR(msg, off)
	if err != nil || end != len(msg) {
		return nil, false
	}
	tsig, ok := rr.(*dns.TSIG)
	if !ok || tsig.Algorithm == "" { // a record without data unpacks to empty fields
		return nil, false
	}
	return tsig, true
}

// record is one resource record of a message (RFC 1035, section 4.1.3).
type record struct {
	atRoot bool // the owner is the root, written out
	rrtype uint16
	class  uint16
	ttl    uint32
	rdata  []byte
}

// readRecord reads the record at off and returns the offset of what follows.
func readRecord(msg []byte, off int) (rec record, end int, ok bool) {
	const fixed = 10 // type, class, TTL and the length of the data
	name, ok := skipName(msg, off)
	if !ok || name+fixed > len(msg) {
		return record{}, 0, false
	}
	data := name + fixed
	end = data + int(binary.BigEndian.Uint16(msg[data-2:]))
	if end > len(msg) {
		return record{}, 0, false
	}
	return record{
		atRoot: msg[off] == 0,
		rrtype: binary.BigEndian.Uint16(msg[name:]),
		class:  binary.BigEndian.Uint16(msg[name+2:]),
		ttl:    binary.BigEndian.Uint32(msg[name+4:]),
		rdata:  msg[data:end],
	}, end, true
}

// skipName returns the offset of what follows the name at off. A compression pointer must point
// backwards; it is not followed.
func skipName(msg []byte, off int) (end int, ok bool) {
	const pointerBits = 0xc0
	for start := off; off < len(msg) && off-start < wire.MaxName; {
		switch length := int(msg[off]); {
		case length == 0:
			return off + 1, true
		case length < 1<<6:
			off += 1 + length
		case length >= pointerBits:
			if off+2 > len(msg) {
				return 0, false
			}
			target := int(binary.BigEndian.Uint16(msg[off:])) &^ (pointerBits << 8)
			return off + 2, target < start
		default: // reserved label types; RFC 6891, section 5, gave up the one ever defined
			return 0, false
		}
	}
	return 0, false
}
