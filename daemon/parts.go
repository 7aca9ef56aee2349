package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// parts run in the background of the answering of queries. Each goes on until the last query has
// its answer.
type parts struct {
	tasks *errgroup.Group
	ctx   context.Context // ends when a part fails, or all are told to end

	mu      sync.Mutex
	running []string
}

func newParts(ctx context.Context) *parts {
	p := &parts{}
	p.tasks, p.ctx = errgroup.WithContext(ctx)
	return p
}

func (p *parts) start(name string, run func(context.Context) error) {
	p.mu.Lock()
	p.running = append(p.running, name)
	p.mu.Unlock()
	p.tasks.Go(func() error {
		err := run(p.ctx)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.running = slices.DeleteFunc(p.running, func(other string) bool { return other == name })
		return err
	})
}

// errLeftBehind is what wait returns if some parts have not ended in time.
var errLeftBehind = errors.New("not ended in time")

// wait tells all parts to end, and returns the first error when they have. It waits for a bounded
// time: a part may be in a system call that does not return, such as a write to a file system that
// does not respond, and the program must end all the same.
func (p *parts) wait(most time.Duration) error {
	ended := make(chan error, 1)
	go func() { ended <- p.tasks.Wait() }()
	select {
	case err := <-ended:
		return err
	case <-time.After(most):
	}
	if cause := context.Cause(p.ctx); !errors.Is(cause, context.Canceled) {
		return cause // the part that failed says more than those that hang
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return fmt.Errorf("%w: %s", errLeftBehind, strings.Join(p.running, ", "))
}

// pausing runs parts that can pause together, which each of them takes for its end. It is safe for concurrent
// use.
type pausing struct {
	life   context.Context
	failed func() // called if a part fails
	list   []*part

	mu      sync.Mutex
	current *parts
	stop    context.CancelFunc
}

type part struct {
	name  string
	run   func(context.Context) error
	ended chan struct{} // closed when it does not run
}

func (p *pausing) add(name string, run func(context.Context) error) {
	ended := make(chan struct{})
	close(ended)
	p.list = append(p.list, &part{name, run, ended})
}

// resume starts all. A part that has still to end begins anew when it has, and holds up no other.
func (p *pausing) resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	ctx, stop := context.WithCancel(p.life)
	p.current, p.stop = newParts(ctx), stop
	for _, part := range p.list {
		before, ended := part.ended, make(chan struct{})
		part.ended = ended
		p.current.start(part.name, func(ctx context.Context) error {
			<-before
			defer close(ended)
			return part.run(ctx)
		})
	}
	group := p.current.ctx
	context.AfterFunc(group, func() {
		if !errors.Is(context.Cause(group), context.Canceled) {
			p.failed()
		}
	})
}

// pause ends all, and returns when they have ended, or with an error if they do not within a time.
func (p *pausing) pause(most time.Duration) error {
	p.mu.Lock()
	current, stop := p.current, p.stop
	p.mu.Unlock()
	stop()
	return current.wait(most)
}

// wait waits for the end of all, which their life has brought about, for a time.
func (p *pausing) wait(most time.Duration) error {
	p.mu.Lock()
	current := p.current
	p.mu.Unlock()
	return current.wait(most)
}

// ending is a part that can be ended before the others.
type ending struct {
	wanted, ended chan struct{}
}

func newEnding() *ending { return &ending{make(chan struct{}), make(chan struct{})} }

// run makes the part behind queries, until its context or end ends it.
func (e *ending) run(run func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) (err error) {
		defer close(e.ended)
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		go func() {
			select {
			case <-e.wanted:
				cancel()
			case <-ctx.Done():
			}
		}()
		behindQueries(func() { err = run(ctx) })
		return err
	}
}

// end ends the part, and waits for that, for a time. It is called once.
func (e *ending) end(most time.Duration) {
	close(e.wanted)
	select {
	case <-e.ended:
	case <-time.After(most):
	}
}

// within calls a function that may never return, as one that uses a file system that does not respond, and
// waits for it for a time. If that is over it reports false, and hands what the function returns after
// all to late, which may be nil.
func within[T any](most time.Duration, f func() T, late func(T)) (result T, inTime bool) {
	done := make(chan T, 1)
	go func() { done <- f() }()
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case result = <-done:
		return result, true
	case <-timer.C:
	}
	if late != nil {
		go func() { late(<-done) }()
	}
	return result, false
}

// whenLate calls say if some work takes longer than expected. The returned function must be called
// at the end of the work.
func whenLate(after time.Duration, say func()) (ended func() bool) {
	return time.AfterFunc(after, say).Stop
}
