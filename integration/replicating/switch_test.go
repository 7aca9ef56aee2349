//go:build integration

package replicating

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"gslb/integration/parts"
)

// moved is as much of a planned move as the tests look at.
type moved struct {
	Phase, Detail string
	Stopped       float64 `json:"writes_stopped_seconds"`
	Steps         []struct {
		Phase, Detail string
		Took          float64 `json:"took_seconds"`
	}
}

// move is what the API says of the last move of the name.
func (w *world) move(ctx context.Context) (m moved, err error) {
	err = w.JSON(ctx, "/api/v1/names/"+app+"/switch", &m)
	return m, err
}

// awaitPhase waits until a move has come to a phase.
func (w *world) awaitPhase(t *testing.T, ctx context.Context, phase string) (m moved) {
	t.Helper()
	must(t, parts.Until(ctx, "the move is "+phase, func(ctx context.Context) (err error) {
		if m, err = w.move(ctx); err == nil && m.Phase != phase {
			err = fmt.Errorf("it is %+v", m)
		}
		return err
	}))
	return m
}

// steps is the phases that were begun, in order.
func (m *moved) steps() string {
	var phases []string
	for _, s := range m.Steps {
		phases = append(phases, s.Phase)
	}
	return strings.Join(phases, " ")
}

// TestFencedSwitch moves a name to another region while clients write through whatever region it is answered
// with: what was acknowledged in the old region is there before writing begins in the new one, however late the
// copies are. How long nobody can write is measured.
func TestFencedSwitch(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		delay time.Duration // of copies
		hooks func(*orders, *testing.T) string
		crash string // the phase in which the server is killed and started again; empty: none
	}{
		{"no delay", 0, (*orders).programs, ""},
		{"1s", time.Second, (*orders).webhooks, ""},
		{"3s", 3 * time.Second, (*orders).programs, ""},
		{"3s and a crash", 3 * time.Second, (*orders).webhooks, "awaiting_marks"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := new(orders)
			ctx, w := a.begin(t, test.hooks)
			w.Global.Delay("us-east-1", "eu-west-1", test.delay)
			clients := w.watch(t)
			a.serve(t, ctx)
			a.awaitOrders(t, ctx, "nyc", 10)

			type ended struct {
				out    string
				status int
			}
			end := make(chan ended, 1)
			go func() {
				out, status := w.command(t, ctx, "switch", app, "--to", "ams", "--yes", "--reason", "a test", "--wait", "40s")
				end <- ended{out, status}
			}()
			if test.crash != "" {
				w.awaitPhase(t, ctx, test.crash)
				w.crash(t, ctx)
			}
			e := <-end
			if e.status != 0 || !strings.Contains(e.out, "from the end of writing to its new begin") {
				t.Errorf("gslb switch: status %d:\n%s", e.status, e.out)
			}
			a.awaitOrders(t, ctx, "ams", 10)
			clients.check(t, "nyc ams")
			a.checkCalls(t, "stop_writes accept_writes")
			m := w.awaitPhase(t, ctx, "done")
			if want := "lowering_ttl stopping_writes marking awaiting_marks accepting_writes watching"; m.steps() != want {
				t.Errorf("steps %s, want %s", m.steps(), want)
			}

			if len(a.lost) > 0 {
				t.Errorf("%d writes were lost: %v", len(a.lost), a.lost)
			}
			must(t, parts.Until(ctx, "every order is in both regions", func(ctx context.Context) error {
				for _, pool := range []string{"nyc", "ams"} {
					missing, err := a.missing(ctx, pool)
					if err != nil || len(missing) > 0 {
						return errors.Join(err, fmt.Errorf("%d are missing in %s", len(missing), pool))
					}
				}
				return nil
			}))
			before, pause := a.pause()
			t.Logf("delay %s: %d orders before the move, none lost; writing was to begin in the new region %s after the last of them", test.delay, before, pause.Round(time.Millisecond))
			if pause < test.delay || pause > test.delay+2*slack {
				t.Errorf("with a delay of %s nobody could write for %s", test.delay, pause)
			}
			if stopped := time.Duration(m.Stopped * float64(time.Second)); stopped < test.delay || stopped > pause+a.accepting+2*slack {
				t.Errorf("the API says that writing was stopped for %s; it was for %s, and accept_writes took %s", stopped, pause, a.accepting)
			}
		})
	}
}

