package records

import (
	"bytes"
	"math"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"gslb/internal/wire"
	"gslb/zones/masterfile"
	"gslb/zones/problem"
)

// MaxSet is how many octets are left for a set and the name that it is asked for in the largest
// message: its length has two octets (RFC 1035, section 4.2.2), and there are the header, type and
// class of the question, and an OPT record (RFC 6891, section 6.1.2).
const MaxSet = math.MaxUint16 - 12 - 4 - 11

// Zone is what the rules have to know of a zone beside its records.
type Zone struct {
	Name string // fully qualified, lower case
	// FromFile says that the records come from a file, which may be another program's.
	FromFile bool
	// Incomplete says that some of the data could not be read, so that nothing can be said of
	// what is missing.
	Incomplete bool
	Steered    []SteeredName  // in canonical order
	SteeredAt  *problem.Place // of the table that they are the keys of
	Inner      []InnerZone    // in canonical order
}

// SteeredName is a name that is steered.
type SteeredName struct {
	Key  []byte
	Name string
	Raw  string // as it is configured
	// CNAME is the pool that is answered as a CNAME; empty: there is none.
	CNAME string
}

// InnerZone is another zone that is served here and lies within the one at hand.
type InnerZone struct {
	Key []byte
	At  *problem.Place
}

// Check settles the records, removes duplicates, and reports what is wrong with the zone as a
// whole. The reader of master files has checked each record by itself.
func (b *Builder) Check(z *Zone, report *problem.Report) {
	b.Settle()
	v := &rules{Builder: b, Report: report, zone: z, steered: z.Steered, inner: z.Inner}
	v.reconcile()
	if !z.FromFile {
		v.targets = v.nameserverTargets()
	}
	v.walk()
}

// rules is the rules that the records of a zone have to keep among each other. All are checked
// in one walk through the names in canonical order, in which what stands above a name comes
// before it.
type rules struct {
	*Builder
	*problem.Report
	zone *Zone

	// What covers the names that the walk has come to: the topmost delegation or other zone
	// served here, and the topmost DNAME. Everything below is hidden by it.
	cut   cover
	dname cover

	steered []SteeredName // that the walk has not come to yet, in order
	inner   []InnerZone   // likewise
	// targets is what the NS records point to, by key, where it matters what they are.
	targets map[string]bool
}

// cover is a name that hides what lies below it.
type cover struct {
	key   []byte         // nil: there is none
	zone  *problem.Place // of a zone that begins there; nil: a record stands there
	first item           // the record
}

func (c *cover) is() bool { return c.key != nil }

// problem reports something wrong with a record.
func (v *rules) problem(r item, format string, args ...any) {
	from := v.sources[r.source]
	v.AddLine(from.at, problem.Source{File: from.file, Line: int(r.line)}, format, args...)
}

// walk goes through the names.
func (v *rules) walk() {
	for rest := v.items; len(rest) > 0; {
		node := firstNode(rest)
		rest = rest[len(node):]
		// Where nothing covers the names and no other kind is to come, which is most of the
		// time, the keys need not be looked at.
		if v.cut.is() || v.dname.is() || len(v.steered) > 0 || len(v.inner) > 0 {
			v.upTo(v.keyOf(node[0]))
		}
		v.check(node)
	}
	v.upTo(nil)
}

// upTo visits the steered names and the other zones before a key, or all that are left if it is
// nil, and then the key itself, with another zone that begins there.
func (v *rules) upTo(key []byte) {
	for len(v.steered) > 0 && (key == nil || bytes.Compare(v.steered[0].Key, key) < 0) {
		n := v.steered[0]
		v.steered = v.steered[1:]
		v.enter(n.Key)
		v.steeredName(n, nil)
	}
	if key != nil {
		v.enter(key)
	}
}

// enter visits a name: it leaves covers that do not cover it, and enters a zone that begins there.
func (v *rules) enter(key []byte) {
	for len(v.inner) > 0 && bytes.Compare(v.inner[0].Key, key) <= 0 {
		v.leave(v.inner[0].Key)
		if !v.cut.is() {
			v.cut = cover{key: v.inner[0].Key, zone: v.inner[0].At}
		}
		v.inner = v.inner[1:]
	}
	v.leave(key)
}

