package operate

import (
	"context"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"gslb/alias"
	"gslb/health"
	"gslb/override"
	"gslb/steer"
	"gslb/zones"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// common is what the configurations of the tests begin with.
const common = `
[server]
listen = ["127.0.0.1:53"]
` + checks

const checks = `
[checks.web]
type = "tcp"
address = "{address}:80"
`

// whole is a configuration with what the tests leave out.
func whole(content string) string {
	if strings.Contains(content, "[server]") {
		return content + checks
	}
	return common + content
}

// outcome is what a configuration answers while some targets are down, or unknown.
func outcome(set *zones.Set, words *override.Words, other map[health.TargetID]health.Status) *steer.Outcome {
	states := make(map[health.TargetID]health.State)
	for i := range set.Targets {
		id := set.Targets[i].ID
		state := health.State{Status: health.Up, Since: noon}
		if status, ok := other[id]; ok {
			state.Status = status
			state.Cause = health.Result{Verdict: health.Fail, Reason: "timeout", Detail: "no answer within 2s"}
		}
		states[id] = state
	}
	return steer.Step(set, steer.Input{Snapshot: health.NewSnapshot(noon, states), Words: words, Now: noon}, steer.Memory{})
}

// statuses reads lines such as "web@192.0.2.1 down".
func statuses(t testing.TB, text string) map[health.TargetID]health.Status {
	t.Helper()
	m := make(map[health.TargetID]health.Status)
	for line := range strings.Lines(text) {
		id, word, _ := strings.Cut(strings.TrimSpace(line), " ")
		var status health.Status
		if err := status.UnmarshalText([]byte(word)); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		m[health.TargetID(id)] = status
	}
	return m
}

// archives calls f for each file of a folder in testdata. What f returns must be the last file of the
// archive, called "want".
func archives(t *testing.T, folder string, f func(t *testing.T, file func(name string) string) string) {
	paths, err := filepath.Glob(filepath.Join("testdata", folder, "*.txtar"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no tests in %s: %v", folder, err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			file := func(name string) string {
				for _, f := range archive.Files {
					if f.Name == name {
						return string(f.Data)
					}
				}
				return ""
			}
			got := f(t, file)
			if *update {
				last := len(archive.Files) - 1
				if archive.Files[last].Name == "want" {
					archive.Files = archive.Files[:last]
				}
				archive.Files = append(archive.Files, txtar.File{Name: "want", Data: []byte(got)})
				if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(file("want"), got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// nobody looks up nothing.
func nobody(context.Context, []string, []netip.AddrPort) map[string]alias.Host { return nil }

func addrs(texts ...string) []netip.Addr {
	list := make([]netip.Addr, len(texts))
	for i, text := range texts {
		list[i] = netip.MustParseAddr(text)
	}
	return list
}
