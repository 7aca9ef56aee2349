package server

import (
	"bytes"
	"testing"

	"gslb/internal/wire"

	"github.com/miekg/dns"
)

// FuzzRespond holds every reply to what all of them must be, whatever came in.
func FuzzRespond(f *testing.F) {
	f.Add(message(0, [4]uint16{1}, wwwA), false)
	f.Add(message(0x0100, [4]uint16{1, 0, 0, 1}, wwwA, optDO), false)
	f.Add(message(0, [4]uint16{1, 0, 0, 1}, wwwA, optV1Junk), false)
	f.Add(message(0, [4]uint16{1, 1, 0, 2}, wwwA, aRecord, plainOPT, tsig), true)
	f.Add(message(0, [4]uint16{1}, "\x03big\x07example\x03org\x00\x00\x10\x00\x01"), false)
	f.Add(message(0, [4]uint16{1}, "\x01a\x03sub\x07example\x03org\x00\x00\x01\x00\xff"), false)
	f.Add(message(0x2800, [4]uint16{1}, wwwA), true)
	f.Add(message(0, [4]uint16{1}, "\x05panic\x07example\x03org\x00\x00\x01\x00\x01"), true)

	responders := map[bool]*responder{
		false: newTestResponder(f, overUDP),
		true:  newTestResponder(f, overTCP),
	}
	f.Fuzz(func(t *testing.T, in []byte, tcp bool) {
		sent := bytes.Clone(in)
		out := responders[tcp].respond(in, testClient)
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
		reply := mustUnpack(t, out)
		if again := mustPack(t, reply); len(mustUnpack(t, again).Answer) != len(reply.Answer) {
			t.Error("the reply does not survive packing")
		}
		limit := dns.MaxMsgSize
		if !tcp {
			limit = udpPayload
			if reply.IsEdns0() == nil {
				limit = dns.MinMsgSize
			}
		}
		if len(out) > limit {
			t.Errorf("%d bytes, above the limit of %d", len(out), limit)
		}
		if reply.RecursionAvailable || reply.AuthenticatedData || reply.CheckingDisabled || reply.Zero {
			t.Errorf("flags that no reply has: %s", summary(reply))
		}
	})
}
