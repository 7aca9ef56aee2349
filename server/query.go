package server

import (
	"encoding/binary"

	"github.com/miekg/dns"
)

// The header's layout: RFC 1035, section 4.1.1.
const (
	headerSize = 12

	flagQR = 1 << 15
	flagAA = 1 << 10
	flagTC = 1 << 9
	flagRD = 1 << 8

	opcodeShift = 11
	opcodeMask  = 0xf

	offFlags   = 2
	offQDCount = 4
	offANCount = 6
	offNSCount = 8
	offARCount = 10
)

// query is what a message was understood to ask.
type query struct {
	id     uint16
	opcode int
	rd     bool
	// rcode is what parsing alone has decided; with anything but success the fields below
	// hold what was understood until then.
	rcode int

	questionEnd int    // offset of the first byte after the question; headerSize: there is none
	name        string // fully qualified, in presentation form and in the case it was asked
	qtype       uint16
	qclass      uint16

	edns edns
	tsig *dns.TSIG // nil: the query is not signed
}

func (q *query) hasQuestion() bool { return q.questionEnd > headerSize }

// ignored says why a message must not be answered at all; empty: it must be.
func ignored(msg []byte) string {
	switch {
	case len(msg) < headerSize:
		return dropShort
	case binary.BigEndian.Uint16(msg[offFlags:])&flagQR != 0:
		// Answering answers would let two servers keep each other busy for ever.
		return dropResponse
	}
	return ""
}

// parse reads a message that is not ignored. It keeps no reference to msg.
func (q *query) parse(msg []byte) {
	flags := binary.BigEndian.Uint16(msg[offFlags:])
	*q = query{
		id:          binary.BigEndian.Uint16(msg),
		opcode:      int(flags >> opcodeShift & opcodeMask),
		rd:          flags&flagRD != 0,
		questionEnd: headerSize,
	}
	if q.opcode != dns.OpcodeQuery {
		q.rcode = dns.RcodeNotImplemented
		return
	}
	questions := binary.BigEndian.Uint16(msg[offQDCount:])
	switch {
	case questions > 1,
		questions == 1 && !q.parseQuestion(msg),
		!q.parseRecords(msg),
		// No question asks for a cookie (RFC 7873, section 5.4); none are given out.
		questions == 0:
		q.rcode = dns.RcodeFormatError
		q.tsig = nil // it is the message that is refused, not the signature
	}
}

func (q *query) parseQuestion(msg []byte) bool {
	end, compressed, ok := skipName(msg, headerSize)
	if !ok || compressed || end+4 > len(msg) {
		return false
	}
	name, _, err := dns.UnpackDomainName(msg, headerSize)
	if err != nil {
		return false
	}
	q.name = name
	q.qtype = binary.BigEndian.Uint16(msg[end:])
	q.qclass = binary.BigEndian.Uint16(msg[end+2:])
	q.questionEnd = end + 4
	return true
}

// parseRecords walks the records after the question for OPT and TSIG.
func (q *query) parseRecords(msg []byte) bool {
	counts := [...]int{
		int(binary.BigEndian.Uint16(msg[offANCount:])),
		int(binary.BigEndian.Uint16(msg[offNSCount:])),
		int(binary.BigEndian.Uint16(msg[offARCount:])),
	}
	off := q.questionEnd
	for section, count := range counts {
		additional := section == 2
		for i := range count {
			rec, end, ok := readRecord(msg, off)
			if !ok {
				return false
			}
			switch rec.rrtype {
			case dns.TypeOPT:
				again := q.edns.present
				q.edns.present = true
				if again || !additional || !q.edns.parse(rec) {
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
