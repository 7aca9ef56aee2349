package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"gslb/admin"
	"gslb/health"
	"gslb/health/probe"
	"gslb/publish"
	"gslb/server"
	"gslb/state"
	"gslb/steer"
	"gslb/zones"
	"gslb/zones/config"
)

// program is the wiring of a running server: the arrows of the design, made once.
//
//	config ─► monitor ─► publisher ─► server
//	                         └─► events ─► log, admin, keeper
type program struct {
	logger    *slog.Logger
	config    *configuration
	monitor   *health.Monitor
	publisher *publish.Publisher
	settings  *settings
	server    *server.Server
	admin     *admin.Server // nil: there is none
	adminAddr string        // where it listens
	keeper    *keeper
	watcher   *watcher
	hangups   chan os.Signal

	awaited []health.TargetID // what the first answers wait for
	serving atomic.Bool       // the first table is published
}

// newProgram loads the configuration and the state, and binds every socket. Nothing runs
// yet.
func newProgram(path string, logger *slog.Logger) (*program, error) {
	p := &program{logger: logger, hangups: make(chan os.Signal, 1)}
	// From the first moment, since a SIGHUP that nobody handles ends the process.
	signal.Notify(p.hangups, syscall.SIGHUP)
	var kept state.State
	set, err := config.Load(path, config.LoadOptions{
		Now: time.Now(),
		Serials: func(stateDir string) map[string]zones.Serial {
			kept = loadState(stateDir, logger)
			return kept.Serials
		},
	})
	if err != nil {
		return nil, fmt.Errorf("%s is not valid:\n%w", path, err)
	}
	restored := kept.Fresh(time.Now(), set.Server.StateMaxAge)
	p.awaited = awaitedAtStart(set, restored)

	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	p.monitor = health.NewMonitor(health.MonitorOptions{Make: newMaker(), Logger: logger, Registerer: registry})
	if err := p.monitor.Add(set.Targets, restored); err != nil {
		return nil, fmt.Errorf("%s is not valid:\n%w", path, err)
	}

	p.keeper = newKeeper(set.Server.StateDir, p.draftState, logger, registry)
	listeners := []func([]publish.Event){logEvents(logger), p.keeper.Notice}
	if set.Admin.Listen.IsValid() {
		listeners = append(listeners, func(events []publish.Event) { p.admin.Record(events) })
	}
	p.publisher = publish.New(publish.Options{
		Health: p.monitor, Memory: kept.Memory, Logger: logger, Registerer: registry, Listeners: listeners,
	})
	p.settings = &settings{}
	if err := p.settings.use(&set.Server); err != nil {
		return nil, fmt.Errorf("%s is not valid:\n%w", path, err)
	}
	p.config = newConfiguration(set, p.monitor, p.publisher, p.settings, logger)
	p.watcher = &watcher{config: p.config, logger: logger}
	return p, p.bind(set, registry)
}

// bind opens the sockets, so that an address that is not to be had is known at once.
func (p *program) bind(set *zones.Set, registry *prometheus.Registry) error {
	var err error
	p.server, err = server.New(server.Options{
		Listen:     set.Server.Listen,
		Source:     p.source,
		Logger:     p.logger,
		Registerer: registry,
		Limits: server.Limits{
			TCPConns:     set.Server.TCP.Connections,
			TCPPerClient: set.Server.TCP.PerClient,
			TCPIdle:      set.Server.TCP.Idle,
			TCPTotal:     set.Server.TCP.Lifetime,
		},
	})
	if err != nil {
		return fmt.Errorf("server.listen: %w", err)
	}
	p.settings.to(p.server.Apply)
	if !set.Admin.Listen.IsValid() {
		return nil
	}
	listener, err := net.Listen("tcp", set.Admin.Listen.String())
	if err != nil {
		return errors.Join(fmt.Errorf("admin.listen: %w; free that address or choose another", err), p.server.Close())
	}
	p.adminAddr = listener.Addr().String()
	host, _ := os.Hostname() // without one the page has no such title
	p.admin = admin.New(admin.Options{
		Listener: listener, Table: p.publisher.Table, Reports: p.monitor.Reports,
		Readiness: p.readiness, ConfigStatus: p.config.Status,
		Gatherer: registry, Registerer: registry, Logger: p.logger,
		Hosts:   func() []string { return p.config.Current().Admin.Hosts },
		Version: version, Host: host, Started: time.Now(),
	})
	return nil
}

