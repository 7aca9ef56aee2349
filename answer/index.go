package answer

import (
	"cmp"
	"slices"

	"github.com/miekg/dns"

	"gslb/zones"
)

// index is the static part of a table: which names exist, and their records. It depends
// on the configuration alone, so that all tables of one configuration share it.
type index struct {
	zones map[string]*zone // by wire name
	names [][]*zones.Name  // by Steering.Index: the names steered so
}

// zone is one zone's tree of names, flattened: every name that exists, the empty
// non-terminals (RFC 8020) included, is a node.
type zone struct {
	name     string           // fully qualified, lower case
	negative *dns.SOA         // the SOA as negative answers carry it
	nodes    map[string]*node // by wire name
}

// node is one name that exists.
type node struct {
	sets     []rrset // by type
	steering int     // Steering.Index of a steered name; otherwise -1
	cut      bool    // a delegation: NS below the apex (RFC 1034, section 4.2)
	dname    *dns.DNAME
	wildcard *node // the child "*" (RFC 4592)
}

// rrset is the records of one type at one name.
type rrset struct {
	rtype   uint16
	records []dns.RR
}

// static returns the node's records of one type; none for a nil node.
func (n *node) static(rtype uint16) []dns.RR {
	if n == nil {
		return nil
	}
	i, found := slices.BinarySearchFunc(n.sets, rtype, func(s rrset, t uint16) int { return cmp.Compare(s.rtype, t) })
	if !found {
		return nil
	}
	return n.sets[i].records
}

// add puts a record into the node's set of its type.
func (n *node) add(rr dns.RR) {
	rtype := rr.Header().Rrtype
	i, found := slices.BinarySearchFunc(n.sets, rtype, func(s rrset, t uint16) int { return cmp.Compare(s.rtype, t) })
	if !found {
		n.sets = slices.Insert(n.sets, i, rrset{rtype: rtype})
	}
	n.sets[i].records = append(n.sets[i].records, rr)
}

// newIndex builds the index of a validated configuration.
func newIndex(set *zones.Set) *index {
	ix := &index{
		zones: make(map[string]*zone, len(set.Zones)),
		names: make([][]*zones.Name, len(set.Steerings)),
	}
	for _, z := range set.Zones {
		apex, ok := parseName(z.Name)
		if !ok {
			continue // zones.Load lets no such name pass
		}
		ix.zones[string(apex.bytes())] = newZone(z, &apex)
		for _, steered := range z.Names {
			at := steered.Steering.Index
			ix.names[at] = append(ix.names[at], steered)
		}
	}
	return ix
}

func newZone(config *zones.Zone, apex *name) *zone {
	z := &zone{name: config.Name, nodes: make(map[string]*node, config.Data.Len()+len(config.Names))}
	for rr := range config.Data.RRs() {
		n := z.ensure(rr.Header().Name, apex)
		if n == nil {
			continue
		}
		n.add(rr)
		switch rr := rr.(type) {
		case *dns.SOA:
			z.negative = negativeSOA(rr)
		case *dns.DNAME:
			n.dname = rr
		}
	}
	for _, steered := range config.Names {
		if n := z.ensure(steered.Name, apex); n != nil {
			n.steering = steered.Steering.Index
		}
	}
	top := z.nodes[string(apex.bytes())]
	for _, n := range z.nodes {
		n.cut = n != top && n.static(dns.TypeNS) != nil
	}
	return z
}

// negativeSOA is the SOA with the TTL of a negative answer: the lesser of its own and its
// minimum field (RFC 2308, section 3).
func negativeSOA(soa *dns.SOA) *dns.SOA {
	negative := *soa
	negative.Hdr.Ttl = min(soa.Hdr.Ttl, soa.Minttl)
	return &negative
}

// ensure returns the node of an owner name, made with all its ancestors up to the apex
// where they are not there yet; nil for a name outside the zone.
func (z *zone) ensure(owner string, apex *name) *node {
	w, ok := parseName(owner)
	if !ok || !w.within(apex) {
		return nil
	}
	var wanted, child *node
	for i := 0; i <= w.labels-apex.labels; i++ {
		key := w.suffix(i)
		n, exists := z.nodes[string(key)]
		if !exists {
			n = &node{steering: -1}
			z.nodes[string(key)] = n
		}
		if i == 0 {
			wanted = n
		} else if w.isWildcard(i - 1) {
			n.wildcard = child
		}
		if exists {
			break // its ancestors exist too
		}
		child = n
	}
	return wanted
}
