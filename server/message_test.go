package server

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"

	"gslb/internal/wire"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

var testClient = netip.MustParseAddrPort("192.0.2.7:4242")

// message puts together a message that no library would: flags, the four counts, and
// whatever parts are behind them.
func message(flags uint16, counts [4]uint16, parts ...string) []byte {
	msg := []byte{0xab, 0xcd}
	msg = binary.BigEndian.AppendUint16(msg, flags)
	for _, count := range counts {
		msg = binary.BigEndian.AppendUint16(msg, count)
	}
	return append(msg, strings.Join(parts, "")...)
}

// The parts of messages, in wire format.
const (
	wwwName   = "\x03www\x07example\x03org\x00"
	wwwA      = wwwName + "\x00\x01\x00\x01"
	plainOPT  = "\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00"
	optDO     = "\x00\x00\x29\x04\xd0\x00\x00\x80\x00\x00\x00"
	optV1     = "\x00\x00\x29\x04\xd0\x00\x01\x80\x00\x00\x00"
	optV1Junk = "\x00\x00\x29\x04\xd0\x00\x01\x00\x00\x00\x03abc"
	aRecord   = "\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x01"
	tsig      = "\x03key\x00\x00\xfa\x00\xff\x00\x00\x00\x00\x00\x1d" +
		"\x0bhmac-sha256\x00" + "\x00\x00\x65\x00\x00\x00" + "\x01\x2c" + "\x00\x00" + "\xab\xcd" + "\x00\x00" + "\x00\x00"
)

