package incident

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"gslb/health"
	"gslb/internal/plural"
	"gslb/override"
	"gslb/safety"
)

// doubt finds that the probes are not believed.
func (j *judgement) doubt() []finding {
	d := &j.Doubt
	f := finding{key: d.Rule, subject: d.Rule, critical: true, since: d.Since, why: d.Why}
	switch d.Rule {
	case "":
		return nil
	case safety.Blind:
		f.kind, f.what, f.over = Blind, "This server is blind", "This server sees again"
		f.then = "its failing verdicts do not count, and what was answered stays"
		f.do = "look at the network of this server; others may see more"
	default:
		f.kind, f.over = Suspect, "The verdicts count again"
		f.what = plural.Of(len(d.Targets), "target is", "targets are") + " not believed to be down"
		f.then = "the statuses stay"
		if !d.Until.IsZero() {
			f.then += " until " + j.clock(d.Until) + " UTC"
		}
		f.do = "look whether this server's network has a fault; if the targets are down indeed: gslb force down POOL"
	}
	return []finding{f}
}

// targets finds what the probes cannot say: verdicts that are too old, and why there are no newer ones; and
// certificates that end.
//
//	the last probe     │ the last verdict is               │ then the target is
//	───────────────────┼───────────────────────────────────┼─────────────────────────────
//	could not judge    │ stale                             │ unjudged, by its reason, and
//	                   │                                   │ that is critical
//	could not judge    │ older than an interval, a timeout │ unjudged, by its reason
//	                   │ and a second                      │
//	anything else      │ stale                             │ stale, which is critical
//	anything else      │ anything else                     │ neither
//
// What no pool depends on is never critical. After a pause of this process, which a person or the host stopped,
// nothing begins until one of the targets has had the time of a round.
func (j *judgement) targets() []finding {
	type group struct {
		first    *health.Report
		n        int
		critical bool
		since    time.Time
		sure     bool // that it is not due to a pause alone
	}
	stale, unjudged, certificates := new(group), make(map[string]*group), make(map[string]*group)
	into := func(groups map[string]*group, key string) *group {
		if groups[key] == nil {
			groups[key] = new(group)
		}
		return groups[key]
	}
	for i := range j.Reports {
		r := &j.Reports[i]
		reference := latest(r.Judged, latest(j.Begun, j.Table.Set().Loaded))
		if !r.Judged.IsZero() && !r.Restored {
			reference = r.Judged
		}
		age := j.Now.Sub(reference)
		isStale := r.State.Stale || age > r.Target.StaleAfter()
		round := r.Target.Interval + r.Target.Timeout + staleMargin
		var g *group
		switch {
		case !r.Probed.IsZero() && r.Last.Verdict == health.Indeterminate:
			if isStale || age > round {
				g = into(unjudged, r.Last.Reason)
			}
		case isStale:
			g = stale
		}
		if g != nil {
			g.n++
			g.critical = g.critical || isStale && !r.Target.Aside
			g.sure = g.sure || j.Now.Sub(j.Resumed) > round
			if g.first == nil || reference.Before(g.since) {
				g.first, g.since = r, reference
			}
		}
		if until := r.State.Expiring; !until.IsZero() {
			g := into(certificates, fmt.Sprintf("%s/%d", r.Target.Check, until.Unix()))
			if g.n++; g.first == nil {
				g.first = r
			}
		}
	}
	var list []finding
	if stale.n > 0 {
		list = append(list, finding{
			key: "stale", kind: Stale, subject: string(stale.first.Target.ID), critical: stale.critical, since: stale.since, early: !stale.sure,
			what: plural.Of(stale.n, "target has", "targets have") + " had no verdict", why: "no probe has ended in time",
			then: "their statuses are guesses", do: "look at the load of this host and at the log; if nothing helps, restart gslb",
			over: "Every target has a fresh verdict again",
		})
	}
	for _, reason := range slices.Sorted(maps.Keys(unjudged)) {
		g := unjudged[reason]
		f := finding{
			key: "unjudged/" + reason, kind: Unjudged, subject: cmp.Or(reason, "unknown"), critical: g.critical, since: g.since, early: !g.sure,
			what: plural.Of(g.n, "target", "targets") + " could not be judged", why: string(g.first.Target.ID) + ": " + cmp.Or(g.first.Last.Detail, reason),
			then: "their statuses stay", do: "mend what the reason names: it lies on this server's side, such as credentials, a resolver, or a limit of this host",
			over: "Targets are judged again",
		}
		if g.critical {
			f.then = "their statuses are guesses"
		}
		list = append(list, f)
	}
	for _, key := range slices.Sorted(maps.Keys(certificates)) {
		g := certificates[key]
		until := g.first.State.Expiring
		f := finding{
			key: "certificate/" + key, kind: Expiry, subject: string(g.first.Target.ID),
			what: "The certificate of " + string(g.first.Target.ID) + " must be renewed",
			why:  j.ends("it", until), do: "renew it there", over: "The certificate of " + string(g.first.Target.ID) + " has been renewed",
		}
		if g.n > 1 {
			f.what = fmt.Sprintf("The certificate of %s and %s must be renewed", g.first.Target.ID, plural.Of(g.n-1, "other target", "other targets"))
		}
		list = append(list, f)
	}
	return list
}

