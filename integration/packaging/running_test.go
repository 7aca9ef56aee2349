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

// step runs a part of a test, by a machine that speaks to it. The next parts build on it.
func (m *machine) step(t *testing.T, name string, do func(t *testing.T, m *machine)) {
	t.Helper()
	if !t.Run(name, func(t *testing.T) {
		here := *m
		here.t = t
		defer func() { m.logs = here.logs }()
		do(t, &here)
	}) {
		t.FailNow()
	}
}

// answers waits until the server answers over both families and protocols. inside is what runs a command where it
// listens.
func (m *machine) answers(inside string) {
	m.t.Helper()
	for _, how := range []string{"@127.0.0.1", "@::1", "+tcp @127.0.0.1", "+tcp @::1"} {
		m.eventually(`test "$(` + inside + `dig +short +tries=1 +time=2 ` + how + ` app.gslb.example.com)" = 127.0.0.11`)
	}
}
