package meter

import (
	"fmt"
	"testing"
)

// BenchmarkAdd is what counting an answer by name and pool costs a query, with 2,000 names that are asked for in no
// order.
func BenchmarkAdd(b *testing.B) {
	names := make([]string, 2000)
	for i := range names {
		names[i] = fmt.Sprint("name", i)
	}
	counters := countersOf(b, names...)
	tally := New().Tally()
	b.ReportAllocs()
	at := 0
	for b.Loop() {
		at = (at + 7919) % counters.Len()
		tally.Add(counters, at)
	}
}
