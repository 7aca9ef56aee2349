package queries

import (
	"context"
	_ "embed"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gslb/bench/geodb"
	"gslb/integration/figures"
	"gslb/integration/parts"
)

// The processors that servers and load are bound to.
const (
	serverProcessor = 0
	loadProcessor   = 1
)

// loopback is where servers listen.
var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// method says how all of it is measured, and what the figures do not mean.
//
//go:embed method.md
var method string

// bench is what every scenario works with.
type bench struct {
	*figures.Report
	binaries
	size     size
	rounds   int
	duration time.Duration // of a measurement
	warmUp   time.Duration // how long a server gets load before that
	rate     int           // queries per second, at the fixed rate
	share    float64       // of the load at saturation, while a server takes in a change
	dir      string

	contenders []contender
	steered    results // of the steered mix at saturation, once there are any
	databases  geodb.Files
	clients    *clients // see places
	goals      []goal
}

// size is how much there is of everything.
type size struct {
	names     int // that are steered, in most scenarios
	pools     int // that they share
	questions int // in a file of them that may repeat
	random    int // questions with random names, of which none comes twice in a measurement
	zone      int // names in the scenario of a large zone
	failing   int // names that a pool fails, or that are reloaded
	networks  int // in a database of places

	logged []float64 // shares of the queries that are logged

	rest time.Duration // for a server to come to rest, before its memory is read
}

func full() size {
	return size{
		names: 1000, pools: 100, questions: 100_000, random: 2_000_000, zone: 1_000_000, failing: 100_000,
		networks: 5_000_000, rest: 5 * time.Second, logged: []float64{0.01, 1},
	}
}

// scenario is one thing that is measured.
type scenario struct {
	name string
	run  func(context.Context, *bench) error
}

func scenarios() []scenario {
	return []scenario{
		{"steered", steeredUDP},
		{"random", randomUDP},
		{"tcp", tcpOne},
		{"tcp100", tcpHundred},
		{"names", manyNames},
		{"fail", failPool},
		{"reload", reloadNames},
		{"policies", policies},
		{"views", failViews},
		{"database", database},
		{"replace", replaceDatabase},
		{"querylog", queryLog},
	}
}

func scenarioNames() []string {
	var names []string
	for _, s := range scenarios() {
		names = append(names, s.name)
	}
	return names
}

// run runs the scenarios and contenders of these names; none: all.
func (b *bench) run(ctx context.Context, only, names []string) error {
	for _, name := range only {
		if !slices.Contains(scenarioNames(), name) {
			return fmt.Errorf("-only: %q is not one of %s", name, strings.Join(scenarioNames(), ", "))
		}
	}
	var err error
	if b.contenders, err = choose(contenders(b.binaries), names); err != nil {
		return err
	}
	if b.old != "" && (len(b.contenders) == 0 || b.contenders[0].name != ours) {
		return fmt.Errorf("-old: it is measured beside %s, which must take part", ours)
	}
	if err := reachPools(ctx); err != nil {
		return err
	}
	found, err := versions(ctx, b.contenders)
	if err != nil {
		return err
	}
	b.Print("%s\n%s.", figures.Host(), found)
	for _, s := range scenarios() {
		if len(only) > 0 && !slices.Contains(only, s.name) {
			continue
		}
		if err := s.run(ctx, b); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	if b.clients != nil {
		if err := b.clients.Close(); err != nil {
			return err
		}
	}
	b.reportGoals()
	b.Print("%s", strings.TrimSpace(method))
	return nil
}

// places makes the databases that views are told by, where they are not there yet, which takes
// the better part of a minute.
func (b *bench) places() (*clients, error) {
	if b.clients != nil {
		return b.clients, nil
	}
	b.Say("databases of %d networks", b.size.networks)
	var err error
	if b.databases, err = geodb.Make(filepath.Join(b.dir, "databases"), b.size.networks); err != nil {
		return nil, err
	}
	reader, err := geodb.Open(b.databases)
	if err != nil {
		return nil, err
	}
	b.clients = &clients{reader}
	return b.clients, nil
}

// among returns the contenders of these names that take part.
func (b *bench) among(names ...string) []contender {
	return slices.DeleteFunc(slices.Clone(b.contenders), func(c contender) bool { return !slices.Contains(names, c.name) })
}

// nameServers are those who take part but for the floor.
func (b *bench) nameServers() []contender {
	return slices.DeleteFunc(slices.Clone(b.contenders), func(c contender) bool { return c.floor })
}

// reachPools makes the IPv6 addresses of pools the machine's own.
func reachPools(ctx context.Context) error {
	out, err := parts.Output(ctx, "ip", "route", "replace", "local", "fd00:1::/64", "dev", "lo")
	if err != nil {
		return fmt.Errorf("addresses of pools: %w: %s", err, out)
	}
	return nil
}
