package zones

import (
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// data is what a zone consists of, by owner name, for the rules that its records have to keep
// among each other.
type data struct {
	*report
	zone    *zone
	zones   map[string]*zone // all that are served here
	nodes   map[string]node
	targets map[string]bool // of all NS records
	dnames  bool            // there is a DNAME record
}

// node is all records of one owner.
type node []*record

// first returns the first record of one of some types, or nil.
func (n node) first(types ...uint16) *record {
	for _, r := range n {
		if r.is(types...) {
			return r
		}
	}
	return nil
}

// validate reports what is wrong with a zone as a whole. What every record has to keep by
// itself, the reader of the master file has seen to.
func (l *loader) validate(z *zone) {
	d := &data{
		report:  l.report,
		zone:    z,
		zones:   l.zones,
		nodes:   make(map[string]node, len(z.records)),
		targets: make(map[string]bool),
	}
	for _, r := range z.records {
		if !dns.IsSubDomain(z.Name, r.owner) {
			d.problem(r, "%s lies outside the zone; expected a name that ends in %s", r, z.Name)
			continue
		}
		d.nodes[r.owner] = append(d.nodes[r.owner], r)
		d.dnames = d.dnames || r.is(dns.TypeDNAME)
		if r.is(dns.TypeNS) {
			d.targets[r.target()] = true
		}
	}
	for owner, n := range d.nodes {
		d.rrsets(n)
		d.alone(owner, n)
		d.reachable(owner, n)
		d.nameservers(owner, n)
	}
	d.steered()
}

func (d *data) problem(r *record, format string, args ...any) {
	d.addLine(r.at, r.source, format, args...)
}

// rrsets reports what is wrong within the records of one owner and type.
func (d *data) rrsets(n node) {
	if len(n) == 1 {
		return
	}
	byType := make(map[uint16][]*record)
	for _, r := range n {
		t := r.rr.Header().Rrtype
		byType[t] = append(byType[t], r)
	}
	for t, set := range byType {
		if len(set) == 1 {
			continue
		}
		set = d.distinct(set)
		// Signatures form no RRset (RFC 4034, section 3).
		if t == dns.TypeRRSIG {
			continue
		}
		for _, r := range set[1:] {
			if ttl, first := r.rr.Header().Ttl, set[0].rr.Header().Ttl; ttl != first {
				d.problem(r, "%s has a TTL of %d, but that at %s has %d; expected one TTL for both (RFC 2181, section 5.2)",
					r, ttl, set[0].where(), first)
			}
		}
	}
}

// distinct reports records that are there more than once, and returns the others.
func (d *data) distinct(set []*record) []*record {
	// Comparing each to each would take long for a large set. So compare only those that are
	// the same as text, but for the case of letters, which does not matter in names.
	seen := make(map[string][]*record, len(set))
	var distinct []*record
	for _, r := range set {
		text := strings.ToLower(r.data())
		i := slices.IndexFunc(seen[text], func(o *record) bool { return dns.IsDuplicate(o.rr, r.rr) })
		if i >= 0 {
			d.problem(r, "%s is given twice, first at %s", r, seen[text][i].where())
			continue
		}
		seen[text] = append(seen[text], r)
		distinct = append(distinct, r)
	}
	return distinct
}

// alone reports records that may not stand beside others, or not here.
func (d *data) alone(owner string, n node) {
	var cname, dname, soa *record
	for _, r := range n {
		switch {
		case r.is(dns.TypeCNAME):
			if cname != nil {
				d.problem(r, "%s is the second, after that at %s; expected one (RFC 2181, section 10.1)", r, cname.where())
			}
			cname = r
		case r.is(dns.TypeDNAME):
			if dname != nil {
				d.problem(r, "%s is the second, after that at %s; expected one (RFC 6672, section 2.4)", r, dname.where())
			}
			dname = r
		case r.is(dns.TypeSOA) && owner != d.zone.Name:
			d.problem(r, "%s stands below the top of the zone; expected it at %s only", r, d.zone.Name)
		case r.is(dns.TypeSOA):
			if soa != nil {
				d.problem(r, "%s is the second, after that at %s; expected one", r, soa.where())
			}
			soa = r
		}
	}
	if cname == nil {
		return
	}
	var others []string
	for _, r := range n {
		// DNSSEC's own records go with any (RFC 4035, section 2.5).
		if !r.is(dns.TypeCNAME, dns.TypeRRSIG, dns.TypeNSEC) && !slices.Contains(others, r.typeName()) {
			others = append(others, r.typeName())
		}
	}
	if len(others) > 0 {
		slices.Sort(others)
		d.problem(cname, "%s stands beside %s; expected it alone (RFC 1034, section 3.6.2)", cname, strings.Join(others, ", "))
	}
}

// reachable reports records that can never be answered, since a delegation, another zone
// served here or a DNAME stands above them.
func (d *data) reachable(owner string, n node) {
	if dname := d.dnameAbove(owner); dname != nil {
		for _, r := range n {
			d.problem(r, "%s lies below the DNAME of %s (%s); expected nothing there (RFC 6672, section 2.4)",
				r, dname.owner, dname.where())
		}
	}
	cut := d.cutAbove(owner)
	if cut == "" || d.zone.fromFile {
		return // other name servers take what a delegation hides
	}
	for _, r := range n {
		delegates := owner == cut && r.is(dns.TypeNS, dns.TypeDS, dns.TypeRRSIG, dns.TypeNSEC)
		glue := d.targets[owner] && r.is(dns.TypeA, dns.TypeAAAA)
		if !delegates && !glue {
			d.problem(r, "%s would never be answered, since %s; expected only the glue of nameservers there", r, d.describeCut(cut))
		}
	}
}

// nameservers reports nameservers of the zone, and of the delegations in it, that have no
// address where it has to be here.
func (d *data) nameservers(owner string, n node) {
	for _, r := range n {
		target := r.target()
		if target == "" || !dns.IsSubDomain(d.zone.Name, target) {
			continue
		}
		at := d.find(target)
		if cname := at.first(dns.TypeCNAME); cname != nil {
			d.problem(r, "%s points to %s, which is a CNAME (%s); expected a name with addresses (RFC 2181, section 10.3)",
				r, target, cname.where())
			continue
		}
		// Below another delegation, the addresses are for that one to have.
		if cut := d.cutAbove(target); cut != "" && cut != owner {
			continue
		}
		if at.first(dns.TypeA, dns.TypeAAAA) == nil && !d.zone.incomplete {
			d.problem(r, "%s points to %s, which has no A or AAAA record; expected one among the records", r, target)
		}
	}
}

// find returns the records that a name is answered with: its own, or those of the wildcard
// that stands for it (RFC 4592, section 2.2.1).
func (d *data) find(name string) node {
	if n, found := d.nodes[name]; found {
		return n
	}
	for a := range ancestors(name, d.zone.Name) {
		if n, found := d.nodes["*."+a]; found && a != name {
			return n
		}
		if _, exists := d.nodes[a]; exists {
			break
		}
	}
	return nil
}

// steered reports steered names that have a second source, or could never be answered.
func (d *data) steered() {
	for name, at := range d.zone.steered {
		if r := d.nodes[name].first(dns.TypeA, dns.TypeAAAA, dns.TypeCNAME); r != nil {
			d.add(at, "%s is steered, but has a record of type %s as well (%s); remove one of the two", name, r.typeName(), r.where())
		}
		if cut := d.cutAbove(name); cut != "" {
			d.add(at, "%s would never be answered, since %s", name, d.describeCut(cut))
		}
		if dname := d.dnameAbove(name); dname != nil {
			d.add(at, "%s would never be answered, since the DNAME of %s (%s) stands above it", name, dname.owner, dname.where())
		}
	}
}

// cutAbove returns the topmost delegation, or other zone served here, at or above a name;
// empty: the name is in the zone proper.
func (d *data) cutAbove(name string) string {
	cut := ""
	for a := range ancestors(name, d.zone.Name) {
		if a != d.zone.Name && (d.zones[a] != nil || d.nodes[a].first(dns.TypeNS) != nil) {
			cut = a
		}
	}
	return cut
}

func (d *data) describeCut(cut string) string {
	if z := d.zones[cut]; z != nil {
		return "it lies in " + z.at.String()
	}
	return "it lies in " + cut + ", which is delegated (" + d.nodes[cut].first(dns.TypeNS).where() + ")"
}

// dnameAbove returns the DNAME nearest above a name, or nil.
func (d *data) dnameAbove(name string) *record {
	if !d.dnames {
		return nil
	}
	for a := range ancestors(name, d.zone.Name) {
		if dname := d.nodes[a].first(dns.TypeDNAME); dname != nil && a != name {
			return dname
		}
	}
	return nil
}
