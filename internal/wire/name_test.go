package wire

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"pgregory.net/rapid"
)

func TestRead(t *testing.T) {
	label := "\x3f" + strings.Repeat("a", 63)
	tests := []struct {
		name string
		in   string
		want string // the name in wire form and lower case; empty: it is refused
	}{
		{"root", "\x00", "\x00"},
		{"case", "\x03wWw\x07EXAMPLE\x00", "\x03www\x07example\x00"},
		{"letters of other alphabets stay", "\x04\xc0\xdf@[\x00", "\x04\xc0\xdf@[\x00"},
		{"a length that could be a letter", "\x21" + strings.Repeat("A", 33) + "\x00", "\x21" + strings.Repeat("a", 33) + "\x00"},
		{"zeros and dots in a label", "\x03.\x00\\\x00", "\x03.\x00\\\x00"},
		{"255 bytes", strings.Repeat(label, 3) + "\x3d" + strings.Repeat("a", 61) + "\x00", strings.Repeat(label, 3) + "\x3d" + strings.Repeat("a", 61) + "\x00"},
		{"127 labels", strings.Repeat("\x01a", 127) + "\x00", strings.Repeat("\x01a", 127) + "\x00"},

		{"nothing", "", ""},
		{"no end", "\x03www", ""},
		{"cut in a label", "\x03ww", ""},
		{"256 bytes", strings.Repeat(label, 3) + "\x3e" + strings.Repeat("a", 62) + "\x00", ""},
		{"128 labels", strings.Repeat("\x01a", 128) + "\x00", ""},
		{"a label of 64 bytes", "\x40" + strings.Repeat("a", 64) + "\x00", ""},
		{"a pointer", "\x03www\xc0\x00", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			const before, behind = "xx", "yy"
			n := Name{labels: 99, length: 99} // whatever was in it
			end, ok := n.Read([]byte(before+test.in+behind), len(before))
			if !ok {
				if test.want != "" {
					t.Fatal("refused")
				}
				return
			}
			if got := string(n.Bytes()); got != test.want {
				t.Fatalf("got %q, want %q", got, test.want)
			}
			if end != len(before)+len(test.in) || n.Len() != len(test.in) {
				t.Errorf("ends at %d, is %d long", end, n.Len())
			}
		})
	}
}

// FuzzName reads names as package dns does.
func FuzzName(f *testing.F) {
	f.Add([]byte("\x03www\x07Example\x03org\x00\x00\x01\x00\x01"), 0)
	f.Add([]byte("xx\x04a.\\\x00\x00"), 2)
	f.Add([]byte(strings.Repeat("\x3f"+strings.Repeat("a", 63), 4)+"\x00"), 0)
	f.Add([]byte("\x01a\xc0\x00"), 0)
	f.Fuzz(func(t *testing.T, msg []byte, off int) {
		if off < 0 || off > len(msg) {
			return
		}
		var n Name
		end, ok := n.Read(msg, off)
		text, otherEnd, err := dns.UnpackDomainName(msg, off)
		if !ok {
			// Package dns also follows pointers. Without one, both must refuse.
			if err == nil && !hasPointer(msg[off:otherEnd]) {
				t.Fatalf("refused: %q", text)
			}
			return
		}
		if err != nil || end != otherEnd {
			t.Fatalf("ends at %d; package dns: %d, %v", end, otherEnd, err)
		}
		if want := bytes.ToLower(asciiOnly(msg[off:end])); !bytes.Equal(asciiOnly(n.Bytes()), want) {
			t.Errorf("%q, want %q", n.Bytes(), want)
		}
		checkLabels(t, &n)
		again, ok := ParseName(text)
		if !ok || Compare(&n, &again) != 0 {
			t.Errorf("%q is read back as %q", text, again.Bytes())
		}
	})
}

// hasPointer reports whether a name as it stands in a message ends in a pointer.
func hasPointer(name []byte) bool {
	return len(name) >= 2 && name[len(name)-2] >= 0xc0
}

// asciiOnly replaces what package bytes would take for other alphabets.
func asciiOnly(b []byte) []byte {
	b = bytes.Clone(b)
	for i, c := range b {
		if c >= 0x80 {
			b[i] = '?'
		}
	}
	return b
}

// checkLabels holds what a name says of its labels to its bytes.
func checkLabels(t testing.TB, n *Name) {
	t.Helper()
	at := 0
	for i := range n.Labels() + 1 {
		if n.Start(i) != at || !bytes.Equal(n.Suffix(i), n.Bytes()[at:]) {
			t.Fatalf("label %d of %q begins at %d, want %d", i, n.Bytes(), n.Start(i), at)
		}
		if want := n.Bytes()[at] == 1 && n.Bytes()[at+1] == '*'; n.Bytes()[at] > 0 && n.IsWildcard(i) != want {
			t.Errorf("label %d of %q: wildcard %t", i, n.Bytes(), !want)
		}
		at += 1 + int(n.Bytes()[at])
	}
	if at != n.Len() || SkipName(n.Bytes(), 0) != n.Len() {
		t.Errorf("%q has %d bytes after its labels", n.Bytes(), n.Len()-at)
	}
}

