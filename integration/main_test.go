//go:build integration

package integration

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"testing"
	"time"

	"gslb/integration/parts"
)

// world is what all tests share: two regions, which take seconds to start. TestMain sets
// it once, and each test leaves it healthy.
var world struct {
	lab      *parts.Lab
	nyc, ams *parts.Region
}

func TestMain(m *testing.M) {
	confineIfAsked()
	os.Exit(parts.Isolated(func() int { return withWorld(m.Run) }))
}

// withWorld runs the tests in a world that is gone afterwards.
func withWorld(run func() int) (status int) {
	dir, err := os.MkdirTemp("", "gslb-integration-")
	if err == nil {
		defer os.RemoveAll(dir)
		world.lab, err = parts.NewLab(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if err := world.lab.Close(); err != nil {
			fmt.Fprintf(os.Stderr, "close the lab of the regions: %v\n", err)
			status = 1
		}
	}()
	if err := startWorld(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\nlogs of the parts:\n%s", err, world.lab.Logs())
		return 1
	}
	return run()
}

func startWorld() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	region := func(name, aws string) parts.RegionConfig {
		return parts.RegionConfig{
			Name: name, AWSRegion: aws, Table: "YourAppTable", Key: map[string]string{"id": "123"},
			Listen: netip.AddrPortFrom(addressesOf[name][0], webPort),
			Also:   []netip.AddrPort{netip.AddrPortFrom(addressesOf[name][1], webPort)},
		}
	}
	for _, addrs := range addressesOf {
		// All of 127.0.0.0/8 is there by itself; of IPv6 there is ::1 only.
		add := exec.CommandContext(ctx, "ip", "address", "add", addrs[1].String()+"/128", "dev", "lo", "nodad")
		if out, err := add.CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w: %s", add, err, out)
		}
	}
	regions, err := world.lab.StartRegions(ctx, region("nyc", "us-east-1"), region("ams", "eu-west-1"))
	if err != nil {
		return err
	}
	world.nyc, world.ams = regions[0], regions[1]
	return nil
}

// webPort is where every load balancer listens.
const webPort = 8080

// addressesOf has the load balancers' addresses, IPv4 and IPv6, by region. Nothing listens
// at those of "sorry", which is a pool without checks.
var addressesOf = map[string][2]netip.Addr{
	"nyc":   {netip.MustParseAddr("127.0.0.11"), netip.MustParseAddr("fd00::11")},
	"ams":   {netip.MustParseAddr("127.0.0.12"), netip.MustParseAddr("fd00::12")},
	"sorry": {netip.MustParseAddr("127.0.0.99"), netip.MustParseAddr("fd00::99")},
}

// enough is well below the test binary's own limit.
const enough = 90 * time.Second

// beside starts a test that does nothing to the regions, so that others like it run at the same time.
func beside(t *testing.T) context.Context {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), enough)
	t.Cleanup(cancel)
	return ctx
}

// begin starts a test: its context ends in time, and when the test is over the regions are healthy
// again, whatever it did to them.
func begin(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), enough)
	t.Cleanup(cancel)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), enough)
		defer cancel()
		for _, region := range []*parts.Region{world.nyc, world.ams} {
			if err := region.Heal(ctx); err != nil {
				t.Error(err)
			}
		}
		if t.Failed() {
			t.Logf("logs of the regions:\n%s", world.lab.Logs())
		}
	})
	return ctx
}

// must ends the test for an error that leaves nothing to test.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
