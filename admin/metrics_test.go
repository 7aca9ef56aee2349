package admin

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"gslb/health"
	"gslb/zones"
)

// TestMetrics pins names, help and labels of everything that is exported.
func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		w := newWorld(now)
		w.fail("table@us-east-1", now, "timeout", "")
		w.report("web@2001:db8::10").State.Status = health.Unknown
		silent := w.addName("silent", nyc)
		silent.Steering.WhenAllDown = zones.ServFail
		w.addName("assumed", nyc)
		w.publish(now)
		w.reload = ConfigStatus{At: now, Err: errors.New("bad"), Failures: 3}
		_, registry := w.server()

		problems, err := testutil.GatherAndLint(registry)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range problems {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}

		const golden = "testdata/metrics.txt"
		if *update {
			s, _ := w.server()
			body := bytes.ReplaceAll(get(t, s, "/metrics").Body.Bytes(), []byte(runtime.Version()), []byte("GOVERSION"))
			if err := os.WriteFile(golden, body, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		want = bytes.ReplaceAll(want, []byte("GOVERSION"), []byte(runtime.Version()))
		if err := testutil.GatherAndCompare(registry, bytes.NewReader(want)); err != nil {
			t.Error(err)
		}
	})
}

// TestMetricsBeforePublication: what does not need a table is there from the start.
func TestMetricsBeforePublication(t *testing.T) {
	w := newWorld(time.Now())
	_, registry := w.server()
	want := map[string]float64{"gslb_build_info": 1, "gslb_config_reload_failures_total": 0, "gslb_config_last_reload_successful": 1, "gslb_config_pending": 0, "gslb_admin_refused_total": 0}
	if diff := cmp.Diff(want, samples(t, registry)); diff != "" {
		t.Errorf("samples (-want +got):\n%s", diff)
	}
}

// TestMetricsAreBounded: one name too many, and the scrape counts instead of listing.
func TestMetricsAreBounded(t *testing.T) {
	for _, extra := range []int{0, 1} {
		w := newWorld(time.Now())
		w.addNames(nameSeries+extra-2, nyc)
		w.publish(time.Now())
		_, registry := w.server()
		listed, omitted := float64(nameSeries), 0.0
		if extra > 0 {
			listed, omitted = 0, nameSeries+1
		}
		got := samples(t, registry)
		if got["gslb_name_pool"] != listed || got["gslb_name_mode"] != listed || got["gslb_names_without_series"] != omitted {
			t.Errorf("%d names: %v and %v series, %v said to be without", nameSeries+extra,
				got["gslb_name_pool"], got["gslb_name_mode"], got["gslb_names_without_series"])
		}
		if got["gslb_names"] != float64(nameSeries+extra) || got["gslb_pool_names"] != float64(nameSeries+extra) {
			t.Errorf("%d names: %v counted by mode, %v by pool", nameSeries+extra, got["gslb_names"], got["gslb_pool_names"])
		}
	}
}

// TestMetricsSurviveABadPath: a file's name is bytes, and a label is not.
func TestMetricsSurviveABadPath(t *testing.T) {
	w := newWorld(time.Now())
	w.set.Path = "/etc/gslb/\xff.toml"
	w.publish(time.Now())
	s, _ := w.server()
	response := get(t, s, "/metrics")
	if response.Code != 200 || !strings.Contains(response.Body.String(), "path=\"/etc/gslb/\uFFFD.toml\"") {
		t.Errorf("status %d:\n%s", response.Code, response.Body)
	}
}

// samples adds up the samples of each family.
func samples(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sums := make(map[string]float64)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			sums[family.GetName()] += m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return sums
}

// BenchmarkScrape is a scrape with as many names as may have series of their own, and with
// twenty times as many.
func BenchmarkScrape(b *testing.B) {
	for _, names := range []int{nameSeries, 20 * nameSeries} {
		b.Run(fmt.Sprint(names), func(b *testing.B) {
			w := newWorld(time.Now())
			w.addNames(names-2, nyc)
			w.publish(time.Now())
			_, registry := w.server()
			for b.Loop() {
				if _, err := registry.Gather(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
