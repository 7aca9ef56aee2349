//go:build integration

package integration

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"gslb/integration/parts"
)

// installed is where the documentation has the program.
const installed = "/usr/bin/gslb"

// TestOperationsSnippets holds what docs/operations.md has an operator copy to the programs
// that will read it.
func TestOperationsSnippets(t *testing.T) {
	root, err := parts.Root()
	must(t, err)
	text, err := os.ReadFile(filepath.Join(root, "docs", "operations.md"))
	must(t, err)

	verify := map[string]func(*testing.T, string){
		"sh":           func(t *testing.T, commands string) { runAsRoot(t, commands, served(t)) },
		"sh systemd":   runInTree,
		"sh collector": runCollector,
		"ini": func(t *testing.T, content string) {
			line, _, _ := strings.Cut(strings.TrimPrefix(content, "# "), "\n")
			path, _, _ := strings.Cut(line, ",") // what else is to be done may follow
			verifyUnit(t, "gslb.service", path, content)
		},
		"toml":      verifyZones,
		"toml part": func(t *testing.T, content string) { verifyZones(t, content+restOfReplication) },
		"console":   verifyDialogue,
		"text": func(t *testing.T, content string) {
			for line := range strings.Lines(content) {
				if words := strings.Fields(line); len(words) > 0 {
					if path, err := exec.LookPath(words[0]); err == nil {
						t.Errorf("%q begins with the program %s: have it run", line, path)
					}
				}
			}
		},
		"python": verifyPython,
		"json": func(t *testing.T, policy string) {
			if !json.Valid([]byte(policy)) {
				t.Error("it is not JSON")
			}
		},
	}
	found := map[string]int{}
	for _, block := range regexp.MustCompile("(?ms)^```([^\n]*)\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		kind, content := block[1], block[2]
		found[kind]++
		t.Run(fmt.Sprintf("%s %d", kind, found[kind]), func(t *testing.T) {
			if verify[kind] == nil {
				t.Fatalf("nobody verifies blocks of this kind:\n%s", content)
			}
			verify[kind](t, content)
		})
	}
	for kind := range verify {
		if found[kind] == 0 {
			t.Errorf("no block of kind %s was found", kind)
		}
	}
}

// TestBenchmarkCommands has make read the commands that docs/benchmarks.md gives. They take an
// hour; what they run is tested on a small scale where it is.
func TestBenchmarkCommands(t *testing.T) {
	root, err := parts.Root()
	must(t, err)
	text, err := os.ReadFile(filepath.Join(root, "docs", "benchmarks.md"))
	must(t, err)
	lines := regexp.MustCompile(`(?m)^make .*$`).FindAllString(string(text), -1)
	if len(lines) < 3 {
		t.Errorf("only %d commands were found", len(lines))
	}
	for _, line := range lines {
		cmd := exec.Command("sh", "-euc", strings.Replace(line, "make ", "make -n ", 1))
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "bin/bench") {
			t.Errorf("%s: %v: %s", line, err, out)
		}
	}
}

// copyOfProgram is a copy that a test may do to as it likes.
func copyOfProgram(t *testing.T) string {
	t.Helper()
	root, err := parts.Root()
	must(t, err)
	program, err := os.ReadFile(filepath.Join(root, "bin", "gslb"))
	must(t, err)
	path := filepath.Join(t.TempDir(), "gslb")
	must(t, os.WriteFile(path, program, 0o755))
	return path
}

