package config

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"gslb/internal/wire"
	"gslb/zones"
	"gslb/zones/masterfile"
	"gslb/zones/problem"
	"gslb/zones/records"
)

const defaultNegativeTTL = 5 * time.Second

// zone is a [zones."NAME"] table while it is made.
type zone struct {
	*zones.Zone
	at    *problem.Place
	apex  []byte // the name in wire form
	order int    // in loader.ordered
	facts records.Zone
	// givenSOA says that the SOA is the operator's, and so is its serial.
	givenSOA bool
}

// allZones reads the [zones] table.
func (l *loader) allZones(raw map[string]rawZone) {
	at := problem.Top("zones")
	if raw != nil && len(raw) == 0 {
		l.Add(at, `found none; expected at least one, such as [zones."gslb.example.com"]`)
	}
	// All names come first: a zone must know which others lie within it.
	made := make([]*zone, 0, len(raw))
	tables := make(map[*zone]*rawZone, len(raw))
	for _, name := range sortedKeys(raw) {
		r := raw[name]
		if z := l.newZone(at.Key(name), name); z != nil {
			tables[z] = &r
			made = append(made, z)
		}
	}
	l.order(made)
	slices.SortFunc(made, func(a, b *zone) int { return cmp.Compare(a.Name, b.Name) })
	for _, z := range made {
		l.zone(z, tables[z])
		l.set.Zones = append(l.set.Zones, z.Zone)
	}
}

// newZone starts a zone, or reports why its name will not do.
func (l *loader) newZone(at *problem.Place, name string) *zone {
	full, apex, err := zoneName(name)
	switch {
	case name == ".":
		l.Add(at, "found the root; expected a zone that is delegated")
		return nil
	case err != nil:
		l.Add(at, "%v", err)
		return nil
	case l.zones[full] != nil:
		l.Add(at, "the zone is given twice, also as %s", l.zones[full].at)
		return nil
	}
	z := &zone{Zone: &zones.Zone{Name: full}, at: at, apex: apex}
	z.facts = records.Zone{Name: full, SteeredAt: at.Key("names")}
	l.zones[full] = z
	return z
}

// zone reads a [zones."NAME"] table.
func (l *loader) zone(z *zone, raw *rawZone) {
	z.TTL = raw.TTL
	l.ttl(z.at.Key("ttl"), z.TTL)
	z.NegativeTTL = defaultNegativeTTL
	if raw.NegativeTTL != nil {
		z.NegativeTTL = *raw.NegativeTTL
		l.ttl(z.at.Key("negative_ttl"), z.NegativeTTL)
	}

	l.records.Reset(z.apex)
	l.staticRecords(z, raw)
	l.records.Settle()
	l.nameservers(z, raw)
	l.startOfAuthority(z, raw)
	l.names(z, raw.Names)
	z.facts.Inner = l.innerZones(z)
	l.records.Check(&z.facts, l.Report)
	l.finish(z)
}

// finish fills in what follows from the rest of a zone.
func (l *loader) finish(z *zone) {
	slices.SortFunc(z.Names, func(a, b *zones.Name) int { return strings.Compare(a.Name, b.Name) })
	if l.Len() > 0 {
		return // nobody will see it
	}
	data, err := l.records.Pack()
	if err != nil {
		l.Add(z.at, "%v", err)
		return
	}
	z.Data = data
	l.serial(z)
}

// seconds is a TTL as DNS has it.
func seconds(d time.Duration) uint32 { return uint32(d / time.Second) }

func fromSeconds(ttl uint32) time.Duration { return time.Duration(ttl) * time.Second }

// header is that of a record of class IN.
func header(name string, t uint16, ttl uint32) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: t, Class: dns.ClassINET, Ttl: ttl}
}

