package health

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// HTTP is a request and what must come back. A new connection is made for each probe.
type HTTP struct {
	URL    string // absolute; the scheme says whether it is TLS
	Method string
	Host   string // Host header and TLS server name; empty: the URL's
	Link
	Headers map[string]string
	Body    string // of the request
	HTTP2   bool   `json:",omitempty"` // is spoken, and nothing else
	// Files whose one line proves who asks: USER:PASSWORD (RFC 7617), or a token (RFC 6750). Empty: none does.
	BasicFile  string `json:",omitempty"`
	BearerFile string `json:",omitempty"`

	Status          []StatusRange             // any of them passes
	WantHeaders     map[string]*regexp.Regexp `json:",omitempty"` // of the response, by canonical name: a value must match
	Pattern         *regexp.Regexp            // the response's body must match; nil: not read
	NotPattern      *regexp.Regexp            `json:",omitempty"` // the body must not match; nil: not read
	JSON            *JSONValue                `json:",omitempty"` // the body must be JSON, with this value; nil: not read
	MaxBody         int64                     // bytes of the response's body that are looked at
	FollowRedirects bool                      // at most ten, to the same host
	AnyHost         bool                      `json:",omitempty"` // follow redirects to other hosts too

	Load LoadFrom `json:",omitzero"` // what a response that passes says of the pool's load
}

// JSONValue is a value in a JSON text, and what is wanted of it: all that is set.
type JSONValue struct {
	Path     string         // as package jsonpath reads it
	Equals   any            `json:",omitempty"` // a string, an int64, a float64 or a bool
	Pattern  *regexp.Regexp `json:",omitempty"` // that a string must match, or a number or a boolean as it is written
	Min, Max *float64       `json:",omitempty"` // of a number
}

// Kind returns "http".
func (*HTTP) Kind() string { return "http" }

// Files are those of TLS, and that with a secret.
func (h *HTTP) Files() []string {
	list := h.TLS.Files()
	for _, path := range []string{h.BasicFile, h.BearerFile} {
		if path != "" {
			list = append(list, path)
		}
	}
	return list
}

// ReadsBody says whether the response's body matters.
func (h *HTTP) ReadsBody() bool {
	return h.Pattern != nil || h.NotPattern != nil || h.JSON != nil || h.Load.Source == "json"
}

// Where is the target or else the URL's host, and the port if that has one.
func (h *HTTP) Where() string {
	if h.Target != "" {
		return h.Target
	}
	if u, err := url.Parse(h.URL); err == nil {
		return u.Host
	}
	return ""
}

// Wants says which status is wanted, and which header and body.
func (h *HTTP) Wants() []string {
	line := "wants status " + StatusText(h.Status)
	if h.Pattern != nil {
		line += fmt.Sprintf(", and a body that matches %q in its first %d bytes", h.Pattern, h.MaxBody)
	}
	if h.FollowRedirects {
		line += ", after redirects"
	}
	if h.HTTP2 {
		line += ", over HTTP/2"
	}
	list := []string{line}
	for _, name := range slices.Sorted(maps.Keys(h.WantHeaders)) {
		list = append(list, fmt.Sprintf("wants header %s to match %q", name, h.WantHeaders[name]))
	}
	if h.NotPattern != nil {
		list = append(list, fmt.Sprintf("wants a body that does not match %q in its first %d bytes", h.NotPattern, h.MaxBody))
	}
	if h.JSON != nil {
		list = append(list, fmt.Sprintf("wants JSON of at most %d bytes, in which %s", h.MaxBody, h.JSON))
	}
	return append(list, h.TLS.wants()...)
}

// String says what is wanted of the value.
func (v *JSONValue) String() string {
	var wants []string
	if v.Equals != nil {
		wants = append(wants, fmt.Sprintf("equals %#v", v.Equals))
	}
	if v.Pattern != nil {
		wants = append(wants, fmt.Sprintf("matches %q", v.Pattern))
	}
	if v.Min != nil {
		wants = append(wants, fmt.Sprintf("is at least %v", *v.Min))
	}
	if v.Max != nil {
		wants = append(wants, fmt.Sprintf("is at most %v", *v.Max))
	}
	return v.Path + " " + strings.Join(wants, " and ")
}

// StatusRange is a range of HTTP status codes, both ends included.
type StatusRange struct{ From, To int }

// StatusText writes a list of status codes as the configuration does.
func StatusText(list []StatusRange) string {
	words := make([]string, len(list))
	for i, r := range list {
		if r.From == r.To {
			words[i] = fmt.Sprint(r.From)
		} else {
			words[i] = fmt.Sprintf("%d-%d", r.From, r.To)
		}
	}
	return strings.Join(words, ", ")
}

// Secret reads a file with what proves who asks: one line, of USER:PASSWORD for basic authentication. An error says
// what is wrong with the file, and nothing of what it holds.
func Secret(content []byte, basic bool) (string, error) {
	line, rest, _ := strings.Cut(string(content), "\n")
	line = strings.TrimSuffix(line, "\r")
	switch {
	case strings.TrimSpace(rest) != "":
		return "", errors.New("has several lines")
	case strings.TrimSpace(line) == "":
		return "", errors.New("is empty")
	case strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == 0x7f || r == utf8.RuneError }):
		return "", errors.New("has characters that cannot be sent")
	case basic && strings.IndexByte(line, ':') < 1:
		return "", errors.New("has no colon behind a user")
	case !basic && strings.ContainsAny(line, " \t"):
		return "", errors.New("has white space")
	}
	return line, nil
}
