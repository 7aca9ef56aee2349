package probe

import (
	"encoding/json"
	"fmt"
	"strconv"

	"gslb/health"
	"gslb/internal/jsonpath"
)

// judgeJSON says what is wrong with a value, or nothing. All that is wanted must hold.
//
//	wanted            of a string      of a number                 of a boolean    of anything else
//	equals a string   the same         no                          no              no
//	equals a number   no               as large, however written   no              no
//	equals a boolean  no               no                          the same        no
//	matches           it matches       its text matches            its text does   no
//	min, max          no               it is within                no              no
func judgeJSON(want *health.JSONValue, value any) string {
	text, scalar := textOf(value)
	got := fmt.Sprintf("%s is %s", want.Path, jsonpath.Kind(value))
	if scalar {
		got = fmt.Sprintf("%s is %.*s", want.Path, maxTraced, shownJSON(value))
	}
	if want.Equals != nil && !equalJSON(want.Equals, value) {
		return fmt.Sprintf("%s, want %#v", got, want.Equals)
	}
	if want.Pattern != nil && (!scalar || !want.Pattern.MatchString(text)) {
		return fmt.Sprintf("%s, which does not match %q", got, shortened(want.Pattern))
	}
	if want.Min == nil && want.Max == nil {
		return ""
	}
	number, ok := numberOf(value)
	switch {
	case !ok:
		return got + ", want a number"
	case want.Min != nil && number < *want.Min:
		return fmt.Sprintf("%s, want at least %v", got, *want.Min)
	case want.Max != nil && number > *want.Max:
		return fmt.Sprintf("%s, want at most %v", got, *want.Max)
	}
	return ""
}

func equalJSON(want, value any) bool {
	number, isNumber := value.(json.Number)
	switch want := want.(type) {
	case int64:
		if exact, err := strconv.ParseInt(number.String(), 10, 64); err == nil {
			return exact == want
		}
		got, ok := numberOf(value)
		return ok && got == float64(want)
	case float64:
		got, ok := numberOf(value)
		return ok && got == want
	}
	return !isNumber && want == value
}

// numberOf is a number as such; not ok if the value is none, or too large.
func numberOf(value any) (float64, bool) {
	number, ok := value.(json.Number)
	if !ok {
		return 0, false
	}
	f, err := number.Float64()
	return f, err == nil
}

// textOf is the text of a string, a number or a boolean.
func textOf(value any) (text string, scalar bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}

// shownJSON is a scalar as it is shown: a string in quotes.
func shownJSON(value any) string {
	if text, ok := value.(string); ok {
		return strconv.Quote(text)
	}
	text, _ := textOf(value)
	return text
}
