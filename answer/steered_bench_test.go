package answer

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"gslb/internal/wire"
	"gslb/override"
	"gslb/steer"
)

// policiesText has a name for each way to steer, over pools of one address, as most have.
const policiesText = `
[server]
listen = ["127.0.0.1:0"]
[pools]
p0 = { members = ["203.0.113.10", "2001:db8::10"] }
p1 = { members = ["203.0.113.11", "2001:db8::11"], weight = 3 }
p2 = { members = ["203.0.113.12", "2001:db8::12"] }
p3 = { members = ["203.0.113.13", "2001:db8::13"] }
[zones."gslb.example.com"]
nameservers = { ns1 = ["192.0.2.53"] }
[zones."gslb.example.com".names]
failover = { pools = ["p0", "p1"] }
weighted = { policy = "weighted", pools = ["p0", "p1", "p2", "p3"] }
sticky   = { policy = "sticky", pools = ["p0", "p1", "p2", "p3"] }
all      = { policy = "all", pools = ["p0", "p1", "p2", "p3"] }
views    = { views = { VIEWS default = ["p0"] } }
`

// BenchmarkSteered is the cost of one question for an address by each way to steer, for clients of
// many networks, found and packed; while nobody has pinned a name, of a name that is pinned, and of one
// beside it.
func BenchmarkSteered(b *testing.B) {
	var views strings.Builder
	for i := range 200 {
		fmt.Fprintf(&views, "\"10.%d.0.0/16\" = [\"p%d\"], ", i, i%4)
	}
	set := parse(b, strings.Replace(policiesText, "VIEWS ", views.String(), 1))
	table := compile(set)
	pin := override.NewWords([]override.Override{{Kind: override.Pin, Name: "failover.gslb.example.com.", Pool: "p1"}})
	pinned := NewIndex(set).Compile(steer.Step(set, steer.Input{Snapshot: snapshot(set), Words: pin, Now: noon}, steer.Memory{}))
	for _, of := range []struct {
		what, name string
		table      *Table
	}{
		{"failover", "failover", table}, {"weighted", "weighted", table}, {"sticky", "sticky", table}, {"all", "all", table}, {"views", "views", table},
		{"pinned", "failover", pinned}, {"beside", "weighted", pinned},
	} {
		b.Run(of.what, func(b *testing.B) {
			table := of.table
			q := newPackedQuestion(b, of.name+".gslb.example.com.", dns.TypeA)
			end, _ := q.name.Read(q.msg, wire.HeaderSize)
			asked := q.msg[wire.HeaderSize:end]
			b.ReportAllocs()
			for i := uint32(0); b.Loop(); i++ {
				client := Client{Addr: netip.AddrFrom4([4]byte{10, byte(i * 37), byte(i >> 8), byte(i)})}
				clear(q.msg[wire.OffANCount:wire.HeaderSize])
				q.lookup.Run(table, client, asked, &q.name, dns.TypeA)
				q.lookup.Append(q.msg, 1232)
			}
		})
	}
}
