package config

import (
	"bytes"
	"errors"
	"flag"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gslb/geo/geotest"
	"gslb/health"
	"gslb/safety"
	"gslb/zones"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Each configuration in testdata/accept makes the Set that its golden file shows.
func TestAccept(t *testing.T) {
	golden := filepath.Join(must(t, os.Getwd), "testdata", "accept")
	atNoon(t)
	for _, path := range must(t, func() ([]string, error) { return filepath.Glob("*.toml") }) {
		t.Run(path, func(t *testing.T) {
			set, err := Load(path, LoadOptions{Now: noon})
			if err != nil {
				t.Fatal(err)
			}
			checkSet(t, set)
			got, golden := dump(t, set), filepath.Join(golden, strings.TrimSuffix(path, ".toml")+".golden")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// atNoon goes to a folder with the configurations to accept, as if all had been written at noon.
func atNoon(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/accept")); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Chtimes(path, noon, noon))
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
}

func must[T any](t testing.TB, f func() (T, error)) T {
	t.Helper()
	v, err := f()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// The sample of DESIGN makes these values, in the types that other packages see.
func TestDesignSample(t *testing.T) {
	set, err := Load("testdata/accept/design.toml", LoadOptions{Now: noon})
	if err != nil {
		t.Fatal(err)
	}

	web := func(place, address, url string) health.Target {
		return health.Target{
			ID: health.TargetID("web@" + address), Check: "web", Subject: address, Place: place,
			Spec: &health.HTTP{
				URL: url, Method: "GET", Host: "app.example.com", MaxBody: 64 << 10,
				Status:  []health.StatusRange{{From: 200, To: 299}},
				Pattern: regexp.MustCompile(`"status":\s*"ok"`),
			},
			Interval: 5 * time.Second, FastInterval: time.Second, Timeout: 2 * time.Second, Rise: 2, Fall: 3,
		}
	}
	table := func(region string) health.Target {
		return health.Target{
			ID: health.TargetID("table@" + region), Check: "table", Subject: region, Place: region,
			Spec: &health.DynamoDB{
				Table: "YourAppTable", Region: region, Key: map[string]health.KeyAttribute{"id": {Value: "123"}},
				Throttling: health.Pass, MissingTable: health.Indeterminate,
			},
			Interval: 5 * time.Second, FastInterval: time.Second, Timeout: 2 * time.Second, Rise: 2, Fall: 3,
		}
	}
	ams := &zones.Pool{
		Name: "ams", Region: "eu-west-1", MinUp: zones.Quorum{Count: 1}, Weight: 1, Targets: []health.TargetID{"table@eu-west-1"},
		Members: []zones.Member{{Address: netip.MustParseAddr("198.51.100.10"), Targets: []health.TargetID{"web@198.51.100.10"}}},
	}
	nyc := &zones.Pool{
		Index: 1, Name: "nyc", Region: "us-east-1", MinUp: zones.Quorum{Count: 1}, Weight: 1, Targets: []health.TargetID{"table@us-east-1"},
		Members: []zones.Member{
			{Address: netip.MustParseAddr("203.0.113.10"), Targets: []health.TargetID{"web@203.0.113.10"}},
			{Address: netip.MustParseAddr("2001:db8::10"), Targets: []health.TargetID{"web@2001:db8::10"}},
		},
	}
	want := &zones.Set{
		Path: "testdata/accept/design.toml", Files: []string{"testdata/accept/design.toml"}, Loaded: noon,
		Server: zones.Server{
			Listen:  []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:5300")},
			Cookies: zones.Cookies{Enabled: true},
			RateLimit: zones.RateLimit{
				Rate: 1000, Burst: 1000, Slip: 1, IPv4Prefix: 24, IPv6Prefix: 56,
				Exempt: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")},
			},
			TCP:      zones.TCPLimits{Connections: 1024, PerClient: 64, Idle: 10 * time.Second, Lifetime: 10 * time.Minute},
			StateDir: "var", StateMaxAge: 5 * time.Minute, StartupWait: 5 * time.Second,
		},
		Admin: zones.Admin{Listen: netip.MustParseAddrPort("127.0.0.1:8053"), Socket: "var/gslb.sock"},
		Targets: []health.Target{
			table("eu-west-1"), table("us-east-1"),
			web("eu-west-1", "198.51.100.10", "http://198.51.100.10:8080/health"),
			web("us-east-1", "2001:db8::10", "http://[2001:db8::10]:8080/health"),
			web("us-east-1", "203.0.113.10", "http://203.0.113.10:8080/health"),
		},
		Pools:  []*zones.Pool{ams, nyc},
		Safety: safety.Settings{SuspectShare: 80, SuspectWindow: 10 * time.Second, SuspectHold: time.Minute},
	}
	steering := &zones.Steering{
		Key:    "failover pools=nyc|ams ttl=20s ttl_min=5s when_all_down=assume_up failback_after=0s",
		Policy: zones.Failover, Pools: []*zones.Pool{nyc, ams},
		TTL: 20 * time.Second, TTLMin: 5 * time.Second, WhenAllDown: zones.AssumeUp,
		Failback: zones.FailbackAuto,
	}
	route := &zones.Route{Key: steering.Key, Order: "nyc|ams", Steering: steering}
	for _, pool := range steering.Pools {
		route.Tiers = append(route.Tiers, zones.Tier{Shares: []zones.Share{{Pool: pool, Weight: 1}}})
	}
	steering.Routes = []*zones.Route{route}
	want.Steerings, want.Routes = []*zones.Steering{steering}, steering.Routes
	opts := cmp.Options{
		cmpopts.IgnoreFields(zones.Set{}, "Hash", "Zones"), // the golden file has the zones
		cmpopts.IgnoreFields(health.Target{}, "Fingerprint"),
		cmpopts.IgnoreFields(zones.Route{}, "Steering"), // it leads back
		cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
		cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
		cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
		cmp.Comparer(func(a, b *regexp.Regexp) bool {
			return (a == nil) == (b == nil) && (a == nil || a.String() == b.String())
		}),
	}
	if diff := cmp.Diff(want, set, opts); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// The databases of testdata are what their tables say.
func TestDatabasesOfTestdata(t *testing.T) {
	for _, name := range []string{"City", "ASN"} {
		path := filepath.Join("testdata", "accept", "db", name)
		made := must(t, func() ([]byte, error) {
			table, err := os.ReadFile(path + ".txt")
			if err != nil {
				return nil, err
			}
			return geotest.Parse("GeoLite2-"+name, string(table))
		})
		if *update {
			mustDo(t, os.WriteFile(path+".mmdb", made, 0o644))
		}
		if kept := must(t, func() ([]byte, error) { return os.ReadFile(path + ".mmdb") }); !bytes.Equal(made, kept) {
			t.Errorf("%s.mmdb is not what %s.txt says", path, path)
		}
	}
}
