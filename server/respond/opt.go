package respond

import (
	"encoding/binary"
	"time"

	"gslb/internal/cookie"
	"gslb/internal/wire"
)

// extendedError is the data of an EDNS extended error (RFC 8914): why the response code is
// what it is.
type extendedError []byte

// newExtendedError makes one with a text for the operator of the resolver.
func newExtendedError(code uint16, text string) extendedError {
	return append(binary.BigEndian.AppendUint16(nil, code), text...)
}

// The extended errors that are sent. Code 0 is "other".
var (
	errNotReady         = newExtendedError(14, "no answers yet")
	errNotAuthoritative = newExtendedError(20, "")
	errNotSupported     = newExtendedError(21, "no transfers, and no class but IN")
	errNothingUp        = newExtendedError(0, "no place that could answer is up")
)

// optBuilder makes the OPT records of replies.
type optBuilder struct {
	id        string        // for NSID
	keepalive []byte        // of the option: how long a connection may idle; empty: not over TCP
	cookie    []byte        // client's and server's together; empty: none
	error     extendedError // empty: none
	subnet    []byte        // of the query, which is answered; empty: none is

	buf  []byte // of the last record
	at   int    // the place in it of the subnet's scope; 0: there is none
	room int    // what it may have at most, in bytes
}

// newKeepalive is the data of a keepalive option: a time in units of 100 ms (RFC 7828, section
// 3.1).
func newKeepalive(idle time.Duration) []byte {
	return binary.BigEndian.AppendUint16(nil, uint16(min(idle/(100*time.Millisecond), 1<<16-1)))
}

// make makes the OPT record (RFC 6891, section 6.1) that goes with a reply to a query that has one.
// The upper bits of rcode go into it; DO comes back as it was asked (RFC 3225, section 3). Options
// that do not fit in room, in bytes, are left out, the least important first. The record is valid
// until the next call.
func (o *optBuilder) make(e *wire.EDNS, rcode, room int) []byte {
	flags := byte(0)
	if e.DO {
		flags = 0x80
	}
	o.room, o.at = room, 0
	o.buf = append(o.buf[:0], 0, 0, 41, wire.UDPPayload>>8, wire.UDPPayload&0xff, byte(rcode>>4), 0, flags, 0, 0, 0)
	if e.Version == 0 {
		o.addAsked(e)
	}
	if len(o.error) > 0 {
		addOption(o, wire.OptionEDE, o.error)
	}
	binary.BigEndian.PutUint16(o.buf[wire.OPTSize-2:], uint16(len(o.buf)-wire.OPTSize))
	return o.buf
}

// addAsked adds what the query's options ask for.
func (o *optBuilder) addAsked(e *wire.EDNS) {
	if len(o.cookie) > 0 {
		addOption(o, wire.OptionCookie, o.cookie)
	}
	if len(o.subnet) > 0 && addOption(o, wire.OptionSubnet, o.subnet) {
		o.at = len(o.buf) - len(o.subnet) + scopeOffset
	}
	if e.Keepalive && len(o.keepalive) > 0 {
		addOption(o, wire.OptionKeepalive, o.keepalive)
	}
	if e.NSID && o.id != "" {
		addOption(o, wire.OptionNSID, o.id)
	}
}

// scope completes a record that was made before it was known how many bits of the client's address
// the reply depends on: 0 for a reply that is the same for all (RFC 7871, section 7.2.1). The scope
// is never longer than the prefix that was sent, since the reply is for all of that network.
func (o *optBuilder) scope(bits int) {
	if o.at == 0 {
		return
	}
	const mapped = 96 // bits before the IPv4 address in an IPv6 address that stands for one
	source := int(o.subnet[scopeOffset-1])
	if addr, _ := wire.SubnetAddress(o.subnet); bits > 0 && addr.Is4In6() {
		bits += mapped
	}
	o.buf[o.at] = byte(min(bits, source))
}

// scopeOffset is where the scope stands in a client subnet option, behind the length of the prefix.
const scopeOffset = 3

// addOption appends an option, and reports whether there was room for it.
func addOption[T ~string | ~[]byte](o *optBuilder, code uint16, data T) bool {
	const head = 4 // code and length
	if len(o.buf)+head+len(data) > o.room {
		return false
	}
	o.buf = binary.BigEndian.AppendUint16(o.buf, code)
	o.buf = binary.BigEndian.AppendUint16(o.buf, uint16(len(data)))
	o.buf = append(o.buf, data...)
	return true
}

// maxCookie is the size of a COOKIE option's data in replies.
const maxCookie = cookie.ClientSize + cookie.ServerSize
