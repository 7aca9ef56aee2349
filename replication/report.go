package replication

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Lag is by how much the writes of one region are late in another.
type Lag struct {
	From, To string
	Lag      time.Duration
	Known    bool // otherwise Lag says nothing
	Arrival  Arrival
	Read     time.Time // when the last reading through To ended that saw, or did not see, what From has; zero: none
}

// Lags are several ways.
type Lags []Lag

// String names the lags for people: "us-east-1 → eu-west-1 45s, eu-west-1 → us-east-1 0s".
func (l Lags) String() string {
	var list []string
	for i := range l {
		list = append(list, l[i].From+" → "+l[i].To+" "+l[i].Text())
	}
	return strings.Join(list, ", ")
}

// Text is the lag for people: "45s", "unknown".
func (l *Lag) Text() string {
	switch {
	case !l.Known:
		return "unknown"
	case l.Lag >= 10*time.Second:
		return l.Lag.Round(time.Second).String()
	}
	return l.Lag.Round(100 * time.Millisecond).String()
}

// Report is what is known of a group.
type Report struct {
	Group   *Group
	Regions []RegionReport // as in Group.Regions
	Lags    Lags           // by From and To
}

// RegionReport is what is known of a region of a group.
type RegionReport struct {
	Region    string
	State     State
	Wrote     time.Time // when its last heartbeat was acknowledged; zero: none was
	Read      time.Time // when something was last read through its endpoint; zero: nothing was
	Unread    bool      // the last reading failed
	Unwritten bool      // its last heartbeat was not acknowledged
}

// Reports is what is known of every group at this moment, by name.
func (b *Book) Reports() []Report {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	list := make([]Report, 0, len(b.groups))
	for _, g := range b.groups {
		report := Report{Group: g.Group, Lags: g.lags("", now)}
		for i, name := range g.Regions {
			r := &g.regions[i]
			report.Regions = append(report.Regions, RegionReport{
				Region: name, State: b.states[Region{g.Name, name}], Wrote: r.wrote, Read: r.read,
				Unread: !r.unread.IsZero(), Unwritten: !r.unwritten.IsZero(),
			})
		}
		list = append(list, report)
	}
	slices.SortFunc(list, func(a, b Report) int { return cmp.Compare(a.Group.Name, b.Group.Name) })
	return list
}

// lags is the lags at a time of the ways into a region and out of it; without a region, of all.
func (g *group) lags(region string, now time.Time) Lags {
	var list Lags
	for i, from := range g.Regions {
		for j, to := range g.Regions {
			if i == j || region != "" && from != region && to != region {
				continue
			}
			e := &g.edges[i][j]
			lag, known := e.lag(now, g.MaxLag)
			list = append(list, Lag{From: from, To: to, Lag: lag, Known: known, Arrival: e.arrival, Read: e.read})
		}
	}
	return list
}

// collector makes the metrics of a Book.
type collector struct{ book *Book }

var (
	descLag = prometheus.NewDesc("gslb_replication_lag_seconds",
		"By how much the writes of one region are late in another; none where it is not known.", []string{"replication", "from", "to"}, nil)
	descDegraded = prometheus.NewDesc("gslb_replication_degraded",
		"Whether the copy of a region is degraded, so that no clients are moved to it: 1 or 0.", []string{"replication", "region"}, nil)
	descCondition = prometheus.NewDesc("gslb_replication_condition",
		"1 for the condition that a region's copy is in.", []string{"replication", "region", "condition"}, nil)
	descWritten = prometheus.NewDesc("gslb_replication_heartbeat_timestamp_seconds",
		"When the last heartbeat of a region was acknowledged, as Unix time.", []string{"replication", "region"}, nil)
)

// Describe implements prometheus.Collector.
func (collector) Describe(ch chan<- *prometheus.Desc) {
	ch <- descLag
	ch <- descDegraded
	ch <- descCondition
	ch <- descWritten
}

// Collect implements prometheus.Collector. Lags are as they are at this moment, so that they grow while nothing
// arrives.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	for _, report := range c.book.Reports() {
		name := report.Group.Name
		for _, l := range report.Lags {
			if l.Known {
				gauge(descLag, l.Lag.Seconds(), name, l.From, l.To)
			}
		}
		for _, r := range report.Regions {
			degraded := 0.0
			if r.State.Degraded {
				degraded = 1
			}
			gauge(descDegraded, degraded, name, r.Region)
			gauge(descCondition, 1, name, r.Region, r.State.Condition.String())
			if !r.Wrote.IsZero() {
				gauge(descWritten, float64(r.Wrote.UnixNano())/1e9, name, r.Region)
			}
		}
	}
}
