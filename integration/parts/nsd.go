package parts

import (
	"context"
	"maps"
	"net/netip"
	"path/filepath"
)

// NSD is an authoritative server of static zones: that of a parent, or one to compare with.
type NSD struct {
	*Part
	Listen netip.AddrPort
}

// NSDConfig says how to run an NSD: with a parent zone, further zones, or both.
type NSDConfig struct {
	Name    string // of the part
	Listen  netip.AddrPort
	Zone    string            // a parent, fully qualified: "example.com."
	Records string            // its delegations and their glue, as master-file text (RFC 1035, section 5)
	Zones   map[string]string // the master files of further zones
	Options []string          // further lines of the server clause

	Dir string // of the part; filled in
}

// StartNSD starts an NSD and returns once it answers for one of its zones, having read all.
func (l *Lab) StartNSD(ctx context.Context, config NSDConfig) (*NSD, error) {
	nsd, err := find("nsd")
	if err != nil {
		return nil, err
	}
	config.Dir, err = l.folder(config.Name)
	if err != nil {
		return nil, err
	}
	if config.Zone != "" {
		parent := filepath.Join(config.Dir, "zone")
		if err := render(parent, "nsd.zone", config); err != nil {
			return nil, err
		}
		config.Zones = with(config.Zones, config.Zone, parent)
	}
	file := filepath.Join(config.Dir, "nsd.conf")
	if err := render(file, "nsd.conf", config); err != nil {
		return nil, err
	}
	n := &NSD{Listen: config.Listen}
	n.Part, err = l.start(ctx, program{
		name:  config.Name,
		path:  nsd,
		args:  []string{"-d", "-c", file}, // in the foreground
		ready: answersFor(config.Listen, config.Zones),
	})
	return n, err
}

// with is a map with one more entry; the one given stays as it is.
func with(zones map[string]string, zone, file string) map[string]string {
	more := map[string]string{zone: file}
	maps.Copy(more, zones)
	return more
}
