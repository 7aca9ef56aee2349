package blindtls

import (
	"bytes"
	"crypto/ecdh"
	"crypto/hmac"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
)

// Types of handshake messages (RFC 8446, section 4; RFC 5246, section 7.4).
const (
	clientHello        = 1
	serverHello        = 2
	newSessionTicket   = 4
	certificate        = 11
	serverKeyExchange  = 12
	certificateRequest = 13
	serverHelloDone    = 14
	clientKeyExchange  = 16
	finished           = 20
	keyUpdate          = 24
)

// Extensions (RFC 8446, section 4.2, and the registry).
const (
	extServerName          = 0
	extSupportedGroups     = 10
	extPointFormats        = 11
	extSignatureAlgorithms = 13
	extProtocols           = 16
	extSupportedVersions   = 43
	extKeyShare            = 51
	extRenegotiationInfo   = 0xff01
)

var curves = map[uint16]ecdh.Curve{0x001d: ecdh.X25519(), 0x0017: ecdh.P256(), 0x0018: ecdh.P384()}

// signatures are all that there are: none is looked at (the registry "TLS SignatureScheme").
var signatures = []uint16{
	0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0809, 0x080a, 0x080b, 0x0804, 0x0805, 0x0806,
	0x081a, 0x081b, 0x081c, 0x0401, 0x0501, 0x0601, 0x0303, 0x0301, 0x0203, 0x0201,
}

// handshake is one that is under way.
type handshake struct {
	*Conn
	transcript []byte // of all messages so far
	shares     map[uint16]*ecdh.PrivateKey
	random     []byte // the client's
}

// Client makes a handshake on a connection, whose deadlines bound it. The server name may
// be empty or an address, and then is not sent (RFC 6066, section 3). The connection stays
// the caller's to close.
func Client(conn net.Conn, serverName string, protocols ...string) (*Conn, error) {
	h := &handshake{Conn: &Conn{Conn: conn}, shares: make(map[uint16]*ecdh.PrivateKey)}
	if err := h.sendHello(serverName, protocols); err != nil {
		return nil, err
	}
	message, err := h.expect(serverHello)
	if err != nil {
		return nil, err
	}
	server, err := parseServerHello(message)
	if err != nil {
		return nil, err
	}
	if h.suite = suites[server.suite]; h.suite == nil || h.suite.tls13 != (server.version == 0x0304) {
		return nil, fmt.Errorf("the server chose the cipher suite %#04x, which was not offered for that version", server.suite)
	}
	switch server.version {
	case 0x0304:
		h.tls13 = true
		err = h.finish13(server)
	case 0x0303:
		err = h.finish12(server)
	default:
		err = fmt.Errorf("the server speaks version %#04x, want TLS 1.2 or 1.3", server.version)
	}
	if err != nil {
		return nil, err
	}
	return h.Conn, nil
}

func (h *handshake) sendHello(serverName string, protocols []string) error {
	var shares, groups []byte
	for _, group := range []uint16{0x001d, 0x0017, 0x0018} {
		groups = binary.BigEndian.AppendUint16(groups, group)
		if group == 0x0018 {
			continue // a server that has neither of the others asks for it only in TLS 1.2
		}
		key, err := curves[group].GenerateKey(rand.Reader)
		if err != nil {
			return err
		}
		h.shares[group] = key
		shares = append(binary.BigEndian.AppendUint16(shares, group), vector(2, key.PublicKey().Bytes())...)
	}
	h.random = make([]byte, 64) // the second half is the legacy session id
	if _, err := rand.Read(h.random); err != nil {
		return err
	}
	session := h.random[32:]
	h.random = h.random[:32]

	var extensions []byte
	extend := func(kind uint16, body []byte) {
		extensions = append(binary.BigEndian.AppendUint16(extensions, kind), append(lengthOf(2, body), body...)...)
	}
	if serverName != "" && net.ParseIP(serverName) == nil {
		extend(extServerName, vector(2, append([]byte{0}, vector(2, []byte(serverName))...)))
	}
	extend(extSupportedGroups, vector(2, groups))
	extend(extPointFormats, []byte{1, 0})
	extend(extSignatureAlgorithms, vector(2, numbers(signatures)))
	var names []byte
	for _, protocol := range protocols {
		names = append(names, vector(1, []byte(protocol))...)
	}
	if len(names) > 0 {
		extend(extProtocols, vector(2, names))
	}
	extend(extSupportedVersions, []byte{4, 3, 4, 3, 3})
	extend(extKeyShare, vector(2, shares))
	extend(extRenegotiationInfo, []byte{0})

	body := append([]byte{3, 3}, h.random...)
	body = append(body, vector(1, session)...)
	body = append(body, vector(2, numbers(offered))...)
	body = append(body, 1, 0) // no compression
	body = append(body, vector(2, extensions)...)
	return h.send(clientHello, body)
}

// server is what a ServerHello says.
type server struct {
	version, suite uint16
	random         []byte
	group          uint16 // of TLS 1.3
	share          []byte
}

