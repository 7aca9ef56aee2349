//go:build integration

package decisions

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"

	"github.com/miekg/dns"
)

const stickyPools = `
[pools]
p1 = { members = ["10.8.1.1", "fd08::1"], weight = 1 }
p2 = { members = ["10.8.1.2", "fd08::2"], weight = 2 }
p3 = { members = ["10.8.1.3", "fd08::3"], weight = 3 }
p4 = { members = ["10.8.1.4", "fd08::4"], weight = 4 }
next = { members = ["10.8.1.5", "fd08::5"] }
`

const stickyConfig = stickyPools + `
[zones."decisions.example"]
nameservers = { ns1 = ["192.0.2.53"] }
names.app   = { policy = "sticky", pools = [["p1", "p2", "p3", "p4"], ["next"]] }
names.other = { policy = "sticky", pools = [["p4", "p3", "p2", "p1"], ["next"]], ttl = "7s" }
`

// clientNetworks are so many that shares can be counted: half IPv4, half IPv6.
func clientNetworks() []netip.Prefix {
	var networks []netip.Prefix
	for i := range 600 {
		networks = append(networks,
			netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64 + byte(i/256), byte(i), 0}), 24),
			netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 0x77, byte(i >> 8), byte(i)}), 56))
	}
	return networks
}

// placement is the pool that answers each network.
type placement map[netip.Prefix]string

// place asks for every network, and checks that A and AAAA come from one pool.
func (w *world) place(t *testing.T, name string, networks []netip.Prefix) placement {
	t.Helper()
	placed := make(placement, len(networks))
	for _, network := range networks {
		q := question{name: name + "." + w.zone, qtype: dns.TypeA, subnet: network}
		placed[network] = w.poolOf(t, w.replies(t, q, 1)[0])
		q.qtype = dns.TypeAAAA
		if second := w.poolOf(t, w.replies(t, q, 1)[0]); second != placed[network] {
			t.Fatalf("%v: A from %s, AAAA from %s", network, placed[network], second)
		}
	}
	return placed
}

// checkMoves compares two placements: whoever is elsewhere must have had a reason.
func checkMoves(t *testing.T, before, after placement, mayMove func(from, to string) bool, mustLeave string) {
	t.Helper()
	moved := 0
	for network, from := range before {
		to := after[network]
		if from != to {
			moved++
		}
		if from != to && !mayMove(from, to) || to == mustLeave {
			t.Errorf("%v was answered with %s, then with %s", network, from, to)
		}
	}
	if moved == 0 {
		t.Error("nobody moved")
	}
}

// TestSticky loses a pool and gets it back, on two servers.
func TestSticky(t *testing.T) {
	networks := clientNetworks()
	w := serve(t, stickyConfig, settings{})
	second := serveFor(t, w.members, stickyConfig, settings{})

	before := w.place(t, "app", networks)
	if !maps.Equal(before, second.place(t, "app", networks)) {
		t.Error("two servers do not agree")
	}
	if !maps.Equal(before, w.place(t, "other", networks)) {
		t.Error("two names with the same pools do not agree")
	}
	count := make(map[string]int)
	for _, pool := range before {
		count[pool]++
	}
	for i, pool := range []string{"p1", "p2", "p3", "p4"} {
		if err := isShare(count[pool], len(networks), float64(i+1)/10); err != nil {
			t.Errorf("%s %v", pool, err)
		}
	}

	w.fail(t, w.pools["p3"]...)
	second.settle(t)
	without := w.place(t, "app", networks)
	checkMoves(t, before, without, func(from, _ string) bool { return from == "p3" }, "p3")
	if !maps.Equal(without, second.place(t, "app", networks)) {
		t.Error("two servers do not agree while a pool is down")
	}

	w.fail(t)
	if !maps.Equal(before, w.place(t, "app", networks)) {
		t.Error("not everybody is back where they were")
	}

	w.fail(t, slices.Concat(w.pools["p1"], w.pools["p2"], w.pools["p3"], w.pools["p4"])...)
	for network, pool := range w.place(t, "app", networks[:20]) {
		if pool != "next" {
			t.Errorf("%v is answered with %s, want next", network, pool)
		}
	}
}

