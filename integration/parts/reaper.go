package parts

import (
	_ "embed"
	"fmt"
	"io"
	"os/exec"
	"syscall"
)

//go:embed reaper.sh
var reaperScript string

// reaper is a process that kills the process groups it was told of when this program has
// ended without stopping them, be it by SIGKILL. The kernel does that for direct children
// only; PHP's built-in server, for one, leaves its workers behind.
type reaper struct {
	cmd  *exec.Cmd
	pipe io.WriteCloser // held by this program alone: it closes when the program ends
}

func startReaper(thread *thread) (*reaper, error) {
	cmd := exec.Command("/bin/sh", "-c", reaperScript)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C must not end the reaper
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("reaper: %w", err)
	}
	if err := thread.do(cmd.Start); err != nil {
		return nil, fmt.Errorf("reaper: %w", err)
	}
	return &reaper{cmd: cmd, pipe: pipe}, nil
}

// watch adds a process group.
func (r *reaper) watch(group int) error {
	if _, err := fmt.Fprintf(r.pipe, "watch %d\n", group); err != nil {
		return fmt.Errorf("reaper: %w", err)
	}
	return nil
}

// forget removes a process group that has ended. A reaper that is gone has nothing to forget.
func (r *reaper) forget(group int) { _, _ = fmt.Fprintf(r.pipe, "forget %d\n", group) }

// close ends the reaper, and whatever it still watches.
func (r *reaper) close() error {
	_ = r.pipe.Close()
	if err := r.cmd.Wait(); err != nil {
		return fmt.Errorf("reaper: %w", err)
	}
	return nil
}
