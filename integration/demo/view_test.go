package main

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

func TestViewLines(t *testing.T) {
	v := view{answers: []reply{
		{"app.gslb.example.com.", answerOf(t, dns.RcodeSuccess, "app.gslb.example.com. 5 A 127.0.0.12")},
		{"www.gslb.example.com.", answerOf(t, dns.RcodeServerFailure)},
		{"api.gslb.example.com.", nil},
	}}
	err := json.Unmarshal([]byte(`{
		"pools": [
			{"name": "ams", "region": "eu-west-1", "status": "up", "targets": ["table@eu-west-1"],
			 "members": [{"address": "127.0.0.12", "targets": ["web@127.0.0.12"]}]},
			{"name": "nyc", "region": "us-east-1", "status": "down", "targets": ["table@us-east-1"],
			 "members": [{"address": "127.0.0.11", "targets": ["web@127.0.0.11"]}]}],
		"targets": [
			{"id": "table@eu-west-1", "status": "up", "last": {"verdict": "indeterminate", "reason": "credentials"}},
			{"id": "web@127.0.0.12", "status": "up", "last": {"verdict": "pass", "reason": "ok"}},
			{"id": "table@us-east-1", "status": "up", "turning": true, "last": {"verdict": "fail", "reason": "timeout"}},
			{"id": "web@127.0.0.11", "status": "unknown", "last": null}]}`), &v.status)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"ams      [up]up       eu-west-1   table@eu-west-1 up (indeterminate: credentials), web@127.0.0.12 up",
		"nyc      [down]down     us-east-1   table@us-east-1 up, turning (fail: timeout), web@127.0.0.11 unknown",
		"app.gslb.example.com → 127.0.0.12 (ams), ttl 5 s",
		"www.gslb.example.com → no address (SERVFAIL)",
		"api.gslb.example.com → no reply",
	}
	paint := func(status, text string) string { return "[" + status + "]" + text }
	if diff := cmp.Diff(want, v.lines(paint)); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
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
