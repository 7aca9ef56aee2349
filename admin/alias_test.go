package admin

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gslb/admin/api"
	"gslb/alias"
	"gslb/health"
	"gslb/zones"
)

const lb = "lb.example.net."

// aliased makes the pool nyc one whose members are the addresses of a host.
func (w *world) aliased(now time.Time, host alias.Host, report alias.Report) {
	pool := w.set.Pools[nyc]
	pool.Members, pool.Alias, pool.Checks = nil, lb, []zones.MemberCheck{{Name: "web"}}
	report.Name, report.Host = lb, host
	w.hosts = alias.NewAddresses(map[string]alias.Host{lb: host})
	w.aliases = []alias.Report{report}
	w.publish(now)
}

// TestAlias: the pool of an alias has the host's addresses as its members, with their age, and says what
// a look-up that failed has said.
func TestAlias(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		addresses := []netip.Addr{netip.MustParseAddr("203.0.113.10"), netip.MustParseAddr("2001:db8::10")}
		w := newWorld(now)
		w.fail("web@2001:db8::10", now, "timeout", "no answer")
		w.aliased(now, alias.Host{Status: alias.Resolved, Addresses: addresses}, alias.Report{Families: [2]alias.FamilyReport{
			{Type: "A", Addresses: addresses[:1], Confirmed: now.Add(-time.Minute), Asked: now, Next: now.Add(30 * time.Second), Failing: true, Said: "192.0.2.53:53: SERVFAIL"},
			{Type: "AAAA", Addresses: addresses[1:], Confirmed: now, Asked: now, Next: now.Add(time.Minute), Said: "192.0.2.53:53: 1 found"},
		}})
		s, _ := w.server()
		wantText(t, "the row", render(t, s, "/").rows["nyc"], "up 203.0.113.10", "down 2001:db8::10",
			"alias lb.example.net. 1 min 0 s old", "A look-up failed: 192.0.2.53:53: SERVFAIL")
		if _, there := render(t, s, "/?q=lb.example").rows["nyc"]; !there {
			t.Error("the pool is not found by its host")
		}
		age := 60.0
		want := &api.Alias{Host: lb, Status: "resolved", Age: &age, Lookups: []api.Lookup{
			{Type: "A", At: utc(now), Next: utc(now.Add(30 * time.Second)), Said: "192.0.2.53:53: SERVFAIL", Failed: true},
			{Type: "AAAA", At: utc(now), Next: utc(now.Add(time.Minute)), Said: "192.0.2.53:53: 1 found"},
		}}
		got := poolOf(t, s, "nyc")
		if diff := cmp.Diff(want, got.Alias); diff != "" {
			t.Errorf("/api/status (-want +got):\n%s", diff)
		}
		members := []api.Member{
			{Address: addresses[0], Status: health.Up, Probed: health.Up, Targets: []health.TargetID{"web@203.0.113.10"}},
			{Address: addresses[1], Status: health.Down, Probed: health.Down, Targets: []health.TargetID{"web@2001:db8::10"}},
		}
		if diff := cmp.Diff(members, got.Members, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
			t.Errorf("/api/status (-want +got):\n%s", diff)
		}
		if other := poolOf(t, s, "ams"); other.Alias != nil {
			t.Errorf("a pool with members has the alias %+v", other.Alias)
		}
	})
}

// TestAliasWithoutAddresses: it says why there are none.
func TestAliasWithoutAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		w := newWorld(now)
		w.aliased(now, alias.Host{Status: alias.Absent, Why: "lb.example.net. has no addresses: A NXDOMAIN, AAAA NXDOMAIN"}, alias.Report{
			Families: [2]alias.FamilyReport{{Type: "A", Asked: now, Said: "NXDOMAIN", Denied: 3}, {Type: "AAAA", Asked: now, Said: "NXDOMAIN", Denied: 3}},
		})
		s, _ := w.server()
		wantText(t, "the row", render(t, s, "/").rows["nyc"], "down", "alias lb.example.net. absent", "lb.example.net. has no addresses: A NXDOMAIN, AAAA NXDOMAIN")
		got := poolOf(t, s, "nyc").Alias
		if got.Age != nil || got.Status != "absent" || len(got.Lookups) != 2 || got.Lookups[0].Denied != 3 || got.Lookups[0].Failed {
			t.Errorf("/api/status: %+v", got)
		}
	})
}

// poolOf is a pool as /api/status has it.
func poolOf(t *testing.T, s *Server, name string) api.Pool {
	t.Helper()
	response := get(t, s, "/api/status")
	var status struct{ Pools []api.Pool }
	if err := json.NewDecoder(response.Body).Decode(&status); err != nil || response.Code != http.StatusOK {
		t.Fatalf("status %d: %v", response.Code, err)
	}
	for _, pool := range status.Pools {
		if pool.Name == name {
			return pool
		}
	}
	t.Fatalf("no pool %s", name)
	return api.Pool{}
}
