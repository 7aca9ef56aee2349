package server

import (
	"encoding/binary"

	"gslb/internal/cookie"
	"gslb/internal/wire"
)

// extendedError is an EDNS extended error (RFC 8914): why the response code is what it is.
type extendedError struct {
	code uint16
	text string // for whoever runs the resolver
}

// The extended errors that are sent. Those of no code of their own are "other".
var (
	errNotReady         = &extendedError{14, "no answers yet"}
	errNotAuthoritative = &extendedError{20, ""}
	errNotSupported     = &extendedError{21, "no transfers, and no class but IN"}
	errNothingUp        = &extendedError{0, "no place that could answer is up"}
)

// optBuilder makes the OPT records of replies.
type optBuilder struct {
	id        string         // for NSID
	keepalive uint16         // how long a connection may idle, in units of 100 ms; 0: not over TCP
	cookie    []byte         // client's and server's together; empty: none
	buf       []byte         // of the last record
	error     *extendedError // nil: none
}

// make makes the OPT record (RFC 6891, section 6.1) that goes with a reply to a query that
// has one. The upper bits of rcode go into it; DO comes back as it was asked (RFC 3225,
// section 3). It is valid until the next call.
func (o *optBuilder) make(e *wire.EDNS, rcode int) []byte {
	flags := byte(0)
	if e.DO {
		flags = 0x80
	}
	b := append(o.buf[:0], 0, 0, 41, udpPayload>>8, udpPayload&0xff, byte(rcode>>4), 0, flags, 0, 0, 0)
	if e.Version == 0 {
		b = o.appendOptions(b, e)
	}
	if o.error != nil {
		b = appendOption(b, wire.OptionEDE, 2+len(o.error.text))
		b = binary.BigEndian.AppendUint16(b, o.error.code)
		b = append(b, o.error.text...)
	}
	binary.BigEndian.PutUint16(b[wire.OPTSize-2:], uint16(len(b)-wire.OPTSize))
	o.buf = b
	return b
}

// appendOptions appends what the query's options ask for.
func (o *optBuilder) appendOptions(b []byte, e *wire.EDNS) []byte {
	if e.NSID && o.id != "" {
		b = appendOption(b, wire.OptionNSID, len(o.id))
		b = append(b, o.id...)
	}
	if len(o.cookie) > 0 {
		b = appendOption(b, wire.OptionCookie, len(o.cookie))
		b = append(b, o.cookie...)
	}
	if e.Subnet != nil {
		// The same prefix for every network there is: scope 0 (RFC 7871, section 7.2.1).
		b = appendOption(b, wire.OptionSubnet, len(e.Subnet))
		b = append(b, e.Subnet...)
	}
	if e.Keepalive && o.keepalive > 0 {
		b = appendOption(b, wire.OptionKeepalive, 2)
		b = binary.BigEndian.AppendUint16(b, o.keepalive)
	}
	return b
}

func appendOption(b []byte, code uint16, size int) []byte {
	b = binary.BigEndian.AppendUint16(b, code)
	return binary.BigEndian.AppendUint16(b, uint16(size))
}

// maxCookie is the size of a COOKIE option's data in replies.
const maxCookie = cookie.ClientSize + cookie.ServerSize
