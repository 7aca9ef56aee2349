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
	return piece{wireName(t, apex), records.RRset{Type: dns.TypeSOA, Count: 1, Records: append(record, data...)}}
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
