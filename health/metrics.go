package health

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics is what the monitor counts when probes end. The current state of targets is read from the
// monitor at each scrape: see collector.
type metrics struct {
	probes    *prometheus.CounterVec
	slow      *prometheus.CounterVec
	durations *prometheus.HistogramVec
}

func newMetrics() *metrics {
	return &metrics{
		probes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gslb_health_probes_total",
			Help: "Probes that have ended. Alert when the rate over all labels is 0 (nothing is probed), " +
				`and on any rate of verdict="indeterminate" (the prober cannot judge: see reason and the log).`,
		}, []string{"check", "kind", "verdict", "reason"}),
		slow: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gslb_health_slow_probes_total",
			Help: "Probes that took longer than slow of their check. Alert when the rate nears that of all probes.",
		}, []string{"check", "kind"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gslb_health_probe_duration_seconds",
			Help: "Time from the start of a probe to its end. Alert when a high quantile nears the check's timeout: " +
				"slow targets are about to fail.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"check", "kind"}),
	}
}

func (s *metrics) register(r prometheus.Registerer, m *Monitor) {
	r.MustRegister(s.probes, s.slow, s.durations, newCollector(m))
}

// forget removes what was counted of a check that no target has any more. Otherwise each name that a check ever
// had would be scraped until the end of the process.
func (s *metrics) forget(check string) {
	labels := prometheus.Labels{"check": check} // of whatever kind it ever was
	s.probes.DeletePartialMatch(labels)
	s.slow.DeletePartialMatch(labels)
	s.durations.DeletePartialMatch(labels)
}

// observe counts a probe that has ended.
func (s *metrics) observe(t *Target, r Result, took time.Duration) {
	kind := t.Spec.Kind()
	s.probes.WithLabelValues(t.Check, kind, r.Verdict.String(), r.Reason).Inc()
	s.durations.WithLabelValues(t.Check, kind).Observe(took.Seconds())
	if t.Slow.After > 0 {
		slow := s.slow.WithLabelValues(t.Check, kind) // there, also before the first
		if r.Notes != nil && r.Notes.Slow {
			slow.Inc()
		}
	}
}

// collector is a prometheus.Collector that reads the monitor at the moment of a scrape, so that
// ages grow even when every probe hangs or the monitor has stopped.
type collector struct {
	monitor                                                     *Monitor
	inFlight, waiting, status, age, stale, lastElapsed, expires *prometheus.Desc
}

func newCollector(m *Monitor) *collector {
	perTarget := []string{"target", "check"}
	return &collector{
		monitor: m,
		inFlight: prometheus.NewDesc("gslb_health_probes_in_flight",
			"Probes under way. Alert when it stays near the number of targets: probes do not end.",
			nil, nil),
		waiting: prometheus.NewDesc("gslb_health_probes_waiting",
			"Probes that are due but wait for others to end, since as many are under way as there may be. "+
				"Alert on more than 0 that lasts: failures are seen late; allow more open files.",
			nil, nil),
		status: prometheus.NewDesc("gslb_health_target_status",
			"What is believed of the target: 1 up, 0 down, -1 unknown. "+
				"Alert on 0, and on -1 that lasts longer than a start takes.",
			perTarget, nil),
		age: prometheus.NewDesc("gslb_health_target_age_seconds",
			"Time since the last verdict (pass or fail) on the target; absent before the first.",
			perTarget, nil),
		stale: prometheus.NewDesc("gslb_health_target_stale",
			"1 if the status of the target rests on a verdict that is too old, three intervals of its check and a timeout, else 0. "+
				"Alert on 1: the status is no longer tested.",
			perTarget, nil),
		lastElapsed: prometheus.NewDesc("gslb_health_target_probe_duration_seconds",
			"Time that the last probe of the target took; absent before the first.",
			perTarget, nil),
		expires: prometheus.NewDesc("gslb_health_target_certificate_expires_timestamp_seconds",
			"When the first certificate of the chain ends that the target has shown; absent without TLS. "+
				"Alert when it is less than two weeks ahead.",
			perTarget, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(descs chan<- *prometheus.Desc) {
	descs <- c.inFlight
	descs <- c.waiting
	descs <- c.status
	descs <- c.age
	descs <- c.stale
	descs <- c.lastElapsed
	descs <- c.expires
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(metrics chan<- prometheus.Metric) {
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	flying, waiting := c.monitor.load()
	gauge(c.inFlight, float64(flying))
	gauge(c.waiting, float64(waiting))
	now := time.Now()
	for _, s := range each(c.monitor, c.monitor.sample) {
		id := string(s.target.ID)
		gauge(c.status, s.status.Gauge(), id, s.target.Check)
		gauge(c.stale, one(now.After(s.staleAt)), id, s.target.Check)
		if !s.judged.IsZero() {
			gauge(c.age, now.Sub(s.judged).Seconds(), id, s.target.Check)
		}
		if s.probed {
			gauge(c.lastElapsed, s.took.Seconds(), id, s.target.Check)
		}
		if !s.expires.IsZero() {
			gauge(c.expires, float64(s.expires.Unix()), id, s.target.Check)
		}
	}
}

// sample is what a scrape reads of an entry.
type sample struct {
	target  *Target
	status  Status
	judged  time.Time
	staleAt time.Time
	took    time.Duration
	probed  bool
	expires time.Time
}

func (m *Monitor) sample(e *entry) sample {
	judged := m.judgedAt(e)
	return sample{e.target, e.state.Status, judged, later(judged, e.begun).Add(e.target.StaleAfter()), e.took, !e.probed.IsZero(), e.expires}
}

// one is 1 for true and 0 for false.
func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// load is how many probes are under way, and how many targets wait for one.
func (m *Monitor) load() (flying, waiting int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.inFlight, len(m.waiting)
}
