package zones

import "github.com/miekg/dns"

// describe names a record: its owner and type.
func (rs *records) describe(r item) string {
	return rs.ownerName(r) + " " + dns.Type(r.rtype).String()
}

// ownerName is the owner of a record in presentation form.
func (rs *records) ownerName(r item) string {
	return presentation(appendOwner(nil, rs.keyOf(r), rs.apex))
}

// where says where a record comes from, seen from the same zone.
func (rs *records) where(r item) string {
	from := rs.sources[r.source]
	if s := (source{from.file, int(r.line)}).String(); s != "" {
		return s
	}
	return from.at.String()
}