// leave ends the covers that do not cover a name.
func (v *rules) leave(key []byte) {
	if v.cut.is() && !isBelow(key, v.cut.key) {
		v.cut = cover{}
	}
	if v.dname.is() && !isBelow(key, v.dname.key) {
		v.dname = cover{}
	}
}

// check checks the records of one owner.
func (v *rules) check(node []item) {
	ns, dname := firstOf(node, dns.TypeNS), firstOf(node, dns.TypeDNAME)
	atApex := v.isApex(node)
	if ns != nil && !atApex && !v.cut.is() {
		v.cut = cover{key: v.keyOf(*ns), first: *ns}
	}
	v.alone(node, atApex)
	v.reachable(node)
	if ns != nil && (atApex || !v.zone.FromFile) {
		v.nameservers(node)
	}
	if len(v.steered) > 0 && bytes.Equal(v.steered[0].Key, v.keyOf(node[0])) {
		n := v.steered[0]
		v.steered = v.steered[1:]
		v.steeredName(n, node)
	}
	if dname != nil && !v.dname.is() {
		v.dname = cover{key: v.keyOf(*dname), first: *dname}
	}
}

// alone reports records that may not stand beside others, or not here.
func (v *rules) alone(node []item, atApex bool) {
	for rest := node; len(rest) > 0; {
		set := firstSet(rest)
		rest = rest[len(set):]
		switch set[0].rtype {
		case dns.TypeCNAME:
			v.single(set, "expected one (RFC 2181, section 10.1)")
			v.besideCNAME(node, set[len(set)-1])
		case dns.TypeDNAME:
			v.single(set, "expected one (RFC 6672, section 2.4)")
		case dns.TypeSOA:
			v.startOfAuthority(set, atApex)
		}
		v.fits(set)
	}
}

// fits reports a set that no reply can carry, so that it would never be answered.
func (v *rules) fits(set []item) {
	size := 0
	for _, r := range set {
		size += RecordHead + len(v.data(r))
	}
	if size <= MaxSet-wire.MaxName {
		return // whatever the name
	}
	owner := appendOwner(nil, v.keyOf(set[0]), v.apex)
	if most := MaxSet - len(owner); size > most {
		v.problem(set[0], "%s has %d records, which take %d octets; expected at most %d, since no message carries more",
			v.describe(set[0]), len(set), size, most)
	}
}

// single reports all records of a set but the first.
func (v *rules) single(set []item, expected string) {
	for i, r := range set[1:] {
		v.problem(r, "%s is the second, after that at %s; %s", v.describe(r), v.where(set[i]), expected)
	}
}

func (v *rules) startOfAuthority(set []item, atApex bool) {
	if atApex {
		v.single(set, "expected one")
		return
	}
	for _, r := range set {
		v.problem(r, "%s stands below the top of the zone; expected it at %s only", v.describe(r), v.zone.Name)
	}
}

// besideCNAME reports what stands beside a CNAME record.
func (v *rules) besideCNAME(node []item, cname item) {
	if others := typesBesideCNAME(node); len(others) > 0 {
		v.problem(cname, "%s stands beside %s; expected it alone (RFC 1034, section 3.6.2)",
			v.describe(cname), strings.Join(others, ", "))
	}
}

// typesBesideCNAME names the types of a node that no CNAME may stand beside.
func typesBesideCNAME(node []item) []string {
	var others []string
	for rest := node; len(rest) > 0; {
		set := firstSet(rest)
		rest = rest[len(set):]
		switch set[0].rtype {
		case dns.TypeCNAME, dns.TypeRRSIG, dns.TypeNSEC:
			// DNSSEC's own records go with any (RFC 4035, section 2.5).
		default:
			others = append(others, masterfile.TypeName(set[0].rtype))
		}
	}
	slices.Sort(others)
	return others
}

// reachable reports records that can never be answered, since a delegation, another zone
// served here or a DNAME stands above them.
func (v *rules) reachable(node []item) {
	if v.dname.is() && !isHashed(node) {
		for _, r := range node {
			v.problem(r, "%s lies below the DNAME of %s (%s); expected nothing there (RFC 6672, section 2.4)",
				v.describe(r), v.ownerName(v.dname.first), v.where(v.dname.first))
		}
	}
	if !v.cut.is() || v.zone.FromFile {
		return // other name servers take what a delegation hides
	}
	key := v.keyOf(node[0])
	isCut := bytes.Equal(key, v.cut.key)
	for _, r := range node {
		switch r.rtype {
		case dns.TypeNS, dns.TypeDS, dns.TypeRRSIG, dns.TypeNSEC:
			if isCut {
				continue
			}
		case dns.TypeA, dns.TypeAAAA:
			if v.targets[string(key)] {
				continue // glue
			}
		}
		v.problem(r, "%s would never be answered, since %s; expected only the glue of nameservers there",
			v.describe(r), v.describeCut())
	}
}

