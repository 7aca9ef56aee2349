package zones

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"
)

// nameservers reads the nameservers of a zone and makes their records, or takes those that
// the records hold.
func (l *loader) nameservers(z *zone, raw *rawZone) {
	at := z.at.key("nameservers")
	given := l.apexNS()
	switch {
	case len(given) > 0:
		const twice = "the records hold NS records of the zone (%s), which say this; remove one of the two"
		if raw.Nameservers != nil {
			l.add(at, twice, l.records.where(given[0]))
		}
		if raw.NameserverTTL != nil {
			l.add(z.at.key("nameserver_ttl"), twice, l.records.where(given[0]))
		}
		l.givenNameservers(z, given)
	case raw.Nameservers == nil && z.incomplete:
		// They may stand in what could not be read.
	case raw.Nameservers == nil && z.fromFile:
		l.addLine(z.at.key("file"), source{file: *raw.File},
			"found no NS record of %s; expected at least one, or the key nameservers", z.Name)
	case len(raw.Nameservers) == 0:
		l.add(at, `found none; expected at least one, such as { ns1 = ["192.0.2.53"] }`)
	default:
		l.makeNameservers(z, at, raw)
	}
	slices.SortFunc(z.Nameservers, func(a, b Nameserver) int { return cmp.Compare(a.Name, b.Name) })
}

// apexNS is the NS records of the zone itself, as opposed to those of delegations.
func (l *loader) apexNS() []item {
	apex := l.records.node(nil)
	for len(apex) > 0 && apex[0].rtype != dns.TypeNS {
		apex = apex[1:]
	}
	if len(apex) == 0 {
		return nil
	}
	return firstSet(apex)
}

// givenNameservers takes nameservers and their addresses from records.
func (l *loader) givenNameservers(z *zone, given []item) {
	seen := make(map[string]bool, len(given))
	for _, r := range given {
		target := l.records.data(r)
		ns := Nameserver{Name: presentation(target)}
		if seen[ns.Name] {
			continue
		}
		seen[ns.Name] = true
		if key, inside := appendKey(nil, target, z.apex); inside {
			for _, r := range l.records.node(key) {
				if r.rtype == dns.TypeA || r.rtype == dns.TypeAAAA {
					addr, _ := netip.AddrFromSlice(l.records.data(r))
					ns.Addresses = append(ns.Addresses, addr)
				}
			}
		}
		z.Nameservers = append(z.Nameservers, ns)
	}
}

// defaultNameserverTTL is longer than that of the other records: where the servers are
// changes seldom, and a resolver that has forgotten it must ask the parent zone again.
const defaultNameserverTTL = time.Hour

// makeNameservers reads the nameservers key. TOML keeps no order of keys, so they are taken by
// name; the first becomes the SOA's primary.
func (l *loader) makeNameservers(z *zone, at *place, raw *rawZone) {
	ttl := defaultNameserverTTL
	if raw.NameserverTTL != nil {
		ttl = *raw.NameserverTTL
		l.ttl(z.at.key("nameserver_ttl"), ttl)
	}
	seen := make(map[string]*place)
	for _, key := range sortedKeys(raw.Nameservers) {
		at := at.key(key)
		name, err := qualify(key, z.Name, false)
		switch {
		case err != nil:
			l.add(at, "%v", err)
			continue
		case seen[name] != nil:
			l.add(at, "the nameserver is given twice, also as %s", seen[name])
			continue
		}
		seen[name] = at

		list := raw.Nameservers[key]
		inside := dns.IsSubDomain(z.Name, name)
		ns := Nameserver{Name: name, Addresses: l.addresses(at, list)}
		switch {
		case list == nil:
			continue // it is no list of strings, which has been reported
		case inside && len(list) == 0:
			l.add(at, `found no address; expected at least one, or an absolute name if the server lies outside the zone`)
		case !inside && len(list) > 0:
			l.add(at, "found addresses; expected none ([]), since %s lies outside the zone, whose own servers know them", name)
		case inside == (len(ns.Addresses) > 0):
			z.Nameservers = append(z.Nameservers, ns)
			l.addNameserver(z, ns, seconds(ttl), at)
		}
	}
}

// addNameserver makes the NS record of a nameserver, and its glue.
func (l *loader) addNameserver(z *zone, ns Nameserver, ttl uint32, at *place) {
	l.make(&dns.NS{Hdr: header(z.Name, dns.TypeNS, ttl), Ns: ns.Name}, at)
	for _, addr := range ns.Addresses {
		if addr.Is4() {
			l.make(&dns.A{Hdr: header(ns.Name, dns.TypeA, ttl), A: addr.AsSlice()}, at)
		} else {
			l.make(&dns.AAAA{Hdr: header(ns.Name, dns.TypeAAAA, ttl), AAAA: addr.AsSlice()}, at)
		}
	}
}

// make adds a record that the configuration makes, from a place of its own.
func (l *loader) make(rr dns.RR, at *place) {
	if err := l.records.addRR(rr, at); err != nil {
		l.add(at, "%v", err)
	}
}
