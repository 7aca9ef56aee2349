//go:build integration

package replicating

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"gslb/integration/parts"
)

// explained is as much of /api/v1/explain as the tests look at.
type explained struct {
	Tiers []struct {
		Pools []struct {
			Pool, Status, Rule, Why string
		}
	}
}

// awaitPool waits until the name is explained with a pool that has a status, and was passed over by a rule.
func (w *world) awaitPool(t *testing.T, ctx context.Context, pool, status, rule, why string) {
	t.Helper()
	must(t, parts.Until(ctx, "pool "+pool+" is explained", func(ctx context.Context) error {
		var e explained
		if err := w.JSON(ctx, "/api/v1/explain?name="+app, &e); err != nil {
			return err
		}
		for _, tier := range e.Tiers {
			for _, p := range tier.Pools {
				if p.Pool == pool && p.Status == status && p.Rule == rule && strings.Contains(p.Why, why) {
					return nil
				}
			}
		}
		return fmt.Errorf("it is explained by %+v, want %s %s, by rule %q: %q", e, pool, status, rule, why)
	}))
}

// awaitEvent waits for an event that tells what a copy has become.
func (w *world) awaitEvent(t *testing.T, ctx context.Context, region, condition string) {
	t.Helper()
	must(t, parts.Until(ctx, "an event tells that "+region+" is "+condition, func(ctx context.Context) error {
		var list struct {
			Events []struct{ Kind, Subject, To string }
		}
		if err := w.JSON(ctx, "/api/v1/events", &list); err != nil {
			return err
		}
		for _, e := range list.Events {
			if e.Kind == "copy" && e.Subject == "orders@"+region && e.To == condition {
				return nil
			}
		}
		return fmt.Errorf("there are only %+v", list.Events)
	}))
}

// TestDegradedRegion has the data of the preferred region behind: it is served where it serves. Once it was
// left, it gets no clients until its data was current for long enough, over a crash of the server too.
func TestDegradedRegion(t *testing.T) {
	ctx, w := begin(t, settings{Pools: []string{"nyc", "ams"}})
	clients := w.watch(t)
	w.awaitCopies(t, ctx, "at first", nil)
	clients.await(t, ctx, "nyc")

	behind := map[string]string{"nyc": "behind, degraded", "ams": "silent"}
	w.halt("ams", "nyc")
	w.awaitCopies(t, ctx, "when nothing arrives in nyc", behind, "ams → nyc late")
	w.awaitEvent(t, ctx, "us-east-1", "behind")
	clients.stay(t, "nyc", "nyc has what only it has")

	w.site("nyc").Balancer.failing.Store(true)
	clients.await(t, ctx, "nyc ams")
	w.site("nyc").Balancer.failing.Store(false)
	w.awaitPool(t, ctx, "nyc", "up", "degraded", "degraded since")
	clients.stay(t, "nyc ams", "the data of nyc is behind")

	for _, command := range [][]string{
		{"switch", app, "--to", "nyc", "--yes", "--reason", "a test"},
		{"failback", app},
	} {
		out, status := w.command(t, ctx, command...)
		if isSwitch := command[0] == "switch"; isSwitch && (status == 0 || !strings.Contains(out, "degraded")) || !isSwitch && status != 0 {
			t.Errorf("gslb %s: status %d:\n%s", command[0], status, out)
		}
		clients.stay(t, "nyc ams", "after gslb "+command[0])
	}

	w.awaitSaved(t, ctx, `"answered":["ams"]`, `"degraded":true`)
	w.crash(t, ctx)
	w.awaitPool(t, ctx, "nyc", "up", "degraded", "degraded since")
	w.awaitCopies(t, ctx, "after a crash", behind, "ams → nyc late")
	clients.stay(t, "nyc ams", "the data of nyc is still behind")

	w.resume("ams", "nyc")
	current := w.awaitCopies(t, ctx, "when all has arrived", nil)
	w.awaitSaved(t, ctx, `"answered":["ams"]`, `"condition":"current"`)
	w.crash(t, ctx) // that it has to wait is not forgotten either
	back := clients.await(t, ctx, "nyc ams nyc")
	for _, r := range current.Regions {
		if took := back.Sub(r.Current); r.Region == "us-east-1" && (took < failback || took > failback+slack) {
			t.Errorf("clients returned %s after nyc had become current, want %s", took, failback)
		}
	}
}

// TestDownWhenDegraded has a region that is behind be down, as the operator wants it.
func TestDownWhenDegraded(t *testing.T) {
	ctx, w := begin(t, settings{Pools: []string{"nyc", "ams"}, Replication: `on_degraded = "down"`})
	clients := w.watch(t)
	w.awaitCopies(t, ctx, "at first", nil)
	clients.await(t, ctx, "nyc")

	w.halt("ams", "nyc")
	clients.await(t, ctx, "nyc ams")
	w.awaitPool(t, ctx, "nyc", "down", "", "down by on_degraded; the checks say up")
	w.awaitSaved(t, ctx, `"answered":["ams"]`, `"degraded":true`)
	w.crash(t, ctx)
	w.awaitPool(t, ctx, "nyc", "down", "", "down by on_degraded; the checks say up")
	clients.stay(t, "nyc ams", "the data of nyc is behind")

	w.resume("ams", "nyc")
	current := w.awaitCopies(t, ctx, "when all has arrived", nil)
	back := clients.await(t, ctx, "nyc ams nyc")
	for _, r := range current.Regions {
		if took := back.Sub(r.Current); r.Region == "us-east-1" && took < failback {
			t.Errorf("clients returned %s after nyc had become current, want %s", took, failback)
		}
	}
}

// TestLostEachOther has two regions lose each other: neither is left for the other, not even when a person asks.
func TestLostEachOther(t *testing.T) {
	ctx, w := begin(t, settings{Pools: []string{"nyc", "ams"}})
	clients := w.watch(t)
	w.awaitCopies(t, ctx, "at first", nil)
	w.Global.HaltAll("us-east-1")
	w.awaitCopies(t, ctx, "when nothing is copied", map[string]string{"nyc": "cut off, degraded", "ams": "cut off, degraded"}, "ams → nyc late", "nyc → ams late")
	if out, status := w.command(t, ctx, "switch", app, "--to", "ams", "--yes", "--reason", "a test"); status == 0 || !strings.Contains(out, "degraded") {
		t.Errorf("gslb switch: status %d:\n%s", status, out)
	}
	clients.stay(t, "nyc", "nyc is up")

	// Then the one that serves dies: data that is behind is better than no answer.
	w.site("nyc").Balancer.failing.Store(true)
	clients.await(t, ctx, "nyc ams")
}
