package config

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"gslb/internal/wire"
	"gslb/zones"
	"gslb/zones/problem"
	"gslb/zones/records"
)

// nameservers reads the nameservers of a zone and makes their records, or takes those that
// the records hold.
func (l *loader) nameservers(z *zone, raw *rawZone) {
	at := z.at.Key("nameservers")
	given := l.records.Find(nil, dns.TypeNS)
	switch {
	case len(given) > 0:
		const twice = "the records hold NS records of the zone (%s), which say this; remove one of the two"
		if raw.Nameservers != nil {
			l.Add(at, twice, given[0].Where)
		}
		if raw.NameserverTTL != nil {
			l.Add(z.at.Key("nameserver_ttl"), twice, given[0].Where)
		}
		l.givenNameservers(z, given)
	case raw.Nameservers == nil && z.facts.Incomplete:
		// They may be in a part that could not be read.
	case raw.Nameservers == nil && z.facts.FromFile:
		l.AddLine(z.at.Key("file"), problem.Source{File: *raw.File},
			"found no NS record of %s; expected at least one, or the key nameservers", z.Name)
	case len(raw.Nameservers) == 0:
		l.Add(at, `found none; expected at least one, such as { ns1 = ["192.0.2.53"] }`)
	default:
		l.makeNameservers(z, at, raw)
	}
	slices.SortFunc(z.Nameservers, func(a, b zones.Nameserver) int { return cmp.Compare(a.Name, b.Name) })
}

