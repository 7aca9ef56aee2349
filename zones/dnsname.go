package zones

import (
	"fmt"
	"strings"

	"github.com/miekg/dns"
)

// Limits of a domain name (RFC 1035, section 2.3.4).
const (
	maxLabel = 63
	maxName  = 254 // of 255 octets on the wire, as text with its final dot and no escapes
)

// domainName returns a name fully qualified and in lower case, or says why it is none. It
// takes what can be registered and, for the likes of _dmarc, underscores.
func domainName(s string) (string, error) {
	name := strings.ToLower(dns.Fqdn(s))
	if fault := nameFault(name); fault != "" {
		return "", fmt.Errorf("found %q; expected a domain name: %s", s, fault)
	}
	return name, nil
}

// nameFault says what is wrong with a fully qualified name in lower case; empty: nothing.
func nameFault(name string) string {
	if len(name) > maxName {
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
	case len(label) > maxLabel:
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

// qualify returns the full name of what is written in the table of a zone: "@" for the zone
// itself, absolute with a final dot, otherwise relative to the zone. A wildcard may only be
// the first label (RFC 4592, section 2.1.1).
func qualify(s, zone string, wildcard bool) (string, error) {
	if s == "@" {
		return zone, nil
	}
	name := strings.ToLower(s)
	if !strings.HasSuffix(name, ".") {
		if strings.HasSuffix("."+name+".", "."+zone) {
			return "", fmt.Errorf("found %q; expected a name relative to the zone, or a final dot", s)
		}
		name += "." + zone
	}
	plain := name
	if wildcard {
		plain = strings.TrimPrefix(name, "*.")
	}
	fault := nameFault(plain)
	if len(name) > maxName {
		fault = "it has more than 255 octets"
	}
	if fault != "" {
		return "", fmt.Errorf("found %q; expected a domain name: %s", s, fault)
	}
	return name, nil
}

// ancestors yields a name, its parent, and so on, without what lies above the zone. The name
// must lie in the zone; both are in lower case.
func ancestors(name, zone string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for off, end := 0, false; !end && len(name)-off >= len(zone); off, end = dns.NextLabel(name, off) {
			if !yield(name[off:]) {
				return
			}
		}
	}
}
