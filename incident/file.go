package incident

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"gslb/internal/files"
)

// The file of a Book.
const (
	fileName    = "incidents.json"
	fileVersion = 1
	largestFile = 32 << 20
	saveAgain   = time.Second // at the earliest
)

// Kept is what outlives the process.
type Kept struct {
	Open  []entry
	Ended []Incident
}

// content is what the file has.
type content struct {
	Version int        `json:"version"`
	Open    []entry    `json:"open"`
	Ended   []Incident `json:"ended"`
}

// Load reads what the run before has kept. A file that can't be used is set aside: incidents are then told of
// anew.
func Load(dir string) (Kept, error) {
	path := filepath.Join(dir, fileName)
	files.RemoveLeftovers(path, 0)
	data, err := files.Read(path, largestFile)
	if errors.Is(err, fs.ErrNotExist) {
		return Kept{}, nil
	}
	var c content
	if err == nil {
		err = json.Unmarshal(data, &c)
	}
	if err == nil && c.Version != fileVersion {
		err = fmt.Errorf("it has version %d, and this gslb reads version %d", c.Version, fileVersion)
	}
	seen := make(map[string]bool)
	for i := range c.Open {
		if e := &c.Open[i]; err == nil && (e.Key == "" || e.ID == "" || seen[e.Key] || seen[e.ID]) {
			err = errors.New("it is damaged: an incident has no key or ID, or the same as another")
		}
		seen[c.Open[i].Key], seen[c.Open[i].ID] = true, true
	}
	if err != nil {
		return Kept{}, files.SetAside(path, err)
	}
	return Kept{c.Open[:min(len(c.Open), 2*mostOpen)], c.Ended[:min(len(c.Ended), mostEnded)]}, nil
}

// kept is what is to outlive the process.
func (b *Book) kept() []byte {
	c := content{Version: fileVersion, Open: make([]entry, 0, len(b.open)), Ended: b.ended}
	for _, e := range b.open {
		c.Open = append(c.Open, *e)
	}
	slices.SortFunc(c.Open, func(x, y entry) int { return strings.Compare(x.Key, y.Key) })
	data, err := json.Marshal(c)
	if err != nil {
		return nil // JSON can't have years of five digits
	}
	return data
}

// Err is why the incidents are not saved; nil: they are.
func (b *Book) Err() error { return b.saver.writes.Err() }

// saver writes the file, apart from the goroutine that looks: a disk may not respond.
type saver struct {
	file   *files.Kept // nil: there is none
	held   func() error
	logger *slog.Logger
	ready  chan struct{} // capacity 1: next is to be written
	writes files.Progress

	mu   sync.Mutex
	next []byte
}

func newSaver(o Options) *saver {
	s := &saver{held: o.Held, logger: o.Logger, ready: make(chan struct{}, 1)}
	if o.Dir != "" {
		s.file = files.Keep(filepath.Join(o.Dir, fileName))
	}
	return s
}

// put takes the content that the file should have.
func (s *saver) put(data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil || data == nil {
		return
	}
	s.next = data
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

// run writes until ctx ends, and then what is still to be written.
func (s *saver) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			_ = s.write()
			return
		case <-s.ready:
		}
		before, err := s.writes.Write(s.write)
		switch {
		case err != nil && before == nil:
			s.logger.Error("incidents are not saved: after a restart those that last are announced again", "file", s.file.Path(), "error", err)
		case err == nil && before != nil:
			s.logger.Info("incidents are saved again", "file", s.file.Path())
		}
		select {
		case <-ctx.Done():
		case <-time.After(saveAgain):
		}
	}
}

// write writes what is to be written, if the file has another content. After an error it is still to be written.
func (s *saver) write() error {
	s.mu.Lock()
	data := s.next
	s.next = nil
	s.mu.Unlock()
	if data == nil {
		return nil
	}
	err := error(nil)
	if s.held != nil {
		err = s.held()
	}
	if err == nil {
		err = s.file.Save(data)
	}
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.next == nil {
			s.next = data
			select {
			case s.ready <- struct{}{}:
			default:
			}
		}
	}
	return err
}
