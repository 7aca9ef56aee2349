package zones

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// masterFile reads records in master file format (RFC 1035, section 5.1) into a zone.
//
// The entries are told apart here, and each is parsed on its own. So every entry that is
// wrong is reported, not only the first, and each with the line that it begins on.
type masterFile struct {
	*report
	files    *files
	zone     *zone
	at       *place // the key that holds the text or names the file
	includes bool   // $INCLUDE is allowed
	wire     []byte // scratch
}

// context is what an entry depends on besides its own text.
type context struct {
	source source
	origin string
	ttl    uint32 // of $TTL (RFC 2308, section 4), at first the zone's
	owner  string // of the last record; empty: there was none
	depth  int    // of $INCLUDE
}

const maxIncludeDepth = 8

// read reads a whole text. The file is empty for text within zones.toml.
func (m *masterFile) read(file, text string, ttl uint32) {
	m.wire = make([]byte, dns.MaxMsgSize)
	m.entries(text, context{source: source{file: file}, origin: m.zone.Name, ttl: ttl})
}

func (m *masterFile) entries(text string, c context) {
	for _, e := range splitEntries(text) {
		c.source.line = e.line
		var err error
		if e.unclosed != "" {
			err = fmt.Errorf("%s is opened in %s and never closed", e.unclosed, e)
		} else if e.text[0] == '$' {
			err = m.directive(e, &c)
		} else {
			err = m.record(e, &c)
		}
		if err != nil {
			m.zone.incomplete = true
			m.addLine(m.at, c.source, "%v", err)
		}
	}
}

// record reads an entry that is a record.
func (m *masterFile) record(e entry, c *context) error {
	text := e.text
	if strings.ContainsRune(" \t", rune(text[0])) {
		if c.owner == "" {
			return fmt.Errorf("found %s; expected an owner name, since no record comes before it", e)
		}
		text = c.owner + text
	} else {
		c.owner = absolute(firstField(text), c.origin)
	}
	rr, err := m.parse(text, c)
	if err != nil {
		return fmt.Errorf("found %s; expected a record: %w", e, err)
	}
	m.zone.records = append(m.zone.records, newRecord(rr, m.at, c.source))
	return nil
}

// parse reads one record. It goes over the wire format, so that what cannot be sent is found
// now, and names that are written differently become the same.
func (m *masterFile) parse(text string, c *context) (dns.RR, error) {
	zp := dns.NewZoneParser(strings.NewReader(text+"\n"), c.origin, "")
	zp.SetDefaultTTL(c.ttl)
	rr, ok := zp.Next()
	switch {
	case zp.Err() != nil:
		return nil, parserError(zp.Err())
	case !ok:
		return nil, errors.New("it has no data")
	}
	if fault := headerFault(rr.Header()); fault != "" {
		return nil, errors.New(fault)
	}
	n, err := dns.PackRR(rr, m.wire, 0, nil, false)
	if err != nil {
		return nil, fmt.Errorf("it cannot be packed: %w", err)
	}
	rr, _, err = dns.UnpackRR(m.wire[:n], 0)
	if err != nil {
		return nil, fmt.Errorf("it cannot be unpacked: %w", err)
	}
	if rr.Header().Rdlength == 0 && !mayBeEmpty(rr) {
		return nil, errors.New("it has no data")
	}
	if stated, ok := statedLength(text); ok && stated != int(rr.Header().Rdlength) {
		return nil, fmt.Errorf("it states %d octets of data, but the type has %d", stated, rr.Header().Rdlength)
	}
	return rr, nil
}

// statedLength is the length that a record in the generic form of RFC 3597, section 5, says
// that its data has. Of a type that is known the parser takes what it needs, and no notice of
// what is left.
func statedLength(text string) (length int, ok bool) {
	fields := strings.Fields(text)
	for i := 1; i+1 < len(fields); i++ {
		if fields[i] != `\#` {
			continue
		}
		before := strings.ToUpper(fields[i-1])
		if _, known := dns.StringToType[before]; !known && !strings.HasPrefix(before, "TYPE") {
			return 0, false
		}
		length, err := strconv.Atoi(fields[i+1])
		return length, err == nil
	}
	return 0, false
}

// mayBeEmpty says whether a record of the type may have no data at all.
func mayBeEmpty(rr dns.RR) bool {
	switch rr.(type) {
	case *dns.APL, *dns.NULL, *dns.RFC3597:
		return true
	}
	return false
}

// headerFault says why a record of such a class, type or TTL is no data of a zone.
func headerFault(h *dns.RR_Header) string {
	switch {
	case h.Class != dns.ClassINET:
		return fmt.Sprintf("its class is %s; only IN is served", dns.Class(h.Class))
	case isMeta(h.Rrtype):
		return fmt.Sprintf("the type %s exists in messages only (RFC 6895, section 3.1)", dns.Type(h.Rrtype))
	case h.Ttl > seconds(maxTTL):
		return fmt.Sprintf("its TTL is %d, beyond 2147483647 (RFC 2181, section 8)", h.Ttl)
	default:
		return ""
	}
}

// isMeta says whether a type is a question or a part of a message, never data (RFC 6895,
// section 3.1).
func isMeta(t uint16) bool {
	return t == dns.TypeNone || t == dns.TypeOPT || t >= 128 && t <= 255
}

