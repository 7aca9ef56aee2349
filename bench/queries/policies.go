package queries

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/miekg/dns"

	"gslb/bench/load"
	"gslb/integration/figures"
	"gslb/internal/plural"
)

// asked is a kind of name, asked by a kind of client.
type asked struct {
	name   string
	policy string
	client func(*rand.Rand) client
}

// allAsked are compared with the first of them. All names are served at the same time.
func allAsked() []asked {
	return []asked{
		{"failover", failover, atSource},
		{"weighted", weighted, atSource},
		{"all, rotated", all, atSource},
		{"sticky", sticky, atSource},
		{"geo by source", byView, atSource},
		{"failover, with a subnet", failover, inSubnet},
		{"geo by client subnet", byView, inSubnet},
	}
}

const (
	// openQueries is how many there are at saturation. It is dnsperf's own number.
	openQueries = 100
	// policyPasses is how many parts the measurement of a kind of name has in each round. Between
	// two of them, all others have one: the speed of a machine changes from one minute to the next.
	policyPasses = 4
	// policyWarmUp is how much of the warm-up a kind of name gets before each part.
	policyWarmUp = 0.1
)

// mix is 90 % A and 10 % AAAA of the names.
func (a asked) mix(c content, r *rand.Rand) question {
	qtype := dns.TypeA
	if r.IntN(10) == 0 {
		qtype = dns.TypeAAAA
	}
	return c.askAs(a.client(r), c.named(a.policy, r.IntN(c.names)), qtype)
}

// by says whether a contender takes part: gdnsd has nothing that is sticky, and the floor is the
// same for all names, but not for larger queries.
func (a asked) by(c contender) bool {
	if c.floor {
		return a.policy == failover
	}
	return a.policy != sticky || c.name != "gdnsd"
}

// loaded is a kind of name under one level of load: a tally for each server, empty for one that
// takes no part.
type loaded struct {
	asked
	level   level
	queries load.UDPConfig
	results results
}

// policies measures what a query costs under each policy: beside failover, by the same process,
// and beside gdnsd. All servers run at the same time, and one of them has load.
func policies(ctx context.Context, b *bench) (err error) {
	places, err := b.places()
	if err != nil {
		return err
	}
	c := content{
		names: 5 * b.size.names, pools: b.size.pools, clients: places, views: tenViews,
		policies: []string{failover, weighted, all, sticky, byView},
	}
	t, err := b.newTrial("policies", c, rare(), b.among(ours, "gdnsd", "echo"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	levels := [][]*loaded{nil, nil}
	var samples [][]question
	for _, a := range allAsked() {
		questions := c.first(a.mix, b.size.questions)
		samples = append(samples, sample(questions))
		packed, err := pack(questions)
		if err != nil {
			return err
		}
		for i, l := range []level{{name: "saturation"}, {name: fmt.Sprintf("%d/s", b.rate), rate: b.rate}} {
			config := load.UDPConfig{Queries: packed, Sources: sources(questions), Rate: l.rate, Processor: loadProcessor}
			if l.rate == 0 {
				config.Open = openQueries
			}
			levels[i] = append(levels[i], &loaded{asked: a, level: l, queries: config, results: newResults(t.servers)})
		}
	}
	for round := range b.rounds {
		if err := t.policyRound(ctx, round, levels, samples); err != nil {
			return fmt.Errorf("round %d: %w", round+1, err)
		}
	}
	for _, found := range levels {
		b.reportPolicies(found)
	}
	return nil
}

// policyRound starts all servers, has each answer samples of all kinds of names right, with clients
// in every view, and measures them in turn.
func (t *trial) policyRound(ctx context.Context, round int, levels [][]*loaded, samples [][]question) (err error) {
	for _, server := range t.servers {
		if err := server.start(ctx); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, server.part.Stop(ctx)) }()
		for i, a := range allAsked() {
			if !a.by(server.contender) || server.floor {
				continue
			}
			if err := verify(ctx, "udp", server.listen, samples[i]); err != nil {
				return fmt.Errorf("%s, %s: %w", server.name, a.name, err)
			}
		}
	}
	for pass := range policyPasses {
		turn := round*policyPasses + pass
		for i := range levels {
			kinds := levels[(turn+i)%len(levels)]
			for j := range kinds {
				l := kinds[(turn+j)%len(kinds)]
				for k := range t.servers {
					server := t.servers[(turn+k)%len(t.servers)]
					if !l.by(server.contender) {
						continue
					}
					if err := t.bearPolicy(ctx, server, l); err != nil {
						return fmt.Errorf("%s, %s: %w", server.name, l.name, err)
					}
					t.Say("policies, %-24s %-10s %-8s %s", l.name, l.level.name, fmt.Sprintf("%s-%d", server.name, turn+1), l.results[server.index].last())
				}
			}
		}
	}
	return nil
}

