package main

import (
	"context"
	"log/slog"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gslb/alias"
	"gslb/health"
	"gslb/health/probe"
	"gslb/operate"
	"gslb/steer"
	"gslb/zones"
	"gslb/zones/config"
)

// commands is all that persons and programs can ask of the server: it is the admin.Operator.
type commands struct {
	*operate.Operator
	*operate.Planner
	*configuration // for Apply
}

func (p *program) newCommands(databases *config.Databases) *commands {
	return &commands{
		Operator: operate.New(operate.Options{
			Book: p.overrides, Publisher: p.publisher, Marks: probe.NewMarks(probe.Options{}), Hooks: operate.NewHookRunner(), Tell: p.journal.Add, Logger: p.logger,
		}),
		Planner: &operate.Planner{
			Outcome: p.publisher.Outcome,
			Load: func(path, content string, remote bool) (set *zones.Set, err error) {
				current := p.config.Current()
				options := config.LoadOptions{
					Now: time.Now(), Databases: databases,
					Serials: func(string) map[string]zones.Serial { return serials(current) },
				}
				if remote {
					options.Within, options.Also = filepath.Dir(current.Path), current.Files
				}
				behindQueries(func() { set, err = config.Parse([]byte(content), path, options) })
				return set, err
			},
			// Who may ask for a plan may not have this host run a command of theirs.
			Make:   func() health.Maker { return newMaker(probe.Options{}) },
			LookUp: lookUpAll,
			Heavy:  behindQueries,
		},
		configuration: p.config,
	}
}

// lookUpAll finds the addresses of hosts, once, and apart from those that a server follows.
func lookUpAll(ctx context.Context, hosts []string, resolvers []netip.AddrPort) map[string]alias.Host {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	defer func() {
		cancel()
		<-ended
	}()
	w := alias.New(alias.Options{Names: hosts, Resolvers: resolvers, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()})
	go func() {
		defer close(ended)
		_ = w.Run(ctx)
	}()
	w.Wait(ctx, hosts)
	w.Settle() // what was not found in time is not known
	addresses, found := w.Take(), make(map[string]alias.Host, len(hosts))
	for _, host := range hosts {
		found[host] = addresses.Of(host)
	}
	return found
}

// allUp is what a configuration answers with everything up, for a command without a server.
func allUp(ctx context.Context, set *zones.Set) *steer.Outcome {
	return operate.AllUp(set, hostsOf(ctx, set), time.Now())
}
