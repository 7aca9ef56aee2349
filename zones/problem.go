package zones

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	// Path is the key that the problem is at, as in pools.nyc.min_up. For an error in the
	// TOML syntax it is file:line:column.
	Path string
	// Message says what was found and what was expected, in one line.
	Message string

	position position
}

// Error returns the path and the message in one line.
func (p *Problem) Error() string { return p.Path + ": " + p.Message }

// Errors is everything that is wrong with a configuration, in the order of the file. The
// same configuration always gives the same Errors.
type Errors []*Problem

// Error returns one line for each problem.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, p := range e {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns each [*Problem].
func (e Errors) Unwrap() []error {
	errs := make([]error, len(e))
	for i, p := range e {
		errs[i] = p
	}
	return errs
}

// position orders problems: by where their key, or the nearest table above it, stands in
// the file, then by item of a list, then by line of the master file that the key holds.
type position struct {
	key    int
	item   int
	source source
}

// source is a line of a master file. The file is empty for text within zones.toml; a line
// of 0 is no line at all.
type source struct {
	file string
	line int
}

func (s source) String() string {
	switch {
	case s.line == 0:
		return s.file
	case s.file == "":
		return "line " + strconv.Itoa(s.line)
	default:
		return s.file + ":" + strconv.Itoa(s.line)
	}
}

// report collects problems.
type report struct {
	problems []found
}

type found struct {
	at      *place
	source  source
	message string
}

// add notes a problem at a place.
func (r *report) add(at *place, format string, args ...any) {
	r.addLine(at, source{}, format, args...)
}

// addLine notes a problem at a line of the master file that stands at a place.
func (r *report) addLine(at *place, src source, format string, args ...any) {
	r.problems = append(r.problems, found{at, src, fmt.Sprintf(format, args...)})
}

// errors returns the problems in the order of keys, which are those of the file, without
// repetitions.
func (r *report) errors(keys []toml.Key) Errors {
	if len(r.problems) == 0 {
		return nil
	}
	order := make(map[string]int, len(keys))
	for i, key := range keys {
		if k := key.String(); order[k] == 0 {
			order[k] = i + 1
		}
	}

	errs := make(Errors, 0, len(r.problems))
	for _, f := range r.problems {
		p := &Problem{Path: f.at.String(), Message: f.message}
		if s := f.source.String(); s != "" {
			p.Message = s + ": " + p.Message
		}
		p.position.source = f.source
		p.position.item = notItem
		if f.at != nil {
			p.position.item = f.at.item
		}
		for at := f.at; at != nil && p.position.key == 0; at = at.up {
			p.position.key = order[at.tomlKey().String()]
		}
		errs = append(errs, p)
	}
	slices.SortFunc(errs, func(a, b *Problem) int {
		return cmp.Or(
			cmp.Compare(a.position.key, b.position.key),
			cmp.Compare(a.position.item, b.position.item),
			cmp.Compare(a.position.source.file, b.position.source.file),
			cmp.Compare(a.position.source.line, b.position.source.line),
			cmp.Compare(a.Path, b.Path),
			cmp.Compare(a.Message, b.Message))
	})
	return slices.CompactFunc(errs, func(a, b *Problem) bool {
		return a.Path == b.Path && a.Message == b.Message
	})
}