// order puts the zones in canonical order, so that those within another come right behind it.
func (l *loader) order(list []*zone) {
	names := make(map[*zone]*wire.Name, len(list))
	for _, z := range list {
		name := new(wire.Name)
		name.Read(z.apex, 0) // it is a name: newZone made sure
		names[z] = name
	}
	l.ordered = slices.Clone(list)
	slices.SortFunc(l.ordered, func(a, b *zone) int { return wire.Compare(names[a], names[b]) })
	for i, z := range l.ordered {
		z.order = i
	}
}

// innerZones returns the other zones that lie within one, in order.
func (l *loader) innerZones(outer *zone) []records.InnerZone {
	var list []records.InnerZone
	for i := outer.order + 1; i < len(l.ordered); i++ {
		key, inside := records.AppendKey(nil, l.ordered[i].apex, outer.apex)
		if !inside {
			break
		}
		list = append(list, records.InnerZone{Key: key, At: l.ordered[i].at})
	}
	return list
}

// staticRecords reads the master file of a zone, or the records that zones.toml holds itself.
func (l *loader) staticRecords(z *zone, raw *rawZone) {
	switch {
	case raw.Records != nil && raw.File != nil:
		l.Add(z.at.Key("file"), "the zone has records as well; expected one of the two")
		z.facts.Incomplete = true
	case raw.Records != nil:
		at := z.at.Key("records")
		config := l.reading(z, at)
		config.Strict = true
		text := []byte(*raw.Records)
		l.records.Expect(text)
		masterfile.NewReader(config).Read("", text)
	case raw.File != nil:
		at := z.at.Key("file")
		z.facts.FromFile = true
		text, err := l.files.read(l.files.path(*raw.File))
		if err != nil {
			l.Add(at, "found %q; expected a readable master file: %v", *raw.File, err)
			z.facts.Incomplete = true
			return
		}
		l.records.Expect(text)
		config := l.reading(z, at)
		config.Inherit = true
		config.Include = l.files.readInside
		masterfile.NewReader(config).Read(*raw.File, text)
	}
}

// reading is what both have in common.
func (l *loader) reading(z *zone, at *problem.Place) masterfile.Config {
	return masterfile.Config{
		Origin: z.apex,
		TTL:    seconds(z.TTL),
		Add:    func(r *masterfile.Record) error { return l.records.Append(r, at) },
		Report: func(file string, line int, err error) {
			z.facts.Incomplete = true
			l.AddLine(at, problem.Source{File: file, Line: line}, "%v", err)
		},
		Limits: l.limits,
	}
}

// serial fills in the content hash of a zone and its serial. The same content keeps the
// serial that it had; another gets one that is higher.
func (l *loader) serial(z *zone) {
	z.Hash = contentHash(z) // while a serial of our own is 0
	if z.givenSOA {
		return
	}
	prior, ok := l.serials[z.Name]
	switch {
	case ok && prior.Hash == z.Hash:
		z.Serial = prior.Serial
	case ok:
		z.Serial = nextSerial(prior.Serial, l.options.Now)
	default:
		z.Serial = uint32(l.options.Now.Unix())
	}
	z.Data.SetSerial(z.Serial)
}

// nextSerial is a serial above prior: the time or, where the clock went back or several
// changes fell into one second, the next number. Above is meant in the arithmetic of
// RFC 1982, section 3.2, in which serials wrap around.
func nextSerial(prior uint32, now time.Time) uint32 {
	if s := uint32(now.Unix()); int32(s-prior) > 0 {
		return s
	}
	return prior + 1
}

// contentHash digests what a zone's static data is made from, in whatever order it was
// written: its records, without a serial of our own, and its steered names with all that is
// configured for them.
func contentHash(z *zone) string {
	h := sha256.New()
	z.Data.Digest(h)
	var line []byte
	for _, n := range z.Names {
		line = append(append(append(append(line[:0], n.Name...), ' '), n.Steering.Key...), '\n')
		h.Write(line)
	}
	return hex.EncodeToString(h.Sum(nil))
}