// bearPolicy measures a server under the load of one kind of name, for a part of the time.
func (t *trial) bearPolicy(ctx context.Context, server *server, l *loaded) error {
	config := l.queries
	config.Server = server.listen
	generate := func(length time.Duration) (traffic, error) {
		config.Time = length
		report, err := load.UDP(ctx, config)
		if err != nil {
			return traffic{}, err
		}
		found := traffic{
			sent: int64(report.Sent()), answered: int64(report.Sent() - report.Lost()), rcodes: byName(report.Rcodes),
			took: report.Took, latency: report.Mean(),
		}
		found.replyBytes = float64(report.ReplyBytes) / float64(max(1, found.answered))
		return found, server.check(found, 0)
	}
	if _, err := generate(time.Duration(policyWarmUp * float64(t.warmUp))); err != nil {
		return err
	}
	return l.results[server.index].measure(server.part, func() (traffic, error) { return generate(t.duration / policyPasses) })
}

// sample is the first of the questions, and more, so that there is a client in every view
// that one of them is in.
func sample(questions []question) []question {
	few := slices.Clone(questions[:min(sampled, len(questions))])
	seen := make(map[int]bool)
	for i, q := range questions {
		if !seen[q.view] && i >= len(few) {
			few = append(few, q)
		}
		seen[q.view] = true
	}
	return few
}

// reportPolicies prints a row a kind of name. The ratios are medians of those of every pass, whose
// figures are of the same seconds and, beside failover, of the same process.
func (b *bench) reportPolicies(found []*loaded) {
	t := &figures.Table{}
	t.Row("names", "gslb: CPU a query", "user", "lost", "gdnsd: CPU a query", "user", "lost", "echo", "gslb/its failover", "gslb/gdnsd")
	level := found[0].level.name
	ourFailover := found[0].results.ours()
	for _, f := range found {
		row := []string{f.name}
		for _, e := range []*entry{f.results.ours(), f.results.of("gdnsd")} {
			if e == nil || len(e.cpu) == 0 {
				row = append(row, none, none, none)
				continue
			}
			row = append(row, shortSeconds(e.cpu.Median()), shortSeconds(e.user.Median()), fmt.Sprintf("%.3f %%", 100*e.lost.Median()))
		}
		row = append(row, f.results.of("echo").orNone(), none, none)
		if us := f.results.ours(); us != nil {
			what := fmt.Sprintf("%s, %s: CPU a query beside ", f.name, level)
			own := ratios(us.cpu, ourFailover.cpu).Median()
			row[len(row)-2] = fmt.Sprintf("%.2f", own)
			if f.policy != failover {
				b.goalRatio(what+"failover", atMost(1.05), own)
			}
			if gdnsd := f.results.of("gdnsd"); gdnsd != nil && len(gdnsd.cpu) > 0 {
				beside := ratios(us.cpu, gdnsd.cpu).Median()
				row[len(row)-1] = fmt.Sprintf("%.2f", beside)
				if f.policy == weighted || f.policy == byView {
					b.goalRatio(what+"gdnsd", atMost(1), beside)
				}
			}
		}
		t.Row(row...)
	}
	b.Table(t, "**policies, %s.** Medians of %s of %v each, in %s.", level,
		plural.Of(b.rounds*policyPasses, "part", "parts"), b.duration/policyPasses, plural.Of(b.rounds, "round", "rounds"))
}

// orNone is the CPU a query, if there is any.
func (e *entry) orNone() string {
	if e == nil || len(e.cpu) == 0 {
		return none
	}
	return shortSeconds(e.cpu.Median())
}

// ratios divides what was measured in the same rounds.
func ratios(ours, others figures.Sample) figures.Sample {
	var found figures.Sample
	for i := range min(len(ours), len(others)) {
		found = append(found, ours[i]/others[i])
	}
	return found
}
