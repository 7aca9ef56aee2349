package notify

import "github.com/prometheus/client_golang/prometheus"

// collector is the metrics of all targets. Their number is bounded by the configuration.
type collector struct{ notifier *Notifier }

func description(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// Describe implements prometheus.Collector.
func (c collector) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range c.all() {
		descs <- d
	}
}

func (c collector) all() [4]*prometheus.Desc {
	return [...]*prometheus.Desc{
		description("gslb_notify_sent_total", "Messages to a target of [notify], by result: ok, or failed, which is tried again.", "target", "result"),
		description("gslb_notify_queue", "Incidents that a target is still to be told something of.", "target"),
		description("gslb_notify_dropped_total", "Incidents that a target was never told of, since too many waited, or for too long.", "target"),
		description("gslb_notify_failing_seconds", "For how long no message was taken by a target that some were sent to; 0: the last was taken.", "target"),
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(metrics chan<- prometheus.Metric) {
	sent, queue, dropped, failing := c.all()[0], c.all()[1], c.all()[2], c.all()[3]
	for _, r := range c.notifier.Reports() {
		metrics <- prometheus.MustNewConstMetric(sent, prometheus.CounterValue, float64(r.Sent), r.Name, "ok")
		metrics <- prometheus.MustNewConstMetric(sent, prometheus.CounterValue, float64(r.Failed), r.Name, "failed")
		metrics <- prometheus.MustNewConstMetric(queue, prometheus.GaugeValue, float64(r.Waiting), r.Name)
		metrics <- prometheus.MustNewConstMetric(dropped, prometheus.CounterValue, float64(r.Dropped), r.Name)
		metrics <- prometheus.MustNewConstMetric(failing, prometheus.GaugeValue, r.failingFor(), r.Name)
	}
}
