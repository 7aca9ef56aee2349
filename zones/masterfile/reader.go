package masterfile

import (
	"fmt"
	"slices"
)

// Record is one record as a Reader hands it on. What its slices hold is valid only until the
// function that they are handed to returns.
type Record struct {
	Owner []byte // in wire form, in the case that it was written in
	Type  uint16
	TTL   uint32 // seconds, at most 2147483647
	Data  []byte // in wire form, names not compressed

	File string // as it was named to Read or by $INCLUDE
	Line int    // that the record begins on
}

// Config is what a Reader depends on besides the text.
type Config struct {
	// Origin is what names are relative to at first, in wire form.
	Origin []byte
	// TTL is that of the records that state none, as long as no $TTL says otherwise.
	TTL uint32
	// Inherit gives a record that states no TTL the last stated one, as long as there is no
	// $TTL (RFC 1035, section 5.1; RFC 2308, section 4).
	Inherit bool
	// Strict refuses a TTL beyond 2147483647, which otherwise is 0 (RFC 2181, section 8).
	Strict bool
	// Include reads a file for $INCLUDE; nil: the directive is refused.
	Include func(name string) ([]byte, error)
	// Add takes a record. Its error is reported as it is, with the line of the record.
	Add func(*Record) error
	// Report is told what is wrong with an entry, and where it begins.
	Report func(file string, line int, err error)
	Limits Limits
}

// Limits bounds what a few lines can make a Reader do.
type Limits struct {
	Depth     int // of files within files
	Includes  int // $INCLUDE directives that are followed, in all
	Generated int // records that $GENERATE makes, in all
	Octets    int // that $INCLUDE reads and $GENERATE makes, in all
}

// DefaultLimits is far beyond what zones need.
func DefaultLimits() Limits {
	return Limits{Depth: 8, Includes: 10_000, Generated: 1 << 22, Octets: 512 << 20}
}

// Reader reads master files. It is not safe for concurrent use.
type Reader struct {
	Config

	included  int // of Limits.Includes
	generated int // of Limits.Generated
	octets    int // of Limits.Octets
	record    Record
	types     typeMemory
	data      builder
	generator generator
}

// NewReader returns a Reader.
func NewReader(c Config) *Reader { return &Reader{Config: c} }

// context is what an entry depends on besides its own text.
type context struct {
	file   string
	outer  *context // that holds the $INCLUDE
	depth  int
	origin []byte
	ttl    uint32
	fixed  bool   // ttl is that of a $TTL
	owner  []byte // of the last record; empty: there was none
	lost   bool   // the owner of the last record was no name
}

// Read reads a whole text. The file's name is for messages and Record.File only.
func (r *Reader) Read(file string, text []byte) {
	r.entries(text, &context{file: file, origin: r.Origin, ttl: r.TTL, fixed: !r.Inherit})
}

func (r *Reader) entries(text []byte, c *context) {
	s, e := scanner{text: text, line: 1}, new(entry)
	for {
		fault, ok := s.next(e)
		if !ok {
			return
		}
		err := fault
		switch {
		case fault != nil:
		case e.isDirective():
			err = r.directive(e, c)
		default:
			err = r.entry(e, c)
		}
		if err != nil {
			r.Report(c.file, e.line, err)
		}
	}
}

func (e *entry) isDirective() bool {
	first := e.fields[0]
	return !e.indented && !first.quoted && len(first.text) > 0 && first.text[0] == '$'
}

// entry reads an entry that is a record.
func (r *Reader) entry(e *entry, c *context) error {
	if err := r.one(e.line, e.indented, e.fields, c); err != nil {
		return fmt.Errorf("found %s; expected a record: %w", e, err)
	}
	return nil
}

// one reads a record and hands it on.
func (r *Reader) one(line int, indented bool, fields []field, c *context) error {
	if !indented {
		owner, err := appendName(c.owner[:0], fields[0], c.origin)
		c.owner, c.lost = owner, err != nil
		if err != nil {
			return fmt.Errorf("the owner %w", err)
		}
		fields = fields[1:]
	} else if len(c.owner) == 0 && !c.lost {
		return errNoOwner
	}
	rec := &r.record
	rec.Owner, rec.File, rec.Line = c.owner, c.file, line
	fields, err := r.header(rec, fields, c)
	if err != nil {
		return err
	}
	if rec.Data, err = r.data.pack(rec.Type, fields, c.origin); err != nil {
		return err
	}
	if c.lost {
		return nil // nobody knows whose record it is, which has been reported
	}
	if err := r.Add(rec); err != nil {
		r.Report(c.file, line, err)
	}
	return nil
}

// within returns the context of a file that is included. What it sets does not outlive it
// (RFC 1035, section 5.1).
func (c *context) within(file string) *context {
	inner := *c
	inner.file, inner.outer, inner.depth = file, c, c.depth+1
	inner.owner = slices.Clone(c.owner)
	return &inner
}
