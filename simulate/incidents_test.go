package simulate

import (
	"log/slog"
	"slices"
	"strings"
	"testing/synctest"
	"time"

	"gslb/health"
	"gslb/incident"
	"gslb/steer"
)

// openIncidents makes the book of incidents of a process, which goes on from that of the one before.
func (th *theatre) openIncidents() {
	kept, err := incident.Load(th.dir)
	if err != nil {
		fail("%s: the incidents of the process before can't be read: %v", th.world(), err)
	}
	begun := time.Now()
	monitor, book := th.monitor, th.book
	th.incidents = incident.NewBook(incident.Options{
		Look: func() incident.Look {
			return incident.Look{Now: time.Now(), Begun: begun, Table: th.publisher.Table(), Reports: monitor.Reports(), Doubt: th.publisher.Doubt(), Words: book.Words()}
		},
		Kept: kept, Dir: th.dir, Logger: slog.New(slog.DiscardHandler), Registerer: nowhere{},
	})
}

// seenWithin is how soon a book has seen what is served: it looks when that changes, and a moment after its last look.
const seenWithin = 600 * time.Millisecond

// checkIncidents: what is wrong is told of, and nothing else is.
func (th *theatre) checkIncidents(out *steer.Outcome, changed time.Time) {
	if time.Since(changed) < seenWithin || th.awaits.Load() {
		return
	}
	var lasting []incident.Incident
	for _, i := range th.incidents.List() {
		if i.Until.IsZero() {
			lasting = append(lasting, i)
		}
	}
	tells := func(subject string, kinds ...incident.Kind) bool {
		return slices.ContainsFunc(lasting, func(i incident.Incident) bool {
			return i.Subject == subject && (len(kinds) == 0 || slices.Contains(kinds, i.Kind))
		})
	}
	lost := make(map[string][]string) // the pools of names that have none left, by what tells of these names
	for _, n := range names(out.Set()) {
		for _, d := range out.DecisionsOf(n) {
			if !isEmergency(d.Mode) && d.Mode != steer.Panic {
				continue
			}
			var pools []string
			for p := range d.Route.Steering.Candidates() {
				pools = append(pools, p.Name)
			}
			slices.Sort(pools)
			subject := strings.Join(pools, "+")
			lost[subject] = pools
			if !tells(subject, incident.AllDown) {
				fail("%s: %s is answered %s, and nothing tells of it: %+v", th.world(), n.Name, d.Mode, lasting)
			}
		}
	}
	for _, p := range out.Pools {
		isTold := tells(p.Pool.Name)
		for _, pools := range lost {
			isTold = isTold || slices.Contains(pools, p.Pool.Name)
		}
		if (p.Status == health.Down || !p.Degraded.IsZero()) && !isTold {
			fail("%s: %s is down or degraded, and nothing tells of it: %+v", th.world(), p.Pool.Name, lasting)
		}
	}
	for i := range lasting {
		th.checkIncident(out, &lasting[i], lost)
	}
}

// checkIncident: an incident that lasts is what is so.
func (th *theatre) checkIncident(out *steer.Outcome, i *incident.Incident, lost map[string][]string) {
	at := slices.IndexFunc(out.Pools, func(p *steer.PoolState) bool { return p.Pool.Name == i.Subject })
	wrong := false
	switch i.Kind {
	case incident.AllDown:
		wrong = lost[i.Subject] == nil
	case incident.PoolDown, incident.Held:
		wrong = at < 0 || out.Pools[at].Status != health.Down
	case incident.Degraded:
		wrong = at < 0 || out.Pools[at].Degraded.IsZero()
	case incident.MemberDown:
		wrong = at < 0 || !slices.ContainsFunc(out.Pools[at].Members, func(m steer.MemberState) bool { return m.Status == health.Down })
	case incident.Failover, incident.Waiting: // a name has left the pool, or would be answered with it
		wrong = at < 0
	case incident.Blind, incident.Suspect:
		wrong = th.publisher.Doubt().Rule == ""
	}
	if wrong || i.Since.After(time.Now()) {
		fail("%s: this incident lasts: %+v", th.world(), *i)
	}
}

// checkQuiet: when all is well nothing is told of.
func (th *theatre) checkQuiet() {
	p := th.plan
	if p.story == chaos || len(p.acts) > 0 && slices.ContainsFunc(p.acts, func(a act) bool { return a.what == "put" }) ||
		slices.ContainsFunc(p.faults, func(f fault) bool { return f.to > p.calm }) {
		return
	}
	out := th.publisher.Outcome()
	for _, n := range names(out.Set()) {
		if d := out.DecisionsOf(n)[0]; d.Mode != steer.Normal || len(d.Held) > 0 {
			return
		}
	}
	time.Sleep(6 * time.Second)
	synctest.Wait()
	if th.publisher.Outcome() != out {
		return
	}
	for _, i := range th.incidents.List() {
		if i.Until.IsZero() && i.Kind != incident.Waiting {
			fail("%s: all is well, and this incident lasts: %+v", th.world(), i)
		}
	}
}
