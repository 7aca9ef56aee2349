package parts

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// checkLeaks fails the test for goroutines that outlive its lab. It is called first.
func checkLeaks(t *testing.T) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
}

// within is a context for what should take much less than its limit.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// startScript runs a shell script that prints "ready" once it is.
func startScript(t *testing.T, lab *Lab, name, script string) (*Part, error) {
	t.Helper()
	return lab.start(within(t), scriptProgram(lab, name, script))
}

func scriptProgram(lab *Lab, name, script string) program {
	p := program{name: name, path: "/bin/sh", args: []string{"-c", script}}
	p.ready = func(context.Context) error {
		log, err := (&Part{lab: lab, program: p}).Log()
		if err == nil && !strings.Contains(log, "ready") {
			err = fmt.Errorf("it has not said so: %q", log)
		}
		return err
	}
	return p
}

// family is a script like PHP's server: a leader that leaves its child to itself.
const family = "sleep 1000 & echo ready; wait"

func mustStart(t *testing.T, lab *Lab, name, script string) *Part {
	t.Helper()
	part, err := startScript(t, lab, name, script)
	if err != nil {
		t.Fatal(err)
	}
	return part
}

func TestPartLife(t *testing.T) {
	checkLeaks(t)
	part := mustStart(t, ForTest(t), "family", family)
	ctx := within(t)

	group := part.current().group
	if usage, err := part.Usage(); err != nil || usage.Processes != 2 || usage.Resident == 0 {
		t.Errorf("Usage() = %+v, %v; want two processes and some memory", usage, err)
	}
	if err := part.Hang(ctx); err != nil {
		t.Fatal(err)
	}
	for _, s := range living(group) {
		if s.state != 'T' {
			t.Errorf("after Hang: %s is in state %c, want T", s.name, s.state)
		}
	}
	if !part.Running() {
		t.Error("Running() = false for a part that hangs")
	}
	part.Resume()
	if err := Until(ctx, "it goes on", func(context.Context) error {
		if part.current().hung() {
			return fmt.Errorf("still halted")
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if err := part.Start(ctx); err == nil {
		t.Error("Start() of a running part = nil, want an error")
	}

	part.Kill()
	if part.Running() || len(living(group)) > 0 {
		t.Errorf("after Kill: Running() = %v, and %v are left", part.Running(), living(group))
	}
	if err := part.Hang(ctx); err == nil {
		t.Error("Hang() of a part that is gone = nil, want an error")
	}
	if err := part.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if err := Until(ctx, "both starts are in the log", func(context.Context) error {
		log, err := part.Log()
		if err == nil && log != "ready\nready\n" {
			err = fmt.Errorf("it is %q", log)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}

func TestPartStop(t *testing.T) {
	for _, test := range []struct {
		name, script string
		hang         bool
		wantErr      string // a part of it; empty: none
	}{
		{name: "by itself", script: "trap 'exit 3' TERM; echo ready; while :; do sleep 0.01; done"},
		{name: "with its children", script: family},
		{name: "hung", script: family, hang: true},
		{name: "deaf to SIGTERM", script: "trap '' TERM; echo ready; while :; do sleep 0.01; done", wantErr: "had to be killed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			checkLeaks(t)
			part := mustStart(t, ForTest(t), "part", test.script)
			group := part.current().group
			if test.hang {
				if err := part.Hang(within(t)); err != nil {
					t.Fatal(err)
				}
			}
			ctx := within(t)
			if test.wantErr != "" {
				soon, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
				defer cancel()
				ctx = soon
			}
			err := part.Stop(ctx)
			if test.wantErr == "" && err != nil || test.wantErr != "" && (err == nil || !strings.Contains(err.Error(), test.wantErr)) {
				t.Errorf("Stop() = %v, want %q", err, test.wantErr)
			}
			if left := living(group); len(left) > 0 {
				t.Errorf("after Stop: %v are left", left)
			}
			if err := part.Stop(within(t)); err != nil {
				t.Errorf("a second Stop() = %v, want nil", err)
			}
		})
	}
}

func TestPartEndsByItself(t *testing.T) {
	checkLeaks(t)
	lab := ForTest(t)
	part := mustStart(t, lab, "short", "trap 'exit 7' USR1; sleep 1000 & echo ready; wait")
	group := part.current().group
	if err := syscall.Kill(group, syscall.SIGUSR1); err != nil { // the leader alone
		t.Fatal(err)
	}
	state, err := part.Wait(within(t))
	if err != nil || state.ExitCode() != 7 {
		t.Errorf("Wait() = %v, %v; want exit status 7", state, err)
	}
	if left := living(group); len(left) > 0 {
		t.Errorf("the leader ended and left %v", left)
	}
}

func TestStartFails(t *testing.T) {
	checkLeaks(t)
	lab := ForTest(t)
	_, err := startScript(t, lab, "broken", "echo no such thing >&2; exit 3")
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "no such thing") {
		t.Errorf("the error is %v; want the exit status and the log", err)
	}
	_, err = startScript(t, lab, "broken", family)
	if err == nil || !strings.Contains(err.Error(), "of that name already") {
		t.Errorf("the error is %v; want one about the name", err)
	}
}

// TestKilledProgramLeavesNothing runs this test again as a program that starts parts, and
// kills it as hard as can be.
func TestKilledProgramLeavesNothing(t *testing.T) {
	const folderVar = "GSLB_PARTS_TEST_FOLDER"
	if folder := os.Getenv(folderVar); folder != "" {
		lab, err := NewLab(folder)
		if err != nil {
			t.Fatal(err)
		}
		a, b := mustStart(t, lab, "a", family), mustStart(t, lab, "b", family)
		gone := mustStart(t, lab, "gone", family)
		gone.Kill()
		fmt.Printf("groups %d %d %d\n", a.current().group, b.current().group, gone.current().group)
		<-make(chan struct{})
	}

	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), folderVar+"="+t.TempDir())
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var groups [3]int
	if _, err := fmt.Fscanf(output, "groups %d %d %d\n", &groups[0], &groups[1], &groups[2]); err != nil {
		t.Fatal(err)
	}
	if len(living(groups[0])) != 2 || len(living(groups[1])) != 2 || len(living(groups[2])) != 0 {
		t.Errorf("before: %v, %v, %v; want two of each but the last", living(groups[0]), living(groups[1]), living(groups[2]))
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	if err := Until(within(t), "nothing is left", func(context.Context) error {
		for _, group := range groups {
			if left := living(group); len(left) > 0 {
				return fmt.Errorf("%v", left)
			}
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}