// runAsRoot runs commands where gslb is in the path, and the server with a socket runs on this machine.
func runAsRoot(t *testing.T, commands, socket string) {
	program := copyOfProgram(t)
	commands = strings.NewReplacer(installed, program, "/var/lib/gslb/gslb.sock", socket).Replace(commands)
	cmd := exec.Command("sh", "-euc", commands)
	cmd.Env = append(os.Environ(), "GSLB_SOCKET="+socket, "PATH="+filepath.Dir(program)+":"+os.Getenv("PATH"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s%v: %s", commands, err, out)
	}
}

// runInTree runs commands of an administrator on an empty tree, which has the units as a package brings them. What only
// a running systemd can do is held to there being the unit.
func runInTree(t *testing.T, commands string) {
	dir, bin := t.TempDir(), t.TempDir()
	for _, folder := range []string{"usr/lib/systemd/system", "etc/systemd/system", "etc/sysusers.d"} {
		must(t, os.MkdirAll(filepath.Join(dir, folder), 0o755))
	}
	must(t, os.CopyFS(filepath.Join(dir, "usr/lib/systemd/system"), os.DirFS(filepath.Join(rootOf(t), "deploy", "systemd"))))
	for name, script := range map[string]string{
		"systemd-sysusers": `exec /usr/bin/systemd-sysusers --root="$TREE" "$@"`,
		"systemctl": `verb=$1; shift
[ "${1-}" != --now ] || shift
for unit; do
	case $unit in *.*) ;; *) unit=$unit.service ;; esac
	[ -f "$TREE/etc/systemd/system/$unit" ] || [ -f "$TREE/usr/lib/systemd/system/$unit" ]
done
case $verb in
enable) exec /usr/bin/systemctl --root="$TREE" enable "$@" ;;
start|stop|restart) [ $# -gt 0 ] ;;
daemon-reload) [ $# = 0 ] ;;
*) exit 1 ;;
esac`,
	} {
		must(t, os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh -eu\n"+script+"\n"), 0o755))
	}
	cmd := exec.Command("sh", "-euc", strings.ReplaceAll(commands, " /etc/", " "+dir+"/etc/"))
	cmd.Dir, cmd.Env = rootOf(t), append(os.Environ(), "TREE="+dir, "PATH="+bin+":"+os.Getenv("PATH"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s%v: %s", commands, err, out)
	}
	if links, err := filepath.Glob(filepath.Join(dir, "etc/systemd/system/*.wants/gslb.*")); err != nil || len(links) != 1 {
		t.Errorf("%senables %v, %v", commands, links, err)
	}
}

// runCollector runs the first of some commands, which collects until it is told to end, and then the others.
func runCollector(t *testing.T, commands string) {
	dir := t.TempDir()
	const socket = "/run/dnstap/collector.sock"
	first, others, _ := strings.Cut(strings.ReplaceAll(commands, socket, dir+"/collector.sock"), "\n")
	if !strings.Contains(commands, socket) {
		t.Fatalf("nobody collects at %s:\n%s", socket, commands)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-euc", first+" & pid=$!\nuntil [ -S collector.sock ]; do kill -0 $pid; sleep 0.05; done\nkill $pid; wait $pid || :\n"+others)
	cmd.Dir, cmd.WaitDelay = dir, time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s%v: %s", commands, err, out)
	}
}

// restOfReplication is what a part of a configuration, the beginning of [replication.orders], leaves out.
const restOfReplication = `
table   = "Orders"
key     = { id = "gslb-heartbeat" }
regions = ["us-east-1", "eu-west-1"]
[server]
listen     = ["127.0.0.1:5353"]
allow_exec = true
id         = "ns1"
[pools.nyc]
region      = "us-east-1"
members     = ["203.0.113.10"]
replication = "orders"
[pools.ams]
region      = "eu-west-1"
members     = ["198.51.100.10"]
replication = "orders"
[zones."gslb.example.com"]
nameservers = { ns1 = ["192.0.2.53"] }
[zones."gslb.example.com".names]
app = { pools = ["nyc", "ams"] }
`

// verifyZones has the program check a configuration, beside the certificate and the tokens that it names.
func verifyZones(t *testing.T, content string) {
	dir, program := t.TempDir(), copyOfProgram(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"ns1.example.com"}}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	token, err := exec.Command(program, "token", "ci").Output()
	must(t, err)
	lines := strings.Split(strings.TrimSpace(string(token)), "\n")
	for name, text := range map[string][]byte{
		"zones.toml": []byte(content),
		"admin.crt":  pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}),
		"admin.key":  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}),
		"tokens":     []byte(lines[len(lines)-1] + "\n"),
	} {
		must(t, os.WriteFile(filepath.Join(dir, name), text, 0o600))
	}
	if out, err := exec.Command(program, "check", filepath.Join(dir, "zones.toml")).CombinedOutput(); err != nil {
		t.Errorf("%s%v: %s", content, err, out)
	}
}

