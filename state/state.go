// Package state keeps what survives a restart: the last verdicts, the last good addresses of
// aliases, what steering must remember, and the zones' serial numbers, in two JSON files in the
// state directory.
package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"gslb/alias"
	"gslb/health"
	"gslb/internal/files"
	"gslb/replication"
	"gslb/safety"
	"gslb/steer"
	"gslb/zones"
)

// State is what one run leaves to the next.
type State struct {
	Targets []health.Record         `json:"targets,omitempty"`
	Hosts   []alias.Record          `json:"-"`
	Memory  steer.Memory            `json:"memory"`
	Safety  safety.Memory           `json:"safety,omitzero"`
	Copies  replication.Memory      `json:"copies,omitempty"`
	Serials map[string]zones.Serial `json:"serials"` // by the zone's name
}

// The verdicts and the addresses of hosts have a file of their own, since every probe and every look-up
// makes them younger. The rest, which is much larger with many names, changes only when answers do.
//
// Each verdict has its own time. One time for all, or that of the file, would make verdicts look
// fresh that no probe has confirmed lately. What has to be written depends on what changed and not
// on a clock, which may jump.
const (
	verdictsName = "verdicts.json"
	stateName    = "state.json"
)

// verdicts is the content of the file verdictsName.
type verdicts struct {
	Targets []health.Record `json:"targets"`
	Hosts   []alias.Record  `json:"hosts,omitempty"`
}

// Load reads the state from a directory, which another process may hold, and changes nothing there. If there
// is none yet, or dir is empty, it returns the zero State. With an error it returns what could be read.
func Load(dir string) (State, error) { return load(dir, false) }

// load is Load. With aside it sets aside what is damaged.
func load(dir string, aside bool) (State, error) {
	if dir == "" {
		return State{}, nil
	}
	s, err := read[State](filepath.Join(dir, stateName), aside)
	v, verdictsErr := read[verdicts](filepath.Join(dir, verdictsName), aside)
	if v.Targets != nil { // else what an earlier version wrote, which had all in one file
		s.Targets = v.Targets
	}
	s.Hosts = v.Hosts
	return s, errors.Join(err, verdictsErr)
}

// mostState bounds what is read of a file: 200 bytes or so each for some million names.
const mostState = 512 << 20

// read returns what is in a file; the zero T if there is none, or with an error.
func read[T any](path string, aside bool) (T, error) {
	var content, none T
	data, err := files.Read(path, mostState)
	if errors.Is(err, fs.ErrNotExist) {
		return none, nil
	}
	if err != nil {
		return none, fmt.Errorf("state: %w", err)
	}
	if err = json.Unmarshal(data, &content); err == nil {
		return content, nil
	}
	if !aside {
		return none, fmt.Errorf("state: %s can't be used: %w", path, err)
	}
	return none, fmt.Errorf("state: %w", files.SetAside(path, err))
}
