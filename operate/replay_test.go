package operate

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gslb/health"
	"gslb/journal"
	"gslb/override"
	"gslb/replication"
)

// incident reads events such as "12:00:05 web@192.0.2.1 up down", "12:00:00 config down=web@192.0.2.1",
// "12:00:00 drain nyc", "12:00:00 undrain nyc", "12:00:00 blind begins" and "12:00:00 blind ends".
func incident(t *testing.T, text string) *Recording {
	t.Helper()
	r := NewRecording()
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		clock, err := time.Parse(time.TimeOnly, words[0])
		if err != nil {
			t.Fatal(err)
		}
		e := journal.Event{At: noon.Truncate(24 * time.Hour).Add(time.Duration(clock.Hour())*time.Hour + time.Duration(clock.Minute())*time.Minute + time.Duration(clock.Second())*time.Second)}
		switch words[1] {
		case "config":
			e.Kind, e.Census = journal.Config, &journal.Census{}
			for _, w := range words[2:] {
				id, _ := strings.CutPrefix(w, "down=")
				e.Census.DownTargets = append(e.Census.DownTargets, health.TargetID(id))
			}
		case "drain", "undrain":
			e.Kind, e.To = journal.Override, "in force"
			e.Override = &override.Override{Kind: override.Drain, Pool: words[2], Reason: "test", Since: e.At}
			if words[1] == "undrain" {
				e.From, e.To = e.To, ""
			}
		case "copy": // orders@east current behind
			e.Kind, e.Subject, e.From, e.To = journal.Copy, words[2], words[3], words[4]
			e.Degraded = e.To != string(replication.Current)
		case "blind":
			e.Kind, e.Rule, e.Targets = journal.Hold, "blind", []health.TargetID{"web@192.0.2.1"}
			if words[2] == "begins" {
				e.To = "in force"
			}
		default:
			e.Kind, e.Subject, e.From, e.To = journal.Target, words[1], words[2], words[3]
		}
		if err := r.Add(&e); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func TestReplay(t *testing.T) {
	archives(t, "replay", func(t *testing.T, file func(string) string) string {
		replayed := incident(t, file("events")).Replay(parse(t, whole(file("zones.toml"))), nil)
		var b strings.Builder
		fmt.Fprintf(&b, "%d events, %d of %d targets known\n", replayed.Events, replayed.Known, replayed.Targets)
		for i := range replayed.Changes {
			c := &replayed.Changes[i]
			from, to := c.Answered()
			fmt.Fprintf(&b, "%s %s: %s -> %s\n", c.At.Format(time.TimeOnly), c.Who(), from, to)
		}
		return b.String()
	})
}

// A long recording of a large configuration takes little time: only what changes is decided again.
func BenchmarkReplay(b *testing.B) {
	set := parse(b, manyNames(100_000, `"nyc", "ams"`))
	for b.Loop() {
		r := NewRecording()
		for i := range 10 {
			e := journal.Event{At: noon.Add(time.Duration(i) * time.Minute), Kind: journal.Target, Subject: "web@192.0.2.1", From: "up", To: "down"}
			if i%2 == 1 {
				e.From, e.To = e.To, e.From
			}
			if err := r.Add(&e); err != nil {
				b.Fatal(err)
			}
		}
		if n := len(r.Replay(set, nil).Changes); n < 10 {
			b.Fatalf("%d changes", n)
		}
	}
}
