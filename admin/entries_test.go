package admin

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gslb/health"
	"gslb/journal"
	"gslb/publish"
)

// TestEntries: events of one failover are one entry, which is told by what became of the pool.
func TestEntries(t *testing.T) {
	start := time.Date(2026, 1, 2, 1, 6, 0, 0, time.UTC)
	poolsOf := map[health.TargetID][]string{"web@1": {"nyc"}, "web@2": {"ams"}, "shared": {"nyc", "ams"}}
	event := func(after time.Duration, kind journal.Kind, subject, from, to string) Event {
		return Event{At: start.Add(after), Kind: kind, Subject: subject, From: from, To: to}
	}
	first := func(after time.Duration, subject, to string) Event {
		e := event(after, journal.Answer, subject, "", to)
		e.Changed = publish.FirstAnswer
		return e
	}
	const s = time.Second
	tests := []struct {
		name   string
		events []Event // the oldest first
		want   []string
	}{
		{"none", nil, nil},
		{"a failover", []Event{
			event(0, journal.Target, "web@1", "up", "down"), event(0, journal.Pool, "nyc", "up", "down"),
			event(0, journal.Answer, "app", "nyc", "ams"), event(s, journal.Answer, "www", "nyc 75 % + sfo 25 %", "sfo"),
		}, []string{"pool nyc, moves www app, of 4"}},
		{"two failovers at once", []Event{
			event(0, journal.Pool, "nyc", "up", "down"), event(0, journal.Pool, "ams", "up", "down"),
			event(s, journal.Answer, "app", "nyc", "ams"), event(s, journal.Answer, "www", "ams", "sfo"),
		}, []string{"pool ams, moves www, of 2", "pool nyc, moves app, of 2"}},
		{"a failback that comes at once is part of it", []Event{
			event(0, journal.Pool, "nyc", "up", "down"), event(0, journal.Answer, "app", "nyc", "ams"),
			event(50*s, journal.Pool, "nyc", "down", "up"), event(50*s, journal.Answer, "app", "ams", "nyc"),
		}, []string{"pool nyc, moves app app, of 4"}},
		{"later ones are not", []Event{
			event(0, journal.Pool, "nyc", "up", "down"), event(60*s, journal.Pool, "nyc", "down", "up"),
		}, []string{"pool nyc, moves , of 1", "pool nyc, moves , of 1"}},
		{"a target of two pools belongs to what happens already", []Event{
			event(0, journal.Pool, "ams", "up", "down"), event(0, journal.Target, "shared", "up", "down"),
		}, []string{"pool ams, moves , of 2"}},
		{"others stand alone", []Event{
			event(0, journal.Config, "zones.toml", "", "abc"), event(0, journal.Pool, "nyc", "up", "down"), event(0, journal.Override, "o1", "", "in force"),
			event(0, journal.Target, "gone", "up", "down"),
		}, []string{"target gone, moves , of 1", "override o1, moves , of 1", "pool nyc, moves , of 1", "config zones.toml, moves , of 1"}},
		{"a failover soon after the start is not part of it", []Event{
			event(0, journal.Target, "web@1", "unknown", "up"), event(0, journal.Pool, "nyc", "unknown", "up"), first(0, "app", "nyc"),
			event(20*s, journal.Target, "web@1", "up", "down"), event(20*s, journal.Pool, "nyc", "up", "down"), event(20*s, journal.Answer, "app", "nyc", "ams"),
		}, []string{"pool nyc, moves app, of 3", "pool nyc, moves app, of 3"}},
		{"what was unknown for a time was known before", []Event{
			event(0, journal.Pool, "nyc", "up", "unknown"), {At: start, Kind: journal.Pool, Subject: "nyc", From: "unknown", To: "up", Lasted: 3},
		}, []string{"pool nyc, moves , of 2"}},
		{"what a person says is the cause of what follows, not the recovery before", []Event{
			event(0, journal.Pool, "nyc", "down", "up"), event(0, journal.Answer, "app", "ams", "nyc"),
			event(2*s, journal.Override, "drain/nyc", "", "in force"), event(2*s, journal.Answer, "app", "nyc", "ams"),
			event(3*s, journal.Override, "pin/www", "", "in force"), event(3*s, journal.Answer, "www", "ams", "nyc"),
			event(4*s, journal.Override, "drain/nyc", "in force", ""), event(4*s, journal.Answer, "app", "ams", "nyc"),
			event(5*s, journal.Pool, "nyc", "up", "down"), event(5*s, journal.Answer, "app", "nyc", "ams"),
		}, []string{"pool nyc, moves app app, of 4", "override drain/nyc, moves app, of 2", "override pin/www, moves www, of 2", "override drain/nyc, moves app, of 2"}},
		{"a failback and a configuration are, too", []Event{
			event(0, journal.Failback, "app", "ams", "nyc"), event(0, journal.Answer, "app", "ams", "nyc"),
			event(s, journal.Config, "zones.toml", "", "abc"), event(s, journal.Answer, "www", "nyc", "ams"), event(s, journal.Answer, "app", "nyc", "ams"),
			event(62*s, journal.Answer, "www", "ams", "nyc"),
		}, []string{"answer www, moves , of 1", "config zones.toml, moves app www, of 3", "failback app, moves app, of 2"}},
		{"answers that moved by themselves are no cause", []Event{
			event(0, journal.Answer, "app", "nyc", "ams"), event(s, journal.Target, "web@2", "up", "down"),
		}, []string{"target web@2, moves , of 1", "answer app, moves , of 1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var latestFirst []Event
			for i := range tt.events {
				latestFirst = append(latestFirst, tt.events[len(tt.events)-1-i])
			}
			var got []string
			for _, e := range entriesOf(latestFirst, poolsOf) {
				moves := transform(e.Moves, func(m Event) string { return m.Subject })
				got = append(got, fmt.Sprintf("%s %s, moves %s, of %d", e.Head.Kind, e.Head.Subject, strings.Join(moves, " "), len(e.All)))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("entries (-want +got):\n%s", diff)
			}
		})
	}
}
