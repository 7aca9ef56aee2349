package masterfile

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
)

// How IPSECKEY records name a gateway (RFC 4025, section 2.3) and AMTRELAY records a relay (RFC
// 8777, section 4.2.3). Both have the kind in their second octet.
const (
	gatewayNone = iota
	gatewayIPv4
	gatewayIPv6
	gatewayByName
)

// discoveryBit says, in the same octet, that a relay may be found by other means as well.
const discoveryBit = 0x80

// A gateway is one field of text, and has two forms: an address, or else a name.
var (
	asGatewayType    = form{read: (*builder).gatewayType, size: limited(gatewayByName)}
	asRelayDiscovery = form{read: (*builder).relayDiscovery, size: octets(0)} // it shares the octet of the type
	asRelayType      = form{read: (*builder).relayType, size: octets(1)}
	asGatewayAddress = form{read: (*builder).gatewayAddress, size: gatewayAddressSize}
	asGatewayName    = form{read: (*builder).gatewayName, size: gatewayNameSize, name: true}
)

func gatewayKind(data []byte) byte { return data[1] &^ discoveryBit }

func (b *builder) gatewayType(what string) {
	n := b.number(what, 8)
	if n > gatewayByName {
		b.fail(what, fmt.Errorf("found %d; expected from 0 to %d", n, gatewayByName))
	}
	b.out = append(b.out, byte(n))
}

func (b *builder) relayDiscovery(what string) {
	switch n := b.number(what, 8); n {
	case 0, 1:
		b.out = append(b.out, byte(n)*discoveryBit)
	default:
		b.fail(what, fmt.Errorf("found %d; expected 0 or 1", n))
	}
}

func (b *builder) relayType(what string) {
	n := b.number(what, 7)
	if n > gatewayByName {
		b.fail(what, fmt.Errorf("found %d; expected from 0 to %d", n, gatewayByName))
	}
	if b.err == nil {
		b.out[len(b.out)-1] |= byte(n)
	}
}

func (b *builder) gatewayAddress(what string) {
	switch gatewayKind(b.out) {
	case gatewayNone:
		if f, ok := b.next(what); ok && !f.is(".") {
			b.fail(what, fmt.Errorf(`found %s; expected "." for none`, f))
		}
	case gatewayIPv4:
		b.ipv4(what)
	case gatewayIPv6:
		b.ipv6(what)
	}
}

func gatewayAddressSize(data []byte, at int) int {
	switch gatewayKind(data) {
	case gatewayIPv4:
		return taken(data, at, 4)
	case gatewayIPv6:
		return taken(data, at, 16)
	case gatewayNone, gatewayByName:
		return 0
	default: // a relay type that is not known, whose form nobody knows
		return whatever(data, at)
	}
}

func (b *builder) gatewayName(what string) {
	if gatewayKind(b.out) == gatewayByName {
		b.name(what)
	}
}

func gatewayNameSize(data []byte, at int) int {
	if gatewayKind(data) != gatewayByName {
		return 0
	}
	return nameSize(data, at)
}

// asHostIdentity is what a HIP record has before its servers (RFC 8005, sections 5 and 6): an
// algorithm, a tag in hexadecimal and a key in base 64, none of which may have blanks in it.
// Before those stand, in wire form, the lengths of tag and key.
var asHostIdentity = form{read: (*builder).hostIdentity, size: hostIdentitySize}

const hostIdentityHead = 4

func (b *builder) hostIdentity(string) {
	algorithm := b.number("algorithm", 8)
	tagText, _ := b.next("host identity tag")
	keyText, ok := b.next("key")
	if !ok {
		return
	}
	tag, isHex := appendHex(nil, tagText.text)
	if !isHex || tagText.quoted || len(tag) == 0 || len(tag) > math.MaxUint8 {
		b.fail("host identity tag", fmt.Errorf("found %s; expected up to 255 octets in hexadecimal", tagText))
	}
	key, err := base64.StdEncoding.DecodeString(string(keyText.text))
	if err != nil || keyText.quoted || len(key) == 0 || len(key) > math.MaxUint16 {
		b.fail("key", fmt.Errorf("%s is no base 64", keyText))
	}
	b.out = append(b.out, byte(len(tag)), byte(algorithm))
	b.out = binary.BigEndian.AppendUint16(b.out, uint16(len(key)))
	b.out = append(append(b.out, tag...), key...)
}

func hostIdentitySize(data []byte, at int) int {
	if taken(data, at, hostIdentityHead) < 0 {
		return -1
	}
	tag, key := int(data[at]), int(binary.BigEndian.Uint16(data[at+2:]))
	if tag == 0 || key == 0 {
		return -1
	}
	return taken(data, at, hostIdentityHead+tag+key)
}
