package problem

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestProblem(t *testing.T) {
	for want, p := range map[string]Problem{
		"zones.toml:41: checks.web.type: found 1":        {File: "zones.toml", Line: 41, Path: "checks.web.type", Message: "found 1"},
		"zones.toml:41:7: found 1":                       {File: "zones.toml", Line: 41, Column: 7, Message: "found 1"},
		"zones.toml: server: missing":                    {File: "zones.toml", Path: "server", Message: "missing"},
		"zones.toml:4: zones.a.file: db:2: found x":      {File: "zones.toml", Line: 4, Path: "zones.a.file", Source: Source{"db", 2}, Message: "found x"},
		"zones.toml:4: zones.a.records: line 2: found x": {File: "zones.toml", Line: 4, Path: "zones.a.records", Source: Source{"", 2}, Message: "found x"},
		"server: missing":                                {Path: "server", Message: "missing"},
	} {
		if got := p.Error(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// A place is written as TOML has it.
func TestPlace(t *testing.T) {
	for want, at := range map[string]*Place{
		"":                         nil,
		"pools.nyc.members[1]":     Top("pools").Key("nyc").Key("members").Index(1),
		`zones."a.example".names`:  Top("zones").Key("a.example").Key("names"),
		`""."a b"."\n"."ü"`:        Top("").Key("a b").Key("\n").Key("ü"),
		"lists[0][1].x_-1":         Top("lists").Index(0).Index(1).Key("x_-1"),
		`checks.web.headers."A:b"`: Top("checks").Key("web").Key("headers").Key("A:b"),
	} {
		if got := at.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// No two places have one path, and only that of what lies within a place begins with its own.
func TestPaths(t *testing.T) {
	type step struct {
		name string
		item int
	}
	steps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
		return step{rapid.SampledFrom([]string{"", "a", "ab", "a.b", "[\x00\x00\x00\x00"}).Draw(t, "name"), rapid.IntRange(-1, 1).Draw(t, "item")}
	}), 0, 4)
	within := func(a, b []step) bool {
		if len(a) < len(b) {
			return false
		}
		for i, s := range b {
			if a[i].item != s.item || s.item == notItem && a[i].name != s.name {
				return false
			}
		}
		return true
	}
	place := func(steps []step) (at *Place) {
		for _, s := range steps {
			if s.item == notItem {
				at = at.Key(s.name)
			} else {
				at = at.Index(s.item)
			}
		}
		return at
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := steps.Draw(t, "a"), steps.Draw(t, "b")
		got := strings.HasPrefix(string(place(a).Path()), string(place(b).Path()))
		if want := within(a, b); got != want {
			t.Fatalf("%s within %s: %v, want %v", place(a), place(b), got, want)
		}
	})
}

// inOrder puts each place where its item says.
func inOrder(spots []Spot) []Position {
	positions := make([]Position, len(spots))
	for i, s := range spots {
		positions[i] = Position{Offset: s.At.item, Line: s.At.item + 1}
	}
	return positions
}

// Of many problems the first in the file are shown, each once, and all are counted.
func TestErrorsAreBounded(t *testing.T) {
	for _, count := range []int{1, Shown - 1, Shown, Shown + 1, maxKept, maxKept + 1, 100_000} {
		r, formatted := new(Report), 0
		for i := range count {
			at := Top("x").Index(count - 1 - i)
			r.Add(at, "%v", lazy(func() string { formatted++; return "wrong" }))
		}
		errs := r.Errors("zones.toml", inOrder)
		if errs.Total() != count || len(errs.Problems) != min(count, Shown) || formatted > maxKept {
			t.Errorf("%d problems: %d are shown of %d, %d were formatted", count, len(errs.Problems), errs.Total(), formatted)
		}
		for i := 1; i < len(errs.Problems); i++ {
			if errs.Problems[i].Line <= errs.Problems[i-1].Line {
				t.Errorf("%v stands behind %v", errs.Problems[i], errs.Problems[i-1])
			}
		}
		lines := strings.Split(errs.Error(), "\n")
		last, more := lines[len(lines)-1], count > Shown
		if more != strings.HasPrefix(last, "and ") || len(errs.Unwrap()) != len(lines) {
			t.Errorf("%d problems end with %q, in %d errors", count, last, len(errs.Unwrap()))
		}
		var first *Problem
		if !errors.As(errs, &first) {
			t.Errorf("%d problems: none is in the chain", count)
		}
	}
	if got := thousands(1_234_567); got != "1,234,567" {
		t.Errorf("a large number is written %s", got)
	}
	if errs := new(Report).Errors("zones.toml", inOrder); errs != nil {
		t.Errorf("got %v of nothing", errs)
	}
}

type lazy func() string

func (l lazy) String() string { return l() }

// What a problem comes from can be told: a shortage passes, a wrong value does not.
func TestCauses(t *testing.T) {
	r := new(Report)
	r.Add(Top("x").Index(0), "found %q; expected a readable file: %v", "db", fs.ErrPermission)
	r.Add(Top("x").Index(1), "found %q", "y")
	errs := r.Errors("zones.toml", inOrder)
	if !errors.Is(errs, fs.ErrPermission) || errors.Is(errs, fs.ErrNotExist) {
		t.Errorf("the cause of %v is lost", errs)
	}
}

func TestErrorsAreSaidOnce(t *testing.T) {
	r := new(Report)
	for range 3 {
		r.Add(Top("x").Index(0), "wrong")
	}
	r.AddLine(Top("x").Index(0), Source{"db", 1}, "wrong")
	if errs := r.Errors("zones.toml", inOrder); errs.Total() != 2 {
		t.Errorf("got %v, want two", errs)
	}
}

// Whatever is quoted, a problem is one line of valid text, and not a long one.
func TestProblemsAreOneShortLine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Repeat(rapid.String().Draw(t, "text"), rapid.IntRange(1, 400).Draw(t, "times"))
		r := new(Report)
		r.Add(Top(text).Index(0), "%s", text)
		got := r.Errors("zones.toml", inOrder).Error()
		if strings.ContainsAny(got, "\n\r\x00\x1b\u009b\u2028") || !utf8.ValidString(got) || len(got) > maxMessage+maxPath+100 {
			t.Fatalf("%q", got)
		}
	})
}

// What was joined is a problem a line, one alone too; what wraps several errors in one line stays whole.
func TestEach(t *testing.T) {
	one := &Errors{Problems: []*Problem{{File: "zones.toml", Line: 3, Message: "wrong"}}}
	many := &Errors{Problems: append(one.Problems, &Problem{File: "zones.toml", Line: 4, Message: "wrong"}), More: 7}
	tests := []struct {
		err  error
		want []string
	}{
		{errors.New("alone"), []string{"alone"}},
		{one, []string{"zones.toml:3: wrong"}},
		{many, []string{"zones.toml:3: wrong", "zones.toml:4: wrong", "and 7 more"}},
		{errors.Join(errors.New("a"), errors.New("b")), []string{"a", "b"}},
		{fmt.Errorf("%w, after %w", fs.ErrClosed, fs.ErrExist), []string{"file already closed, after file already exists"}},
	}
	for _, tt := range tests {
		var got []string
		for _, err := range Each(tt.err) {
			got = append(got, err.Error())
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%q is %q, want %q", tt.err, got, tt.want)
		}
	}
	if p := Each(one)[0]; p != error(one.Problems[0]) {
		t.Errorf("%#v is not the problem itself", p)
	}
}
