package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is a time that no test is meant to reach.
const patience = 30 * time.Second

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// script is a program of the shell.
func script(text string) Command {
	return Command{Args: []string{"/bin/sh", "-c", text}, Env: []string{Path}}
}

// alive says whether there is a process, other than a zombie.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}

// gone waits until there is no process.
func gone(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(patience); alive(pid); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("process %d still runs", pid)
		}
	}
}

// pidIn reads the number of a process that a program has written.
func pidIn(t *testing.T, path string) int {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		text, _ := os.ReadFile(path)
		if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && strings.HasSuffix(string(text), "\n") {
			return pid
		}
		if time.Now().After(deadline) {
			t.Fatalf("nothing was written to %s", path)
		}
	}
}

func TestOutcome(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Outcome{
		"exit 0":             {},
		"echo ok":            {Stdout: []byte("ok\n")},
		"echo bad >&2":       {Stderr: []byte("bad\n")},
		"echo a; exit 1":     {Code: 1, Stdout: []byte("a\n")},
		"exit 255":           {Code: 255},
		"kill -TERM $$":      {Code: -1, Signal: syscall.SIGTERM},
		"cat; echo end":      {Stdout: []byte("end\n")}, // its input is empty
		"pwd":                {Stdout: []byte("/\n")},
		`echo "$HOME$0"`:     {Stdout: []byte("/bin/sh\n")},
		"setsid sleep 100 &": {}, // it holds the output open, and is not waited for
	} {
		got, err := new(Runner).Run(within(t, patience), script(text))
		if err != nil || got.Code != want.Code || got.Signal != want.Signal ||
			string(got.Stdout) != string(want.Stdout) || string(got.Stderr) != string(want.Stderr) {
			t.Errorf("%s: %+v, %v; want %+v", text, got, err, want)
		}
	}
}

// Arguments mean nothing to any shell, and the environment is the one that was given.
func TestArgumentsAndEnvironment(t *testing.T) {
	t.Parallel()
	c := Command{Args: []string{"/bin/echo", "$HOME; exit 1", "*"}}
	if got, err := new(Runner).Run(within(t, patience), c); err != nil || string(got.Stdout) != "$HOME; exit 1 *\n" {
		t.Errorf("%q, %v", got.Stdout, err)
	}
	c = Command{Args: []string{"/usr/bin/env"}, Env: []string{"A=1", "B=2"}}
	if got, err := new(Runner).Run(within(t, patience), c); err != nil || string(got.Stdout) != "A=1\nB=2\n" {
		t.Errorf("%q, %v", got.Stdout, err)
	}
}

func TestNotStarted(t *testing.T) {
	t.Parallel()
	none := filepath.Join(t.TempDir(), "none")
	if _, err := new(Runner).Run(within(t, patience), Command{Args: []string{none}}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want that the file does not exist", err)
	}
}

// When the time is over, the program ends with all that it has started.
func TestKilledWithItsGroup(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "pid")
	ctx, cancel := context.WithCancel(within(t, patience))
	ended := make(chan error, 1)
	go func() {
		_, err := new(Runner).Run(ctx, script("sleep 1000 & echo $! >"+file+"; wait"))
		ended <- err
	}()
	pid := pidIn(t, file)
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was cancelled", err)
	}
	gone(t, pid)
}

// What a program leaves behind ends with it, and is not waited for.
func TestNothingIsLeftBehind(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "pid")
	got, err := new(Runner).Run(within(t, patience), script("sleep 1000 & echo $! >"+file+"; echo done; exit 1"))
	if err != nil || got.Code != 1 || string(got.Stdout) != "done\n" {
		t.Errorf("%+v, %v", got, err)
	}
	gone(t, pidIn(t, file))
}

func TestOutputIsBounded(t *testing.T) {
	t.Parallel()
	got, err := new(Runner).Run(within(t, patience), script("yes"))
	if !errors.Is(err, ErrFlood) || len(got.Stdout) != Kept {
		t.Errorf("%d bytes, %v", len(got.Stdout), err)
	}
	got, err = new(Runner).Run(within(t, patience), script("yes | head -c 1048577"))
	if !errors.Is(err, ErrFlood) {
		t.Errorf("%+v, %v: want that the last byte is too much", got.Code, err)
	}
	got, err = new(Runner).Run(within(t, patience), script("yes | head -c 1048576"))
	if err != nil || len(got.Stdout) != Kept {
		t.Errorf("%d bytes, %v", len(got.Stdout), err)
	}
}

// As many run as may, the others in their order; who has waited for too long is told so.
func TestLimit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	limit := 1
	r := &Runner{Limit: func() int { return limit }}
	ctx, release := context.WithCancel(within(t, patience))
	first := make(chan struct{})
	go func() {
		defer close(first)
		r.Run(ctx, script("echo $$ >"+dir+"/first; sleep 1000"))
	}()
	pidIn(t, dir+"/first")

	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := r.Run(short, script("echo >"+dir+"/early")); !errors.Is(err, ErrBusy) {
		t.Errorf("got %v, want ErrBusy", err)
	}

	type end struct {
		n   int
		err error
	}
	ends := make(chan end)
	for i := range 5 {
		go func() {
			_, err := r.Run(within(t, patience), script(fmt.Sprintf("echo %d >>%s/order", i, dir)))
			ends <- end{i, err}
		}()
		for waiting := 0; waiting <= i; {
			r.mu.Lock()
			waiting = len(r.waiting)
			r.mu.Unlock()
		}
	}
	release()
	<-first
	for range 5 {
		if e := <-ends; e.err != nil {
			t.Errorf("%d: %v", e.n, e.err)
		}
	}
	order, _ := os.ReadFile(dir + "/order")
	if string(order) != "0\n1\n2\n3\n4\n" {
		t.Errorf("they ran in the order %q", order)
	}
	if _, err := os.Stat(dir + "/early"); err == nil {
		t.Error("what waited for too long was run")
	}
	if r.running != 0 || len(r.waiting) != 0 {
		t.Errorf("%d run and %d wait at the end", r.running, len(r.waiting))
	}
}

// A program has its own time, however long it waited for its turn, and ends with who has asked for it.
func TestOwnTime(t *testing.T) {
	t.Parallel()
	c := script("sleep 0.2; echo done")
	c.Time = patience
	got, err := new(Runner).Run(within(t, 50*time.Millisecond), c)
	for tries := 0; errors.Is(err, ErrBusy) && tries < 100; tries++ { // on a busy machine, it may be over before the turn
		got, err = new(Runner).Run(within(t, 50*time.Millisecond), c)
	}
	if err != nil || string(got.Stdout) != "done\n" {
		t.Errorf("%q, %v; want that the deadline of who waits does not count", got.Stdout, err)
	}
	c = script("sleep 1000")
	c.Time = 20 * time.Millisecond
	if _, err := new(Runner).Run(within(t, patience), c); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want that its time is over", err)
	}
	c.Time = patience
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := new(Runner).Run(ctx, c); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was cancelled", err)
	}
}
