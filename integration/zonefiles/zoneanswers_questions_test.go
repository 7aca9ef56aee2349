//go:build integration

package zonefiles

import (
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// askedTypes are asked for at every name, besides those that are in the zone.
var askedTypes = []uint16{
	dns.TypeA, dns.TypeAAAA, dns.TypeNS, dns.TypeSOA, dns.TypeCNAME, dns.TypeDNAME, dns.TypeMX,
	dns.TypeTXT, dns.TypeDS, dns.TypeSRV, dns.TypeHTTPS, dns.TypeCAA,
}

// questions are all names in and around a zone with all types. If there is a limit, they are
// those that the zone has records for, and some of the others at random. Every second one has
// EDNS, and some are asked over TCP or in capitals. They are the same in every run.
func (z *answerZone) questions() []question {
	seed := fnv.New64()
	_, _ = seed.Write([]byte(z.origin))
	random := rand.New(rand.NewPCG(randomSeed, seed.Sum64()))

	records := z.records()
	types := map[uint16]bool{}
	for _, t := range askedTypes {
		types[t] = true
	}
	there := map[question]bool{}
	for _, rr := range records {
		if t := rr.Header().Rrtype; !asksOtherwise(t) {
			types[t] = true
			there[question{name: strings.ToLower(rr.Header().Name), qtype: t}] = true
		}
	}
	var questions []question
	for _, name := range aroundZone(z.origin, records) {
		for _, t := range slices.Sorted(maps.Keys(types)) {
			questions = append(questions, question{name: name, qtype: t})
		}
	}
	random.Shuffle(len(questions), func(i, j int) { questions[i], questions[j] = questions[j], questions[i] })
	if z.limit > 0 && len(questions) > z.limit {
		slices.SortStableFunc(questions, func(a, b question) int { return order(there[b]) - order(there[a]) })
		questions = questions[:z.limit]
	}
	someOverTCP := random.IntN(4) == 0
	for i := range questions {
		q := &questions[i]
		q.edns = random.IntN(2) == 0
		q.tcp = someOverTCP && random.IntN(8) == 0
		if random.IntN(8) == 0 {
			q.name = strings.ToUpper(q.name)
		}
	}
	return questions
}

// order puts what is false before what is true.
func order(b bool) int {
	if b {
		return 1
	}
	return 0
}

// asksOtherwise says whether a type in a question means something else than that type of data
// (RFC 6895, section 3.1): ANY and AXFR, which have tests of their own, among them.
func asksOtherwise(t uint16) bool { return t == dns.TypeOPT || t >= 128 && t <= 255 }

// records are those of the zone's file, as far as the parser of the test can read it, and not
// all of a large one: what is left out is not asked for by name.
func (z *answerZone) records() []dns.RR {
	const enough = 1000
	file, err := os.Open(z.path)
	if err != nil {
		return nil
	}
	defer file.Close()
	parser := dns.NewZoneParser(file, z.origin, z.path)
	parser.SetIncludeAllowed(true)
	parser.SetDefaultTTL(1)
	var records []dns.RR
	for rr, ok := parser.Next(); ok && len(records) < enough; rr, ok = parser.Next() {
		records = append(records, rr)
	}
	return records
}

// aroundZone returns the names that a zone may treat differently: each owner and target, what
// is above, beside and below it, and where a DNAME leads to.
func aroundZone(origin string, records []dns.RR) []string {
	names := map[string]bool{}
	add := func(name string) {
		if _, err := dns.PackDomainName(name, make([]byte, 256), 0, nil, false); err == nil {
			names[name] = true
		}
	}
	around := func(name string) {
		if !dns.IsSubDomain(origin, name) {
			return
		}
		for _, below := range []string{"", "q.", "q.r.", "*.", "ns.", "a."} {
			add(below + name)
		}
		for name != origin {
			name = parentOf(name)
			add(name)
			add("q." + name)
		}
	}
	add(parentOf(origin))
	around(origin)
	for _, rr := range records {
		owner := strings.ToLower(rr.Header().Name)
		around(owner)
		if target := targetOf(rr); target != "" {
			around(strings.ToLower(target))
		}
		if dname, ok := rr.(*dns.DNAME); ok {
			for _, below := range namesBelow(strings.ToLower(dname.Target), records) {
				add(below + owner)
			}
			// Some of these make the target too long, and some only just.
			for _, n := range []int{13, 14, 63} {
				add(strings.Repeat("l", n) + "." + owner)
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// namesBelow returns the owners below a name, without it.
func namesBelow(name string, records []dns.RR) []string {
	var prefixes []string
	for _, rr := range records {
		owner := strings.ToLower(rr.Header().Name)
		if prefix, ok := strings.CutSuffix(owner, "."+name); ok {
			prefixes = append(prefixes, prefix+".")
		}
	}
	return prefixes
}

func parentOf(name string) string {
	if next, end := dns.NextLabel(name, 0); !end {
		return name[next:]
	}
	return "."
}

// targetOf is the name that a record's data leads to, if there is one.
func targetOf(rr dns.RR) string {
	switch rr := rr.(type) {
	case *dns.NS:
		return rr.Ns
	case *dns.CNAME:
		return rr.Target
	case *dns.DNAME:
		return rr.Target
	case *dns.MX:
		return rr.Mx
	case *dns.SRV:
		return rr.Target
	case *dns.HTTPS:
		return rr.Target
	case *dns.SVCB:
		return rr.Target
	}
	return ""
}
