// Package command runs the programs that an operator names, such as those of checks.
//
// There is no shell between, so that nothing in an argument has a meaning of its own. A program has a
// process group of its own, which is killed as a whole: when the program has ended, when its time is
// over, or when it writes without end. What leaves the group (setsid) is not found again. Its standard
// input is empty, its directory is the root, and it gets no environment but the one that it is given.
package command

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// Path is where programs look for others, unless the operator says otherwise.
	Path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

	// Kept is how many bytes of the output are kept, of each stream, unless the command says otherwise.
	Kept = 4 << 10
	// Most is how many bytes a program may write in all.
	Most = 1 << 20

	// grace is how long a program that was killed is waited for. One that hangs in the kernel, on a
	// file system that is gone, dies only when that is back.
	grace = 100 * time.Millisecond
)

var (
	// ErrBusy says that there was no place for the program in time.
	ErrBusy = errors.New("as many commands run as may at once")
	// ErrFlood says that the program was killed since it had written more than Most bytes.
	ErrFlood = fmt.Errorf("it wrote more than %d bytes, and was killed", Most)
)

// Command is a program to run.
type Command struct {
	Args []string // its path, and what it is told
	Env  []string // all of its environment: NAME=value
	// Time is how long it may run from its start; 0: until the context ends. With it, the deadline of the
	// context bounds only how long the program waits for its turn.
	Time time.Duration
	Kept int // bytes of the output that are kept, of each stream; 0: as many as usual
}

// Outcome is how a program has ended, and the beginning of what it wrote. That is there in the case of an
// error, too.
type Outcome struct {
	Code           int            // its exit status; -1: a signal ended it
	Signal         syscall.Signal // that one
	Stdout, Stderr []byte
}

// Runner runs programs, a limited number at once, the others in the order in which they came. The zero
// value has no limit. It is safe for concurrent use.
type Runner struct {
	// Limit is how many may run at once. It may change.
	Limit func() int

	mu      sync.Mutex
	running int
	waiting []chan struct{}
}

// Run runs a program and waits for its end. Errors: ErrBusy, ErrFlood, that of the context when its time
// is over, or why it could not be started. A program that does not end although it was killed keeps its
// place, but Run returns.
func (r *Runner) Run(ctx context.Context, c Command) (Outcome, error) {
	if err := r.take(ctx); err != nil {
		return Outcome{}, err
	}
	if c.Time > 0 {
		asked := ctx
		own, cancel := context.WithTimeout(context.WithoutCancel(asked), c.Time)
		defer cancel()
		defer context.AfterFunc(asked, func() {
			if errors.Is(asked.Err(), context.Canceled) {
				cancel()
			}
		})()
		ctx = own
	}
	p := newProcess(c)
	go func() {
		p.run()
		r.giveBack()
		close(p.ended)
	}()
	var why error
	select {
	case <-p.ended:
		return p.outcome()
	case <-ctx.Done():
		why = ctx.Err()
	case <-p.flood:
		why = ErrFlood
	}
	p.kill()
	lingering := time.NewTimer(grace)
	defer lingering.Stop()
	select {
	case <-p.ended:
	case <-lingering.C:
		why = fmt.Errorf("%w; it has not ended since it was killed", why)
	}
	return Outcome{Stdout: p.stdout.kept(), Stderr: p.stderr.kept()}, why
}

// take waits for a place.
func (r *Runner) take(ctx context.Context) error {
	r.mu.Lock()
	if len(r.waiting) == 0 && r.hasPlace() {
		r.running++
		r.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	r.waiting = append(r.waiting, turn)
	r.mu.Unlock()

	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	r.mu.Lock()
	i := slices.Index(r.waiting, turn)
	if i >= 0 {
		r.waiting = slices.Delete(r.waiting, i, i+1)
	}
	r.mu.Unlock()
	if i < 0 { // it came at the same moment
		r.giveBack()
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	return ErrBusy
}

func (r *Runner) hasPlace() bool { return r.Limit == nil || r.running < max(1, r.Limit()) }

// giveBack ends the use of a place.
func (r *Runner) giveBack() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running--
	for len(r.waiting) > 0 && r.hasPlace() {
		r.running++
		close(r.waiting[0])
		r.waiting = r.waiting[1:]
	}
}

// process is one run of a program.
type process struct {
	cmd            *exec.Cmd
	stdout, stderr *output
	flood          chan struct{} // closed when it has written too much
	ended          chan struct{} // closed when run has ended
	err            error         // of run, once it has

	mu     sync.Mutex
	alive  bool // its id is its own
	killed bool
}

func newProcess(c Command) *process {
	p := &process{cmd: exec.Command(c.Args[0], c.Args[1:]...), flood: make(chan struct{}), ended: make(chan struct{})}
	written := &budget{left: Most, spent: p.flood}
	most := cmp.Or(c.Kept, Kept)
	p.stdout, p.stderr = &output{budget: written, most: most}, &output{budget: written, most: most}
	p.cmd.Env = append([]string{}, c.Env...) // nil would be this process's
	p.cmd.Dir = "/"
	p.cmd.Stdout, p.cmd.Stderr = p.stdout, p.stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.WaitDelay = grace // for the output of what has left the group
	return p
}

// run starts the program and waits for its end. It may take any time: a file system that does not answer
// holds up the start already.
func (p *process) run() {
	if p.err = p.cmd.Start(); p.err != nil {
		return
	}
	p.mu.Lock()
	p.alive = true
	killed := p.killed
	p.mu.Unlock()
	if killed {
		p.kill()
	}
	// As long as the program was not waited for, its id belongs to no other process or group.
	for {
		err := unix.Waitid(unix.P_PID, p.cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	p.kill() // what it has left behind
	p.mu.Lock()
	p.alive = false
	p.mu.Unlock()
	p.err = p.cmd.Wait()
}

// kill ends the program and all that it has started. Before the start, it ends it then.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.killed = true
	if p.alive {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // it may be that nothing is left
	}
}

// outcome is how it has ended.
func (p *process) outcome() (Outcome, error) {
	o := Outcome{Stdout: p.stdout.kept(), Stderr: p.stderr.kept()}
	state := p.cmd.ProcessState
	if state == nil {
		return o, fmt.Errorf("start it: %w", p.err)
	}
	select {
	case <-p.flood:
		return o, ErrFlood
	default:
	}
	o.Code = state.ExitCode()
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		o.Signal = status.Signal()
	}
	return o, nil
}

// output keeps the beginning of what is written to it.
type output struct {
	budget *budget
	most   int // bytes

	mu   sync.Mutex
	data []byte
}

func (o *output) Write(b []byte) (int, error) {
	o.budget.spend(len(b))
	o.mu.Lock()
	defer o.mu.Unlock()
	o.data = append(o.data, b[:min(len(b), o.most-len(o.data))]...)
	return len(b), nil
}

// kept is a copy, since something may still be writing.
func (o *output) kept() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	return bytes.Clone(o.data)
}

// budget is how many bytes may still be written, to any stream.
type budget struct {
	mu    sync.Mutex
	left  int
	spent chan struct{} // closed when nothing is left
}

func (b *budget) spend(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.left >= 0 && b.left < n {
		close(b.spent)
	}
	b.left -= n
}
