package answer

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics count the publications of a table.
type metrics struct {
	last     prometheus.Gauge
	duration prometheus.Histogram
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		last: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gslb_table_published_timestamp_seconds",
			Help: "When the table that is served was published, as Unix time.",
		}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "gslb_table_publish_duration_seconds",
			Help:    "How long it took from a change being noticed to its being served; its count is the number of publications.",
			Buckets: prometheus.ExponentialBuckets(50e-6, 4, 8),
		}),
	}
	r.MustRegister(m.last, m.duration)
	return m
}

func (m *metrics) observe(began, published time.Time) {
	m.last.Set(float64(published.UnixNano()) / 1e9)
	m.duration.Observe(published.Sub(began).Seconds())
}
