package config

import (
	"errors"

	"gslb/zones/masterfile"
	"gslb/zones/problem"
	"gslb/zones/records"
)

// staticRecords reads the master file of a zone, or the records that zones.toml holds itself.
func (l *loader) staticRecords(z *zone, raw *rawZone) {
	switch {
	case raw.Records != nil && raw.File != nil:
		l.Add(z.at.Key("file"), "the zone has records as well; expected one of the two")
		z.facts.Incomplete = true
	case raw.Records != nil:
		l.inlineRecords(z, []byte(*raw.Records))
	case raw.File != nil:
		z.facts.FromFile = true
		l.masterFile(z, *raw.File)
	}
}

// inlineRecords reads the records that zones.toml holds. They are written by hand, so that
// everything unusual is an error.
func (l *loader) inlineRecords(z *zone, text []byte) {
	at := z.at.Key("records")
	l.records.Expect(text)
	masterfile.NewReader(masterfile.Config{
		Origin: z.apex,
		TTL:    seconds(z.TTL),
		Strict: true,
		Limits: l.limits,
		Add:    func(r *masterfile.Record) error { return outside(l.records.Append(r, at), z) },
		Report: func(file string, line int, err error) {
			z.facts.Incomplete = true
			l.AddLine(at, problem.Source{File: file, Line: line}, "%v", err)
		},
	}).Read("", text)
}

// outside adds what is expected to the error of a record that lies outside the zone.
func outside(err error, z *zone) error {
	if errors.Is(err, records.ErrOutside) {
		return errors.New(err.Error() + "; expected a name that ends in " + z.Name)
	}
	return err
}

// masterFile reads a master file, which another program may have written, and the files that it
// includes.
func (l *loader) masterFile(z *zone, name string) {
	at := z.at.Key("file")
	path := l.files.path(name)
	z.files = append(z.files, path)
	text, err := l.files.read(path)
	if err != nil {
		l.Add(at, "found %q; expected a readable master file: %v", name, err)
		z.facts.Incomplete = true
		return
	}
	l.masterText(z, at, name, text)
}

func (l *loader) masterText(z *zone, at *problem.Place, name string, text []byte) {
	l.records.Expect(text)
	m := &masterProblems{at: at, report: l.Report, of: make(map[string]*fileProblems)}
	masterfile.NewReader(masterfile.Config{
		Origin:  z.apex,
		TTL:     seconds(z.TTL),
		Inherit: true,
		Limits:  l.limits,
		Include: func(included string) ([]byte, error) {
			z.files = append(z.files, l.files.path(included))
			return l.files.readInside(included)
		},
		Add: func(r *masterfile.Record) error {
			m.isMaster(r.File)
			err := l.records.Append(r, at)
			if errors.Is(err, records.ErrOutside) {
				// Other name servers leave such data out as well.
				l.warnings.AddLine(at, problem.Source{File: r.File, Line: r.Line}, "%v; it is ignored", err)
				return nil
			}
			return err
		},
		Report: func(file string, line int, err error) {
			z.facts.Incomplete = true
			m.add(file, line, err)
		},
	}).Read(name, text)
	m.finish()
}

// masterProblems collects what is wrong in master files. Messages that quote a file are shown only
// if it holds at least one record or $INCLUDE. Any other file may be a secret that was named by
// mistake or on purpose.
type masterProblems struct {
	at     *problem.Place
	report *problem.Report
	of     map[string]*fileProblems
	order  []string // of what is in of
}

// fileProblems is what is wrong in one file, as long as no record was found in it.
type fileProblems struct {
	master bool // there was one
	found  []lineProblem
}

type lineProblem struct {
	line int
	err  error
}

// noMasterFile is reported for a file without a record, at its first line that should be one.
const noMasterFile = "found what is no record, here and in the rest of the file; expected a master file"

// most is how many problems of a file are kept before its first record.
const most = 1000

func (m *masterProblems) file(name string) *fileProblems {
	f := m.of[name]
	if f == nil {
		f = new(fileProblems)
		m.of[name] = f
		m.order = append(m.order, name)
	}
	return f
}

// isMaster notes that a file is a master file.
func (m *masterProblems) isMaster(name string) {
	f := m.file(name)
	if f.master {
		return
	}
	f.master = true
	for _, p := range f.found {
		m.report.AddLine(m.at, problem.Source{File: name, Line: p.line}, "%v", p.err)
	}
	f.found = nil
}

func (m *masterProblems) add(name string, line int, err error) {
	f := m.file(name)
	if errors.Is(err, masterfile.ErrInclude) {
		m.isMaster(name)
	}
	switch {
	case f.master:
		m.report.AddLine(m.at, problem.Source{File: name, Line: line}, "%v", err)
	case len(f.found) < most:
		f.found = append(f.found, lineProblem{line, err})
	}
}

// finish reports the files without a record.
func (m *masterProblems) finish() {
	for _, name := range m.order {
		if f := m.of[name]; len(f.found) > 0 {
			m.report.AddLine(m.at, problem.Source{File: name, Line: f.found[0].line}, noMasterFile)
		}
	}
}
