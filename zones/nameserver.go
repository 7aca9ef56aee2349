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
	given := z.apexNS()
	switch {
	case len(given) > 0:
		const twice = "the records hold NS records of the zone (%s), which say this; remove one of the two"
		if raw.Nameservers != nil {
			l.add(at, twice, given[0].source)
		}
		if raw.NameserverTTL != nil {
			l.add(z.at.key("nameserver_ttl"), twice, given[0].source)
		}
		z.givenNameservers(given)
	case raw.Nameservers == nil && z.incomplete:
		// They may stand in what could not be read.
	case len(raw.Nameservers) == 0:
		l.add(at, `found none; expected at least one, such as { ns1 = ["192.0.2.53"] }`)
	default:
		l.makeNameservers(z, at, raw)
	}
	slices.SortFunc(z.Nameservers, func(a, b Nameserver) int { return cmp.Compare(a.Name, b.Name) })
}

// apexNS is the NS records of the zone itself, as opposed to those of delegations.
func (z *zone) apexNS() []*record {
	var list []*record
	for _, r := range z.records {
		if r.rr.Header().Rrtype == dns.TypeNS && r.owner == z.Name {
			list = append(list, r)
		}
	}
	return list
}

// givenNameservers takes nameservers and their addresses from records.
func (z *zone) givenNameservers(given []*record) {
	addresses := make(map[string][]netip.Addr)
	for _, r := range given {
		addresses[r.target()] = nil
	}
	for _, r := range z.records {
		if known, ok := addresses[r.owner]; ok {
			if addr, ok := r.address(); ok {
				addresses[r.owner] = append(known, addr)
			}
		}
	}
	for name, addrs := range addresses {
		z.Nameservers = append(z.Nameservers, Nameserver{Name: name, Addresses: addrs})
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
			z.addNameserver(ns, seconds(ttl), at)
		}
	}
}

// addNameserver makes the NS record of a nameserver, and its glue.
func (z *zone) addNameserver(ns Nameserver, ttl uint32, at *place) {
	z.made = append(z.made, newRecord(&dns.NS{Hdr: header(z.Name, dns.TypeNS, ttl), Ns: ns.Name}, at, source{}))
	for _, addr := range ns.Addresses {
		var rr dns.RR
		if addr.Is4() {
			rr = &dns.A{Hdr: header(ns.Name, dns.TypeA, ttl), A: addr.AsSlice()}
		} else {
			rr = &dns.AAAA{Hdr: header(ns.Name, dns.TypeAAAA, ttl), AAAA: addr.AsSlice()}
		}
		z.made = append(z.made, newRecord(rr, at, source{}))
	}
}
