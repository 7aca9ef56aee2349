//go:build integration

package decisions

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"gslb/integration/parts"
)

func TestMain(m *testing.M) { os.Exit(parts.Isolated(func() int { return everywhereLocal(m.Run) })) }

// everywhereLocal runs the tests where every address is this machine's. So members and clients may
// have any address. The tests have a network of their own, so nobody else is reached by it.
func everywhereLocal(run func() int) int {
	for _, add := range [][]string{
		{"-4", "route", "add", "local", "0.0.0.0/0", "dev", "lo"},
		{"-6", "route", "add", "local", "::/0", "dev", "lo"},
	} {
		if out, err := exec.Command("ip", add...).CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "ip %v: %v: %s", add, err, out)
			return 1
		}
	}
	// IPv6 has it apart whether a client may be at an address that no interface has.
	if err := os.WriteFile("/proc/sys/net/ipv6/ip_nonlocal_bind", []byte("1"), 0); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return run()
}

// must ends the test for an error that leaves nothing to test.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
