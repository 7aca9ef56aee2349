package main

import "testing"

func TestShareOfConfirmOver(t *testing.T) {
	for text, want := range map[string]int{"20%": 20, "1%": 1, "99%": 99, "20": 0, "": 0, "0%": 0, "100%": 0, "x%": 0, "-5%": 0} {
		if got, err := parseShare(text); got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
}
