package admin

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gslb/admin/api"
	"gslb/incident"
)

// TestIncidentsOnThePage: an incident is one line at the top, and the counts that say the same less well are
// gone; one that ended is folded.
func TestIncidentsOnThePage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := failedOver(time.Now())
		s, _ := w.server()
		list := []incident.Incident{
			{ID: "failover/nyc/1", Kind: incident.Failover, Subject: "nyc", Since: time.Now().Add(-90 * time.Second), Turns: 3,
				Text: "nyc is down: <no answer>; app answers ams", Do: "Look at the load balancer.", Moved: time.Now().Add(20 * time.Second)},
			{ID: "suspect/-/1", Kind: incident.Suspect, Since: time.Now().Add(-5 * time.Hour), Until: time.Now().Add(-4 * time.Hour), Text: "Many targets went silent"},
		}
		s.options.Incidents = func() []incident.Incident { return list }
		page := render(t, s, "/")
		if want := "▲ ns1.example.net: nyc is down: <no answer>; app answers ams"; page.title != want {
			t.Errorf("title %q, want %q", page.title, want)
		}
		wantText(t, "the page", page.text,
			"nyc is down: <no answer>; app answers ams began 1 min 30 s ago all clients will have moved in 20 s 3 turns Look at the load balancer. What to do",
			"1 incident ended in the last 24 hours", "Many targets went silent ended 4 h 0 min ago")
		for _, count := range []string{"pool is down", "name is not answered", "target is down", "All is well"} {
			if strings.Contains(page.text, count) {
				t.Errorf("the page says %q as well", count)
			}
		}
		if body := get(t, s, "/").Body.String(); !strings.Contains(body, `href="/runbook#failover"`) {
			t.Error("the incident does not lead to the runbook")
		}

		list = list[1:]
		time.Sleep(shareLongest)
		if page := render(t, s, "/"); strings.Contains(page.text, "All is well") || !strings.Contains(page.text, "1 pool is down") {
			t.Errorf("without an incident that lasts the page does not say what is wrong:\n%s", page.text)
		}
	})
}

// TestNotesFold: what is answered stays in sight, however much there is to say. What is critical does not
// fold.
func TestNotesFold(t *testing.T) {
	w := newWorld(time.Now())
	w.publish(time.Now())
	for range 5 {
		w.waiting = append(w.waiting, "waiting for a target")
	}
	s, _ := w.server()
	var p page
	p.Status = s.status(s.observe())
	s.matters(&p, s.observe())
	if len(p.Notes) != notesPage || len(p.Folded) != 5-notesPage {
		t.Errorf("%d notes and %d folded", len(p.Notes), len(p.Folded))
	}
	w.waiting = append(w.waiting, answersMissing)[3:]
	s.options.Incidents = func() []incident.Incident { return []incident.Incident{{Kind: incident.Unsaved, Text: "unsaved"}} }
	p = page{Status: s.status(s.observe())}
	s.matters(&p, s.observe())
	if len(p.Notes) != 1 || !p.Notes[0].Critical || len(p.Folded) != 2 || p.IsWell() {
		t.Errorf("with an incident: notes %+v, folded %+v", p.Notes, p.Folded)
	}
}

// TestTitleIsOfTheWorst: which server needs a person is seen from the tabs.
func TestTitleIsOfTheWorst(t *testing.T) {
	warn, bad := api.Trouble{Text: "note"}, api.Trouble{Text: "bad note", Critical: true}
	for want, p := range map[string]page{
		"gslb: all is well":           {},
		"▲ gslb: one":                 {Incidents: []incident.Incident{{Text: "one"}}, Notes: []api.Trouble{warn}},
		"✖ gslb: two":                 {Incidents: []incident.Incident{{Text: "two", Critical: true}}, Notes: []api.Trouble{bad}},
		"✖ gslb: bad note":            {Incidents: []incident.Incident{{Text: "one"}}, Notes: []api.Trouble{bad}},
		"▲ gslb: note":                {Notes: []api.Trouble{warn}},
		"◆ gslb: 1 override in force": {Overrides: &api.OverrideList{Total: 1}},
	} {
		if got := p.Title(); got != want {
			t.Errorf("title %q, want %q", got, want)
		}
	}
}
