package steer

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"gslb/alias"
	"gslb/health"
	"gslb/zones"
)

const lb = "lb.example."

// aliased makes the pools of a world, except the first, ones whose alias is lb, with a check "web" for
// each address.
func (w *world) aliased() *world {
	for _, pool := range w.set.Pools[1:] {
		pool.Members, pool.Alias = nil, lb
		pool.Checks = []zones.MemberCheck{{Name: "web"}}
	}
	return w
}

// known is what is known of lb: its addresses, in letters for the last octet and the status of each,
// such as "1u 2?"; or "unknown", "awaited", "absent".
func (w *world) known(text string) *alias.Addresses {
	host := alias.Host{Status: alias.Resolved}
	switch text {
	case "unknown", "awaited":
		host = alias.Host{Awaited: text == "awaited", Why: "nothing is known of it"}
	case "absent":
		host = alias.Host{Status: alias.Absent, Why: "it has none"}
	default:
		for word := range strings.FieldsSeq(text) {
			addr := netip.AddrFrom4([4]byte{192, 0, 9, word[0] - '0'})
			host.Addresses = append(host.Addresses, addr)
			state := health.State{Status: map[byte]health.Status{'u': health.Up, 'd': health.Down}[word[1]]}
			if state.Status != health.Unknown {
				state.Cause.Reason = "told"
			}
			w.states[health.TargetID("web@"+addr.String())] = state
		}
	}
	return alias.NewAddresses(map[string]alias.Host{lb: host})
}

func TestAssessAlias(t *testing.T) {
	one := zones.Quorum{Count: 1}
	for _, test := range []struct {
		host  string
		own   health.Status
		minUp zones.Quorum
		want  health.Status
		why   string
	}{
		{"1u 2u", health.Up, one, health.Up, "2 of 2 members up, 1 needed"},
		{"1u 2?", health.Up, one, health.Up, "1 of 2 members up, 1 needed: web@192.0.9.2 has no verdict yet"},
		{"1? 2?", health.Up, one, health.Unknown, "0 of 2 members up, 1 needed: web@192.0.9.1 has no verdict yet"},
		{"1d 2d", health.Up, one, health.Down, "0 of 2 members up, 1 needed: web@192.0.9.1 is down: told"},
		{"1u 2d 3d 4d", health.Up, zones.Quorum{Percent: 50}, health.Down, "1 of 4 members up, 2 needed: web@192.0.9.2 is down: told"},
		{"1u 2d", health.Up, zones.Quorum{Percent: 50}, health.Up, "1 of 2 members up, 1 needed: web@192.0.9.2 is down: told"},
		{"1u", health.Up, zones.Quorum{Count: 2}, health.Down, "1 of 1 members up, 2 needed"},
		{"1u", health.Down, one, health.Down, "1 of 1 members up, 1 needed: pool@b is down: told"},
		{"unknown", health.Up, one, health.Unknown, "nothing is known of it"},
		{"unknown", health.Up, zones.Quorum{Percent: 100}, health.Unknown, "nothing is known of it"},
		{"unknown", health.Down, one, health.Down, "nothing is known of it: pool@b is down: told"},
		{"awaited", health.Up, one, health.Unknown, "nothing is known of it"},
		{"absent", health.Up, one, health.Down, "it has none"},
		{"absent", health.Up, zones.Quorum{Percent: 50}, health.Down, "it has none"},
	} {
		w := newWorld(1, 1).aliased().is(test.own, "pool@b")
		pool := w.set.Pools[1]
		pool.MinUp = test.minUp
		hosts := w.known(test.host)
		got := Assess(pool, Input{Snapshot: health.NewSnapshot(noon, w.states), Hosts: hosts})
		if got.Status != test.want || got.Why != test.why || got.Awaited != (test.host == "awaited") {
			t.Errorf("%s, own checks %s: %s, %q, awaited %t; want %s, %q", test.host, test.own, got.Status, got.Why, got.Awaited, test.want, test.why)
		}
	}
	// A host that nobody has looked up is not known either.
	w := newWorld(1, 1).aliased().is(health.Up, "pool@b")
	if got := Assess(w.set.Pools[1], Input{Snapshot: health.NewSnapshot(noon, w.states)}); got.Status != health.Unknown || got.Why == "" {
		t.Errorf("%s, %q", got.Status, got.Why)
	}
}

