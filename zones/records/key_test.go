package records

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"gslb/internal/wire"
)

// anyName draws a name of few labels, in wire form, below the root or an apex.
func anyName(t *rapid.T, apex []byte, what string) []byte {
	octet := rapid.SampledFrom([]byte{0, 1, 2, '*', '.', '-', 'a', 'A', 'b', 'Z', 0xff})
	labels := rapid.SliceOfN(rapid.SliceOfN(octet, 1, 3), 0, 4).Draw(t, what)
	var name []byte
	for _, label := range labels {
		name = append(append(name, byte(len(label))), label...)
	}
	return append(name, apex...)
}

func parsed(t *rapid.T, name []byte) *wire.Name {
	var n wire.Name
	if _, ok := n.Read(name, 0); !ok {
		t.Fatalf("%x is no name", name)
	}
	return &n
}

// Keys are ordered, equal and within each other as their names are, and say which these are.
func TestKeysStandForNames(t *testing.T) {
	apex := []byte("\x07example\x03com\x00")
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyName(t, apex, "a"), anyName(t, apex, "b")
		x, y := parsed(t, a), parsed(t, b)
		keyA, inA := AppendKey(nil, a, apex)
		keyB, inB := AppendKey(nil, b, apex)
		if !inA || !inB {
			t.Fatalf("%x or %x does not lie in the zone", a, b)
		}
		if got, want := bytes.Compare(keyA, keyB), wire.Compare(x, y); got != want {
			t.Fatalf("the keys %x and %x compare as %d, the names as %d", keyA, keyB, got, want)
		}
		if got, want := isBelow(keyA, keyB), x.Within(y); got != want {
			t.Fatalf("%x is below %x: %v, want %v", keyA, keyB, got, want)
		}
		if got := appendOwner(nil, keyA, apex); !bytes.Equal(got, x.Bytes()) {
			t.Fatalf("the key %x is that of %x, want %x", keyA, got, x.Bytes())
		}
	})
}

// Only a name that ends in the labels of the apex lies in its zone.
func TestKeysOfNamesOutside(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		apex := parsed(t, anyName(t, []byte{0}, "apex"))
		name := anyName(t, []byte{0}, "name")
		_, inside := AppendKey(nil, name, apex.Bytes())
		if want := parsed(t, name).Within(apex); inside != want {
			t.Fatalf("%x in %x: %v, want %v", name, apex.Bytes(), inside, want)
		}
	})
}
