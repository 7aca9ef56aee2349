package config

import (
	"fmt"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"gslb/health"
	"gslb/internal/jsonpath"
	"gslb/zones/problem"
)

const (
	defaultMaxBody = 64 << 10
	maxMaxBody     = 16 << 20
)

// expect reads what a response must be like.
func (l *loader) expect(spec *health.HTTP, c *check, raw *rawHTTP) {
	at := c.at.Key("expect")
	spec.Status = l.statuses(at.Key("status"), raw.Expect.Status)
	for name, place := range l.headerNames(at.Key("headers"), raw.Expect.Headers) {
		pattern := raw.Expect.Headers[name]
		if spec.WantHeaders == nil {
			spec.WantHeaders = make(map[string]*regexp.Regexp, len(raw.Expect.Headers))
		}
		spec.WantHeaders[http.CanonicalHeaderKey(name)] = l.pattern(place, &pattern)
	}
	spec.Pattern = l.pattern(at.Key("body"), raw.Expect.Body)
	spec.NotPattern = l.pattern(at.Key("not_body"), raw.Expect.NotBody)
	spec.JSON = l.json(at.Key("json"), raw.Expect.JSON)

	reads := spec.Load.Source == "json"
	for key, given := range map[string]bool{"body": raw.Expect.Body != nil, "not_body": raw.Expect.NotBody != nil, "json": raw.Expect.JSON != nil} {
		if given && raw.Method == http.MethodHead {
			l.Add(at.Key(key), "found a pattern; expected none, since the answer to HEAD has no body")
		}
		reads = reads || given
	}
	spec.MaxBody = l.maxBody(c.at.Key("max_body"), raw.MaxBody, reads)
}

// statuses reads a list of status codes and ranges of them.
func (l *loader) statuses(at *problem.Place, list []any) []health.StatusRange {
	if list == nil {
		return []health.StatusRange{{From: 200, To: 299}}
	}
	if len(list) == 0 {
		l.Add(at, "found an empty list; expected at least one status, since nothing could ever pass")
	}
	var ranges []health.StatusRange
	for i, item := range list {
		text := fmt.Sprint(item)
		_, isNumber := item.(int64)
		_, isText := item.(string)
		r, ok := parseStatus(text)
		if !ok || !isNumber && !isText {
			l.Add(at.Index(i), `found %s; expected a status such as 200, or a range such as "200-299"`, describe(item))
		}
		ranges = append(ranges, r)
	}
	return ranges
}

func parseStatus(text string) (health.StatusRange, bool) {
	first, last, isRange := strings.Cut(text, "-")
	if !isRange {
		last = first
	}
	from, err1 := strconv.Atoi(first)
	to, err2 := strconv.Atoi(last)
	ok := err1 == nil && err2 == nil && 100 <= from && from <= to && to <= 599
	return health.StatusRange{From: from, To: to}, ok
}

// json reads what a value in a JSON text must be.
func (l *loader) json(at *problem.Place, raw *rawJSON) *health.JSONValue {
	if raw == nil || raw.Path == nil {
		return nil
	}
	if _, err := jsonpath.Parse(*raw.Path); err != nil {
		l.Add(at.Key("path"), "%v", err)
	}
	value := &health.JSONValue{
		Path:    *raw.Path,
		Equals:  raw.Equals,
		Pattern: l.pattern(at.Key("matches"), raw.Matches),
		Min:     l.number(at.Key("min"), raw.Min),
		Max:     l.number(at.Key("max"), raw.Max),
	}
	switch v := raw.Equals.(type) {
	case nil, string, int64, bool:
	case float64:
		l.number(at.Key("equals"), v)
	default:
		l.Add(at.Key("equals"), "found %s; expected a string, a number or a boolean", describe(v))
	}
	switch {
	case raw.Equals == nil && raw.Matches == nil && raw.Min == nil && raw.Max == nil:
		l.Add(at, "expected at least one of equals, matches, min and max beside path")
	case value.Min != nil && value.Max != nil && *value.Min > *value.Max:
		l.Add(at.Key("max"), "found %v; expected at least min, %v", *value.Max, *value.Min)
	}
	return value
}

// number reads a finite number, which may have been written without a fraction; nil if there is none.
func (l *loader) number(at *problem.Place, value any) *float64 {
	switch v := value.(type) {
	case nil:
		return nil
	case int64:
		number := float64(v)
		return &number
	case float64:
		if !math.IsInf(v, 0) && !math.IsNaN(v) {
			return &v
		}
	}
	l.Add(at, "found %s; expected a finite number", describe(value))
	return nil
}

// maxBody reads how much of a body is looked at.
func (l *loader) maxBody(at *problem.Place, bytes *int64, reads bool) int64 {
	if bytes == nil {
		return defaultMaxBody
	}
	if n := *bytes; n < 1 || n > maxMaxBody {
		l.Add(at, "found %d; expected from 1 to %d bytes", n, maxMaxBody)
	}
	if !reads {
		l.Add(at, "limits what expect.body, expect.not_body, expect.json and weight_from look at, none of which is set; set one, or remove this")
	}
	return *bytes
}
