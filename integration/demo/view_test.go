package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"gslb/integration/parts"
)

func TestViewLines(t *testing.T) {
	v := view{answers: []reply{
		{"app.gslb.example.com.", answerOf(t, dns.RcodeSuccess, "app.gslb.example.com. 5 A 127.0.0.12")},
		{"www.gslb.example.com.", answerOf(t, dns.RcodeServerFailure)},
		{"api.gslb.example.com.", nil},
	}}
	err := json.Unmarshal([]byte(`{
		"config": {"last_reload_error": "pools.nyc.min_up: 3 of 2\nzones: none"},
		"names": [
			{"name": "app.gslb.example.com.", "mode": "normal"},
			{"name": "www.gslb.example.com.", "mode": "servfail"}],
		"pools": [
			{"name": "ams", "region": "eu-west-1", "status": "up", "targets": ["table@eu-west-1"],
			 "members": [{"address": "127.0.0.12", "targets": ["web@127.0.0.12"]}]},
			{"name": "nyc", "region": "us-east-1", "status": "down", "targets": ["table@us-east-1"],
			 "members": [{"address": "127.0.0.11", "targets": ["web@127.0.0.11"]}]}],
		"targets": [
			{"id": "table@eu-west-1", "status": "up", "last": {"verdict": "indeterminate", "reason": "credentials"}},
			{"id": "web@127.0.0.12", "status": "up", "last": {"verdict": "pass", "reason": "ok"}},
			{"id": "table@us-east-1", "status": "up", "turning": true, "stale": true, "last": {"verdict": "fail", "reason": "timeout"}},
			{"id": "web@127.0.0.11", "status": "unknown", "last": null}]}`), &v.status)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"[down]zones.toml was refused; what was served before goes on:",
		"  pools.nyc.min_up: 3 of 2",
		"  zones: none",
		"ams      [up]up       eu-west-1   table@eu-west-1 up (indeterminate: credentials), web@127.0.0.12 up",
		"nyc      [down]down     us-east-1   table@us-east-1 up, turning, stale (fail: timeout), web@127.0.0.11 unknown",
		"app.gslb.example.com → 127.0.0.12 (ams), ttl 5 s",
		"www.gslb.example.com → no address (SERVFAIL), [down]mode servfail",
		"api.gslb.example.com → no reply",
	}
	paint := func(status, text string) string { return "[" + status + "]" + text }
	if diff := cmp.Diff(want, v.lines(paint)); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

// TestViewOfReplication is what is shown of copies, and what make fail and make heal wait for.
func TestViewOfReplication(t *testing.T) {
	var v view
	err := errors.Join(
		json.Unmarshal([]byte(`{"pools": [{"name": "ams", "region": "eu-west-1", "status": "up"}, {"name": "nyc", "region": "us-east-1", "status": "up"}]}`), &v.status),
		json.Unmarshal([]byte(`[{"name": "orders", "regions": [
			{"region": "eu-west-1", "condition": "current"},
			{"region": "us-east-1", "condition": "behind", "degraded": true}],
			"lags": [
			{"from": "eu-west-1", "to": "us-east-1", "arrival": "late"},
			{"from": "us-east-1", "to": "eu-west-1", "arrival": "in time"}]}]`), &v.replications))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"copy of orders in eu-west-1: [up]current; what it writes arrives in us-east-1 late",
		"copy of orders in us-east-1: [down]behind, degraded; what it writes arrives in eu-west-1 in time",
	}
	paint := func(status, text string) string { return "[" + status + "]" + text }
	if diff := cmp.Diff(want, v.replications[0].lines(paint)); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	for pool, degraded := range map[string]bool{"nyc": true, "ams": false} {
		if failing := v.stillFailing(pool, parts.ReplicationStopped); (failing == "") != degraded {
			t.Errorf("%s fails still: %q", pool, failing)
		}
		if healing := v.stillHealing(pool, ""); (healing != "") != degraded {
			t.Errorf("%s heals still: %q", pool, healing)
		}
	}
}

