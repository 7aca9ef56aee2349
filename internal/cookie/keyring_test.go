package cookie

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var (
	client = Client{1, 2, 3, 4, 5, 6, 7, 8}
	addr   = netip.MustParseAddr("192.0.2.1")
	noon   = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
)

func TestVerifyByAge(t *testing.T) {
	tests := map[string]struct {
		age  time.Duration
		want Verdict
	}{
		"new":                       {0, Valid},
		"half an hour":              {30 * time.Minute, Valid},
		"over half an hour":         {30*time.Minute + time.Second, ValidButRenew},
		"an hour":                   {time.Hour, ValidButRenew},
		"over an hour":              {time.Hour + time.Second, Expired},
		"68 years":                  {1<<31*time.Second - time.Second, Expired},
		"half a cycle":              {1 << 31 * time.Second, Expired},
		"a clock ahead":             {-5 * time.Minute, Valid},
		"a clock too far ahead":     {-5*time.Minute - time.Second, Expired},
		"a whole cycle, so it goes": {1 << 32 * time.Second, Valid},
	}
	// The second is when 32-bit timestamps begin anew, in 2106.
	for _, made := range []time.Time{noon, time.Unix(1<<32-1, 0)} {
		for name, test := range tests {
			t.Run(name, func(t *testing.T) {
				k := keyring(t, secretA1)
				server := k.Append(nil, client, addr, made)
				if got := k.Verify(client, server, addr, made.Add(test.age)); got != test.want {
					t.Errorf("made at %v: %v, want %v", made.Unix(), got, test.want)
				}
			})
		}
	}
}

func TestVerifyForm(t *testing.T) {
	k := keyring(t, secretA1)
	good := k.Append(nil, client, addr, noon)
	otherVersion := bytes.Clone(good)
	otherVersion[0] = 2

	for name, server := range map[string][]byte{
		"none":             nil,
		"empty":            {},
		"too short":        good[:ServerSize-1],
		"too long":         append(bytes.Clone(good), 0),
		"of RFC 7873 only": bytes.Repeat([]byte{7}, 32),
		"other version":    otherVersion,
		"zeros":            make([]byte, ServerSize),
	} {
		if got := k.Verify(client, server, addr, noon); got != Bad {
			t.Errorf("%s: %v, want bad", name, got)
		}
	}
}

// A caller's mistake costs the client its cookie, not the server a panic.
func TestNoAddress(t *testing.T) {
	k := keyring(t, secretA1)
	server := k.Append(nil, client, netip.Addr{}, noon)
	if got := k.Verify(client, server, addr, noon); got != Bad {
		t.Errorf("a cookie for no address is %v for %v, want bad", got, addr)
	}
}

func TestNewKeyringRefuses(t *testing.T) {
	a, b := Secret{1}, Secret{2}
	tests := map[string]struct {
		secrets []Secret
		want    string
	}{
		"nothing":     {nil, "no secret"},
		"too much":    {[]Secret{{1}, {2}, {3}, {4}, {5}}, "5 secrets, at most 4"},
		"zeros":       {[]Secret{a, {}}, "secret 2 is all zeros"},
		"one of them": {[]Secret{a, b, a}, "secrets 1 and 3 are the same"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := NewKeyring(test.secrets...); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

// What one server made, another with the same secrets verifies: in each stage of a change of
// secrets, with servers that have come to this stage and servers that have not.
func TestStagesOfASharedSecret(t *testing.T) {
	const before, after = secretA4Old, secretA4
	stages := [][]string{{before}, {before, after}, {after, before}, {after}}
	for i := range len(stages) - 1 {
		early, late := keyring(t, stages[i]...), keyring(t, stages[i+1]...)
		for _, pair := range [][2]*Keyring{{early, late}, {late, early}} {
			server := pair[0].Append(nil, client, addr, noon)
			if got := pair[1].Verify(client, server, addr, noon); !got.OK() {
				t.Errorf("between stages %d and %d a server finds another's cookie %v", i, i+1, got)
			}
		}
	}
}

func TestRotate(t *testing.T) {
	first := keyring(t, secretA1)
	server := first.Append(nil, client, addr, noon)

	second := first.Rotate(Secret{2})
	if got := second.Verify(client, server, addr, noon); got != ValidButRenew {
		t.Errorf("after one rotation the cookie is %v, want renew", got)
	}
	if got := second.Verify(client, second.Append(nil, client, addr, noon), addr, noon); got != Valid {
		t.Errorf("a cookie of the fresh secret is %v, want valid", got)
	}
	if got := second.Rotate(Secret{3}).Verify(client, server, addr, noon); got != Bad {
		t.Errorf("after two rotations the cookie is %v, want bad", got)
	}
	if got := first.Verify(client, server, addr, noon); got != Valid {
		t.Errorf("the keyring before the rotation finds its cookie %v, want valid", got)
	}
}

// A cookie holds for whom it was made, as long as it lasts, and for nobody and nothing else.
func TestCookieIsBoundToEverything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secrets := rapid.SliceOfNDistinct(anySecret, 1, MaxSecrets, rapid.ID[Secret]).Draw(t, "secrets")
		client, addr, now := anyClient.Draw(t, "client"), anyAddr.Draw(t, "addr"), anyTime.Draw(t, "now")
		k, err := NewKeyring(secrets...)
		if err != nil {
			t.Fatal(err)
		}
		server := k.Append(nil, client, addr, now)

		age := time.Duration(rapid.IntRange(-300, 3600).Draw(t, "age")) * time.Second
		if got := k.Verify(client, server, addr, now.Add(age)); !got.OK() {
			t.Fatalf("aged %v the cookie is %v", age, got)
		}
		if other := anyAddr.Draw(t, "other addr"); other.Unmap() != addr.Unmap() && k.Verify(client, server, other, now).OK() {
			t.Fatalf("a cookie for %v holds for %v", addr, other)
		}
		if other := anyClient.Draw(t, "other client"); other != client && k.Verify(other, server, addr, now).OK() {
			t.Fatalf("a cookie for client cookie %x holds for %x", client, other)
		}
		bit := rapid.IntRange(0, 8*ServerSize-1).Draw(t, "bit")
		server[bit/8] ^= 1 << (bit % 8)
		if k.Verify(client, server, addr, now).OK() {
			t.Fatalf("the cookie still holds with bit %d flipped", bit)
		}
	})
}
