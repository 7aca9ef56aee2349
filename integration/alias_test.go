//go:build integration

package integration

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gslb/integration/parts"
)

const apex = "gslb.example.com."

// aliasPace is how often an alias with a TTL of five seconds, or less, is looked up at least: no more
// often than every five seconds, and up to a tenth later.
const aliasPace = 5500 * time.Millisecond

// cloud is a load balancer that has only a name: an alias of a name whose addresses change. Knot
// serves it, and unbound resolves it.
type cloud struct {
	knot    *parts.Knot
	unbound *parts.Unbound
	file    string
	serial  int
}

func startCloud(t *testing.T, ctx context.Context, lab *parts.Lab) *cloud {
	t.Helper()
	c := &cloud{file: filepath.Join(t.TempDir(), "cloud.zone")}
	c.write(t, both("nyc")...)
	var listen [2]netip.AddrPort
	for i := range listen {
		var err error
		listen[i], err = lab.FreePort(netip.MustParseAddr("127.0.0.1"))
		must(t, err)
	}
	var err error
	c.knot, err = lab.StartKnot(ctx, parts.KnotConfig{Name: "cloud", Listen: listen[0], Zones: map[string]string{"cloud.example.": c.file}})
	must(t, err)
	c.unbound, err = lab.StartUnbound(ctx, parts.UnboundConfig{
		Name: "resolver", Listen: listen[1], Stubs: map[string][]netip.AddrPort{"cloud.example.": {listen[0]}},
	})
	must(t, err)
	return c
}

// both is the addresses of a region's load balancer.
func both(region string) []netip.Addr {
	list := addressesOf[region]
	return list[:]
}

// write writes the zone: without addresses, the load balancer's name does not exist.
func (c *cloud) write(t *testing.T, addresses ...netip.Addr) {
	t.Helper()
	c.serial++
	var zone strings.Builder
	fmt.Fprintf(&zone, "cloud.example. 60 IN SOA ns.cloud.example. root.cloud.example. %d 3600 600 86400 1\n", c.serial)
	zone.WriteString("cloud.example. 60 IN NS ns.cloud.example.\nns.cloud.example. 60 IN A 127.0.0.1\n")
	if len(addresses) > 0 {
		zone.WriteString("lb.cloud.example. 60 IN CNAME lb-7.cloud.example.\n")
	}
	for _, addr := range addresses {
		qtype := "A"
		if addr.Is6() {
			qtype = "AAAA"
		}
		fmt.Fprintf(&zone, "lb-7.cloud.example. 3 IN %s %s\n", qtype, addr)
	}
	parts.Replace(t, c.file, zone.String())
}

// change has the load balancer get other addresses, or none. It returns when that is so.
func (c *cloud) change(t *testing.T, ctx context.Context, addresses ...netip.Addr) time.Time {
	t.Helper()
	c.write(t, addresses...)
	c.knot.Signal(syscall.SIGHUP)
	must(t, parts.Until(ctx, "the zone is served", func(ctx context.Context) error {
		reply, err := parts.Dig(ctx, c.knot.Listen, "cloud.example.", "SOA")
		if err == nil && !strings.Contains(reply.Text, fmt.Sprintf(" %d 3600 ", c.serial)) {
			err = fmt.Errorf("not serial %d: %s", c.serial, reply.Text)
		}
		return err
	}))
	return time.Now()
}

