package zones

import (
	"fmt"
	"strings"
	"testing"
)

// A zone of 100,000 names, static and steered; the time must grow with their number only.
func BenchmarkParse(b *testing.B) {
	const head = `server = { listen = ["127.0.0.1:0"] }
[pools.nyc]
members = ["203.0.113.10"]
[pools.ams]
members = ["198.51.100.10"]
[zones."gslb.example.com"]
nameservers = { ns1 = ["192.0.2.53"] }
`
	const steered = "[zones.\"gslb.example.com\".names.n%d]\npools = [\"nyc\", \"ams\"]\n"
	for _, n := range []int{10_000, 100_000} {
		var records, names strings.Builder
		records.WriteString(head + "records = \"\"\"\n")
		names.WriteString(head)
		for i := range n {
			fmt.Fprintf(&records, "n%d A 192.0.2.%d\n", i, i%256)
			fmt.Fprintf(&names, steered, i)
		}
		records.WriteString("\"\"\"\n")
		fmt.Fprintf(&records, steered, n)

		for _, bench := range []struct{ name, text string }{
			{"records", records.String()},
			{"steered", names.String()},
		} {
			b.Run(fmt.Sprintf("%s=%d", bench.name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					mustParse(b, bench.text, LoadOptions{})
				}
			})
		}
	}
}
