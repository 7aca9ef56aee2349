package respond

import (
	"bytes"
	"testing"

	"github.com/miekg/dns"

	"gslb/internal/wire"
	"gslb/server/dnstest"
)

// FuzzRespond holds every reply to what all of them must be, whatever came in.
func FuzzRespond(f *testing.F) {
	f.Add(dnstest.Message(0, [4]uint16{1}, dnstest.WWWA), false)
	f.Add(dnstest.Message(0x0100, [4]uint16{1, 0, 0, 1}, dnstest.WWWA, dnstest.OptDO), false)
	f.Add(dnstest.Message(0, [4]uint16{1, 0, 0, 1}, dnstest.WWWA, dnstest.OptV1Junk), false)
	f.Add(dnstest.Message(0, [4]uint16{1, 1, 0, 2}, dnstest.WWWA, dnstest.ARecord, dnstest.PlainOPT, dnstest.TSIG), true)
	f.Add(dnstest.Message(0, [4]uint16{1}, "\x03big\x07example\x03org\x00\x00\x10\x00\x01"), false)
	f.Add(dnstest.Message(0, [4]uint16{1}, "\x01a\x03sub\x07example\x03org\x00\x00\x01\x00\xff"), false)
	f.Add(dnstest.Message(0x2800, [4]uint16{1}, dnstest.WWWA), true)
	f.Add(dnstest.Message(0, [4]uint16{1}, "\x05panic\x07example\x03org\x00\x00\x01\x00\x01"), true)

	responders := map[bool]*Responder{
		false: newTestResponder(f, OverUDP),
		true:  newTestResponder(f, OverTCP),
	}
	f.Fuzz(func(t *testing.T, in []byte, tcp bool) {
		sent := bytes.Clone(in)
		out := responders[tcp].Respond(in, dnstest.Client)
		if !bytes.Equal(in, sent) {
			t.Error("the query was changed")
		}
		mustIgnore := len(in) < wire.HeaderSize || in[2]&0x80 != 0
		if mustIgnore != (out == nil) {
			t.Fatalf("ignored: %v, want %v", out == nil, mustIgnore)
		}
		if out == nil {
			return
		}
		checkEcho(t, in, out)
		reply := dnstest.Unpack(t, out)
		if again := dnstest.Pack(t, reply); len(dnstest.Unpack(t, again).Answer) != len(reply.Answer) {
			t.Error("the reply does not survive packing")
		}
		limit := dns.MaxMsgSize
		if !tcp {
			limit = wire.UDPPayload
			if reply.IsEdns0() == nil {
				limit = dns.MinMsgSize
			}
		}
		if len(out) > limit {
			t.Errorf("%d bytes, above the limit of %d", len(out), limit)
		}
		if reply.RecursionAvailable || reply.AuthenticatedData || reply.CheckingDisabled || reply.Zero {
			t.Errorf("flags that no reply has: %s", dnstest.Summary(reply))
		}
	})
}
