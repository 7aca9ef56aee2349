package probe

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
)

// TestLooksAreShared has probes that fail together share a look at this host's interfaces, but for one that
// began before they asked.
func TestLooksAreShared(t *testing.T) {
	looks := 0
	var late *look
	r := new(routes)
	r.look = func() ([]link, error) {
		looks++
		if late == nil {
			late = r.join()
		}
		return []link{{name: fmt.Sprint(looks)}}, nil
	}
	first, second := r.join(), r.join()
	if first != second {
		t.Error("those who ask before a look begins do not share it")
	}
	r.see(first)
	r.see(second)
	if looks != 1 || first.links[0].name != "1" {
		t.Errorf("%d looks, want 1", looks)
	}
	if late == first {
		t.Error("who asks while others look is told what was seen before")
	}
	if got, err := r.links(); err != nil || looks != 2 || got[0].name != "2" || late.links[0].name != "2" {
		t.Errorf("%d looks: %v, %v", looks, got, err)
	}
}

// TestCarrier has an address of interfaces of which some have no carrier.
func TestCarrier(t *testing.T) {
	address, other := net.ParseIP("192.0.2.1"), net.ParseIP("192.0.2.2")
	dead, live := []net.IP{other, address.To4()}, []net.IP{address}
	for name, test := range map[string]struct {
		links []link
		want  string // the interface that has no carrier
	}{
		"nothing is known":            {nil, ""},
		"of none":                     {[]link{{"eth0", true, []net.IP{other}}, {"eth1", false, nil}}, ""},
		"of one with a carrier":       {[]link{{"docker0", true, []net.IP{other}}, {"eth0", false, live}}, ""},
		"of one without":              {[]link{{"eth0", true, dead}, {"eth1", false, []net.IP{other}}}, "eth0"},
		"of two without":              {[]link{{"eth0", true, dead}, {"eth1", true, dead}}, "eth1"},
		"of both kinds":               {[]link{{"eth0", true, dead}, {"eth1", false, live}}, ""},
		"of both, the dead one later": {[]link{{"eth1", false, live}, {"eth0", true, dead}}, ""},
	} {
		err := carrierOf(address, test.links)
		if (err != nil) != (test.want != "") || err != nil && (!errors.Is(err, errNoCarrier) || !strings.Contains(err.Error(), "("+test.want+")")) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}
