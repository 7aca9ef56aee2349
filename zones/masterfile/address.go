package masterfile

// parseIPv4 reads an IPv4 address in four decimal numbers. Leading zeros, which some take to
// mean octal, are refused.
func parseIPv4(text []byte) (addr [4]byte, ok bool) {
	octet, digits, n := 0, 0, 0
	for i := 0; ; i++ {
		if i == len(text) || text[i] == '.' {
			if digits == 0 || octet == 4 {
				return addr, false
			}
			addr[octet] = byte(n)
			octet++
			digits, n = 0, 0
			if i == len(text) {
				return addr, octet == 4
			}
			continue
		}
		if !isDigit(text[i]) || digits > 0 && n == 0 {
			return addr, false
		}
		n = n*10 + int(text[i]-'0')
		digits++
		if n > 255 {
			return addr, false
		}
	}
}

// parseIPv6 reads an IPv6 address (RFC 4291, section 2.2), without a zone.
func parseIPv6(text []byte) (addr [16]byte, ok bool) {
	at, gap := 0, -1 // bytes that are filled in; where "::" stands among them
	if len(text) >= 2 && text[0] == ':' && text[1] == ':' {
		gap = 0
		text = text[2:]
	}
	for len(text) > 0 {
		n, digits := uint16(0), 0
		for digits < len(text) && digits <= 4 && hexValue[text[digits]] >= 0 {
			n = n<<4 | uint16(hexValue[text[digits]])
			digits++
		}
		if digits < len(text) && text[digits] == '.' { // the last 32 bits as an IPv4 address
			v4, ok := parseIPv4(text)
			if !ok || at > 12 {
				return addr, false
			}
			at += copy(addr[at:], v4[:])
			break
		}
		if digits == 0 || digits > 4 || at == 16 {
			return addr, false
		}
		addr[at], addr[at+1] = byte(n>>8), byte(n)
		at += 2
		text = text[digits:]
		if len(text) == 0 {
			break
		}
		if text[0] != ':' || len(text) == 1 {
			return addr, false
		}
		text = text[1:]
		if text[0] == ':' {
			if gap >= 0 {
				return addr, false
			}
			gap = at
			text = text[1:]
		}
	}
	if gap < 0 {
		return addr, at == 16
	}
	if at == 16 {
		return addr, false // "::" stands for one group at least
	}
	tail := at - gap
	copy(addr[16-tail:], addr[gap:at])
	clear(addr[gap : 16-tail])
	return addr, true
}

// hexValue is what a hexadecimal digit stands for; -1: it is none.
var hexValue = func() (table [256]int8) {
	for c := range table {
		switch {
		case '0' <= c && c <= '9':
			table[c] = int8(c - '0')
		case 'a' <= c && c <= 'f':
			table[c] = int8(c - 'a' + 10)
		case 'A' <= c && c <= 'F':
			table[c] = int8(c - 'A' + 10)
		default:
			table[c] = -1
		}
	}
	return table
}()
