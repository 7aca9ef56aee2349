package config

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"gslb/health"
	"gslb/replication"
	"gslb/zones"
)

// noon is when the tests load.
var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func mustParse(t testing.TB, text string, o LoadOptions) *zones.Set {
	t.Helper()
	if o.Now.IsZero() {
		o.Now = noon
	}
	set, err := Parse([]byte(text), "zones.toml", o)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// filled is the HTTP probes of a pool with an IPv4 and an IPv6 member, in that order, of a check
// that is given as the keys of an inline table.
func filled(t testing.TB, keys string) ([]*health.HTTP, error) {
	t.Helper()
	set, err := Parse([]byte(`server = { listen = ["127.0.0.1:0"] }
checks.web = { `+keys+` }
pools.nyc = { members = ["203.0.113.10", "2001:db8::10"], checks = ["web"] }
[zones."example.com"]
nameservers = { "ns.example.net." = [] }
names.app = { pools = ["nyc"] }
`), "zones.toml", LoadOptions{Now: noon})
	if err != nil {
		return nil, err
	}
	specs := make(map[health.TargetID]*health.HTTP)
	for _, target := range set.Targets {
		specs[target.ID] = target.Spec.(*health.HTTP)
	}
	var list []*health.HTTP
	for _, m := range set.Pools[0].Members {
		list = append(list, specs[m.Targets[0]])
	}
	return list, nil
}

// configurations lists the files of a folder of testdata.
func configurations(t testing.TB, folder string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", folder, "*.toml"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no configuration in testdata/%s (%v)", folder, err)
	}
	return paths
}

// checkSet fails unless what the documentation of Set promises holds.
func checkSet(t testing.TB, set *zones.Set) {
	t.Helper()
	ids := make(map[health.TargetID]bool)
	for _, target := range set.Targets {
		if ids[target.ID] {
			t.Errorf("target %s is there twice", target.ID)
		}
		ids[target.ID] = true
		if target.Timeout >= target.Interval || target.FastInterval > target.Interval || target.FastInterval <= 0 {
			t.Errorf("target %s has an impossible schedule", target.ID)
		}
	}
	if !slices.IsSortedFunc(set.Targets, func(a, b health.Target) int { return strings.Compare(string(a.ID), string(b.ID)) }) {
		t.Error("targets are not in order")
	}
	for i, p := range set.Pools {
		if p.Index != i {
			t.Errorf("pool %s has index %d at %d", p.Name, p.Index, i)
		}
		if p.Alias != "" {
			if len(p.Members) > 0 || p.CNAME != "" || p.MinUp == (zones.Quorum{}) {
				t.Errorf("pool %s with an alias is %+v", p.Name, p)
			}
		} else if need := p.MinUp.Of(len(p.Members)); need > len(p.Members) || (need < 1) != (p.CNAME != "") {
			t.Errorf("pool %s needs %d of %d members", p.Name, need, len(p.Members))
		}
		used := slices.Clone(p.Targets)
		for _, m := range p.Members {
			used = append(used, m.Targets...)
		}
		for _, id := range used {
			if !ids[id] {
				t.Errorf("pool %s refers to %s, which is no target", p.Name, id)
			}
		}
	}
	checkOperands(t, set.Targets)
	checkAliases(t, set)
	for i, s := range set.Steerings {
		if s.Index != i || len(s.Pools) == 0 || s.TTLMin > s.TTL {
			t.Errorf("steering %d is %+v", i, s)
		}
	}
	checkRoutes(t, set)
	for _, z := range set.Zones {
		checkZone(t, set, z)
	}
}

func checkRoutes(t testing.TB, set *zones.Set) {
	t.Helper()
	keys := make(map[string]bool)
	var routes []*zones.Route
	for _, s := range set.Steerings {
		routes = append(routes, s.Routes...)
		classes := 1
		if s.Map != nil {
			classes = len(s.Map.Classes())
		}
		if len(s.Routes) != classes {
			t.Errorf("%s has %d routes, want %d", s.Key, len(s.Routes), classes)
		}
	}
	if !slices.Equal(routes, set.Routes) {
		t.Errorf("the routes are %v, those of steerings %v", set.Routes, routes)
	}
	for i, r := range set.Routes {
		if r.Index != i || keys[r.Key] || r.Key == "" || r.Order != orderOf(r.Tiers) {
			t.Errorf("route %d is %+v", i, r)
		}
		keys[r.Key] = true
		seen := make(map[*zones.Pool]bool)
		for _, tier := range r.Tiers {
			if n := len(tier.Shares); n == 0 || n > 1 && r.Steering.Policy == zones.Failover {
				t.Errorf("a tier of %s has %d pools", r.Steering.Key, n)
			}
			for _, share := range tier.Shares {
				if seen[share.Pool] || share.Weight < 0 || share.Weight > maxWeight || !slices.Contains(r.Steering.Pools, share.Pool) {
					t.Errorf("route %s has %s with weight %d", r.Order, share.Pool.Name, share.Weight)
				}
				seen[share.Pool] = true
			}
		}
	}
}

