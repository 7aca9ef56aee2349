package config

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"gslb/internal/wire"
	"gslb/zones"
	"gslb/zones/problem"
	"gslb/zones/records"
)

const defaultNegativeTTL = 5 * time.Second

// zone is a [zones."NAME"] table while it is made.
type zone struct {
	*zones.Zone
	at    *problem.Place
	ttl   duration // of Zone.TTL, as it was written
	apex  []byte   // the name in wire form
	order int      // in loader.ordered
	facts records.Zone
	files []string // that the records come from, by their paths
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
	z.ttl, z.TTL = raw.TTL, raw.TTL.Duration
	l.ttl(z.at.Key("ttl"), raw.TTL)
	z.NegativeTTL = defaultNegativeTTL
	if raw.NegativeTTL != nil {
		z.NegativeTTL = raw.NegativeTTL.Duration
		l.ttl(z.at.Key("negative_ttl"), *raw.NegativeTTL)
	}

	if raw.Serial != nil {
		l.within(z.at.Key("serial"), *raw.Serial, 0, math.MaxUint32)
	}

	l.records.Reset(z.apex)
	l.staticRecords(z, raw)
	l.records.Settle()
	l.nameservers(z, raw)
	l.startOfAuthority(z, raw)
	l.names(z, raw.Names)
	z.facts.Inner = l.innerZones(z)
	l.records.Check(&z.facts, l.Report)
	l.finish(z, raw)
}

// finish fills in what follows from the rest of a zone.
func (l *loader) finish(z *zone, raw *rawZone) {
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
	l.serial(z, raw)
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

// serial fills in the content hash of a zone and its serial.
//
// All servers of a zone must have the same serial, whenever they were started. So it is the time at
// which the newest of the zone's files was modified, which is the same on all servers if the files
// were copied with their times. It never falls, and changed content never keeps its serial, as far
// as this server remembers:
//
//	the serial is                        of the content  is
//	the operator's own, or his SOA's     –               that
//	made, above the prior or none prior  –               the time
//	made, not above the prior            the same        the prior
//	made, not above the prior            another         the prior + 1
func (l *loader) serial(z *zone, raw *rawZone) {
	z.Hash = contentHash(z) // while a serial of our own is 0
	prior, known := l.serials[z.Name]
	changed := known && prior.Hash != z.Hash
	switch {
	case z.givenSOA:
		return
	case raw.Serial != nil:
		z.Serial = uint32(*raw.Serial)
		if changed && !isAbove(z.Serial, prior.Serial) {
			l.warnings.Add(z.at.Key("serial"), "found %d, and the zone had %d with another content; expected a serial above that", z.Serial, prior.Serial)
		}
	default:
		z.Serial = uint32(max(1, l.modified(z).Unix())) // files without a time have 0
		if known && !isAbove(z.Serial, prior.Serial) {
			z.Serial = prior.Serial
			if changed {
				z.Serial++
			}
		}
	}
	z.Data.SetSerial(z.Serial)
}

// modified is when the newest of the files that a zone is made from was modified.
func (l *loader) modified(z *zone) time.Time {
	newest := l.files.times[l.set.Path]
	for _, path := range z.files {
		if t := l.files.times[path]; t.After(newest) {
			newest = t
		}
	}
	return newest
}

// isAbove compares serials, which wrap around (RFC 1982, section 3.2).
func isAbove(serial, prior uint32) bool { return int32(serial-prior) > 0 }

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
