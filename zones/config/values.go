package config

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gslb/zones/masterfile"
	"gslb/zones/problem"
)

// parsed makes a reader of a function that says what is wrong.
func parsed[T any](l *loader, parse func(string) (T, error)) func(*problem.Place, string) (T, bool) {
	return func(at *problem.Place, text string) (T, bool) {
		value, err := parse(text)
		if err != nil {
			l.Add(at, "%v", err)
		}
		return value, err == nil
	}
}

// unicastAddress reads an address that a client, or a probe, can be sent to.
func unicastAddress(text string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(text)
	fault := ""
	switch {
	case err != nil:
		return addr, fmt.Errorf("found %q; expected an IPv4 or IPv6 address", text)
	case addr.Zone() != "":
		fault = "without a zone, which DNS cannot say"
	case addr.Is4In6():
		fault = fmt.Sprintf("written as IPv4, %q", addr.Unmap())
	case addr.IsUnspecified(), addr.IsMulticast(), addr == broadcast():
		fault = "of a single host"
	default:
		return addr, nil
	}
	return addr, fmt.Errorf("found %q; expected an address %s", text, fault)
}

// broadcast is the limited broadcast address (RFC 919, section 7).
func broadcast() netip.Addr { return netip.AddrFrom4([4]byte{255, 255, 255, 255}) }

// listenAddress reads an address and port to listen at; port 0 lets the system choose.
func listenAddress(text string) (netip.AddrPort, error) {
	addr, err := netip.ParseAddrPort(text)
	switch {
	case err != nil:
		return addr, fmt.Errorf(`found %q; expected an address and port, such as "127.0.0.1:53" or "[::]:53"`, text)
	case addr.Addr().Is4In6():
		return addr, fmt.Errorf("found %q; expected an address written as IPv4, %q",
			text, netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()))
	case addr.Addr().IsMulticast():
		return addr, fmt.Errorf("found %q; expected a unicast address", text)
	}
	return addr, nil
}

// validPort says what is wrong with the port of an address to connect to.
func validPort(port string) error {
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return errors.New("expected a port from 1 to 65535")
	}
	return nil
}

// distinct reads a list of different values. read reports what is wrong with one.
func distinct[T comparable](l *loader, at *problem.Place, list []string, read func(*problem.Place, string) (T, bool)) []T {
	values := slices.Grow([]T(nil), len(list)) // nil, if there are none
	seen := make(map[T]bool, len(list))
	for i, text := range list {
		value, ok := read(at.Index(i), text)
		switch {
		case !ok:
		case seen[value]:
			l.Add(at.Index(i), "%q is given twice", text)
		default:
			seen[value] = true
			values = append(values, value)
		}
	}
	return values
}

// duration is a duration and, unless it is a default, how it was written.
type duration struct {
	time.Duration
	written string
}

// parseDuration reads a duration as Go writes it, or whole days, such as "14d".
func parseDuration(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(n) * 24 * time.Hour, err
	}
	return time.ParseDuration(text)
}

func (d duration) String() string {
	if d.written == "" {
		return d.plain()
	}
	return strconv.Quote(d.written)
}

// plain is how the duration was written, without quotes.
func (d duration) plain() string {
	if d.written == "" {
		return short(d.Duration)
	}
	return d.written
}

// durationWithin reports a duration that is out of its limits, and says whether it is not.
func (l *loader) durationWithin(at *problem.Place, d duration, low, high time.Duration) bool {
	if low <= d.Duration && d.Duration <= high {
		return true
	}
	l.Add(at, "found %s; expected from %s to %s", d, short(low), short(high))
	return false
}

// ttl reports a time to live that DNS cannot express, and says whether it can.
func (l *loader) ttl(at *problem.Place, d duration) bool {
	if d.Duration%time.Second != 0 {
		l.Add(at, "found %s; expected whole seconds, DNS has no smaller unit", d)
		return false
	}
	if d.Duration < 0 || d.Duration > masterfile.MaxTTL*time.Second {
		l.Add(at, "found %s; expected from 0s to %ds (RFC 2181, section 8)", d, masterfile.MaxTTL)
		return false
	}
	return true
}

// short is a duration as a person writes it: 1h, not 1h0m0s.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

var word = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// word reports the name of a check, a pool or a region that would be ambiguous in a target's
// ID or awkward in a metric's label.
func (l *loader) word(at *problem.Place, s string) bool {
	if word.MatchString(s) {
		return true
	}
	l.Add(at, `found %q; expected letters, digits, "-" and "_" only`, s)
	return false
}