// verifyDialogue wants the program to have the command that a sample of its output begins with. The output is
// for reading: it depends on the configuration.
func verifyDialogue(t *testing.T, content string) {
	line, _, _ := strings.Cut(content, "\n")
	words := strings.Fields(strings.TrimPrefix(line, "$ gslb "))
	if len(words) == 0 || !strings.HasPrefix(line, "$ gslb ") {
		t.Fatalf("it does not begin with a command of gslb:\n%s", content)
	}
	if out, err := exec.Command(copyOfProgram(t), words[0], "--help").CombinedOutput(); err != nil || !strings.Contains(string(out), "gslb "+words[0]) {
		t.Errorf("gslb %s --help: %v: %s", words[0], err, out)
	}
}

// served starts a server with the pools and the name that the documentation speaks of, and returns its socket.
func served(t *testing.T) string {
	t.Helper()
	lab, dir := parts.ForTest(t), t.TempDir()
	listen, err := lab.FreePort(netip.MustParseAddr("127.0.0.1"))
	must(t, err)
	admin, err := lab.FreePort(netip.MustParseAddr("127.0.0.1"))
	must(t, err)
	zones := filepath.Join(dir, "zones.toml")
	must(t, os.WriteFile(zones, fmt.Appendf(nil, `
[server]
listen = [%q]
state_dir = %q
[admin]
listen = %q
[pools.nyc]
members = ["203.0.113.10"]
[pools.ams]
members = ["198.51.100.10"]
[zones."gslb.example.com"]
nameservers = { ns1 = ["192.0.2.53"] }
[zones."gslb.example.com".names.app]
pools = ["nyc", "ams"]
ttl = "1s"
ttl_min = "1s"
`, listen, dir, admin), 0o644))
	_, err = lab.StartGSLB(t.Context(), parts.GSLBConfig{Name: "gslb", Zones: zones, Listen: listen, Admin: admin})
	must(t, err)
	return filepath.Join(dir, "gslb.sock")
}

// TestUnits has systemd read the units that the packages bring.
func TestUnits(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(rootOf(t), "deploy", "systemd", "*"))
	must(t, err)
	if len(files) < 2 {
		t.Errorf("found only the units %v", files)
	}
	for _, file := range files {
		verifyUnit(t, filepath.Base(file), "", "")
	}
}

// verifyUnit has systemd read a unit of deploy/systemd beside the others, and what is to be added to it in a file of its
// own. What it only complains about counts too, and so does an exposure of more than 2.0 of 10.
func verifyUnit(t *testing.T, name, addedPath, added string) {
	t.Helper()
	dir := t.TempDir()
	must(t, os.CopyFS(dir, os.DirFS(filepath.Join(rootOf(t), "deploy", "systemd"))))
	path := filepath.Join(dir, name)
	unit, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(path, []byte(strings.ReplaceAll(string(unit), installed, copyOfProgram(t))), 0o644))
	if added != "" {
		addedPath = filepath.Join(dir, strings.TrimPrefix(addedPath, "/etc/systemd/system/"))
		must(t, os.MkdirAll(filepath.Dir(addedPath), 0o755))
		must(t, os.WriteFile(addedPath, []byte(added), 0o644))
	}
	verify := exec.Command("systemd-analyze", "verify", "--man=no", path)
	verify.Env = append(os.Environ(), "SYSTEMD_UNIT_PATH="+dir+":") // the colon adds the usual ones
	if out, err := verify.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify %s: %v: %s", name, err, out)
	}
	if filepath.Ext(name) != ".service" {
		return
	}
	if out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--threshold=20", path).CombinedOutput(); err != nil {
		t.Errorf("systemd-analyze security %s: %v: %s", name, err, out)
	}
}