// checkAliases fails if two targets have one ID, whatever addresses the aliases have: even those of
// members that are configured.
func checkAliases(t testing.TB, set *zones.Set) {
	t.Helper()
	made := make(map[health.TargetID]string) // fingerprints
	addresses := slices.Clone(samples[:])
	for _, target := range set.Targets {
		made[target.ID] = target.Check + " " + target.Fingerprint
	}
	for _, p := range set.Pools {
		for _, m := range p.Members {
			addresses = append(addresses, m.Address)
		}
	}
	for _, p := range set.Pools {
		for _, addr := range addresses {
			targets, err := p.Apply(addr)
			if err != nil {
				t.Errorf("pool %s: %v", p.Name, err)
				return
			}
			for i, target := range targets {
				if id := p.IDs(addr)[i]; target.ID != id {
					t.Errorf("pool %s has target %s for %s, and makes %s", p.Name, id, addr, target.ID)
				}
				what := target.Check + " " + target.Fingerprint
				if other, known := made[target.ID]; known && other != what {
					t.Errorf("pool %s makes another target %s of %s", p.Name, target.ID, addr)
				}
				made[target.ID] = what
			}
			checkOperands(t, slices.Concat(set.Targets, targets))
		}
	}
}

// checkOperands fails if a target is calculated from one that there is not.
func checkOperands(t testing.TB, targets []health.Target) {
	t.Helper()
	for i := range targets {
		c, is := targets[i].Spec.(*health.Calculated)
		if is && len(c.Of) == 0 {
			t.Errorf("target %s is calculated from nothing", targets[i].ID)
		}
		for j := 0; is && j < len(c.Of); j++ {
			if !slices.ContainsFunc(targets, func(other health.Target) bool { return other.ID == c.Of[j] }) {
				t.Errorf("target %s is calculated from %s, which is no target", targets[i].ID, c.Of[j])
			}
		}
	}
}

func checkZone(t testing.TB, set *zones.Set, z *zones.Zone) {
	t.Helper()
	soas := 0
	for rr := range z.Data.RRs() {
		if soa, ok := rr.(*dns.SOA); ok {
			soas++
			if soa.Serial != z.Serial {
				t.Errorf("the SOA of %s has serial %d, the zone %d", z.Name, soa.Serial, z.Serial)
			}
		}
		if !dns.IsSubDomain(z.Name, rr.Header().Name) {
			t.Errorf("zone %s holds %s", z.Name, rr)
		}
		if _, err := dns.PackRR(rr, make([]byte, dns.MaxMsgSize), 0, nil, false); err != nil {
			t.Errorf("zone %s holds %s: %v", z.Name, rr, err)
		}
	}
	if soas != 1 || len(z.Nameservers) == 0 {
		t.Errorf("zone %s has %d SOA records and %d nameservers", z.Name, soas, len(z.Nameservers))
	}
	for _, n := range z.Names {
		if n.Zone != z || set.Steerings[n.Steering.Index] != n.Steering {
			t.Errorf("name %s is tied to another zone or steering", n.Name)
		}
	}
}

