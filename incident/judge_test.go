package incident

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gslb/health"
	"gslb/override"
	"gslb/safety"
)

const (
	nyc  = health.TargetID("web@203.0.113.10")
	ams1 = health.TargetID("web@198.51.100.10")
	ams2 = health.TargetID("web@198.51.100.11")
	lab  = health.TargetID("web@192.0.2.10")
)

// said is the incidents that last, as a person reads them.
func (d *diary) said() []string {
	var list []string
	for _, i := range d.lasting() {
		mark := ""
		if i.Critical {
			mark = "! "
		}
		list = append(list, fmt.Sprintf("%s%s %s", mark, i.Kind, i.Text))
	}
	return list
}

func drain(pool string, since, until time.Time) override.Override {
	return override.Override{Kind: override.Drain, Pool: pool, Reason: "new kernel", By: "root (socket)", Since: since, Until: until}
}

func report(id health.TargetID, judged time.Time, last health.Result) health.Report {
	return health.Report{
		Target: health.Target{ID: id, Check: "web", Interval: 5 * time.Second, Timeout: 2 * time.Second},
		Judged: judged, Probed: judged, Last: last,
	}
}

// TestJudge: each story is what happens, and what a person is told then.
func TestJudge(t *testing.T) {
	type step struct {
		after time.Duration
		do    func(*world)
		down  []health.TargetID
		want  []string
	}
	unable := health.Result{Verdict: health.Indeterminate, Reason: "credentials", Detail: "the token has expired"}
	stories := map[string][]step{
		"nothing": {{}},
		"a pool that is down, from its first sign to its end": {
			{10 * time.Second, nil, []health.TargetID{nyc}, []string{
				"failover nyc is down since 12:00:10 UTC: web@203.0.113.10: it does not answer; api, app and www answer ams; clients have moved by 12:00:30"}},
			{30 * time.Second, nil, nil, []string{
				"failover nyc is up again, and not answered as usual yet since 12:00:40 UTC; api, app and www answer ams; clients have returned at 12:01:40 UTC; clients have moved by 12:00:30"}},
			{time.Minute, nil, nil, []string{
				"failback-waits nyc is up again, and waits for gslb failback since 12:00:40 UTC; api answers ams; clients have moved by 12:00:30"}},
			{time.Minute, func(w *world) { w.Back = []int{0, 1, 2, 3, 4} }, nil, nil},
		},
		"a pool that nothing is answered with": {
			{time.Second, nil, []health.TargetID{ams1, ams2}, []string{
				"held ams is down since 12:00:01 UTC: web@198.51.100.10: it does not answer; 1 name answers it until 12:00:31 UTC (failover_after)"}},
			{30 * time.Second, nil, []health.TargetID{ams1, ams2}, []string{
				"failover ams is down since 12:00:01 UTC: web@198.51.100.10: it does not answer; slow answers nyc; clients have moved by 12:00:51"}},
		},
		"a member": {
			{time.Second, nil, []health.TargetID{ams2}, []string{
				"member-down 1 of the 2 members of ams is down since 12:00:01 UTC: web@198.51.100.11: it does not answer"}},
			{time.Second, nil, []health.TargetID{ams1, ams2}, []string{
				"held ams is down since 12:00:02 UTC: web@198.51.100.10: it does not answer; 1 name answers it until 12:00:32 UTC (failover_after)"}},
		},
		"no pool is left: one incident, not three": {
			{time.Minute, nil, []health.TargetID{lab}, []string{
				"! all-down lab has no pool left since 12:01:00 UTC: lab: web@192.0.2.10: it does not answer; answered as if all were up: lab"}},
		},
		"no pool is left, one after the other": {
			{time.Second, nil, []health.TargetID{nyc}, []string{
				"failover nyc is down since 12:00:01 UTC: web@203.0.113.10: it does not answer; api, app and www answer ams; clients have moved by 12:00:21"}},
			{time.Minute, nil, []health.TargetID{nyc, ams1, ams2}, []string{
				"! all-down api, app and www have no pool left since 12:01:01 UTC: nyc: web@203.0.113.10: it does not answer; ams: web@198.51.100.10: it does not answer; answered as if all were up: ams",
				"pool-down nyc is down since 12:00:01 UTC"}}, // it began before; that ams is down is part of the other
		},
		"a drain": {
			{time.Second, func(w *world) { w.Words = []override.Override{drain("nyc", w.Now, w.Now.Add(time.Hour))} }, nil, []string{
				"failover nyc is drained since 12:00:01 UTC: by root (socket) until 2026-01-02T13:00:01Z: new kernel; api, app and www answer ams; clients have moved by 12:00:21"}},
			{55 * time.Minute, nil, nil, []string{
				"override-ending Override drain/nyc is about to end since", "failover nyc is drained"}},
		},
		"a drain without an end": {
			{time.Second, func(w *world) { w.Words = []override.Override{drain("nyc", w.Now, time.Time{})} }, nil, []string{
				"failover nyc is drained since 12:00:01 UTC: by root (socket): new kernel; api, app and www answer ams; it lasts until somebody ends it; clients have moved by 12:00:21"}},
		},
		"a drain that moves nobody": {
			{time.Second, func(w *world) { w.Words = []override.Override{drain("lab", w.Now, time.Time{})} }, nil, []string{
				"! all-down lab has no pool left"}},
		},
		"the probes are not believed": {
			{time.Second, func(w *world) {
				w.look.Doubt = safety.Doubt{Rule: safety.Suspect, Since: noon, Until: noon.Add(time.Minute), Targets: []health.TargetID{nyc, ams1}, Why: "2 of 4 went silent"}
			}, nil, []string{"! suspect 2 targets are not believed to be down since 12:00:00 UTC: 2 of 4 went silent; the statuses stay until 12:01:00"}},
			{time.Second, func(w *world) { w.look.Doubt = safety.Doubt{Rule: safety.Blind, Since: noon, Why: "3 of 3"} }, nil, []string{
				"! blind This server is blind since 12:00:00 UTC: 3 of 3; its failing verdicts do not count, and what was answered stays"}},
		},
		"targets that cannot be judged": {
			{7 * time.Second, func(w *world) { w.look.Reports = []health.Report{report(nyc, noon, unable), report(lab, noon, unable)} }, nil, nil},
			{2 * time.Second, nil, nil, []string{"unjudged 2 targets could not be judged since 12:00:00 UTC: web@203.0.113.10: the token has expired; their statuses stay"}},
			{time.Minute, nil, nil, []string{"! unjudged 2 targets could not be judged since 12:00:00 UTC: web@203.0.113.10: the token has expired; their statuses are guesses"}},
		},
		"targets that nobody probes": {
			{18 * time.Second, func(w *world) {
				w.look.Reports = []health.Report{report(nyc, noon, health.Result{Verdict: health.Pass})}
			}, nil, []string{"! stale 1 target has had no verdict since 12:00:00 UTC: no probe has ended in time; their statuses are guesses"}},
		},
		"a certificate": {
			{time.Second, func(w *world) {
				r := report(nyc, w.Now, health.Result{Verdict: health.Pass})
				r.State.Expiring = noon.Add(48 * time.Hour)
				other := r
				other.Target.ID = lab
				w.look.Reports = []health.Report{r, other}
				w.look.Certificate = noon.Add(-time.Hour)
			}, nil, []string{
				"certificate The certificate of this server's page and API must be renewed since 12:00:01 UTC: it has ended at 2026-01-02 11:00:00 UTC",
				"certificate The certificate of web@203.0.113.10 and 1 other target must be renewed since 12:00:01 UTC: it ends at 2026-01-04 12:00:00 UTC",
			}},
		},
		"the configuration": {
			{time.Second, func(w *world) { w.look.Refused = Refusal{Path: "zones.toml", Why: "pools.nyc: no members"} }, nil, []string{
				"! reload-refused The last reload of the configuration failed at 12:00:01 UTC: pools.nyc: no members; the one before (HASH, loaded at 12:00:00 UTC) goes on serving"}},
			{time.Second, func(w *world) {
				w.look.Refused, w.look.Waits = Refusal{}, Waits{Path: "zones.toml", Since: noon, Moved: 3, Names: 4, Over: 20}
			}, nil, []string{"! reload-pending A configuration waits for gslb apply since 12:00:00 UTC: it answers 3 of 4 names otherwise, more than 20 %; the one before goes on serving"}},
		},
		"a fault of the program": {
			{time.Second, func(w *world) {
				w.look.Faults = []Fault{{Kind: Unsaved, Subject: "/var/lib/gslb", What: "events can't be written", Over: "events are written again", Why: errors.New("no space").Error()}}
			}, nil, []string{"unsaved events can't be written since 12:00:01 UTC: no space"}},
		},
	}
	for name, story := range stories {
		t.Run(name, func(t *testing.T) {
			d := newDiary(newWorld(t, twoRegions), Kept{})
			d.write(nil)
			for i, s := range story {
				for until := d.Now.Add(s.after); d.Now.Before(until); d.Now = d.Now.Add(min(lookEvery, until.Sub(d.Now))) {
					d.write(nil)
				}
				if s.do != nil {
					s.do(d.world)
				}
				d.write(d.turn(0, s.down...))
				got := d.said()
				for j := range min(len(got), len(s.want)) { // a want may be the beginning
					got[j] = strings.ReplaceAll(got[j], d.Table.Set().Hash[:12], "HASH")
					if len(s.want[j]) < len(got[j]) && got[j][:len(s.want[j])] == s.want[j] {
						got[j] = s.want[j]
					}
				}
				for _, in := range d.lasting() { // what a person has said is told with its id, and nothing else is
					if said := strings.Contains(in.Why, "by root (socket)") && in.Kind != AllDown; said != (in.Override == "drain/"+in.Subject || in.Override == in.Subject) {
						t.Errorf("step %d: the override of %q is %q", i+1, in.Text, in.Override)
					}
				}
				if diff := cmp.Diff(s.want, got); diff != "" {
					t.Errorf("step %d (-want +got):\n%s", i+1, diff)
				}
			}
		})
	}
}
