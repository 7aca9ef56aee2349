//go:build integration

package decisions

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"
)

const (
	patience = 5 * time.Second  // failover_after and failback_after
	slack    = 15 * time.Second // what a busy machine may add
)

const timesConfig = `
[pools]
nyc = { members = ["10.8.4.1"] }
ams = { members = ["10.8.4.2"] }

[zones."decisions.example"]
nameservers = { ns1 = ["192.0.2.53"] }
ttl         = "60s"

[zones."decisions.example".names]
plain    = { pools = ["nyc", "ams"] }
held     = { pools = ["nyc", "ams"], failover_after = "5s" }
patient  = { pools = ["nyc", "ams"], failback_after = "5s" }
shared   = { policy = "weighted", pools = ["nyc", "ams"], failback_after = "5s" }
`

// TestTimes fails a pool and heals it: names with failover_after and failback_after follow so much
// later, and meanwhile answer with the short TTL where that is an emergency.
func TestTimes(t *testing.T) {
	w := serve(t, timesConfig, settings{})
	w.checkNow(t, map[string]string{"plain": "nyc", "held": "nyc", "patient": "nyc", "shared": "1 nyc / 1 ams"})

	failed := time.Now()
	w.fail(t, w.pools["nyc"]...)
	w.checkNow(t, map[string]string{"plain": "ams, ttl 60", "held": "nyc, ttl 5", "patient": "ams", "shared": "ams"})
	w.checkTurns(t, "held", "nyc", "ams", failed)
	w.checkNow(t, map[string]string{"held": "ams, ttl 60"})

	healed := time.Now()
	w.fail(t)
	w.checkNow(t, map[string]string{"plain": "nyc", "held": "nyc", "patient": "ams", "shared": "ams"})
	w.checkTurns(t, "patient", "ams", "nyc", healed)
	w.await(t, slack, "clients are shared again", func() error {
		return w.check(t, question{name: "shared." + w.zone, qtype: dns.TypeA}, w.expect(t, "1 nyc / 1 ams"))
	})
}

// TestShortOutage is over before failover_after: the pool is never left.
func TestShortOutage(t *testing.T) {
	w := serve(t, timesConfig, settings{})
	asked := make(chan []reply)
	stop := make(chan struct{})
	go func() {
		var replies []reply
		defer func() { asked <- replies }()
		a, err := w.asker(question{name: "held." + w.zone, qtype: dns.TypeA})
		if err != nil {
			return
		}
		defer a.Close()
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
				if r, err := a.ask(); err == nil {
					replies = append(replies, r)
				}
			}
		}
	}()
	w.fail(t, w.pools["nyc"]...)
	w.checkNow(t, map[string]string{"plain": "ams"})
	w.fail(t)
	w.checkNow(t, map[string]string{"plain": "nyc"})
	close(stop)
	replies := <-asked
	if len(replies) < 20 {
		t.Errorf("only %d replies", len(replies))
	}
	if i := slices.IndexFunc(replies, func(r reply) bool { return r.answer() != w.pools["nyc"][0].String() }); i >= 0 {
		t.Errorf("reply %d of %d is %s", i, len(replies), replies[i].answer())
	}
}

func (w *world) expect(t *testing.T, answer string) expectation {
	t.Helper()
	want, err := w.readExpectation(answer, dns.TypeA, w.downNow())
	must(t, err)
	return want
}

// checkNow compares the answers of names, as a case would write them.
func (w *world) checkNow(t *testing.T, want map[string]string) {
	t.Helper()
	for name, answer := range want {
		q := question{name: name + "." + w.zone, qtype: dns.TypeA}
		if err := w.check(t, q, w.expect(t, answer)); err != nil {
			t.Errorf("%v: %v, want %s", q, err, answer)
		}
	}
}

// checkTurns checks that a name turns from one pool to the other when its patience is at an end. The
// change of health is seen after a probe, so that it can be later than the cause, but never earlier.
func (w *world) checkTurns(t *testing.T, name, from, to string, cause time.Time) {
	t.Helper()
	q := question{name: name + "." + w.zone, qtype: dns.TypeA}
	w.await(t, 2*patience+slack, fmt.Sprintf("%s turns to %s", name, to), func() error {
		switch got := w.poolOf(t, w.replies(t, q, 1)[0]); got {
		case to:
			return nil
		default:
			return fmt.Errorf("it is at %s", got)
		}
	})
	if took := time.Since(cause); took < patience || took > patience+slack {
		t.Errorf("%s turned from %s to %s after %v, want %v to %v", name, from, to, took, patience, patience+slack)
	}
}
