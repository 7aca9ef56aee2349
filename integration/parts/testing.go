package parts

import "testing"

// ForTest makes a lab for one test in a folder of the test's own, and closes it when the
// test is over. A test that failed shows what every part has logged.
func ForTest(t testing.TB) *Lab {
	t.Helper()
	lab, err := NewLab(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lab.Close(); err != nil {
			t.Errorf("close the lab: %v", err)
		}
		if t.Failed() {
			t.Logf("logs of the parts:\n%s", lab.Logs())
		}
	})
	return lab
}

// NetworkForTest makes a network for one test, and closes it when the test is over. A test
// that failed shows what every part on every host has logged.
func NetworkForTest(t testing.TB) *Network {
	t.Helper()
	network, err := NewNetwork(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := network.Close(); err != nil {
			t.Errorf("close the network: %v", err)
		}
		if t.Failed() {
			t.Logf("logs of the hosts' parts:\n%s", network.Logs())
		}
	})
	return network
}
