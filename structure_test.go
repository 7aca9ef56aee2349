// Package gslb_test holds the structure of the module to what it is meant to be.
package gslb_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mayImport says for every package which others of this module it may import, so that the
// data keeps flowing one way: configuration and health to the table, the table to clients.
var mayImport = map[string][]string{
	"gslb/alias":               {"gslb/internal/hostdns"},
	"gslb/alias/follow":        {"gslb/alias", "gslb/health", "gslb/zones"},
	"gslb/deploy":              {}, // for tests alone
	"gslb/discover":            {"gslb/internal/files"},
	"gslb/docs":                {},
	"gslb/geo":                 {},
	"gslb/geo/geotest":         {}, // for tests alone
	"gslb/handover":            {"gslb/server"},
	"gslb/history":             {"gslb/health", "gslb/internal/files", "gslb/publish", "gslb/steer", "gslb/zones"},
	"gslb/incident":            {"gslb/answer", "gslb/health", "gslb/internal/files", "gslb/internal/plural", "gslb/override", "gslb/publish", "gslb/safety", "gslb/steer", "gslb/zones"},
	"gslb/health":              {"gslb/internal/plural"},
	"gslb/health/probe":        {"gslb/health", "gslb/health/probe/loop", "gslb/internal/blindtls", "gslb/internal/command", "gslb/internal/files", "gslb/internal/hostdns", "gslb/internal/jsonpath"},
	"gslb/health/probe/loop":   {},
	"gslb/internal/blindtls":   {},
	"gslb/internal/command":    {},
	"gslb/internal/cookie":     {},
	"gslb/internal/files":      {},
	"gslb/internal/hostdns":    {"gslb/internal/files"},
	"gslb/internal/jsonpath":   {},
	"gslb/internal/logs":       {},
	"gslb/internal/plural":     {},
	"gslb/internal/rrl":        {},
	"gslb/internal/shout":      {},
	"gslb/internal/wire":       {},
	"gslb/zones":               {"gslb/geo", "gslb/health", "gslb/internal/cookie", "gslb/internal/plural", "gslb/replication", "gslb/safety", "gslb/zones/records"},
	"gslb/zones/config":        {"gslb/geo", "gslb/health", "gslb/internal/cookie", "gslb/internal/files", "gslb/internal/jsonpath", "gslb/internal/shout", "gslb/internal/wire", "gslb/replication", "gslb/zones", "gslb/zones/masterfile", "gslb/zones/problem", "gslb/zones/records"},
	"gslb/zones/gdnsd":         {"gslb/geo", "gslb/internal/files", "gslb/internal/wire", "gslb/zones/masterfile"},
	"gslb/zones/masterfile":    {"gslb/internal/wire"},
	"gslb/zones/problem":       {},
	"gslb/zones/records":       {"gslb/internal/wire", "gslb/zones/masterfile", "gslb/zones/problem"},
	"gslb/override":            {"gslb/health", "gslb/internal/files"},
	"gslb/replication":         {"gslb/health"},
	"gslb/safety":              {"gslb/health"},
	"gslb/simulate":            {}, // tests alone
	"gslb/steer":               {"gslb/alias", "gslb/health", "gslb/override", "gslb/replication", "gslb/safety", "gslb/zones"},
	"gslb/answer":              {"gslb/geo", "gslb/zones", "gslb/zones/records", "gslb/steer", "gslb/internal/wire"},
	"gslb/slo":                 {"gslb/answer", "gslb/health", "gslb/publish", "gslb/steer", "gslb/zones"},
	"gslb/publish":             {"gslb/alias", "gslb/answer", "gslb/health", "gslb/override", "gslb/replication", "gslb/safety", "gslb/steer", "gslb/zones"},
	"gslb/publish/publishtest": {"gslb/answer", "gslb/health", "gslb/override", "gslb/publish", "gslb/replication", "gslb/steer", "gslb/zones", "gslb/zones/config"}, // for tests alone
	"gslb/notify":              {"gslb/incident", "gslb/internal/files", "gslb/internal/shout", "gslb/zones"},
	"gslb/operate":             {"gslb/admin/api", "gslb/alias", "gslb/answer", "gslb/health", "gslb/internal/command", "gslb/internal/plural", "gslb/journal", "gslb/notify", "gslb/override", "gslb/publish", "gslb/replication", "gslb/steer", "gslb/zones", "gslb/zones/problem", "gslb/zones/records"},
	"gslb/journal":             {"gslb/health", "gslb/internal/files", "gslb/override", "gslb/publish", "gslb/replication", "gslb/steer"},
	"gslb/state":               {"gslb/alias", "gslb/health", "gslb/internal/files", "gslb/replication", "gslb/safety", "gslb/steer", "gslb/zones"},
	"gslb/server":              {"gslb/answer", "gslb/server/meter", "gslb/server/respond", "gslb/server/tap", "gslb/server/tcp", "gslb/server/udp"},
	"gslb/server/respond":      {"gslb/answer", "gslb/internal/cookie", "gslb/internal/rrl", "gslb/internal/wire", "gslb/server/meter", "gslb/server/tap"},
	"gslb/server/udp":          {"gslb/server/meter", "gslb/server/respond", "gslb/server/tap", "gslb/server/wait"},
	"gslb/server/tcp":          {"gslb/server/meter", "gslb/server/respond", "gslb/server/tap", "gslb/server/wait"},
	"gslb/server/meter":        {"gslb/answer", "gslb/internal/rrl", "gslb/internal/wire"},
	"gslb/server/tap":          {"gslb/internal/files", "gslb/server/wait"},
	"gslb/server/wait":         {},
	"gslb/server/dnstest":      {"gslb/answer", "gslb/health", "gslb/internal/wire", "gslb/override", "gslb/steer", "gslb/zones/config"}, // for tests alone
	"gslb/admin":               {"gslb/admin/api", "gslb/alias", "gslb/answer", "gslb/docs", "gslb/geo", "gslb/health", "gslb/history", "gslb/incident", "gslb/internal/plural", "gslb/journal", "gslb/override", "gslb/replication", "gslb/safety", "gslb/steer", "gslb/zones"},
	"gslb/admin/api":           {"gslb/health", "gslb/incident", "gslb/journal", "gslb/override", "gslb/steer", "gslb/zones"},
	"gslb/daemon": {
		"gslb/admin", "gslb/admin/api", "gslb/alias", "gslb/alias/follow", "gslb/answer", "gslb/handover", "gslb/health", "gslb/health/probe", "gslb/history", "gslb/incident", "gslb/internal/cookie", "gslb/internal/files", "gslb/internal/logs", "gslb/internal/plural", "gslb/internal/rrl", "gslb/journal", "gslb/notify", "gslb/operate", "gslb/override", "gslb/publish", "gslb/replication",
		"gslb/server", "gslb/server/tap", "gslb/slo", "gslb/state", "gslb/steer", "gslb/zones", "gslb/zones/config", "gslb/zones/problem",
	},
	"gslb/daemon/daemontest": {}, // for tests alone

	// The command line asks a running server by its API, and a file by what reads it. Of daemon it knows how to run one.
	"gslb/cmd/gslb": {
		"gslb/admin/api", "gslb/alias", "gslb/daemon", "gslb/discover", "gslb/handover", "gslb/health", "gslb/health/probe", "gslb/history", "gslb/internal/files", "gslb/internal/hostdns", "gslb/internal/logs", "gslb/internal/plural", "gslb/journal", "gslb/notify", "gslb/operate", "gslb/override", "gslb/replication", "gslb/steer",
		"gslb/zones", "gslb/zones/config", "gslb/zones/gdnsd",
	},
	// Records and what they are in wire form, for tests alone.
	"gslb/zones/masterfile/corpus": {},

	// Black-box tests know the program only from outside.
	"gslb/integration/decisions": {"gslb/geo/geotest", "gslb/integration/parts"},

	"gslb/integration":             {"gslb/integration/parts"},
	"gslb/integration/parts":       {},
	"gslb/integration/demo":        {"gslb/integration/example", "gslb/integration/parts"},
	"gslb/integration/drill":       {"gslb/integration/example", "gslb/integration/figures", "gslb/integration/parts", "gslb/internal/plural"},
	"gslb/integration/example":     {"gslb/integration/parts"},
	"gslb/integration/figures":     {},
	"gslb/integration/packaging":   {"gslb/integration/parts"},
	"gslb/integration/probing":     {"gslb/integration/parts"},
	"gslb/integration/zonefiles":   {"gslb/integration/parts"},
	"gslb/integration/replicating": {"gslb/integration/parts"},
	"gslb/integration/guides":      {"gslb/integration/parts"},

	// This one is told by a table what a database is to hold.
	"gslb/integration/importing": {"gslb/geo/geotest", "gslb/integration/parts"},
	"gslb/bench":                 {"gslb/bench/checks", "gslb/bench/page", "gslb/bench/queries", "gslb/bench/soak", "gslb/bench/upgrade", "gslb/integration/figures", "gslb/integration/parts"},
	"gslb/bench/checks":          {"gslb/integration/figures", "gslb/integration/parts"},
	"gslb/bench/page":            {"gslb/integration/figures", "gslb/integration/parts"},
	"gslb/bench/upgrade":         {"gslb/bench/load", "gslb/integration/figures", "gslb/integration/parts"},
	"gslb/bench/queries":         {"gslb/bench/geodb", "gslb/bench/load", "gslb/integration/figures", "gslb/integration/parts", "gslb/internal/plural"},
	"gslb/bench/geodb":           {},
	"gslb/bench/soak":            {"gslb/bench/load", "gslb/integration/figures", "gslb/integration/parts"},
	"gslb/bench/echo":            {},
	"gslb/bench/load":            {},
}

