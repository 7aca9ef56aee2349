package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"gslb/admin"
	"gslb/answer"
	"gslb/health"
	"gslb/health/probe"
	"gslb/internal/state"
	"gslb/server"
	"gslb/zones"
)

// program is the wiring of a running server: the arrows of the design, made once.
//
//	config ─► monitor ─► publisher ─► server
//	                         └─► events ─► log, admin, keeper
type program struct {
	logger    *slog.Logger
	config    *configuration
	monitor   *health.Monitor
	publisher *answer.Publisher
	server    *server.Server
	admin     *admin.Server // nil: there is none
	adminAddr string        // where it listens
	keeper    *keeper
	watcher   *watcher

	restored map[health.TargetID]health.Record // verdicts of the run before, as far as they are fresh
	waiting  atomic.Pointer[[]string]          // what the first answers wait for; nil: nothing any more
}

// newProgram loads the configuration and the state, and binds every socket. Nothing runs
// yet.
func newProgram(path string, logger *slog.Logger) (*program, error) {
	p := &program{logger: logger}
	var kept state.State
	set, err := zones.Load(path, zones.LoadOptions{
		Now: time.Now(),
		Serials: func(stateDir string) map[string]zones.Serial {
			kept = loadState(stateDir, logger)
			return kept.Serials
		},
	})
	if err != nil {
		return nil, fmt.Errorf("%s is not valid:\n%w", path, err)
	}
	p.restored = kept.Fresh(time.Now(), set.Server.StateMaxAge)

	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	p.monitor = health.NewMonitor(health.MonitorOptions{Make: newMaker(), Logger: logger, Registerer: registry})
	if err := p.monitor.Add(set.Targets, p.restored); err != nil {
		return nil, fmt.Errorf("%s is not valid:\n%w", path, err)
	}
	p.waitFor("the first publication")

	p.keeper = newKeeper(set.Server.StateDir, p.snapshotState, logger, registry)
	listeners := []func([]answer.Event){logEvents(logger), p.keeper.Notice}
	if set.Admin.Listen.IsValid() {
		listeners = append(listeners, func(events []answer.Event) { p.admin.Record(events) })
	}
	p.publisher = answer.NewPublisher(answer.PublisherOptions{
		Health: p.monitor, Memory: kept.Memory, Logger: logger, Registerer: registry, Listeners: listeners,
	})
	p.config = newConfiguration(set, p.monitor, p.publisher, logger)
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
	})
	if err != nil {
		return fmt.Errorf("server.listen: %w", err)
	}
	if !set.Admin.Listen.IsValid() {
		return nil
	}
	listener, err := net.Listen("tcp", set.Admin.Listen.String())
	if err != nil {
		return errors.Join(fmt.Errorf("admin.listen: %w", err), p.server.Close())
	}
	p.adminAddr = listener.Addr().String()
	p.admin = admin.New(admin.Options{
		Listener: listener, Table: p.publisher.Table, Reports: p.monitor.Reports,
		Readiness: p.readiness, ConfigStatus: p.config.Status,
		Gatherer: registry, Registerer: registry, Logger: p.logger,
		Version: version, Started: time.Now(),
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
	set := p.config.Current()
	p.firstVerdicts(ctx, set)
	if err := p.publisher.Use(ctx, set); err != nil {
		return err
	}
	p.waiting.Store(nil)
	p.logger.Info("serving", "listen", addresses(p.server.Addrs()))
	notify(daemon.SdNotifyReady)
	return p.server.Run(ctx)
}

// firstVerdicts waits until every target was probed, at most startup_wait, so that the first
// answer is right. What was up in the run before may have died since. What was down is not
// waited for: a single probe does not bring it back.
func (p *program) firstVerdicts(ctx context.Context, set *zones.Set) {
	var awaited []health.TargetID
	for _, t := range set.Targets {
		if r := p.restored[t.ID]; r.Fingerprint != t.Fingerprint || r.Status != health.Down {
			awaited = append(awaited, t.ID)
		}
	}
	p.waitForTargets(awaited)
	started := time.Now()
	bounded, cancel := context.WithTimeout(ctx, set.Server.StartupWait)
	defer cancel()
	missing := p.monitor.Wait(bounded, awaited)
	if len(missing) > 0 && ctx.Err() == nil {
		p.logger.Warn("serving without the first verdict of some targets", "waited", time.Since(started).Round(time.Millisecond),
			"targets", len(missing), "first", missing[0])
	}
}

func (p *program) waitForTargets(ids []health.TargetID) {
	lines := make([]string, len(ids))
	for i, id := range ids {
		lines[i] = fmt.Sprintf("the first verdict of %s", id)
	}
	p.waitFor(lines...)
}

func (p *program) waitFor(what ...string) {
	if len(what) == 0 {
		what = []string{"the first publication"}
	}
	p.waiting.Store(&what)
}

// readiness is what the first answers still wait for.
func (p *program) readiness() []string {
	if waiting := p.waiting.Load(); waiting != nil {
		return *waiting
	}
	return nil
}

func (p *program) reloadOnHangup(ctx context.Context) error {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hangups:
			p.config.Reload(ctx)
		}
	}
}

// snapshotState is what the next run is to know.
func (p *program) snapshotState() state.State {
	return state.State{
		Saved:   time.Now(),
		Targets: p.monitor.Records(),
		Memory:  p.publisher.Memory(),
		Serials: serials(p.config.Current()),
	}
}

func loadState(dir string, logger *slog.Logger) state.State {
	kept, err := state.Load(dir)
	if err != nil {
		logger.Error("starting without the state of the run before", "error", err)
	}
	return kept
}

func newMaker() health.Maker { return probe.New(probe.Options{}) }

// notify tells systemd, where it is systemd that started us. That it can't be told is no
// reason not to serve.
func notify(what string) { _, _ = daemon.SdNotify(false, what) }
