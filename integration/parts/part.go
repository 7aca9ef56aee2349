package parts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

const (
	// startWait is how long a part may take to serve if the context has no deadline: a JVM on a
	// busy machine is slow to start.
	startWait = 30 * time.Second
	stopWait  = 5 * time.Second // for a part to end by itself once it was asked to
)

// program is how a part is run.
type program struct {
	name string // of the part, unique in its lab
	path string
	args []string
	dir  string   // working directory; empty: the lab's folder
	env  []string // besides PATH, HOME and LANG, all that the program sees
	// ready returns nil once the part serves.
	ready func(context.Context) error
}

// replaced has another process lead the part, since the program's own ends when it has handed over to the next.
func (p program) replaced() program {
	p.args = append([]string{"-c", `"$0" "$@" & exec sleep infinity`, p.path}, p.args...)
	p.path = "/bin/sh"
	return p
}

// Part is one real program of a lab, with all its children. It is safe for concurrent use.
type Part struct {
	lab     *Lab
	program program

	mu      sync.Mutex
	process *process // nil: never started
}

// start makes a part and starts it.
func (l *Lab) start(ctx context.Context, program program) (*Part, error) {
	part := &Part{lab: l, program: program}
	l.mu.Lock()
	for _, other := range l.parts {
		if other.Name() == program.name {
			l.mu.Unlock()
			return nil, fmt.Errorf("%s: the lab has a part of that name already", program.name)
		}
	}
	l.parts = append(l.parts, part)
	l.mu.Unlock()
	if err := part.Start(ctx); err != nil {
		return nil, err
	}
	return part, nil
}

// Name is the part's name in its lab.
func (p *Part) Name() string { return p.program.name }

// Start starts a part that is not running and returns once it serves. One that does not
// come to serve is killed, and the error has the end of its log.
func (p *Part) Start(ctx context.Context) error {
	process, err := p.launch()
	if err != nil {
		return fmt.Errorf("%s: %w", p.Name(), err)
	}
	if _, limited := ctx.Deadline(); !limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, startWait)
		defer cancel()
	}
	err = Until(ctx, p.Name()+" serves", func(ctx context.Context) error {
		select {
		case <-process.done:
			return final(fmt.Errorf("%s: %v", p.Name(), process.state))
		default:
			return p.program.ready(ctx)
		}
	})
	if err != nil {
		process.signal(syscall.SIGKILL)
		<-process.done
		return fmt.Errorf("%w; its log ends:\n%s", err, p.tail())
	}
	return nil
}

func (p *Part) launch() (*process, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.process.running() {
		return nil, errors.New("it is running already")
	}
	log, err := os.OpenFile(p.logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the process has its own
	dir := p.program.dir
	if dir == "" {
		dir = p.lab.dir
	}
	process, err := startProcess(p.lab.thread, p.lab.reaper, p.lab.bound(), &exec.Cmd{
		Path: p.program.path,
		Args: append([]string{p.program.path}, p.program.args...),
		Dir:  dir,
		// Nothing of the caller's own settings (AWS_PROFILE, http_proxy, ~/.aws) gets in.
		Env:    append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.lab.dir, "LANG=C"}, p.program.env...),
		Stdout: log,
		Stderr: log,
	})
	if err != nil {
		return nil, err
	}
	p.process = process
	return process, nil
}

// Stop asks the part to end (SIGTERM) and waits until it has. One that does not end within
// a few seconds, or before ctx does, is killed, which is an error. To stop a part that does
// not run is none; a hung one is killed at once.
func (p *Part) Stop(ctx context.Context) error {
	process := p.current()
	if !process.running() {
		return nil
	}
	if process.hung() {
		p.Kill()
		return nil
	}
	process.signal(syscall.SIGTERM)
	ctx, cancel := context.WithTimeout(ctx, stopWait)
	defer cancel()
	select {
	case <-process.done:
		return nil
	case <-ctx.Done():
		p.Kill()
		return fmt.Errorf("%s: it had to be killed, since it did not end by SIGTERM: %w", p.Name(), ctx.Err())
	}
}

// Kill ends the part at once (SIGKILL). It returns when the part is gone.
func (p *Part) Kill() {
	if process := p.current(); process.running() {
		process.signal(syscall.SIGKILL)
		<-process.done
	}
}

// Hang halts the part (SIGSTOP): its sockets stay open, and nobody serves them.
func (p *Part) Hang(ctx context.Context) error {
	process := p.current()
	if !process.running() {
		return fmt.Errorf("%s: it cannot hang, it is not running", p.Name())
	}
	process.signal(syscall.SIGSTOP)
	return Until(ctx, p.Name()+" hangs", func(context.Context) error {
		if !process.hung() {
			return errors.New("it is not halted yet")
		}
		return nil
	})
}

// Resume lets a hung part go on (SIGCONT).
func (p *Part) Resume() { p.Signal(syscall.SIGCONT) }

// Restart stops the part where it runs and starts it again, on the same addresses.
func (p *Part) Restart(ctx context.Context) error {
	if err := p.Stop(ctx); err != nil {
		return err
	}
	return p.Start(ctx)
}

// Signal sends a signal to the part's processes. Nothing happens where none runs.
func (p *Part) Signal(signal syscall.Signal) { p.current().signal(signal) }

// Running says whether the part has been started and has not ended. A hung one is running.
func (p *Part) Running() bool { return p.current().running() }

// Wait waits for the part to end by itself and returns how it did.
func (p *Part) Wait(ctx context.Context) (*os.ProcessState, error) {
	process := p.current()
	if process == nil {
		return nil, fmt.Errorf("%s: it was never started", p.Name())
	}
	select {
	case <-process.done:
		return process.state, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: it has not ended: %w", p.Name(), ctx.Err())
	}
}

// Log returns everything the part has written to its standard output and error, over all
// its starts.
func (p *Part) Log() (string, error) {
	log, err := os.ReadFile(p.logPath())
	return string(log), err
}

// tail is the end of the log, for a person.
func (p *Part) tail() string {
	const enough = 8 << 10
	log, err := p.Log()
	if err != nil {
		return err.Error()
	}
	if len(log) > enough {
		return "…" + log[len(log)-enough:]
	}
	return log
}

func (p *Part) logPath() string { return filepath.Join(p.lab.dir, p.Name()+".log") }

func (p *Part) current() *process {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.process
}
