package cookie

import (
	"encoding/hex"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// fromHex reads bytes that a test has written.
func fromHex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func keyring(t testing.TB, secrets ...string) *Keyring {
	t.Helper()
	var parsed []Secret
	for _, text := range secrets {
		s, err := ParseSecret(text)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, s)
	}
	k, err := NewKeyring(parsed...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// The generators of the properties.
var (
	anyClient = rapid.Custom(func(t *rapid.T) Client {
		return Client(rapid.SliceOfN(rapid.Byte(), ClientSize, ClientSize).Draw(t, "client"))
	})
	anySecret = rapid.Custom(func(t *rapid.T) (s Secret) {
		return Secret(rapid.SliceOfN(rapid.Byte(), SecretSize, SecretSize).
			Filter(func(b []byte) bool { return Secret(b) != Secret{} }).Draw(t, "secret"))
	})
	anyAddr = rapid.Custom(func(t *rapid.T) netip.Addr {
		if rapid.Bool().Draw(t, "ipv4") {
			return netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "ip")))
		}
		return netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "ip")))
	})
	// anyTime has every 32-bit timestamp, those about to wrap around most of all.
	anyTime = rapid.Custom(func(t *rapid.T) time.Time {
		return time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "now"), 0)
	})
)