// names draws names that have much in common.
func names() *rapid.Generator[Name] {
	return rapid.Custom(func(t *rapid.T) Name {
		var b []byte
		for range rapid.IntRange(0, 6).Draw(t, "labels") {
			label := rapid.SliceOfN(rapid.SampledFrom([]byte("aAb*\x00\xe4")), 1, 20).Draw(t, "label")
			b = append(append(b, byte(len(label))), label...)
		}
		var n Name
		if _, ok := n.Read(append(b, 0), 0); !ok {
			t.Fatalf("%q is refused", b)
		}
		return n
	})
}

func TestWithin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := names().Draw(t, "name")
		apex := names().Draw(t, "apex")
		want := false
		for i := range n.Labels() + 1 {
			want = want || bytes.Equal(n.Suffix(i), apex.Bytes())
		}
		if n.Within(&apex) != want {
			t.Errorf("%q within %q: %t", n.Bytes(), apex.Bytes(), !want)
		}
	})
}

func TestEqual(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{"\x03www\x00", "\x03WwW\x00", true},
		{"\x03www\x00", "\x03wwx\x00", false},
		{"\x03www\x00", "\x03www", false},
		{"\x01@\x00", "\x01`\x00", false},
		{"\x01[\x00", "\x01{\x00", false},
		{"", "", true},
	} {
		if got := Equal([]byte(test.a), []byte(test.b)); got != test.want {
			t.Errorf("%q, %q: %t", test.a, test.b, got)
		}
		lower := make([]byte, len(test.a))
		Lower(lower, []byte(test.a))
		if !Equal(lower, []byte(test.a)) || string(lower) != strings.ToLower(test.a) {
			t.Errorf("%q in lower case: %q", test.a, lower)
		}
	}
}

// Every suffix has the hash that it would have as a name of its own, so that equal names
// have equal hashes, however they were reached.
func TestHashOfSuffixes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := names().Draw(t, "name")
		var whole, part Hashes
		n.Hash(&whole)
		for i := range n.Labels() + 1 {
			var suffix Name
			if _, ok := suffix.Read(n.Suffix(i), 0); !ok {
				t.Fatalf("%q is refused", n.Suffix(i))
			}
			suffix.Hash(&part)
			if whole[i] != part[0] {
				t.Errorf("%q has another hash below %q", suffix.Bytes(), n.Bytes())
			}
		}
	})
}

// TestHashTellsApart hashes names that differ as little as names do: none may collide, and
// the bits that a table uses, which are the upper ones, must be spread.
func TestHashTellsApart(t *testing.T) {
	seen := make(map[uint64]string)
	const slots = 1 << 8
	var spread [slots]int
	add := func(text string) {
		n, ok := ParseName(text)
		if !ok {
			t.Fatalf("%s is refused", text)
		}
		var h Hashes
		n.Hash(&h)
		if other, taken := seen[h[0]]; taken {
			t.Fatalf("%s and %s have the same hash", text, other)
		}
		seen[h[0]] = text
		spread[h[0]>>56]++
	}
	for i := range 50_000 {
		add(fmt.Sprintf("n%d.gslb.example.com.", i))
		add(fmt.Sprintf("%08x.example.com.", i))
	}
	for i := range MaxLabel { // padding, and where a label ends
		add(strings.Repeat(`\000`, i+1) + ".")
		add(strings.Repeat("a", i+1) + ".")
		add(strings.Repeat("a.", i+2))
	}
	mean := len(seen) / slots
	for slot, n := range spread {
		if n < mean*3/4 || n > mean*5/4 {
			t.Errorf("%d names of %d in slot %d, about %d expected", n, len(seen), slot, mean)
		}
	}
}

// TestOrder has the example of RFC 4034, section 6.1, in its order.
func TestOrder(t *testing.T) {
	ordered := []string{
		"example.", "a.example.", "yljkjljk.a.example.", "Z.a.example.", "zABC.a.EXAMPLE.",
		"z.example.", `\001.z.example.`, "*.z.example.", `\200.z.example.`,
	}
	for i, first := range ordered {
		for j, second := range ordered {
			a, okA := ParseName(first)
			b, okB := ParseName(second)
			if !okA || !okB {
				t.Fatalf("%s or %s is refused", first, second)
			}
			if got, want := Compare(&a, &b), sign(i-j); got != want {
				t.Errorf("%s to %s: %d, want %d", first, second, got, want)
			}
		}
	}
}

func sign(n int) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}

func TestOrderIsTotal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := names().Draw(t, "a"), names().Draw(t, "b"), names().Draw(t, "c")
		if Compare(&a, &b) != -Compare(&b, &a) {
			t.Errorf("%q and %q are each before the other", a.Bytes(), b.Bytes())
		}
		if Compare(&a, &b) <= 0 && Compare(&b, &c) <= 0 && Compare(&a, &c) > 0 {
			t.Errorf("%q, %q, %q go in a circle", a.Bytes(), b.Bytes(), c.Bytes())
		}
		if (Compare(&a, &b) == 0) != (string(a.Bytes()) == string(b.Bytes())) {
			t.Errorf("%q and %q: %d", a.Bytes(), b.Bytes(), Compare(&a, &b))
		}
		if a.Within(&b) && Compare(&a, &b) < 0 {
			t.Errorf("%q is before %q, in which it lies", a.Bytes(), b.Bytes())
		}
	})
}
