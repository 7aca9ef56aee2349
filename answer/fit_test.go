package answer

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"gslb/internal/wire"
)

// TestAppendWithinLimit asks for replies of every kind of content at every limit there is, and
// holds what is sent to the rules of what may be left out.
func TestAppendWithinLimit(t *testing.T) {
	var more strings.Builder
	for i := range 20 {
		fmt.Fprintf(&more, "wide NS ns%d.wide\nns%d.wide A 192.0.2.%d\nns%d.wide AAAA 2001:db8::%x\n", i, i, i, i, i)
		fmt.Fprintf(&more, "wide NS out%d\nout%d A 192.0.2.%d\n", i, i, i)
		fmt.Fprintf(&more, "mx MX %d out%d\n", i, i)
		fmt.Fprintf(&more, "long TXT \"%d%s\"\n", i, strings.Repeat("x", 50))
	}
	table := compile(parse(t, strings.Replace(worldText, "records = '''", "records = '''\n"+more.String(), 1)))
	for _, asked := range []struct {
		qname string
		qtype uint16
	}{
		{"x.wide.gslb.example.com.", dns.TypeA},
		{"mx.gslb.example.com.", dns.TypeMX},
		{"long.gslb.example.com.", dns.TypeTXT},
		{"gslb.example.com.", dns.TypeNS},
		{"x.y.dn.gslb.example.com.", dns.TypeA},
		{"nope.gslb.example.com.", dns.TypeA},
	} {
		q := newPackedQuestion(t, asked.qname, asked.qtype)
		whole := unpackSections(t, slices.Clone(q.run(t, table)))
		seen := make(map[Fit]bool)
		for limit := len(q.msg); limit <= len(whole.packed); limit++ {
			clear(q.msg[wire.OffANCount:wire.HeaderSize])
			packed, fit := q.lookup.Append(q.msg, limit)
			if len(packed) > limit {
				t.Fatalf("%s: %d bytes, of %d", asked.qname, len(packed), limit)
			}
			checkFit(t, whole, unpackSections(t, packed), fit, limit)
			seen[fit] = true
		}
		if !seen[Whole] || !seen[Truncated] {
			t.Errorf("%s: fits %v", asked.qname, seen)
		}
	}
}

// sections are the records of a packed message.
type sections struct {
	dns.Msg
	packed []byte
}

func unpackSections(t *testing.T, packed []byte) sections {
	t.Helper()
	s := sections{packed: packed}
	if err := s.Unpack(packed); err != nil {
		t.Fatalf("%v: %x", err, packed)
	}
	return s
}

// checkFit holds a reply to the one without a limit.
func checkFit(t *testing.T, whole, got sections, fit Fit, limit int) {
	t.Helper()
	name := fmt.Sprintf("%s of %d bytes", whole.Question[0].Name, limit)
	if len(got.Answer)+len(got.Ns) == 0 {
		if fit != Truncated || len(got.Extra) > 0 {
			t.Fatalf("%s: nothing but %d additional records, fit %d", name, len(got.Extra), fit)
		}
		return
	}
	if !slices.Equal(inOrder(whole.Answer), inOrder(got.Answer)) || !slices.Equal(inOrder(whole.Ns), inOrder(got.Ns)) {
		t.Fatalf("%s: a part of answer and authority:\n%v", name, &got.Msg)
	}
	kept, all := inOrder(got.Extra), inOrder(whole.Extra)
	if !slices.Equal(all[:len(kept)], kept) {
		t.Fatalf("%s: additional:\n%v\nwant a beginning of\n%v", name, kept, all)
	}
	dropped := whole.Extra[len(kept):]
	if len(dropped) > 0 && len(kept) > 0 && sameSet(dropped[0], got.Extra[len(kept)-1]) {
		t.Errorf("%s: an RRset is split at %v", name, dropped[0])
	}
	want := Whole
	for _, rr := range dropped {
		want = max(want, Shortened)
		for _, ns := range got.Ns {
			if ns, ok := ns.(*dns.NS); ok && strings.EqualFold(ns.Ns, rr.Header().Name) && dns.IsSubDomain(ns.Hdr.Name, ns.Ns) {
				want = Truncated
			}
		}
	}
	if fit != want {
		t.Errorf("%s: fit %d without %v, want %d", name, fit, inOrder(dropped), want)
	}
}

func sameSet(a, b dns.RR) bool {
	return a.Header().Name == b.Header().Name && a.Header().Rrtype == b.Header().Rrtype
}

// inOrder is texts without its order.
func inOrder(rrs []dns.RR) []string {
	var lines []string
	for _, rr := range rrs {
		lines = append(lines, rr.String())
	}
	return lines
}