// A pool without an address is never answered, whatever else there is to answer.
func TestDecideAlias(t *testing.T) {
	for _, test := range []struct {
		name        string
		host        string
		whenAllDown zones.WhenAllDown
		others      health.Status // of pool a, which stands before the alias's
		want        string
	}{
		{"the alias's pool is taken", "1u 2u", zones.AssumeUp, health.Down, "normal b [9.1 9.2] 20s"},
		{"a new address is not answered while one is up", "1u 2?", zones.AssumeUp, health.Down, "normal b [9.1] 20s"},
		{"new addresses are answered if none is up", "1? 2?", zones.AssumeUp, health.Down, "unknown b [9.1 9.2] 5s"},
		{"never resolved", "unknown", zones.AssumeUp, health.Down, "assume_up a [0.1] 5s"},
		{"never resolved, nothing else known", "unknown", zones.AssumeUp, health.Unknown, "unknown a [0.1] 5s"},
		{"awaited", "awaited", zones.AssumeUp, health.Down, "pending - [] 20s"},
		{"no addresses", "absent", zones.AssumeUp, health.Down, "assume_up a [0.1] 5s"},
		{"down, assumed up", "1d", zones.AssumeUp, health.Down, "assume_up a [0.1] 5s"},
		{"all", "1d 2d", zones.AnswerAll, health.Down, "all a+b [0.1 9.1 9.2] 5s"},
		{"all, without addresses", "unknown", zones.AnswerAll, health.Down, "all a [0.1] 5s"},
		{"the fallback has no addresses", "absent", zones.UseFallback, health.Down, "assume_up a [0.1] 5s"},
		{"the fallback is an alias", "1d 2d", zones.UseFallback, health.Down, "fallback b [9.1 9.2] 5s"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(1, 1).aliased().is(test.others, "a").is(health.Up, "pool@b")
			w.steering().WhenAllDown, w.steering().Fallback = test.whenAllDown, w.set.Pools[1]
			hosts := w.known(test.host)
			link(w.set)
			d := Step(w.set, Input{Snapshot: health.NewSnapshot(noon, w.states), Hosts: hosts, Now: noon}, Memory{}).Decisions[0]
			if got := brief(d); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// With nothing but names that were never resolved, clients are told that this server failed, not that
// there is no address: they would keep that.
func TestOnlyAliasesWithoutAddresses(t *testing.T) {
	for whenAllDown, want := range map[zones.WhenAllDown]string{
		zones.AssumeUp: "servfail - [] 5s", zones.LastGood: "servfail - [] 5s", zones.AnswerAll: "servfail - [] 5s",
		zones.UseFallback: "servfail - [] 5s", zones.ServFail: "servfail - [] 5s", zones.NoData: "nodata - [] 5s",
	} {
		for _, policy := range []zones.Policy{zones.Failover, zones.Weighted, zones.All} {
			w := newWorld(1, 1, 1).aliased()
			s := w.steering()
			s.Policy, s.Pools, s.WhenAllDown, s.Fallback, s.PanicBelow = policy, w.set.Pools[1:], whenAllDown, w.set.Pools[2], 50
			link(w.set)
			d := Step(w.set, Input{Snapshot: health.NewSnapshot(noon, w.states), Hosts: w.known("unknown"), Now: noon}, Memory{}).Decisions[0]
			if got := brief(d); got != want {
				t.Errorf("%s, %s: %s, want %s", whenAllDown, policy, got, want)
			}
		}
	}
}

// A pool that has lost its addresses is not held by failover_after: there is nothing to answer.
func TestAliasWithoutAddressesIsNotHeld(t *testing.T) {
	w := newWorld(1, 1).aliased().is(health.Down, "a").is(health.Up, "pool@b")
	w.steering().FailoverAfter = time.Minute
	link(w.set)
	hosts := w.known("1u")
	out := Step(w.set, Input{Snapshot: health.NewSnapshot(noon, w.states), Hosts: hosts, Now: noon}, Memory{})
	if got := brief(out.Decisions[0]); got != "normal b [9.1] 20s" {
		t.Fatal(got)
	}
	out = out.Next(Input{Snapshot: out.in.Snapshot, Hosts: w.known("absent"), Now: noon.Add(time.Second)})
	if got := brief(out.Decisions[0]); got != "assume_up a [0.1] 5s" || !out.Revisit.IsZero() {
		t.Errorf("%s, revisited at %s", got, out.Revisit)
	}
}

// Only what depends on a host is looked at again when its addresses change, and a target of an address
// judges a pool as long as that has the address.
func TestNextWithOtherAddresses(t *testing.T) {
	w := newWorld(1, 1).aliased().is(health.Up, "a").is(health.Up, "pool@b")
	link(w.set)
	hosts := w.known("1u 2u")
	snap := health.NewSnapshot(noon, w.states)
	out := Step(w.set, Input{Snapshot: snap, Hosts: hosts, Now: noon}, Memory{})
	if !out.Judges("web@192.0.9.1") || out.Judges("web@192.0.0.1") {
		t.Error("it is not known which targets judge the addresses of aliases")
	}
	next := out.Next(Input{Snapshot: snap, Hosts: w.known("2u 3u"), Now: noon})
	if got := next.Changed.Pools; len(got) != 1 || got[0] != 1 {
		t.Errorf("assessed anew: %v", got)
	}
	if next.Judges("web@192.0.9.1") || !next.Judges("web@192.0.9.3") {
		t.Error("a target judges an address that is gone, or does not judge one that came")
	}
	snap = snap.With(noon, map[health.TargetID]health.State{"web@192.0.9.1": {Status: health.Down}, "web@192.0.9.3": {Status: health.Down}})
	next = next.Next(Input{Snapshot: snap, Hosts: w.known("2u 3u"), Now: noon})
	if got := next.Pools[1].Why; got != "1 of 2 members up, 1 needed: web@192.0.9.3 is down" {
		t.Errorf("why: %s", got)
	}
}
