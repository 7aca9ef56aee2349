package parts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// Lab is where parts run. Its methods are safe for concurrent use.
type Lab struct {
	dir    string
	thread *thread
	reaper *reaper

	mu         sync.Mutex
	parts      []*Part // in the order of their making
	ports      map[uint16]bool
	processors []int // see Bind
}

// NewLab makes a lab that keeps configurations and logs in dir, which is made where it is
// missing. Whoever makes a lab closes it; the folder stays.
func NewLab(dir string) (*Lab, error) { return newLab(dir, newThread()) }

// newLab makes a lab whose parts start from a thread, and so in the namespaces of that. It
// closes the thread, also if it fails.
func newLab(dir string, thread *thread) (*Lab, error) {
	dir, err := filepath.Abs(dir)
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err != nil {
		thread.close()
		return nil, fmt.Errorf("folder of the lab: %w", err)
	}
	reaper, err := startReaper(thread)
	if err != nil {
		thread.close()
		return nil, err
	}
	return &Lab{dir: dir, thread: thread, reaper: reaper, ports: make(map[uint16]bool)}, nil
}

// Bind lets every part that is started from now on run on these processors only, which are
// counted from 0; without any, on all that this program may run on.
func (l *Lab) Bind(processors ...int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.processors = processors
}

func (l *Lab) bound() []int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.processors
}

// Close stops every part, at the same time, and returns when no process is left. The
// error names the parts that did not stop when they were asked and had to be killed.
func (l *Lab) Close() error {
	parts := l.all()
	errs := make([]error, len(parts))
	var group sync.WaitGroup
	for i, part := range parts {
		group.Go(func() { errs[i] = part.Stop(context.Background()) })
	}
	group.Wait()
	errs = append(errs, l.reaper.close())
	l.thread.close()
	return errors.Join(errs...)
}

// Logs returns what every part has written, each under its name.
func (l *Lab) Logs() string {
	var logs string
	for _, part := range l.all() {
		logs += fmt.Sprintf("==> %s <==\n%s\n", part.Name(), part.tail())
	}
	return logs
}

func (l *Lab) all() []*Part {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]*Part(nil), l.parts...)
}

// folder makes a folder of the lab for the files of one part.
func (l *Lab) folder(name string) (string, error) {
	dir := filepath.Join(l.dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return dir, nil
}
