package queries

import (
	"context"
	"embed"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"gslb/integration/parts"
)

// The contenders that steer: where the content has pools, they check the addresses and
// answer accordingly.

//go:embed templates
var templates embed.FS

// schedule is that of the checks.
type schedule struct {
	interval time.Duration
	fall     int // fails in a row that turn a target down
}

// rare is for scenarios in which checks pass and should cost almost nothing.
func rare() schedule { return schedule{interval: time.Minute, fall: 3} }

// gslbFrom starts a binary of this server as the part of a name.
func gslbFrom(name, binary string) func(context.Context, setup) (*parts.Part, error) {
	return func(ctx context.Context, s setup) (*parts.Part, error) {
		g, err := s.lab.StartGSLB(ctx, parts.GSLBConfig{
			Name: name, Binary: binary, Zones: filepath.Join(s.dir, gslbFile),
			Listen: s.listen, Admin: s.admin, Env: []string{oneProcessor},
		})
		if err != nil {
			return nil, err
		}
		return g.Part, nil
	}
}

func startGdnsd(ctx context.Context, s setup) (*parts.Part, error) {
	zones := filepath.Join(s.dir, "zones")
	if err := os.MkdirAll(zones, 0o755); err != nil {
		return nil, err
	}
	if err := s.render(filepath.Join(s.dir, "config"), "gdnsd.conf"); err != nil {
		return nil, err
	}
	records := filepath.Join(zones, strings.TrimSuffix(zone, "."))
	if s.pools > 0 {
		if err := s.render(records, "gdnsd.zone"); err != nil {
			return nil, err
		}
	} else if err := os.Symlink(s.master, records); err != nil {
		return nil, err
	}
	return s.lab.StartProgram(ctx, parts.Program{
		Name: "gdnsd", Path: "gdnsd", Args: []string{"-c", s.dir, "start"}, // in the foreground
		Ready: func(ctx context.Context) error { return verify(ctx, "udp", s.listen, []question{apexNS()}) },
	})
}

// steering is what the templates are filled in with.
type steering struct {
	Zone          string // without the dot at its end
	TTL           int
	Nameservers   []nameserver
	Listen, Admin netip.AddrPort
	CheckPort     uint16
	Interval      time.Duration
	Fall          int
	Dir           string
	Master        string // path of the master file, from Dir; for a content without pools
	Pools         []pool
	Names         []steered
}

type pool struct {
	Name   string
	V4, V6 netip.Addr
}

// steered is a name that goes over from its first pool to another.
type steered struct {
	Name        string
	First, Then pool
}

func (s setup) steering() steering {
	filled := steering{
		Zone: strings.TrimSuffix(zone, "."), TTL: ttl, Nameservers: nameservers[:],
		Listen: s.listen, Admin: s.admin, CheckPort: s.checks.Port(), Interval: s.interval, Fall: s.fall,
		Dir: s.dir, Master: filepath.Base(s.master),
	}
	if s.pools == 0 {
		return filled
	}
	for i := range s.pools {
		addrs := poolAddrs(i)
		filled.Pools = append(filled.Pools, pool{fmt.Sprintf("p%d", i), addrs[0], addrs[1]})
	}
	for i := range s.names {
		first := s.pool(i)
		filled.Names = append(filled.Names, steered{owner(i), filled.Pools[first], filled.Pools[s.next(first)]})
	}
	return filled
}

// render writes a configuration file from the template of that name.
func (s setup) render(file, name string) error {
	parsed, err := template.ParseFS(templates, "templates/"+name)
	if err != nil {
		return fmt.Errorf("template %s: %w", name, err)
	}
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer out.Close()
	if err := parsed.Execute(out, s.steering()); err != nil {
		return fmt.Errorf("template %s: %w", name, err)
	}
	return out.Close()
}
