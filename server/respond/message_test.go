package respond

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"

	"gslb/internal/wire"
	"gslb/server/dnstest"
)

// TestMessages pins what becomes of messages that are malformed, or legal but odd.
func TestMessages(t *testing.T) {
	const dropped = "dropped"
	optWith := func(options string) string {
		return dnstest.PlainOPT[:9] + string([]byte{0, byte(len(options))}) + options
	}
	label63 := "\x3f" + strings.Repeat("a", 63)
	tests := []struct {
		name string
		in   []byte
		want string
	}{
		{"nothing", nil, dropped},
		{"eleven bytes", dnstest.Message(0, [4]uint16{})[:11], dropped},
		{"a response", dnstest.Message(0x8000, [4]uint16{1}, dnstest.WWWA), dropped},
		{"a response of another opcode", dnstest.Message(0xa800, [4]uint16{}), dropped},

		{"header alone", dnstest.Message(0, [4]uint16{}), "FORMERR 0/0/0/0"},
		{"no question, with EDNS", dnstest.Message(0x0100, [4]uint16{0, 0, 0, 1}, dnstest.PlainOPT), "FORMERR rd 0/0/0/1 edns0/1232"},
		{"two questions", dnstest.Message(0, [4]uint16{2}, dnstest.WWWA, dnstest.WWWA), "FORMERR 0/0/0/0"},
		{"two questions announced", dnstest.Message(0, [4]uint16{2}, dnstest.WWWA), "FORMERR 0/0/0/0"},
		{"question announced", dnstest.Message(0, [4]uint16{1}), "FORMERR 0/0/0/0"},
		{"question cut in its name", dnstest.Message(0, [4]uint16{1}, dnstest.WWWA[:7]), "FORMERR 0/0/0/0"},
		{"question cut in its class", dnstest.Message(0, [4]uint16{1}, dnstest.WWWA[:len(dnstest.WWWA)-1]), "FORMERR 0/0/0/0"},
		{"question that points to itself", dnstest.Message(0, [4]uint16{1}, "\xc0\x0c\x00\x01\x00\x01"), "FORMERR 0/0/0/0"},
		{"question that points to the header", dnstest.Message(0, [4]uint16{1}, "\xc0\x04\x00\x01\x00\x01"), "FORMERR 0/0/0/0"},
		{"reserved label type", dnstest.Message(0, [4]uint16{1}, "\x41\x00\x00\x00\x01\x00\x01"), "FORMERR 0/0/0/0"},
		{"longest name", dnstest.Message(0, [4]uint16{1}, strings.Repeat(label63, 3), "\x3d", strings.Repeat("a", 61), "\x00\x00\x01\x00\x01"), "REFUSED 1/0/0/0"},
		{"name of 256 bytes", dnstest.Message(0, [4]uint16{1}, strings.Repeat(label63, 3), "\x3e", strings.Repeat("a", 62), "\x00\x00\x01\x00\x01"), "FORMERR 0/0/0/0"},
		{"dots and zero bytes in a label", dnstest.Message(0, [4]uint16{1}, "\x04a.\\\x00\x07example\x03org\x00\x00\x01\x00\x01"), "NXDOMAIN aa 1/0/1/0"},

		{"opcode IQUERY", dnstest.Message(0x0800, [4]uint16{0, 1}, dnstest.ARecord), "NOTIMP opcode=1 0/0/0/0"},
		{"opcode NOTIFY", dnstest.Message(0x2400, [4]uint16{1}, dnstest.WWWA), "NOTIMP opcode=4 0/0/0/0"},
		{"opcode UPDATE", dnstest.Message(0x2800, [4]uint16{1}, dnstest.WWWA), "NOTIMP opcode=5 0/0/0/0"},
		{"opcode STATUS, with EDNS", dnstest.Message(0x1000, [4]uint16{1, 0, 0, 1}, dnstest.WWWA, dnstest.PlainOPT), "NOTIMP opcode=2 0/0/0/1 edns0/1232"},
		{"opcode NOTIFY, with the record that changed and EDNS", dnstest.Message(0x2400, [4]uint16{1, 1, 0, 1}, dnstest.WWWA, dnstest.ARecord, dnstest.PlainOPT), "NOTIMP opcode=4 0/0/0/1 edns0/1232"},
		{"opcode UPDATE, with EDNS of another version", dnstest.Message(0x2800, [4]uint16{1, 0, 0, 1}, dnstest.WWWA, dnstest.PlainOPT[:6]+"\x01"+dnstest.PlainOPT[7:]), "NOTIMP opcode=5 0/0/0/1 edns0/1232"},
		{"opcode 15, with two OPTs", dnstest.Message(0x7800, [4]uint16{0, 0, 0, 2}, dnstest.PlainOPT, dnstest.PlainOPT), "NOTIMP opcode=15 0/0/0/0"},
		{"opcode UPDATE, cut in OPT", dnstest.Message(0x2800, [4]uint16{1, 0, 0, 1}, dnstest.WWWA, dnstest.PlainOPT[:9]), "NOTIMP opcode=5 0/0/0/0"},
		{"opcode 15, nothing else that makes sense", dnstest.Message(0x7fff, [4]uint16{9, 9, 9, 9}, "?"), "NOTIMP opcode=15 0/0/0/0"},

		{"flags and rcode of a response", dnstest.Message(0x06f3, [4]uint16{1}, dnstest.WWWA), "NOERROR aa 1/2/0/0"},
		{"bytes at the end", dnstest.Message(0, [4]uint16{1}, dnstest.WWWA, "garbage"), "NOERROR aa 1/2/0/0"},
		{"an OPT that is not counted", dnstest.Message(0, [4]uint16{1}, dnstest.WWWA, dnstest.PlainOPT), "NOERROR aa 1/2/0/0"},
		{"a record as answer", dnstest.Message(0, [4]uint16{1, 1}, dnstest.WWWA, dnstest.ARecord), "NOERROR aa 1/2/0/0"},
		{"a record beside OPT", dnstest.Message(0, [4]uint16{1, 0, 0, 2}, dnstest.WWWA, dnstest.ARecord, dnstest.PlainOPT), "NOERROR aa 1/2/0/1 edns0/1232"},
		{"record announced", dnstest.Message(0, [4]uint16{1, 0, 0, 1}, dnstest.WWWA), "FORMERR 1/0/0/0"},
		{"more records announced than there are", dnstest.Message(0, [4]uint16{1, 0, 0, 2}, dnstest.WWWA, dnstest.PlainOPT), "FORMERR 1/0/0/1 edns0/1232"},
		{"record cut in its header", dnstest.Message(0, [4]uint16{1, 0, 1}, dnstest.WWWA, dnstest.ARecord[:9]), "FORMERR 1/0/0/0"},
		{"record cut in its data", dnstest.Message(0, [4]uint16{1, 0, 1}, dnstest.WWWA, dnstest.ARecord[:15]), "FORMERR 1/0/0/0"},
		{"record that points forward", dnstest.Message(0, [4]uint16{1, 0, 1}, dnstest.WWWA, "\xc0\xff", dnstest.ARecord[2:]), "FORMERR 1/0/0/0"},
		{"record whose pointer is cut", dnstest.Message(0, [4]uint16{1, 0, 1}, dnstest.WWWA, "\xc0"), "FORMERR 1/0/0/0"},

		{"EDNS", dnstest.Message(0, [4]uint16{1, 0, 0, 1}, dnstest.WWWA, dnstest.PlainOPT), "NOERROR aa 1/2/0/1 edns0/1232"},
		{"EDNS with DO", dnstest.Message(0, [4]uint16{1, 0, 0, 1}, dnstest.WWWA, dnstest.OptDO), "NOERROR aa 1/2/0/1 edns0/1232 do"},
		{"unknown options", dnstest.Message(0, [4]uint16{1, 0, 0, 1}, dnstest.WWWA, optWith("\xff\xff\x00\x01x\xff\xfe\x00\x00")), "NOERROR aa 1/2/0/1 edns0/1232"},
		{"option cut in its header", dnstest.Message(0, [4]uint16{1, 0, 0, 1}, dnstest.WWWA, optWith("\x00\x03\x00")), "FORMERR 1/0/0/1 edns0/1232"},
		{"option longer than OPT", dnstest.Message(0, [4]uint16{1, 0, 0, 1}, dnstest.WWWA, optWith("\x00\x03\x00\x05abcd")), "FORMERR 1/0/0/1 edns0/1232"},
		{"OPT longer than the message", dnstest.Message(0, [4]uint16{1, 0, 0, 1}, dnstest.WWWA, dnstest.PlainOPT[:10]+"\x01"), "FORMERR 1/0/0/0"},
		{"two OPT", dnstest.Message(0, [4]uint16{1, 0, 0, 2}, dnstest.WWWA, dnstest.PlainOPT, dnstest.OptDO), "FORMERR 1/0/0/1 edns0/1232"},
		{"OPT not at the root", dnstest.Message(0, [4]uint16{1, 0, 0, 1}, dnstest.WWWA, "\x01x", dnstest.PlainOPT), "FORMERR 1/0/0/1 edns0/1232"},
		{"OPT by pointer", dnstest.Message(0, [4]uint16{1, 0, 0, 1}, dnstest.WWWA, "\xc0\x1c", dnstest.PlainOPT[1:]), "FORMERR 1/0/0/1 edns0/1232"},
		{"OPT as answer", dnstest.Message(0, [4]uint16{1, 1}, dnstest.WWWA, dnstest.PlainOPT), "FORMERR 1/0/0/1 edns0/1232"},
		{"OPT as authority", dnstest.Message(0, [4]uint16{1, 0, 1}, dnstest.WWWA, dnstest.PlainOPT), "FORMERR 1/0/0/1 edns0/1232"},
		{"EDNS version 1", dnstest.Message(0, [4]uint16{1, 0, 0, 1}, dnstest.WWWA, dnstest.OptV1), "BADVERS 1/0/0/1 edns0/1232 do"},
		{"EDNS version 1, other layout", dnstest.Message(0, [4]uint16{1, 0, 0, 1}, dnstest.WWWA, dnstest.OptV1Junk), "BADVERS 1/0/0/1 edns0/1232"},

		{"TSIG", dnstest.Message(0, [4]uint16{1, 0, 0, 1}, dnstest.WWWA, dnstest.TSIG), "NOTAUTH 1/0/0/1"},
		{"TSIG behind OPT", dnstest.Message(0, [4]uint16{1, 0, 0, 2}, dnstest.WWWA, dnstest.PlainOPT, dnstest.TSIG), "NOTAUTH 1/0/0/2 edns0/1232"},
		{"TSIG before OPT", dnstest.Message(0, [4]uint16{1, 0, 0, 2}, dnstest.WWWA, dnstest.TSIG, dnstest.PlainOPT), "FORMERR 1/0/0/0"},
		{"TSIG as authority", dnstest.Message(0, [4]uint16{1, 0, 1}, dnstest.WWWA, dnstest.TSIG), "FORMERR 1/0/0/0"},
		{"TSIG without question", dnstest.Message(0, [4]uint16{0, 0, 0, 1}, dnstest.TSIG), "FORMERR 0/0/0/0"},
		{"TSIG without data", dnstest.Message(0, [4]uint16{1, 0, 0, 1}, dnstest.WWWA, dnstest.TSIG[:13], "\x00\x00"), "FORMERR 1/0/0/0"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, via := range []Transport{OverUDP, OverTCP} {
				out := newTestResponder(t, via).Respond(test.in, dnstest.Client)
				got := dropped
				if out != nil {
					got = dnstest.Summary(dnstest.Unpack(t, out))
				}
				if got != test.want {
					t.Errorf("over %v: got %q, want %q", via, got, test.want)
				}
				if out != nil {
					checkEcho(t, test.in, out)
				}
			}
		})
	}
}