// givenNameservers takes nameservers and their addresses from records.
func (l *loader) givenNameservers(z *zone, given []records.Record) {
	seen := make(map[string]bool, len(given))
	for _, r := range given {
		ns := zones.Nameserver{Name: records.Presentation(r.Data)}
		if seen[ns.Name] {
			continue
		}
		seen[ns.Name] = true
		if key, inside := records.AppendKey(nil, r.Data, z.apex); inside {
			for _, glue := range l.records.Find(key, dns.TypeA, dns.TypeAAAA) {
				addr, _ := netip.AddrFromSlice(glue.Data)
				ns.Addresses = append(ns.Addresses, addr)
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
func (l *loader) makeNameservers(z *zone, at *problem.Place, raw *rawZone) {
	ttl := defaultNameserverTTL
	if raw.NameserverTTL != nil {
		ttl = raw.NameserverTTL.Duration
		l.ttl(z.at.Key("nameserver_ttl"), *raw.NameserverTTL)
	}
	seen := make(map[string]*problem.Place)
	for _, key := range sortedKeys(raw.Nameservers) {
		at := at.Key(key)
		name, err := qualify(key, z.Name, false)
		switch {
		case err != nil:
			l.Add(at, "%v", err)
			continue
		case seen[name] != nil:
			l.Add(at, "the nameserver is given twice, also as %s", seen[name])
			continue
		}
		seen[name] = at
		if strings.Contains(key, ".") && !strings.HasSuffix(key, ".") {
			l.warnings.Add(at, "found %q, which is relative to the zone, so that it is %s; expected a final dot, unless that is meant (then write the whole name)", key, name)
		}

		list := raw.Nameservers[key]
		inside := dns.IsSubDomain(z.Name, name)
		ns := zones.Nameserver{Name: name, Addresses: l.addresses(at, list)}
		switch {
		case list == nil:
			continue // it is no list of strings, which has been reported
		case inside && len(list) == 0:
			l.Add(at, `found no address; expected at least one, or an absolute name if the server lies outside the zone`)
		case !inside && len(list) > 0:
			l.Add(at, "found addresses; expected none ([]), since %s lies outside the zone, whose own servers know them", name)
		case inside == (len(ns.Addresses) > 0):
			z.Nameservers = append(z.Nameservers, ns)
			l.addNameserver(z, ns, seconds(ttl), at)
		}
	}
}

// addNameserver makes the NS record of a nameserver, and its glue.
func (l *loader) addNameserver(z *zone, ns zones.Nameserver, ttl uint32, at *problem.Place) {
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
func (l *loader) make(rr dns.RR, at *problem.Place) {
	if err := l.records.Make(rr, at); err != nil {
		l.Add(at, "%v", err)
	}
}

// Timers of the SOA record that is made for a zone. Only secondaries use them. They are those that
// RIPE-203 recommends for small, stable zones, except for a shorter refresh, since a zone for load
// balancing changes more often.
const (
	soaRefresh = 3600
	soaRetry   = 600
	soaExpire  = 3600000
)

// startOfAuthority takes the SOA record that the records hold, or makes one; its serial comes
// last (see [loader.serial]).
func (l *loader) startOfAuthority(z *zone, raw *rawZone) {
	if soa := l.records.Find(nil, dns.TypeSOA); len(soa) > 0 {
		l.givenSOA(z, raw, soa[0])
		return
	}
	// A file with other records of the apex should have the SOA too.
	if z.facts.FromFile && !z.facts.Incomplete && raw.Nameservers == nil && raw.Hostmaster == nil && raw.NegativeTTL == nil {
		l.AddLine(z.at.Key("file"), problem.Source{File: *raw.File},
			"found no SOA record of %s; expected one, or the key hostmaster, so that it is made", z.Name)
	}
	mname := "."
	if len(z.Nameservers) > 0 {
		mname = z.Nameservers[0].Name
	}
	// Resolvers keep a negative answer for the lesser of the record's own TTL and its last
	// field (RFC 2308, section 5), so that both are the negative TTL.
	soa := &dns.SOA{
		Hdr:     header(z.Name, dns.TypeSOA, seconds(z.NegativeTTL)),
		Ns:      mname,
		Mbox:    l.hostmaster(z, raw.Hostmaster),
		Refresh: soaRefresh,
		Retry:   soaRetry,
		Expire:  soaExpire,
		Minttl:  seconds(z.NegativeTTL),
	}
	l.make(soa, z.at)
}

// givenSOA uses the SOA record of the operator's records as it is.
func (l *loader) givenSOA(z *zone, raw *rawZone, r records.Record) {
	const twice = "the records hold an SOA record (%s), which says this; remove one of the two"
	if raw.NegativeTTL != nil {
		l.Add(z.at.Key("negative_ttl"), twice, r.Where)
	}
	if raw.Hostmaster != nil {
		l.Add(z.at.Key("hostmaster"), twice, r.Where)
	}
	if raw.Serial != nil {
		l.Add(z.at.Key("serial"), twice, r.Where)
	}
	serial, minimum := records.Authority(r.Data)
	z.givenSOA, z.Serial = true, serial
	z.NegativeTTL = fromSeconds(min(r.TTL, minimum))
}

// hostmaster reads the mailbox of whoever is responsible for the zone: a mail address, or a
// name as RFC 1035, section 8, has it.
func (l *loader) hostmaster(z *zone, raw *string) string {
	if raw == nil {
		return "hostmaster." + z.Name
	}
	at := z.at.Key("hostmaster")
	local, domain, isMail := strings.Cut(*raw, "@")
	if !isMail || *raw == "@" {
		name, err := qualify(*raw, z.Name, false)
		// A name of several labels is meant to be a whole one.
		half := strings.Contains(*raw, ".") && !strings.HasSuffix(*raw, ".")
		if half {
			l.Add(at, `found %q; expected a mail address, or a name with a final dot`, *raw)
		} else if err != nil || *raw == "@" {
			l.Add(at, `found %q; expected a mail address or a domain name`, *raw)
		}
		return name
	}
	domain, err := domainName(domain)
	if err != nil || !token.MatchString(local) || len(local) > wire.MaxLabel {
		l.Add(at, "found %q; expected a mail address or a domain name", *raw)
		return ""
	}
	return strings.ReplaceAll(local, ".", `\.`) + "." + domain
}