// TestStickyClient varies what must not matter: the host in a network, who asks, and over what.
func TestStickyClient(t *testing.T) {
	w := serve(t, stickyConfig, settings{})
	app := "app." + w.zone
	for i := range 40 {
		network := netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 90, byte(i), 0}), 24)
		host := netip.AddrFrom4([4]byte{100, 90, byte(i), 200})
		want := w.poolOf(t, w.replies(t, question{name: app, qtype: dns.TypeA, subnet: network}, 1)[0])
		for _, q := range []question{
			{name: app, qtype: dns.TypeA, from: host},
			{name: app, qtype: dns.TypeAAAA, from: host, tcp: true},
			{name: app, qtype: dns.TypeA, from: host, subnet: network},
			{name: app, qtype: dns.TypeA, subnet: netip.PrefixFrom(host, 32)},
			{name: app, qtype: dns.TypeAAAA, from: netip.MustParseAddr("2001:db8::53"), subnet: network},
		} {
			if got := w.poolOf(t, w.replies(t, q, 1)[0]); got != want {
				t.Errorf("%v: %s, want %s as for the network", q, got, want)
			}
		}
		for prefix, scope := range map[netip.Prefix]int{network: 24, netip.PrefixFrom(host, 32): 24, netip.PrefixFrom(network.Addr(), 20): 20} {
			if got := w.replies(t, question{name: app, qtype: dns.TypeA, subnet: prefix.Masked()}, 1)[0].scope; got != scope {
				t.Errorf("%v: scope %d, want %d", prefix, got, scope)
			}
		}
	}
	ipv6 := netip.MustParsePrefix("2001:db8:9:100::/64")
	if got := w.replies(t, question{name: app, qtype: dns.TypeA, subnet: ipv6}, 1)[0].scope; got != 56 {
		t.Errorf("%v: scope %d, want 56", ipv6, got)
	}
	w.fail(t, slices.Concat(w.pools["p1"], w.pools["p2"], w.pools["p3"])...)
	if got := w.replies(t, question{name: app, qtype: dns.TypeA, subnet: ipv6}, 1)[0].scope; got != 0 {
		t.Errorf("with one pool left: scope %d, want 0", got)
	}
}

// TestStickyReload changes weights and pools: only those move who must.
func TestStickyReload(t *testing.T) {
	networks := clientNetworks()[:800]
	config := func(pools, weights string) string {
		return stickyPools + fmt.Sprintf(`
[zones."decisions.example"]
nameservers = { ns1 = ["192.0.2.53"] }
names.app   = { policy = "sticky", pools = [%s], weights = { %s } }
names.rest  = { policy = "all", pools = ["p1", "p2", "p3", "p4", "next"] }
`, pools, weights)
	}
	w := serve(t, config(`"p1", "p2", "p3"`, ""), settings{})
	before := w.place(t, "app", networks)
	steps := []struct {
		name, pools, weights string
		mayMove              func(from, to string) bool
		mustLeave            string
	}{
		{"p4 is added", `"p1", "p2", "p3", "p4"`, "", func(_, to string) bool { return to == "p4" }, ""},
		{"the order is turned round, and p1 gets more", `"p4", "p3", "p2", "p1"`, "p1 = 4", func(_, to string) bool { return to == "p1" }, ""},
		{"p2 gets less", `"p4", "p3", "p2", "p1"`, "p1 = 4, p2 = 1", func(from, _ string) bool { return from == "p2" }, ""},
		{"p3 is removed", `"p4", "p2", "p1"`, "p1 = 4, p2 = 1", func(from, _ string) bool { return from == "p3" }, "p3"},
		{"p4 gets weight 0", `"p4", "p2", "p1"`, "p1 = 4, p2 = 1, p4 = 0", func(from, _ string) bool { return from == "p4" }, "p4"},
	}
	for _, s := range steps {
		w.reload(t, config(s.pools, s.weights))
		after := w.place(t, "app", networks)
		checkMoves(t, before, after, s.mayMove, s.mustLeave)
		if t.Failed() {
			t.Fatal(s.name)
		}
		before = after
	}
}
