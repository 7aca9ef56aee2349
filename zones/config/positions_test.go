package config

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"

	"gslb/zones/problem"
)

// Where places stand, in every way that TOML has to write them. The place is a key, or @ for the
// third line of the text that it holds.
func TestLocate(t *testing.T) {
	tests := []struct {
		name, text string
		at         *problem.Place
		within     int // line of the text
		want       int
	}{
		{"a table", "\n[a]\nx = 1", problem.Top("a"), 0, 2},
		{"a key", "\n[a]\nx = 1", problem.Top("a").Key("x"), 0, 3},
		{"a missing key has the line of its table", "\n[a]\nx = 1", problem.Top("a").Key("y"), 0, 2},
		{"a missing table has that of the one above", "[a]\n[b]\n", problem.Top("b").Key("c").Key("d"), 0, 2},
		{"nothing of it is there", "[a]\n", problem.Top("b"), 0, 0},
		{"dotted keys", "a.b.c = 1\na.d = 2", problem.Top("a").Key("d"), 0, 2},
		{"the first of dotted keys is the table's", "\na.b.c = 1\na.d = 2", problem.Top("a"), 0, 2},
		{"a dotted head", "[a.b]\n[a.c]\nx = 1", problem.Top("a").Key("c").Key("x"), 0, 3},
		{"a head behind one within it", "[a.b]\n\n[a]\n", problem.Top("a"), 0, 3},
		{"a blank around a dot", "[ a . \"b\" ]\n\nx . y = 1", problem.Top("a").Key("b").Key("x").Key("y"), 0, 3},
		{"a quoted key", "\n\"a.b\\u0063\" = 1", problem.Top("a.bc"), 0, 2},
		{"a literal key", "\n'a\\n' = 1", problem.Top(`a\n`), 0, 2},
		{"an inline table", "\na = { b = 1, c = { d = 2 } }", problem.Top("a").Key("c").Key("d"), 0, 2},
		{"an inline table over lines", "a = {\n b = 1,\n c = 2 }", problem.Top("a").Key("c"), 0, 3},
		{"an item", "a = [\n 1, # one\n\n 2,\n]", problem.Top("a").Index(1), 0, 4},
		{"an item that is not there", "\na = [\n 1 ]", problem.Top("a").Index(7), 0, 2},
		{"behind a list of lists", "a = [[1, 2], [\n3]]\nb = 1", problem.Top("b"), 0, 3},
		{"behind strings that look like syntax", "a = \"]#=\\\"[\"\nb = '}\\'\nc = \"\"\"\n[x]\"\"\n\"\"\"\"\"\nd = 1", problem.Top("d"), 0, 6},
		{"behind a comment", "# [a]\n#a = \"\n[b]", problem.Top("b"), 0, 3},
		{"behind a date", "a = 1979-05-27 07:32:00Z # no\nb = [1979-05-27 07:32:00, 1]\nc = 1", problem.Top("c"), 0, 3},
		{"with line breaks of Windows", "a = 1\r\n\r\n[b]\r\nc = 2\r\n", problem.Top("b").Key("c"), 0, 4},
		{"in a list of tables nothing is looked for", "[[a]]\nx = 1\n[[a]]\nx = 2", problem.Top("a").Key("x"), 0, 1},
		{"nor below one", "[[a]]\n[a.b]\nx = 1\n[c]", problem.Top("c"), 0, 4},

		{"a line of a text", "a = \"\"\"\none\ntwo\nthree\n\"\"\"", problem.Top("a"), 3, 4},
		{"a line of a text that begins at once", "\na = '''one\ntwo\nthree'''", problem.Top("a"), 3, 4},
		{"a line of a text of Windows", "a = '''\r\none\r\ntwo\r\nthree'''", problem.Top("a"), 3, 4},
		{"a text in one line", "\na = \"one\\ntwo\\nthree\"", problem.Top("a"), 3, 2},
		{"a text with line breaks taken away", "a = \"\"\"\none \\\n\n  still one\ntwo\nthree\"\"\"", problem.Top("a"), 3, 6},
		{"an escaped backslash takes none away", "a = \"\"\"\none \\\\\ntwo\nthree\"\"\"", problem.Top("a"), 3, 4},
		{"a text in an inline table", "a = { b = 1, c = '''\none\ntwo\nthree''' }", problem.Top("a").Key("c"), 3, 4},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var tree map[string]any
			if _, err := toml.Decode(test.text, &tree); err != nil {
				t.Fatal(err)
			}
			got := locate([]byte(test.text), []problem.Spot{{At: test.at, Line: test.within}})[0]
			if got.Line != test.want {
				t.Errorf("%s is on line %d, want %d", test.at, got.Line, test.want)
			}
		})
	}
}

// FuzzLocate holds the positions to the parser: every key that it finds, in whatever text it
// takes, is found where it is, and on the line of that.
func FuzzLocate(f *testing.F) {
	for _, folder := range []string{"accept", "reject"} {
		for _, path := range configurations(f, folder) {
			data, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(data))
		}
	}
	f.Add("a.'b' . \"\\u00e9\\x41\\e\" = [{x=1}, [1,2,],]\n[[l]]\n[l.m]\n[x.\"\"]\ny = {a.b = '''\n''', c = \"\"\"\"\"\"\"\"}\n")
	f.Fuzz(func(t *testing.T, text string) {
		if line, _ := bounded([]byte(text)); line > 0 {
			return
		}
		var tree map[string]any
		meta, err := toml.Decode(text, &tree)
		if err != nil {
			return
		}
		var spots []problem.Spot
		var lasts []string                  // the last part of each key
		listed := func(key toml.Key) bool { // in a list of tables, where nothing is looked for
			for i := range key {
				if meta.Type(key[:i]...) == "Array" || meta.Type(key[:i]...) == "ArrayHash" {
					return true
				}
			}
			return false
		}
		for _, key := range meta.Keys() {
			if listed(key) {
				continue
			}
			var at *problem.Place
			for _, name := range key {
				at = at.Key(name)
			}
			spots = append(spots, problem.Spot{At: at})
			lasts = append(lasts, key[len(key)-1])
		}
		for i, p := range locate([]byte(text), spots) {
			if p.Line == 0 {
				t.Fatalf("%s is nowhere in %q", spots[i].At, text)
			}
			if want := 1 + strings.Count(text[:p.Offset], "\n"); p.Line != want {
				t.Errorf("%s is on line %d, but at %d, which is on line %d of %q", spots[i].At, p.Line, p.Offset, want, text)
			}
			var read finder
			read.text, read.at = []byte(text), p.Offset
			for read.next('[') {
			}
			if names, ok := read.key(); !ok || !slices.Contains(names, lasts[i]) {
				t.Errorf("%s is not at %d of %q, there is %q", spots[i].At, p.Offset, text, names)
			}
		}
	})
}
