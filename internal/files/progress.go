package files

import (
	"errors"
	"sync"
	"time"
)

// writeLate is how long a write may take before it counts as one that fails.
const writeLate = 30 * time.Second

var errLate = errors.New("the file system does not respond")

// Progress is how the writes of a file go. The zero value is that of a file that nothing is wrong with. It is safe
// for concurrent use; writes follow one another.
type Progress struct {
	mu    sync.Mutex
	begun time.Time // of the write that is under way; zero: none is
	err   error     // of the last that has ended
}

// Write writes by a function, and returns the error of the write before, and its own.
func (p *Progress) Write(write func() error) (before, err error) {
	p.mu.Lock()
	before, p.begun = p.err, time.Now()
	p.mu.Unlock()
	err = write()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.begun, p.err = time.Time{}, err
	return before, err
}

// Err is why the file is not what it should be: the last write has failed, or one takes long. Nil: it is.
func (p *Progress) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil && !p.begun.IsZero() && time.Since(p.begun) >= writeLate {
		return errLate
	}
	return p.err
}