// parserError is what the parser found, without its own line numbers: it sees one entry.
func parserError(err error) error {
	s := strings.TrimPrefix(err.Error(), "dns: ")
	if i := strings.LastIndex(s, " at line: "); i >= 0 {
		s = s[:i]
	}
	return errors.New(s)
}

// directive reads an entry that is an instruction for the reader.
func (m *masterFile) directive(e entry, c *context) error {
	text, _, _ := strings.Cut(e.text, ";")
	fields := strings.Fields(text)
	name, args := strings.ToUpper(fields[0]), fields[1:]
	switch {
	case name == "$TTL" && len(args) == 1:
		return m.defaultTTL(args[0], c)
	case name == "$ORIGIN" && len(args) == 1:
		return setOrigin(args[0], c)
	case name == "$INCLUDE" && (len(args) == 1 || len(args) == 2):
		return m.include(args, *c)
	case name == "$TTL", name == "$ORIGIN", name == "$INCLUDE":
		return fmt.Errorf("found %s with %d values; expected one", name, len(args))
	default:
		return fmt.Errorf("found the directive %s; expected $INCLUDE, $ORIGIN or $TTL", fields[0])
	}
}

// defaultTTL sets the TTL of the records that have none. The parser reads it, so that it may
// have the same units as theirs.
func (m *masterFile) defaultTTL(arg string, c *context) error {
	bad := fmt.Errorf("found $TTL %s; expected a TTL from 0 to 2147483647", arg)
	if arg[0] < '0' || arg[0] > '9' {
		return bad
	}
	rr, err := m.parse("@ "+arg+" A 192.0.2.1", c)
	if err != nil {
		return bad
	}
	c.ttl = rr.Header().Ttl
	return nil
}

func setOrigin(arg string, c *context) error {
	origin := absolute(arg, c.origin)
	if _, ok := dns.IsDomainName(origin); !ok {
		return fmt.Errorf("found the origin %s; expected a domain name", arg)
	}
	c.origin = origin
	return nil
}

// include reads another file, for which the path is relative to the folder of zones.toml and
// never leads out of it. What it sets does not outlive it (RFC 1035, section 5.1).
func (m *masterFile) include(args []string, c context) error {
	if !m.includes {
		return errors.New(`found $INCLUDE; expected none here, name a whole master file with file = "…"`)
	}
	if c.depth++; c.depth > maxIncludeDepth {
		return fmt.Errorf("found $INCLUDE %s within %d others; do the files include each other?", args[0], maxIncludeDepth)
	}
	if len(args) == 2 {
		if err := setOrigin(args[1], &c); err != nil {
			return err
		}
	}
	name := strings.Trim(args[0], `"`)
	data, err := m.files.readInside(name)
	if err != nil {
		return fmt.Errorf("found $INCLUDE %s; expected a readable file in the folder of zones.toml: %w", name, err)
	}
	c.source = source{file: name}
	m.entries(string(data), c)
	return nil
}

// absolute is a name as the parser reads it after a certain $ORIGIN.
func absolute(name, origin string) string {
	switch {
	case name == "@":
		return origin
	case dns.IsFqdn(name):
		return name
	case origin == ".":
		return name + "."
	default:
		return name + "." + origin
	}
}

// entry is a record or a directive, over as many lines as its parentheses and quotes span.
type entry struct {
	line     int // that it begins on
	text     string
	unclosed string // what is still open where the text ends
}

// String is the entry as an operator will recognise it: its beginning, quoted.
func (e entry) String() string {
	const enough = 60
	first, _, _ := strings.Cut(strings.TrimSpace(e.text), "\n")
	if len(first) > enough {
		first = strings.ToValidUTF8(first[:enough], "") + "…"
	}
	return strconv.Quote(strings.TrimSpace(first))
}

func firstField(text string) string {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case ' ', '\t', '\r', '\n', ';', '(':
			return text[:i]
		}
	}
	return text
}

// splitEntries cuts a text into its entries and leaves out what is blank or a comment.
func splitEntries(text string) []entry {
	var (
		entries                 []entry
		line, first, start      = 1, 1, 0
		parens                  int
		quoted, comment, filled bool
	)
	end := func(at int, unclosed string) {
		if filled {
			entries = append(entries, entry{first, text[start:at], unclosed})
		}
		first, start, filled = line, at+1, false
	}
	for i := 0; i < len(text); i++ {
		switch ch := text[i]; {
		case ch == '\n':
			line++
			comment = false
			if parens == 0 && !quoted {
				end(i, "")
			}
		case comment:
		case ch == '\\':
			filled = true
			if i+1 < len(text) && text[i+1] != '\n' {
				i++
			}
		case ch == '"':
			quoted, filled = !quoted, true
		case quoted:
		case ch == ';':
			comment = true
		case ch == '(':
			parens, filled = parens+1, true
		case ch == ')':
			parens, filled = max(0, parens-1), true
		case ch != ' ' && ch != '\t' && ch != '\r':
			filled = true
		}
	}
	switch {
	case quoted:
		end(len(text), "a quote")
	case parens > 0:
		end(len(text), "a parenthesis")
	default:
		end(len(text), "")
	}
	return entries
}
