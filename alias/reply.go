package alias

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

const (
	// maxHops bounds a chain of CNAMEs, as resolvers do.
	maxHops = 16

	// maxAddresses bounds the addresses of a name in one family. Each is probed by each check of its
	// pool, so that one reply could otherwise make thousands of targets. With so many, a reply of this
	// server needs TCP already.
	maxAddresses = 64
)

// kind is what can be told from a reply, or from a whole look-up.
type kind int

const (
	failed    kind = iota // nothing
	found                 // the addresses
	nothing               // that there are none
	elsewhere             // that the addresses are another name's, which the reply does not tell
)

// said is what a reply, or a whole look-up, says of one name and one type.
type said struct {
	kind      kind
	addresses []netip.Addr  // found: sorted, each once, from 1 to maxAddresses
	ttl       time.Duration // not failed: how long it may be kept
	target    string        // elsewhere: the name to be asked for
	hops      int           // elsewhere: how long the chain is by now
	reason    string        // one word, for metrics
	detail    string        // for the log and the page
}

func failure(reason, format string, args ...any) said {
	return said{reason: reason, detail: fmt.Sprintf(format, args...)}
}

// read makes of a reply what it says. hops is how long the chain of CNAMEs that led to the question is.
//
//	the reply is        │ at the end of the chain │ beside                │ it says
//	────────────────────┼─────────────────────────┼───────────────────────┼──────────────────────────
//	truncated           │ any                     │                       │ nothing can be told
//	neither of below    │ any                     │                       │ nothing can be told
//	NOERROR or NXDOMAIN │ no end: a circle, or    │                       │ nothing can be told
//	                    │ longer than maxHops     │                       │
//	NOERROR             │ addresses               │                       │ the addresses
//	NOERROR             │ only ones that no       │                       │ nothing can be told
//	                    │ client can use          │                       │
//	NOERROR             │ none, of another name   │ no SOA of its zone    │ ask for that name
//	NOERROR             │ none                    │ NS, no SOA: referral  │ nothing can be told: lame
//	NOERROR             │ none                    │ neither AA nor RA     │ nothing can be told: lame
//	NOERROR             │ none                    │ AA or RA              │ there are none: NODATA
//	NXDOMAIN            │ addresses               │                       │ nothing can be told
//	NXDOMAIN            │ none                    │ neither AA nor RA     │ nothing can be told: lame
//	NXDOMAIN            │ none                    │ AA or RA              │ there are none: NXDOMAIN
//
// The code of a reply is that of the end of the chain (RFC 6604, section 3). The two forms of NODATA, with
// an SOA record and without, and the referral, which has no SOA either, are those of RFC 2308,
// section 2.2. A server that has neither the name nor recursion can't know that there is nothing.
func read(q dns.Question, hops int, reply *dns.Msg) said {
	if reply.Truncated {
		return failure("truncated", "the reply is truncated")
	}
	if reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeNameError {
		code, known := dns.RcodeToString[reply.Rcode]
		if !known {
			return failure("rcode", "response code %d", reply.Rcode)
		}
		return failure(strings.ToLower(code), "%s", code)
	}
	c, fault := follow(q, hops, reply.Answer)
	if fault != nil {
		return *fault
	}
	exists := reply.Rcode == dns.RcodeSuccess
	soa, referral := authority(c.end, reply.Ns)
	switch {
	case !exists && c.records > 0:
		return failure("malformed", "NXDOMAIN with addresses")
	case len(c.addresses) > 0:
		return c.found()
	case c.records > 0:
		return failure("unusable", "%s has only addresses that no client can use", c.end)
	case exists && c.end != dns.CanonicalName(q.Name) && soa == nil:
		return said{kind: elsewhere, target: c.end, hops: c.hops, ttl: c.ttl, reason: "cname", detail: "an alias of " + c.end}
	case exists && soa == nil && referral:
		return failure("lame", "a referral: the server does no recursion for this host")
	case !reply.Authoritative && !reply.RecursionAvailable:
		return failure("lame", "neither an authoritative reply nor one of a resolver")
	}
	none := said{kind: nothing, reason: "nodata", detail: "NODATA"}
	if !exists {
		none.reason, none.detail = "nxdomain", "NXDOMAIN"
	}
	if c.end != dns.CanonicalName(q.Name) {
		none.detail += " for " + c.end
	}
	if soa != nil { // otherwise it must not be kept at all (RFC 2308, section 5)
		none.ttl = min(c.ttl, ttl(soa.Hdr.Ttl), ttl(soa.Minttl))
	}
	return none
}

