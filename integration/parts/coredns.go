package parts

import (
	"context"
	"net/netip"
	"path/filepath"
)

// CoreDNS is an authoritative server of static zones, to compare with: its plugin file, and
// minimal, so that it answers with what was asked for only, as the others do.
type CoreDNS struct {
	*Part
	Listen netip.AddrPort
}

// CoreDNSConfig says how to run a CoreDNS.
type CoreDNSConfig struct {
	Name   string // of the part
	Binary string // path, or the name of one that is installed
	Listen netip.AddrPort
	Zones  map[string]string // master files by the names of their zones
	Env    []string          // besides PATH, HOME and LANG, all that the program sees
}

// StartCoreDNS starts a CoreDNS and returns once it answers for one of its zones, having
// read all.
func (l *Lab) StartCoreDNS(ctx context.Context, config CoreDNSConfig) (*CoreDNS, error) {
	coredns, err := find(config.Binary)
	if err != nil {
		return nil, err
	}
	dir, err := l.folder(config.Name)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "Corefile")
	if err := render(file, "Corefile", config); err != nil {
		return nil, err
	}
	c := &CoreDNS{Listen: config.Listen}
	c.Part, err = l.start(ctx, program{
		name:  config.Name,
		path:  coredns,
		args:  []string{"-conf", file},
		env:   config.Env,
		ready: answersFor(config.Listen, config.Zones),
	})
	return c, err
}
