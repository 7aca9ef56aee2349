package probe

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"gslb/health"
)

// maxLoadText bounds what is shown of a text that is no number.
const maxLoadText = 40

// withLoad adds to a pass what the target says of its load. What it says wrongly is no fail, but is said.
func withLoad(r health.Result, from health.LoadFrom, text string, err error) health.Result {
	if from.Source == "" || r.Verdict != health.Pass {
		return r
	}
	load, parseErr := parseLoad(text, from.Most)
	if err == nil {
		err = parseErr
	}
	if err != nil {
		r.Detail += fmt.Sprintf("; no %s: %v", from, err)
		return r
	}
	notes := notesOf(r)
	notes.Load, r.Notes = load, &notes
	return r
}

// parseLoad reads a number that is not negative and at most so large, perhaps with a percent sign.
func parseLoad(text string, most float64) (*health.Load, error) {
	digits, percent := strings.CutSuffix(strings.TrimSpace(text), "%")
	digits = strings.TrimSpace(digits)
	shown := text[:min(len(text), maxLoadText)]
	value, err := strconv.ParseFloat(digits, 64)
	switch {
	case text == "":
		return nil, errors.New("it is not there")
	case err != nil && !errors.Is(err, strconv.ErrRange), !isDecimal(digits):
		return nil, fmt.Errorf("%q is not a number", shown)
	case value < 0, value > most, math.IsNaN(value):
		return nil, fmt.Errorf("%q is not from 0 to %.0f", shown, most)
	}
	return &health.Load{Value: value, Percent: percent}, nil
}

// isDecimal reports whether a number is written with digits, a point and an exponent, not as Go alone reads it.
func isDecimal(digits string) bool {
	return !strings.ContainsFunc(digits, func(c rune) bool { return !strings.ContainsRune("0123456789.+-eE", c) })
}
