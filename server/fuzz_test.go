package server

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"
	"testing/iotest"

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

// FuzzFrames cuts a stream into messages twice, once read at one go and once byte by byte:
// the same must come out, and nothing but what the lengths say.
func FuzzFrames(f *testing.F) {
	f.Add([]byte("\x00\x03abc\x00\x01d"))
	f.Add([]byte("\x00\x00"))
	f.Add([]byte("\x00"))
	f.Add(append([]byte{0xff, 0xff}, make([]byte, 1<<16)...))
	f.Fuzz(func(t *testing.T, stream []byte) {
		whole, wholeErr := readFrames(bytes.NewReader(stream))
		single, singleErr := readFrames(iotest.OneByteReader(bytes.NewReader(stream)))
		if !bytes.Equal(whole, single) || wholeErr != singleErr {
			t.Errorf("at one go %x, %v; byte by byte %x, %v", whole, wholeErr, single, singleErr)
		}
		if !bytes.HasPrefix(stream, whole) {
			t.Errorf("frames %x are not what the stream begins with: %x", whole, stream)
		}
		rest := stream[len(whole):]
		switch {
		case len(rest) >= 2 && binary.BigEndian.Uint16(rest) == 0:
			if wholeErr != errEmptyFrame {
				t.Errorf("empty frame: error %v", wholeErr)
			}
		case len(rest) >= 2 && len(rest)-2 >= int(binary.BigEndian.Uint16(rest)):
			t.Errorf("a whole frame is left: %x", rest)
		case wholeErr != io.EOF:
			t.Errorf("error %v, want EOF", wholeErr)
		}
	})
}

// readFrames returns all messages of a stream, framed again.
func readFrames(r io.Reader) (framed []byte, err error) {
	var f frames
	for {
		msg, ok, err := f.take()
		if err != nil {
			return framed, err
		}
		if ok {
			framed = appendFrame(framed, msg)
			continue
		}
		if err := f.fill(r); err != nil {
			return framed, err
		}
	}
}
