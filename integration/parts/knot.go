package parts

import (
	"context"
	"net/netip"
	"path/filepath"
)

// Knot is an authoritative server of static zones, to compare with: Knot DNS, with one
// worker for UDP and one for TCP.
type Knot struct {
	*Part
	Listen netip.AddrPort
}

// KnotConfig says how to run a Knot.
type KnotConfig struct {
	Name   string // of the part
	Listen netip.AddrPort
	Zones  map[string]string // master files by the names of their zones

	Dir string // of the part; filled in
}

// StartKnot starts a Knot and returns once it answers for one of its zones, having read all.
func (l *Lab) StartKnot(ctx context.Context, config KnotConfig) (*Knot, error) {
	knotd, err := find("knotd")
	if err != nil {
		return nil, err
	}
	config.Dir, err = l.folder(config.Name)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(config.Dir, "knot.conf")
	if err := render(file, "knot.conf", config); err != nil {
		return nil, err
	}
	k := &Knot{Listen: config.Listen}
	k.Part, err = l.start(ctx, program{
		name:  config.Name,
		path:  knotd,
		args:  []string{"-c", file}, // in the foreground
		ready: answersFor(config.Listen, config.Zones),
	})
	return k, err
}