// helloRetry is the random of a ServerHello that asks for another key share (RFC 8446,
// section 4.1.3).
var helloRetry = []byte("\xCF\x21\xAD\x74\xE5\x9A\x61\x11\xBE\x1D\x8C\x02\x1E\x65\xB8\x91\xC2\xA2\x11\x16\x7A\xBB\x8C\x5E\x07\x9E\x09\xE2\xC8\xA8\x33\x9C")

var errMalformed = errors.New("a message of the handshake is malformed")

func parseServerHello(message []byte) (server, error) {
	in := input{message, true}
	s := server{version: in.number()}
	s.random = in.take(32)
	in.vector(1) // the session id
	s.suite = in.number()
	in.take(1) // compression
	extensions := input{in.vector(2), true}
	if !in.ok {
		return s, errMalformed
	}
	if bytes.Equal(s.random, helloRetry) {
		return s, errors.New("the server takes neither X25519 nor P-256")
	}
	for len(extensions.left) > 0 && extensions.ok {
		kind := extensions.number()
		body := input{extensions.vector(2), true}
		switch kind {
		case extSupportedVersions:
			s.version = body.number()
		case extKeyShare:
			s.group = body.number()
			s.share = body.vector(2)
		}
		if !body.ok {
			return s, errMalformed
		}
	}
	if !extensions.ok {
		return s, errMalformed
	}
	return s, nil
}

// agree computes the secret that both sides share.
func (h *handshake) agree(group uint16, share []byte) ([]byte, *ecdh.PrivateKey, error) {
	curve := curves[group]
	if curve == nil {
		return nil, nil, fmt.Errorf("the server chose the group %#04x, which was not offered", group)
	}
	key := h.shares[group]
	if key == nil {
		var err error
		if key, err = curve.GenerateKey(rand.Reader); err != nil {
			return nil, nil, err
		}
	}
	peer, err := curve.NewPublicKey(share)
	if err != nil {
		return nil, nil, fmt.Errorf("the server's share of the key: %w", err)
	}
	secret, err := key.ECDH(peer)
	return secret, key, err
}

// finish13 makes the rest of a handshake of TLS 1.3 (RFC 8446, sections 4.4 and 7.1).
func (h *handshake) finish13(s server) error {
	if h.shares[s.group] == nil {
		return fmt.Errorf("the server chose the group %#04x, for which no share was sent", s.group)
	}
	shared, _, err := h.agree(s.group, s.share)
	if err != nil {
		return err
	}
	if len(h.pending) > 0 {
		return errMalformed // keys change at the end of a record
	}
	secret := h.suite.extract(h.suite.derive(h.suite.extract(nil, nil), "derived", nil), shared)
	toServer := h.suite.derive(secret, "c hs traffic", h.transcript)
	fromServer := h.suite.derive(secret, "s hs traffic", h.transcript)
	h.in, h.out = h.suite.half13(fromServer), h.suite.half13(toServer)

	requested := false
	var context []byte
	for {
		before := h.transcript
		kind, body, err := h.receive()
		if err != nil {
			return err
		}
		if kind == certificateRequest {
			in := input{body, true}
			requested, context = true, in.vector(1)
		}
		if kind == finished {
			if !hmac.Equal(body, h.suite.finished13(fromServer, before)) {
				return errors.New("the server's end of the handshake does not fit")
			}
			break
		}
	}
	if len(h.pending) > 0 {
		return errMalformed
	}
	secret = h.suite.extract(h.suite.derive(secret, "derived", nil), nil)
	h.in = h.suite.half13(h.suite.derive(secret, "s ap traffic", h.transcript))
	out := h.suite.half13(h.suite.derive(secret, "c ap traffic", h.transcript))
	if requested {
		if err := h.send(certificate, append(vector(1, context), 0, 0, 0)); err != nil { // of an empty list
			return err
		}
	}
	if err := h.send(finished, h.suite.finished13(toServer, h.transcript)); err != nil {
		return err
	}
	h.out = out
	return nil
}

// afterHandshake takes what a server of TLS 1.3 may say later (RFC 8446, section 4.6).
func (c *Conn) afterHandshake(plain []byte) error {
	c.pending = append(c.pending, plain...)
	for {
		kind, _, rest, err := split(c.pending)
		if rest == nil || err != nil {
			return err
		}
		c.pending = rest
		switch kind {
		case newSessionTicket:
		case keyUpdate:
			c.in = c.suite.half13(c.suite.expand(c.in.secret, "traffic upd", nil, c.suite.hash().Size()))
		default:
			return fmt.Errorf("the server sent a message of type %d after the handshake", kind)
		}
	}
}

