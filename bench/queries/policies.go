package queries

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/miekg/dns"

	"gslb/bench/figures"
	"gslb/bench/load"
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
	// policyWarmUp is how long each kind of name gets load before it is measured.
	policyWarmUp = 200 * time.Millisecond
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
	results results
}

// policies measures what a query costs under each policy: beside failover, by the same process,
// and beside gdnsd.
func policies(ctx context.Context, b *bench) (err error) {
	places, err := b.places()
	if err != nil {
		return err
	}
	c := content{
		names: 5 * b.size.names, pools: b.size.pools, clients: places, views: tenViews,
		policies: []string{failover, weighted, all, sticky, byView},
	}
	t, err := b.newTrial("policies", c, rare(), b.among(ours, older, "gdnsd", "echo"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	levels := []level{{name: "saturation"}, {name: fmt.Sprintf("%d/s", b.rate), rate: b.rate}}
	var found []*loaded
	questions := make(map[string][]question)
	for _, a := range allAsked() {
		questions[a.name] = c.first(a.mix, b.size.questions)
		for _, l := range levels {
			found = append(found, &loaded{asked: a, level: l, results: newResults(t.servers)})
		}
	}
	round := 0
	err = t.eachServing(ctx, "udp", nil, func(server *server, label string) error {
		round++
		for i := range found {
			l := found[(round+i)%len(found)]
			if !l.by(server.contender) {
				continue
			}
			if err := t.bearPolicy(ctx, server, l, questions[l.name]); err != nil {
				return fmt.Errorf("%s: %w", l.name, err)
			}
			b.Say("policies, %-24s %-10s %-8s %s", l.name, l.level.name, label, l.results[server.index].last())
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, l := range levels {
		b.reportPolicies(l, slices.DeleteFunc(slices.Clone(found), func(f *loaded) bool { return f.level.name != l.name }))
	}
	return nil
}

// bearPolicy measures a server under the load of one kind of name, after it has answered a
// sample right, with clients in every view.
func (t *trial) bearPolicy(ctx context.Context, server *server, l *loaded, questions []question) error {
	if !server.floor {
		if err := verify(ctx, "udp", server.listen, sample(questions)); err != nil {
			return err
		}
	}
	queries, err := pack(questions)
	if err != nil {
		return err
	}
	config := load.UDPConfig{Server: server.listen, Queries: queries, Sources: sources(questions), Processor: loadProcessor}
	if config.Rate = l.level.rate; config.Rate == 0 {
		config.Open = openQueries
	}
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
	if _, err := generate(policyWarmUp); err != nil {
		return err
	}
	return l.results[server.index].measure(server.part, func() (traffic, error) { return generate(t.duration) })
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

// reportPolicies prints a row a kind of name. The ratios are medians of those of every round, in
// which both figures are of the same minute and, beside failover, of the same process.
func (b *bench) reportPolicies(l level, found []*loaded) {
	t := &figures.Table{}
	t.Row("names", "gslb: CPU a query", "user", "lost", "gdnsd: CPU a query", "user", "lost", "echo", "gslb/its failover", "gslb/gdnsd")
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
			what := fmt.Sprintf("%s, %s: CPU a query beside ", f.name, l.name)
			own := ratios(us.cpu, ourFailover.cpu)
			row[len(row)-2] = fmt.Sprintf("%.2f", own.Median())
			if f != found[0] && f.policy != failover {
				b.goalRatio(what+"failover", atMost(1.05), own.Median())
			}
			if gdnsd := f.results.of("gdnsd"); gdnsd != nil && len(gdnsd.cpu) > 0 {
				beside := ratios(us.cpu, gdnsd.cpu)
				row[len(row)-1] = fmt.Sprintf("%.2f", beside.Median())
				if f.policy == weighted || f.policy == byView {
					b.goalRatio(what+"gdnsd", atMost(1), beside.Median())
				}
			}
		}
		t.Row(row...)
	}
	b.Table(t, "**policies, %s.** Medians of %s of %v.", l.name, plural(b.rounds, "round", "rounds"), b.duration)
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
