package config

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"

	"github.com/miekg/dns"

	"gslb/internal/wire"
	"gslb/zones"
	"gslb/zones/masterfile"
	"gslb/zones/records"
)

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}

// domainName returns a name fully qualified and in lower case, or says why it is none. It
// takes what can be registered and, for the likes of _dmarc, underscores.
func domainName(s string) (string, error) {
	name, err := zones.ASCIIName(s)
	if err != nil {
		return "", fmt.Errorf("found %q; expected a domain name: %w", s, err)
	}
	name = strings.ToLower(dns.Fqdn(name))
	if fault := nameFault(name); fault != "" {
		return "", fmt.Errorf("found %q; expected a domain name: %s", s, fault)
	}
	return name, nil
}

// hostName reads the name that a pool stands for. An address has the form of a name, but no name
// server has an answer for it.
func hostName(text string) (string, error) {
	if _, err := netip.ParseAddr(strings.TrimSuffix(text, ".")); err == nil {
		return "", fmt.Errorf("found %q; expected the name of a host: addresses are members", text)
	}
	return domainName(text)
}

// nameFault says what is wrong with a fully qualified name in lower case; empty: nothing.
func nameFault(name string) string {
	if len(name)+1 > wire.MaxName { // each dot for the length of a label, and one for the root's
		return "it has more than 255 octets"
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(name, "."), ".") {
		if fault := labelFault(label); fault != "" {
			return fault
		}
	}
	return ""
}

// labelFault says what is wrong with a label in lower case; empty: nothing.
func labelFault(label string) string {
	switch {
	case label == "":
		return "a label is empty"
	case len(label) > wire.MaxLabel:
		return fmt.Sprintf("the label %q has more than 63 octets", label)
	case strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-"):
		return fmt.Sprintf("the label %q begins or ends with a hyphen", label)
	}
	for _, r := range label {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9', r == '-', r == '_':
		case r > 0x7f:
			return fmt.Sprintf("the label %q is not ASCII; write its xn-- form", label)
		default:
			return fmt.Sprintf(`the label %q has more than letters, digits, "-" and "_"`, label)
		}
	}
	return ""
}

// zoneName returns the name of a zone, fully qualified, in lower case and in wire form, or says why
// it is none. Beside what domainName takes there are slashes, for the zones of RFC 2317; anything
// else must be escaped, which shows that it is intended.
func zoneName(s string) (name string, apex []byte, err error) {
	ascii := s
	if !strings.Contains(s, `\`) {
		if ascii, err = zones.ASCIIName(s); err != nil {
			return "", nil, fmt.Errorf("found %q; expected a domain name: %w", s, err)
		}
	}
	full := dns.Fqdn(ascii)
	if !dns.IsFqdn(full) { // its final dot is escaped
		return "", nil, fmt.Errorf(`found %q; expected a domain name: the "\" at its end escapes nothing`, s)
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(full, "."), ".") {
		if strings.Contains(label, `\`) {
			continue
		}
		if fault := labelFault(strings.ReplaceAll(strings.ToLower(label), "/", "_")); fault != "" {
			return "", nil, fmt.Errorf("found %q; expected a domain name: %s", s, fault)
		}
	}
	apex, err = masterfile.ParseName(full, nil)
	if err != nil {
		return "", nil, fmt.Errorf("found %q; expected a domain name: %w", s, errors.Unwrap(err))
	}
	wire.Lower(apex, apex)
	return records.Presentation(apex), apex, nil
}

// qualify returns the full name of what is written in the table of a zone: "@" for the zone
// itself, absolute with a final dot, otherwise relative to the zone. A wildcard may only be
// the first label (RFC 4592, section 2.1.1).
func qualify(s, zone string, wildcard bool) (string, error) {
	if s == "@" {
		return zone, nil
	}
	name, err := zones.ASCIIName(s)
	if err != nil {
		return "", fmt.Errorf("found %q; expected a domain name: %w", s, err)
	}
	name = strings.ToLower(name)
	relative, absolute := strings.CutSuffix(name, ".")
	if absolute {
		relative = strings.TrimSuffix(relative, "."+strings.TrimSuffix(zone, "."))
	} else {
		if strings.HasSuffix("."+name+".", "."+zone) {
			return "", fmt.Errorf("found %q; expected a name relative to the zone, or a final dot", s)
		}
		name += "." + zone
	}
	if name == zone {
		return zone, nil
	}
	if wildcard && (relative == "*" || strings.HasPrefix(relative, "*.")) {
		relative = strings.TrimPrefix(relative[1:], ".")
	}
	if relative != "" || name == "." {
		if fault := nameFault(relative + "."); fault != "" {
			return "", fmt.Errorf("found %q; expected a domain name: %s", s, fault)
		}
	}
	if _, ok := wire.ParseName(name); !ok {
		return "", fmt.Errorf("found %q; expected a domain name: it has more than 255 octets", s)
	}
	return name, nil
}