// finish12 makes the rest of a handshake of TLS 1.2 (RFC 5246, section 7.3; RFC 8422).
func (h *handshake) finish12(s server) error {
	var shared []byte
	var key *ecdh.PrivateKey
	requested := false
	for done := false; !done; {
		kind, body, err := h.receive()
		if err != nil {
			return err
		}
		switch kind {
		case serverKeyExchange:
			in := input{body, true}
			named := in.take(1)
			group, share := in.number(), in.vector(1)
			if !in.ok || named[0] != 3 {
				return errMalformed
			}
			if shared, key, err = h.agree(group, share); err != nil {
				return err
			}
		case certificateRequest:
			requested = true
		case serverHelloDone:
			done = true
		}
	}
	if shared == nil {
		return errors.New("the server sent no share of the key")
	}
	if requested {
		if err := h.send(certificate, []byte{0, 0, 0}); err != nil {
			return err
		}
	}
	if err := h.send(clientKeyExchange, vector(1, key.PublicKey().Bytes())); err != nil {
		return err
	}
	master := h.suite.prf(shared, "master secret", append(bytes.Clone(h.random), s.random...), 48)
	if _, err := h.Conn.Conn.Write(h.out.seal(recordChangeCipherSpec, []byte{1})); err != nil {
		return err
	}
	var in half
	h.out, in = h.suite.halves12(h.suite.prf(master, "key expansion", append(bytes.Clone(s.random), h.random...), h.suite.block12()))
	if err := h.send(finished, h.suite.prf(master, "client finished", h.suite.digest(h.transcript), 12)); err != nil {
		return err
	}

	// A ticket that nobody asked for may come before the server changes its cipher.
	for {
		kind, plain, err := h.readRecord()
		if err != nil {
			return err
		}
		if kind == recordChangeCipherSpec {
			break
		}
		if kind != recordHandshake || len(h.transcript) > maxMessage {
			return errMalformed
		}
		h.transcript = append(h.transcript, plain...)
	}
	h.in = in
	want := h.suite.prf(master, "server finished", h.suite.digest(h.transcript), 12)
	body, err := h.expect(finished)
	if err == nil && !hmac.Equal(body, want) {
		err = errors.New("the server's end of the handshake does not fit")
	}
	return err
}

// send writes a message of the handshake.
func (h *handshake) send(kind byte, body []byte) error {
	message := append([]byte{kind}, vector(3, body)...)
	h.transcript = append(h.transcript, message...)
	_, err := h.Conn.Conn.Write(h.out.seal(recordHandshake, message))
	return err
}

// expect reads a message of that type.
func (h *handshake) expect(want byte) ([]byte, error) {
	kind, body, err := h.receive()
	if err == nil && kind != want {
		err = fmt.Errorf("the server sent a message of type %d, want %d", kind, want)
	}
	return body, err
}

// receive reads the next message of the handshake.
func (h *handshake) receive() (kind byte, body []byte, err error) {
	for idle := 0; ; idle++ {
		kind, body, rest, err := split(h.pending)
		if err != nil {
			return 0, nil, err
		}
		if rest != nil {
			if len(h.transcript) > 2*maxMessage {
				return 0, nil, errors.New("the handshake has no end")
			}
			h.transcript = append(h.transcript, h.pending[:4+len(body)]...)
			h.pending = rest
			return kind, body, nil
		}
		record, plain, err := h.readRecord()
		switch {
		case err != nil:
			return 0, nil, err
		case idle > maxIdle:
			return 0, nil, errors.New("the handshake has no end")
		case record == recordHandshake:
			h.pending = append(h.pending, plain...)
		case record != recordChangeCipherSpec || !h.tls13:
			return 0, nil, errMalformed
		}
	}
}

// split takes the first message off; rest is nil if it is not whole yet.
func split(pending []byte) (kind byte, body, rest []byte, err error) {
	if len(pending) < 4 {
		return 0, nil, nil, nil
	}
	length := int(pending[1])<<16 | int(pending[2])<<8 | int(pending[3])
	switch {
	case length > maxMessage:
		return 0, nil, nil, fmt.Errorf("a message of the handshake has %d bytes", length)
	case len(pending) < 4+length:
		return 0, nil, nil, nil
	}
	return pending[0], pending[4 : 4+length : 4+length], pending[4+length:], nil
}

// input is read from its beginning. It is not ok once it was too short.
type input struct {
	left []byte
	ok   bool
}

// take returns n bytes, which are zero where there are not so many.
func (in *input) take(n int) []byte {
	if len(in.left) < n {
		in.left, in.ok = nil, false
		return make([]byte, n)
	}
	taken := in.left[:n]
	in.left = in.left[n:]
	return taken
}

func (in *input) number() uint16 { return binary.BigEndian.Uint16(in.take(2)) }

// vector returns what stands after its length.
func (in *input) vector(lengthBytes int) []byte {
	length := 0
	for _, b := range in.take(lengthBytes) {
		length = length<<8 | int(b)
	}
	if length > len(in.left) {
		in.left, in.ok = nil, false
		return nil
	}
	return in.take(length)
}

// vector is a body with its length before it.
func vector(lengthBytes int, body []byte) []byte { return append(lengthOf(lengthBytes, body), body...) }

func lengthOf(bytes int, body []byte) []byte {
	length := make([]byte, 0, bytes+len(body))
	for i := bytes - 1; i >= 0; i-- {
		length = append(length, byte(len(body)>>(8*i)))
	}
	return length
}

func numbers(list []uint16) []byte {
	var all []byte
	for _, n := range list {
		all = binary.BigEndian.AppendUint16(all, n)
	}
	return all
}
