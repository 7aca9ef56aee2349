package wire

import (
	"testing"

	"pgregory.net/rapid"
)

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
