package plural

import "testing"

func TestOf(t *testing.T) {
	for n, want := range map[int]string{0: "0 names are", 1: "1 name is", 2: "2 names are"} {
		if got := Of(n, "name is", "names are"); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
