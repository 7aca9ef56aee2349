package gdnsd

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gslb/internal/files"
)

// Bounds of what is read. They are far beyond what gdnsd serves; what exceeds them is refused, so that
// a small folder, or one that includes itself, cannot exhaust the stack or the memory.
const (
	maxFile     = 128 << 20 // octets of one file
	maxOctets   = 512 << 20 // of all files
	maxFiles    = 1_000_000 // that are read, each time one is
	maxValues   = 4_000_000 // values of a configuration
	maxDepth    = 64        // of tables and lists within each other
	maxIncludes = 16        // files within files
	maxPatterns = 3         // folders of a path that are a pattern: each lists many more
)

// place is where something stands.
type place struct {
	file string // as messages name it: relative to the folder of the configuration, if it lies in there
	line int
}

func (p place) String() string { return fmt.Sprintf("%s:%d", p.file, p.line) }

// fault is what is wrong at a place.
type fault struct {
	place
	text string
}

func (f *fault) Error() string { return f.place.String() + ": " + f.text }

// form says what a value is.
type form uint8

const (
	simple form = iota
	list
	table
)

func (f form) String() string { return [...]string{"a string", "a list", "a table"}[f] }

// value is a value of gdnsd's configuration language, which it calls vscf: a string, a list or a table
// with its keys in order.
type value struct {
	place
	form  form
	text  string   // of a string, without quotes and escapes
	items []*value // of a list; of a table, in the order of keys
	keys  []string // of a table
	index map[string]int
}

// get returns the value of a key of a table; nil: there is none.
func (v *value) get(key string) *value {
	if i, ok := v.index[key]; ok {
		return v.items[i]
	}
	return nil
}

// set adds a key to a table. It reports false if the table has it already.
func (v *value) set(key string, item *value) bool {
	if _, known := v.index[key]; known {
		return false
	}
	v.index[key] = len(v.items)
	v.keys = append(v.keys, key)
	v.items = append(v.items, item)
	return true
}

func newTable(at place) *value {
	return &value{place: at, form: table, index: make(map[string]int)}
}

// source reads the files of a folder, within bounds.
type source struct {
	dir    string
	files  int
	octets int
	values int
}

