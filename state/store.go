package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"gslb/alias"
	"gslb/health"
	"gslb/internal/files"
	"gslb/replication"
	"gslb/safety"
	"gslb/steer"
	"gslb/zones"
)

// Store saves states in a directory, and writes of each only what is not there yet.
type Store struct {
	dir      string
	verdicts *files.Kept
	decided  *files.Kept
	revision Revision // of what is in decided
	lock     lock
}

// NewStore makes a store in a directory, which need not exist. With an empty dir it saves nothing.
func NewStore(dir string) *Store {
	return &Store{
		dir:      dir,
		verdicts: files.Keep(filepath.Join(dir, verdictsName)),
		decided:  files.Keep(filepath.Join(dir, stateName)),
		lock:     lock{path: filepath.Join(dir, lockName)},
	}
}

// Dir is where the store saves; empty: nowhere.
func (s *Store) Dir() string { return s.dir }

// Hold reserves the directory for this process, and removes the temporary files of interrupted
// saves. An error wraps ErrHeld if another process uses the directory, and ErrNoLock if it cannot
// be locked. After ErrNoLock the store can still be used, but the operator must keep other
// processes out.
func (s *Store) Hold() error {
	if s.dir == "" {
		return nil
	}
	if err := s.lock.hold(); err != nil {
		return fmt.Errorf("state: %w", err)
	}
	files.RemoveLeftovers(s.verdicts.Path(), 0)
	files.RemoveLeftovers(s.decided.Path(), 0)
	return nil
}

// Load is the function [Load] for the directory of the store. What is damaged is set aside, so that a person may
// look at it and the next save does not replace it, unless this process does not hold the directory.
func (s *Store) Load() (State, error) { return load(s.dir, s.Holds()) }

// Held makes sure, for others that write into the directory, that no other process uses it.
func (s *Store) Held() error {
	if s.dir == "" {
		return nil
	}
	if err := s.lock.hold(); errors.Is(err, ErrHeld) {
		return fmt.Errorf("state: %w", err)
	}
	return nil
}

// Holds reports whether this process has the directory, and takes no step to have it.
func (s *Store) Holds() bool { return s.lock.isHeld() }

// Release gives up the directory. The end of the process does the same.
func (s *Store) Release() { s.lock.release() }

// Draft is a state to be saved.
type Draft struct {
	Targets []health.Record
	Hosts   []alias.Record
	// Decided makes the rest of the state. With many names this takes long, so that it is not
	// called while Revision stays the same.
	Decided  func() Decided
	Revision Revision // read before Decided is called
}

// Decided is what is saved in state.json.
type Decided struct {
	Memory  steer.Memory
	Safety  safety.Memory
	Copies  replication.Memory
	Serials map[string]zones.Serial
}

// Revision changes whenever the result of Draft.Decided does.
type Revision struct {
	Memory uint64        // publish.Publisher.MemoryRevision
	Copies uint64        // replication.Book.Revision
	Config string        // zones.Set.Hash
	Clock  time.Duration // by how much the clock was set meanwhile: see Clock
}

// Save replaces the state in the directory. A crash leaves each file whole, old or new. Nothing is
// written while another process holds the directory. The verdicts are written first, so that a
// restart that knows a decision also knows the verdicts behind it.
func (s *Store) Save(d Draft) error {
	if s.dir == "" {
		return nil
	}
	if err := s.Held(); err != nil {
		return err
	}
	err := errors.Join(writeJSON(s.verdicts, verdicts{d.Targets, d.Hosts}), s.saveDecided(d))
	if err != nil {
		return fmt.Errorf("state: %w", err)
	}
	return nil
}

func (s *Store) saveDecided(d Draft) error {
	if d.Revision == s.revision && s.decided.Intact() {
		return nil
	}
	decided := d.Decided()
	if err := writeJSON(s.decided, State{Memory: decided.Memory, Safety: decided.Safety, Copies: decided.Copies, Serials: decided.Serials}); err != nil {
		return err
	}
	s.revision = d.Revision
	return nil
}

// writeJSON writes some content as JSON, unless the file has it already.
func writeJSON(f *files.Kept, content any) error {
	data, err := json.Marshal(content)
	if err != nil {
		return err
	}
	return f.Save(data)
}
