package records

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/miekg/dns"

	"gslb/internal/wire"
)

// A key stands for a name of a zone. The order of keys as bytes is the canonical order of the names
// (RFC 4034, section 6.1), and the keys of all names below a name begin with its key. It consists
// of the labels below the apex from the top down, in lower case, with a zero byte between them. The
// apex has the empty key.
//
// Within labels, bytes 0 and 1 are escaped by a 1, so that they keep their order and none is
// taken for the end of a label.
const (
	keySeparator = 0
	keyEscape    = 1
)

// AppendKey appends the key of a name in wire form in the zone of apex, which is in lower case.
// It is false if the name lies outside.
func AppendKey(dst, name, apex []byte) (key []byte, inside bool) {
	var starts [wire.MaxName / 2]uint8
	labels, at := 0, 0
	for end := len(name) - len(apex); at != end; at += 1 + int(name[at]) {
		if at > end || name[at] == 0 {
			return dst, false
		}
		starts[labels] = uint8(at)
		labels++
	}
	if suffix := name[at:]; !bytes.Equal(suffix, apex) && !wire.Equal(suffix, apex) {
		return dst, false
	}
	for i := labels - 1; i >= 0; i-- {
		at := int(starts[i])
		dst = appendKeyLabel(dst, name[at+1:at+1+int(name[at])])
		if i > 0 {
			dst = append(dst, keySeparator)
		}
	}
	return dst, true
}

func appendKeyLabel(dst, label []byte) []byte {
	for _, c := range label {
		switch {
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		case c <= keyEscape:
			dst = append(dst, keyEscape)
			c++
		}
		dst = append(dst, c)
	}
	return dst
}

// appendOwner appends the wire form of the name that has a key.
func appendOwner(dst, key, apex []byte) []byte {
	for len(key) > 0 {
		at := bytes.LastIndexByte(key, keySeparator)
		label := key[at+1:]
		size := len(dst)
		dst = append(dst, 0)
		for i := 0; i < len(label); i++ {
			c := label[i]
			if c == keyEscape {
				i++
				c = label[i] - 1
			}
			dst = append(dst, c)
		}
		dst[size] = byte(len(dst) - size - 1)
		key = key[:max(at, 0)]
	}
	return append(dst, apex...)
}

// KeyOf is the key of a fully qualified name in Presentation form.
func KeyOf(name string, apex []byte) (key []byte, inside bool) {
	parsed, ok := wire.ParseName(name)
	if !ok {
		return nil, false
	}
	return AppendKey(nil, parsed.Bytes(), apex)
}

// isBelow says whether the name of a key is that of another, or lies below it.
func isBelow(key, above []byte) bool {
	return bytes.HasPrefix(key, above) && (len(above) == 0 || len(key) == len(above) || key[len(above)] == keySeparator)
}

// parentKey is the key of the name above; the apex has none.
func parentKey(key []byte) []byte {
	return key[:max(0, bytes.LastIndexByte(key, keySeparator))]
}

// Presentation is a name in wire form as text, in lower case.
func Presentation(name []byte) string {
	text, _, err := dns.UnpackDomainName(name, 0)
	if err != nil {
		panic(fmt.Sprintf("records: unpack the name %x: %v", name, err))
	}
	return strings.ToLower(text)
}
