package blindtls

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
)

// suite is a cipher suite: AES in GCM, by key size, and a hash.
type suite struct {
	tls13 bool
	key   int // bytes
	hash  func() hash.Hash
}

var offered = []uint16{0x1301, 0x1302, 0xc02b, 0xc02f, 0xc02c, 0xc030}

var suites = map[uint16]*suite{
	0x1301: {true, 16, sha256.New}, // TLS_AES_128_GCM_SHA256
	0x1302: {true, 32, sha512.New384},
	0xc02b: {false, 16, sha256.New}, // TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
	0xc02f: {false, 16, sha256.New}, // the same with RSA
	0xc02c: {false, 32, sha512.New384},
	0xc030: {false, 32, sha512.New384},
}

func (s *suite) digest(text []byte) []byte {
	h := s.hash()
	h.Write(text)
	return h.Sum(nil)
}

// extract, expand and derive are HKDF as TLS 1.3 uses it (RFC 8446, section 7.1). Their
// lengths are all within what HKDF allows, which is its only error.
func (s *suite) extract(salt, secret []byte) []byte {
	if secret == nil {
		secret = make([]byte, s.hash().Size())
	}
	return must(hkdf.Extract(s.hash, secret, salt))
}

func (s *suite) expand(secret []byte, label string, context []byte, length int) []byte {
	info := []byte{byte(length >> 8), byte(length)}
	info = append(info, vector(1, []byte("tls13 "+label))...)
	info = append(info, vector(1, context)...)
	return must(hkdf.Expand(s.hash, secret, string(info), length))
}

func (s *suite) derive(secret []byte, label string, transcript []byte) []byte {
	return s.expand(secret, label, s.digest(transcript), s.hash().Size())
}

// finished13 is the body of a Finished message (RFC 8446, section 4.4.4).
func (s *suite) finished13(secret, transcript []byte) []byte {
	mac := hmac.New(s.hash, s.expand(secret, "finished", nil, s.hash().Size()))
	mac.Write(s.digest(transcript))
	return mac.Sum(nil)
}

// half13 protects by a traffic secret (RFC 8446, section 7.3).
func (s *suite) half13(secret []byte) half {
	return half{aead: gcm(s.expand(secret, "key", nil, s.key)), iv: s.expand(secret, "iv", nil, 12), tls13: true, secret: secret}
}

// prf is the pseudorandom function of TLS 1.2 (RFC 5246, section 5).
func (s *suite) prf(secret []byte, label string, seed []byte, length int) []byte {
	mac := hmac.New(s.hash, secret)
	digest := func(text []byte) []byte {
		mac.Reset()
		mac.Write(text)
		return mac.Sum(nil)
	}
	seed = append([]byte(label), seed...)
	var out []byte
	for a := digest(seed); len(out) < length; a = digest(a) {
		out = append(out, digest(append(append([]byte(nil), a...), seed...))...)
	}
	return out[:length]
}

// salt12 is the part of the nonce that is not sent (RFC 5288, section 3).
const salt12 = 4

func (s *suite) block12() int { return 2 * (s.key + salt12) }

// halves12 shares out the key block (RFC 5246, section 6.3).
func (s *suite) halves12(block []byte) (client, server half) {
	keys, salts := block[:2*s.key], block[2*s.key:]
	return half{aead: gcm(keys[:s.key]), iv: salts[:salt12]}, half{aead: gcm(keys[s.key:]), iv: salts[salt12:]}
}

// gcm is AES in GCM, for a key of 16 or 32 bytes.
func gcm(key []byte) cipher.AEAD { return must(cipher.NewGCM(must(aes.NewCipher(key)))) }

// must is for calls that cannot fail with the arguments used here.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