// TestDocumentedMetricsExist looks up every metric that the documentation names.
func TestDocumentedMetricsExist(t *testing.T) {
	ctx := begin(t)
	root, err := parts.Root()
	must(t, err)
	// Some metrics are of what only some names have.
	zone := appZone + fmt.Sprintf(`
[replication.orders]
table    = "YourAppTable"
key      = { id = "gslb-heartbeat" }
regions  = ["us-east-1", "eu-west-1"]
endpoint = { us-east-1 = %q, eu-west-1 = %q }
writer   = "ns1"
interval = "500ms"

[pools.copied]
region      = "us-east-1"
members     = ["192.0.2.1"]
replication = "orders"

[zones."gslb.example.com".names.copied]
pools = ["copied"]
`, world.nyc.DynamoDB.Endpoint, world.ams.DynamoDB.Endpoint) + `
[zones."gslb.example.com".names.shared]
policy = "weighted"
[zones."gslb.example.com".names.shared.views]
"country:US" = ["nyc", "ams"]
default      = ["ams"]

[zones."gslb.example.com".names.aliased]
pools = ["named"]

[pools.named]
alias = "ns1.gslb.example.com"
`
	listen, err := parts.ForTest(t).FreePort(netip.MustParseAddr("127.0.0.1"))
	must(t, err)
	server := fmt.Sprintf("geoip = [%q]\nresolvers = [%q]", filepath.Join(root, "zones/config/testdata/accept/db/City.mmdb"), listen)
	s := setup{Server: server, Zone: zone, Listen: listen, StateDir: t.TempDir()}.serve(t, ctx)
	checkDig(t, ctx, s.Listen, app, "nyc")
	_, _, err = parts.Get(ctx, s.URL("/api/v1/status")) // requests are counted from the first on
	must(t, err)
	s.awaitMetric(t, ctx, `gslb_alias_addresses{alias="ns1.gslb.example.com.",type="A"}`, 1)
	s.awaitMetric(t, ctx, `gslb_replication_degraded{region="us-east-1",replication="orders"}`, 0)
	must(t, parts.Until(ctx, "a heartbeat is written", func(ctx context.Context) error {
		all, err := s.Metrics(ctx)
		if _, is := all[`gslb_replication_lag_seconds{from="us-east-1",replication="orders",to="eu-west-1"}`]; err == nil && !is {
			err = errors.New("no lag is known")
		}
		return err
	}))
	_, metrics, err := parts.Get(ctx, s.URL("/metrics"))
	must(t, err)
	elsewhere := map[string]string{ // why there are none here
		"gslb_admin_certificate_expiry_timestamp_seconds":          "no TLS",
		"gslb_health_target_certificate_expires_timestamp_seconds": "no check by TLS",
		"gslb_health_slow_probes_total":                            "nothing is slow",
		"gslb_pool_load":                                           "no pool says its load",
		"gslb_notify_failing_seconds":                              "nobody is told",
		"gslb_notify_sent_total":                                   "nobody is told",
		"gslb_notify_queue":                                        "nobody is told",
		"gslb_notify_dropped_total":                                "nobody is told",
		"gslb_time":                                                "an attribute of items",
	}

	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	must(t, err)
	found := 0
	for _, page := range append(pages, filepath.Join(root, "README.md"), filepath.Join(root, "deploy", "prometheus", "gslb.rules.yaml"), filepath.Join(root, "deploy", "grafana", "gslb.json")) {
		text, err := os.ReadFile(page)
		must(t, err)
		for _, name := range regexp.MustCompile(`\bgslb_[a-z_]+`).FindAllString(string(text), -1) {
			found++
			name = strings.TrimSuffix(name, "_bucket") // of a histogram
			if elsewhere[name] == "" && !strings.Contains(string(metrics), "\n# TYPE "+name+" ") {
				t.Errorf("%s names %s, which there is not", filepath.Base(page), name)
			}
		}
	}
	if found == 0 {
		t.Error("the documentation names no metric")
	}
}