// TestMessages pins what becomes of messages that are malformed, or legal but odd.
func TestMessages(t *testing.T) {
	const dropped = "dropped"
	optWith := func(options string) string {
		return plainOPT[:9] + string([]byte{0, byte(len(options))}) + options
	}
	label63 := "\x3f" + strings.Repeat("a", 63)
	tests := []struct {
		name string
		in   []byte
		want string
	}{
		{"nothing", nil, dropped},
		{"eleven bytes", message(0, [4]uint16{})[:11], dropped},
		{"a response", message(0x8000, [4]uint16{1}, wwwA), dropped},
		{"a response of another opcode", message(0xa800, [4]uint16{}), dropped},

		{"header alone", message(0, [4]uint16{}), "FORMERR 0/0/0/0"},
		{"no question, with EDNS", message(0x0100, [4]uint16{0, 0, 0, 1}, plainOPT), "FORMERR rd 0/0/0/1 edns0/1232"},
		{"two questions", message(0, [4]uint16{2}, wwwA, wwwA), "FORMERR 0/0/0/0"},
		{"two questions announced", message(0, [4]uint16{2}, wwwA), "FORMERR 0/0/0/0"},
		{"question announced", message(0, [4]uint16{1}), "FORMERR 0/0/0/0"},
		{"question cut in its name", message(0, [4]uint16{1}, wwwA[:7]), "FORMERR 0/0/0/0"},
		{"question cut in its class", message(0, [4]uint16{1}, wwwA[:len(wwwA)-1]), "FORMERR 0/0/0/0"},
		{"question that points to itself", message(0, [4]uint16{1}, "\xc0\x0c\x00\x01\x00\x01"), "FORMERR 0/0/0/0"},
		{"question that points to the header", message(0, [4]uint16{1}, "\xc0\x04\x00\x01\x00\x01"), "FORMERR 0/0/0/0"},
		{"reserved label type", message(0, [4]uint16{1}, "\x41\x00\x00\x00\x01\x00\x01"), "FORMERR 0/0/0/0"},
		{"longest name", message(0, [4]uint16{1}, strings.Repeat(label63, 3), "\x3d", strings.Repeat("a", 61), "\x00\x00\x01\x00\x01"), "REFUSED 1/0/0/0"},
		{"name of 256 bytes", message(0, [4]uint16{1}, strings.Repeat(label63, 3), "\x3e", strings.Repeat("a", 62), "\x00\x00\x01\x00\x01"), "FORMERR 0/0/0/0"},
		{"dots and zero bytes in a label", message(0, [4]uint16{1}, "\x04a.\\\x00\x07example\x03org\x00\x00\x01\x00\x01"), "NXDOMAIN aa 1/0/1/0"},

		{"opcode IQUERY", message(0x0800, [4]uint16{0, 1}, aRecord), "NOTIMP opcode=1 0/0/0/0"},
		{"opcode NOTIFY", message(0x2400, [4]uint16{1}, wwwA), "NOTIMP opcode=4 0/0/0/0"},
		{"opcode UPDATE", message(0x2800, [4]uint16{1}, wwwA), "NOTIMP opcode=5 0/0/0/0"},
		{"opcode 15, nothing else that makes sense", message(0x7fff, [4]uint16{9, 9, 9, 9}, "?"), "NOTIMP opcode=15 rd 0/0/0/0"},

		{"flags and rcode of a response", message(0x06f3, [4]uint16{1}, wwwA), "NOERROR aa 1/2/0/0"},
		{"bytes at the end", message(0, [4]uint16{1}, wwwA, "garbage"), "NOERROR aa 1/2/0/0"},
		{"an OPT that is not counted", message(0, [4]uint16{1}, wwwA, plainOPT), "NOERROR aa 1/2/0/0"},
		{"a record as answer", message(0, [4]uint16{1, 1}, wwwA, aRecord), "NOERROR aa 1/2/0/0"},
		{"a record beside OPT", message(0, [4]uint16{1, 0, 0, 2}, wwwA, aRecord, plainOPT), "NOERROR aa 1/2/0/1 edns0/1232"},
		{"record announced", message(0, [4]uint16{1, 0, 0, 1}, wwwA), "FORMERR 1/0/0/0"},
		{"more records announced than there are", message(0, [4]uint16{1, 0, 0, 2}, wwwA, plainOPT), "FORMERR 1/0/0/1 edns0/1232"},
		{"record cut in its header", message(0, [4]uint16{1, 0, 1}, wwwA, aRecord[:9]), "FORMERR 1/0/0/0"},
		{"record cut in its data", message(0, [4]uint16{1, 0, 1}, wwwA, aRecord[:15]), "FORMERR 1/0/0/0"},
		{"record that points forward", message(0, [4]uint16{1, 0, 1}, wwwA, "\xc0\xff", aRecord[2:]), "FORMERR 1/0/0/0"},
		{"record whose pointer is cut", message(0, [4]uint16{1, 0, 1}, wwwA, "\xc0"), "FORMERR 1/0/0/0"},

		{"EDNS", message(0, [4]uint16{1, 0, 0, 1}, wwwA, plainOPT), "NOERROR aa 1/2/0/1 edns0/1232"},
		{"EDNS with DO", message(0, [4]uint16{1, 0, 0, 1}, wwwA, optDO), "NOERROR aa 1/2/0/1 edns0/1232 do"},
		{"unknown options", message(0, [4]uint16{1, 0, 0, 1}, wwwA, optWith("\xff\xff\x00\x01x\xff\xfe\x00\x00")), "NOERROR aa 1/2/0/1 edns0/1232"},
		{"option cut in its header", message(0, [4]uint16{1, 0, 0, 1}, wwwA, optWith("\x00\x03\x00")), "FORMERR 1/0/0/1 edns0/1232"},
		{"option longer than OPT", message(0, [4]uint16{1, 0, 0, 1}, wwwA, optWith("\x00\x03\x00\x05abcd")), "FORMERR 1/0/0/1 edns0/1232"},
		{"OPT longer than the message", message(0, [4]uint16{1, 0, 0, 1}, wwwA, plainOPT[:10]+"\x01"), "FORMERR 1/0/0/0"},
		{"two OPT", message(0, [4]uint16{1, 0, 0, 2}, wwwA, plainOPT, optDO), "FORMERR 1/0/0/1 edns0/1232"},
		{"OPT not at the root", message(0, [4]uint16{1, 0, 0, 1}, wwwA, "\x01x", plainOPT), "FORMERR 1/0/0/1 edns0/1232"},
		{"OPT by pointer", message(0, [4]uint16{1, 0, 0, 1}, wwwA, "\xc0\x1c", plainOPT[1:]), "FORMERR 1/0/0/1 edns0/1232"},
		{"OPT as answer", message(0, [4]uint16{1, 1}, wwwA, plainOPT), "FORMERR 1/0/0/1 edns0/1232"},
		{"OPT as authority", message(0, [4]uint16{1, 0, 1}, wwwA, plainOPT), "FORMERR 1/0/0/1 edns0/1232"},
		{"EDNS version 1", message(0, [4]uint16{1, 0, 0, 1}, wwwA, optV1), "BADVERS 1/0/0/1 edns0/1232 do"},
		{"EDNS version 1, other layout", message(0, [4]uint16{1, 0, 0, 1}, wwwA, optV1Junk), "BADVERS 1/0/0/1 edns0/1232"},

		{"TSIG", message(0, [4]uint16{1, 0, 0, 1}, wwwA, tsig), "NOTAUTH 1/0/0/1"},
		{"TSIG behind OPT", message(0, [4]uint16{1, 0, 0, 2}, wwwA, plainOPT, tsig), "NOTAUTH 1/0/0/2 edns0/1232"},
		{"TSIG before OPT", message(0, [4]uint16{1, 0, 0, 2}, wwwA, tsig, plainOPT), "FORMERR 1/0/0/0"},
		{"TSIG as authority", message(0, [4]uint16{1, 0, 1}, wwwA, tsig), "FORMERR 1/0/0/0"},
		{"TSIG without question", message(0, [4]uint16{0, 0, 0, 1}, tsig), "FORMERR 0/0/0/0"},
		{"TSIG without data", message(0, [4]uint16{1, 0, 0, 1}, wwwA, tsig[:13], "\x00\x00"), "FORMERR 1/0/0/0"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, via := range []transport{overUDP, overTCP} {
				out := newTestResponder(t, via).respond(test.in, testClient)
				got := dropped
				if out != nil {
					got = summary(mustUnpack(t, out))
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
	if diff := cmp.Diff(in[:2], out[:2]); diff != "" {
		t.Errorf("id (-query +reply):\n%s", diff)
	}
	if out[2]&0x80 == 0 {
		t.Error("the reply has no QR bit")
	}
	if binary.BigEndian.Uint16(out[wire.OffQDCount:]) == 0 {
		return
	}
	end, _, ok := skipName(out, wire.HeaderSize)
	if !ok || end+4 > len(out) || end+4 > len(in) {
		t.Fatalf("the reply's question does not parse: %x", out)
	}
	if diff := cmp.Diff(in[wire.HeaderSize:end+4], out[wire.HeaderSize:end+4]); diff != "" {
		t.Errorf("question (-query +reply):\n%s", diff)
	}
}

// TestTSIGRefusal compares the whole TSIG record of a refusal with what was sent.
func TestTSIGRefusal(t *testing.T) {
	out := newTestResponder(t, overUDP).respond(message(0, [4]uint16{1, 0, 0, 1}, wwwA, tsig), testClient)
	got := mustUnpack(t, out).IsTsig()
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
	signed := tsig[5:13] + "\x00\xd1" + long + tsig[28:]
	in := message(0, [4]uint16{1, 0, 0, 1}, long, "\x00\x01\x00\x01", long, signed)
	if got, want := summary(mustUnpack(t, newTestResponder(t, overUDP).respond(in, testClient))), "NOTAUTH tc 1/0/0/0"; got != want {
		t.Errorf("over UDP: got %q, want %q", got, want)
	}
	if got, want := summary(mustUnpack(t, newTestResponder(t, overTCP).respond(in, testClient))), "NOTAUTH 1/0/0/1"; got != want {
		t.Errorf("over TCP: got %q, want %q", got, want)
	}
}

// TestNoSource answers SERVFAIL while there is no table yet.
func TestNoSource(t *testing.T) {
	r := responderOver(t, overUDP, nil)
	out := r.respond(mustPack(t, ask(1, "www.example.org.", dns.TypeA)), testClient)
	if got, want := summary(mustUnpack(t, out)), "SERVFAIL 1/0/0/0"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