// renewBefore is how early it is said that the certificate of the admin server ends.
const renewBefore = 7 * 24 * time.Hour

// configuration finds what is wrong with the configuration: it was refused, or waits; or the certificate that
// it has of the admin server ends.
func (j *judgement) configuration() []finding {
	var list []finding
	if r := &j.Refused; r.Path != "" {
		live, do := j.Table.Set(), "gslb check "+r.Path+", and mend it"
		if r.Loaded {
			do = "take the change back; or restart gslb, if it needs that: gslb plan " + r.Path + " says what it changes"
		}
		list = append(list, finding{
			key: "reload", kind: Refused, subject: r.Path, critical: true,
			what: "The last reload of the configuration failed", when: " at ", why: r.Why,
			then: fmt.Sprintf("the one before (%.12s, loaded at %s UTC) goes on serving", live.Hash, j.clock(live.Loaded)),
			do:   do, over: "The configuration is reloaded",
		})
	}
	if w := &j.Waits; w.Path != "" {
		list = append(list, finding{
			key: "pending", kind: Pending, subject: w.Path, critical: true, since: w.Since,
			what: "A configuration waits for gslb apply", why: fmt.Sprintf("it answers %d of %s otherwise, more than %d %%", w.Moved, plural.Of(w.Names, "name", "names"), w.Over),
			then: "the one before goes on serving", do: "gslb plan, then gslb apply, or take the change back", over: "No configuration waits",
		})
	}
	if until := j.Certificate; !until.IsZero() && until.Sub(j.Now) < renewBefore {
		list = append(list, finding{
			key: "certificate/admin", kind: Expiry, subject: "admin.cert",
			what: "The certificate of this server's page and API must be renewed", why: j.ends("it", until),
			do: "renew the file that admin.cert names; it is noticed by itself", over: "The certificate of this server's page and API has been renewed",
		})
	}
	return list
}

// ends says when something ends, or has ended.
func (j *judgement) ends(what string, at time.Time) string {
	if at.After(j.Now) {
		return what + " ends at " + at.UTC().Format(time.DateTime) + " UTC"
	}
	return what + " has ended at " + at.UTC().Format(time.DateTime) + " UTC"
}

// warnBefore is how early it is said that an override ends: in the last tenth of its time, an hour at most.
func warnBefore(o *override.Override) time.Duration {
	return min(o.Until.Sub(o.Since)/10, time.Hour)
}

// words finds the overrides that are about to end. Planned moves, which end by themselves, are not told of.
func (j *judgement) words() []finding {
	var list []finding
	all := j.Words.All()
	for i := range all {
		o := &all[i]
		if o.Until.IsZero() || o.Switch != nil || j.Now.Before(o.Until.Add(-warnBefore(o))) {
			continue
		}
		list = append(list, finding{
			key: "override/" + o.ID(), kind: OverrideBy, subject: o.ID(), override: o.ID(), since: o.Until.Add(-warnBefore(o)),
			what: "Override " + o.ID() + " is about to end", why: o.String(),
			then: "what the probes say counts from " + j.clock(o.Until) + " UTC on", do: "say it again with a later end if it is still needed; otherwise nothing",
			over: "Override " + o.ID() + " has ended, or was said again",
		})
	}
	return list
}

func (f *Fault) finding() finding {
	return finding{
		key: string(f.Kind) + "/" + f.Subject, kind: f.Kind, subject: f.Subject, critical: f.Critical, since: f.Since,
		what: f.What, why: f.Why, do: f.Do, over: f.Over,
	}
}
