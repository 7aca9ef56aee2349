package gdnsd

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

func (v *value) fault(format string, args ...any) error {
	return &fault{v.place, fmt.Sprintf(format, args...)}
}

// elements are the items of a list. Wherever gdnsd takes a list it takes a single value.
func (v *value) elements() []*value {
	if v.form == list {
		return v.items
	}
	return []*value{v}
}

// string returns a string.
func (v *value) string(what string) (string, error) {
	if v.form != simple {
		return "", v.fault("%s is %s; expected a string", what, v.form)
	}
	return v.text, nil
}

// strings returns a list of strings.
func (v *value) strings(what string) ([]string, error) {
	if v.form == table {
		return nil, v.fault("%s is a table; expected a list of strings", what)
	}
	var all []string
	for _, item := range v.elements() {
		text, err := item.string("an item of " + what)
		if err != nil {
			return nil, err
		}
		all = append(all, text)
	}
	return all, nil
}

// bool returns a boolean, in upper or lower case.
func (v *value) bool(what string) (bool, error) {
	switch {
	case v.form == simple && strings.EqualFold(v.text, "true"):
		return true, nil
	case v.form == simple && strings.EqualFold(v.text, "false"):
		return false, nil
	}
	return false, v.fault("%s must be true or false", what)
}

// int returns an integer within limits. Like gdnsd it takes hexadecimal and octal ones.
func (v *value) int(what string, low, high int) (int, error) {
	n, err := strconv.ParseInt(v.text, 0, 64)
	if v.form != simple || err != nil || strings.Contains(v.text, "_") || n < int64(low) || n > int64(high) {
		return 0, v.fault("%s must be a number from %d to %d", what, low, high)
	}
	return int(n), nil
}

// float returns a number that is above low and at most high.
func (v *value) float(what string, low, high float64) (float64, error) {
	x, err := strconv.ParseFloat(v.text, 64)
	if v.form != simple || err != nil || !(low < x && x <= high) {
		return 0, v.fault("%s must be a number above %v, and at most %v", what, low, high)
	}
	return x, nil
}

// coordinate returns degrees.
func (v *value) coordinate(what string, most float64) (float64, error) {
	x, err := strconv.ParseFloat(v.text, 64)
	if v.form != simple || err != nil || !(-most <= x && x <= most) {
		return 0, v.fault("%s must be degrees from %v to %v", what, -most, most)
	}
	return x, nil
}

// isAddress reports whether a string is an address, and not a host name.
func (v *value) isAddress() bool {
	_, err := netip.ParseAddr(v.text)
	return v.form == simple && err == nil
}

// address returns an IP address.
func (v *value) address(what string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(v.text)
	if v.form != simple || err != nil || addr.Zone() != "" {
		return addr, v.fault("%s must be an IPv4 or IPv6 address", what)
	}
	return addr, nil
}
