package answer

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"pgregory.net/rapid"

	"gslb/internal/wire"
	"gslb/zones/records"
)

// packedQuestion is a question that is asked the packed way, any number of times.
type packedQuestion struct {
	lookup Lookup
	msg    []byte // header and question
	name   wire.Name
	qtype  uint16
	client Client
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
	q.lookup.Run(table, q.client, q.msg[wire.HeaderSize:end], &q.name, q.qtype)
	msg, fit := q.lookup.Append(q.msg, dns.MaxMsgSize)
	if fit != Whole {
		t.Fatal("does not fit")
	}
	return msg
}

// TestPackedAsRecords asks all that the look-up tests ask and more, and holds the packed
// sections to those that package dns would make of the same.
func TestPackedAsRecords(t *testing.T) {
	for name, table := range map[string]*Table{"records": compile(parse(t, worldText)), "steered": compile(parse(t, steeredText))} {
		t.Run(name, func(t *testing.T) {
			for _, qname := range everyName(table) {
				for _, qtype := range []uint16{
					dns.TypeA, dns.TypeAAAA, dns.TypeNS, dns.TypeSOA, dns.TypeMX, dns.TypeTXT, dns.TypeCNAME,
					dns.TypeDNAME, dns.TypeDS, dns.TypeSRV, dns.TypeHTTPS, dns.TypeANY,
				} {
					comparePacked(t, table, qname, qtype)
				}
			}
		})
	}
	many := manyTable(t)
	for _, name := range []string{"rotate", "three", "fixed3", "all", "huge"} {
		comparePacked(t, many, name+".gslb.example.com.", dns.TypeA)
	}
}

func comparePacked(t testing.TB, table *Table, qname string, qtype uint16) {
	t.Helper()
	q := newPackedQuestion(t, qname, qtype)
	q.lookup.seed = uint64(len(qname)) // what is drawn is the same for both
	want := table.lookupBy(&Lookup{seed: q.lookup.seed}, Client{}, qname, qtype)
	l, msg := &q.lookup, q.run(t, table)
	var got dns.Msg
	if err := got.Unpack(msg); err != nil {
		t.Fatalf("%s %s: %v\n%x", qname, dns.Type(qtype), err, msg)
	}
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
		list = append(list, strings.ToLower(readable(rr)))
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

// wireName packs a name.
func wireName(t testing.TB, text string) []byte {
	t.Helper()
	n, ok := wire.ParseName(text)
	if !ok {
		t.Fatalf("%s is no name", text)
	}
	return append([]byte(nil), n.Bytes()...)
}

// soaPiece is an SOA record, of an apex, as a zone has it.
func soaPiece(t testing.TB, apex, ns, mailbox string) piece {
	t.Helper()
	data := append(wireName(t, ns), wireName(t, mailbox)...)
	for _, n := range []uint32{1, 3600, 600, 86400, 5} {
		data = binary.BigEndian.AppendUint32(data, n)
	}
	record := binary.BigEndian.AppendUint16([]byte{0xc0, wire.HeaderSize}, dns.TypeSOA)
	record = binary.BigEndian.AppendUint16(record, dns.ClassINET)
	record = binary.BigEndian.AppendUint32(record, 5)
	record = binary.BigEndian.AppendUint16(record, uint16(len(data)))
	return piece{owner: wireName(t, apex), RRset: records.RRset{Type: dns.TypeSOA, Count: 1, Records: append(record, data...)}}
}

// TestMovable appends the same section behind questions for any name below the apex, and
// holds it to what was packed.
func TestMovable(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		apex := rapid.SampledFrom([]string{".", "org.", "gslb.example.com."}).Draw(rt, "apex")
		hosts := []string{"ns1." + strings.TrimPrefix(apex, "."), "example.com.", "a.b.c.example.net.", "com.", apex}
		ns := rapid.SampledFrom(hosts).Draw(rt, "name server")
		mailbox := rapid.SampledFrom(append(hosts, "hostmaster."+strings.TrimPrefix(ns, "."))).Draw(rt, "mailbox")
		soa := soaPiece(t, apex, ns, mailbox)
		m := newMovable(soa.owner, soa)

		labels := rapid.SliceOfN(rapid.StringMatching(`[a-zA-Z]{1,20}`), 0, 6).Draw(rt, "labels")
		qname := strings.Join(append(labels, strings.TrimPrefix(apex, ".")), ".")
		if len(labels) == 0 {
			qname = apex
		}
		q := newPackedQuestion(t, dns.Fqdn(qname), dns.TypeA)
		size := len(q.msg) - wire.HeaderSize - 4
		msg, fit := m.append(q.msg, size, dns.MaxMsgSize)
		if fit != Whole {
			rt.Fatal("it does not fit")
		}
		var got dns.Msg
		if err := got.Unpack(msg); err != nil {
			rt.Fatalf("%v: %x", err, msg)
		}
		want := []string{strings.ToLower(dns.Fqdn(apex)) + " 5 IN SOA " + ns + " " + mailbox + " 1 3600 600 86400 5"}
		if diff := cmp.Diff(want, texts(got.Ns)); diff != "" {
			rt.Errorf("%s (-want +got):\n%s", qname, diff)
		}
		if _, fit := m.append(q.msg, size, len(msg)); fit != Whole {
			rt.Errorf("it does not fit in its own %d bytes", len(msg))
		}
		short, fit := m.append(q.msg, size, len(msg)-1)
		if fit != Truncated || len(short) != len(q.msg) {
			rt.Errorf("%d bytes fit in %d", len(short), len(msg)-1)
		}
	})
}

// TestMovableAsPacked holds negative replies, which carry a section packed once for the
// zone, to what the packer makes of the same.
func TestMovableAsPacked(t *testing.T) {
	table := compile(parse(t, worldText))
	for _, qname := range everyName(table) {
		q := newPackedQuestion(t, qname, dns.TypeNSEC) // of which there is none
		moved := append([]byte(nil), q.run(t, table)...)
		if q.lookup.denial == nil {
			continue
		}
		q.lookup.denial = nil
		packed, fit := q.lookup.Append(q.msg, dns.MaxMsgSize)
		if fit != Whole {
			t.Fatal("does not fit")
		}
		var got, want dns.Msg
		if err := got.Unpack(moved); err != nil {
			t.Fatalf("%s: %v", qname, err)
		}
		if err := want.Unpack(packed); err != nil {
			t.Fatalf("%s: %v", qname, err)
		}
		if diff := cmp.Diff(lines(want.Ns), lines(got.Ns)); diff != "" {
			t.Errorf("%s (-packed +moved):\n%s", qname, diff)
		}
		if len(moved) < len(packed) {
			t.Errorf("%s: %d bytes moved, %d packed", qname, len(moved), len(packed))
		}
	}
}
