package incident

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gslb/health"
)

// BenchmarkLook looks at 10,000 targets in 2,500 pools, and 2,000 names that are steered each for itself: while
// all is well, and while fifty pools are down.
func BenchmarkLook(b *testing.B) {
	var text strings.Builder
	text.WriteString("[server]\nlisten = [\"127.0.0.1:0\"]\n[checks.web]\ntype = \"tcp\"\naddress = \"{address}:80\"\n")
	for i := range 2500 {
		fmt.Fprintf(&text, "[pools.p%d]\nmembers = [", i)
		for j := range 4 {
			fmt.Fprintf(&text, "\"10.%d.%d.%d\",", i>>8, i&255, j)
		}
		text.WriteString("]\nchecks = [\"web\"]\n")
	}
	text.WriteString("[zones.\"gslb.example.com\"]\nnameservers = { ns1 = [\"192.0.2.53\"] }\n")
	for i := range 2000 {
		fmt.Fprintf(&text, "[zones.\"gslb.example.com\".names.n%d]\npools = [\"p%d\", \"p%d\"]\n", i, i, i+500)
	}
	w := newWorld(b, text.String())
	for _, target := range w.Set.Targets {
		w.look.Reports = append(w.look.Reports, health.Report{Target: target, Judged: noon, Probed: noon, Last: health.Result{Verdict: health.Pass}})
	}
	for _, down := range []int{0, 50} {
		var ids []health.TargetID
		for i := range down {
			for j := range 4 {
				ids = append(ids, health.TargetID(fmt.Sprintf("web@10.%d.%d.%d", i*10>>8, i*10&255, j)))
			}
		}
		d := newDiary(w, Kept{})
		events := w.turn(time.Second, ids...)
		d.write(events)
		if got := len(d.lasting()); got != down {
			b.Fatalf("%d incidents, want %d", got, down)
		}
		b.Run(fmt.Sprintf("%d pools down", down), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				d.Book.look()
			}
		})
	}
}
