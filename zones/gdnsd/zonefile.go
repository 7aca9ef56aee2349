package gdnsd

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gslb/internal/wire"
	"gslb/zones/masterfile"
)

// record is static data of a zone.
type record struct {
	place
	owner []byte // in wire form
	ttl   uint32
	rtype uint16
	word  string // the type, as it is written
	text  string // the data, as it is written in a master file; names in the zone are relative to it
	data  []byte // in wire form
}

// dynamic is a DYNA or DYNC record: a name whose answers a plugin gives.
type dynamic struct {
	place
	owner    []byte // in wire form
	ttl, min uint32
	kind     string // DYNA or DYNC
	plugin   string
	resource string
}

// String is the record as an operator knows it.
func (d *dynamic) String() string {
	s := d.kind + " " + d.plugin
	if d.resource != "" {
		s += "!" + d.resource
	}
	return s
}

// zone is a zone file.
type zone struct {
	place
	name    string // with a final dot
	apex    []byte // in wire form, in lower case
	soa     bool
	records []record
	dynamic []dynamic
	steered map[string]bool // names that are carried over, relative to the zone
	// complaints are about lines of its files; remarks are those and others, for the comments.
	complaints []Note
	remarks    []string
}

// ttlLimits are the options of gdnsd about TTLs, in seconds.
type ttlLimits struct {
	fallback       uint32 // of records, where the zone says none
	low, high      uint32
	negative       uint32 // the longest that is cached that something does not exist
	acmeChallenges uint32 // of TXT records named _acme-challenge
}

func (l *ttlLimits) clamp(ttl uint32) uint32 { return min(max(ttl, l.low), l.high) }

// zones reads the zone files of the folder. report is told what is wrong with them.
func (s *source) zones(limits *ttlLimits, report func(at place, format string, args ...any)) []*zone {
	dir := filepath.Join(s.dir, "zones")
	entries, err := os.ReadDir(dir)
	if err != nil {
		report(place{s.name(dir), 0}, "no zones are carried over: %v", err)
		return nil
	}
	var all []*zone
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		at := place{s.name(path), 1}
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
			continue // folders are for $INCLUDE
		}
		// A slash in the name of a zone (RFC 2317) is an @ in that of its file.
		name := strings.TrimSuffix(strings.ReplaceAll(e.Name(), "@", "/"), ".") + "."
		apex, err := masterfile.ParseName(name, nil)
		switch {
		case e.Name() == "ROOT_ZONE":
			report(at, "the root zone is not carried over: gslb serves zones that are delegated")
			continue
		case err != nil:
			report(at, "the zone is not carried over: its file is not named after a domain: %v", err)
			continue
		}
		wire.Lower(apex, apex)
		if i := slices.IndexFunc(all, func(z *zone) bool { return bytes.Equal(z.apex, apex) }); i >= 0 {
			report(at, "the file is not carried over: %s is the same zone", all[i].file)
			continue
		}
		z := &zone{place: at, name: present(apex), apex: apex, steered: make(map[string]bool)}
		text, err := s.read(path, place{})
		if err != nil {
			report(at, "the zone is not carried over: %v", err)
			continue
		}
		r := &zoneReader{source: s, zone: z, limits: limits}
		r.read(zoneFile{path: path, name: at.file, origin: apex, ttl: limits.fallback}, text)
		if !z.soa {
			report(at, "the zone is not carried over: it has no SOA record")
			continue
		}
		all = append(all, z)
	}
	return all
}

// zoneFile is a zone file, or one that it includes, while it is read.
type zoneFile struct {
	path, name string
	origin     []byte // what names are relative to, at first
	ttl        uint32
	depth      int
}

// zoneReader reads the files of one zone.
type zoneReader struct {
	*source
	*zone
	limits *ttlLimits

	file   zoneFile
	line   int
	origin []byte
	ttl    uint32
}