// TestAlias has a pool whose load balancer has only a name, which is answered at an apex. Clients see
// the load balancer's addresses, and never anything else, whatever becomes of the name.
func TestAlias(t *testing.T) {
	ctx := beside(t)
	lab := parts.ForTest(t)
	c := startCloud(t, ctx, lab)
	free, err := lab.FreePort(netip.MustParseAddr("127.0.0.1"))
	must(t, err)
	open := func(region string) []net.Listener { return accept(t, region, free.Port()) } // until the whole test ends
	open("nyc")
	ams := open("ams")
	s := setup{
		Server: fmt.Sprintf("resolvers = [%q]", c.unbound.Listen), StateDir: t.TempDir(),
		Zone: appZone + `
[pools.lb]
alias  = "LB.cloud.example"
checks = ["web", "port"]
min_up = "100%" # of one load balancer

[checks.port]
type    = "tcp"
address = "{address}:` + strconv.Itoa(int(free.Port())) + `"
` + schedule + `
[zones."gslb.example.com".names."@"]
pools   = ["lb", "nyc"]
ttl     = "5s"
ttl_min = "1s"
`}.serve(t, ctx)
	clients := watch(t, s.Listen, apex)
	clients.await(t, ctx, "nyc", time.Time{})
	checkProbed(t, s.status(t, ctx), "port@127.0.0.11", "port@fd00::11")

	inTurn := func(name string, run func(*testing.T)) { // each goes on where the one before has ended
		if !t.Failed() {
			t.Run(name, run)
		}
	}
	inTurn("other addresses", func(t *testing.T) {
		checkDig(t, ctx, s.Listen, apex, "nyc")
		logged := s.logged(t)
		changed := c.change(t, ctx, both("ams")...)
		turned := clients.await(t, ctx, "ams", changed)
		// The resolver's cache keeps what it has for the TTL, and it is asked at that pace.
		if took := turned.at.Sub(changed); took > 3*time.Second+aliasPace+timeout+slack {
			t.Errorf("it took %s until the new addresses were answered", took)
		}
		// The families are looked up apart from each other.
		must(t, parts.Until(ctx, "both families are those of ams", func(context.Context) error {
			if got := turns(clients.since(time.Now().Add(-300 * time.Millisecond))); got != "ams" {
				return fmt.Errorf("clients see %s", got)
			}
			return nil
		}))
		checkDig(t, ctx, s.Listen, apex, "ams")
		must(t, parts.Until(ctx, "the checks follow", func(ctx context.Context) error {
			return probed(s.status(t, ctx), "port@127.0.0.12", "port@fd00::12")
		}))
		s.awaitLines(t, ctx, logged, line{"an alias has other addresses", map[string]string{"alias": "lb.cloud.example.", "addresses": "127.0.0.12", "before": "127.0.0.11"}})
	})

	inTurn("its checks decide", func(t *testing.T) {
		for _, l := range ams {
			must(t, l.Close())
		}
		clients.await(t, ctx, "nyc", time.Now())
		open("ams")
		clients.await(t, ctx, "ams", time.Now())
	})

	inTurn("a resolver that is dead", func(t *testing.T) {
		from, logged := time.Now(), s.logged(t)
		c.unbound.Kill()
		s.awaitMetric(t, ctx, `gslb_alias_lookups_total{alias="lb.cloud.example.",result="network",type="A"}`, 3)
		s.awaitLines(t, ctx, logged, line{"an alias cannot be looked up: the addresses that it had are kept", map[string]string{"alias": "lb.cloud.example.", "error": "connection refused"}})
		checkTurns(t, clients.since(from), "ams")
		// A crash, and a start while it is still dead.
		must(t, parts.Until(ctx, "the addresses are saved", func(context.Context) error {
			state, err := os.ReadFile(filepath.Join(s.setup.StateDir, "verdicts.json"))
			if err == nil && !strings.Contains(string(state), `"addresses":["127.0.0.12","fd00::12"]`) {
				err = fmt.Errorf("there is %s", state)
			}
			return err
		}))
		s.Kill()
		must(t, s.Start(ctx))
		restarted := time.Now()
		clients.await(t, ctx, "ams", restarted)
		checkDig(t, ctx, s.Listen, apex, "ams")
		must(t, c.unbound.Start(ctx))
		s.awaitMetric(t, ctx, `gslb_alias_lookups_total{alias="lb.cloud.example.",result="addresses",type="A"}`, 1)
		checkTurnsDespiteSilence(t, clients.since(from), "ams")
	})

	inTurn("a name that goes, and returns", func(t *testing.T) {
		logged := s.logged(t)
		gone := c.change(t, ctx)
		turned := clients.await(t, ctx, "nyc", gone)
		if took := turned.at.Sub(gone); took < 10*time.Second || took > 3*time.Second+3*aliasPace+slack {
			t.Errorf("it took %s until the pool was down, want three answers", took)
		}
		s.awaitLines(t, ctx, logged,
			line{"an alias is said to have no addresses: those that it had are kept until that is said again", map[string]string{"said": "NXDOMAIN", "times": "2"}},
			line{"pool down", map[string]string{"pool": "lb", "why": "lb.cloud.example. has no addresses"}},
		)
		returned := c.change(t, ctx, both("ams")...)
		clients.await(t, ctx, "ams", returned)
	})
}

// accept has connections accepted at a region's addresses, for a check beside those that the region's own
// load balancer has: this test runs beside others.
func accept(t *testing.T, region string, port uint16) []net.Listener {
	t.Helper()
	var listeners []net.Listener
	for _, addr := range both(region) {
		l, err := net.Listen("tcp", netip.AddrPortFrom(addr, port).String())
		must(t, err)
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				conn.Close()
			}
		}()
		listeners = append(listeners, l)
	}
	return listeners
}

// probed returns an error unless exactly these targets of the check port are probed.
func probed(st status, want ...string) error {
	var got []string
	for _, target := range st.Targets {
		if target.Check == "port" {
			got = append(got, target.ID)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		return fmt.Errorf("probed are %v, want %v", got, want)
	}
	return nil
}

func checkProbed(t *testing.T, st status, want ...string) {
	t.Helper()
	if err := probed(st, want...); err != nil {
		t.Error(err)
	}
}