// onlyIn says which packages alone may import a library.
var onlyIn = map[string][]string{
	"github.com/aws/":            {"gslb/health/probe", "gslb/integration/parts"},
	"github.com/BurntSushi/toml": {"gslb/zones/config", "gslb/integration/decisions", "gslb/integration/example"},
	"github.com/spf13/cobra":     {"gslb/cmd/gslb"},
	"github.com/miekg/dns": {
		"gslb/alias", "gslb/health/probe", "gslb/internal/hostdns", "gslb/internal/wire", "gslb/zones/config", "gslb/zones/masterfile", "gslb/zones/records", "gslb/answer",
		"gslb/server/respond", "gslb/server/meter", "gslb/server/tap", "gslb/server/dnstest", "gslb/cmd/gslb", "gslb/daemon", "gslb/daemon/daemontest",
		"gslb/integration", "gslb/integration/decisions", "gslb/integration/importing", "gslb/integration/parts", "gslb/integration/zonefiles", "gslb/integration/demo", "gslb/integration/drill", "gslb/bench/checks", "gslb/bench/page", "gslb/bench/queries", "gslb/bench/soak", "gslb/bench/upgrade",
	},
	"github.com/oschwald/maxminddb-golang": {"gslb/geo", "gslb/bench/geodb"},
	"github.com/maxmind/mmdbwriter":        {"gslb/geo/geotest", "gslb/bench/geodb"},
	"github.com/prometheus/":               {"gslb/alias", "gslb/health", "gslb/health/probe", "gslb/history", "gslb/incident", "gslb/journal", "gslb/notify", "gslb/override", "gslb/publish", "gslb/replication", "gslb/server", "gslb/server/meter", "gslb/server/tap", "gslb/server/dnstest", "gslb/slo", "gslb/admin", "gslb/daemon"},
	"github.com/getkin/kin-openapi":        {"gslb/admin"},
	"github.com/nicholas-fedor/shoutrrr":   {"gslb/internal/shout"},
	"github.com/chromedp/":                 {"gslb/integration", "gslb/integration/parts", "gslb/bench/page"},
	"github.com/coreos/go-systemd/v22":     {"gslb/daemon", "gslb/internal/logs"},
	"github.com/cpuguy83/go-md2man":        {"gslb/cmd/gslb"},
	"github.com/digitalocean/godo":         {"gslb/discover"},
	"github.com/dnstap/":                   {"gslb/server/dnstest", "gslb/server/tap"},
	"github.com/farsightsec/":              {"gslb/server/tap"},
}

