// Package blindtls is a TLS client that does not verify the server: it never parses the
// certificate. Package tls parses every certificate, even if it need not be verified, and so fails
// with a server whose certificate is malformed or has an unknown kind of key.
//
// It speaks TLS 1.3 (RFC 8446) and TLS 1.2 (RFC 5246) with an ephemeral key exchange over X25519,
// P-256 or P-384 and AES in GCM, which is what nearly every server takes. It does not resume,
// renegotiate, or send a certificate. An eavesdropper cannot read the connection, but an active
// attacker can, as with any client that does not verify.
package blindtls

import (
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
)

// Types of records (RFC 8446, section 5.1).
const (
	recordChangeCipherSpec = 20
	recordAlert            = 21
	recordHandshake        = 22
	recordData             = 23
)

const (
	maxPlain  = 1 << 14
	maxRecord = maxPlain + 2048 // RFC 5246, section 6.2.3
	// maxMessage bounds a message of the handshake: a chain of certificates, above all.
	maxMessage = 1 << 18
	// maxIdle bounds the records in a row that bring no data, for which a server could keep
	// a client busy.
	maxIdle = 64
)

// Conn is a connection after its handshake. One goroutine may read while another writes.
type Conn struct {
	net.Conn
	in, out half
	plain   []byte // data that has been read, and not been asked for yet
	pending []byte // of handshake messages
	suite   *suite
	tls13   bool
	readErr error
}

// half is how records are protected in one direction. The zero value does not protect them.
type half struct {
	aead   cipher.AEAD
	iv     []byte
	seq    uint64
	tls13  bool
	secret []byte // that TLS 1.3 derives the next keys from
}

// nonce is that of the present record. In TLS 1.2 the last eight bytes are sent with it
// (RFC 5288, section 3); the sequence number is as good as any.
func (h *half) nonce(explicit []byte) []byte {
	nonce := make([]byte, 12)
	copy(nonce, h.iv)
	if !h.tls13 {
		copy(nonce[4:], explicit)
		return nonce
	}
	for i, b := range binary.BigEndian.AppendUint64(nil, h.seq) {
		nonce[4+i] ^= b
	}
	return nonce
}

// additional is what is authenticated beside the text (RFC 5246, section 6.2.3.3; RFC 8446,
// section 5.2).
func (h *half) additional(kind byte, length int) []byte {
	if h.tls13 {
		return header(kind, length)
	}
	return append(binary.BigEndian.AppendUint64(nil, h.seq), header(kind, length)...)
}

func header(kind byte, length int) []byte {
	return []byte{kind, 3, 3, byte(length >> 8), byte(length)}
}

// seal makes a record.
func (h *half) seal(kind byte, plain []byte) []byte {
	if h.aead == nil {
		return append(header(kind, len(plain)), plain...)
	}
	defer func() { h.seq++ }()
	if h.tls13 {
		inner := append(append(make([]byte, 0, len(plain)+1), plain...), kind)
		length := len(inner) + h.aead.Overhead()
		return h.aead.Seal(header(recordData, length), h.nonce(nil), inner, h.additional(recordData, length))
	}
	explicit := binary.BigEndian.AppendUint64(nil, h.seq)
	record := append(header(kind, len(explicit)+len(plain)+h.aead.Overhead()), explicit...)
	return h.aead.Seal(record, h.nonce(explicit), plain, h.additional(kind, len(plain)))
}

// open returns what is in a record.
func (h *half) open(kind byte, body []byte) (byte, []byte, error) {
	if h.aead == nil || h.tls13 && kind == recordChangeCipherSpec { // RFC 8446, appendix D.4
		return kind, body, nil
	}
	defer func() { h.seq++ }()
	var explicit []byte
	length := len(body)
	if !h.tls13 {
		if length < 8+h.aead.Overhead() {
			return 0, nil, errors.New("a record is too short")
		}
		explicit, body = body[:8], body[8:]
		length = len(body) - h.aead.Overhead()
	}
	plain, err := h.aead.Open(nil, h.nonce(explicit), body, h.additional(kind, length))
	if err != nil {
		return 0, nil, errors.New("a record cannot be decrypted")
	}
	if !h.tls13 {
		return kind, plain, nil
	}
	// The type follows the text, before any padding.
	for i := len(plain) - 1; i >= 0; i-- {
		if plain[i] != 0 {
			return plain[i], plain[:i], nil
		}
	}
	return 0, nil, errors.New("a record has no type")
}

// readRecord reads the next record. An alert is an error.
func (c *Conn) readRecord() (kind byte, plain []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(c.Conn, head[:]); err != nil {
		return 0, nil, err
	}
	length := int(binary.BigEndian.Uint16(head[3:]))
	if head[1] != 3 || length > maxRecord || head[0] < recordChangeCipherSpec || head[0] > recordData {
		return 0, nil, errors.New("what came is not TLS")
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(c.Conn, body); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, err
	}
	kind, plain, err = c.in.open(head[0], body)
	if err != nil {
		return 0, nil, err
	}
	if kind == recordAlert {
		if len(plain) == 2 && plain[1] == 0 { // close_notify
			return 0, nil, io.EOF
		}
		return 0, nil, fmt.Errorf("the server sent the alert %x", plain)
	}
	return kind, plain, nil
}

// Read reads data. It returns io.EOF when the server ends the connection properly, and also when it
// just closes it, as many do: the protocol above, such as HTTP, detects truncation.
func (c *Conn) Read(p []byte) (int, error) {
	for idle := 0; len(c.plain) == 0; idle++ {
		if c.readErr == nil && idle > maxIdle {
			c.readErr = errors.New("the server sends records without data")
		}
		if c.readErr != nil {
			return 0, c.readErr
		}
		kind, plain, err := c.readRecord()
		switch {
		case err != nil:
			c.readErr = err
		case kind == recordData:
			c.plain = plain
		case kind == recordHandshake && c.tls13:
			c.readErr = c.afterHandshake(plain)
		case kind != recordChangeCipherSpec:
			c.readErr = errors.New("the server wants another handshake")
		}
	}
	n := copy(p, c.plain)
	c.plain = c.plain[n:]
	return n, nil
}

// Write writes data.
func (c *Conn) Write(p []byte) (int, error) {
	written := 0
	for written < len(p) {
		piece := p[written:min(len(p), written+maxPlain)]
		if _, err := c.Conn.Write(c.out.seal(recordData, piece)); err != nil {
			return written, err
		}
		written += len(piece)
	}
	return written, nil
}
