package probe

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gslb/health"
)

// pushed is a monitor of one push check, whose interval is a minute.
type pushed struct {
	*testing.T
	*health.Monitor
	pushes *health.Pushes
}

func newPushed(t *testing.T, prior map[health.TargetID]health.Record) *pushed {
	p := &pushed{T: t, pushes: health.NewPushes()}
	p.Monitor = health.NewMonitor(health.MonitorOptions{Make: New(Options{Pushes: p.pushes})})
	target := health.Target{
		ID: health.PushTarget("job", ""), Check: "job", Spec: &health.Push{Check: "job", MaxAge: time.Minute}, Fingerprint: "1",
		Interval: time.Minute, FastInterval: time.Minute, Timeout: time.Second, Rise: 1, Fall: 1,
	}
	if err := p.Add([]health.Target{target}, prior); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = p.Monitor.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	synctest.Wait()
	return p
}

// push says something of the target, as a call of the API does.
func (p *pushed) push(said health.Pushed) {
	said.At = time.Now()
	p.pushes.Put("job@job", said)
	p.Prompt("job@job")
	synctest.Wait()
}

// want says what is believed, and what the last probe said.
func (p *pushed) want(status health.Status, last string) {
	p.Helper()
	synctest.Wait()
	r := p.Reports()[0]
	if got := fmt.Sprint(r.Last.Verdict, " ", r.Last.Reason, ": ", r.Last.Detail); r.State.Status != status || got != last {
		p.Errorf("%s, %s; want %s, %s", r.State.Status, got, status, last)
	}
}

// A word is good for the interval and no longer, and each is looked at when it comes.
func TestPushProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPushed(t, nil)
		time.Sleep(30 * time.Second)
		p.want(health.Unknown, "indeterminate waiting: nobody has called yet; there is time until 1m0s after the start")
		p.push(health.Pushed{})
		p.want(health.Up, "pass ok: ")
		time.Sleep(time.Minute - time.Millisecond)
		p.want(health.Up, "pass ok: ")
		time.Sleep(2 * time.Millisecond)
		p.want(health.Down, "fail silent: the last call came 1m0s ago, and is good for 1m0s")
		p.push(health.Pushed{Why: "copied 7 files"})
		p.want(health.Up, "pass ok: copied 7 files")
		for range 10 {
			time.Sleep(59 * time.Second)
			p.want(health.Up, "pass ok: copied 7 files")
			p.push(health.Pushed{Why: "copied 7 files"})
		}
		p.push(health.Pushed{Failed: true, Why: "no disk"})
		p.want(health.Down, "fail pushed: it was said to fail: no disk")
		time.Sleep(61 * time.Second)
		p.want(health.Down, "fail silent: the last call came 1m0s ago, and is good for 1m0s")
		p.push(health.Pushed{Failed: true})
		p.want(health.Down, "fail pushed: it was said to fail")
		p.push(health.Pushed{})
		p.want(health.Up, "pass ok: ")
	})
}

// Nobody could call while the server was not running, so that there is an interval's time after a start.
func TestPushProbeAfterAStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPushed(t, map[health.TargetID]health.Record{
			"job@job": {ID: "job@job", Fingerprint: "1", Status: health.Up, Since: time.Now().Add(-time.Hour), Judged: time.Now()},
		})
		time.Sleep(time.Minute - time.Millisecond)
		p.want(health.Up, "indeterminate waiting: nobody has called yet; there is time until 1m0s after the start")
		time.Sleep(2 * time.Millisecond)
		p.want(health.Down, "fail silent: nobody has called within 1m0s")
	})
}

// A call proves nothing of the network that probes use, and its absence may be that network's fault.
func TestPushProbeIsNoEvidence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPushed(t, nil)
		p.push(health.Pushed{})
		if heard := p.Reports()[0].State.Heard(); !heard.Heard.IsZero() || !heard.Silent.IsZero() {
			t.Errorf("after a call: %+v", heard)
		}
		time.Sleep(61 * time.Second)
		if heard := p.Reports()[0].State.Heard(); heard.Silent.IsZero() {
			t.Errorf("without a call: %+v", heard)
		}
		p.push(health.Pushed{Failed: true})
		if heard := p.Reports()[0].State.Heard(); !heard.Heard.IsZero() || !heard.Silent.IsZero() {
			t.Errorf("after a call that it fails: %+v", heard)
		}
	})
}

// A load is told if the check asks for it, and forgotten with the word that told it.
func TestPushProbeLoad(t *testing.T) {
	pushes := health.NewPushes()
	load := &health.Load{Value: 70}
	pushes.Put("job@job", health.Pushed{At: time.Now(), Load: load})
	for source, want := range map[string]*health.Load{"push": load, "": nil} {
		spec := &health.Push{Check: "job", MaxAge: time.Minute, Load: health.LoadFrom{Source: source}}
		probe, err := New(Options{Pushes: pushes})(health.Target{ID: "job@job", Spec: spec})
		if err != nil {
			t.Fatal(err)
		}
		if got := probe(t.Context()); got.Notes.Load != want {
			t.Errorf("source %q: %v", source, got.Notes.Load)
		}
	}
	if probe, err := New(Options{})(health.Target{ID: "job@job", Spec: &health.Push{Check: "job", MaxAge: time.Minute}}); err != nil {
		t.Error(err)
	} else if got := probe(t.Context()); got.Verdict != health.Indeterminate || got.Reason != "off" {
		t.Errorf("without a server: %+v", got)
	}
}
