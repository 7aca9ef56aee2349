package probe

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"gslb/health"
)

const ms = time.Millisecond

// TestExcuse is the table above excuse.
func TestExcuse(t *testing.T) {
	timeout, closed, refused := fail("timeout", "timeout: waiting"), fail("closed", "closed"), fail("refused", "refused")
	tests := []struct {
		name   string
		lag    lag
		result health.Result
		want   health.Verdict
	}{
		{"on time", lag{}, timeout, health.Fail},
		{"late once, by less than half", lag{400 * ms, 400 * ms}, timeout, health.Fail},
		{"late once, by half", lag{500 * ms, 500 * ms}, timeout, health.Indeterminate},
		{"stopped for much longer", lag{time.Minute, time.Minute}, timeout, health.Indeterminate},
		{"always a little late, as under load", lag{600 * ms, 20 * ms}, timeout, health.Fail},
		{"always very late, as under a quota", lag{980 * ms, 98 * ms}, timeout, health.Indeterminate},
		{"closed meanwhile", lag{time.Minute, time.Minute}, closed, health.Indeterminate},
		{"refused nevertheless", lag{time.Minute, time.Minute}, refused, health.Fail},
	}
	for _, test := range tests {
		if got := test.lag.excuse(test.result, time.Second); got.Verdict != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
	want{health.Indeterminate, "late", "late by 500ms of 1s, give this process more of the processors: timeout: waiting"}.check(t,
		lag{500 * ms, 500 * ms}.excuse(timeout, time.Second))
}

// TestMeter has a process run as its clock says.
func TestMeter(t *testing.T) {
	start := time.Now()
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	m := &meter{flying: 1, timer: time.NewTimer(time.Hour), due: at(20)}
	steps := []struct {
		woke, from, to int
		want           lag
	}{
		{20, 0, 30, lag{}},
		{45, 0, 50, lag{}},                       // 5 ms late
		{165, 0, 165, lag{100 * ms, 100 * ms}},   // due at 65
		{385, 0, 385, lag{300 * ms, 200 * ms}},   // due at 185
		{405, 0, 405, lag{300 * ms, 200 * ms}},   // on time
		{425, 285, 425, lag{100 * ms, 100 * ms}}, // only what lies behind
		{445, 400, 3465, lag{3000 * ms, 3000 * ms}},
	}
	for _, s := range steps {
		m.wake(at(s.woke))
		if got := m.lag(at(s.from), at(s.to)); got != s.want {
			t.Errorf("woken after %d ms, between %d and %d: %v, want %v", s.woke, s.from, s.to, got, s.want)
		}
	}

	m.end()
	if got := m.lag(at(6000), at(60000)); got != (lag{}) {
		t.Errorf("late by %v while nothing was measured", got)
	}
	for i := range 3 * lateSamples {
		m.wake(at(10000 + 100*i))
	}
	if len(m.samples) != lateSamples {
		t.Errorf("%d samples are kept, want %d", len(m.samples), lateSamples)
	}
}

// A process that has all that it needs blames the target, and leaves nothing running.
func TestPunctual(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := new(meter)
		probe := m.punctual(func(ctx context.Context) health.Result {
			<-ctx.Done()
			return fail("timeout", "timeout")
		})
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			want{health.Fail, "timeout", ""}.check(t, probe(ctx))
			cancel()
		}
		if m.timer.Stop() || m.flying != 0 || len(m.samples) > 0 {
			t.Errorf("left: %+v", m)
		}
	})
}
