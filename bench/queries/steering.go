package queries

import (
	"context"
	"embed"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gslb/bench/geodb"
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
		return startGSLB(ctx, s, name, binary, filepath.Join(s.dir, gslbFile))
	}
}

func startGSLB(ctx context.Context, s setup, name, binary, zones string) (*parts.Part, error) {
	g, err := s.lab.StartGSLB(ctx, parts.GSLBConfig{
		Name: name, Binary: binary, Zones: zones, Listen: s.listen, Admin: s.admin, Env: []string{oneProcessor},
	})
	if err != nil {
		return nil, err
	}
	return g.Part, nil
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
	QueryLog      string // of gslb, as its configuration has it; empty: none
	Pools         []pool
	Names         []steered

	City, ASN   string // paths of the databases, from Dir; empty: none
	Datacenters []datacenter
	ASNetworks  []netip.Prefix // those in the first view
}

type pool struct {
	Name   string
	V4, V6 netip.Addr
}

// steered is a name that goes over from its first pool to the next, or has several that share its
// clients by weight.
type steered struct {
	Name   string
	Policy string
	Pools  []weightedPool
	Routes []route // by view, with the policy byView
}

type weightedPool struct {
	pool
	Weight int
}

// route is the pools for the clients of a view. To gdnsd, its first pool is that of a datacenter.
type route struct {
	View        string
	First, Then pool
}

// datacenter is what gdnsd calls a view's place in each of its names: they have one for each
// view, and for a view the two that come first.
type datacenter struct{ View, Name, Then string }

// Datacenters of a view, in gdnsd's syntax.
func (s steering) Route(view string) (string, error) {
	for _, d := range s.Datacenters {
		if d.View == view {
			return fmt.Sprintf("[ %s, %s ]", d.Name, d.Then), nil
		}
	}
	return "", fmt.Errorf("there is no view %q", view)
}

func (s setup) steering() (steering, error) {
	filled := steering{
		Zone: strings.TrimSuffix(zone, "."), TTL: ttl, Nameservers: nameservers[:],
		Listen: s.listen, Admin: s.admin, CheckPort: s.checks.Port(), Interval: s.interval, Fall: s.fall,
		Dir: s.dir, Master: filepath.Base(s.master), QueryLog: s.queryLog,
	}
	if s.pools == 0 {
		return filled, nil
	}
	for i := range s.pools {
		addrs := poolAddrs(i)
		filled.Pools = append(filled.Pools, pool{fmt.Sprintf("p%d", i), addrs[0], addrs[1]})
	}
	for i := range s.names {
		named := steered{Name: owner(i), Policy: s.policy(i)}
		for j, p := range s.route(i, 0) {
			named.Pools = append(named.Pools, weightedPool{filled.Pools[p], sharing - j})
		}
		if named.Policy == byView {
			for v, view := range s.views {
				pools := s.route(i, v)
				named.Routes = append(named.Routes, route{view, filled.Pools[pools[0]], filled.Pools[pools[1]]})
			}
		}
		filled.Names = append(filled.Names, named)
	}
	if s.clients == nil {
		return filled, nil
	}
	filled.City, filled.ASN = cityFile, asnFile
	for v, view := range s.views {
		filled.Datacenters = append(filled.Datacenters, datacenter{view, fmt.Sprintf("dc%d", v), fmt.Sprintf("dc%d", (v+1)%len(s.views))})
	}
	var err error
	filled.ASNetworks, err = s.clients.Networks(geodb.FirstASN)
	return filled, err
}

// render writes a configuration file from the template of that name.
func (s setup) render(file, name string) error {
	filled, err := s.steering()
	if err != nil {
		return err
	}
	return parts.Render(file, templates, name, filled)
}
