package server

import "encoding/binary"

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
	name, _, ok := skipName(msg, off)
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

// skipName returns the offset of what follows the name at off, and whether the name ends
// in a compression pointer. A pointer must point backwards; it is not followed.
func skipName(msg []byte, off int) (end int, compressed, ok bool) {
	const (
		maxName     = 255 // RFC 1035, section 2.3.4, with the root's length byte
		pointerBits = 0xc0
	)
	for start := off; off < len(msg) && off-start < maxName; {
		switch length := int(msg[off]); {
		case length == 0:
			return off + 1, false, true
		case length < 1<<6:
			off += 1 + length
		case length >= pointerBits:
			if off+2 > len(msg) {
				return 0, false, false
			}
			target := int(binary.BigEndian.Uint16(msg[off:])) &^ (pointerBits << 8)
			return off + 2, true, target < start
		default: // reserved label types; RFC 6891, section 5, gave up the one ever defined
			return 0, false, false
		}
	}
	return 0, false, false
}
