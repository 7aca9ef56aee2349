//go:build integration

package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gslb/integration/parts"
)

// installed is where the documentation has the program.
const installed = "/usr/local/bin/gslb"

// TestOperationsSnippets holds what docs/operations.md has an operator copy to the programs
// that will read it.
func TestOperationsSnippets(t *testing.T) {
	root, err := parts.Root()
	must(t, err)
	text, err := os.ReadFile(filepath.Join(root, "docs", "operations.md"))
	must(t, err)

	verify := map[string]func(*testing.T, string){
		"sh":   runAsRoot,
		"ini":  verifyUnit,
		"yaml": verifyRules,
		"json": func(t *testing.T, policy string) {
			if !json.Valid([]byte(policy)) {
				t.Error("it is not JSON")
			}
		},
	}
	found := map[string]int{}
	for _, block := range regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```").FindAllStringSubmatch(string(text), -1) {
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

func runAsRoot(t *testing.T, commands string) {
	commands = strings.ReplaceAll(commands, installed, copyOfProgram(t))
	if out, err := exec.Command("sh", "-euc", commands).CombinedOutput(); err != nil {
		t.Errorf("%s%v: %s", commands, err, out)
	}
}

// verifyUnit has systemd read a unit. What it only complains about counts too.
func verifyUnit(t *testing.T, unit string) {
	unit = strings.ReplaceAll(unit, installed, copyOfProgram(t))
	path := filepath.Join(t.TempDir(), "gslb.service")
	must(t, os.WriteFile(path, []byte(unit), 0o644))
	if out, err := exec.Command("systemd-analyze", "verify", path).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze: %v: %s", err, out)
	}
}

func verifyRules(t *testing.T, rules string) {
	path := filepath.Join(t.TempDir(), "rules.yml")
	must(t, os.WriteFile(path, []byte(rules), 0o644))
	if out, err := exec.Command("promtool", "check", "rules", path).CombinedOutput(); err != nil {
		t.Errorf("promtool: %v: %s", err, out)
	}
}

// TestDocumentedMetricsExist looks up every metric that the documentation names.
func TestDocumentedMetricsExist(t *testing.T) {
	ctx := begin(t)
	s := setup{Zone: appZone, StateDir: t.TempDir()}.serve(t, ctx)
	checkDig(t, ctx, s.Listen, app, "nyc")
	_, metrics, err := parts.Get(ctx, s.URL("/metrics"))
	must(t, err)

	root, err := parts.Root()
	must(t, err)
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	must(t, err)
	found := 0
	for _, page := range append(pages, filepath.Join(root, "README.md")) {
		text, err := os.ReadFile(page)
		must(t, err)
		for _, name := range regexp.MustCompile(`\bgslb_[a-z_]+`).FindAllString(string(text), -1) {
			found++
			if !strings.Contains(string(metrics), "\n# TYPE "+name+" ") {
				t.Errorf("%s names %s, which there is not", filepath.Base(page), name)
			}
		}
	}
	if found == 0 {
		t.Error("the documentation names no metric")
	}
}
