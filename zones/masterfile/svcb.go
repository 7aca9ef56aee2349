package masterfile

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"unicode/utf8"
)

// The parameters of SVCB and HTTPS records that have a form of their own (RFC 9460, section
// 14.3.2; RFC 9461, section 5; RFC 9540, section 4).
const (
	keyMandatory = 0
	keyALPN      = 1
	keyNoDefault = 2
	keyPort      = 3
	keyIPv4Hint  = 4
	keyECH       = 5
	keyIPv6Hint  = 6
	keyDoHPath   = 7
	keyOHTTP     = 8
)

var serviceKeys = map[string]uint16{
	"mandatory": keyMandatory, "alpn": keyALPN, "no-default-alpn": keyNoDefault, "port": keyPort,
	"ipv4hint": keyIPv4Hint, "ech": keyECH, "ipv6hint": keyIPv6Hint, "dohpath": keyDoHPath, "ohttp": keyOHTTP,
}

// serviceKey reads a key: a word, or a number as in key667. Both are in lower case, and a number
// has no leading zeros (RFC 9460, section 2.1).
func serviceKey(name []byte) (key uint16, byNumber, known bool) {
	if key, known = serviceKeys[string(name)]; known {
		return key, false, true
	}
	digits, byNumber := bytes.CutPrefix(name, []byte("key"))
	n, isNumber := parseUint(digits, 16)
	return uint16(n), true, byNumber && isNumber && (digits[0] != '0' || len(digits) == 1)
}

// parameter is one of them, its value in wire form.
type parameter struct {
	key   uint16
	value []byte
}

var asParameters = form{read: (*builder).parameters, size: parametersSize}

// parameters reads the rest as service parameters, in any order (RFC 9460, section 2.1).
func (b *builder) parameters(what string) {
	var list []parameter
	for len(b.fields) > 0 {
		f, _ := b.next(what)
		p, err := b.parameter(f)
		if err != nil {
			b.fail("parameter "+f.String(), err)
			return
		}
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b parameter) int { return int(a.key) - int(b.key) })
	if err := consistent(list); err != nil {
		b.fail(what, err)
		return
	}
	for _, p := range list {
		b.out = binary.BigEndian.AppendUint16(b.out, p.key)
		b.out = binary.BigEndian.AppendUint16(b.out, uint16(len(p.value)))
		b.out = append(b.out, p.value...)
	}
}

// parameter reads key, key=value or key="value".
func (b *builder) parameter(f field) (p parameter, err error) {
	if f.quoted {
		return p, errQuoted
	}
	name, text, hasValue := bytes.Cut(f.text, []byte("="))
	key, byNumber, known := serviceKey(name)
	if !known {
		return p, errors.New("there is no such key")
	}
	value := field{text: text, escaped: f.escaped}
	if len(b.fields) > 0 && b.fields[0].glued {
		if !hasValue || len(text) > 0 {
			return p, errors.New("found a quote; expected it after the equals sign only")
		}
		value = b.fields[0]
		b.fields = b.fields[1:]
	}
	scratch := builder{}
	scratch.octets("value", value)
	if scratch.err != nil {
		return p, scratch.err
	}
	p.key, p.value = key, scratch.out
	if !byNumber { // then the value is in wire form (RFC 9460, section 2.1)
		if p.value, err = parameterValue(key, scratch.out); err != nil {
			return p, err
		}
	}
	return p, p.check()
}

// parameterValue is the wire form of what is written as the value of a key.
func parameterValue(key uint16, text []byte) (value []byte, err error) {
	switch key {
	case keyNoDefault, keyOHTTP:
		if len(text) > 0 {
			return nil, errors.New("found a value; expected none")
		}
		return nil, nil
	case keyMandatory, keyALPN, keyPort, keyIPv4Hint, keyECH, keyIPv6Hint, keyDoHPath:
		if len(text) == 0 {
			return nil, errors.New("it has no value")
		}
	}
	switch key {
	case keyMandatory:
		return mandatoryKeys(text)
	case keyALPN:
		return protocols(text)
	case keyPort:
		port, ok := parseUint(text, 16)
		if !ok {
			return nil, errors.New("expected a port from 0 to 65535")
		}
		return binary.BigEndian.AppendUint16(nil, uint16(port)), nil
	case keyECH:
		value, err := base64.StdEncoding.AppendDecode(nil, text)
		if err != nil {
			return nil, errors.New("its value is no base 64")
		}
		return value, nil
	case keyIPv4Hint, keyIPv6Hint:
		return hints(key, text)
	default:
		return text, nil
	}
}

// mandatoryKeys reads the value of mandatory (RFC 9460, section 8).
func mandatoryKeys(text []byte) (value []byte, err error) {
	var keys []uint16
	for name := range bytes.SplitSeq(text, []byte(",")) {
		key, _, known := serviceKey(name)
		if !known {
			return nil, fmt.Errorf("there is no key %s", quote(name))
		}
		if slices.Contains(keys, key) || key == keyMandatory {
			return nil, fmt.Errorf("found %s; expected each key once, and mandatory not itself", quote(name))
		}
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		value = binary.BigEndian.AppendUint16(value, key)
	}
	return value, nil
}

