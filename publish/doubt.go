package publish

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gslb/alias"
	"gslb/health"
	"gslb/safety"
	"gslb/zones"
)

// doubter has a guard judge each snapshot before steering sees it.
type doubter struct {
	guard *safety.Guard
	set   *zones.Set // and hosts: those whose targets the guard knows
	hosts *alias.Addresses
	told  safety.Doubt // that listeners know of; the zero value: none

	active, held *prometheus.GaugeVec
}

func newDoubter(m safety.Memory, r prometheus.Registerer) *doubter {
	d := &doubter{
		guard: safety.NewGuard(m),
		active: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gslb_safety_active",
			Help: "1 while the rule says that this server does not believe its own probes. Alert on 1: look at its network.",
		}, []string{"rule"}),
		held: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gslb_safety_held_targets",
			Help: "Targets whose status is held up by the rule, although their probes fail.",
		}, []string{"rule"}),
	}
	r.MustRegister(d.active, d.held)
	d.measure(safety.Doubt{})
	return d
}

// judge is what is to be believed of a snapshot.
func (d *doubter) judge(set *zones.Set, hosts *alias.Addresses, raw *health.Snapshot, now time.Time) safety.Judgement {
	if d.set != set || d.hosts != hosts {
		d.set, d.hosts = set, hosts
		d.guard.Use(set.Safety, guarded(set, hosts))
	}
	judgement := d.guard.Next(raw, now)
	d.measure(judgement.Doubt)
	return judgement
}

func (d *doubter) measure(doubt safety.Doubt) {
	for _, rule := range []string{safety.Blind, safety.Suspect} {
		active, held := 0, 0
		if doubt.Rule == rule {
			active, held = 1, len(doubt.Targets)
		}
		d.active.WithLabelValues(rule).Set(float64(active))
		d.held.WithLabelValues(rule).Set(float64(held))
	}
}

// guarded is the targets of a configuration, with those of the addresses that aliases have.
func guarded(set *zones.Set, hosts *alias.Addresses) []health.Target {
	list := set.Targets[:len(set.Targets):len(set.Targets)]
	for _, pool := range set.Pools {
		if pool.Alias == "" {
			continue
		}
		for _, addr := range hosts.Of(pool.Alias).Addresses {
			if targets, err := pool.Apply(addr); err == nil { // otherwise it is not probed either
				list = append(list, targets...)
			}
		}
	}
	return list
}

// changes tells that a rule begins to hold statuses, or ends.
func (d *doubter) changes(doubt safety.Doubt, at time.Time) []Event {
	was := d.told
	d.told = doubt
	if was.Rule == doubt.Rule {
		return nil
	}
	var list []Event
	if was.Rule != "" {
		list = append(list, Event{At: at, Hold: &HoldChange{Rule: was.Rule, Over: true, Since: was.Since, Targets: was.Targets,
			Why: "the statuses are what the probes say again"}})
	}
	if doubt.Rule != "" {
		list = append(list, Event{At: at, Hold: &HoldChange{Rule: doubt.Rule, Since: doubt.Since, Until: doubt.Until, Targets: doubt.Targets, Why: doubt.Why}})
	}
	return list
}