// TestStill is what make fail and make heal wait for.
func TestStill(t *testing.T) {
	const down, up = `{"name": "nyc", "status": "down"}`, `{"name": "nyc", "status": "up"}`
	const drained = `{"name": "nyc", "status": "up", "drain": {"reason": "new hardware"}}`
	const forcedDown, forcedUp = `{"name": "nyc", "status": "down", "force": {}}`, `{"name": "nyc", "status": "up", "force": {}}`
	tests := []struct{ pool, name, failing, healing string }{
		{up, `"pool": "nyc", "mode": "normal"`, "pool nyc is up", ""},
		{down, `"pool": "nyc", "mode": "normal"`, "app. is answered with nyc", "pool nyc is down"},
		{down, `"pool": "ams", "mode": "normal"`, "", "pool nyc is down"},
		{down, `"pool": "nyc", "mode": "assume_up"`, "", "pool nyc is down"},
		{down, `"pool": "", "mode": "servfail"`, "", "pool nyc is down"},
		{up, `"pool": "ams", "mode": "normal"`, "pool nyc is up", "app. is answered with ams"},
		{up, `"pool": "ams", "mode": "normal", "revisit": "2026-01-02T03:04:05Z"`, "pool nyc is up",
			"app. stays with ams until its failback_after is over, at " + time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Local().Format(time.TimeOnly)},
		{up, `"pool": "ams", "mode": "pinned"`, "pool nyc is up", ""},
		{up, `"pool": "nyc", "mode": "pinned"`, "pool nyc is up", ""},
		{drained, `"pool": "ams", "mode": "normal"`, "pool nyc is up", ""},
		{down, `"pool": "ams", "mode": "pinned"`, "", "pool nyc is down"},
		{forcedDown, `"pool": "ams", "mode": "normal"`, "", ""},
		{forcedUp, `"pool": "ams", "mode": "normal"`, "pool nyc is up", "app. is answered with ams"},
		{`{}`, `"pool": "ams", "mode": "normal"`, "pool nyc is gone", "pool nyc is gone"},
	}
	for _, tt := range tests {
		var v view
		text := `{"pools": [` + tt.pool + `], "names": [{"name": "app.", "preferred_pool": "nyc", ` + tt.name + `}]}`
		if err := json.Unmarshal([]byte(text), &v.status); err != nil {
			t.Fatal(err)
		}
		if got := v.stillFailing("nyc", parts.LoadBalancerKilled); got != tt.failing {
			t.Errorf("%s: failing waits for %q, want %q", text, got, tt.failing)
		}
		if got, there := v.failed("nyc", parts.LoadBalancerKilled), strings.Contains(tt.name, `"pool": "nyc"`); strings.Contains(got, "nobody is sent there") == there {
			t.Errorf("%s: failed says that it %s", text, got)
		}
		if got := v.stillHealing("nyc", ""); got != tt.healing {
			t.Errorf("%s: healing waits for %q, want %q", text, got, tt.healing)
		}
		byHand := strings.Contains(tt.name, `"ams"`) && (tt.pool == drained || tt.pool == forcedDown || strings.Contains(tt.name, "pinned"))
		if got := v.healed("nyc", ""); strings.Contains(got, "by hand") != byHand {
			t.Errorf("%s: healed says that it %s", text, got)
		}
	}
}

func answerOf(t *testing.T, rcode int, records ...string) *dns.Msg {
	t.Helper()
	msg := &dns.Msg{MsgHdr: dns.MsgHdr{Rcode: rcode}}
	for _, record := range records {
		rr, err := dns.NewRR(record)
		if err != nil {
			t.Fatal(err)
		}
		msg.Answer = append(msg.Answer, rr)
	}
	return msg
}

func TestScreen(t *testing.T) {
	var out bytes.Buffer
	s := newScreen(&out)
	s.now = func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC) }
	s.block([]string{"first", "second " + s.paint("up", "up")})
	s.say("third %d", 3)
	want := "03:04:05.6  first\n            second up\n03:04:05.6  third 3\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("screen (-want +got):\n%s", diff)
	}
}
