//go:build integration

package upgrade

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gslb/integration/figures"
	"gslb/integration/parts"
)

func TestMain(m *testing.M) { os.Exit(parts.Isolated(m.Run)) }

// TestUpgrades upgrades each server once with each load. gslb ends no connection, and the one that is restarted loses
// queries, so that a loss is seen. On a machine that is busy with other tests a reply may come too late to count.
func TestUpgrades(t *testing.T) {
	root, err := parts.Root()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	b := &bench{
		Report: &figures.Report{Out: &out, Progress: t.Output()}, dir: t.TempDir(), binary: filepath.Join(root, "bin", "gslb"),
		rounds: 1, upgrades: 1, time: 800 * time.Millisecond, rate: 500,
	}
	all, err := b.measure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b.report(all)
	for _, c := range all {
		for _, k := range b.kinds() {
			o := c.by[k.name]
			if c.udpOnly && k.tcp {
				continue
			}
			lost := o.sent - o.answered
			switch {
			case o.upgrades != 1 || o.sent < 100 || o.answered == 0 || o.slowest == 0:
				t.Errorf("%s over %s: %+v", c.name, k.name, *o)
			case c.name == "gslb" && (lost > o.sent/10 || o.failed > 0), c.udpOnly && lost == 0:
				t.Errorf("%s over %s: %d lost, %d connections lost", c.name, k.name, lost, o.failed)
			}
		}
	}
	if t.Failed() {
		t.Log(out.String())
	}
}
