package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestWrap(t *testing.T) {
	for _, test := range []struct {
		text          string
		width, indent int
		want          []string
	}{
		{"", 10, 0, []string{""}},
		{"short", 10, 0, []string{"short"}},
		{"exactly ten", 11, 0, []string{"exactly ten"}},
		{"one two three", 8, 0, []string{"one two", "three"}},
		{"one two three", 8, 2, []string{"one two", "three"}},
		{"one two threefour", 10, 3, []string{"one two", "threefo", "ur"}},
		{"app.gslb.example.com", 8, 0, []string{"app.gslb", ".example", ".com"}},
		{"nyc → ams", 5, 0, []string{"nyc →", "ams"}},
	} {
		if diff := cmp.Diff(test.want, wrap(test.text, test.width, test.indent)); diff != "" {
			t.Errorf("%q in %d:\n%s", test.text, test.width, diff)
		}
	}
}

// Whatever is in a table, no line is wider than the screen as long as its columns can be narrow enough, nothing
// is lost, and no line ends in spaces.
func TestTableFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		columns := rapid.IntRange(1, 6).Draw(t, "columns")
		head := rapid.SliceOfN(rapid.StringMatching(`[A-Z]{1,8}`), columns, columns).Draw(t, "head")
		var rows [][]cell
		var letters int
		for range rapid.IntRange(0, 5).Draw(t, "rows") {
			var row []cell
			for range columns {
				text := rapid.StringMatching(`([a-zé→]{1,40} ?){0,6}`).Draw(t, "text")
				row = append(row, cell{text, rapid.SampledFrom([]paint{noPaint, red}).Draw(t, "paint")})
				letters += utf8.RuneCountInString(strings.ReplaceAll(text, " ", ""))
			}
			rows = append(rows, row)
		}
		var b bytes.Buffer
		screen{Writer: &b, width: 80}.table(head, rows)
		_, shown, _ := strings.Cut(b.String(), "\n")
		for line := range strings.Lines(b.String()) {
			line = strings.TrimSuffix(line, "\n")
			if utf8.RuneCountInString(line) > 80 || strings.HasSuffix(line, " ") {
				t.Fatalf("a line of %d columns: %q", utf8.RuneCountInString(line), line)
			}
		}
		if got := utf8.RuneCountInString(strings.NewReplacer(" ", "", "\n", "").Replace(shown)); got != letters {
			t.Fatalf("%d letters are shown of %d:\n%s", got, letters, b.String())
		}
	})
}

// Colour goes to a terminal alone, and there only around text.
func TestColour(t *testing.T) {
	var b bytes.Buffer
	s := newScreen(&b)
	s.put(red, 0, "down")
	if b.String() != "down\n" {
		t.Errorf("something that is no terminal gets %q", b.String())
	}
	b.Reset()
	s.colour = true
	s.put(red, 0, "down")
	s.table([]string{"A", "B"}, [][]cell{{{"x", green}, {"", red}}})
	if want := "\x1b[31mdown\x1b[0m\n\x1b[1mA\x1b[0m  \x1b[1mB\x1b[0m\n\x1b[32mx\x1b[0m\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}

// A file is no terminal, and neither is /dev/null.
func TestIsTerminal(t *testing.T) {
	null, err := os.Open(os.DevNull)
	must(t, err)
	defer null.Close()
	if isTerminal(null) || isTerminal(&bytes.Buffer{}) || newScreen(null).terminal {
		t.Error("what is no terminal is taken for one")
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 0: "0s", 59 * time.Second: "59s", 61 * time.Second: "1m1s", 10*time.Minute + time.Second: "10m",
		time.Hour: "1h", 90 * time.Minute: "1h30m", 26 * time.Hour: "1d2h", 48 * time.Hour: "2d",
	} {
		if got := span(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

// What a server sends can't control the terminal that it is shown on.
func TestVisible(t *testing.T) {
	for text, want := range map[string]string{
		"plain → text": "plain → text", "\x1b[31m": `\x1b[31m`, "a\nb": `a\nb`, "\xff": `\xff`, "\u202e": `\u202e`, "'\"": `'"`, "\x00": `\x00`, "\u009b1m": `\u009b1m`,
	} {
		if got := visible(text); got != want {
			t.Errorf("%q is shown as %s, want %s", text, got, want)
		}
	}
}

func TestLasting(t *testing.T) {
	for text, want := range map[string]string{"": "", "forever": "", "30m": "30m", "2h": "2h", "1d": "24h", "14d": "336h"} {
		if got, err := lasting(text); got != want || err != nil {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"soon", "-1h", "0s", "1", "d", "99999d", "1d2h"} {
		if got, err := lasting(text); err == nil {
			t.Errorf("%q is taken as %q", text, got)
		}
	}
}
