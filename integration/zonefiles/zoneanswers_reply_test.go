//go:build integration

package zonefiles

import (
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// reply is what counts of a reply. The records of a section are a set in lower case, since
// neither their order nor the case of their names means anything; and the others say twice what
// a wildcard's CNAME that leads to itself gives.
type reply struct {
	rcode         string
	authoritative bool
	truncated     bool
	question      string // with the case of its letters
	answer        []string
	authority     []string
	additional    []string // without OPT

	wire string // all of it but the id
}

// newReply reads a reply, unless it is the same as one of the others'.
func newReply(wire []byte, others []reply) (reply, error) {
	for _, other := range others {
		if other.wire == string(wire[2:]) {
			return other, nil
		}
	}
	m := new(dns.Msg)
	if err := m.Unpack(wire); err != nil {
		return reply{}, fmt.Errorf("a reply that cannot be read: %w: %x", err, wire)
	}
	r := reply{
		rcode:         dns.RcodeToString[m.Rcode],
		authoritative: m.Authoritative,
		truncated:     m.Truncated,
		answer:        normal(m.Answer),
		authority:     normal(m.Ns),
		additional:    normal(m.Extra),
		wire:          string(wire[2:]),
	}
	if len(m.Question) == 1 {
		r.question = m.Question[0].Name
	}
	return r, nil
}

func normal(section []dns.RR) []string {
	var records []string
	for _, rr := range section {
		if _, ok := rr.(*dns.OPT); !ok {
			records = append(records, strings.ToLower(strings.Join(strings.Fields(rr.String()), " ")))
		}
	}
	slices.Sort(records)
	return slices.Compact(records)
}

func (r reply) String() string {
	var s strings.Builder
	s.WriteString(r.rcode)
	if r.authoritative {
		s.WriteString(" AA")
	}
	if r.truncated {
		s.WriteString(" TC")
	}
	for _, section := range []struct {
		name    string
		records []string
	}{{"answer", r.answer}, {"authority", r.authority}, {"additional", r.additional}} {
		for _, record := range section.records {
			fmt.Fprintf(&s, "\n    %-10s %s", section.name, record)
		}
	}
	return s.String()
}

// answersLike reports whether two replies have the same response code and answer, whatever TTL
// each makes of those that differ within an RRset.
func (r reply) answersLike(other reply) bool {
	return r.rcode == other.rcode && slices.EqualFunc(r.answer, other.answer, func(a, b string) bool {
		x, y := strings.Fields(a), strings.Fields(b)
		return slices.Equal(slices.Delete(x, 1, 2), slices.Delete(y, 1, 2))
	})
}

// isEndless reports whether an answer is a chain that gslb has cut off. Each server does so at
// another length.
func (r reply) isEndless() bool {
	const longest = 16
	return len(r.answer) > longest
}

// deviates names what of gslb's reply, the last, differs from both others where those are the
// same. Agreed says whether they gave the same answer at all; if not, gslb's has to be that of one
// of them, and nothing else is looked at, for the sections of a reply hang together.
func deviates(nsd, knot, gslb reply) (parts []string, agreed bool) {
	if nsd.rcode != knot.rcode || !slices.Equal(nsd.answer, knot.answer) {
		if !gslb.answersLike(nsd) && !gslb.answersLike(knot) && !gslb.isEndless() {
			parts = []string{"response code or answer, from both"}
		}
		return parts, false
	}
	note := func(part string, differs bool) {
		if differs {
			parts = append(parts, part)
		}
	}
	note("response code", gslb.rcode != nsd.rcode)
	note("answer", !slices.Equal(gslb.answer, nsd.answer))
	note("question", gslb.question != nsd.question && nsd.question == knot.question)
	note("AA", gslb.authoritative != nsd.authoritative && nsd.authoritative == knot.authoritative)
	for _, section := range []struct {
		name            string
		nsd, knot, gslb []string
	}{
		{"authority", nsd.authority, knot.authority, gslb.authority},
		{"additional", nsd.additional, knot.additional, gslb.additional},
	} {
		note(section.name, slices.Equal(section.nsd, section.knot) && !slices.Equal(section.gslb, section.nsd))
	}
	return parts, true
}
