package answer

import (
	"strings"
	"testing"

	"github.com/miekg/dns"
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
