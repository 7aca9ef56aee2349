//go:build integration

package integration

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"text/template"
	"time"

	"gslb/integration/parts"
)

// The schedule of every check here. Where the machine stands still for a second, the app's
// own time limits pass and its region does fail; it must not be turned down for that.
const (
	interval     = 1 * time.Second
	fastInterval = 300 * time.Millisecond
	timeout      = 800 * time.Millisecond
	fall, rise   = 3, 2
)

// slack is what a busy machine may add to a bound. How much of it is needed where nothing
// else runs is for the benchmarks to say.
const slack = 6 * time.Second

// The name that most tests ask for, and the TTLs that it is answered with.
const (
	app    = "app.gslb.example.com."
	ttl    = 5
	ttlMin = 1
)

// appZone is the zone that most tests serve.
var appZone = fmt.Sprintf(`
[zones."gslb.example.com"]
nameservers = { ns1 = ["127.0.0.53"] }

[zones."gslb.example.com".names.app]
pools   = ["nyc", "ams"]
ttl     = "%ds"
ttl_min = "%ds"
`, ttl, ttlMin)

// setup is a zones.toml and how the server is started with it.
type setup struct {
	Server   string         // further keys of [server]
	Zone     string         // the [zones] of the configuration, and further pools
	Listen   netip.AddrPort // zero: a free port
	Admin    netip.AddrPort // zero: a free port
	StateDir string         // empty: none is kept
	Tokens   string         // the file of them; empty: there are none
	DynamoDB [2]string      // the endpoints of nyc and ams; empty: the regions' own
	Env      []string       // of the server; nil: the credentials of the tables
	Args     []string       // of serve
	Binary   string         // empty: bin/gslb
	Dir      string         // for zones.toml; empty: one of the test's
	launcher string         // what confines the program of serveUpgradable, see confineIfAsked; empty: nothing
}

var configuration = template.Must(template.New("zones.toml").Parse(`
[server]
listen = ["{{.Listen}}"]
{{with .StateDir}}state_dir = "{{.}}"{{end}}
{{.Server}}

[admin]
listen = "{{.Admin}}"
{{with .Tokens}}tokens_file = "{{.}}"{{end}}

[checks.web]
type   = "http"
url    = "http://{address}:8080/health"
host   = "app.example.com"
expect = { status = ["200"], body = '"status":\s*"ok"' }
` + schedule + `
[checks.table]
type          = "dynamodb"
table         = "YourAppTable"
region        = "{region}"
key           = { id = "123" }
endpoint      = "{endpoint}"
missing_table = "fail"
` + schedule + `
[pools.nyc]
region  = "us-east-1"
members = ["127.0.0.11", "fd00::11"]
checks  = ["web", "table"]
min_up  = 2 # both are addresses of one load balancer
vars    = { endpoint = "{{index .DynamoDB 0}}" }

[pools.ams]
region  = "eu-west-1"
members = ["127.0.0.12", "fd00::12"]
checks  = ["web", "table"]
min_up  = 2 # both are addresses of one load balancer
vars    = { endpoint = "{{index .DynamoDB 1}}" }
{{.Zone}}`))

var schedule = fmt.Sprintf("interval = %q\nfast_interval = %q\ntimeout = %q\nfall = %d\nrise = %d\n",
	interval, fastInterval, timeout, fall, rise)

// write renders the configuration into a file and returns its path.
func (s setup) write(t *testing.T) string {
	t.Helper()
	if s.Dir == "" {
		s.Dir = t.TempDir()
	}
	path := filepath.Join(s.Dir, "zones.toml")
	parts.Replace(t, path, s.text(t))
	return path
}

func (s setup) text(t *testing.T) string {
	t.Helper()
	var text strings.Builder
	must(t, configuration.Execute(&text, s))
	return text.String()
}

// complete fills in what was left out.
func (s setup) complete(t *testing.T, lab *parts.Lab) setup {
	t.Helper()
	local := netip.MustParseAddr("127.0.0.1")
	for _, at := range []*netip.AddrPort{&s.Listen, &s.Admin} {
		if !at.IsValid() {
			var err error
			*at, err = lab.FreePort(local)
			must(t, err)
		}
	}
	for i, region := range []*parts.Region{world.nyc, world.ams} {
		if s.DynamoDB[i] == "" {
			s.DynamoDB[i] = region.DynamoDB.Endpoint
		}
	}
	if s.Env == nil {
		s.Env = parts.Credentials()
	}
	return s
}
