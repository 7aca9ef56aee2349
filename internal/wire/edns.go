package wire

import (
	"encoding/binary"
	"net/netip"
)

// OPTSize is the size of an OPT record without options (RFC 6891, section 6.1.2).
const OPTSize = 11

// Codes of the EDNS options that are understood here (IANA, DNS EDNS0 Option Codes).
const (
	OptionNSID      = 3  // RFC 5001
	OptionSubnet    = 8  // RFC 7871
	OptionCookie    = 10 // RFC 7873
	OptionKeepalive = 11 // RFC 7828
	OptionPadding   = 12 // RFC 7830
	OptionEDE       = 15 // RFC 8914
)

// EDNS is the OPT record of a query. The slices refer to the message.
type EDNS struct {
	Present   bool
	Size      int // the UDP reply that the client can take, in bytes
	Version   uint8
	DO        bool // DNSSEC OK (RFC 3225)
	NSID      bool // the server's name is asked for
	Keepalive bool // how long a connection may idle is asked for
	Subnet    []byte
	// ClientCookie is empty or of 8 bytes; ServerCookie, which comes only with it, of 8 to 32.
	ClientCookie []byte
	ServerCookie []byte
	// BadCookie and BadSubnet say that there is such an option and that it is malformed. Where it is
	// ignored it is as good as an unknown option.
	BadCookie, BadSubnet bool
}

const doBit = 1 << 15

// Parse reads an OPT record: its class, TTL and data. It reports whether that is
// well-formed. Whether the options are that are understood here, BadCookie and BadSubnet say.
// Others are skipped (RFC 6891, section 6.1.2); an option that is there twice counts the first
// time. The options of a version above 0 are not looked at: they may be laid out otherwise.
func (e *EDNS) Parse(class uint16, ttl uint32, data []byte) bool {
	*e = EDNS{
		Present: true,
		Size:    int(class),
		Version: uint8(ttl >> 16),
		DO:      ttl&doBit != 0,
	}
	if e.Version > 0 {
		return true
	}
	for len(data) > 0 {
		if len(data) < 4 {
			return false
		}
		code := binary.BigEndian.Uint16(data)
		length := int(binary.BigEndian.Uint16(data[2:]))
		data = data[4:]
		if length > len(data) {
			return false
		}
		e.option(code, data[:length:length])
		data = data[length:]
	}
	return true
}

func (e *EDNS) option(code uint16, data []byte) {
	switch code {
	case OptionNSID:
		e.NSID = true // what a query has in it is ignored (RFC 5001, section 2.1)
	case OptionKeepalive:
		// A query's holds no timeout (RFC 7828, section 3.1); one that does is ignored.
		e.Keepalive = e.Keepalive || len(data) == 0
	case OptionCookie:
		e.cookie(data)
	case OptionSubnet:
		switch {
		case !ValidSubnet(data):
			e.BadSubnet = true
		case e.Subnet == nil:
			e.Subnet = data
		}
	}
}

// cookie reads a COOKIE option. Any other length is malformed (RFC 7873, section 5.2.2), but
// all options after the first are ignored (section 5.2).
func (e *EDNS) cookie(data []byte) {
	const client, serverMin, serverMax = 8, 8, 32
	switch {
	case e.ClientCookie != nil || e.BadCookie:
	case len(data) != client && (len(data) < client+serverMin || len(data) > client+serverMax):
		e.BadCookie = true
	default:
		e.ClientCookie, e.ServerCookie = data[:client], data[client:]
	}
}

// Address families of a client subnet (IANA, Address Family Numbers).
const (
	familyNone = 0
	familyIPv4 = 1
	familyIPv6 = 2
)

const subnetHead = 4 // family, source and scope prefix lengths

// ValidSubnet reports whether the data of a query's client subnet option is as RFC 7871,
// section 6, has it: a prefix that the family allows, scope 0, as many address bytes as the
// prefix needs, and no bit set beyond it. Family 0 goes with no address, as some clients ask
// not to be told apart.
func ValidSubnet(data []byte) bool {
	if len(data) < subnetHead {
		return false
	}
	source, scope, address := int(data[2]), data[3], data[subnetHead:]
	var bits int
	switch binary.BigEndian.Uint16(data) {
	case familyNone:
	case familyIPv4:
		bits = 32
	case familyIPv6:
		bits = 128
	default:
		return false
	}
	if source > bits || scope != 0 || len(address) != (source+7)/8 {
		return false
	}
	spare := uint(len(address)*8 - source)
	return spare == 0 || address[len(address)-1]&(1<<spare-1) == 0
}

// SubnetAddress is the address of a valid client subnet option, with zeros beyond the prefix, and how
// many bits lie beyond it. The address is the zero value if the option names no network: its prefix has
// no bits (RFC 7871, section 7.1.2).
func SubnetAddress(data []byte) (addr netip.Addr, hidden int) {
	if data[2] == 0 {
		return netip.Addr{}, 0
	}
	var address [16]byte
	copy(address[:], data[subnetHead:])
	if binary.BigEndian.Uint16(data) == familyIPv4 {
		addr = netip.AddrFrom4([4]byte(address[:4]))
	} else {
		addr = netip.AddrFrom16(address)
	}
	return addr, addr.BitLen() - int(data[2])
}