// source is what the server answers from; nil while nothing is published.
func (p *program) source() server.Resolver {
	if table := p.publisher.Table(); table != nil {
		return table
	}
	return nil
}

// run serves until ctx ends, or a part fails. Everything behind the answers goes on until
// the last query has its answer.
func (p *program) run(ctx context.Context) error {
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	tasks, background := errgroup.WithContext(background)
	start := func(run func(context.Context) error) {
		tasks.Go(func() error { return run(background) })
	}
	start(p.monitor.Run)
	start(p.publisher.Run)
	start(p.keeper.Run)
	start(p.settings.Run)
	start(p.watcher.Run)
	start(p.reloadOnHangup)
	if p.admin != nil {
		start(p.admin.Run)
	}

	serving, cancel := context.WithCancel(ctx)
	defer cancel()
	context.AfterFunc(background, cancel) // a part that fails ends the serving
	err := p.serve(serving)
	notify(daemon.SdNotifyStopping)
	stop()
	if failed := tasks.Wait(); failed != nil {
		return failed
	}
	return err
}

// serve waits for the first verdicts, publishes, and answers.
func (p *program) serve(ctx context.Context) error {
	if err := p.config.First(func(set *zones.Set) error {
		p.firstVerdicts(ctx, set)
		return p.publisher.Use(ctx, set)
	}); err != nil {
		return err
	}
	p.serving.Store(true)
	// What reading a large configuration took is not needed again.
	go behindQueries(debug.FreeOSMemory)
	p.logger.Info("serving", "listen", addresses(p.server.Addrs()))
	notify(daemon.SdNotifyReady)
	return p.server.Run(ctx)
}

// firstVerdicts waits until every target was probed, at most startup_wait, so that the first
// answer is right. What was up in the run before may have died since. What was down is not
// waited for: a single probe does not bring it back.
func (p *program) firstVerdicts(ctx context.Context, set *zones.Set) {
	bounded, cancel := context.WithTimeout(ctx, set.Server.StartupWait)
	defer cancel()
	missing := p.monitor.Wait(bounded, p.awaited)
	if len(missing) > 0 && ctx.Err() == nil {
		p.logger.Warn("serving without the first verdict of some targets", "targets", len(missing), "first", missing[0])
	}
}

// awaitedAtStart is the targets that the first answers wait for.
func awaitedAtStart(set *zones.Set, restored map[health.TargetID]health.Record) []health.TargetID {
	var awaited []health.TargetID
	for _, t := range set.Targets {
		if r := restored[t.ID]; r.Fingerprint != t.Fingerprint || r.Status != health.Down {
			awaited = append(awaited, t.ID)
		}
	}
	return awaited
}

// readiness is what the first answers still wait for, a line each; nothing once they are
// given, whatever the targets do then.
func (p *program) readiness() []string {
	if p.serving.Load() {
		return nil
	}
	over, cancel := context.WithCancel(context.Background())
	cancel()
	lines := []string{"the first publication"}
	for _, id := range p.monitor.Wait(over, p.awaited) {
		lines = append(lines, fmt.Sprintf("the first verdict of %s", id))
	}
	return lines
}

func (p *program) reloadOnHangup(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-p.hangups:
			p.config.Reload(ctx)
		}
	}
}

// draftState is what the next run is to know.
func (p *program) draftState() state.Draft {
	set := p.config.Current()
	return state.Draft{
		Revision: state.Revision{Memory: p.publisher.MemoryRevision(), Config: set.Hash},
		Targets:  p.monitor.Records(),
		Decided: func() (steer.Memory, map[string]zones.Serial) {
			return p.publisher.Memory(), serials(set)
		},
	}
}

func loadState(dir string, logger *slog.Logger) state.State {
	kept, err := state.Load(dir)
	if err != nil {
		logger.Error("starting without the state of the run before, or a part of it", "error", err)
	}
	return kept
}

func newMaker() health.Maker { return probe.New(probe.Options{}) }

// notify tells systemd, where it is systemd that started us. That it can't be told is no
// reason not to serve.
func notify(what string) { _, _ = daemon.SdNotify(false, what) }