// isHashed says whether records are those of the hash of a name, which is no name of the zone
// and may stand below anything (RFC 5155, section 7.1).
func isHashed(node []item) bool {
	return firstOf(node, dns.TypeNSEC3) != nil &&
		!slices.ContainsFunc(node, func(r item) bool { return r.rtype != dns.TypeNSEC3 && r.rtype != dns.TypeRRSIG })
}

func (v *rules) describeCut() string {
	if z := v.cut.zone; z != nil {
		return "it lies in " + z.String()
	}
	return "it lies in " + v.ownerName(v.cut.first) + ", which is delegated (" + v.where(v.cut.first) + ")"
}

// steeredName reports a steered name that also has static addresses or an alias, or could never be
// answered. node is the records at the name.
func (v *rules) steeredName(n SteeredName, node []item) {
	if r := firstOf(node, dns.TypeA, dns.TypeAAAA, dns.TypeCNAME); r != nil {
		v.Add(v.zone.SteeredAt.Key(n.Raw), "%s is steered, but has a record of type %s as well (%s); remove one of the two",
			n.Name, masterfile.TypeName(r.rtype), v.where(*r))
	} else if others := typesBesideCNAME(node); n.CNAME != "" && len(others) > 0 {
		v.Add(v.zone.SteeredAt.Key(n.Raw), "pool %q is answered as a CNAME, which must stand alone (RFC 1034, section 3.6.2), but %s has %s as well (%s); remove one of the two",
			n.CNAME, n.Name, strings.Join(others, ", "), v.where(node[0]))
	}
	if v.cut.is() {
		v.Add(v.zone.SteeredAt.Key(n.Raw), "%s would never be answered, since %s", n.Name, v.describeCut())
	}
	if v.dname.is() {
		v.Add(v.zone.SteeredAt.Key(n.Raw), "%s would never be answered, since the DNAME of %s (%s) stands above it",
			n.Name, v.ownerName(v.dname.first), v.where(v.dname.first))
	}
}

// nameservers reports nameservers of the zone, and of the delegations in it, that have no
// address where it has to be here.
func (v *rules) nameservers(node []item) {
	for _, r := range node {
		if r.rtype != dns.TypeNS {
			continue
		}
		key, inside := AppendKey(nil, v.data(r), v.apex)
		if !inside {
			continue
		}
		at := v.answers(key)
		target := Presentation(v.data(r))
		if cname := firstOf(at, dns.TypeCNAME); cname != nil {
			v.problem(r, "%s points to %s, which is a CNAME (%s); expected a name with addresses (RFC 2181, section 10.3)",
				v.describe(r), target, v.where(*cname))
			continue
		}
		if firstOf(at, dns.TypeA, dns.TypeAAAA) == nil && !v.zone.Incomplete && !v.isElsewhere(key, v.keyOf(r)) {
			v.problem(r, "%s points to %s, which has no A or AAAA record; expected one among the records",
				v.describe(r), target)
		}
	}
}

// isElsewhere says whether a name lies in another zone, or in another delegation than that of
// an owner, so that its addresses are for that one to have.
func (v *rules) isElsewhere(key, owner []byte) bool {
	for _, z := range v.zone.Inner {
		if isBelow(key, z.Key) {
			return !bytes.Equal(z.Key, owner)
		}
	}
	cut := v.cutAbove(key)
	return cut != nil && !bytes.Equal(cut, owner)
}

// nameserverTargets is the names in the zone that NS records point to, by key.
func (v *rules) nameserverTargets() map[string]bool {
	targets := make(map[string]bool)
	for _, r := range v.items {
		if r.rtype != dns.TypeNS {
			continue
		}
		if key, inside := AppendKey(nil, v.data(r), v.apex); inside {
			targets[string(key)] = true
		}
	}
	return targets
}
