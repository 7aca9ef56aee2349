// Package state keeps what survives a restart: the last verdicts, what steering must
// remember, and the zones' serial numbers, in one JSON file in the state directory.
package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"gslb/health"
	"gslb/steer"
	"gslb/zones"
)

// State is what one run leaves to the next.
type State struct {
	Saved   time.Time               `json:"saved"`
	Targets []health.Record         `json:"targets"`
	Memory  steer.Memory            `json:"memory"`
	Serials map[string]zones.Serial `json:"serials"` // by the zone's name
}

const fileName = "state.json"

// Load reads the state from a directory. Where there is none yet, or dir is empty, it
// returns the zero State. An error leaves the caller free to go on without.
func Load(dir string) (State, error) {
	var s State
	if dir == "" {
		return s, nil
	}
	path := filepath.Join(dir, fileName)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("state: %w", err)
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return State{}, fmt.Errorf("state: %s is damaged, remove it: %w", path, err)
	}
	return s, nil
}

// Save replaces the state in a directory, which is made if need be. A crash in between
// leaves the old state or the new one, never a part. With an empty dir it does nothing.
func Save(dir string, s State) error {
	if dir == "" {
		return nil
	}
	if err := save(dir, s); err != nil {
		return fmt.Errorf("state: %w", err)
	}
	return nil
}

func save(dir string, s State) error {
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, fileName+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // after the rename there is nothing to remove
	if _, err := f.Write(data); err != nil {
		f.Close()
		return err
	}
	if err := f.Sync(); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(dir, fileName))
}

// Fresh returns the verdicts that are not older than maxAge, by target. A verdict from the
// future, which a clock that was set back leaves behind, is not fresh.
func (s State) Fresh(now time.Time, maxAge time.Duration) map[health.TargetID]health.Record {
	fresh := make(map[health.TargetID]health.Record, len(s.Targets))
	for _, r := range s.Targets {
		if age := now.Sub(r.Judged); age >= 0 && age <= maxAge {
			fresh[r.ID] = r
		}
	}
	return fresh
}
