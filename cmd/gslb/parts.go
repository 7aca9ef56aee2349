package main

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

// pausing runs parts that can pause together, which each of them takes for its end. It is used by one
// goroutine at a time.
type pausing struct {
	life   context.Context
	failed func() // called if a part fails
	list   []part

	current *parts
	stop    context.CancelFunc
}

type part struct {
	name string
	run  func(context.Context) error
}

func (p *pausing) add(name string, run func(context.Context) error) {
	p.list = append(p.list, part{name, run})
}

// resume starts all, once those that run have ended.
func (p *pausing) resume() {
	if p.current != nil {
		_ = p.current.tasks.Wait()
	}
	ctx, stop := context.WithCancel(p.life)
	p.current, p.stop = newParts(ctx), stop
	for _, part := range p.list {
		p.current.start(part.name, part.run)
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
	p.stop()
	return p.current.wait(most)
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
