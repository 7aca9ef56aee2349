package server

import "github.com/miekg/dns"

// Nothing that a client sends becomes a label as it is: types come from a fixed list, zones
// from the configuration.

// labelledTypes are the query types that have a label: those seen in daily use. The place of
// one is what it is counted by; others have the place after the last.
var labelledTypes = [...]uint16{
	dns.TypeA, dns.TypeAAAA, dns.TypeANY, dns.TypeAXFR, dns.TypeCAA, dns.TypeCNAME,
	dns.TypeDNSKEY, dns.TypeDS, dns.TypeHTTPS, dns.TypeIXFR, dns.TypeMX, dns.TypeNAPTR,
	dns.TypeNS, dns.TypeNSEC, dns.TypePTR, dns.TypeSOA, dns.TypeSRV, dns.TypeSVCB,
	dns.TypeTLSA, dns.TypeTXT,
}

const queryTypes = len(labelledTypes) + 1

// typePlaces is the place of each type in labelledTypes.
var typePlaces = func() (places [512]uint8) {
	for t := range places {
		places[t] = uint8(len(labelledTypes))
	}
	for i, t := range labelledTypes {
		places[t] = uint8(i)
	}
	return places
}()

func typeIndex(qtype uint16) int {
	if int(qtype) < len(typePlaces) {
		return int(typePlaces[qtype])
	}
	return len(labelledTypes)
}

// typeLabel is the label of what is counted at a place.
func typeLabel(place int) string {
	if place < len(labelledTypes) {
		return dns.TypeToString[labelledTypes[place]]
	}
	return "other"
}

// rcodes is how many response codes are counted, what is above the last as that.
const rcodes = 25

// rcodeLabel is the response code as the IANA registry names it.
func rcodeLabel(rcode int) string {
	if rcode == dns.RcodeBadVers { // shares its number with TSIG's BADSIG
		return "BADVERS"
	}
	if name, ok := dns.RcodeToString[rcode]; ok {
		return name
	}
	return "other"
}

// maxZoneLabels is how many zones have a label of their own: the first that are asked for. A
// server of thousands of zones would otherwise have that many times the other labels.
const maxZoneLabels = 100

const (
	noZone     = "none"  // no zone that is served here
	otherZones = "other" // beyond maxZoneLabels
)
