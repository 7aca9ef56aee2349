//go:build integration

package guides

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gslb/integration/parts"
)

const (
	app   = "app.gslb.example.com"
	table = "YourAppTable"
)

// region is one as the files have it.
type region struct {
	pool, aws string
	balancer  netip.Addr // the public address of HAProxy
	host      *parts.Host
	database  *parts.DynamoDBLocal
	apps      [2]*parts.Part
}

// The servers that haproxy.cfg names.
var servers = [2]string{"10.10.0.11", "10.10.0.12"}

// seen is when a region that fails, or works again, is seen by the checks of zones.toml: the interval, two
// more probes, and what a busy machine adds.
const seen = 20 * time.Second

// TestPlan tries the files of the disaster recovery plan as they stand: two regions, each with HAProxy and two
// servers with PHP, and gslb before them.
func TestPlan(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	root, err := parts.Root()
	must(t, err)
	files := filepath.Join(root, "deploy", "disaster-recovery")
	lab, network := parts.ForTest(t), parts.NetworkForTest(t)
	nyc := &region{pool: "nyc", aws: "us-east-1", balancer: netip.MustParseAddr("203.0.113.10")}
	fra := &region{pool: "fra", aws: "eu-central-1", balancer: netip.MustParseAddr("198.51.100.10")}
	for _, r := range []*region{nyc, fra} {
		r.start(t, ctx, lab, network, files)
	}
	global, err := parts.StartGlobalTable(ctx, table, "id", nyc.database, fra.database)
	must(t, err)
	t.Cleanup(func() {
		if err := global.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, r := range []*region{nyc, fra} {
		answers(t, ctx, "http://"+r.balancer.String()+"/health.php", http.StatusOK, fmt.Sprintf(`{"status":"ok","region":%q}`, r.aws))
	}
	g := serve(t, ctx, lab, files, nyc, fra)
	answered(t, ctx, g, "at first", nyc.balancer)

	// One server of a region is no reason to leave it: HAProxy has another.
	must(t, nyc.apps[0].Stop(ctx))
	must(t, parts.Until(ctx, "HAProxy has left the server that is gone", func(ctx context.Context) error {
		for range 4 { // both would be asked
			if status, body, err := parts.Get(ctx, "http://"+nyc.balancer.String()+"/health.php"); err != nil || status != http.StatusOK {
				return fmt.Errorf("status %d: %s: %w", status, body, err)
			}
		}
		return nil
	}))
	answered(t, ctx, g, "with one server less", nyc.balancer)

	// With the last one gone, clients are moved. They stay where they are when the region works again, until a
	// person has them return.
	must(t, nyc.apps[1].Stop(ctx))
	answered(t, ctx, g, "without a server in nyc", fra.balancer)
	for _, a := range nyc.apps {
		must(t, a.Start(ctx))
	}
	must(t, parts.Until(ctx, "the region is up again", func(ctx context.Context) error { return g.poolIs(ctx, "nyc", "up") }))
	answered(t, ctx, g, "before anybody says so", fra.balancer)
	g.run(t, "failback", app)
	answered(t, ctx, g, "by hand", nyc.balancer)

	// The table of a region fails, and its app with it. HAProxy keeps the servers: they can still say why.
	must(t, nyc.database.Stop(ctx))
	answered(t, ctx, g, "without the table in nyc", fra.balancer)
	status, body, err := parts.Get(ctx, "http://"+nyc.balancer.String()+"/health.php")
	if err != nil || status != http.StatusServiceUnavailable || !strings.Contains(string(body), `"reason":"table: `) {
		t.Errorf("the health end point without its table: %d %s %v", status, body, err)
	}
	answers(t, ctx, "http://"+nyc.balancer.String()+"/health.php?alone", http.StatusOK, `{"status":"ok","region":"us-east-1"}`)
}

// start makes a region on a host of its own, which has the addresses that the files name.
func (r *region) start(t *testing.T, ctx context.Context, lab *parts.Lab, network *parts.Network, files string) {
	t.Helper()
	var err error
	r.host, err = network.AddHost(ctx, r.pool)
	must(t, err)
	for _, addr := range append(servers[:], r.balancer.String()) {
		if out, err := r.host.Output(ctx, "ip", "address", "add", addr+"/32", "dev", "lo"); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	out, err := parts.Output(ctx, "ip", "route", "add", r.balancer.String()+"/32", "via", r.host.IPv4.String())
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	r.database, err = lab.StartDynamoDBLocal(ctx, parts.DynamoDBConfig{Name: r.pool + "-dynamodb", Region: r.aws})
	must(t, err)
	must(t, r.database.CreateTable(ctx, table, "id"))
	must(t, r.database.PutItem(ctx, table, map[string]string{"id": "health"}))
	for i, addr := range servers {
		r.apps[i], err = r.host.StartProgram(ctx, parts.Program{
			Name: fmt.Sprintf("%s-php%d", r.pool, i+1), Path: "php", Args: []string{"-q", "-S", addr + ":8000", "-t", files},
			Env: append(parts.Credentials(), "PHP_CLI_SERVER_WORKERS=4", "AWS_REGION="+r.aws, "HEALTH_TABLE="+table, "HEALTH_KEY=id=health",
				"AWS_ENDPOINT_URL_DYNAMODB="+r.endpoint(t)),
			Ready: func(ctx context.Context) error {
				out, err := r.host.Output(ctx, "curl", "-sf", "http://"+addr+":8000/health.php?alone")
				if err != nil {
					return fmt.Errorf("%w: %s", err, out)
				}
				return nil
			},
		})
		must(t, err)
	}
	_, err = r.host.StartProgram(ctx, parts.Program{
		Name: r.pool + "-haproxy", Path: "haproxy", Args: []string{"-db", "-f", filepath.Join(files, "haproxy.cfg")},
		Ready: func(ctx context.Context) error {
			status, _, err := parts.Get(ctx, "http://"+r.balancer.String()+"/health.php?alone")
			if err == nil && status != http.StatusOK {
				err = fmt.Errorf("status %d", status)
			}
			return err
		},
	})
	must(t, err)
}

// endpoint is the region's DynamoDB, as its host reaches it: DynamoDB Local takes its port on every address.
func (r *region) endpoint(t *testing.T) string {
	t.Helper()
	at, err := netip.ParseAddrPort(strings.TrimPrefix(r.database.Endpoint, "http://"))
	must(t, err)
	gateway := r.host.IPv4.As4()
	gateway[3] = 1
	return "http://" + netip.AddrPortFrom(netip.AddrFrom4(gateway), at.Port()).String()
}

// server is gslb with the plan's zones.toml.
type server struct {
	*parts.GSLB
	socket string
}

// serve starts it on this machine. What differs from the file is where the state is kept, and where the tables
// are.
func serve(t *testing.T, ctx context.Context, lab *parts.Lab, files string, regions ...*region) *server {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(files, "zones.toml"))
	must(t, err)
	text, state := string(content), t.TempDir()
	replace := func(old, new string) {
		t.Helper()
		if strings.Count(text, old) != 1 {
			t.Fatalf("zones.toml does not have %q once", old)
		}
		text = strings.Replace(text, old, new, 1)
	}
	replace(`"/var/lib/gslb"`, fmt.Sprintf("%q", state))
	replace("[checks.table]\n", "[checks.table]\nendpoint = \"{dynamodb}\"\n")
	endpoints := make([]string, len(regions))
	for i, r := range regions {
		replace("[pools."+r.pool+"]\n", fmt.Sprintf("[pools.%s]\nvars = { dynamodb = %q }\n", r.pool, r.database.Endpoint))
		endpoints[i] = fmt.Sprintf("%s = %q", r.aws, r.database.Endpoint)
	}
	replace("[replication.orders]\n", "[replication.orders]\nendpoint = { "+strings.Join(endpoints, ", ")+" }\n")
	// The three resolvers of others that the vantage asks are this server itself, at their addresses.
	for _, addr := range []string{"9.9.9.9", "1.1.1.1", "8.8.8.8"} {
		if out, err := parts.Output(ctx, "ip", "address", "add", addr+"/32", "dev", "lo"); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	zones := filepath.Join(t.TempDir(), "zones.toml")
	must(t, os.WriteFile(zones, []byte(text), 0o644))
	g, err := lab.StartGSLB(ctx, parts.GSLBConfig{
		Name: "gslb", Zones: zones, Env: parts.Credentials(),
		Listen: netip.MustParseAddrPort("127.0.0.1:53"), Admin: netip.MustParseAddrPort("127.0.0.1:8053"),
	})
	must(t, err)
	return &server{g, filepath.Join(state, "gslb.sock")}
}

// run runs a command of gslb on the server's machine.
func (s *server) run(t *testing.T, args ...string) {
	t.Helper()
	root, err := parts.Root()
	must(t, err)
	cmd := exec.CommandContext(t.Context(), filepath.Join(root, "bin", "gslb"), args...)
	cmd.Env = append(os.Environ(), "GSLB_SOCKET="+s.socket)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v: %s", cmd, err, out)
	}
}

func (s *server) poolIs(ctx context.Context, pool, status string) error {
	var list struct {
		Pools []struct{ Name, Status, Why string }
	}
	if err := s.JSON(ctx, "/api/v1/pools", &list); err != nil {
		return err
	}
	for _, p := range list.Pools {
		if p.Name == pool && p.Status != status {
			return fmt.Errorf("pool %s is %s: %s", pool, p.Status, p.Why)
		}
	}
	return nil
}

// answered waits until the name is answered with an address.
func answered(t *testing.T, ctx context.Context, s *server, when string, want netip.Addr) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, seen)
	defer cancel()
	must(t, parts.Until(ctx, when+" the answer is "+want.String(), func(ctx context.Context) error {
		reply, err := parts.Dig(ctx, s.Listen, app, "A")
		if err == nil && !slices.Equal(reply.Short(), []string{want.String()}) {
			err = fmt.Errorf("it is %v", reply.Short())
		}
		return err
	}))
}

// answers wants a page to have a status and, but for the end of its line, a body.
func answers(t *testing.T, ctx context.Context, url string, status int, body string) {
	t.Helper()
	got, text, err := parts.Get(ctx, url)
	if err != nil || got != status || strings.TrimSpace(string(text)) != body {
		t.Errorf("%s: %d %s, %v; want %d %s", url, got, text, err, status, body)
	}
}
