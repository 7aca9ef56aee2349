//go:build integration

package zonefiles

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

const (
	randomSeed      = 20260101
	randomCount     = 2000
	randomQuestions = 24 // of each zone
)

// randomZones makes small zones from few labels, so that wildcards, delegations, DNAMEs and
// aliases meet each other in every order. They are the same in every run.
func randomZones() []answerZone {
	zones := make([]answerZone, randomCount)
	for i := range zones {
		g := generator{Rand: rand.New(rand.NewPCG(randomSeed, uint64(i))), data: map[string][]string{}}
		zones[i] = answerZone{
			corpusFile: corpusFile{name: fmt.Sprintf("random %d", i), text: g.zone()},
			origin:     fmt.Sprintf("r%d.random.test.", i),
			limit:      randomQuestions,
		}
	}
	return zones
}

// generator makes one zone that every server takes.
type generator struct {
	*rand.Rand
	data map[string][]string // records by owner, both relative to the zone
}

func (g *generator) zone() string {
	for range 3 + g.IntN(7) {
		g.node(g.owner())
	}
	g.prune()

	var text strings.Builder
	fmt.Fprint(&text, "$TTL 300\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 192.0.2.53\n")
	for _, owner := range slices.Sorted(maps.Keys(g.data)) {
		for _, record := range g.data[owner] {
			fmt.Fprintf(&text, "%s %s\n", owner, record)
		}
	}
	return text.String()
}

// owner is one to three labels, of which few exist.
func (g *generator) owner() string {
	labels := make([]string, 1+g.IntN(3))
	for i := range labels {
		labels[i] = g.pick("a", "b", "c", "*")
	}
	return strings.Join(labels, ".")
}

func (g *generator) pick(of ...string) string { return of[g.IntN(len(of))] }

// target is a name that may or may not exist.
func (g *generator) target() string {
	switch g.IntN(8) {
	case 0:
		return "host.example.net."
	case 1:
		return "@"
	case 2:
		return "ns"
	case 3:
		return "x." + g.owner()
	default:
		return g.owner()
	}
}

// node adds the records of one owner, unless it has some already.
func (g *generator) node(owner string) {
	if g.data[owner] != nil {
		return
	}
	switch n := g.IntN(20); {
	case n < 4:
		g.data[owner] = []string{"CNAME " + g.target()}
	case n < 7:
		g.data[owner] = []string{"DNAME " + g.target()}
		if g.IntN(3) == 0 {
			g.data[owner] = append(g.data[owner], g.address())
		}
	case n < 10:
		g.delegation(owner)
	default:
		for range 1 + g.IntN(3) {
			if record := g.record(); !slices.Contains(g.data[owner], record) {
				g.data[owner] = append(g.data[owner], record)
			}
		}
	}
}

func (g *generator) record() string {
	switch g.IntN(7) {
	case 0:
		return "TXT " + g.pick("a", "b")
	case 1:
		return "MX 10 " + g.target()
	case 2:
		return "SRV 0 0 53 " + g.target()
	case 3:
		return "HTTPS 1 " + strings.ReplaceAll(g.target(), "@", ".")
	case 4:
		return "AAAA 2001:db8::" + g.pick("1", "2")
	default:
		return g.address()
	}
}

func (g *generator) address() string { return "A 192.0.2." + g.pick("1", "2", "3") }

// delegation adds nameservers, and the addresses of those that need them.
func (g *generator) delegation(owner string) {
	for range 1 + g.IntN(2) {
		server := "ns." + owner
		switch g.IntN(5) {
		case 0:
			server = "ns"
		case 1:
			server = "ns.example.net."
		case 2:
			// Within another delegation, if that happens to be one.
			server = "ns." + g.owner()
		}
		record := "NS " + server
		if slices.Contains(g.data[owner], record) {
			continue
		}
		g.data[owner] = append(g.data[owner], record)
		if strings.Count(server, ".") > 0 && !strings.HasSuffix(server, ".") {
			g.data[server] = []string{"A 192.0.2.53"}
		}
	}
	if g.IntN(4) == 0 {
		g.data[owner] = append(g.data[owner], "DS 60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118")
	}
}

// prune takes out what stands below a DNAME, which nobody loads, and with it the delegations
// that lose an address.
func (g *generator) prune() {
	below := func(owner string) bool {
		for {
			_, parent, found := strings.Cut(owner, ".")
			if !found {
				return false
			}
			if slices.ContainsFunc(g.data[parent], func(r string) bool { return strings.HasPrefix(r, "DNAME ") }) {
				return true
			}
			owner = parent
		}
	}
	for owner := range maps.Clone(g.data) {
		if below(owner) {
			delete(g.data, owner)
		}
	}
	for owner, records := range g.data {
		lame := func(record string) bool {
			server, isNS := strings.CutPrefix(record, "NS ")
			return isNS && server != "ns" && !strings.HasSuffix(server, ".") && g.data[server] == nil
		}
		if slices.ContainsFunc(records, lame) {
			delete(g.data, owner)
		}
	}
}
