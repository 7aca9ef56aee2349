package answer

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"gslb/internal/wire"
)

// packedQuestion is a question that is asked the packed way, any number of times.
type packedQuestion struct {
	lookup Lookup
	msg    []byte // header and question
	name   wire.Name
	qtype  uint16
}

func newPackedQuestion(t testing.TB, qname string, qtype uint16) *packedQuestion {
	t.Helper()
	buf := make([]byte, dns.MaxMsgSize)
	end, err := dns.PackDomainName(qname, buf, wire.HeaderSize, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	buf[wire.OffQDCount+1] = 1
	return &packedQuestion{msg: append(buf[:end], byte(qtype>>8), byte(qtype), 0, dns.ClassINET), qtype: qtype}
}

func (q *packedQuestion) run(t testing.TB, table *Table) []byte {
	end, ok := q.name.Read(q.msg, wire.HeaderSize)
	if !ok {
		t.Fatal("no name")
	}
	q.lookup.Run(table, q.msg[wire.HeaderSize:end], &q.name, q.qtype)
	msg, fit := q.lookup.Append(q.msg, dns.MaxMsgSize)
	if fit != Whole {
		t.Fatal("does not fit")
	}
	return msg
}

// TestPackedAsRecords asks all that the look-up tests ask and more, and holds the packed
// sections to those that package dns would make of the same.
func TestPackedAsRecords(t *testing.T) {
	table := compile(parse(t, worldText))
	for _, qname := range everyName(table) {
		for _, qtype := range []uint16{
			dns.TypeA, dns.TypeAAAA, dns.TypeNS, dns.TypeSOA, dns.TypeMX, dns.TypeTXT, dns.TypeCNAME,
			dns.TypeDNAME, dns.TypeDS, dns.TypeSRV, dns.TypeHTTPS, dns.TypeANY,
		} {
			comparePacked(t, table, qname, qtype)
		}
	}
}

func comparePacked(t testing.TB, table *Table, qname string, qtype uint16) {
	t.Helper()
	q := newPackedQuestion(t, qname, qtype)
	l, msg := &q.lookup, q.run(t, table)
	var got dns.Msg
	if err := got.Unpack(msg); err != nil {
		t.Fatalf("%s %s: %v\n%x", qname, dns.Type(qtype), err, msg)
	}
	want := table.Lookup(qname, qtype)
	if l.Rcode() != want.Rcode || l.Authoritative() != want.Authoritative || l.Zone() != want.Zone {
		t.Errorf("%s %s: got %d %t %q, want %d %t %q", qname, dns.Type(qtype), l.Rcode(), l.Authoritative(),
			l.Zone(), want.Rcode, want.Authoritative, want.Zone)
	}
	for _, section := range []struct {
		name      string
		got, want []dns.RR
	}{{"answer", got.Answer, want.Answer}, {"authority", got.Ns, want.Authority}, {"additional", got.Extra, want.Additional}} {
		if diff := cmp.Diff(lines(section.want), lines(section.got)); diff != "" {
			t.Errorf("%s %s: %s (-records +packed):\n%s", qname, dns.Type(qtype), section.name, diff)
		}
	}
	reference := dns.Msg{Compress: true, Question: got.Question, Answer: want.Answer, Ns: want.Authority, Extra: want.Additional}
	if size := reference.Len(); len(msg) > size && l.denial == nil { // which is compressed once for all names
		t.Errorf("%s %s: %d bytes, %d by package dns", qname, dns.Type(qtype), len(msg), size)
	}
}

// lines writes records in their order, without the case of their letters, which compression
// may take from another name.
func lines(rrs []dns.RR) []string {
	var list []string
	for _, rr := range rrs {
		rr.Header().Rdlength = 0
		list = append(list, strings.ToLower(rr.String()))
	}
	return list
}

// everyName is every name in a table, and names beside, below and above it.
func everyName(table *Table) []string {
	var list []string
	for _, z := range table.index.zones {
		for i := range z.nodes {
			owner, _, _ := dns.UnpackDomainName(z.ownerOf(&z.nodes[i]), 0)
			list = append(list, owner, "x."+owner, "x.y."+owner, strings.ToUpper(owner))
			if _, parent, ok := strings.Cut(owner, "."); ok && parent != "" {
				list = append(list, "beside."+parent)
			}
		}
	}
	return list
}

func TestAppendAllocatesNothing(t *testing.T) {
	table := compile(parse(t, worldText))
	for _, q := range []struct {
		name  string
		qtype uint16
	}{
		{"app.gslb.example.com.", dns.TypeA},
		{"app.gslb.example.com.", dns.TypeMX},
		{"nope.gslb.example.com.", dns.TypeA},
		{"a.b.c.d.nope.gslb.example.com.", dns.TypeA},
		{"gslb.example.com.", dns.TypeNS},
		{"gslb.example.com.", dns.TypeMX},
		{"gslb.example.com.", dns.TypeSOA},
		{"x.cut.gslb.example.com.", dns.TypeA},
		{"x.wild.gslb.example.com.", dns.TypeTXT},
		{"tostatic.gslb.example.com.", dns.TypeA},
		{"x.y.dn.gslb.example.com.", dns.TypeA},
		{"svc.gslb.example.com.", dns.TypeSRV},
		{"web.gslb.example.com.", dns.TypeHTTPS},
		{"www.example.net.", dns.TypeA},
	} {
		asked := newPackedQuestion(t, q.name, q.qtype)
		run := func() { asked.run(t, table) }
		run() // warm
		if n := testing.AllocsPerRun(100, run); n != 0 {
			t.Errorf("%s %s: %v allocations", q.name, dns.Type(q.qtype), n)
		}
	}
}
