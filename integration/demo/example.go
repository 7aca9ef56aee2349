package main

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"gslb/integration/parts"
)

// example is what the demonstration must provide for a zones.toml.
type example struct {
	DNS     netip.AddrPort
	Admin   netip.AddrPort
	Regions []parts.RegionConfig // one a pool, by name
	Names   []string             // that are steered, fully qualified, by name
	Copied  bool                 // the regions' table is copied between them
}

// exampleFile is as much of zones.toml as matters here. That the file is valid is for gslb
// to say.
type exampleFile struct {
	Server struct{ Listen []netip.AddrPort }
	Admin  struct{ Listen netip.AddrPort }
	Checks map[string]exampleCheck
	Pools  map[string]examplePool
	Zones  map[string]struct{ Names map[string]any }

	Replication map[string]any
}

type exampleCheck struct {
	Type  string
	URL   string
	Table string
	Key   map[string]string
}

type examplePool struct {
	Region  string
	Members []netip.Addr
	Checks  []string
	Vars    struct{ DynamoDB netip.AddrPort }
}

func readExample(path string) (*example, error) {
	var file exampleFile
	if _, err := toml.DecodeFile(path, &file); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(file.Server.Listen) == 0 || !file.Admin.Listen.IsValid() {
		return nil, fmt.Errorf("%s: server.listen and admin.listen: the demonstration needs an address for each", path)
	}
	e := &example{DNS: file.Server.Listen[0], Admin: file.Admin.Listen, Copied: len(file.Replication) > 0}
	for _, name := range slices.Sorted(maps.Keys(file.Pools)) {
		region, err := regionOf(name, file.Pools[name], file.Checks)
		if err != nil {
			return nil, fmt.Errorf("%s: pools.%s: %w", path, name, err)
		}
		e.Regions = append(e.Regions, region)
	}
	for zone, content := range file.Zones {
		for name := range content.Names {
			e.Names = append(e.Names, fullName(name, zone))
		}
	}
	slices.Sort(e.Names)
	return e, nil
}

// regionOf is the region that passes a pool's checks.
func regionOf(name string, pool examplePool, checks map[string]exampleCheck) (parts.RegionConfig, error) {
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
