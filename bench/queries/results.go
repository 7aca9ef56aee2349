package queries

import (
	"fmt"
	"time"

	"gslb/integration/figures"
	"gslb/internal/plural"
)

// results are the tallies of all servers of a trial in the same conditions.
type results []*entry

type entry struct {
	contender
	tally
}

func newResults(servers []*server) results {
	var r results
	for _, server := range servers {
		r = append(r, &entry{contender: server.contender})
	}
	return r
}

// ours is this server's entry; nil: it takes no part.
func (r results) ours() *entry { return r.of(ours) }

// of is a contender's entry; nil: it takes no part.
func (r results) of(name string) *entry {
	for _, e := range r {
		if e.name == name {
			return e
		}
	}
	return nil
}

// floor is the entry of what is no name server; nil: it takes no part.
func (r results) floor() *entry {
	for _, e := range r {
		if e.floor {
			return e
		}
	}
	return nil
}

// best is the peer with the least of something; nil: no peer takes part.
func (r results) best(of func(*tally) float64) *entry {
	var best *entry
	for _, e := range r {
		if e.peer && (best == nil || of(&e.tally) < of(&best.tally)) {
			best = e
		}
	}
	return best
}

// What servers are compared by. Less is better, but of the rate.
func cpu(t *tally) float64      { return t.cpu.Median() }
func slowness(t *tally) float64 { return 1 / t.rate.Median() }

// report prints a table of all servers, and how this one stands beside its peers.
func (r results) report(b *bench, what string) {
	b.Table(r.table(), "**%s.** Medians of %s of %v.", what, plural.Of(b.rounds, "round", "rounds"), b.duration)
	if ours, thriftiest, fastest := r.ours(), r.best(cpu), r.best(slowness); ours != nil && thriftiest != nil {
		b.Print("gslb beside the best of gdnsd, Knot and NSD: %s of the CPU a query (%s), %s of the queries/s (%s).",
			ratio(cpu(&ours.tally), cpu(&thriftiest.tally)), thriftiest.name,
			ratio(slowness(&fastest.tally), slowness(&ours.tally)), fastest.name)
	}
}

// table has a row a server. The ratios are gslb's figure divided by the server's.
func (r results) table() *figures.Table {
	t := &figures.Table{}
	t.Row("server", "queries/s", "lost", "CPU a query", "user", "system", "busy", "others", "latency", "reply", "resident", "CPU: gslb/it", "queries/s: gslb/it")
	for _, e := range r {
		cpuRatio, rateRatio := none, none
		if ours := r.ours(); ours != nil {
			cpuRatio, rateRatio = ratio(ours.cpu.Median(), e.cpu.Median()), ratio(ours.rate.Median(), e.rate.Median())
		}
		t.Row(e.name, fmt.Sprintf("%.0f", e.rate.Median()), fmt.Sprintf("%.3f %%", 100*e.lost.Median()),
			shortSeconds(e.cpu.Median()), shortSeconds(e.user.Median()), shortSeconds(e.system.Median()),
			fmt.Sprintf("%.0f %%", 100*e.busy.Median()), fmt.Sprintf("%.0f %%", 100*e.others.Median()), shortSeconds(e.latency.Median()),
			fmt.Sprintf("%.0f B", e.replyBytes.Median()), figures.Mebibytes(e.memory.Median()), cpuRatio, rateRatio)
	}
	return t
}

// none stands for a missing figure.
const none = "–"

// ratio is a figure of ours beside one of another's.
func ratio(ours, other float64) string { return fmt.Sprintf("%.2f", ours/other) }

// short writes a time in its own order of magnitude, to three digits or so.
func short(d time.Duration) string {
	switch {
	case d < 100*time.Microsecond:
		return fmt.Sprintf("%.2f µs", float64(d)/float64(time.Microsecond))
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%.2f ms", float64(d)/float64(time.Millisecond))
	default:
		return fmt.Sprintf("%.2f s", d.Seconds())
	}
}

// shortSeconds is short for a number of seconds.
func shortSeconds(seconds float64) string {
	return short(time.Duration(seconds * float64(time.Second)))
}
