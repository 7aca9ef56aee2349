package publish

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"

	"gslb/health"
	"gslb/server/dnstest"
	"gslb/zones"
)

// withFailback is twoPools with other keys of the name, and a second name that has the same.
func withFailback(t *testing.T, keys string) *zones.Set {
	name := "\npools = [\"nyc\", \"ams\"]\n"
	return parse(t, strings.Replace(twoPools, name+"failback_after = \"1m\"\n",
		name+keys+"\n[zones.\"gslb.example.com\".names.www]"+name+keys+"\n", 1))
}

// recovered has nyc down and up again, and forgets what was heard of it.
func (th *theatre) recovered(t *testing.T, set *zones.Set) {
	t.Helper()
	if err := th.Use(context.Background(), set); err != nil {
		t.Fatal(err)
	}
	th.health.turn("web@203.0.113.10", health.Down)
	time.Sleep(time.Second)
	th.health.turn("web@203.0.113.10", health.Up)
	time.Sleep(time.Second)
	th.forget()
}

// failback is what the command returns: the names that moved, and from what to what.
func (th *theatre) failback(t *testing.T, names ...string) string {
	t.Helper()
	changes, err := th.Failback(context.Background(), names...)
	if err != nil {
		return err.Error()
	}
	var moved []string
	for _, c := range changes {
		var names []string
		for _, n := range c.Names {
			label, _, _ := strings.Cut(n.Name, ".")
			names = append(names, label)
		}
		slices.Sort(names)
		moved = append(moved, fmt.Sprintf("%s: %s→%s", strings.Join(names, " "), c.From.Described(), c.To.Described()))
	}
	return strings.Join(moved, ", ")
}

func TestFailbackByCommand(t *testing.T) {
	const app, www = "app.gslb.example.com.", "www.gslb.example.com."
	tests := []struct {
		name, keys string
		asked      []string
		want       string
	}{
		{"manual: each name for itself", `failback = "manual"`, []string{app}, "app: ams→nyc"},
		{"manual: several", `failback = "manual"`, []string{app, www}, "app: ams→nyc, www: ams→nyc"},
		{"auto: all that are steered alike", `failback_after = "1m"`, []string{app}, "app www: ams→nyc"},
		{"ramped: within the ramp", "failback = \"ramped\"\nfailback_ramp = \"1m\"", []string{www}, "app www: nyc 7 % + ams 93 %→nyc"},
		{"nothing waits", `failback = "auto"`, []string{app}, ""},
		{"no such name", `failback = "manual"`, []string{app, "x.gslb.example.com."}, "the configuration has no name x.gslb.example.com."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			set := withFailback(t, tt.keys)
			rehearse(t, func(th *theatre, _ *zones.Set) {
				if got := th.failback(t, app); got != "no configuration is served yet" {
					t.Errorf("before the first configuration: %q", got)
				}
				th.recovered(t, set)
				memory := th.MemoryRevision()
				if got := th.failback(t, tt.asked...); got != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
				done := tt.want != "" && !strings.HasPrefix(tt.want, "the configuration")
				if kept := th.MemoryRevision() != memory; kept != done {
					t.Errorf("there is something to keep: %t", kept)
				}
				if !done {
					return
				}
				r := dnstest.Lookup(t, th.Table(), tt.asked[0], dns.TypeA)
				if len(r.Answer) != 1 || !strings.HasSuffix(r.Answer[0].String(), "\t203.0.113.10") {
					t.Errorf("it returned before this was served: %v", r.Answer)
				}
				if got := th.failback(t, tt.asked...); got != "" {
					t.Errorf("a second time it moved %q", got)
				}
			})
		})
	}
}

func TestFailbackOfAPublisherThatDoesNotRun(t *testing.T) {
	ended, end := context.WithCancel(t.Context())
	end()
	idle := New(Options{Registerer: prometheus.NewRegistry()})
	if _, err := idle.Failback(ended, "app.gslb.example.com."); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// A pool that waits for a person is not returned to by anything else, and the command is told of as any
// change of an answer.
func TestManualFailbackIsServed(t *testing.T) {
	set := withFailback(t, `failback = "manual"`)
	rehearse(t, func(th *theatre, _ *zones.Set) {
		th.recovered(t, set)
		time.Sleep(240 * time.Hour)
		th.expect(t, "198.51.100.10")
		if got := th.failback(t, "app.gslb.example.com."); got != "app: ams→nyc" {
			t.Errorf("moved %q", got)
		}
		th.expect(t, "203.0.113.10", "answer ams→nyc app.gslb.example.com.")
	})
}

// A ramp is published step by step, and told of at its beginning and its end.
func TestRampIsServed(t *testing.T) {
	set := withFailback(t, "failback = \"ramped\"\nfailback_after = \"10s\"\nfailback_ramp = \"10m\"")
	rehearse(t, func(th *theatre, _ *zones.Set) {
		th.recovered(t, set)
		time.Sleep(9 * time.Second)
		synctest.Wait()
		if heard := th.forget(); len(heard) != 1 || heard[0] != "answer ams→nyc+ams app.gslb.example.com." {
			t.Errorf("at the beginning: %q", heard)
		}
		before := 0.0
		for range 119 {
			parts := th.Table().Decisions()[0].Parts()
			if len(parts) != 2 || parts[0] <= before {
				t.Fatalf("%v after %v", parts, before)
			}
			before = parts[0]
			time.Sleep(5 * time.Second)
			synctest.Wait()
		}
		if heard := th.forget(); heard != nil {
			t.Errorf("in between: %q", heard)
		}
		time.Sleep(5 * time.Second)
		th.expect(t, "203.0.113.10", "answer nyc+ams→nyc app.gslb.example.com.")
	})
}
