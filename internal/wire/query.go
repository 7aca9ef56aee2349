package wire

import "encoding/binary"

// The header's layout: RFC 1035, section 4.1.1.
const (
	HeaderSize = 12

	FlagQR = 1 << 15
	FlagAA = 1 << 10
	FlagTC = 1 << 9
	FlagRD = 1 << 8

	OpcodeShift = 11
	OpcodeMask  = 0xf

	OffFlags   = 2
	OffQDCount = 4
	OffANCount = 6
	OffNSCount = 8
	OffARCount = 10
)

// Sizes of messages, in bytes.
const (
	// UDPPayload is the largest UDP reply that is sent, and what our OPT advertises. It is what
	// IPv6's smallest MTU of 1280 leaves, so that no path fragments a reply.
	UDPPayload = 1232
	// MaxMessage is the largest message that there can be, over TCP (RFC 1035, section 4.2.2).
	MaxMessage = 1<<16 - 1
)

// typeOPT is the type of EDNS's pseudo-record (RFC 6891, section 6.1.1).
const typeOPT = 41

// Query is a query of the usual form: opcode QUERY, one question with an uncompressed name,
// nothing else but an OPT record. The zero value is ready to Parse, again and again.
type Query struct {
	RD    bool // recursion desired
	Name  Name // in lower case
	Type  uint16
	Class uint16
	End   int // of the question, in the message
	EDNS  EDNS
}

// Parse reads a message and reports whether it has that form, down to the last byte; if
// not, it may be any message, and q holds nothing of use. EDNS refers to msg afterwards.
func (q *Query) Parse(msg []byte) bool {
	const opcodeAndQR = FlagQR | OpcodeMask<<OpcodeShift
	if len(msg) < HeaderSize {
		return false
	}
	flags := binary.BigEndian.Uint16(msg[OffFlags:])
	// Question count 1, answer and authority count 0; one additional record at most.
	counts := binary.BigEndian.Uint64(msg[OffQDCount:])
	if flags&opcodeAndQR != 0 || counts&^1 != 1<<48 {
		return false
	}
	end, ok := q.Name.Read(msg, HeaderSize)
	if !ok || end+4 > len(msg) {
		return false
	}
	q.RD = flags&FlagRD != 0
	q.Type = binary.BigEndian.Uint16(msg[end:])
	q.Class = binary.BigEndian.Uint16(msg[end+2:])
	q.End = end + 4
	q.EDNS = EDNS{}
	if counts&1 == 0 {
		return q.End == len(msg)
	}
	return q.parseOPT(msg[q.End:])
}

// parseOPT reads the OPT record that rest must be. One that is malformed is not of the usual
// form either: whoever reads all messages says what is wrong with it.
func (q *Query) parseOPT(rest []byte) bool {
	if len(rest) < OPTSize || rest[0] != 0 || binary.BigEndian.Uint16(rest[1:]) != typeOPT {
		return false
	}
	if int(binary.BigEndian.Uint16(rest[9:])) != len(rest)-OPTSize {
		return false
	}
	return q.EDNS.Parse(binary.BigEndian.Uint16(rest[3:]), binary.BigEndian.Uint32(rest[5:]), rest[OPTSize:]) &&
		!q.EDNS.BadCookie && !q.EDNS.BadSubnet
}
