// Package jsonpath finds one value in a JSON text by its path, the way people write it:
//
//	status                   the value of a key
//	checks.db.state          of keys within keys
//	replicas[0].role         of an item of a list, counted from 0
//	["a key"]["with.dots"]   of keys that are not plain words; JSON's escapes count
//	$.status                 the same as without "$."; "$" alone is the whole text
package jsonpath

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// Path leads to a value. The zero value is the whole text.
type Path struct {
	steps []step
}

// step is a key of an object or, if it has none, the place of an item in a list.
type step struct {
	key   string
	isKey bool
	item  int
}

var (
	word  = regexp.MustCompile(`^[^.\[\]"\s]+`)
	item  = regexp.MustCompile(`^\[([0-9]{1,9})\]`)
	quote = regexp.MustCompile(`^\[("(?:[^"\\]|\\.)*")\]`)
)

// Parse reads a path.
func Parse(text string) (Path, error) {
	var p Path
	rest := text
	if strings.HasPrefix(rest, "$") && (len(rest) == 1 || rest[1] == '.' || rest[1] == '[') {
		rest = rest[1:]
		if rest == "" {
			return p, nil
		}
	} else if !strings.HasPrefix(rest, "[") {
		rest = "." + rest // so that each key follows a dot
	}
	for rest != "" {
		var s step
		var length int
		if m := word.FindString(rest[1:]); rest[0] == '.' && m != "" {
			s, length = step{key: m, isKey: true}, 1+len(m)
		} else if m := item.FindStringSubmatch(rest); m != nil {
			s.item, _ = strconv.Atoi(m[1]) // nine digits fit
			length = len(m[0])
		} else if m := quote.FindStringSubmatch(rest); m != nil && json.Unmarshal([]byte(m[1]), &s.key) == nil {
			s.isKey, length = true, len(m[0])
		} else {
			return Path{}, fmt.Errorf(`found %q; expected a path such as "status", "checks.db.state" or "replicas[0].role"`, text)
		}
		p.steps = append(p.steps, s)
		rest = rest[length:]
	}
	return p, nil
}

// Read reads a JSON text. Its numbers are as they are written.
func Read(text []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var root any
	if err := decoder.Decode(&root); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("it is empty")
		}
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows its end")
	}
	return root, nil
}

// Find returns the value that the path leads to: nil, a bool, a string, a json.Number, an object
// (map[string]any) or a list ([]any).
func (p Path) Find(root any) (any, error) {
	value := root
	for i, s := range p.steps {
		at := Path{p.steps[:i]}
		if s.isKey {
			object, ok := value.(map[string]any)
			if !ok {
				return nil, fmt.Errorf("%s is %s, not an object", at, Kind(value))
			}
			if value, ok = object[s.key]; !ok {
				return nil, fmt.Errorf("%s has no key %q", at, s.key)
			}
			continue
		}
		list, ok := value.([]any)
		switch {
		case !ok:
			return nil, fmt.Errorf("%s is %s, not a list", at, Kind(value))
		case s.item >= len(list):
			return nil, fmt.Errorf("%s has %d items, so that there is no [%d]", at, len(list), s.item)
		}
		value = list[s.item]
	}
	return value, nil
}

// String is the path as it can be written; the whole text is called that.
func (p Path) String() string {
	if len(p.steps) == 0 {
		return "the whole"
	}
	var b strings.Builder
	for _, s := range p.steps {
		switch {
		case !s.isKey:
			fmt.Fprintf(&b, "[%d]", s.item)
		case word.FindString(s.key) != s.key || s.key == "" || s.key[0] == '$':
			key, _ := json.Marshal(s.key) // a string always has a form
			fmt.Fprintf(&b, "[%s]", key)
		default:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(s.key)
		}
	}
	return b.String()
}

// Kind says what a value is.
func Kind(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case string:
		return "a string"
	case json.Number:
		return "a number"
	case []any:
		return "a list"
	}
	return "an object"
}
