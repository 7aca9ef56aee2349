package parts

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

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

// Replace writes a file as a careful editor does: nobody ever sees a part of it.
func Replace(t testing.TB, path, text string) {
	t.Helper()
	err := os.WriteFile(path+".new", []byte(text), 0o644)
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Binary is the path of the built server.
func Binary(t testing.TB) string {
	t.Helper()
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(root, "bin", "gslb")
}

// CheckLog checks that the server wrote nothing but structured lines, as a panic, a data race or a
// chatty library would.
func (g *GSLB) CheckLog(t testing.TB) {
	t.Helper()
	log, err := g.Log()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(log) {
		if !json.Valid([]byte(line)) || strings.Contains(line, `"panic"`) {
			t.Errorf("the server wrote: %s", line)
		}
	}
}
