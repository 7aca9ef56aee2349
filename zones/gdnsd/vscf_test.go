package gdnsd

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"gslb/geo/geotest"
)

// unpack writes the files of an archive into a new folder. A file NAME.table becomes the database NAME.
func unpack(t testing.TB, archive *txtar.Archive) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range archive.Files {
		path := filepath.Join(dir, f.Name)
		if name, isTable := strings.CutSuffix(path, ".table"); isTable {
			database, err := geotest.Parse("GeoLite2-City", string(f.Data))
			if err != nil {
				t.Fatal(err)
			}
			path, f.Data = name, database
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// String shows a value in one line.
func (v *value) String() string {
	var b strings.Builder
	switch v.form {
	case simple:
		return strconv.Quote(v.text)
	case list:
		for i, item := range v.items {
			if i > 0 {
				b.WriteString(" ")
			}
			b.WriteString(item.String())
		}
		return "[" + b.String() + "]"
	}
	for i, key := range v.keys {
		if i > 0 {
			b.WriteString(" ")
		}
		fmt.Fprintf(&b, "%s:%s", key, v.items[i])
	}
	return "{" + b.String() + "}"
}

func load(t testing.TB, files string) (*value, error) {
	t.Helper()
	dir := unpack(t, txtar.Parse([]byte(files)))
	s := &source{dir: dir}
	return s.load(filepath.Join(dir, configName), place{}, 0)
}

func TestLanguage(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"", `{}`},
		{"# nothing\n; nothing", `{}`},
		{"a = b", `{a:"b"}`},
		{"a => b", `{a:"b"}`},
		{"a=>b,c=d,", `{a:"b" c:"d"}`},
		{"a={b=[c d,e]f={}}", `{a:{b:["c" "d" "e"] f:{}}}`},
		{"a = [ 192.0.2.1 [b] {c=d} ] # e", `{a:["192.0.2.1" ["b"] {c:"d"}]}`},
		{"[ a, b ]\n", `["a" "b"]`},
		{`"a b" = "c # d" ; e`, `{a b:"c # d"}`},
		{`a = "b\"c\\d\101"`, `{a:"b\"c\\de"}`},
		{`a = white\ space`, `{a:"white space"}`},
		{`a = \\\=\=\=`, `{a:"\\==="}`},
		{`a = ex\097mpl\e`, `{a:"example"}`},
		{"a = \"two\nlines\"", `{a:"two\nlines"}`},
		{`a = b$c`, `{a:"b$c"}`},
		{"a = b>c", `{a:"b>c"}`},
		{"a = 2001:DB8::1", `{a:"2001:DB8::1"}`},
		{`a = [x"y"z]`, `{a:["x" "y" "z"]}`},
		{"a = b\r\nc = d\r\n", `{a:"b" c:"d"}`},
		{`a = ""`, `{a:""}`},
	} {
		v, err := load(t, "-- config --\n"+test.text)
		if err != nil {
			t.Errorf("%q: %v", test.text, err)
		} else if got := v.String(); got != test.want {
			t.Errorf("%q: %s, want %s", test.text, got, test.want)
		}
	}
}

func TestLanguageErrors(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"a", `config:2: found the end of the file after the key "a"; expected = or =>`},
		{"\na = {\n b = c\n", "config:2: the table is not closed"},
		{"a = [ b\n", "config:1: the list is not closed"},
		{"a = \"b\n\nc", "config:1: the quote is not closed"},
		{"a = ]", `config:1: found "]"; expected a value`},
		{"a = \n\n, b", `config:3: found ", b"; expected a value`},
		{"{ a = b }", `config:1: found "{ a = b }"; expected a key`},
		{"a = b\n}\n", `config:2: found "}"; expected a key`},
		{"a = $b", `config:1: found "$b"; expected a value; a $ at its beginning must be quoted`},
		{`a = b\25`, `config:1: found "\\25"; expected a character, or three digits up to 255, after the backslash`},
		{`a = b\256`, `config:1: found "\\256"; expected a character, or three digits up to 255, after the backslash`},
		{"a = b\nc = d\na = e", `config:3: the key "a" is given twice, also in line 1`},
		{"[ a ] b", `config:1: found "b" after the list; expected the end of the file`},
		{"a = " + strings.Repeat("[", 100), "config:1: there are more than 64 tables and lists within each other"},
		{"a = $include{ b", "config:1: no such file"},
	} {
		v, err := load(t, "-- config --\n"+test.text)
		if err == nil {
			t.Errorf("%q: %s; want %s", test.text, v, test.want)
		} else if err.Error() != test.want && !strings.HasPrefix(test.want, "config:1: no such") {
			t.Errorf("%q: %v; want %s", test.text, err, test.want)
		}
	}
}

func TestIncludes(t *testing.T) {
	for _, test := range []struct{ files, want, fault string }{
		{files: "-- config --\na = $include{b}\n-- b --\nc = d\n", want: `{a:{c:"d"}}`},
		{files: "-- config --\na = $include{ \"sub/b\" }\n-- sub/b --\n[ $include{c} ]\n-- sub/c --\nd = e\n", want: `{a:[{d:"e"}]}`},
		{files: "-- config --\na = { b = c, $include{sub/*} d = e }\n-- sub/1 --\nf = g\n-- sub/2 --\nh = i\n-- sub/.hidden --\nj = k\n", want: `{a:{b:"c" f:"g" h:"i" d:"e"}}`},
		{files: "-- config --\n$include{sub}\n-- sub/1 --\nf = g\n", want: `{f:"g"}`},
		{files: "-- config --\na = $include{b}\n", fault: "config:1: open "},
		{files: "-- config --\na = $include{sub/*}\n-- sub/1 --\n-- sub/2 --\n", fault: "config:1: found 2 files; expected one, since this is a value"},
		{files: "-- config --\n$include{b}\n-- b --\n[ c ]\n", fault: "config:1: b is a list; expected keys and values"},
		{files: "-- config --\nc = d\n$include{b}\n-- b --\n\nc = e\n", fault: `b:2: the key "c" is given twice, also at config:1`},
		{files: "-- config --\n$include{config}\n", fault: "config:1: there are more than 16 files within each other; does a file include itself?"},
		{files: "-- config --\n$include{*}$include{*}\n-- b --\n$include{*}$include{*}\n", fault: "there are more than 16 files within each other"},
		{files: "-- config --\n$include{*/*/*/*}\n", fault: "has more than 3 folders with patterns"},
		{files: "-- config --\na = $include{b\n-- b --\n", fault: "config:2: found the end of the file; expected } after the file to include"},
	} {
		v, err := load(t, test.files)
		switch {
		case test.fault != "" && (err == nil || !strings.Contains(err.Error(), test.fault)):
			t.Errorf("%s%s, %v; want %s", test.files, v, err, test.fault)
		case test.fault == "" && err != nil:
			t.Errorf("%s%v", test.files, err)
		case test.fault == "" && v.String() != test.want:
			t.Errorf("%s%s, want %s", test.files, v, test.want)
		}
	}
}

// Whatever a configuration holds, reading it ends, without a panic.
func FuzzLanguage(f *testing.F) {
	for _, text := range []string{
		"options => { listen => [ 127.0.0.1, \"[::1]:53\" ] }", `a = "b\"\092" # c`, "$include{config}", "[[{a=[b]}]]", "a = b\\\n", "\"",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		dir := t.TempDir()
		path := filepath.Join(dir, configName)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		v, err := (&source{dir: dir}).load(path, place{}, 0)
		if err == nil && v == nil || err != nil && err.Error() == "" {
			t.Errorf("%v, %v", v, err)
		}
	})
}
