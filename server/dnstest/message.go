package dnstest

import (
	"encoding/binary"
	"net/netip"
	"strings"
)

var Client = netip.MustParseAddrPort("192.0.2.7:4242")

// Message puts together a message that no library would: flags, the four counts, and
// whatever parts are behind them.
func Message(flags uint16, counts [4]uint16, parts ...string) []byte {
	msg := []byte{0xab, 0xcd}
	msg = binary.BigEndian.AppendUint16(msg, flags)
	for _, count := range counts {
		msg = binary.BigEndian.AppendUint16(msg, count)
	}
	return append(msg, strings.Join(parts, "")...)
}

// The parts of messages, in wire format.
const (
	WWWName   = "\x03www\x07example\x03org\x00"
	WWWA      = WWWName + "\x00\x01\x00\x01"
	PlainOPT  = "\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00"
	OptDO     = "\x00\x00\x29\x04\xd0\x00\x00\x80\x00\x00\x00"
	OptV1     = "\x00\x00\x29\x04\xd0\x00\x01\x80\x00\x00\x00"
	OptV1Junk = "\x00\x00\x29\x04\xd0\x00\x01\x00\x00\x00\x03abc"
	ARecord   = "\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x01"
	TSIG      = "\x03key\x00\x00\xfa\x00\xff\x00\x00\x00\x00\x00\x1d" +
		"\x0bhmac-sha256\x00" + "\x00\x00\x65\x00\x00\x00" + "\x01\x2c" + "\x00\x00" + "\xab\xcd" + "\x00\x00" + "\x00\x00"
)

// OptRecord is an OPT record of version 0 as it stands in a message.
func OptRecord(size uint16, options ...string) string {
	data := strings.Join(options, "")
	return "\x00\x00\x29" + string([]byte{byte(size >> 8), byte(size), 0, 0, 0, 0, byte(len(data) >> 8), byte(len(data))}) + data
}

// Option is an EDNS option as it stands in an OPT record.
func Option(code byte, data string) string {
	return string([]byte{0, code, byte(len(data) >> 8), byte(len(data))}) + data
}
