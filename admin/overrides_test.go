package admin

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gslb/admin/api"
	"gslb/incident"
	"gslb/override"
)

// A move is aborted as long as that is possible, and then its pin can be ended.
func TestEnding(t *testing.T) {
	const abort, end = "/act?do=abort&name=app.example.com.", "/act?do=end&id=pin%2Fapp.example.com."
	for _, test := range []struct {
		phase         api.Phase
		plain, copied string // without replicated data, and with it
	}{
		{api.SwitchLowersTTL, abort, abort},
		{api.SwitchStopsWrites, abort, abort},
		{api.SwitchWritesMarks, abort, abort},
		{api.SwitchAwaitsMarks, abort, abort},
		{api.SwitchAcceptsWrites, "", ""},
		{api.SwitchResumesWrites, "", ""},
		{api.SwitchWatches, abort, end},
		{api.SwitchDone, end, end},
	} {
		o := api.Override{ID: "pin/app.example.com.", Kind: override.Pin, Name: "app.example.com.", Switch: &api.Switch{Phase: test.phase}}
		if got := ending(&o); got != test.plain || aborts(got) != (got == abort) {
			t.Errorf("%s: %q, want %q", test.phase, got, test.plain)
		}
		o.Switch.Replication = "orders"
		if got := ending(&o); got != test.copied {
			t.Errorf("%s of replicated data: %q, want %q", test.phase, got, test.copied)
		}
		row := nameRow{Choices: 2, Pin: &o}
		if got := row.CanMove(); got != (test.phase == api.SwitchWatches || test.phase == api.SwitchDone) {
			t.Errorf("%s: it can be moved: %t", test.phase, got)
		}
	}
	if got := ending(&api.Override{ID: "drain/nyc"}); got != "/act?do=end&id=drain%2Fnyc" {
		t.Errorf("a drain: %q", got)
	}
}

// TestOverridesAreToldOnce: what an incident tells of an override is not said again beside it, and what no incident
// tells is.
func TestOverridesAreToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		w := newWorld(now)
		w.publish(now)
		w.incidents = []incident.Incident{{
			ID: "pool/nyc/1", Kind: incident.Failover, Subject: "nyc", Override: "drain/nyc", Since: now.Add(-time.Minute),
			Text: "nyc is drained since 23:59:00 UTC: by ada (socket): new disks; app answers ams",
		}}
		s, f := operated(w)
		drain := api.Override{ID: "drain/nyc", Kind: override.Drain, Pool: "nyc", By: "ada (socket)", Reason: "new disks", Since: now.Add(-time.Minute)}
		pin := api.Override{ID: "pin/www.gslb.example.com.", Kind: override.Pin, Name: "www.gslb.example.com.", Pool: "ams", By: "ada (socket)", Reason: "a test", Since: now}
		for _, tt := range []struct {
			said []api.Override
			want []api.Trouble
			word string // among what stands beside the incidents
		}{
			{[]api.Override{drain}, []api.Trouble{{Text: w.incidents[0].Text, Incident: "pool/nyc/1", Override: "drain/nyc"}}, ""},
			{[]api.Override{drain, pin}, []api.Trouble{
				{Text: w.incidents[0].Text, Incident: "pool/nyc/1", Override: "drain/nyc"},
				{Text: "Override: " + overrideText(&pin), Override: pin.ID},
			}, "1 override in force"},
		} {
			f.said = tt.said
			time.Sleep(shareLongest)
			f.asked = 0
			page := render(t, s, "/")
			if f.asked != 1 {
				t.Errorf("a page asks %d times for the overrides", f.asked)
			}
			if said := strings.Contains(page.text, "override in force"); said != (tt.word != "") {
				t.Errorf("overrides are said beside the incidents: %t, want %q", said, tt.word)
			}
			wantText(t, "the page", page.text, tt.word, w.incidents[0].Text, "End it What to do")
			if diff := cmp.Diff(tt.want, s.status(s.observe()).Problems); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		}
	})
}
