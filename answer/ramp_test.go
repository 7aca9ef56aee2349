package answer

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"gslb/steer"
)

// rampText has names for which one pool returns, of each policy that has a part that can grow. Pools
// have a check each, "web@" and the pool's name.
const rampText = `
[server]
listen = ["127.0.0.1:0"]
[checks.web]
type = "tcp"
address = "{pool}.example:80"
[pools]
back  = { members = ["192.0.2.1", "2001:db8::1"], checks = ["web"] }
stays = { members = ["192.0.2.2", "2001:db8::2"], checks = ["web"] }
four  = { members = ["192.0.2.4"], checks = ["web"] }
six   = { members = ["2001:db8::6"], checks = ["web"] }
alias = { cname = "lb.example.net.", checks = ["web"] }
[zones."gslb.example.com"]
nameservers = { ns1 = ["192.0.2.53"] }
[zones."gslb.example.com".names]
failover = { pools = ["back", "stays"], RAMP }
weighted = { policy = "weighted", pools = [["back"], ["stays"]], RAMP }
tier     = { policy = "weighted", pools = [["back", "stays"]], weights = { back = 3 }, RAMP }
sticky   = { policy = "sticky", pools = [["back"], ["stays"]], RAMP }
beside4  = { pools = ["back", "four"], RAMP }
beside6  = { pools = ["back", "six"], RAMP }
mixed    = { policy = "weighted", pools = [["back"], ["four", "six"]], RAMP }
cname    = { pools = ["back", "alias"], RAMP }
`

// rampTable is what is served when pool back has been returned to for a part of ten minutes.
func rampTable(t *testing.T, at time.Duration) *Table {
	set := parse(t, strings.ReplaceAll(rampText, "RAMP", `failback = "ramped"`))
	memory := steer.Memory{}
	for _, in := range []steer.Input{
		{Snapshot: snapshot(set), Now: noon},
		{Snapshot: snapshot(set, "web@back"), Now: noon},
		{Snapshot: snapshot(set), Now: noon},
	} {
		memory = steer.Step(set, in, memory).Memory()
	}
	out := steer.Step(set, steer.Input{Snapshot: snapshot(set), Now: noon.Add(at)}, memory)
	for _, d := range out.Decisions {
		if d.Mode != steer.Ramped {
			t.Fatalf("%s: %s", d.Route.Order, d.Mode)
		}
	}
	return Compile(set, out.Pools, out.Decisions)
}

// Clients are shared by the part that has grown so far, within three standard deviations, whatever the
// policy does otherwise.
func TestRampedShares(t *testing.T) {
	const trials = 6_000
	for at, part := range map[time.Duration]float64{0: 0.05, 5 * time.Minute: 0.525} {
		table := rampTable(t, at)
		for name, want := range map[string]float64{"failover": part, "weighted": part, "tier": 3 * part / (1 + 3*part)} {
			for qtype, address := range map[uint16]string{dns.TypeA: "192.0.2.1", dns.TypeAAAA: "2001:db8::1", dns.TypeANY: "192.0.2.1"} {
				got := answersOf(t, table, Client{}, name+".gslb.example.com.", qtype, trials)
				if off := sigmas(got[address], trials, want); off > 3 || len(got) != 2 {
					t.Errorf("%s %s after %s: %v, want %.0f: %.1f sigma", name, dns.Type(qtype), at, got, want*trials, off)
				}
			}
		}
		stuck := 0
		for i := range trials {
			client := Client{Addr: netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1})}
			a := distinct(answersOf(t, table, client, "sticky.gslb.example.com.", dns.TypeA, 2))
			aaaa := distinct(answersOf(t, table, client, "sticky.gslb.example.com.", dns.TypeAAAA, 1))
			if (a == "192.0.2.1") != (aaaa == "2001:db8::1") {
				t.Fatalf("%s: %s and %s", client.Addr, a, aaaa)
			}
			if a == "192.0.2.1" {
				stuck++
			}
		}
		if off := sigmas(stuck, trials, part); off > 3 {
			t.Errorf("sticky after %s: %d, want %.0f: %.1f sigma", at, stuck, part*trials, off)
		}
	}
}

// A family that only the pool has that returns is not sent to it at once; where others have it as well,
// nobody is told that there is none.
func TestFamiliesOfARamp(t *testing.T) {
	const trials = 6_000
	table := rampTable(t, 0)
	for _, tt := range []struct {
		name  string
		qtype uint16
		want  string // the answer of those that go to the pool that returns
		part  float64
		all   string
	}{
		{"beside4", dns.TypeA, "192.0.2.1", 0.05, "192.0.2.1, 192.0.2.4"},
		{"beside4", dns.TypeAAAA, "2001:db8::1", 0.05, ", 2001:db8::1"},
		{"beside4", dns.TypeANY, "192.0.2.1", 0.05, "192.0.2.1, 192.0.2.4"},
		{"beside6", dns.TypeA, "192.0.2.1", 0.05, ", 192.0.2.1"},
		{"beside6", dns.TypeANY, "192.0.2.1", 0.05, "192.0.2.1, 2001:db8::6"},
		// Of those that stay, four and six, only one has the family.
		{"mixed", dns.TypeA, "192.0.2.1", 0.05 / (0.05 + 0.95/2), "192.0.2.1, 192.0.2.4"},
		{"cname", dns.TypeA, "192.0.2.1", 0.05, "192.0.2.1, lb.example.net."},
		{"cname", dns.TypeMX, "", 0.05, ", lb.example.net."},
	} {
		t.Run(fmt.Sprint(tt.name, " ", dns.Type(tt.qtype)), func(t *testing.T) {
			got := answersOf(t, table, Client{}, tt.name+".gslb.example.com.", tt.qtype, trials)
			if all := distinct(got); all != tt.all {
				t.Errorf("answered are %q, want %q", all, tt.all)
			}
			if off := sigmas(got[tt.want], trials, tt.part); off > 3 {
				t.Errorf("%v, want %.0f: %.1f sigma", got, tt.part*trials, off)
			}
		})
	}
}
