package history

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gslb/health"
)

var (
	secondsDesc = prometheus.NewDesc("gslb_pool_status_seconds_total",
		"How long the pool has had the status, in this run. Unlike gslb_pool_status it misses nothing between two scrapes.", []string{"pool", "status"}, nil)
	turnsDesc = prometheus.NewDesc("gslb_pool_turns_total",
		"How often the pool's status has changed between up and down, in this run.", []string{"pool"}, nil)
	downDesc = prometheus.NewDesc("gslb_pool_down_seconds",
		"How long the pool was down in the window that ends now, over restarts too: 24h, or 30d by days in UTC.", []string{"pool", "window"}, nil)
	knownDesc = prometheus.NewDesc("gslb_pool_known_seconds",
		"For how long of the window the pool's status was known; 1 - gslb_pool_down_seconds / gslb_pool_known_seconds is the pool's availability.", []string{"pool", "window"}, nil)
	latencyDesc = prometheus.NewDesc("gslb_pool_probe_duration_seconds",
		"How long the probes of the pool took that passed in the last five minutes: the median and the 99th percentile; absent if none passed.", []string{"pool", "percentile"}, nil)
)

// collector makes the metrics of a book at the moment of a scrape.
type collector struct{ book *Book }

// Describe implements prometheus.Collector.
func (collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{secondsDesc, turnsDesc, downDesc, knownDesc, latencyDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	reports := c.book.Reports()
	send := func(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, kind, value, labels...)
	}
	for i := range reports {
		r := &reports[i]
		for window, sum := range map[string]Downtime{"24h": r.Day, "30d": r.Month} {
			send(downDesc, prometheus.GaugeValue, sum.Down.Seconds(), r.Pool, window)
			send(knownDesc, prometheus.GaugeValue, sum.Known.Seconds(), r.Pool, window)
		}
		if r.P50 > 0 {
			send(latencyDesc, prometheus.GaugeValue, r.P50.Seconds(), r.Pool, "50")
			send(latencyDesc, prometheus.GaugeValue, r.P99.Seconds(), r.Pool, "99")
		}
		total, turns := c.book.totals(r.Pool)
		for status, lasted := range total {
			send(secondsDesc, prometheus.CounterValue, lasted.Seconds(), r.Pool, health.Status(status).String())
		}
		send(turnsDesc, prometheus.CounterValue, float64(turns), r.Pool)
	}
}

// totals is how long a pool has had each status in this run, and how often it has turned.
func (b *Book) totals(pool string) (total [3]time.Duration, turns int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.pasts[pool]; e != nil {
		return e.past.total, e.turns
	}
	return total, 0
}
