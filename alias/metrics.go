package alias

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics is what the watcher counts when look-ups end. What is known is read from the watcher at
// each scrape, so that ages grow even when every look-up hangs.
type metrics struct{ lookups *prometheus.CounterVec }

func newMetrics() *metrics {
	return &metrics{lookups: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gslb_alias_lookups_total",
		Help: "Look-ups of the names of alias pools that have ended, by what they said: addresses, nodata, nxdomain, or why they failed.",
	}, []string{"alias", "type", "result"})}
}

func (m *metrics) register(r prometheus.Registerer, w *Watcher) {
	labels := []string{"alias", "type"}
	r.MustRegister(m.lookups, &collector{
		watcher: w,
		addresses: prometheus.NewDesc("gslb_alias_addresses",
			"Addresses that are known of the name of an alias pool.", labels, nil),
		age: prometheus.NewDesc("gslb_alias_age_seconds",
			"Time since a resolver last named the addresses that are known of the name; absent without any. "+
				"Alert on more than 15 minutes: the name cannot be looked up, and its addresses may be out of date.", labels, nil),
	})
}

type collector struct {
	watcher        *Watcher
	addresses, age *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(descs chan<- *prometheus.Desc) {
	descs <- c.addresses
	descs <- c.age
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(metrics chan<- prometheus.Metric) {
	now := time.Now()
	for _, r := range c.watcher.Reports() {
		for _, f := range r.Families {
			metrics <- prometheus.MustNewConstMetric(c.addresses, prometheus.GaugeValue, float64(len(f.Addresses)), r.Name, f.Type)
			if len(f.Addresses) > 0 {
				metrics <- prometheus.MustNewConstMetric(c.age, prometheus.GaugeValue, now.Sub(f.Confirmed).Seconds(), r.Name, f.Type)
			}
		}
	}
}
