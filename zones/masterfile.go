package zones

import (
	"gslb/zones/masterfile"
)

// staticRecords reads the master file of a zone, or the records that zones.toml holds itself.
func (l *loader) staticRecords(z *zone, raw *rawZone) {
	switch {
	case raw.Records != nil && raw.File != nil:
		l.add(z.at.key("file"), "the zone has records as well; expected one of the two")
		z.incomplete = true
	case raw.Records != nil:
		at := z.at.key("records")
		config := l.reading(z, at)
		config.Strict = true
		text := []byte(*raw.Records)
		l.records.expect(text)
		masterfile.NewReader(config).Read("", text)
	case raw.File != nil:
		at := z.at.key("file")
		z.fromFile = true
		text, err := l.files.read(l.files.path(*raw.File))
		if err != nil {
			l.add(at, "found %q; expected a readable master file: %v", *raw.File, err)
			z.incomplete = true
			return
		}
		l.records.expect(text)
		config := l.reading(z, at)
		config.Inherit = true
		config.Include = l.files.readInside
		masterfile.NewReader(config).Read(*raw.File, text)
	}
}

// reading is what both have in common.
func (l *loader) reading(z *zone, at *place) masterfile.Config {
	return masterfile.Config{
		Origin: z.apex,
		TTL:    seconds(z.TTL),
		Add:    func(r *masterfile.Record) error { return l.records.append(r, at) },
		Report: func(file string, line int, err error) {
			z.incomplete = true
			l.addLine(at, source{file, line}, "%v", err)
		},
		Limits: l.limits,
	}
}
