//go:build integration

package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"gslb/integration/parts"
)

// TestAlerts has promtool read the rules, and try each on series that are to make it fire. Whoever is woken must be
// told how bad it is, by what, and what to do; and nobody is to be woken by what passes in a moment.
func TestAlerts(t *testing.T) {
	t.Parallel()
	root, err := parts.Root()
	must(t, err)
	dir := filepath.Join(root, "deploy", "prometheus")
	for _, args := range [][]string{{"check", "rules", "gslb.rules.yaml"}, {"test", "rules", "gslb.rules_test.yaml"}} {
		cmd := exec.Command("promtool", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %v: %s", cmd, err, out)
		}
	}
	rules, err := os.ReadFile(filepath.Join(dir, "gslb.rules.yaml"))
	must(t, err)
	tests, err := os.ReadFile(filepath.Join(dir, "gslb.rules_test.yaml"))
	must(t, err)
	runbook, err := os.ReadFile(filepath.Join(root, "docs", "runbook.md"))
	must(t, err)
	for _, rule := range strings.Split(string(rules), "- alert: ")[1:] {
		name, _, _ := strings.Cut(rule, "\n")
		if !strings.Contains(string(tests), "\n        alertname: "+name+"\n") {
			t.Errorf("no test has %s fire", name)
		}
		_, section, _ := strings.Cut(rule, "/runbook#")
		section, _, _ = strings.Cut(section, "\"")
		if section == "" || !strings.Contains(string(runbook), "\n## "+section+"\n") {
			t.Errorf("%s: docs/runbook.md has no section %q", name, section)
		}
		for _, needed := range []string{"\n        for: ", "severity: ", "summary: "} {
			if !strings.Contains(rule, needed) {
				t.Errorf("a rule without %q:\n%s", strings.TrimSpace(needed), rule)
			}
		}
	}
}

// inbox is what an Alertmanager has sent: the last status of each alert, by its name and its pool.
type inbox struct {
	mu   sync.Mutex
	last map[string]string
}

func (i *inbox) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	var sent struct {
		Alerts []struct {
			Status              string
			Labels, Annotations map[string]string
		}
	}
	if json.NewDecoder(r.Body).Decode(&sent) != nil {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, a := range sent.Alerts {
		i.last[a.Labels["alertname"]+" "+a.Labels["pool"]] = a.Status
	}
}

// await waits until the last that was sent of an alert is a status.
func (i *inbox) await(t *testing.T, ctx context.Context, alert, status string) {
	t.Helper()
	must(t, parts.Until(ctx, alert+" is "+status, func(context.Context) error {
		i.mu.Lock()
		defer i.mu.Unlock()
		if i.last[alert] != status {
			return fmt.Errorf("sent so far: %v", i.last)
		}
		return nil
	}))
}

// TestAlertsOfAFailover has a real Prometheus, by the rules and with a real Alertmanager, tell of a region that
// fails and of its end, and answer every question of the dashboard. Only the time for which something must
// last is shortened.
func TestAlertsOfAFailover(t *testing.T) {
	ctx := begin(t)
	s := setup{Zone: appZone, StateDir: t.TempDir()}.serve(t, ctx)
	checkDig(t, ctx, s.Listen, app, "nyc") // what counts queries has no series before
	root, err := parts.Root()
	must(t, err)
	rules, err := os.ReadFile(filepath.Join(root, "deploy", "prometheus", "gslb.rules.yaml"))
	must(t, err)
	file := filepath.Join(t.TempDir(), "rules.yaml")
	must(t, os.WriteFile(file, regexp.MustCompile("(?m)^        (keep_firing_)?for: .*$").ReplaceAll(rules, []byte("        ${1}for: 1s")), 0o644))
	got := &inbox{last: map[string]string{}}
	receiver := httptest.NewServer(got)
	t.Cleanup(receiver.Close)
	lab := parts.ForTest(t)
	var listen [2]netip.AddrPort
	for i := range listen {
		listen[i], err = lab.FreePort(s.Listen.Addr())
		must(t, err)
	}
	_, err = lab.StartAlertmanager(ctx, parts.AlertmanagerConfig{Name: "alertmanager", Listen: listen[0], Webhook: receiver.URL})
	must(t, err)
	prometheus, err := lab.StartPrometheus(ctx, parts.PrometheusConfig{
		Name: "prometheus", Listen: listen[1], Target: s.Admin, Rules: []string{file}, Alerts: listen[0],
	})
	must(t, err)
	must(t, parts.Until(ctx, "the server is scraped", func(ctx context.Context) error {
		series, err := prometheus.Query(ctx, `gslb_pool_status{pool="nyc"} == 1`)
		if err == nil && len(series) == 0 {
			err = errors.New("nothing is known of nyc")
		}
		return err
	}))
	must(t, world.nyc.Inflict(ctx, parts.LoadBalancerKilled))
	got.await(t, ctx, "PoolDown nyc", "firing")
	tryDashboard(t, ctx, root, prometheus)
	must(t, world.nyc.Heal(ctx))
	got.await(t, ctx, "PoolDown nyc", "resolved")
	if s := got.last["PoolDown ams"]; s != "" {
		t.Errorf("ams is told of, too: %s", s)
	}
}

// tryDashboard asks what the panels of the dashboard ask. Those of what every server has must find it.
func tryDashboard(t *testing.T, ctx context.Context, root string, prometheus *parts.Prometheus) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "deploy", "grafana", "gslb.json"))
	must(t, err)
	var dashboard struct {
		Panels []struct {
			Type, Title string
			Targets     []struct{ Expr string }
		}
	}
	must(t, json.Unmarshal(text, &dashboard))
	empty := map[string]bool{ // what this server has none of
		"Who has moved within the last hour": true, "Replication lag": true, "Certificates": true, "Dropped, limited, truncated": true,
	}
	asked := 0
	for _, panel := range dashboard.Panels {
		if panel.Type != "row" && len(panel.Targets) == 0 {
			t.Errorf("panel %q asks nothing", panel.Title)
		}
		for _, target := range panel.Targets {
			asked++
			query := strings.NewReplacer("$job", "gslb", "$instance", ".*", "$__rate_interval", "10s").Replace(target.Expr)
			if series, err := prometheus.Query(ctx, query); err != nil {
				t.Errorf("panel %q: %v", panel.Title, err)
			} else if len(series) == 0 && !empty[panel.Title] {
				t.Errorf("panel %q: %s finds nothing", panel.Title, query)
			}
		}
	}
	if asked < 20 {
		t.Errorf("the dashboard asks only %d questions", asked)
	}
}
