package admin

import (
	"testing"

	"gslb/admin/api"
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
