package answer

import (
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"gslb/steer"
)

// BenchmarkLookup is the cost of one question to the table: found and packed.
func BenchmarkLookup(b *testing.B) {
	table := compile(parse(b, worldText))
	for _, ask := range []string{
		"app.gslb.example.com. A", "gone.gslb.example.com. A", "gslb.example.com. NS", "toapp.gslb.example.com. A",
		"x.cut.gslb.example.com. A",
	} {
		qname, typeName, _ := strings.Cut(ask, " ")
		b.Run(strings.ReplaceAll(ask, " ", "_"), func(b *testing.B) {
			q := newPackedQuestion(b, qname, dns.StringToType[typeName])
			b.ReportAllocs()
			for b.Loop() {
				q.run(b, table)
			}
		})
	}
}

// BenchmarkPublish is the cost of one change of health: 10,000 pools of one member each,
// and a name for every two of them.
func BenchmarkPublish(b *testing.B) {
	const pools = 10_000
	var text strings.Builder
	text.WriteString("[server]\nlisten = [\"127.0.0.1:0\"]\n[checks.web]\ntype = \"tcp\"\naddress = \"{address}:80\"\n")
	for i := range pools {
		fmt.Fprintf(&text, "[pools.p%d]\nmembers = [\"10.0.%d.%d\"]\nchecks = [\"web\"]\n", i, i/250, i%250+1)
	}
	text.WriteString("[zones.\"gslb.example.com\"]\nnameservers = { ns1 = [\"192.0.2.53\"] }\n")
	for i := 0; i < pools; i += 2 {
		fmt.Fprintf(&text, "[zones.\"gslb.example.com\".names.n%d]\npools = [\"p%d\", \"p%d\"]\n", i, i, i+1)
	}
	set := parse(b, text.String())
	snap := snapshot(set, "web@10.0.0.1")
	out := steer.Step(set, snap, steer.Memory{}, noon)
	table := Compile(set, out.Pools, out.Decisions)
	b.Run("decide", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			steer.Step(set, snap, out.Memory, noon)
		}
	})
	b.Run("compile", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			table.With(out.Pools, out.Decisions)
		}
	})
	b.Run("events", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			events(table, table, nil)
		}
	})
}