// chain is what the answer section of a reply holds of one name: the CNAMEs that lead from it, and
// the addresses at their end.
type chain struct {
	end       string // lower case
	hops      int
	ttl       time.Duration // the lowest
	records   int           // of addresses at the end
	addresses []netip.Addr  // those that clients can use, sorted, each once
}

// longest is the highest TTL (RFC 2181, section 8).
const longest = (1<<31 - 1) * time.Second

// follow follows the chain from the question's name. Records that do not belong to it are ignored.
func follow(q dns.Question, hops int, answer []dns.RR) (chain, *said) {
	c := chain{end: dns.CanonicalName(q.Name), hops: hops, ttl: longest}
	targets := map[string]*dns.CNAME{}
	for _, record := range answer {
		alias, ok := record.(*dns.CNAME)
		if !ok || alias.Hdr.Class != dns.ClassINET {
			continue
		}
		owner := dns.CanonicalName(alias.Hdr.Name)
		if other := targets[owner]; other != nil && dns.CanonicalName(other.Target) != dns.CanonicalName(alias.Target) {
			return c, new(failure("malformed", "%s has two CNAMEs", owner))
		}
		targets[owner] = alias
	}
	for alias := targets[c.end]; alias != nil; alias = targets[c.end] {
		if c.hops++; c.hops > maxHops {
			return c, new(failure("chain", "the chain of CNAMEs is a circle, or longer than %d", maxHops))
		}
		c.end, c.ttl = dns.CanonicalName(alias.Target), min(c.ttl, ttl(alias.Hdr.Ttl))
	}
	for _, record := range answer {
		head := record.Header()
		if head.Class != dns.ClassINET || head.Rrtype != q.Qtype || dns.CanonicalName(head.Name) != c.end {
			continue
		}
		c.records++
		c.ttl = min(c.ttl, ttl(head.Ttl))
		if addr, ok := address(record); ok {
			c.addresses = append(c.addresses, addr)
		}
	}
	slices.SortFunc(c.addresses, netip.Addr.Compare) // resolvers rotate them
	c.addresses = slices.Compact(c.addresses)
	return c, nil
}

func (c chain) found() said {
	s := said{kind: found, addresses: c.addresses, ttl: c.ttl, reason: "addresses", detail: fmt.Sprintf("%d found", len(c.addresses))}
	if len(c.addresses) > maxAddresses {
		s.addresses = c.addresses[:maxAddresses:maxAddresses]
		s.detail = fmt.Sprintf("%d found, of which %d are used", len(c.addresses), maxAddresses)
	}
	return s
}

// address is the address of a record, if a client can use it.
func address(record dns.RR) (addr netip.Addr, ok bool) {
	switch r := record.(type) {
	case *dns.A:
		addr, _ = netip.AddrFromSlice(r.A)
		addr = addr.Unmap() // package net keeps IPv4 in either form
	case *dns.AAAA:
		addr, _ = netip.AddrFromSlice(r.AAAA)
	}
	return addr, usable(addr)
}

// usable reports whether an address could be that of a member: the same rule as for one in the
// configuration.
func usable(addr netip.Addr) bool {
	return addr.IsValid() && addr.Zone() == "" && !addr.Is4In6() && !addr.IsUnspecified() && !addr.IsMulticast() &&
		addr != netip.AddrFrom4([4]byte{255, 255, 255, 255}) // RFC 919, section 7
}

// authority looks into the authority section for the SOA of the zone of a name, and otherwise for a
// referral.
func authority(name string, section []dns.RR) (soa *dns.SOA, referral bool) {
	for _, record := range section {
		switch r := record.(type) {
		case *dns.SOA:
			if dns.IsSubDomain(r.Hdr.Name, name) {
				soa = r
			}
		case *dns.NS:
			referral = true
		}
	}
	return soa, referral
}

// ttl is that of a record. A value with the highest bit set counts as zero (RFC 2181, section 8).
func ttl(seconds uint32) time.Duration {
	if seconds > 1<<31-1 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