func TestImports(t *testing.T) {
	lookAtSources(t)
	out, err := exec.Command("go", "list", "-tags", "integration", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	decoder := json.NewDecoder(strings.NewReader(string(out)))
	seen := 0
	for decoder.More() {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := decoder.Decode(&p); err != nil {
			t.Fatal(err)
		}
		if p.ImportPath == "gslb" {
			continue // this test
		}
		seen++
		allowed, known := mayImport[p.ImportPath]
		if !known {
			t.Errorf("%s: a new room; say here what it may import", p.ImportPath)
		}
		for _, imported := range p.Imports {
			if strings.HasPrefix(imported, "gslb/") && !slices.Contains(allowed, imported) {
				t.Errorf("%s imports %s", p.ImportPath, imported)
			}
			for library, rooms := range onlyIn {
				if strings.HasPrefix(imported, library) && !slices.Contains(rooms, p.ImportPath) {
					t.Errorf("%s imports %s, which is for %v", p.ImportPath, imported, rooms)
				}
			}
		}
	}
	if seen < len(mayImport)-2 {
		t.Errorf("only %d packages were seen: the table is out of date", seen)
	}
}

// lookAtSources makes the result of this test depend on every source file. What go list reads is
// not known to the cache of test results.
func lookAtSources(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".go" {
			_, err = os.Stat(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestFoldersAreDocumented looks for every package in docs/architecture.md, which says what each is for.
func TestFoldersAreDocumented(t *testing.T) {
	page, err := os.ReadFile("docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	for path := range mayImport {
		folder := strings.TrimPrefix(path, "gslb/")
		switch folder {
		case "daemon/daemontest", "geo/geotest", "publish/publishtest", "server/dnstest", "zones/masterfile/corpus": // for tests alone
			continue
		}
		if !strings.Contains(string(page), "`"+folder+"`") {
			t.Errorf("docs/architecture.md does not say what %s is for", folder)
		}
	}
}

// TestPureRooms looks at the packages that make test runs without the race detector: neither they nor their tests may
// start a goroutine. What others run at the same time is tried where they are.
func TestPureRooms(t *testing.T) {
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	_, list, found := strings.Cut(string(makefile), "\nPURE := $(addprefix gslb/,")
	list, _, closed := strings.Cut(list, ")\n")
	if !found || !closed {
		t.Fatal("the Makefile has no list PURE")
	}
	for _, folder := range strings.Fields(list) {
		files, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %d files", folder, err, len(files))
		}
		for _, name := range files {
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if _, starts := n.(*ast.GoStmt); starts {
					t.Errorf("%s starts a goroutine", name)
				}
				if s, is := n.(*ast.SelectorExpr); is && slices.Contains([]string{"Go", "AfterFunc", "Parallel", "RunParallel"}, s.Sel.Name) {
					t.Errorf("%s starts a goroutine by %s", name, s.Sel.Name)
				}
				return true
			})
		}
	}
}
