// Package problem says what is wrong with a configuration: where ([Place], and [Source] for a
// line of a master file), what was found and what was expected. A [Report] collects, so that an
// operator is told everything in one go; [Errors] is what becomes of it.
package problem

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
	// Source is the line of a master file that the problem is at; the zero value: there is none.
	Source Source

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
	key  int
	item int
}

// Source is a line of a master file. The file is empty for text within zones.toml; a line
// of 0 is no line at all.
type Source struct {
	File string
	Line int
}

func (s Source) String() string {
	switch {
	case s.Line == 0:
		return s.File
	case s.File == "":
		return "line " + strconv.Itoa(s.Line)
	default:
		return s.File + ":" + strconv.Itoa(s.Line)
	}
}

// Report collects problems. The zero value is ready; it is not safe for concurrent use.
type Report struct {
	problems []found
}

type found struct {
	at      *Place
	source  Source
	message string
}

// Add notes a problem at a place.
func (r *Report) Add(at *Place, format string, args ...any) {
	r.AddLine(at, Source{}, format, args...)
}

// AddLine notes a problem at a line of the master file that stands at a place.
func (r *Report) AddLine(at *Place, src Source, format string, args ...any) {
	r.problems = append(r.problems, found{at, src, fmt.Sprintf(format, args...)})
}

// Len is how many problems there are.
func (r *Report) Len() int { return len(r.problems) }

// Errors returns the problems in the order of keys, which are those of the file, without
// repetitions.
func (r *Report) Errors(keys []toml.Key) Errors {
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
		p := &Problem{Path: f.at.String(), Message: f.message, Source: f.source}
		if s := f.source.String(); s != "" {
			p.Message = s + ": " + p.Message
		}
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
			cmp.Compare(a.Source.File, b.Source.File),
			cmp.Compare(a.Source.Line, b.Source.Line),
			cmp.Compare(a.Path, b.Path),
			cmp.Compare(a.Message, b.Message))
	})
	return slices.CompactFunc(errs, func(a, b *Problem) bool {
		return a.Path == b.Path && a.Message == b.Message
	})
}
