package alias

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func addresses(list ...string) (addrs []netip.Addr) {
	for _, text := range list {
		addrs = append(addrs, netip.MustParseAddr(text))
	}
	return addrs
}

// These are what look-ups say in tests.
var (
	says1      = said{kind: found, addresses: addresses("192.0.2.1"), ttl: time.Minute, reason: "addresses"}
	says2      = said{kind: found, addresses: addresses("192.0.2.2"), ttl: time.Minute, reason: "addresses"}
	saysNone   = said{kind: nothing, ttl: time.Minute, reason: "nxdomain", detail: "NXDOMAIN"}
	saysFailed = said{kind: failed, reason: "servfail", detail: "SERVFAIL"}
)

// Each letter is what one look-up says, a minute after the one before: 1 and 2 are addresses, n is
// none, f is a failure.
func TestBelief(t *testing.T) {
	says := map[rune]said{'1': says1, '2': says2, 'n': saysNone, 'f': saysFailed}
	for _, test := range []struct {
		sequence  string
		addresses string // that are believed
		confirmed int    // by the look-up of which number; 0: none
		gone      bool
	}{
		{"", "[]", 0, false},
		{"1", "[192.0.2.1]", 1, false},
		{"11", "[192.0.2.1]", 2, false},
		{"12", "[192.0.2.2]", 2, false},
		{"f", "[]", 0, false},
		{"ffffffff", "[]", 0, false},
		{"1ffffffffffffff", "[192.0.2.1]", 1, false},
		{"1ffff2", "[192.0.2.2]", 6, false},
		{"n", "[]", 0, false},
		{"nn", "[]", 0, false},
		{"nnn", "[]", 3, true},
		{"1n", "[192.0.2.1]", 1, false},
		{"1nn", "[192.0.2.1]", 1, false},
		{"1nnn", "[]", 4, true},
		{"1nnnn", "[]", 5, true},
		{"1nn1nn", "[192.0.2.1]", 4, false},
		{"1nnfn", "[]", 5, true},
		{"1nfnf", "[192.0.2.1]", 1, false},
		{"1nnnf", "[]", 4, true},
		{"1nnn2", "[192.0.2.2]", 5, false},
		{"nnn1n", "[192.0.2.1]", 4, false},
	} {
		var b belief
		start := time.Unix(0, 0)
		for i, letter := range test.sequence {
			b = b.after(says[letter], start.Add(time.Duration(i+1)*time.Minute), 0)
		}
		confirmed := 0
		if !b.confirmed.IsZero() {
			confirmed = int(b.confirmed.Sub(start) / time.Minute)
		}
		if fmt.Sprint(b.addresses) != test.addresses || confirmed != test.confirmed || b.gone() != test.gone {
			t.Errorf("%q: %v, confirmed by %d, gone %t; want %s, %d, %t",
				test.sequence, b.addresses, confirmed, b.gone(), test.addresses, test.confirmed, test.gone)
		}
	}
}

// Addresses go only if the last three answers, whatever failed between them, said that there are
// none; otherwise they are those of the last answer that named some.
func TestBeliefProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		letters := rapid.SliceOf(rapid.SampledFrom([]rune("12nf"))).Draw(t, "look-ups")
		says := map[rune]said{'1': says1, '2': says2, 'n': saysNone, 'f': saysFailed}
		var b belief
		for _, letter := range letters {
			b = b.after(says[letter], time.Unix(0, 0), rapid.Float64Range(0, 1).Draw(t, "luck"))
			if wait := b.next.Sub(b.asked); wait < retryFirst || wait > paceMost+paceMost/10 {
				t.Fatalf("a pause of %s", wait)
			}
		}
		answers := strings.ReplaceAll(string(letters), "f", "")
		want := "[]"
		if i := strings.LastIndexAny(answers, "12"); i >= 0 && len(answers)-1-i < believed {
			want = fmt.Sprint(says[rune(answers[i])].addresses)
		}
		if got := fmt.Sprint(b.addresses); got != want {
			t.Fatalf("after %q: %s, want %s", string(letters), got, want)
		}
	})
}

func TestPause(t *testing.T) {
	for _, test := range []struct {
		said     said
		failures int
		luck     float64
		want     time.Duration
	}{
		{said{kind: found, ttl: time.Minute}, 0, 0, time.Minute},
		{said{kind: found, ttl: time.Minute}, 0, 1, 66 * time.Second},
		{said{kind: found}, 0, 0, 5 * time.Second},
		{said{kind: found, ttl: 24 * time.Hour}, 0, 0, 5 * time.Minute},
		{said{kind: nothing, ttl: 20 * time.Second}, 0, 0, 20 * time.Second},
		{said{kind: nothing}, 0, 0, 5 * time.Second},
		{said{kind: nothing, ttl: longest}, 0, 0, 5 * time.Minute},
		{said{}, 1, 0, time.Second},
		{said{}, 1, 1, 1100 * time.Millisecond},
		{said{}, 2, 0, 2 * time.Second},
		{said{}, 5, 0, 16 * time.Second},
		{said{}, 6, 0, 30 * time.Second},
		{said{}, 1 << 40, 0, 30 * time.Second},
	} {
		if got := pause(test.said, test.failures, test.luck); got != test.want {
			t.Errorf("%+v, %d failures: %s, want %s", test.said, test.failures, got, test.want)
		}
	}
}