// checkEcho checks what every reply owes its query: the id, QR, and the question, if there
// is one, byte for byte.
func checkEcho(t testing.TB, in, out []byte) {
	t.Helper()
	if len(out) < wire.HeaderSize {
		t.Fatalf("a reply of %d bytes", len(out))
	}
	if !bytes.Equal(in[:2], out[:2]) {
		t.Errorf("id (-query +reply):\n%s", cmp.Diff(in[:2], out[:2]))
	}
	if out[2]&0x80 == 0 {
		t.Error("the reply has no QR bit")
	}
	if binary.BigEndian.Uint16(out[wire.OffQDCount:]) == 0 {
		return
	}
	end, ok := skipName(out, wire.HeaderSize)
	if !ok || end+4 > len(out) || end+4 > len(in) {
		t.Fatalf("the reply's question does not parse: %x", out)
	}
	// The comparison for people takes most of the time of these tests.
	if asked, said := in[wire.HeaderSize:end+4], out[wire.HeaderSize:end+4]; !bytes.Equal(asked, said) {
		t.Errorf("question (-query +reply):\n%s", cmp.Diff(asked, said))
	}
}

// TestTSIGRefusal compares the whole TSIG record of a refusal with what was sent.
func TestTSIGRefusal(t *testing.T) {
	out := newTestResponder(t, OverUDP).Respond(dnstest.Message(0, [4]uint16{1, 0, 0, 1}, dnstest.WWWA, dnstest.TSIG), dnstest.Client)
	got := dnstest.Unpack(t, out).IsTsig()
	want := &dns.TSIG{
		Hdr:        dns.RR_Header{Name: "key.", Rrtype: dns.TypeTSIG, Class: dns.ClassANY, Rdlength: uint16(29)},
		Algorithm:  "hmac-sha256.",
		TimeSigned: 0x65000000,
		Fudge:      300,
		OrigId:     0xabcd,
		Error:      dns.RcodeBadKey,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("TSIG (-want +got):\n%s", diff)
	}
}

