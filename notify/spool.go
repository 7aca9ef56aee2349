package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"gslb/internal/files"
)

const (
	spoolName    = "notify.json"
	spoolVersion = 1
	largestSpool = 64 << 20
	spoolWait    = 5 * time.Second        // for a disk at the start
	spoolPause   = 100 * time.Millisecond // between two writes
	spoolShare   = 10                     // or so many times what one takes, if that is longer
)

// spool is the file that keeps what each target was told, and is still to be told.
type spool struct {
	*files.Kept // nil: there is none
	hold        func() error
	writes      files.Progress
}

// spooled is the content of the file.
type spooled struct {
	Version int                          `json:"version"`
	Targets map[string]map[string]*entry `json:"targets"` // by name, and by the ID of the incident
	Failing map[string]time.Time         `json:"failing"` // since when targets fail, by name
}

func newSpool(dir string, hold func() error) *spool {
	if dir == "" {
		return &spool{}
	}
	return &spool{Kept: files.Keep(filepath.Join(dir, spoolName)), hold: hold}
}

// load reads the file. What can't be used is set aside, so that a person may look at it.
func (s *spool) load() (spooled, error) {
	var found spooled
	if s.Kept == nil {
		return found, nil
	}
	files.RemoveLeftovers(s.Path(), 0)
	data, err := files.Read(s.Path(), largestSpool)
	if errors.Is(err, fs.ErrNotExist) {
		return found, nil
	}
	if err != nil {
		return found, err
	}
	if err = json.Unmarshal(data, &found); err == nil && found.Version != spoolVersion {
		err = fmt.Errorf("it is of version %d", found.Version)
	}
	for _, entries := range found.Targets {
		for id, e := range entries {
			if e == nil || e.Incident.ID != id {
				err = errors.Join(err, fmt.Errorf("its entry %.40q is of another incident", id))
			}
		}
	}
	if err != nil {
		return spooled{}, files.SetAside(s.Path(), err)
	}
	return found, nil
}

func (s *spool) save(data []byte) error {
	if len(data) > largestSpool {
		return fmt.Errorf("it would have %d MB, more than is read again", len(data)>>20)
	}
	if s.hold != nil {
		if err := s.hold(); err != nil {
			return err
		}
	}
	return s.Save(data)
}

// recall takes over what the run before has left, unless ctx ends first. A disk that does not respond is not
// waited for.
func (n *Notifier) recall(ctx context.Context) bool {
	type result struct {
		found spooled
		err   error
	}
	done := make(chan result, 1)
	go func() {
		found, err := n.spool.load()
		done <- result{found, err}
	}()
	late := time.NewTimer(spoolWait)
	defer late.Stop()
	var r result
	select {
	case r = <-done:
	case <-late.C:
		r.err = errors.New("the disk does not respond")
	case <-ctx.Done():
		return false // what is there is left as it is
	}
	if r.err != nil {
		n.options.Logger.Error("what was told by the run before is not known: incidents that last are told anew", "error", r.err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for name, entries := range r.found.Targets {
		if w := n.workers[name]; w != nil && entries != nil {
			w.queue.restore(entries, r.found.Failing[name], time.Now())
		}
	}
	n.recalled = true
	n.notice(n.early)
	n.early = nil
	return true
}

// keep writes the spool after each change, until ctx ends, and then once more.
func (n *Notifier) keep(ctx context.Context) {
	if n.spool.Kept == nil {
		return
	}
	write := func() {
		before, err := n.spool.writes.Write(func() error {
			data, err := n.content()
			if err != nil {
				return err
			}
			return n.spool.save(data)
		})
		switch {
		case err == nil:
			if before != nil {
				n.options.Logger.Info("what was told is kept again", "file", n.spool.Path())
			}
		case before == nil:
			n.options.Logger.Error("what was told can't be kept: after a restart it may be told twice", "file", n.spool.Path(), "error", err)
		}
	}
	for {
		select {
		case <-ctx.Done():
			n.workersEnded()
			write()
			return
		case <-n.dirty:
		}
		begun := time.Now()
		write()
		ended := time.Now()
		wait(ctx, nil, ended, ended.Add(max(spoolPause, spoolShare*ended.Sub(begun))))
	}
}

// Err is why what was told is not kept over a restart; nil: it is.
func (n *Notifier) Err() error { return n.spool.writes.Err() }

// workersEnded returns when no worker sends any more.
func (n *Notifier) workersEnded() {
	n.mu.Lock()
	var all []*worker
	for _, w := range n.workers {
		if w.begun {
			all = append(all, w)
		}
	}
	n.mu.Unlock()
	for _, w := range all {
		<-w.ended
	}
}

// content is what the spool should have.
func (n *Notifier) content() ([]byte, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := spooled{spoolVersion, make(map[string]map[string]*entry, len(n.workers)), make(map[string]time.Time)}
	for name, w := range n.workers {
		all.Targets[name] = w.queue.entries
		if q := w.queue; q.failed >= failingTries {
			all.Failing[name] = q.failing
		}
	}
	return json.Marshal(all)
}
