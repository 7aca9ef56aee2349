package masterfile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"
)

// The fields of keys, signatures and certificates that numbers or words stand for.
var (
	asAlgorithm       = form{read: (*builder).algorithm, size: octets(1)}
	asMoment          = form{read: (*builder).moment, size: octets(4)}
	asCertificateType = form{read: (*builder).certificateType, size: octets(2)}
	asKeyFlags        = form{read: (*builder).keyFlags, size: octets(2)}
	asKeyProtocol     = form{read: (*builder).keyProtocol, size: octets(1)}
	asKeyUnlessNone   = form{read: (*builder).keyUnlessNone, size: keyUnlessNoneSize}
	asDigest          = digestForm(3, 1, map[byte]int{1: 20, 2: 32, 4: 48}) // RFC 4034, appendix A.2, RFC 4509, RFC 6605
	asZoneDigest      = digestForm(5, 12, map[byte]int{1: 48, 2: 64})       // RFC 8976, section 2.2
	asNoFlags         = form{read: (*builder).noFlags, size: noFlagsSize}
	asNotifyScheme    = form{read: (*builder).notifyScheme, size: octets(1)}
)

// algorithms is the mnemonics of DNSSEC algorithms (RFC 4034, appendix A.1, and IANA, "DNS
// Security Algorithm Numbers"), with those that BIND has for some of them.
var algorithms = map[string]uint16{
	"RSAMD5": 1, "DH": 2, "DSA": 3, "RSASHA1": 5, "DSA-NSEC3-SHA1": 6, "NSEC3DSA": 6,
	"RSASHA1-NSEC3-SHA1": 7, "NSEC3RSASHA1": 7, "RSASHA256": 8, "RSASHA512": 10, "ECC-GOST": 12, "ECCGOST": 12,
	"ECDSAP256SHA256": 13, "ECDSA256": 13, "ECDSAP384SHA384": 14, "ECDSA384": 14, "ED25519": 15, "ED448": 16,
	"INDIRECT": 252, "PRIVATEDNS": 253, "PRIVATEOID": 254,
}

// algorithm reads a DNSSEC algorithm, by number or mnemonic.
func (b *builder) algorithm(what string) {
	b.out = append(b.out, byte(b.word(what, 8, algorithms, "ECDSAP256SHA256")))
}

// digestForm is the form of a digest that takes all that is left, an octet of the data says of which
// type. One that is shorter than any may be, or of another length than its type has, can validate
// nothing.
func digestForm(typeAt, least int, lengths map[byte]int) form {
	size := func(data []byte, at int) int {
		size := some(data, at)
		if length, known := lengths[data[typeAt]]; known && size != length || size < least {
			return -1
		}
		return size
	}
	return form{size: size, read: func(b *builder, what string) {
		at := len(b.out)
		b.hex(what)
		if b.err != nil || size(b.out, at) >= 0 {
			return
		}
		expected := fmt.Sprintf("at least %d", least)
		if length, known := lengths[b.out[typeAt]]; known {
			expected = fmt.Sprintf("%d, the length of its type", length)
		}
		b.fail(what, fmt.Errorf("it has %d octets; expected %s", len(b.out)-at, expected))
	}}
}

// certificateTypes is the mnemonics of types of certificates (RFC 4398, section 2.1).
var certificateTypes = map[string]uint16{
	"PKIX": 1, "SPKI": 2, "PGP": 3, "IPKIX": 4, "ISPKI": 5, "IPGP": 6, "ACPKIX": 7, "IACPKIX": 8, "URI": 253, "OID": 254,
}

// certificateType reads the type of a certificate, by number or mnemonic.
func (b *builder) certificateType(what string) {
	b.out = binary.BigEndian.AppendUint16(b.out, b.word(what, 16, certificateTypes, "PKIX"))
}

// notifySchemes is the mnemonics of how to notify (RFC 9859, section 6.2).
var notifySchemes = map[string]uint16{"NOTIFY": 1}

func (b *builder) notifyScheme(what string) {
	b.out = append(b.out, byte(b.word(what, 8, notifySchemes, "NOTIFY")))
}

// keyProtocols is the mnemonics of protocols that a key is for (RFC 2535, section 7.1).
var keyProtocols = map[string]uint16{"NONE": 0, "TLS": 1, "EMAIL": 2, "DNSSEC": 3, "IPSEC": 4, "ALL": 255}

