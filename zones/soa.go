package zones

import (
	"encoding/binary"
	"strings"

	"github.com/miekg/dns"
)

// Timers of the SOA record that is made for a zone. Only secondaries use them, and they are
// those that RIPE-203 recommends, but for a shorter refresh: a zone for load balancing changes
// more often than the small, stable ones that it has in mind.
const (
	soaRefresh = 3600
	soaRetry   = 600
	soaExpire  = 3600000
)

// startOfAuthority takes the SOA record that the records hold, or makes one; its serial comes
// last (see [loader.serial]).
func (l *loader) startOfAuthority(z *zone, raw *rawZone) {
	if soa := firstOf(l.records.node(nil), dns.TypeSOA); soa != nil {
		l.givenSOA(z, raw, *soa)
		return
	}
	// A file that has the rest of what stands at the apex should have it all.
	if z.fromFile && !z.incomplete && raw.Nameservers == nil && raw.Hostmaster == nil && raw.NegativeTTL == nil {
		l.addLine(z.at.key("file"), source{file: *raw.File},
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
func (l *loader) givenSOA(z *zone, raw *rawZone, r item) {
	const twice = "the records hold an SOA record (%s), which says this; remove one of the two"
	if raw.NegativeTTL != nil {
		l.add(z.at.key("negative_ttl"), twice, l.records.where(r))
	}
	if raw.Hostmaster != nil {
		l.add(z.at.key("hostmaster"), twice, l.records.where(r))
	}
	// The data ends with serial, refresh, retry, expire and minimum.
	data := l.records.data(r)
	z.givenSOA = true
	z.Serial = binary.BigEndian.Uint32(data[len(data)-soaNumbers:])
	z.NegativeTTL = fromSeconds(min(l.records.ttl(r), binary.BigEndian.Uint32(data[len(data)-4:])))
}

// soaNumbers is the size of the numbers that the data of an SOA record ends with, in bytes.
const soaNumbers = 20

// hostmaster reads the mailbox of whoever is responsible for the zone: a mail address, or a
// name as RFC 1035, section 8, has it.
func (l *loader) hostmaster(z *zone, raw *string) string {
	if raw == nil {
		return "hostmaster." + z.Name
	}
	at := z.at.key("hostmaster")
	local, domain, isMail := strings.Cut(*raw, "@")
	if !isMail || *raw == "@" {
		name, err := qualify(*raw, z.Name, false)
		// A name of several labels is meant to be a whole one.
		half := strings.Contains(*raw, ".") && !strings.HasSuffix(*raw, ".")
		if half {
			l.add(at, `found %q; expected a mail address, or a name with a final dot`, *raw)
		} else if err != nil || *raw == "@" {
			l.add(at, `found %q; expected a mail address or a domain name`, *raw)
		}
		return name
	}
	domain, err := domainName(domain)
	if err != nil || !token.MatchString(local) || len(local) > maxLabel {
		l.add(at, "found %q; expected a mail address or a domain name", *raw)
		return ""
	}
	return strings.ReplaceAll(local, ".", `\.`) + "." + domain
}
