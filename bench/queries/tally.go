package queries

import (
	"fmt"
	"time"

	"gslb/integration/figures"
	"gslb/integration/parts"
)

// tally is what was measured of a server, round by round.
type tally struct {
	rate       figures.Sample // answers per second
	lost       figures.Sample // share of the queries
	user       figures.Sample // seconds of CPU an answer
	system     figures.Sample // the same, in the kernel
	cpu        figures.Sample // both together
	busy       figures.Sample // share of its processor
	others     figures.Sample // share of its processor that something else had
	latency    figures.Sample // seconds, see traffic
	replyBytes figures.Sample
	memory     figures.Sample // bytes, after the load
	growth     figures.Sample // bytes that the load added
}

// measure has a server bear a load, and adds what that cost.
func (t *tally) measure(part *parts.Part, load func() (traffic, error)) error {
	before, err := read(part)
	if err != nil {
		return err
	}
	found, err := load()
	if err != nil {
		return err
	}
	after, err := read(part)
	if err != nil {
		return err
	}
	t.add(found, before, after)
	return nil
}

// reading is what a server has used so far, and the memory that it has now.
type reading struct {
	parts.Usage
	memory    int64         // bytes
	processor time.Duration // that its processor was busy
}

func read(part *parts.Part) (r reading, err error) {
	if r.memory, err = part.Memory(); err != nil {
		return r, err
	}
	if r.processor, err = parts.ProcessorTime(serverProcessor); err != nil {
		return r, err
	}
	r.Usage, err = part.Usage()
	return r, err
}

// add adds a load and what was read before and after it.
func (t *tally) add(found traffic, before, after reading) {
	answered, took := float64(found.answered), found.took.Seconds()
	add(&t.rate, answered/took)
	add(&t.lost, 1-answered/float64(found.sent))
	add(&t.user, (after.User-before.User).Seconds()/answered)
	add(&t.system, (after.System-before.System).Seconds()/answered)
	add(&t.cpu, (after.CPU()-before.CPU()).Seconds()/answered)
	add(&t.busy, (after.CPU()-before.CPU()).Seconds()/took)
	// What a processor did is sampled and what a process used is exact, so they differ a little.
	others := after.processor - before.processor - (after.CPU() - before.CPU())
	add(&t.others, max(0, others.Seconds()/took))
	add(&t.latency, found.latency.Seconds())
	add(&t.replyBytes, found.replyBytes)
	add(&t.memory, float64(after.memory))
	add(&t.growth, float64(after.memory-before.memory))
}

func add(s *figures.Sample, value float64) { *s = append(*s, value) }

// last says what was added last.
func (t *tally) last() string {
	last := func(s figures.Sample) float64 { return s[len(s)-1] }
	return fmt.Sprintf("%8.0f/s, %.2f %% lost, %s each (%s user), %.0f %% busy, others %.0f %%",
		last(t.rate), 100*last(t.lost), shortSeconds(last(t.cpu)), shortSeconds(last(t.user)), 100*last(t.busy), 100*last(t.others))
}
