package wire

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/miekg/dns"
)

// The parts of messages.
const (
	header   = "\xab\xcd\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
	withOPT  = "\xab\xcd\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01"
	question = "\x03wWw\x07example\x00\x00\x1c\x00\x01"
	opt      = "\x00\x00\x29\x04\xd0\x00\x00\x80\x00\x00\x00"
)

func TestParse(t *testing.T) {
	flags := func(high, low byte) string { return header[:2] + string([]byte{high, low}) + header[4:] }
	count := func(at int, n byte) string { return header[:at+1] + string([]byte{n}) + header[at+2:] }
	tests := []struct {
		name string
		in   string
		want bool
	}{
		{"plain", header + question, true},
		{"EDNS", withOPT + question + opt, true},
		{"the root", header + "\x00\x00\x02\x00\x01", true},
		{"flags that only responses use, CD, AD and Z", flags(0x06, 0xff) + question, true},

		{"nothing", "", false},
		{"a header cut", header[:11], false},
		{"a header alone", header, false},
		{"a response", flags(0x80, 0) + question, false},
		{"another opcode", flags(0x20, 0) + question, false},
		{"no question", count(OffQDCount, 0), false},
		{"two questions", count(OffQDCount, 2) + question + question, false},
		{"a question count above 255", header[:OffQDCount] + "\x01\x01" + header[OffQDCount+2:] + question, false},
		{"an answer", count(OffANCount, 1) + question + opt, false},
		{"an authority record", count(OffNSCount, 1) + question + opt, false},
		{"two additional records", count(OffARCount, 2) + question + opt + opt, false},
		{"a question cut in its name", header + question[:6], false},
		{"a question cut in its class", header + question[:len(question)-1], false},
		{"bytes at the end", header + question + "x", false},
		{"an OPT that is not counted", header + question + opt, false},
		{"an OPT that is not there", withOPT + question, false},
		{"an OPT cut", withOPT + question + opt[:10], false},
		{"bytes after OPT", withOPT + question + opt + "x", false},
		{"an OPT longer than the message", withOPT + question + opt[:10] + "\x01", false},
		{"an OPT not at the root", withOPT + question + "\x01x" + opt, false},
		{"another record than OPT", withOPT + question + "\x00\x00\x01" + opt[3:], false},
		{"a malformed option", withOPT + question + opt[:10] + "\x04\x00\x0a\x00\x00", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var q Query
			if got := q.Parse([]byte(test.in)); got != test.want {
				t.Errorf("of the usual form: %t", got)
			}
		})
	}
}

// TestParseAgain reads one message after another: nothing of the first may be left.
func TestParseAgain(t *testing.T) {
	var q, fresh Query
	if !q.Parse([]byte(withOPT + question + opt)) {
		t.Fatal("refused")
	}
	if !q.RD || string(q.Name.Bytes()) != "\x03www\x07example\x00" || q.Type != dns.TypeAAAA ||
		q.Class != dns.ClassINET || q.End != HeaderSize+len(question) || !q.EDNS.DO || q.EDNS.Size != 1232 {
		t.Errorf("%+v", q)
	}
	second := []byte("\x00\x00\x00\x00" + header[4:] + "\x00\x00\x01\x00\x01")
	if !q.Parse(second) || !fresh.Parse(second) {
		t.Fatal("refused")
	}
	if q.EDNS.Present || q.RD || q.End != fresh.End || !bytes.Equal(q.Name.Bytes(), fresh.Name.Bytes()) {
		t.Errorf("%+v", q)
	}
}

// FuzzQuery compares what is read from a message with what package dns reads.
func FuzzQuery(f *testing.F) {
	f.Add([]byte(header + question))
	f.Add([]byte(withOPT + question + opt))
	f.Add([]byte(withOPT + question + opt[:9] + "\x00\x0c\x00\x0a\x00\x08clientco"))
	f.Add([]byte(withOPT + question + opt[:9] + "\x00\x0b\x00\x08\x00\x07\x00\x01\x18\x00\xc0\x00\x02"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var q Query
		if !q.Parse(in) {
			return
		}
		var m dns.Msg
		if err := m.Unpack(in[:q.End]); err != nil && binary.BigEndian.Uint16(in[OffARCount:]) == 0 {
			t.Fatalf("package dns: %v", err)
		}
		if len(m.Question) != 1 {
			t.Fatalf("%d questions", len(m.Question))
		}
		asked := m.Question[0]
		name, ok := ParseName(asked.Name)
		if !ok || Compare(&name, &q.Name) != 0 || asked.Qtype != q.Type || asked.Qclass != q.Class ||
			m.RecursionDesired != q.RD {
			t.Errorf("%+v, package dns: %v", q, &m)
		}
		if q.EDNS.Present != (len(in) > q.End) {
			t.Errorf("EDNS %t in a message of %d bytes, whose question ends at %d", q.EDNS.Present, len(in), q.End)
		}
	})
}

func TestParseAllocatesNothing(t *testing.T) {
	in := []byte(withOPT + question + opt[:9] + "\x00\x0c\x00\x0a\x00\x08clientco")
	var q Query
	var h Hashes
	if n := testing.AllocsPerRun(100, func() {
		if !q.Parse(in) {
			t.Fatal("refused")
		}
		q.Name.Hash(&h)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
