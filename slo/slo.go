// Package slo counts what objectives of service are measured by: how often clients were moved, and why, how
// long names were answered in each mode, and how long a failure took to show in an answer.
package slo

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gslb/answer"
	"gslb/publish"
	"gslb/steer"
	"gslb/zones"
)

// Names beyond these, in the order of the configuration, are counted together.
const (
	mostNames = 1000
	others    = "other"
)

// Counts is a listener to what is published, and a collector of metrics. It is safe for concurrent use.
type Counts struct {
	table     func() *answer.Table
	failovers *prometheus.CounterVec
	failbacks *prometheus.CounterVec
	took      prometheus.Histogram

	mu     sync.Mutex
	set    *zones.Set
	known  map[string]*zones.Name            // that have series of their own
	beside []int                             // how many other names there are, by Steering.Index
	since  time.Time                         // since when the modes are those below
	modes  map[string]steer.Mode             // of the known names
	rest   map[steer.Mode]int                // how many of the other names there are, by mode
	spent  map[string]map[steer.Mode]float64 // seconds, by name
}

// New makes counts of what a publisher serves; table returns nil before the first table. As with
// prometheus.MustRegister, giving two the same Registerer panics.
func New(table func() *answer.Table, r prometheus.Registerer) *Counts {
	vec := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "gslb", Name: name, Help: help}, []string{"name", "cause"})
	}
	c := &Counts{
		table: table,
		failovers: vec("failovers_total",
			"How often clients of a name were moved away from a pool, by the cause: down, drain, pin or configuration. Names after the first 1000 are other."),
		failbacks: vec("failbacks_total",
			"How often clients of a name returned to a pool that is preferred, by the cause: recovered, drain, pin, command or configuration."),
		took: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "gslb", Name: "failover_duration_seconds",
			Help:                            "Time from the first failed probe of a pool to the answer without it.",
			Buckets:                         []float64{0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300},
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  100,
			NativeHistogramMinResetDuration: time.Hour,
		}),
		spent: make(map[string]map[steer.Mode]float64),
	}
	r.MustRegister(c.failovers, c.failbacks, c.took, c)
	return c
}

// Notice takes what was published.
func (c *Counts) Notice(events []publish.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.advance(time.Now())
	for i := range events {
		if change := events[i].Answer; change != nil {
			c.count(events[i].At, change)
		}
	}
}

// count counts one change. The caller holds mu.
func (c *Counts) count(at time.Time, change *publish.AnswerChange) {
	if !change.Failed.IsZero() {
		c.took.Observe(max(0, at.Sub(change.Failed).Seconds()))
	}
	vec, cause := c.failovers, ""
	switch to, why := moveOf(change); to {
	case stayed:
		return
	case came:
		vec, cause = c.failbacks, why
	case left:
		cause = why
	}
	rest := 0
	for _, name := range change.Names {
		if c.known[name.Name] != nil {
			vec.WithLabelValues(name.Name, cause).Inc()
		} else {
			rest++
		}
	}
	if rest > 0 {
		vec.WithLabelValues(others, cause).Add(float64(rest))
	}
}

// advance adds the time since the last call to the modes of that time, and looks which they are now. The
// caller holds mu.
func (c *Counts) advance(now time.Time) {
	passed := max(0, now.Sub(c.since).Seconds())
	if c.set != nil {
		for name, mode := range c.modes {
			c.spend(name, mode, passed)
		}
		for mode, n := range c.rest {
			c.spend(others, mode, passed*float64(n))
		}
	}
	c.since = now
	table := c.table()
	if table == nil {
		return
	}
	if table.Set() != c.set {
		c.use(table.Set())
	}
	c.modes, c.rest = make(map[string]steer.Mode, len(c.known)), make(map[steer.Mode]int)
	shared := make([]steer.Mode, len(c.set.Steerings))
	for _, d := range table.Decisions() {
		at := d.Route.Steering.Index
		shared[at] = worse(shared[at], d.Mode)
	}
	for _, name := range c.known {
		c.modes[name.Name] = shared[name.Steering.Index]
	}
	for at, n := range c.beside {
		c.rest[shared[at]] += n
	}
	for _, a := range table.Apart() {
		var mode steer.Mode
		for _, d := range a.Decisions {
			mode = worse(mode, d.Mode)
		}
		if c.known[a.Name.Name] != nil {
			c.modes[a.Name.Name] = mode
		} else {
			c.rest[shared[a.Name.Steering.Index]]--
			c.rest[mode]++
		}
	}
}

// worse is the mode of two that is worse for clients; empty: none yet.
func worse(a, b steer.Mode) steer.Mode {
	if a == "" || b.Severity() > a.Severity() {
		return b
	}
	return a
}

func (c *Counts) spend(name string, mode steer.Mode, seconds float64) {
	of := c.spent[name]
	if of == nil {
		of = make(map[steer.Mode]float64)
		c.spent[name] = of
	}
	of[mode] += seconds
}

// use takes the names of another configuration. Series of names that are no more, or are among the others now,
// go.
func (c *Counts) use(set *zones.Set) {
	was := c.known
	c.set, c.known, c.beside = set, make(map[string]*zones.Name), make([]int, len(set.Steerings))
	for _, zone := range set.Zones {
		for _, name := range zone.Names {
			if len(c.known) == mostNames {
				c.beside[name.Steering.Index]++
				continue
			}
			c.known[name.Name] = name
			if was[name.Name] != nil {
				continue
			}
			// They exist from the start, so that the first failover is an increase.
			for _, cause := range leftCauses {
				c.failovers.WithLabelValues(name.Name, cause)
			}
			for _, cause := range cameCauses {
				c.failbacks.WithLabelValues(name.Name, cause)
			}
		}
	}
	for name := range was {
		if c.known[name] == nil {
			delete(c.spent, name)
			c.failovers.DeletePartialMatch(prometheus.Labels{"name": name})
			c.failbacks.DeletePartialMatch(prometheus.Labels{"name": name})
		}
	}
}

var descSpent = prometheus.NewDesc("gslb_name_mode_seconds_total",
	"How long a name was answered in a mode, of the clients that were worst off; of all names after the first 1000 together: other.", []string{"name", "mode"}, nil)

// Describe implements [prometheus.Collector].
func (c *Counts) Describe(out chan<- *prometheus.Desc) { out <- descSpent }

// Collect implements [prometheus.Collector].
func (c *Counts) Collect(out chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.advance(time.Now())
	for name, modes := range c.spent {
		for mode, seconds := range modes {
			out <- prometheus.MustNewConstMetric(descSpent, prometheus.CounterValue, seconds, name, string(mode))
		}
	}
}