func (r *zoneReader) complain(err error) {
	n := Note{r.file.name, r.line, err.Error()}
	r.complaints = append(r.complaints, n)
	r.remarks = append(r.remarks, n.String())
}

// read reads a file. What changes in it has no effect on the one that includes it.
func (r *zoneReader) read(f zoneFile, text []byte) {
	outer := *r
	defer func() { r.file, r.line, r.origin, r.ttl = outer.file, outer.line, outer.origin, outer.ttl }()
	r.file, r.origin, r.ttl = f, f.origin, f.ttl
	owner := r.apex
	s := &scanner{text: text, line: 1}
	for {
		e, err := s.next()
		if e == nil {
			return
		}
		r.line = e.line
		switch {
		case err != nil:
		case !e.indented && len(e.tokens[0].text) > 0 && e.tokens[0].text[0] == '$' && !e.tokens[0].quoted:
			err = r.directive(e.tokens)
		default:
			rest := e.tokens
			if !e.indented {
				if owner, err = r.nameOf(rest[0]); err != nil {
					owner = nil
				}
				rest = rest[1:]
			}
			if err == nil && owner == nil {
				err = fmt.Errorf("the record has the owner of the one before, which is none")
			}
			if err == nil {
				err = r.record(owner, rest)
			}
		}
		if err != nil {
			r.complain(fmt.Errorf("the line is not carried over: %w", err))
		}
	}
}

// directive reads a $TTL, $ORIGIN or $INCLUDE.
func (r *zoneReader) directive(t []token) (err error) {
	switch {
	case t[0].is("$TTL") && len(t) == 2:
		r.ttl, err = seconds(t[1])
	case t[0].is("$ORIGIN") && len(t) == 2:
		r.origin, err = r.originOf(t[1])
	case t[0].is("$INCLUDE") && (len(t) == 2 || len(t) == 3):
		return r.include(t[1:])
	default:
		err = fmt.Errorf("found %s; expected $TTL, $ORIGIN or $INCLUDE and what belongs to it", t[0])
	}
	return err
}

// originOf reads a name that others are to be relative to, which must lie in the zone.
func (r *zoneReader) originOf(t token) ([]byte, error) {
	origin, err := r.nameOf(t)
	if err == nil && !within(origin, r.apex) {
		return r.origin, fmt.Errorf("the origin %s lies outside the zone", present(origin))
	}
	if err != nil {
		return r.origin, err
	}
	return origin, nil
}

// include reads another file in the place of an $INCLUDE.
func (r *zoneReader) include(t []token) error {
	name, err := t[0].octets()
	if err != nil {
		return err
	}
	f := zoneFile{path: string(name), origin: r.origin, ttl: r.ttl, depth: r.file.depth + 1}
	if len(t) == 2 {
		if f.origin, err = r.originOf(t[1]); err != nil {
			return err
		}
	}
	if f.depth > maxIncludes {
		return fmt.Errorf("there are more than %d files within each other; does a file include itself?", maxIncludes)
	}
	if !filepath.IsAbs(f.path) {
		f.path = filepath.Join(filepath.Dir(r.file.path), f.path)
	}
	text, err := r.source.read(f.path, place{})
	if err != nil {
		return err
	}
	f.name = r.source.name(f.path)
	r.read(f, text)
	return nil
}

// nameOf reads a domain name. Beside what master files have there are @Z, the zone, and @F, the origin
// that the file began with, each alone or at the end of a name.
func (r *zoneReader) nameOf(t token) ([]byte, error) {
	text, origin := string(t.text), r.origin
	if i := len(text) - 2; i >= 0 && text[i] == '@' && (i == 0 || text[i-1] == '.') {
		switch text[i+1] {
		case 'Z', 'z':
			origin = r.apex
		case 'F', 'f':
			origin = r.file.origin
		default:
			return nil, fmt.Errorf("found %s; expected @Z or @F", t)
		}
		if text = text[:max(0, i-1)]; text == "" {
			return origin, nil
		}
	}
	if text == "" {
		return nil, fmt.Errorf(`found ""; expected a domain name`)
	}
	return masterfile.ParseName(text, origin)
}

