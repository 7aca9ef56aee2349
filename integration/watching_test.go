//go:build integration

package integration

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"gslb/integration/parts"
)

// TestPrometheus has a real Prometheus scrape the server, and promtool look over what is
// scraped.
func TestPrometheus(t *testing.T) {
	ctx := begin(t)
	s := setup{Zone: appZone, StateDir: t.TempDir()}.serve(t, ctx)
	checkDig(t, ctx, s.Listen, app, "nyc")

	status, text, err := parts.Get(ctx, s.URL("/metrics"))
	must(t, err)
	if err := parts.CheckMetrics(ctx, string(text)); status != 200 || err != nil {
		t.Errorf("/metrics: status %d: %v", status, err)
	}

	lab := parts.ForTest(t)
	listen, err := lab.FreePort(s.Listen.Addr())
	must(t, err)
	prometheus, err := lab.StartPrometheus(ctx, parts.PrometheusConfig{Name: "prometheus", Listen: listen, Target: s.Admin})
	must(t, err)
	for _, query := range []string{
		`up{job="gslb"} == 1`,
		`gslb_build_info{version=~".+"} == 1`,
		`gslb_dns_requests_total{proto="udp",family="1",type="A",zone="gslb.example.com."} >= 1`,
		`gslb_dns_responses_total{rcode="NOERROR",zone="gslb.example.com."} >= 2`,
		`histogram_quantile(0.99, gslb_dns_request_duration_seconds_bucket{zone="gslb.example.com."}) < 1`,
		`gslb_health_target_status{target="web@127.0.0.11"} == 1`,
		`gslb_health_target_status{target="web@fd00::11"} == 1`,
		`gslb_health_target_status{target="table@us-east-1"} == 1`,
		`gslb_health_target_age_seconds{target="table@us-east-1"} < 60`,
		`gslb_health_target_probe_duration_seconds{target="table@us-east-1"} > 0`,
		`gslb_health_probes_total{check="web",verdict="pass"} >= 4`,
		`gslb_health_probe_duration_seconds_count{check="table"} >= 2`,
		`gslb_pool_status{pool="nyc",region="us-east-1"} == 1`,
		`gslb_name_pool{name="app.gslb.example.com.",pool="nyc"} == 1`,
		`gslb_config_info{hash=~"[0-9a-f]{64}"} == 1`,
		`time() - gslb_config_loaded_timestamp_seconds < 120`,
		`gslb_config_reload_failures_total == 0`,
		`gslb_config_last_reload_successful == 1`,
		`gslb_state_save_failures_total == 0`,
		`process_resident_memory_bytes > 0`,
	} {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		err := parts.Until(ctx, query, func(ctx context.Context) error {
			series, err := prometheus.Query(ctx, query)
			if err == nil && len(series) != 1 {
				err = errors.New("it finds none, or several series")
			}
			return err
		})
		cancel()
		if err != nil {
			t.Error(err)
		}
	}
}

// TestPage shows the status page to a real browser, before and after a region fails.
func TestPage(t *testing.T) {
	ctx := begin(t)
	s := setup{Zone: appZone}.serve(t, ctx)
	lab := parts.ForTest(t)
	check := func(when string, want ...string) {
		t.Helper()
		page, err := lab.DumpDOM(ctx, "browser-"+when, s.URL("/"))
		must(t, err)
		text := strings.Join(strings.Fields(page), " ")
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s: the page does not show %q:\n%s", when, w, text)
			}
		}
	}
	host, err := os.Hostname()
	must(t, err)
	check("healthy", "<title>"+host+": all is well</title>", "<b>2</b> of 2 pools", `<strong>nyc</strong> <span class="dim">us-east-1</span>`)

	clients := watch(t, s.Listen, app)
	must(t, world.nyc.Inflict(ctx, parts.AppFailing))
	clients.await(t, ctx, "ams", time.Now())
	check("failed", "<title>▲ "+host+": ", "<b>1</b> of 2 pools",
		`<strong>ams</strong> <span class="dim">eu-west-1</span>`, "not preferred", "11 is down: status 503", "127.0.0.12", "fd00::12")
}