// protocols reads a list of ALPN identifiers, in which a backslash escapes a comma (RFC 9460,
// section 7.1.1 and appendix A.1).
func protocols(text []byte) (value []byte, err error) {
	at := 0
	value = append(value, 0)
	end := func() error {
		size := len(value) - at - 1
		if size == 0 || size > maxText {
			return fmt.Errorf("found a protocol of %d octets; expected from 1 to %d", size, maxText)
		}
		value[at] = byte(size)
		return nil
	}
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == ',':
			if err := end(); err != nil {
				return nil, err
			}
			at = len(value)
			value = append(value, 0)
		case text[i] == '\\' && i+1 < len(text):
			i++
			value = append(value, text[i])
		default:
			value = append(value, text[i])
		}
	}
	return value, end()
}

// hints reads a list of addresses.
func hints(key uint16, text []byte) (value []byte, err error) {
	for item := range bytes.SplitSeq(text, []byte(",")) {
		if key == keyIPv4Hint {
			addr, ok := parseIPv4(item)
			if !ok {
				return nil, fmt.Errorf("%s is no IPv4 address", quote(item))
			}
			value = append(value, addr[:]...)
			continue
		}
		addr, ok := parseIPv6(item)
		if !ok {
			return nil, fmt.Errorf("%s is no IPv6 address", quote(item))
		}
		value = append(value, addr[:]...)
	}
	return value, nil
}

// check says what is wrong with the value of a parameter in wire form. Those of ech and ohttp may
// be anything, as other name servers have it.
func (p parameter) check() error {
	if len(p.value) > math.MaxUint16 {
		return fmt.Errorf("its value has more than %d octets", math.MaxUint16)
	}
	fits, expected := true, ""
	switch p.key {
	case keyMandatory:
		fits, expected = isMandatory(p.value), "the numbers of other keys, in order and each once"
	case keyALPN:
		fits, expected = len(p.value) > 0 && isProtocols(p.value), "protocols of 1 to 255 octets"
	case keyNoDefault:
		fits, expected = len(p.value) == 0, "no value"
	case keyPort:
		fits, expected = len(p.value) == 2, "two octets"
	case keyIPv4Hint:
		fits, expected = len(p.value) > 0 && len(p.value)%4 == 0, "IPv4 addresses"
	case keyIPv6Hint:
		fits, expected = len(p.value) > 0 && len(p.value)%16 == 0, "IPv6 addresses"
	case keyDoHPath:
		fits, expected = isRequestPath(p.value), "a path with the variable dns, such as /dns-query{?dns}"
	}
	if !fits {
		return fmt.Errorf("the value of the key %d is %x; expected %s", p.key, p.value, expected)
	}
	return nil
}

// isMandatory says whether a value lists keys as mandatory does (RFC 9460, section 8).
func isMandatory(value []byte) bool {
	if len(value) == 0 || len(value)%2 != 0 {
		return false
	}
	last := keyMandatory
	for ; len(value) > 0; value = value[2:] {
		key := int(binary.BigEndian.Uint16(value))
		if key <= last {
			return false
		}
		last = key
	}
	return true
}

// variables is the expressions of a URI template: an operator perhaps, then names, each with a
// modifier perhaps (RFC 6570, section 2).
var variables = regexp.MustCompile(`\{[+#./;?&]?([^{}]*)\}`)

// isRequestPath says whether a value is a URI template for requests by HTTPS: a path in UTF-8 that has
// the variable dns (RFC 9461, section 5).
func isRequestPath(value []byte) bool {
	if !bytes.HasPrefix(value, []byte("/")) || !utf8.Valid(value) {
		return false
	}
	for _, expression := range variables.FindAllSubmatch(value, -1) {
		for name := range bytes.SplitSeq(expression[1], []byte(",")) {
			if name, _, _ = bytes.Cut(name, []byte(":")); string(bytes.TrimSuffix(name, []byte("*"))) == "dns" {
				return true
			}
		}
	}
	return false
}

// isProtocols says whether a value lists ALPN identifiers (RFC 9460, section 7.1).
func isProtocols(value []byte) bool {
	for len(value) > 0 {
		size := countedSome(value, 0)
		if size < 0 {
			return false
		}
		value = value[size:]
	}
	return true
}

// parametersSize takes all that is left: parameters in order, each in its form.
func parametersSize(data []byte, at int) int {
	const head = 4 // key, length
	var list []parameter
	for end := at; end < len(data); {
		if taken(data, end, head) < 0 {
			return -1
		}
		p := parameter{key: binary.BigEndian.Uint16(data[end:])}
		size := int(binary.BigEndian.Uint16(data[end+2:]))
		if end += head; taken(data, end, size) < 0 {
			return -1
		}
		p.value = data[end : end+size]
		end += size
		if p.check() != nil || len(list) > 0 && p.key <= list[len(list)-1].key {
			return -1
		}
		list = append(list, p)
	}
	if consistent(list) != nil {
		return -1
	}
	return len(data) - at
}

// consistent says what is wrong with parameters among each other. They are in order.
func consistent(list []parameter) error {
	has := func(key uint16) bool {
		return slices.ContainsFunc(list, func(p parameter) bool { return p.key == key })
	}
	for i, p := range list {
		if i > 0 && p.key == list[i-1].key {
			return fmt.Errorf("the key %d is given twice", p.key)
		}
	}
	if has(keyNoDefault) && !has(keyALPN) {
		return errors.New("no-default-alpn stands without alpn (RFC 9460, section 7.1.1)")
	}
	if len(list) > 0 && list[0].key == keyMandatory {
		for keys := list[0].value; len(keys) >= 2; keys = keys[2:] {
			if key := binary.BigEndian.Uint16(keys); !has(key) {
				return fmt.Errorf("the key %d is mandatory, but not there (RFC 9460, section 8)", key)
			}
		}
	}
	return nil
}
