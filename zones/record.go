package zones

import (
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

// record is one record of a zone, and where it comes from.
type record struct {
	rr     dns.RR
	owner  string // in lower case
	at     *place
	source source // of a record that is written as text
}

func newRecord(rr dns.RR, at *place, src source) *record {
	return &record{rr: rr, owner: strings.ToLower(rr.Header().Name), at: at, source: src}
}

// String names the record: its owner and type.
func (r *record) String() string {
	return r.rr.Header().Name + " " + r.typeName()
}

func (r *record) typeName() string { return dns.Type(r.rr.Header().Rrtype).String() }

// data is what stands behind the record's type, as text.
func (r *record) data() string {
	return strings.TrimPrefix(r.rr.String(), r.rr.Header().String())
}

// where says where the record comes from, seen from the same zone.
func (r *record) where() string {
	if s := r.source.String(); s != "" {
		return s
	}
	return r.at.String()
}

// is says whether the record is of one of some types.
func (r *record) is(types ...uint16) bool {
	for _, t := range types {
		if r.rr.Header().Rrtype == t {
			return true
		}
	}
	return false
}

// target is the name that an NS record points to, in lower case.
func (r *record) target() string {
	if ns, ok := r.rr.(*dns.NS); ok {
		return strings.ToLower(ns.Ns)
	}
	return ""
}

// address is that of an A or AAAA record.
func (r *record) address() (netip.Addr, bool) {
	switch rr := r.rr.(type) {
	case *dns.A:
		return netip.AddrFromSlice(rr.A.To4())
	case *dns.AAAA:
		return netip.AddrFromSlice(rr.AAAA)
	default:
		return netip.Addr{}, false
	}
}
