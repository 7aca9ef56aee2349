package cookie

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// Sizes in bytes (RFC 7873, section 4; RFC 9018, section 4).
const (
	ClientSize = 8
	ServerSize = headSize + hashSize

	headSize = 8
	hashSize = 8
)

// Client is a client cookie.
type Client [ClientSize]byte

// head is a server cookie without its hash.
type head [headSize]byte

const (
	version     = 1
	timestampAt = 4
)

// The ages at which a cookie's worth changes, in seconds (RFC 9018, section 4.3).
const (
	renewAge = 30 * 60
	maxAge   = 60 * 60
	maxAhead = 5 * 60 // what the clocks of servers that share a secret may differ
)

// age is how long ago a cookie was made, in seconds. Timestamps wrap around in the arithmetic
// of RFC 1982, section 3.2; half a cycle, which it leaves undefined, is far in the future.
func (h head) age(now time.Time) int32 {
	return int32(uint32(now.Unix()) - binary.BigEndian.Uint32(h[timestampAt:]))
}

// message is what the hash is made of: the client cookie, the head, and the client's address
// in 4 or 16 bytes.
type message struct {
	bytes  [ClientSize + headSize + 16]byte
	length int
}

// newMessage takes an IPv4 address that a socket for both families reports as IPv6 for what
// it is, so that all sockets of all servers make the same of a client.
func newMessage(client Client, h head, addr netip.Addr) (m message) {
	copy(m.bytes[:], client[:])
	copy(m.bytes[ClientSize:], h[:])
	m.length = ClientSize + headSize
	if addr = addr.Unmap(); addr.Is4() {
		ip := addr.As4()
		m.length += copy(m.bytes[m.length:], ip[:])
	} else {
		ip := addr.As16()
		m.length += copy(m.bytes[m.length:], ip[:])
	}
	return m
}