// seconds reads a TTL or another period.
func seconds(t token) (uint32, error) {
	text, unit := string(t.text), uint64(1)
	if len(text) > 1 {
		switch text[len(text)-1] | 0x20 {
		case 'm':
			unit = 60
		case 'h':
			unit = 60 * 60
		case 'd':
			unit = 24 * 60 * 60
		case 'w':
			unit = 7 * 24 * 60 * 60
		}
		if unit > 1 {
			text = text[:len(text)-1]
		}
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if t.quoted || err != nil || n*unit > 1<<32-1 {
		return 0, fmt.Errorf("found %s; expected seconds such as 300, or a period such as 5m", t)
	}
	return uint32(n * unit), nil
}

// periods reads the TTL of a DYNA or DYNC record: the longest and, behind a slash, the shortest, which is
// half of it if none is given.
func periods(t token) (longest, shortest uint32, err error) {
	head, tail, both := bytes.Cut(t.text, []byte("/"))
	longest, err = seconds(token{text: head, quoted: t.quoted})
	shortest = longest / 2
	if err == nil && both {
		var given uint32
		if given, err = seconds(token{text: tail}); given > 0 {
			shortest = given // gdnsd takes 0 for none given
		}
	}
	if err != nil {
		err = fmt.Errorf("found %s; expected a TTL such as 300 or 300/30", t)
	}
	return longest, shortest, err
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// record reads what follows the owner of a record: TTL and class, in any order, then type and data.
func (r *zoneReader) record(owner []byte, t []token) error {
	var ttl *token
	for seenClass := false; len(t) > 0; t = t[1:] {
		switch {
		case t[0].is("IN") && !seenClass:
			seenClass = true
			continue
		case ttl == nil && !t[0].quoted && len(t[0].text) > 0 && isDigit(t[0].text[0]):
			ttl = &t[0]
			continue
		}
		break
	}
	if len(t) == 0 {
		return fmt.Errorf("found no type; expected one such as A")
	}
	word := strings.ToUpper(string(t[0].text))
	if word == "DYNA" || word == "DYNC" {
		return r.dynamicRecord(owner, ttl, word, t[1:])
	}
	rec := record{place: place{r.file.name, r.line}, owner: owner, ttl: r.ttl, word: word}
	var err error
	if ttl != nil {
		if rec.ttl, err = seconds(*ttl); err != nil {
			return err
		}
	}
	if !within(owner, r.apex) {
		if word == "A" || word == "AAAA" {
			return fmt.Errorf("%s lies outside the zone; its own servers know its addresses", present(owner))
		}
		return fmt.Errorf("%s lies outside the zone", present(owner))
	}
	if word == "SOA" {
		return r.startOfAuthority(rec, t[1:])
	}
	if rec.text, err = r.data(word, t[1:]); err != nil {
		return fmt.Errorf("%s: %w", word, err)
	}
	// TTLs of such records are gdnsd's own affair, and not clamped.
	if word == "TXT" && bytes.HasPrefix(bytes.ToLower(owner), []byte("\x0f_acme-challenge")) {
		rec.ttl = r.limits.acmeChallenges
	} else {
		rec.ttl = r.limits.clamp(rec.ttl)
	}
	return r.add(rec)
}

// add checks a record as gslb will, and adds it. A record counts once, and a set has the TTL of its
// first one.
func (r *zoneReader) add(rec record) (fault error) {
	found := false
	masterfile.NewReader(masterfile.Config{
		Origin: r.apex,
		Strict: true,
		Add: func(m *masterfile.Record) error {
			rec.rtype, rec.data, found = m.Type, bytes.Clone(m.Data), true
			return nil
		},
		Report: func(_ string, _ int, err error) {
			if fault == nil {
				fault = err
			}
		},
	}).Read("", []byte(fmt.Sprintf("%s %d IN %s %s\n", r.relative(rec.owner), rec.ttl, rec.word, rec.text)))
	if fault != nil {
		return fault
	}
	if !found {
		return fmt.Errorf("found no record")
	}
	r.records = append(r.records, rec)
	return nil
}

// startOfAuthority reads the SOA record. Its own TTL and how long it lets others believe that something
// does not exist are one and the same, the smaller.
func (r *zoneReader) startOfAuthority(rec record, t []token) error {
	if !wire.Equal(rec.owner, r.apex) {
		return fmt.Errorf("the SOA record is not that of the zone")
	}
	if r.soa {
		return fmt.Errorf("the zone has two SOA records")
	}
	if len(t) != 7 {
		return fmt.Errorf("SOA: found %d fields; expected 7", len(t))
	}
	primary, err := r.nameOf(t[0])
	if err != nil {
		return err
	}
	mailbox, err := r.nameOf(t[1])
	if err != nil {
		return err
	}
	var n [5]uint32
	for i := range n {
		if n[i], err = seconds(t[2+i]); err != nil {
			return err
		}
	}
	n[4] = max(min(n[4], r.limits.negative), r.limits.low)
	rec.ttl = max(min(rec.ttl, n[4]), r.limits.low)
	rec.text = fmt.Sprintf("%s %s %d %d %d %d %d", r.relative(primary), r.relative(mailbox), n[0], n[1], n[2], n[3], rec.ttl)
	r.soa = true
	return r.add(rec)
}

func (r *zoneReader) dynamicRecord(owner []byte, ttl *token, kind string, t []token) (err error) {
	d := dynamic{place: place{r.file.name, r.line}, owner: owner, ttl: r.ttl, min: r.ttl / 2, kind: kind}
	if ttl != nil {
		if d.ttl, d.min, err = periods(*ttl); err != nil {
			return err
		}
	}
	if len(t) != 1 {
		return fmt.Errorf("%s: found %d words; expected one such as multifo!www", kind, len(t))
	}
	if !within(owner, r.apex) {
		return fmt.Errorf("%s lies outside the zone", present(owner))
	}
	d.plugin, d.resource, _ = strings.Cut(string(t[0].text), "!")
	d.ttl = r.limits.clamp(d.ttl)
	d.min = min(max(d.min, r.limits.low), d.ttl)
	r.dynamic = append(r.dynamic, d)
	return nil
}

// present is a name as a master file has it, fully qualified.
func present(name []byte) string {
	if len(name) <= 1 {
		return "."
	}
	var b strings.Builder
	for at := 0; name[at] != 0; at += 1 + int(name[at]) {
		for _, c := range name[at+1 : at+1+int(name[at])] {
			switch {
			case strings.IndexByte(`."\;()@$`, c) >= 0:
				b.WriteByte('\\')
				b.WriteByte(c)
			case c <= ' ' || c > '~':
				fmt.Fprintf(&b, `\%03d`, c)
			default:
				b.WriteByte(c)
			}
		}
		b.WriteByte('.')
	}
	return b.String()
}

// within reports whether a name is the apex or lies below it. Both are in wire form.
func within(name, apex []byte) bool {
	for at := 0; ; at += 1 + int(name[at]) {
		if wire.Equal(name[at:], apex) {
			return true
		}
		if name[at] == 0 {
			return false
		}
	}
}

// relative is a name as the records of the zone have it: relative to the zone, if it lies in there.
func (z *zone) relative(name []byte) string {
	if !within(name, z.apex) {
		return present(name)
	}
	if len(name) == len(z.apex) {
		return "@"
	}
	label := append(slices.Clone(name[:len(name)-len(z.apex)]), 0)
	return strings.TrimSuffix(present(label), ".")
}

func (z *zone) remark(text string) { z.remarks = append(z.remarks, text) }
