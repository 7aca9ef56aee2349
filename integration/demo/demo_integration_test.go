//go:build integration

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gslb/integration/example"
	"gslb/integration/parts"
)

// asDemoVar has the test program be the demonstration.
const asDemoVar = "GSLB_DEMO_TEST"

func TestMain(m *testing.M) {
	if os.Getenv(asDemoVar) != "" {
		main()
		return
	}
	os.Exit(parts.Isolated(m.Run))
}

// checkout makes a folder with all that the demonstration needs of the real checkout, so
// that a demonstration which a developer has running there is not in the way.
func checkout(t *testing.T) string {
	t.Helper()
	root, err := parts.Root()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, ".cache"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"go.mod", "zones.toml", "bin", "integration", ".cache/dynamodb-local"} {
		if err := os.Symlink(filepath.Join(root, path), filepath.Join(dir, path)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// demo is a demonstration that runs.
type demo struct {
	cmd   *exec.Cmd
	ended chan error

	mu  sync.Mutex
	out bytes.Buffer
}

func (d *demo) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.out.Write(p)
}

func (d *demo) output() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.out.String()
}

func startDemo(t *testing.T, dir string, args ...string) *demo {
	t.Helper()
	d := &demo{cmd: demoCommand(dir, args...), ended: make(chan error, 1)}
	d.cmd.Stdout, d.cmd.Stderr = d, d
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { d.ended <- d.cmd.Wait() }()
	t.Cleanup(func() {
		_ = d.cmd.Process.Kill() // mostly it has ended
		if t.Failed() {
			t.Logf("the demonstration printed:\n%s", d.output())
		}
	})
	return d
}

func demoCommand(dir string, args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), asDemoVar+"=1")
	return cmd
}

// awaitLine waits until the demonstration has printed text so many times.
func (d *demo) awaitLine(t *testing.T, text string, times int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := parts.Until(ctx, fmt.Sprintf("the demonstration has printed %q %d times", text, times), func(context.Context) error {
		if got := strings.Count(d.output(), text); got < times {
			return fmt.Errorf("%d times yet", got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// awaitEnd waits until the demonstration has ended and its addresses are free, which they
// are when no part of it is left.
func (d *demo) awaitEnd(t *testing.T) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var result error
	select {
	case result = <-d.ended:
	case <-ctx.Done():
		t.Fatal("the demonstration does not end")
	}
	example, err := example.Read(filepath.Join(d.cmd.Dir, zonesFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := parts.Until(ctx, "all is gone", func(context.Context) error { return portsFree(example) }); err != nil {
		t.Error(err)
	}
	return result
}

func TestDemo(t *testing.T) {
	dir := checkout(t)
	d := startDemo(t, dir, "run")
	d.awaitLine(t, "app.gslb.example.com → 127.0.0.11 (nyc)", 1)
	d.awaitLine(t, "www.gslb.example.com → 127.0.0.12 (ams)", 1)

	if out, err := demoCommand(dir, "run").CombinedOutput(); err == nil || !strings.Contains(string(out), "running already") {
		t.Errorf("a second demonstration: %v, %s; want it refused", err, out)
	}
	if out, err := demoCommand(dir, "fail", "nyc", "lb-kill").CombinedOutput(); err != nil {
		t.Fatalf("fail: %v, %s", err, out)
	}
	d.awaitLine(t, "app.gslb.example.com → 127.0.0.12 (ams)", 1)
	before := strings.Count(d.output(), "app.gslb.example.com → 127.0.0.11 (nyc)")
	if out, err := demoCommand(dir, "heal", "nyc").CombinedOutput(); err != nil {
		t.Fatalf("heal: %v, %s", err, out)
	}
	d.awaitLine(t, "app.gslb.example.com → 127.0.0.11 (nyc)", before+1)

	// Nobody is moved for a copy that is behind, and nobody is sent back to it.
	d.awaitLine(t, "copy of orders in us-east-1: current; what it writes arrives in eu-west-1 in time", 1)
	if out, err := demoCommand(dir, "fail", "nyc", "replication-stop").CombinedOutput(); err != nil || !strings.Contains(string(out), "nyc is degraded") {
		t.Fatalf("fail: %v, %s", err, out)
	}
	d.awaitLine(t, "copy of orders in us-east-1: cut off, degraded", 1)
	if out, err := demoCommand(dir, "heal", "nyc").CombinedOutput(); err != nil {
		t.Fatalf("heal: %v, %s", err, out)
	}

	for _, region := range []string{"nyc", "ams"} {
		if out, err := demoCommand(dir, "fail", region, "app-503").CombinedOutput(); err != nil {
			t.Fatalf("fail: %v, %s", err, out)
		}
	}
	d.awaitLine(t, ", mode assume_up", 1)
	zones, err := os.ReadFile(filepath.Join(dir, zonesFile))
	if err != nil {
		t.Fatal(err)
	}
	refused := strings.Replace(string(zones), "min_up  = 1", "min_up  = 3", 1)
	for _, step := range []error{
		os.Remove(filepath.Join(dir, zonesFile)), // a link to the checkout's own
		os.WriteFile(filepath.Join(dir, zonesFile), []byte(refused), 0o644),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
	d.awaitLine(t, "zones.toml was refused; what was served before goes on:", 1)
	d.awaitLine(t, "pools.ams.min_up: ", 1)
	if err := os.WriteFile(filepath.Join(dir, zonesFile), append(zones, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
	d.awaitLine(t, "zones.toml was changed, and is served as it is now", 1)

	if err := d.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := d.awaitEnd(t); err != nil {
		t.Errorf("the demonstration ended with %v, want success", err)
	}
	if !strings.HasSuffix(d.output(), "stopped; nothing is left running\n") {
		t.Error("its last line does not say that nothing is left running")
	}
	if diff := cmp.Diff([]string{".cache", "bin", "go.mod", "integration", "var", "zones.toml"}, list(t, dir)); diff != "" {
		t.Errorf("files after the end (-want +got):\n%s", diff)
	}
}

func list(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

// TestDemoEnds ends the demonstration at moments and in ways that leave it no time.
func TestDemoEnds(t *testing.T) {
	for _, test := range []struct {
		name   string
		after  string // this was printed
		signal syscall.Signal
	}{
		{"asked while it starts", "bringing up", syscall.SIGTERM},
		{"killed while it starts", "bringing up", syscall.SIGKILL},
		{"killed", "app.gslb.example.com →", syscall.SIGKILL},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := startDemo(t, checkout(t), "run")
			d.awaitLine(t, test.after, 1)
			if err := d.cmd.Process.Signal(test.signal); err != nil {
				t.Fatal(err)
			}
			err := d.awaitEnd(t)
			if killed := (*exec.ExitError)(nil); test.signal == syscall.SIGKILL && !errors.As(err, &killed) ||
				test.signal != syscall.SIGKILL && err != nil {
				t.Errorf("it ended with %v", err)
			}
		})
	}
}

func TestDemoNamesWhoHasThePort(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.11:8080")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	out, err := demoCommand(checkout(t), "run").CombinedOutput()
	for _, want := range []string{"tcp port 127.0.0.11:8080 is in use by", fmt.Sprintf("(process %d)", os.Getpid())} {
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("the demonstration: %v, %s; want it to say %q", err, out, want)
		}
	}
}
