package cookie

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"testing"
	"time"
)

const (
	secretA1    = "e5e973e5a6b2a43f48e7dc849e37bfcf" // of RFC 9018, appendices A.1 to A.3
	secretA4Old = "dd3bdf9344b678b185a6f5cb60fca715"
	secretA4    = "445536bcd2513298075a5d379663c962"
)

// What others make, byte for byte: RFC 9018, appendix A, and what NSD's own tests expect of it.
func TestAppend(t *testing.T) {
	tests := map[string]struct {
		secret string
		addr   string
		now    int64 // seconds since 1970
		want   string
	}{
		"RFC 9018, A.1": {secretA1, "198.51.100.100", 1559731985, "2464c4abcf10c957010000005cf79f111f8130c3eee29480"},
		"RFC 9018, A.2": {secretA1, "198.51.100.100", 1559734385, "2464c4abcf10c957010000005cf7a871d4a564a1442aca77"},
		"RFC 9018, A.3": {secretA1, "203.0.113.203", 1559734700, "fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e"},
		"RFC 9018, A.4, as it was": {secretA4Old, "2001:db8:220:1:59de:d0f4:8769:82b8", 1559741817,
			"22681ab97d52c298010000005cf7c57926556bd0934c72f8"},
		"RFC 9018, A.4": {secretA4, "2001:db8:220:1:59de:d0f4:8769:82b8", 1559741961,
			"22681ab97d52c298010000005cf7c609a6bb79d16625507a"},
		"NSD, first":  {"c0be1977faa8661a00944c337c1a07e9", "198.51.100.100", 0x66cca121, "2464c4abcf10c9570100000066cca121c6adacef8ac2bcdd"},
		"NSD, second": {"1f4fd8475cb97ed70da5d7a019ad53f1", "198.51.100.100", 0x66cca121, "2464c4abcf10c9570100000066cca121b789adffadb783df"},
		"NSD, second, on a socket for both families": {"1f4fd8475cb97ed70da5d7a019ad53f1", "::ffff:198.51.100.100", 0x66cca121,
			"2464c4abcf10c9570100000066cca121b789adffadb783df"},
		"NSD, third":  {secretA4Old, "198.51.100.100", 0x66cf38e1, "2464c4abcf10c9570100000066cf38e136666f01c0260ed1"},
		"NSD, fourth": {secretA4, "198.51.100.100", 0x66cf38e1, "2464c4abcf10c9570100000066cf38e1a75842528f29e33d"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			want := fromHex(t, test.want)
			client, server := want[:ClientSize], want[ClientSize:]
			addr, now := netip.MustParseAddr(test.addr), time.Unix(test.now, 0)
			k := keyring(t, test.secret)

			got := k.Append(bytes.Clone(client), Client(client), addr, now)
			if !bytes.Equal(got, want) {
				t.Errorf("made %x, want %x", got, want)
			}
			if v := k.Verify(Client(client), server, addr, now); v != Valid {
				t.Errorf("verified as %v, want valid", v)
			}
		})
	}
}

// The cookies that the clients of RFC 9018, appendix A, come with.
func TestVerifyVectors(t *testing.T) {
	tests := map[string]struct {
		secrets []string
		addr    string
		now     int64
		cookie  string // client and server
		want    Verdict
	}{
		"A.2, 40 minutes old": {[]string{secretA1}, "198.51.100.100", 1559734385,
			"2464c4abcf10c957010000005cf79f111f8130c3eee29480", ValidButRenew},
		"A.3, reserved bytes set": {[]string{secretA1}, "203.0.113.203", 1559727985,
			"fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5", Valid},
		// The appendix has it replaced without saying that it no longer counts: section 4.3
		// lets it go after an hour, and it is 1 h 52 min old.
		"A.3, when it comes": {[]string{secretA1}, "203.0.113.203", 1559734700,
			"fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5", Expired},
		"A.4, of the secret before": {[]string{secretA4, secretA4Old}, "2001:db8:220:1:59de:d0f4:8769:82b8", 1559741961,
			"22681ab97d52c298010000005cf7c57926556bd0934c72f8", ValidButRenew},
		"A.4, the next secret already known": {[]string{secretA4Old, secretA4}, "2001:db8:220:1:59de:d0f4:8769:82b8", 1559741961,
			"22681ab97d52c298010000005cf7c57926556bd0934c72f8", Valid},
		"A.4, the secret forgotten": {[]string{secretA4}, "2001:db8:220:1:59de:d0f4:8769:82b8", 1559741961,
			"22681ab97d52c298010000005cf7c57926556bd0934c72f8", Bad},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			cookie := fromHex(t, test.cookie)
			got := keyring(t, test.secrets...).Verify(Client(cookie[:ClientSize]), cookie[ClientSize:],
				netip.MustParseAddr(test.addr), time.Unix(test.now, 0))
			if got != test.want {
				t.Errorf("%s is %v, want %v", hex.EncodeToString(cookie), got, test.want)
			}
		})
	}
}
