package probe

import (
	"net"
	"testing"
)

// TestLooksAreShared has probes that fail together share a look at this host's interfaces, but for one that
// began before they asked.
func TestLooksAreShared(t *testing.T) {
	looks := 0
	var late *look
	r := new(routes)
	r.look = func() ([]net.Interface, error) {
		looks++
		if late == nil {
			late = r.join()
		}
		return []net.Interface{{Index: looks}}, nil
	}
	first, second := r.join(), r.join()
	if first != second {
		t.Error("those who ask before a look begins do not share it")
	}
	r.see(first)
	r.see(second)
	if looks != 1 || first.interfaces[0].Index != 1 {
		t.Errorf("%d looks, want 1", looks)
	}
	if late == first {
		t.Error("who asks while others look is told what was seen before")
	}
	if got, err := r.interfaces(); err != nil || looks != 2 || got[0].Index != 2 || late.interfaces[0].Index != 2 {
		t.Errorf("%d looks: %v, %v", looks, got, err)
	}
}
