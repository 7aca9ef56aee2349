package cookie

import (
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/dchest/siphash"
)

// MaxSecrets is how many secrets a [Keyring] may hold: a change of secrets needs two, and a
// forged cookie costs a hash for each.
const MaxSecrets = 4

// Keyring makes server cookies with the first of its secrets and verifies them with all. It
// never changes, and is safe for concurrent use; new secrets are a new Keyring.
type Keyring struct {
	keys []key
}

// key is a secret as SipHash takes it.
type key struct{ k0, k1 uint64 }

// NewKeyring makes a Keyring of one to [MaxSecrets] secrets, all different, none all zeros.
func NewKeyring(secrets ...Secret) (*Keyring, error) {
	if len(secrets) == 0 {
		return nil, errors.New("cookie: no secret")
	}
	if len(secrets) > MaxSecrets {
		return nil, fmt.Errorf("cookie: %d secrets, at most %d can be in use; remove the oldest", len(secrets), MaxSecrets)
	}
	k := &Keyring{keys: make([]key, 0, len(secrets))}
	place := make(map[Secret]int, len(secrets))
	for i, s := range secrets {
		if s == (Secret{}) {
			return nil, fmt.Errorf("cookie: secret %d is all zeros, which anyone can guess", i+1)
		}
		if first, twice := place[s]; twice {
			return nil, fmt.Errorf("cookie: secrets %d and %d are the same; remove one", first, i+1)
		}
		place[s] = i + 1
		k.keys = append(k.keys, newKey(s))
	}
	return k, nil
}

// Rotate returns a Keyring that makes cookies with fresh and still verifies those that k
// makes. It forgets k's other secrets. It is for secrets that no other server shares.
func (k *Keyring) Rotate(fresh Secret) *Keyring {
	return &Keyring{keys: []key{newKey(fresh), k.keys[0]}}
}

func newKey(s Secret) key {
	return key{binary.LittleEndian.Uint64(s[:8]), binary.LittleEndian.Uint64(s[8:])}
}

// Append appends the server cookie, of [ServerSize] bytes, that a client at addr is to send
// with its client cookie from now on. It allocates nothing if dst has the room.
func (k *Keyring) Append(dst []byte, client Client, addr netip.Addr, now time.Time) []byte {
	var h head
	h[0] = version
	binary.BigEndian.PutUint32(h[timestampAt:], uint32(now.Unix()))
	m := newMessage(client, h, addr)
	dst = append(dst, h[:]...)
	return binary.LittleEndian.AppendUint64(dst, k.keys[0].hash(&m))
}

// Verify says what the server cookie is worth that came with a client cookie from addr. It
// allocates nothing, takes anything as a server cookie, and its time does not tell how much of
// a forged one was right.
func (k *Keyring) Verify(client Client, server []byte, addr netip.Addr, now time.Time) Verdict {
	if len(server) != ServerSize || server[0] != version {
		return Bad
	}
	// What is reserved is taken as it came (RFC 9018, section 4.2).
	h := head(server)
	age := h.age(now)
	if age > maxAge || age < -maxAhead {
		return Expired
	}
	m := newMessage(client, h, addr)
	for i, secret := range k.keys {
		var want [hashSize]byte
		binary.LittleEndian.PutUint64(want[:], secret.hash(&m))
		if subtle.ConstantTimeCompare(want[:], server[headSize:]) != 1 {
			continue
		}
		if i > 0 || age > renewAge {
			return ValidButRenew
		}
		return Valid
	}
	return Bad
}

// hash is a cookie's last field (RFC 9018, section 4.4), to be written in SipHash's own byte
// order.
func (k key) hash(m *message) uint64 { return siphash.Hash(k.k0, k.k1, m.bytes[:m.length]) }

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

// Verdict says what a server cookie is worth. The zero value is Bad.
type Verdict uint8

const (
	// Bad: not made here for this client and address, or of another form or version.
	Bad Verdict = iota
	// Expired: made too long ago, or too far in the future. The hash was not looked at.
	Expired
	// ValidButRenew: the client is who it says; the reply ought to have a new cookie.
	ValidButRenew
	// Valid: the client is who it says; the reply may have the same cookie.
	Valid
)

// OK reports whether the client has shown that its address is its own.
func (v Verdict) OK() bool { return v >= ValidButRenew }

// String is the verdict as a metric's label.
func (v Verdict) String() string {
	switch v {
	case Expired:
		return "expired"
	case ValidButRenew:
		return "renew"
	case Valid:
		return "valid"
	}
	return "bad"
}