func (b *builder) keyProtocol(what string) {
	b.out = append(b.out, byte(b.word(what, 8, keyProtocols, "DNSSEC")))
}

// keyFlag is a value of some of the bits of the flags of a KEY record.
type keyFlag struct{ value, bits uint16 }

// keyFlags is their mnemonics (RFC 2535, section 7.1).
var keyFlags = map[string]keyFlag{
	"NOCONF": {0x4000, 0xc000}, "NOAUTH": {0x8000, 0xc000}, "NOKEY": {0xc000, 0xc000},
	"FLAG2": {0x2000, 0x2000}, "EXTEND": {0x1000, 0x1000}, "FLAG4": {0x0800, 0x0800}, "FLAG5": {0x0400, 0x0400},
	"USER": {0x0000, 0x0300}, "ZONE": {0x0100, 0x0300}, "HOST": {0x0200, 0x0300}, "NTYP3": {0x0300, 0x0300},
	"FLAG8": {0x0080, 0x0080}, "FLAG9": {0x0040, 0x0040}, "FLAG10": {0x0020, 0x0020}, "FLAG11": {0x0010, 0x0010},
	"SIG0": {0, 15}, "SIG1": {1, 15}, "SIG2": {2, 15}, "SIG3": {3, 15}, "SIG4": {4, 15}, "SIG5": {5, 15}, "SIG6": {6, 15},
	"SIG7": {7, 15}, "SIG8": {8, 15}, "SIG9": {9, 15}, "SIG10": {10, 15}, "SIG11": {11, 15}, "SIG12": {12, 15},
	"SIG13": {13, 15}, "SIG14": {14, 15}, "SIG15": {15, 15},
}

// keyFlags reads flags as a number or as mnemonics with bars between, none of which may contradict
// another.
func (b *builder) keyFlags(what string) {
	f, ok := b.next(what)
	if !ok {
		return
	}
	n, isNumber := parseUint(f.text, 16)
	flags, bits := uint16(n), uint16(0)
	if !isNumber {
		for word := range bytes.SplitSeq(f.text, []byte("|")) {
			flag, known := keyFlags[upper(word)]
			ok = ok && known && bits&flag.bits == 0
			flags |= flag.value
			bits |= flag.bits
		}
	}
	if !ok || f.quoted {
		b.fail(what, fmt.Errorf("found %s; expected a number from 0 to 65535, or words such as NOCONF|ZONE", f))
	}
	b.out = binary.BigEndian.AppendUint16(b.out, flags)
}

// noFlags reads flags of which none is defined.
func (b *builder) noFlags(what string) {
	if n := b.number(what, 16); n != 0 {
		b.fail(what, fmt.Errorf("found %d; expected 0", n))
	}
	b.out = append(b.out, 0, 0)
}

func noFlagsSize(data []byte, at int) int {
	if taken(data, at, 2) < 0 || data[at] != 0 || data[at+1] != 0 {
		return -1
	}
	return 2
}

// noKey says whether the flags, which data begins with, say that there is no key (RFC 2535,
// section 3.1.2).
func noKey(data []byte) bool { return data[0]&0xc0 == 0xc0 }

func (b *builder) keyUnlessNone(what string) {
	if !noKey(b.out) {
		b.base64(what)
	}
}

func keyUnlessNoneSize(data []byte, at int) int {
	if noKey(data) {
		return 0
	}
	return some(data, at)
}

// moment reads a time as YYYYMMDDHHmmSS or in seconds since 1970, modulo 2^32 (RFC 4034,
// section 3.2).
func (b *builder) moment(what string) {
	f, ok := b.next(what)
	if !ok {
		return
	}
	seconds, fits := parseUint(f.text, 32)
	const layout = "20060102150405"
	if len(f.text) == len(layout) {
		t, err := time.Parse(layout, string(f.text))
		_, isNumber := parseUint(f.text, 63)
		// Times go round every 136 years (RFC 4034, section 3.1.5).
		seconds, fits = uint64(uint32(t.Unix())), err == nil && isNumber
	}
	if !fits || f.quoted {
		b.fail(what, fmt.Errorf("found %s; expected a time as YYYYMMDDHHmmSS, or in seconds", f))
	}
	b.out = binary.BigEndian.AppendUint32(b.out, uint32(seconds))
}
