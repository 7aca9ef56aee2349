//go:build integration

package parts

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/miekg/dns"
)

// smallZones is a configuration with one pool, whose one check is that a port is open.
const smallZones = `
[server]
listen = ["127.0.0.53:53"]
[admin]
listen = "127.0.0.53:8053"
[checks.port]
type    = "tcp"
address = "{address}:8000"
[pools.nyc]
members = ["127.0.0.11"]
checks  = ["port"]
[zones."gslb.example.com"]
nameservers = { ns1 = ["127.0.0.53"] }
[zones."gslb.example.com".names.app]
pools = ["nyc"]
`

func TestGSLB(t *testing.T) {
	checkLeaks(t)
	ctx := within(t)
	lab := ForTest(t)
	if _, err := lab.StartPHPApp(ctx, PHPAppConfig{Name: "app", Listen: netip.MustParseAddrPort("127.0.0.11:8000")}); err != nil {
		t.Fatal(err)
	}
	zones := filepath.Join(t.TempDir(), "zones.toml")
	if err := os.WriteFile(zones, []byte(smallZones), 0o644); err != nil {
		t.Fatal(err)
	}
	server, err := lab.StartGSLB(ctx, GSLBConfig{
		Name: "gslb", Zones: zones,
		Listen: netip.MustParseAddrPort("127.0.0.53:53"), Admin: netip.MustParseAddrPort("127.0.0.53:8053"),
	})
	if err != nil {
		t.Fatal(err)
	}

	reply, err := Ask(ctx, server.Listen, "app.gslb.example.com", dns.TypeA)
	if err != nil {
		t.Fatal(err)
	}
	if got := Addresses(reply.Answer); !slices.Equal(got, []netip.Addr{netip.MustParseAddr("127.0.0.11")}) {
		t.Errorf("the answer is %v, want the pool's member", got)
	}
	var status struct {
		Pools []struct{ Name, Status string }
	}
	if err := server.Status(ctx, &status); err != nil || fmt.Sprint(status.Pools) != "[{nyc up}]" {
		t.Errorf("Status() = %v, %v; want nyc up", status, err)
	}
	metrics, err := server.Metrics(ctx)
	if err != nil || metrics["process_resident_memory_bytes"] == 0 {
		t.Errorf("Metrics() = %d series without memory, %v", len(metrics), err)
	}
	isPool := func(line LogLine) bool { return line.Text("msg") == "pool up" && line.Text("pool") == "nyc" }
	if _, err := server.AwaitLog(ctx, "that the pool is up", isPool); err != nil {
		t.Error(err)
	}

	server.Signal(syscall.SIGTERM)
	if state, err := server.Wait(ctx); err != nil || !state.Success() {
		t.Errorf("after SIGTERM: %v, %v; want success", state, err)
	}
	if err := server.Start(ctx); err != nil {
		t.Error(err)
	}
}
