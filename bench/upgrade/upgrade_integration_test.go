//go:build integration

package upgrade

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gslb/integration/figures"
	"gslb/integration/parts"
)

func TestMain(m *testing.M) { os.Exit(parts.Isolated(m.Run)) }

// TestUpgradesThatOutlastTheLoad are not counted: nothing could be lost.
func TestUpgradesThatOutlastTheLoad(t *testing.T) {
	for name, test := range map[string]struct {
		upgrades int
		takes    time.Duration // each
		lingers  bool
		counts   bool
	}{
		"in time":                      {1, 4 * time.Second, false, true},
		"the only one ends late":       {1, 6 * time.Second, false, false},
		"the last ends late":           {2, 4 * time.Second, false, false},
		"what is left ends late":       {1, 6 * time.Second, true, true},
		"what is left delays the last": {2, 11 * time.Second, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &bench{Report: &figures.Report{Out: t.Output(), Progress: t.Output()}, upgrades: test.upgrades, time: 10 * time.Second}
				c := &contender{lingers: test.lingers, replace: func(context.Context) error {
					time.Sleep(test.takes)
					return nil
				}}
				quiet := kind{name: "quiet", run: func(context.Context, *contender, [][]byte, *outcome) error { return nil }}
				err := b.during(t.Context(), c, quiet, nil)
				if counted := c.by[quiet.name].upgrades; (counted > 0) != test.counts || errors.Is(err, errUnasked) == test.counts {
					t.Errorf("%d count: %v", counted, err)
				}
			})
		})
	}
}

// TestUpgrades upgrades each server once with each load. gslb ends no connection, and the one that is restarted loses
// queries, so that a loss is seen. On a machine that is busy with other tests a reply may come too late to count.
func TestUpgrades(t *testing.T) {
	root, err := parts.Root()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	b := &bench{
		Report: &figures.Report{Out: &out, Progress: t.Output()}, binary: filepath.Join(root, "bin", "gslb"),
		rounds: 1, upgrades: 1, rate: 500,
	}
	var all []*contender
	for b.time = 800 * time.Millisecond; ; b.time *= 4 { // a busy machine may take longer for an upgrade
		b.dir = t.TempDir()
		if all, err = b.measure(t.Context()); err == nil {
			break
		}
		if !errors.Is(err, errUnasked) || b.time > 10*time.Second {
			t.Fatal(err)
		}
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