// name is a path as messages have it.
func (s *source) name(path string) string {
	if rel, err := filepath.Rel(s.dir, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}

// read reads a file. at is what names it; without a line, nothing does.
func (s *source) read(path string, at place) ([]byte, error) {
	complain := func(format string, args ...any) ([]byte, error) {
		if at.line == 0 {
			return nil, fmt.Errorf(format, args...)
		}
		return nil, &fault{at, fmt.Sprintf(format, args...)}
	}
	if s.files++; s.files > maxFiles {
		return complain("more than %d files are read; does a file include itself?", maxFiles)
	}
	text, err := files.Read(path, maxFile)
	if err != nil {
		return complain("%v", err)
	}
	if s.octets += len(text); s.octets > maxOctets {
		return complain("the files have more than %d MB; does a file include itself?", maxOctets>>20)
	}
	return text, nil
}

// load reads a file in the configuration language. Its top level is a table without braces, or a list.
func (s *source) load(path string, at place, depth int) (*value, error) {
	text, err := s.read(path, at)
	if err != nil {
		return nil, err
	}
	p := &parser{source: s, path: path, includes: depth, text: text, at: place{s.name(path), 1}}
	return p.file()
}

// parser reads one file.
type parser struct {
	*source
	path     string
	includes int // how many files include this one
	depth    int
	text     []byte
	i        int
	at       place
}

func (p *parser) fail(at place, format string, args ...any) error {
	return &fault{at, fmt.Sprintf(format, args...)}
}

func (p *parser) file() (*value, error) {
	p.blanks()
	top := newTable(p.at)
	var err error
	if p.peek() == '[' {
		top, err = p.value()
		p.blanks()
		if err == nil && p.i < len(p.text) {
			err = p.fail(p.at, "found %s after the list; expected the end of the file", p.here())
		}
	} else {
		err = p.entries(top, endOfFile)
	}
	return top, err
}

// endOfFile is what peek returns at the end of the text. No text holds it where a value may begin.
const endOfFile = 0

func (p *parser) peek() byte {
	if p.i < len(p.text) {
		return p.text[p.i]
	}
	return endOfFile
}

// here is what stands at the current position, for messages.
func (p *parser) here() string {
	if p.i >= len(p.text) {
		return "the end of the file"
	}
	const enough = 20
	rest, _, _ := bytes.Cut(p.text[p.i:min(len(p.text), p.i+enough)], []byte("\n"))
	if len(rest) == 0 {
		return "the end of the line"
	}
	return fmt.Sprintf("%q", rest)
}

// blanks goes behind white space and comments.
func (p *parser) blanks() {
	for p.i < len(p.text) {
		switch p.text[p.i] {
		case '\n':
			p.at.line++
		case ' ', '\t', '\r':
		case '#', ';':
			end := bytes.IndexByte(p.text[p.i:], '\n')
			if end < 0 {
				p.i = len(p.text)
				return
			}
			p.i += end
			continue
		default:
			return
		}
		p.i++
	}
}

// comma goes behind white space with at most one comma in it.
func (p *parser) comma() {
	p.blanks()
	if p.peek() == ',' {
		p.i++
		p.blanks()
	}
}

// entries reads the keys and values of a table up to what ends it, and that.
func (p *parser) entries(into *value, end byte) error {
	began := into.place
	for {
		p.blanks()
		switch {
		case p.i >= len(p.text) && end == endOfFile:
			return nil
		case p.i >= len(p.text):
			return p.fail(began, "the table is not closed")
		case p.peek() == end && end != endOfFile:
			p.i++
			return nil
		}
		if p.isInclude() {
			if err := p.merge(into); err != nil {
				return err
			}
			p.comma()
			continue
		}
		at := p.at
		key, err := p.word("a key")
		if err != nil {
			return err
		}
		p.blanks()
		if p.peek() != '=' {
			return p.fail(p.at, "found %s after the key %q; expected = or =>", p.here(), key)
		}
		if p.i++; p.peek() == '>' {
			p.i++
		}
		p.blanks()
		item, err := p.value()
		if err != nil {
			return err
		}
		if !into.set(key, item) {
			return p.fail(at, "the key %q is given twice, also in line %d", key, into.get(key).line)
		}
		p.comma()
	}
}

// value reads a string, a list, a table or an included file.
func (p *parser) value() (*value, error) {
	if p.values++; p.values > maxValues {
		return nil, p.fail(p.at, "the configuration has more than %d values", maxValues)
	}
	if p.depth++; p.depth > maxDepth {
		return nil, p.fail(p.at, "there are more than %d tables and lists within each other", maxDepth)
	}
	defer func() { p.depth-- }()
	at := p.at
	switch {
	case p.peek() == '{':
		p.i++
		t := newTable(at)
		return t, p.entries(t, '}')
	case p.peek() == '[':
		p.i++
		return p.list(at)
	case p.isInclude():
		return p.included()
	}
	text, err := p.word("a value")
	return &value{place: at, form: simple, text: text}, err
}

func (p *parser) list(at place) (*value, error) {
	v := &value{place: at, form: list}
	for {
		p.blanks()
		switch {
		case p.i >= len(p.text):
			return nil, p.fail(at, "the list is not closed")
		case p.peek() == ']':
			p.i++
			return v, nil
		}
		item, err := p.value()
		if err != nil {
			return nil, err
		}
		v.items = append(v.items, item)
		p.comma()
	}
}

// word reads a string, in quotes or without.
func (p *parser) word(what string) (string, error) {
	began, quoted := p.at, p.peek() == '"'
	if p.peek() == '$' {
		return "", p.fail(began, "found %s; expected %s; a $ at its beginning must be quoted", p.here(), what)
	}
	if quoted {
		p.i++
	}
	var out []byte
	from := p.i
	for p.i < len(p.text) {
		c := p.text[p.i]
		switch {
		case c == '\\':
			octet, size := unescape(p.text[p.i:])
			if size == 0 {
				return "", p.fail(p.at, "found %s; expected a character, or three digits up to 255, after the backslash", p.here())
			}
			if octet == '\n' && size == 2 {
				p.at.line++
			}
			out = append(out, octet)
			p.i += size
			continue
		case quoted && c == '"':
			p.i++
			return string(out), nil
		case !quoted && strings.IndexByte("}{;# \t\r\n,\"=[]", c) >= 0:
			if p.i == from {
				return "", p.fail(began, "found %s; expected %s", p.here(), what)
			}
			return string(out), nil
		case c == '\n':
			p.at.line++
		}
		out = append(out, c)
		p.i++
	}
	switch {
	case quoted:
		return "", p.fail(began, "the quote is not closed")
	case p.i == from:
		return "", p.fail(began, "found the end of the file; expected %s", what)
	}
	return string(out), nil
}

// unescape reads what a backslash and what follows stand for, as in zone files; size 0: nothing.
func unescape(text []byte) (octet byte, size int) {
	if len(text) < 2 {
		return 0, 0
	}
	if c := text[1]; c < '0' || c > '9' {
		return c, 2
	}
	if len(text) < 4 {
		return 0, 0
	}
	n := 0
	for _, c := range text[1:4] {
		if c < '0' || c > '9' {
			return 0, 0
		}
		n = 10*n + int(c-'0')
	}
	if n > 255 {
		return 0, 0
	}
	return byte(n), 4
}

const includeWord = "$include{"

func (p *parser) isInclude() bool { return bytes.HasPrefix(p.text[p.i:], []byte(includeWord)) }

// merge reads an $include where a key may stand: each file's table becomes part of the table.
func (p *parser) merge(into *value) error {
	at := p.at
	paths, err := p.paths()
	if err != nil {
		return err
	}
	for _, path := range paths {
		t, err := p.load(path, at, p.includes+1)
		if err != nil {
			return err
		}
		if t.form != table {
			return p.fail(at, "%s is a list; expected keys and values", p.name(path))
		}
		for i, key := range t.keys {
			if !into.set(key, t.items[i]) {
				return p.fail(t.items[i].place, "the key %q is given twice, also at %s", key, into.get(key).place)
			}
		}
	}
	return nil
}

// included reads an $include where a value may stand.
func (p *parser) included() (*value, error) {
	at := p.at
	paths, err := p.paths()
	if err != nil {
		return nil, err
	}
	if len(paths) != 1 {
		return nil, p.fail(at, "found %d files; expected one, since this is a value", len(paths))
	}
	return p.load(paths[0], at, p.includes+1)
}

// paths reads an $include and returns the files that it names: one, those of a pattern, or all of a
// folder.
func (p *parser) paths() ([]string, error) {
	at := p.at
	if p.includes+1 > maxIncludes {
		return nil, p.fail(at, "there are more than %d files within each other; does a file include itself?", maxIncludes)
	}
	p.i += len(includeWord)
	p.blanks()
	name, err := p.word("a file")
	if err != nil {
		return nil, err
	}
	p.blanks()
	if p.peek() != '}' {
		return nil, p.fail(p.at, "found %s; expected } after the file to include", p.here())
	}
	p.i++
	if !filepath.IsAbs(name) {
		name = filepath.Join(filepath.Dir(p.path), name)
	}
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return visible(filepath.Join(name, "*"))
	}
	patterns := 0
	for part := range strings.SplitSeq(name, "/") {
		if strings.ContainsAny(part, "*?[") {
			patterns++
		}
	}
	if patterns > maxPatterns {
		return nil, p.fail(at, "%s has more than %d folders with patterns", name, maxPatterns)
	}
	paths, err := visible(name)
	if err != nil {
		return nil, p.fail(at, "%s is no pattern of files: %v", name, err)
	}
	if len(paths) == 0 {
		paths = []string{name} // reading it says what is wrong
	}
	return paths, nil
}

// visible returns the files that match a pattern. As in the shell, * does not match a dot at the
// beginning.
func visible(pattern string) ([]string, error) {
	paths, err := filepath.Glob(pattern)
	if !strings.HasPrefix(filepath.Base(pattern), ".") {
		paths = slices.DeleteFunc(paths, func(path string) bool { return strings.HasPrefix(filepath.Base(path), ".") })
	}
	return paths, err
}
