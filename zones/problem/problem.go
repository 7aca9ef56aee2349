// Package problem says what is wrong with a configuration: where ([Place], and [Source] for a
// line of a master file), what was found and what was expected. A [Report] collects, so that an
// operator is told everything in one go; [Errors] is what becomes of it.
//
// What is kept and what is shown is bounded, however much is wrong.
package problem

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	File string // the configuration
	// Line is where the key, or the record within its text, stands in the file; where the key is
	// missing, that of its table; 0: nowhere.
	Line, Column int // the column, in bytes from 1, is of errors in the syntax only
	// Path is the key that the problem is at, as in pools.nyc.min_up; empty for an error in the
	// syntax.
	Path string
	// Source is the line of a master file that the problem is at; the zero value: there is none.
	Source Source
	// Message says what was found and what was expected, in one line.
	Message string

	cause        error
	offset, item int // order problems of one file, and those of one list
}

// Error returns all of it in one line.
func (p *Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	for _, n := range []int{p.Line, p.Column} {
		if n > 0 {
			b.WriteString(":" + strconv.Itoa(n))
		}
	}
	for _, part := range []string{p.Path, p.Source.String(), p.Message} {
		if part != "" {
			b.WriteString(": " + part)
		}
	}
	return strings.TrimPrefix(b.String(), ": ")
}

// Unwrap returns the error that the problem comes from, such as that of reading a file; nil: there
// is none.
func (p *Problem) Unwrap() error { return p.cause }

// Errors is what is wrong with a configuration, in the order of the file. The same
// configuration always gives the same Errors.
type Errors struct {
	Problems []*Problem // at most Shown, at least one
	More     int        // so many others there are
}

// Shown is how many problems of one configuration are shown. Nobody corrects more of them before
// trying again.
const Shown = 100

// Total is how many problems there are.
func (e *Errors) Total() int { return len(e.Problems) + e.More }

// Error returns one line for each problem, and the number of those that are not shown.
func (e *Errors) Error() string {
	lines := make([]string, 0, len(e.Problems)+1)
	for _, err := range e.Unwrap() {
		lines = append(lines, err.Error())
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns each [*Problem] and, if there are others, an error that says how many.
func (e *Errors) Unwrap() []error {
	errs := make([]error, 0, len(e.Problems)+1)
	for _, p := range e.Problems {
		errs = append(errs, p)
	}
	if e.More > 0 {
		errs = append(errs, fmt.Errorf("and %s more", thousands(e.More)))
	}
	return errs
}

// Each is the errors that were joined into one, a line each. An error that wraps several in one line is one
// problem.
func Each(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if all, is := err.(*Errors); is {
		return all.Unwrap()
	}
	if !ok || !strings.Contains(err.Error(), "\n") {
		return []error{err}
	}
	return joined.Unwrap()
}

// thousands formats a number with commas: 99,900.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
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
	kept []found
	more int
}

type found struct {
	at      *Place
	source  Source
	message string
	cause   error
}

// Bounds of what a configuration could otherwise make without limit.
const (
	maxKept    = 1000 // problems; the first of these, in the order of the file, are shown
	maxMessage = 1000 // bytes
	maxPath    = 500  // bytes
)

// Add notes a problem at a place. The arguments are formatted only if it is kept.
func (r *Report) Add(at *Place, format string, args ...any) {
	r.AddLine(at, Source{}, format, args...)
}

// AddLine notes a problem at a line of the master file that stands at a place.
func (r *Report) AddLine(at *Place, src Source, format string, args ...any) {
	if len(r.kept) == maxKept {
		r.more++
		return
	}
	f := found{at: at, source: src, message: Message(fmt.Sprintf(format, args...))}
	for _, arg := range args {
		if err, ok := arg.(error); ok {
			f.cause = err
		}
	}
	r.kept = append(r.kept, f)
}

// Message is a text as the message of a Problem: on one line, and not too long.
func Message(text string) string { return oneLine(text, maxMessage) }

// oneLine is text without line breaks, and whatever else a terminal would act on, and cut to a
// length.
func oneLine(s string, most int) string {
	if len(s) > most {
		for most > 0 && !utf8.RuneStart(s[most]) {
			most--
		}
		s = s[:most] + "…"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s)
}

// Len is how many problems there are.
func (r *Report) Len() int { return len(r.kept) + r.more }

// Spot is a place and, if it holds a text of several lines, one of these; 0: the place itself.
type Spot struct {
	At   *Place
	Line int
}

// Position is where a spot is in the text of the configuration.
type Position struct {
	Offset int // in bytes
	Line   int // 0: nobody knows
}

// Errors returns the problems of a file in the order of their positions, without repetitions; nil
// if there are none. locate returns the position of each spot.
func (r *Report) Errors(file string, locate func([]Spot) []Position) *Errors {
	if r.Len() == 0 {
		return nil
	}
	spots := make([]Spot, len(r.kept))
	for i, f := range r.kept {
		spots[i].At = f.at
		if f.source.File == "" {
			spots[i].Line = f.source.Line
		}
	}
	positions := locate(spots)
	problems := make([]*Problem, len(r.kept))
	for i, f := range r.kept {
		problems[i] = &Problem{
			File: file, Line: positions[i].Line, Path: oneLine(f.at.String(), maxPath), Source: f.source, Message: f.message,
			cause: f.cause, offset: positions[i].Offset, item: notItem,
		}
		if f.at != nil {
			problems[i].item = f.at.item
		}
	}
	slices.SortFunc(problems, func(a, b *Problem) int {
		return cmp.Or(
			cmp.Compare(a.offset, b.offset),
			cmp.Compare(a.item, b.item),
			cmp.Compare(a.Source.File, b.Source.File),
			cmp.Compare(a.Source.Line, b.Source.Line),
			cmp.Compare(a.Path, b.Path),
			cmp.Compare(a.Message, b.Message))
	})
	problems = slices.CompactFunc(problems, func(a, b *Problem) bool {
		return a.Path == b.Path && a.Source == b.Source && a.Message == b.Message
	})
	shown := min(len(problems), Shown)
	return &Errors{Problems: problems[:shown:shown], More: r.more + len(problems) - shown}
}
