package daemontest

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

// Serve starts "gslb serve" as a process of its own. The package of the test must have made its program known by that
// name: see Main.
func Serve(t *testing.T, path string, env ...string) (process *exec.Cmd, ended <-chan error) {
	t.Helper()
	cmd := exec.Command("gslb", "serve", path)
	cmd.Env = append(os.Environ(), env...)
	return cmd, Begin(t, cmd)
}

// Begin starts a process, which ends with the test.
func Begin(t *testing.T, cmd *exec.Cmd) (ended <-chan error) {
	t.Helper()
	must(t, cmd.Start())
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return done
}

// WantEnd waits for the end of a server, with status 0.
func WantEnd(t *testing.T, ended <-chan error) {
	t.Helper()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("the program ended with %v, want status 0", err)
		}
	case <-time.After(Patience):
		t.Error("the program does not end")
	}
}
