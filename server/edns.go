package server

import "encoding/binary"

// edns is the OPT record of a query (RFC 6891, section 6.1.2).
type edns struct {
	present bool
	size    int // the UDP reply that the client can take, in bytes
	version uint8
	do      bool // DNSSEC OK (RFC 3225)
}

const (
	doBit      = 1 << 15
	optSize    = 11 // of an OPT without options
	optVersion = 0
)

// parse reads an OPT record; an option that is unknown is skipped, and all are. It
// reports whether the record is well-formed.
func (e *edns) parse(rec record) bool {
	e.size = int(rec.class)
	e.version = uint8(rec.ttl >> 16)
	e.do = rec.ttl&doBit != 0
	if !rec.atRoot {
		return false
	}
	if e.version > optVersion {
		return true
	}
	for options := rec.rdata; len(options) > 0; {
		if len(options) < 4 {
			return false
		}
		length := 4 + int(binary.BigEndian.Uint16(options[2:]))
		if length > len(options) {
			return false
		}
		options = options[length:]
	}
	return true
}

// appendOPT appends the reply's OPT to msg, and counts it. The upper bits of rcode go
// into it; DO comes back as it was asked (RFC 3225, section 3).
func (e *edns) appendOPT(msg []byte, rcode int) []byte {
	ttl := uint32(rcode>>4) << 24
	if e.do {
		ttl |= doBit
	}
	msg = append(msg, 0, 0, 41)
	msg = binary.BigEndian.AppendUint16(msg, udpPayload)
	msg = binary.BigEndian.AppendUint32(msg, ttl)
	msg = append(msg, 0, 0)
	countAdditional(msg)
	return msg
}

// replyLimit is the largest reply over UDP: what the client can take, but never less than
// every client must (RFC 6891, section 6.2.3) nor more than we send.
func (e *edns) replyLimit() int {
	return min(max(e.size, 512), udpPayload)
}

func countAdditional(msg []byte) {
	binary.BigEndian.PutUint16(msg[offARCount:], binary.BigEndian.Uint16(msg[offARCount:])+1)
}
