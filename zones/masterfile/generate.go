package masterfile

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// generator is the scratch of $GENERATE.
type generator struct {
	text    []byte
	fields  []field
	scanner scanner
}

// generate reads $GENERATE range owner [TTL] [class] type data, as BIND has it: a record for
// each number of the range, which takes the place of every "$". The data is one field; of
// several, quotes make one.
func (r *Reader) generate(e *entry, c *context) error {
	const form = "$GENERATE 1-4 host$ A 192.0.2.$"
	if len(e.fields) < 5 || e.fields[1].quoted || e.grouped {
		return fmt.Errorf("found %s; expected a range, an owner, a type and data without parentheses, such as %s", e, form)
	}
	numbers, err := parseSpan(e.fields[1].text)
	if err != nil {
		return fmt.Errorf("found $GENERATE %s; expected a range such as 1-4 or 0-252/4: %w", e.fields[1].text, err)
	}
	template := e.fields[2:]
	rest, err := r.header(new(Record), template[1:len(template)-1], c)
	if err == nil && len(rest) > 0 {
		err = errors.New("the data is several fields; put them in quotes")
	}
	if err != nil {
		return fmt.Errorf("found %s; expected an owner, a type and data, such as %s: %w", e, form, err)
	}
	if room := r.Limits.Generated - r.generated; numbers.count() > room {
		return fmt.Errorf("found $GENERATE %s; expected at most %d records more", e.fields[1].text, room)
	}
	r.generated += numbers.count()

	// A following entry without an owner has that of the entry before, not the last one made here.
	owner, lost := slices.Clone(c.owner), c.lost
	defer func() { c.owner, c.lost = append(c.owner[:0], owner...), lost }()
	for n := numbers.first; n <= numbers.last; n += numbers.step {
		fields, err := r.generator.fill(template, n)
		if err == nil {
			err = r.one(e.line, false, fields, c)
		}
		if err == nil && !r.room(len(r.record.Owner)+len(r.record.Data)) {
			err = fmt.Errorf("it is more than %d octets in all that is included and generated", r.Limits.Octets)
		}
		if err != nil {
			return fmt.Errorf("found %s; for %d it makes no record: %w", e, n, err)
		}
	}
	return nil
}

// span is a range of numbers.
type span struct{ first, last, step int64 }

func (s span) count() int { return int((s.last-s.first)/s.step) + 1 }

// parseSpan reads first-last or first-last/step.
func parseSpan(text []byte) (s span, err error) {
	limits, step, stepped := bytes.Cut(text, []byte("/"))
	first, last, isRange := bytes.Cut(limits, []byte("-"))
	if !stepped {
		step = []byte("1")
	}
	var ok [3]bool
	var n [3]uint64
	for i, text := range [][]byte{first, last, step} {
		n[i], ok[i] = parseUint(text, 31)
	}
	s = span{int64(n[0]), int64(n[1]), int64(n[2])}
	switch {
	case !isRange || !ok[0] || !ok[1] || !ok[2]:
		return s, fmt.Errorf("numbers go from 0 to %d", math.MaxInt32)
	case s.first > s.last:
		return s, errors.New("it runs backwards")
	case s.step == 0:
		return s, errors.New("the step is 0")
	}
	return s, nil
}

// fill replaces every "$" of a template by a number. The fields are valid until the next call.
func (g *generator) fill(template []field, n int64) ([]field, error) {
	last := len(template) - 1
	g.text, g.fields = g.text[:0], g.fields[:0]
	for _, f := range template[:last] {
		from := len(g.text)
		if err := g.fillField(f.text, n); err != nil {
			return nil, err
		}
		f.text = g.text[from:len(g.text):len(g.text)]
		g.fields = append(g.fields, f)
	}
	// The data is read like the rest of an entry.
	from := len(g.text)
	data := template[last].text
	if template[last].quoted {
		data = bytes.ReplaceAll(data, []byte(`\"`), []byte(`"`))
	}
	if err := g.fillField(data, n); err != nil {
		return nil, err
	}
	g.scanner.text, g.scanner.at, g.scanner.line = g.text[from:], 0, 1
	g.scanner.scan()
	return append(g.fields, g.scanner.fields...), g.scanner.fault
}

func (g *generator) fillField(text []byte, n int64) error {
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text):
			g.text = append(g.text, text[i], text[i+1]) // the escape is removed when the field is read
			i++
		case text[i] != '$':
			g.text = append(g.text, text[i])
		case i+1 < len(text) && text[i+1] == '$':
			g.text = append(g.text, '$')
			i++
		case i+1 < len(text) && text[i+1] == '{':
			size := bytes.IndexByte(text[i:], '}')
			if size < 0 {
				return fmt.Errorf("found %s; expected a closing brace", quote(text[i:]))
			}
			m, err := parseModifier(text[i+2 : i+size])
			if err != nil {
				return err
			}
			if g.text, err = m.append(g.text, n); err != nil {
				return err
			}
			i += size
		default:
			g.text = strconv.AppendInt(g.text, n, 10)
		}
	}
	return nil
}

// modifier is how a number is written: ${offset,width,base}.
type modifier struct {
	offset int64
	width  int
	base   byte
}

func parseModifier(text []byte) (m modifier, err error) {
	parts := bytes.Split(text, []byte(","))
	m.base = 'd'
	offset, sign := parts[0], int64(1)
	if rest, negative := bytes.CutPrefix(offset, []byte("-")); negative {
		offset, sign = rest, -1
	} else {
		offset = bytes.TrimPrefix(offset, []byte("+"))
	}
	n, ok := parseUint(offset, 31)
	m.offset = sign * int64(n)
	if len(parts) > 1 && ok {
		n, ok = parseUint(parts[1], 8)
		m.width = int(n)
	}
	if len(parts) > 2 && ok {
		ok = len(parts) == 3 && len(parts[2]) == 1 && bytes.Contains([]byte("doxXnN"), parts[2])
		if ok {
			m.base = parts[2][0]
		}
	}
	if !ok {
		return m, fmt.Errorf("found ${%s}; expected ${offset}, ${offset,width} or ${offset,width,base}, base one of d, o, x, X, n, N", text)
	}
	return m, nil
}

// append writes a number.
func (m modifier) append(dst []byte, n int64) ([]byte, error) {
	n += m.offset
	if n < 0 && m.base != 'd' {
		return dst, fmt.Errorf("the number %d is below 0", n)
	}
	switch m.base {
	case 'o':
		return fmt.Appendf(dst, "%0*o", m.width, n), nil
	case 'x':
		return fmt.Appendf(dst, "%0*x", m.width, n), nil
	case 'X':
		return fmt.Appendf(dst, "%0*X", m.width, n), nil
	case 'n':
		return m.nibbles(dst, n, "0123456789abcdef"), nil
	case 'N':
		return m.nibbles(dst, n, "0123456789ABCDEF"), nil
	default:
		return fmt.Appendf(dst, "%0*d", m.width, n), nil
	}
}

// nibbles writes a number as ip6.arpa has it (RFC 3596, section 2.5): the lowest digit first,
// dots between. The dots count for the width.
func (m modifier) nibbles(dst []byte, n int64, digits string) []byte {
	from := len(dst)
	for {
		dst = append(dst, digits[n&15])
		n >>= 4
		if n == 0 && len(dst)-from >= m.width {
			return dst
		}
		dst = append(dst, '.')
		if n == 0 && len(dst)-from >= m.width {
			return dst
		}
	}
}