// dump writes a Set down for a golden file.
func dump(t testing.TB, set *zones.Set) string {
	t.Helper()
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }

	line("files %v", set.Files)
	for _, w := range set.Warnings {
		line("warning %v", w)
	}
	line("server %+v", set.Server)
	line("admin %v hosts %q", set.Admin.Listen, set.Admin.Hosts)
	if a := set.Admin; a.Explicit || a.Tokens != nil || a.Certificate != nil {
		line("  socket %q read_token=%v certificate=%v client_ca=%v", a.Socket, a.ReadToken, a.Certificate != nil, a.ClientCAs != nil)
		for _, token := range a.Tokens {
			line("  token %s %x", token.Name, token.Sum)
		}
	}
	if n := set.Notify; len(n.Targets) > 0 {
		line("notify page %q runbook %q", n.Page, n.Runbook)
		for _, t := range n.Targets {
			line("  %s: %s of %d bytes, key of %d, kinds %v, critical only %v, resolved %v, after %s, again after %s, %d an hour, quiet %+v, times of %s",
				t.Name, t.Type, len(t.URL), len(t.Key), t.Kinds, t.CriticalOnly, t.Resolved, t.GroupWait, t.RepeatAfter, t.Rate, t.Quiet, t.Location)
		}
	}
	for _, target := range set.Targets {
		spec, err := json.Marshal(target.Spec)
		if err != nil {
			t.Fatal(err)
		}
		line("\ntarget %s: check %s on %s, every %s or %s, timeout %s, rise %d, fall %d", target.ID, target.Check, target.Subject,
			target.Interval, target.FastInterval, target.Timeout, target.Rise, target.Fall)
		line("  %s %s", target.Spec.Kind(), spec)
		if target.Slow != (health.Slow{}) {
			line("  slow %+v", target.Slow)
		}
		if target.Feedback != health.NoFeedback {
			line("  feedback %d", target.Feedback)
		}
	}
	for _, g := range set.Replications {
		line("\nreplication %s: table %s, regions %v, writer %q, every %s, max_lag %s, endpoints %v", g.Name, g.Table, g.Regions, g.Writer, g.Interval, g.MaxLag, g.Endpoints)
		for _, hook := range []*replication.Hook{g.StopWrites, g.AcceptWrites, g.ResumeWrites} {
			if hook != nil {
				line("  hook %q%s, timeout %s", hook.Command, hook.URL, hook.Timeout)
			}
		}
	}
	for _, p := range set.Pools {
		line("\npool %s in %q: %d up, targets %v", p.Name, p.Region, p.MinUp.Of(len(p.Members)), p.Targets)
		if p.CNAME != "" || p.Weight != 1 || p.Location != nil || p.MinUpIPv4 != (zones.Quorum{}) || p.MinUpIPv6 != (zones.Quorum{}) {
			line("  cname %q, weight %d, location %v, min_up_ipv4 %v, min_up_ipv6 %v", p.CNAME, p.Weight, p.Location, p.MinUpIPv4, p.MinUpIPv6)
		}
		if p.Shed != nil {
			line("  shed %+v", *p.Shed)
		}
		if p.Replication != nil {
			line("  replication %s, down while degraded: %v", p.Replication.Name, p.DownDegraded)
		}
		for _, m := range p.Members {
			line("  %s %v", m.Address, m.Targets)
		}
		if p.Alias != "" {
			line("  the addresses of %s: min_up %v, %v, %v", p.Alias, p.MinUp, p.MinUpIPv4, p.MinUpIPv6)
			for _, addr := range samples {
				line("  %s %v", addr, p.Member(addr).Targets)
				for _, target := range must(t, func() ([]health.Target, error) { return p.Apply(addr) }) {
					if c, is := target.Spec.(*health.Calculated); is {
						line("    %s: %s of %v", target.ID, c.Op, c.Of)
					}
				}
			}
		}
	}
	line("")
	for _, s := range set.Steerings {
		line("steering %d %s", s.Index, s.Key)
		if s.Map == nil {
			continue
		}
		for _, r := range s.Routes {
			line("  %q: %s", r.Views, written(r))
		}
	}
	for _, z := range set.Zones {
		line("\nzone %s: ttl %s, negative %s, serial %d, nameservers %v", z.Name, z.TTL, z.NegativeTTL, z.Serial, z.Nameservers)
		for rr := range z.Data.RRs() {
			line("  %s", strings.ReplaceAll(readable(rr), "\t", " "))
		}
		for _, n := range z.Names {
			line("  name %s: steering %d", n.Name, n.Steering.Index)
		}
	}
	return b.String()
}

// written is the tiers of a route: the view of each, and its pools with their weights.
func written(r *zones.Route) string {
	var tiers []string
	for _, t := range r.Tiers {
		var shares []string
		for _, s := range t.Shares {
			shares = append(shares, fmt.Sprintf("%s:%d", s.Pool.Name, s.Weight))
		}
		tiers = append(tiers, strings.TrimPrefix(t.View+" ", " ")+strings.Join(shares, ","))
	}
	return strings.Join(tiers, " | ")
}

// readable is a record as text, in that of its type where it only has its data.
func readable(rr dns.RR) string {
	buf := make([]byte, dns.Len(rr)+1)
	if end, err := dns.PackRR(rr, buf, 0, nil, false); err == nil {
		if unpacked, _, err := dns.UnpackRR(buf[:end], 0); err == nil {
			return unpacked.String()
		}
	}
	return rr.String()
}
