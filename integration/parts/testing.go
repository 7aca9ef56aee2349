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
