package zones

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

const defaultNegativeTTL = 5 * time.Second

// zone is a [zones."NAME"] table while it is made.
type zone struct {
	*Zone
	at      *place
	apex    []byte // the name in wire form
	order   int    // in loader.ordered
	steered []steeredName
	// givenSOA says that the SOA is the operator's, and so is its serial.
	givenSOA bool
	// fromFile says that the records come from a file, which may be another program's.
	fromFile bool
	// incomplete says that some of the data could not be read, so that nothing can be said
	// of what is missing.
	incomplete bool
}

// allZones reads the [zones] table.
func (l *loader) allZones(raw map[string]rawZone) {
	at := top("zones")
	if raw != nil && len(raw) == 0 {
		l.add(at, `found none; expected at least one, such as [zones."gslb.example.com"]`)
	}
	// All names come first: a zone must know which others lie within it.
	made := make([]*zone, 0, len(raw))
	tables := make(map[*zone]*rawZone, len(raw))
	for _, name := range sortedKeys(raw) {
		r := raw[name]
		if z := l.newZone(at.key(name), name); z != nil {
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
func (l *loader) newZone(at *place, name string) *zone {
	full, apex, err := zoneName(name)
	switch {
	case name == ".":
		l.add(at, "found the root; expected a zone that is delegated")
		return nil
	case err != nil:
		l.add(at, "%v", err)
		return nil
	case l.zones[full] != nil:
		l.add(at, "the zone is given twice, also as %s", l.zones[full].at)
		return nil
	}
	z := &zone{Zone: &Zone{Name: full}, at: at, apex: apex}
	l.zones[full] = z
	return z
}

// zone reads a [zones."NAME"] table.
func (l *loader) zone(z *zone, raw *rawZone) {
	z.TTL = raw.TTL
	l.ttl(z.at.key("ttl"), z.TTL)
	z.NegativeTTL = defaultNegativeTTL
	if raw.NegativeTTL != nil {
		z.NegativeTTL = *raw.NegativeTTL
		l.ttl(z.at.key("negative_ttl"), z.NegativeTTL)
	}

	l.records.reset(z.apex)
	l.staticRecords(z, raw)
	l.records.settle()
	l.nameservers(z, raw)
	l.startOfAuthority(z, raw)
	l.records.settle()
	l.reconcile(z)
	l.names(z, raw.Names)
	l.validate(z)
	l.finish(z)
}

// finish fills in what follows from the rest of a zone.
func (l *loader) finish(z *zone) {
	slices.SortFunc(z.Names, func(a, b *Name) int { return strings.Compare(a.Name, b.Name) })
	if len(l.problems) > 0 {
		return // nobody will see it
	}
	data, err := l.records.pack()
	if err != nil {
		l.add(z.at, "%v", err)
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
