package state

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"gslb/health"
	"gslb/steer"
	"gslb/zones"
)

// Store saves states in a directory, and writes of each only what is not there yet.
type Store struct {
	dir      string
	verdicts file
	decided  file
	revision Revision // of what is in decided
	lock     lock
}

// NewStore makes a store in a directory, which is made if need be. With an empty dir it
// saves nothing.
func NewStore(dir string) *Store {
	return &Store{
		dir:      dir,
		verdicts: file{path: filepath.Join(dir, verdictsName)},
		decided:  file{path: filepath.Join(dir, stateName)},
		lock:     lock{path: filepath.Join(dir, lockName)},
	}
}

// Dir is where the store saves; empty: nowhere.
func (s *Store) Dir() string { return s.dir }

// Hold takes the directory for this process alone, and removes what saves have left there that
// were killed. An error wraps ErrHeld if another process has it, or else ErrNoLock. In the latter
// case the caller may go on, as does Save, and see to it that the directory is no one else's.
func (s *Store) Hold() error {
	if s.dir == "" {
		return nil
	}
	if err := s.lock.hold(); err != nil {
		return fmt.Errorf("state: %w", err)
	}
	_ = clean(s.dir) // it costs no more than room
	return nil
}

// Release leaves the directory to the next process. The end of this one does, too.
func (s *Store) Release() { s.lock.release() }

// Draft is a state to be saved.
type Draft struct {
	Targets []health.Record
	// Decided makes the rest of the state. With many names that takes long, so that it is not
	// called if Revision says that it would come out as it did the last time.
	Decided  func() (steer.Memory, map[string]zones.Serial)
	Revision Revision // to be found out before Decided is called
}

// Revision stands for what Draft.Decided makes: it is another whenever that is.
type Revision struct {
	Memory uint64        // publish.Publisher.MemoryRevision
	Config string        // zones.Set.Hash
	Clock  time.Duration // by how much the clock was set meanwhile: see Clock
}

// Save replaces what the directory has of the state before. A crash in between leaves each
// file as it was or as it is to be, never a part. Nothing is written that another process would
// write over. The verdicts go first: a restart that knows
// of a decision then also knows the verdicts that it came from.
func (s *Store) Save(d Draft) error {
	if s.dir == "" {
		return nil
	}
	if err := s.lock.hold(); errors.Is(err, ErrHeld) {
		return fmt.Errorf("state: %w", err)
	}
	err := errors.Join(s.verdicts.save(verdicts{d.Targets}), s.saveDecided(d))
	if err != nil {
		return fmt.Errorf("state: %w", err)
	}
	return nil
}

func (s *Store) saveDecided(d Draft) error {
	if d.Revision == s.revision && s.decided.intact() {
		return nil
	}
	memory, serials := d.Decided()
	if err := s.decided.save(State{Memory: memory, Serials: serials}); err != nil {
		return err
	}
	s.revision = d.Revision
	return nil
}