// TestTSIGRefusalTooLong has key and algorithm names that leave the refusal no room.
func TestTSIGRefusalTooLong(t *testing.T) {
	long := strings.Repeat("\x3f"+strings.Repeat("k", 63), 3) + "\x00"
	signed := dnstest.TSIG[5:13] + "\x00\xd1" + long + dnstest.TSIG[28:]
	in := dnstest.Message(0, [4]uint16{1, 0, 0, 1}, long, "\x00\x01\x00\x01", long, signed)
	if got, want := dnstest.Summary(dnstest.Unpack(t, newTestResponder(t, OverUDP).Respond(in, dnstest.Client))), "NOTAUTH tc 1/0/0/0"; got != want {
		t.Errorf("over UDP: got %q, want %q", got, want)
	}
	if got, want := dnstest.Summary(dnstest.Unpack(t, newTestResponder(t, OverTCP).Respond(in, dnstest.Client))), "NOTAUTH 1/0/0/1"; got != want {
		t.Errorf("over TCP: got %q, want %q", got, want)
	}
}

// TestNoSource answers SERVFAIL while there is no table yet.
func TestNoSource(t *testing.T) {
	r := responderOver(t, OverUDP, nil)
	out := r.Respond(dnstest.Pack(t, dnstest.Ask(1, "www.example.org.", dns.TypeA)), dnstest.Client)
	if got, want := dnstest.Summary(dnstest.Unpack(t, out)), "SERVFAIL 1/0/0/0"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestPanicWhileReading panics at every stage of understanding a query: the reply repeats what had
// been understood, reads no further, and has nothing of the query before.
func TestPanicWhileReading(t *testing.T) {
	in := dnstest.Message(0x0110, [4]uint16{1, 0, 0, 1}, dnstest.WWWA, dnstest.OptDO)
	cut := in[:len(in)-1]
	tests := []struct {
		name string
		in   []byte
		by   understood
		want string
	}{
		{"while reading", in, nothingYet, "SERVFAIL rd 0/0/0/0"},
		{"behind the usual reading", in, byUsual, "SERVFAIL rd 1/0/0/1 edns0/1232 do"},
		{"behind the odd reading", in, byOdd, "SERVFAIL rd 1/0/0/1 edns0/1232 do"},
		{"behind the reading of what is malformed", cut, byOdd, "SERVFAIL rd 1/0/0/0"},
	}
	for _, test := range tests {
		r := newTestResponder(t, OverUDP)
		r.Respond(dnstest.Pack(t, dnstest.Ask(7, "big.example.org.", dns.TypeTXT)), dnstest.Client)
		switch r.understood = test.by; test.by {
		case byUsual:
			r.usual.Parse(test.in)
		case byOdd:
			r.odd.parse(test.in)
		}
		out := panicking(r, test.in)
		if got := dnstest.Summary(dnstest.Unpack(t, out)); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
		checkEcho(t, test.in, out)
		if got := dnstest.SumOf(t, gatherer(t, r), "gslb_dns_panics_total"); got != 1 {
			t.Errorf("%s: %v panics are counted", test.name, got)
		}
	}
	// What cannot be answered even so has no reply, and ends nothing.
	r := newTestResponder(t, OverUDP)
	r.understood = byOdd
	r.odd.end = len(in)
	if out := panicking(r, cut[:len(cut):len(cut)]); out != nil {
		t.Errorf("a reply to a query that ends before what was understood of it: %x", out)
	}
}

// panicking handles a query by a panic.
func panicking(r *Responder, in []byte) (out []byte) {
	defer r.contain(r.settings.Load(), in, r.buf, &out)
	panic("as the test asked for")
}

func gatherer(t testing.TB, r *Responder) prometheus.Gatherer {
	registry := prometheus.NewRegistry()
	if err := r.meter.Register(registry); err != nil {
		t.Fatal(err)
	}
	return registry
}
