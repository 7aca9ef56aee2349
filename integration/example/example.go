// Package example reads the worked example, the root zones.toml, for those that run it among real
// parts: what stands in its regions, and by what times it decides.
package example

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"gslb/integration/parts"
)

// Example is what must be provided for a zones.toml of two regions.
type Example struct {
	DNS     netip.AddrPort
	Admin   netip.AddrPort
	Regions []parts.RegionConfig // one a pool, by name
	Zone    string               // the first one, fully qualified
	Servers []netip.Addr         // its name servers, by name
	Names   []string             // that are steered, fully qualified, by name
	Steered map[string]Name      // the same, and how
	Checks  []Check              // by type
	Copied  bool                 // the regions' table is copied between them
}

// Name is how a name is steered.
type Name struct {
	Pools []string // the preferred one first
	TTL   time.Duration
}

// Check is when a check is made, and when it is believed. What the file leaves out is as gslb takes it.
type Check struct {
	Type         string
	Interval     time.Duration
	FastInterval time.Duration
	Timeout      time.Duration
	Fall         int
}

// file is as much of zones.toml as matters here. That the file is valid is for gslb to say.
type file struct {
	Server struct{ Listen []netip.AddrPort }
	Admin  struct{ Listen netip.AddrPort }
	Checks map[string]check
	Pools  map[string]pool
	Zones  map[string]zone

	Replication map[string]any
}

type check struct {
	Type  string
	URL   string
	Table string
	Key   map[string]string

	Interval     time.Duration
	FastInterval time.Duration `toml:"fast_interval"`
	Timeout      time.Duration
	Fall         int
}

type zone struct {
	Nameservers map[string][]netip.Addr

	TTL   time.Duration
	Names map[string]struct {
		Pools []string
		TTL   time.Duration
	}
}

type pool struct {
	Region  string
	Members []netip.Addr
	Checks  []string
	Vars    struct{ DynamoDB netip.AddrPort }
}

// Read reads a zones.toml that is like the worked example.
func Read(path string) (*Example, error) {
	var file file
	if _, err := toml.DecodeFile(path, &file); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(file.Server.Listen) == 0 || !file.Admin.Listen.IsValid() {
		return nil, fmt.Errorf("%s: server.listen and admin.listen: the demonstration needs an address for each", path)
	}
	e := &Example{DNS: file.Server.Listen[0], Admin: file.Admin.Listen, Steered: make(map[string]Name), Copied: len(file.Replication) > 0}
	for _, name := range slices.Sorted(maps.Keys(file.Pools)) {
		region, err := regionOf(name, file.Pools[name], file.Checks)
		if err != nil {
			return nil, fmt.Errorf("%s: pools.%s: %w", path, name, err)
		}
		e.Regions = append(e.Regions, region)
	}
	for _, zone := range slices.Sorted(maps.Keys(file.Zones)) {
		content := file.Zones[zone]
		if e.Zone == "" {
			e.Zone = fullName("@", zone)
			for _, server := range slices.Sorted(maps.Keys(content.Nameservers)) {
				e.Servers = append(e.Servers, content.Nameservers[server]...)
			}
		}
		for name, is := range content.Names {
			full := fullName(name, zone)
			e.Names = append(e.Names, full)
			e.Steered[full] = Name{Pools: is.Pools, TTL: cmp.Or(is.TTL, content.TTL, 20*time.Second)}
		}
	}
	slices.Sort(e.Names)
	for _, c := range file.Checks {
		interval := cmp.Or(c.Interval, 5*time.Second)
		e.Checks = append(e.Checks, Check{
			Type: c.Type, Interval: interval, FastInterval: min(cmp.Or(c.FastInterval, time.Second), interval),
			Timeout: cmp.Or(c.Timeout, min(2*time.Second, interval/2)), Fall: cmp.Or(c.Fall, 3),
		})
	}
	slices.SortFunc(e.Checks, func(a, b Check) int { return cmp.Compare(a.Type, b.Type) })
	return e, nil
}

// regionOf is the region that passes a pool's checks.
func regionOf(name string, pool pool, checks map[string]check) (parts.RegionConfig, error) {
	region := parts.RegionConfig{Name: name, AWSRegion: pool.Region, DynamoDB: pool.Vars.DynamoDB}
	if len(pool.Members) != 1 {
		return region, fmt.Errorf("members: the demonstration has one load balancer in a pool, not %d", len(pool.Members))
	}
	for _, check := range pool.Checks {
		switch check := checks[check]; check.Type {
		case "http":
			// The placeholder is no host name, which a URL needs.
			u, err := url.Parse(strings.ReplaceAll(check.URL, "{address}", pool.Members[0].String()))
			if err != nil {
				return region, err
			}
			if region.Listen, err = netip.ParseAddrPort(u.Host); err != nil {
				return region, fmt.Errorf("checks: the address of the load balancer: %w", err)
			}
		case "dynamodb":
			region.Table, region.Key = check.Table, check.Key
		}
	}
	if !region.Listen.IsValid() || region.Table == "" || !region.DynamoDB.IsValid() {
		return region, errors.New("the demonstration needs a check of type http, one of type dynamodb, and vars.dynamodb, its address")
	}
	return region, nil
}

func fullName(name, zone string) string {
	zone = strings.TrimSuffix(zone, ".") + "."
	if name == "@" {
		return zone
	}
	return name + "." + zone
}

// Place is where a server of the example is to be found, and where it keeps its state.
type Place struct {
	Listen []netip.AddrPort
	Admin  netip.AddrPort
	State  string
	ID     string // by which its heartbeats are told from those of other servers
}

// Write writes the zones.toml of one more server: a copy of another one with a place of its own.
func Write(path, of string, place Place) error {
	var file map[string]any
	if _, err := toml.DecodeFile(of, &file); err != nil {
		return fmt.Errorf("%s: %w", of, err)
	}
	set := func(table, key string, value any) {
		t, _ := file[table].(map[string]any)
		if t == nil {
			t = make(map[string]any)
			file[table] = t
		}
		t[key] = value
	}
	listen := make([]string, len(place.Listen))
	for i, at := range place.Listen {
		listen[i] = at.String()
	}
	set("server", "listen", listen)
	set("server", "state_dir", place.State)
	set("server", "id", place.ID)
	set("admin", "listen", place.Admin.String())
	text, err := toml.Marshal(file)
	if err == nil {
		err = os.WriteFile(path, text, 0o644)
	}
	if err != nil {
		return fmt.Errorf("configuration of one more server: %w", err)
	}
	return nil
}
