package parts

import (
	"context"
	"net/netip"
	"path/filepath"
)

// PowerDNS is an authoritative server of static zones, to compare with: PowerDNS
// Authoritative Server with its bind backend, one thread that receives and one that
// distributes, and its caches as they are by default.
type PowerDNS struct {
	*Part
	Listen netip.AddrPort
}

// PowerDNSConfig says how to run a PowerDNS.
type PowerDNSConfig struct {
	Name   string // of the part
	Listen netip.AddrPort
	Zones  map[string]string // master files by the names of their zones

	Dir string // of the part; filled in
}

// StartPowerDNS starts a PowerDNS and returns once it answers for one of its zones.
func (l *Lab) StartPowerDNS(ctx context.Context, config PowerDNSConfig) (*PowerDNS, error) {
	server, err := find("pdns_server")
	if err != nil {
		return nil, err
	}
	config.Dir, err = l.folder(config.Name)
	if err != nil {
		return nil, err
	}
	if err := render(filepath.Join(config.Dir, "named.conf"), "named.conf", config); err != nil {
		return nil, err
	}
	if err := render(filepath.Join(config.Dir, "pdns.conf"), "pdns.conf", config); err != nil {
		return nil, err
	}
	p := &PowerDNS{Listen: config.Listen}
	p.Part, err = l.start(ctx, program{
		name:  config.Name,
		path:  server,
		args:  []string{"--config-dir=" + config.Dir},
		ready: answersFor(config.Listen, config.Zones),
	})
	return p, err
}
