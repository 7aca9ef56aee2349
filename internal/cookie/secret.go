package cookie

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// SecretSize is the size of a [Secret] in bytes: a SipHash key.
const SecretSize = 16

// Lifetime is how long a secret ought to be in use that is not replaced by hand (RFC 7873,
// section 7.1): a day, and two hours in which clients that come daily meet the next one.
const Lifetime = 26 * time.Hour

// Secret is what cookies are made with. Whoever knows it can forge them for any address, so
// that it never prints as more than its type.
type Secret [SecretSize]byte

// NewSecret makes a secret that no other server has.
func NewSecret() (s Secret) {
	rand.Read(s[:]) // never fails
	return s
}

// ParseSecret reads a secret of 32 hexadecimal digits, as BIND, Knot DNS and NSD write it. An
// error never quotes what it read.
func ParseSecret(text string) (Secret, error) {
	s, err := parseSecret(text)
	if err != nil {
		return Secret{}, fmt.Errorf("cookie: %w", err)
	}
	return s, nil
}

// ParseSecrets reads a file of secrets: one a line, that which makes cookies first. Blank
// lines and those that begin with # are skipped. An error names the line and quotes nothing
// of it.
func ParseSecrets(data []byte) ([]Secret, error) {
	var secrets []Secret
	number := 0
	for line := range bytes.Lines(data) {
		number++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		s, err := parseSecret(string(line))
		if err != nil {
			return nil, fmt.Errorf("cookie: line %d: %w", number, err)
		}
		secrets = append(secrets, s)
	}
	return secrets, nil
}

func parseSecret(text string) (s Secret, err error) {
	const digits = 2 * SecretSize
	if len(text) != digits {
		return Secret{}, fmt.Errorf("a secret of %d characters, must have %d hexadecimal digits; make one with openssl rand -hex %d",
			len(text), digits, SecretSize)
	}
	if _, err := hex.Decode(s[:], []byte(text)); err != nil {
		return Secret{}, errors.New("a secret with a character that is not a hexadecimal digit")
	}
	return s, nil
}

const redacted = "cookie.Secret"

// Format implements [fmt.Formatter]: no verb prints the secret.
func (Secret) Format(f fmt.State, _ rune) { f.Write([]byte(redacted)) }

// MarshalText implements [encoding.TextMarshaler]: no encoder and no log shows the secret.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
