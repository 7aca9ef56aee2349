package parts

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is one execution of a program: the leader of a process group, and whatever it
// has forked into that group. Nil is one that never ran.
type process struct {
	group int // the leader's id, and the group's
	done  chan struct{}
	state *os.ProcessState // how the leader ended; once done is closed
}

// startProcess starts cmd at the head of a new process group, bound to these processors (see
// boundTo). The group does not outlive this program: the kernel kills the leader when thread
// ends, and the reaper the rest.
func startProcess(thread *thread, reaper *reaper, processors []int, cmd *exec.Cmd) (*process, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	start := func() error { return boundTo(processors, cmd.Start) }
	if err := thread.do(start); err != nil {
		return nil, err
	}
	p := &process{group: cmd.Process.Pid, done: make(chan struct{})}
	if err := reaper.watch(p.group); err != nil {
		_ = cmd.Process.Kill()
		return nil, errors.Join(err, cmd.Wait())
	}
	go func() {
		defer close(p.done)
		p.bury()
		_ = cmd.Wait() // a non-zero exit is in the state
		p.state = cmd.ProcessState
		reaper.forget(p.group)
	}()
	return p, nil
}

// bury waits for the leader to end and kills what it has left behind. The leader stays a
// zombie meanwhile, so that nobody else can be given the group's number.
func (p *process) bury() {
	for unix.Waitid(unix.P_PID, p.group, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
	p.kill(syscall.SIGKILL)
	for len(living(p.group)) > 0 {
		time.Sleep(time.Millisecond) // there is no notification of the end
	}
}

func (p *process) running() bool {
	if p == nil {
		return false
	}
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// hung says whether every process of the group is halted.
func (p *process) hung() bool {
	if !p.running() {
		return false
	}
	for _, stat := range living(p.group) {
		if stat.state != 'T' {
			return false
		}
	}
	return true
}

// signal sends a signal to the whole group, if it is still there.
func (p *process) signal(signal syscall.Signal) {
	if p.running() {
		p.kill(signal)
	}
}

func (p *process) kill(signal syscall.Signal) {
	if err := syscall.Kill(-p.group, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		// This fails only for processes of other users, and a lab has none.
		panic(fmt.Sprintf("signal %v to process group %d: %v", signal, p.group, err))
	}
}
