package queries

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// sampled is how many of the questions are verified before a server is measured.
const sampled = 100

// level is how much load there is, and what was found under it.
type level struct {
	name    string
	rate    int // queries per second; 0: as many as are answered
	results results
}

// steeredUDP is the load of a server's own clients.
func steeredUDP(ctx context.Context, b *bench) error {
	levels, err := b.udp(ctx, "steered", steeredMix, b.size.questions, b.contenders)
	if err != nil {
		return err
	}
	for _, l := range levels {
		us, best := l.results.ours(), l.results.best(cpu)
		if us == nil {
			continue
		}
		if best != nil {
			b.goalRatio(fmt.Sprintf("steered, %s: CPU a query beside %s", l.name, best.name), atMost(1.05), us.cpu.Median()/best.cpu.Median())
		}
		b.goalTime(fmt.Sprintf("steered, %s: of that, user mode", l.name), atMost(0.4e-6), us.user.Median())
		if floor := l.results.floor(); floor != nil {
			b.goalTime(fmt.Sprintf("steered, %s: of that, user mode, beyond that of a program that only echoes", l.name),
				atMost(0.4e-6), us.user.Median()-floor.user.Median())
		}
	}
	b.steered = levels[0].results
	return nil
}

// randomUDP is an attack by random subdomains.
func randomUDP(ctx context.Context, b *bench) error {
	levels, err := b.udp(ctx, "random", randomMix, b.size.random, b.contenders)
	if err != nil {
		return err
	}
	us, steered := levels[0].results.ours(), b.steered.ours()
	if us == nil {
		return nil
	}
	if steered != nil {
		b.goalRatio("random, saturation: queries/s beside the steered mix", atLeast(0.95), us.rate.Median()/steered.rate.Median())
	}
	b.goalMemory("random, saturation: memory that it adds", atMost(1<<20), us.growth.Median())
	return nil
}

// udp measures contenders under the load of a mix of questions, at every level:
// saturation first.
func (b *bench) udp(ctx context.Context, name string, m mix, questions int, contenders []contender) (_ []level, err error) {
	t, err := b.newTrial(name, content{names: b.size.names, pools: b.size.pools}, rare(), contenders)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	file, err := t.writeQuestions(m, questions)
	if err != nil {
		return nil, err
	}
	levels := []level{
		{"saturation", 0, newResults(t.servers)},
		{fmt.Sprintf("%d/s", b.rate), b.rate, newResults(t.servers)},
	}
	err = t.eachServing(ctx, "udp", t.content.first(m, sampled), func(server *server, label string) error {
		if _, err := t.dnsperf(ctx, server, label+"-warm", file.path, 0, b.warmUp); err != nil {
			return err
		}
		for i, level := range levels {
			entry := level.results[server.index]
			err := entry.measure(server.part, func() (traffic, error) {
				found, err := t.dnsperf(ctx, server, fmt.Sprintf("%s-%d", label, i), file.path, level.rate, b.duration)
				return found, errors.Join(err, server.check(found, file.negative))
			})
			if err != nil {
				return err
			}
			b.Say("%s, %-10s %-10s %s", name, level.name, label, entry.last())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, level := range levels {
		level.results.report(b, name+", "+level.name)
	}
	return levels, nil
}

// questionFile is what dnsperf asks from.
type questionFile struct {
	path     string
	negative float64 // share of the questions whose names do not exist
}

func (t *trial) writeQuestions(m mix, count int) (questionFile, error) {
	file := questionFile{path: filepath.Join(t.dir, "questions")}
	out, err := os.Create(file.path)
	if err != nil {
		return file, err
	}
	defer out.Close()
	if file.negative, err = t.content.write(out, m, count); err != nil {
		return file, err
	}
	return file, out.Close()
}
