package cookie

import (
	"net/netip"
	"testing"
)

// Every query with a cookie verifies it, and many replies have a new one.
func TestNoAllocations(t *testing.T) {
	k := keyring(t, secretA1, secretA4)
	reply := make([]byte, 0, ServerSize)
	for _, addr := range []netip.Addr{addr, netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("::ffff:192.0.2.1")} {
		forged := make([]byte, ServerSize)
		allocs := testing.AllocsPerRun(1000, func() {
			server := k.Append(reply[:0], client, addr, noon)
			copy(forged, server)
			forged[ServerSize-1]++
			if k.Verify(client, server, addr, noon) != Valid || k.Verify(client, forged, addr, noon) != Bad {
				t.Fatal("wrong verdict")
			}
		})
		if allocs != 0 {
			t.Errorf("%v allocations for %v, want none", allocs, addr)
		}
	}
}