// TestAbortedSwitch has the mark not arrive: all is undone. With --accept-loss the name moves, and loses
// what has not arrived, which also shows that the other tests would see a loss.
func TestAbortedSwitch(t *testing.T) {
	t.Parallel()
	t.Run("undone", func(t *testing.T) {
		a := new(orders)
		ctx, w := a.begin(t, (*orders).programs)
		w.halt("nyc", "ams")
		clients := w.watch(t)
		a.serve(t, ctx)
		a.awaitOrders(t, ctx, "nyc", 10)

		out, status := w.command(t, ctx, "switch", app, "--to", "ams", "--yes", "--reason", "a test", "--wait", "2s")
		if status != 1 || !strings.Contains(out, "has not arrived in eu-west-1 within 2s") {
			t.Errorf("gslb switch: status %d:\n%s", status, out)
		}
		m := w.awaitPhase(t, ctx, "aborted")
		if want := "lowering_ttl stopping_writes marking awaiting_marks resuming_writes"; m.steps() != want {
			t.Errorf("steps %s, want %s", m.steps(), want)
		}
		a.awaitOrders(t, ctx, "nyc", len(a.written())+10)
		a.checkCalls(t, "stop_writes resume_writes")
		clients.check(t, "nyc")
		_, status = w.command(t, ctx, "switch", app, "--status")
		if status != 0 {
			t.Errorf("gslb switch --status: status %d", status)
		}
	})
	t.Run("accepted", func(t *testing.T) {
		a := new(orders)
		ctx, w := a.begin(t, (*orders).webhooks)
		w.halt("nyc", "ams")
		clients := w.watch(t)
		a.serve(t, ctx)
		a.awaitOrders(t, ctx, "nyc", 10)

		out, status := w.command(t, ctx, "switch", app, "--to", "ams", "--yes", "--reason", "a test", "--wait", "2s", "--accept-loss")
		if status != 0 || !strings.Contains(out, "gone on with, since loss is accepted") {
			t.Errorf("gslb switch: status %d:\n%s", status, out)
		}
		a.awaitOrders(t, ctx, "ams", 10)
		a.checkCalls(t, "stop_writes accept_writes")
		clients.check(t, "nyc ams")
		if before, _ := a.pause(); len(a.lost) != before {
			t.Errorf("%d of %d writes were missing in the new region, although nothing was copied", len(a.lost), before)
		}
	})
}

// begin makes the world of an app that may write in nyc. max_lag is far above what the copies are delayed by.
func (a *orders) begin(t *testing.T, hooks func(*orders, *testing.T) string) (context.Context, *world) {
	ctx, w := begin(t, settings{Pools: []string{"nyc", "ams"}, Replication: hooks(a, t), MaxLag: time.Minute})
	a.noted.Lock() // a hook locks it first
	defer a.noted.Unlock()
	a.world = w
	a.allow("nyc")
	return ctx, w
}

// awaitOrders waits until so many orders were acknowledged in a region.
func (a *orders) awaitOrders(t *testing.T, ctx context.Context, pool string, least int) {
	t.Helper()
	must(t, parts.Until(ctx, fmt.Sprintf("%d orders are made in %s", least, pool), func(context.Context) error {
		count := 0
		for _, o := range a.written() {
			if o.pool == pool {
				count++
			}
		}
		if count < least {
			return fmt.Errorf("there are %d", count)
		}
		return nil
	}))
}

// checkCalls compares the hooks that were run.
func (a *orders) checkCalls(t *testing.T, want string) {
	t.Helper()
	a.noted.Lock()
	defer a.noted.Unlock()
	if got := strings.Join(a.calls, " "); got != want {
		t.Errorf("hooks %q were run, want %q", got, want)
	}
}

// pause is how many orders were made in nyc, and for how long none could be made before writing was to begin in ams.
func (a *orders) pause() (before int, pause time.Duration) {
	for _, o := range a.written() {
		if o.pool == "nyc" {
			before, pause = before+1, a.accepted.Sub(o.at)
		}
	}
	return before, pause
}
