//go:build integration && (systemd || image)

package packaging

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// ownCgroup makes a cgroup for what arranges all of the cgroups that it finds: a systemd, or an engine of containers.
func ownCgroup(t testing.TB) string {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if at, _, is := strings.Cut(line, " - cgroup2 "); is {
			dir := filepath.Join(strings.Fields(at)[4], fmt.Sprintf("gslb-test-%d", os.Getpid()))
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				var all []string
				_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
					if err == nil && d.IsDir() {
						all = append(all, path)
					}
					return nil
				})
				for _, path := range slices.Backward(all) {
					if err := os.Remove(path); err != nil {
						t.Errorf("remove a cgroup of the test: %v", err)
					}
				}
			})
			return dir
		}
	}
	t.Fatal("no cgroup2 is mounted here, which this test needs")
	return ""
}

// eventually waits until a script succeeds.
func (m *machine) eventually(script string) {
	m.t.Helper()
	for end := time.Now().Add(time.Minute); ; {
		out, err := m.try(script)
		if err == nil {
			return
		}
		if time.Now().After(end) {
			m.t.Fatalf("%s does not come true: %v\n%s", script, err, out)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
