package main

import (
	"errors"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"gslb/daemon/daemontest"
)

func TestMain(m *testing.M) {
	daemontest.Main(m, main)
}

// status runs a command that must exit with a certain status: status 2 gslb check absent.toml.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status number command…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("%v: exit status %d, want %d", args[1:], got, want)
	}
}

// TestScripts pins the command line down: output, errors, exit status.
func TestScripts(t *testing.T) {
	t.Parallel()
	sites := startSites(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			// A program with the race detector in it otherwise waits a second before it ends.
			env.Setenv("GORACE", "atexit_sleep_ms=10")
			for name, value := range sites {
				env.Setenv(name, value)
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"status": status, "expand": expand, "fake": fake, "narrow": narrow, "stale": stale, "eventually": eventually, "for-each-command": forEachCommand},
	})
}
