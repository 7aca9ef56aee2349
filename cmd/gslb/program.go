package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"gslb/admin"
	"gslb/alias"
	"gslb/alias/follow"
	"gslb/answer"
	"gslb/health"
	"gslb/health/probe"
	"gslb/history"
	"gslb/incident"
	"gslb/internal/plural"
	"gslb/journal"
	notices "gslb/notify"
	"gslb/override"
	"gslb/publish"
	"gslb/replication"
	"gslb/server"
	"gslb/server/tap"
	"gslb/slo"
	"gslb/state"
	"gslb/steer"
	"gslb/zones"
	"gslb/zones/config"
)

// program connects the parts of a running server:
//
//	config ─► monitor ─────────────► publisher ─► server
//	   │         └─────► copies ───────┤  └─► events ─► log, keeper, history, journal, incidents ─► notifier, admin
//	   └────► hosts ───► aliases ──────┤
//	          overrides ───────────────┘
type program struct {
	logger      *slog.Logger
	config      *configuration
	pushes      *health.Pushes
	monitor     *health.Monitor
	hosts       *alias.Watcher
	aliases     *follow.Follower
	overrides   *override.Book
	copies      *replication.Book
	publisher   *publish.Publisher
	settings    *settings
	tap         *tap.Tap
	server      *server.Server
	commands    *commands
	admin       *admin.Server // nil: there is none
	adminAddr   string        // where it listens
	journal     *journal.Journal
	recalled    []journal.Event // of the runs before
	eventLog    *journal.Log    // nil: without a directory for the state there is none
	incidents   *incident.Book
	notifier    *notices.Notifier
	keeper      *keeper
	history     *history.Book
	watcher     *watcher
	descriptors *descriptors
	hangups     chan os.Signal

	before         *predecessor // that this gslb takes over from; nil: none
	open           *openSockets // of the predecessor, or of the service manager
	passed         bool         // the service manager has passed sockets of DNS
	upgrades       *upgrades
	upgradeSignals chan os.Signal
	queryLog       *ending       // its writer
	keeping        *pausing      // all that writes into the directory of the state
	adminListener  net.Listener  // nil: there is none
	adminSocket    *admin.Socket // likewise

	begun   time.Time
	serving chan struct{} // closed when every name is answered
}

// inheritance is what a program begins with: its configuration, and what the run before has left.
type inheritance struct {
	set       *zones.Set
	databases *config.Databases
	store     *state.Store
	kept      state.State
	now       time.Time // of kept
}

// inherit loads the configuration and the state, and reserves the directory of the state for this
// process.
func inherit(path string, logger *slog.Logger) (in inheritance, err error) {
	var held error // by another process
	in.databases = new(config.Databases)
	in.set, err = config.Load(absolute(path), config.LoadOptions{
		Now:       time.Now(),
		Databases: in.databases,
		Serving:   true,
		Serials: func(stateDir string) map[string]zones.Serial {
			in.store, in.kept, held = openState(absolute(stateDir), logger)
			return in.kept.Serials
		},
	})
	if err != nil {
		err = config.NotValid(path, err)
	} else {
		err = held
	}
	if err != nil && in.store != nil {
		in.store.Release()
	}
	in.now = time.Now() // after the end of the run before, which may have been waited for
	return in, err
}

// newProgram loads the configuration and the state, and binds every socket. Nothing runs
// yet. What the predecessor has is taken over; nil: there is none.
func newProgram(path string, before *predecessor, logger *slog.Logger) (*program, error) {
	p := &program{
		logger: logger, hangups: make(chan os.Signal, 1), upgradeSignals: make(chan os.Signal, 1),
		before: before, begun: time.Now(), serving: make(chan struct{}), queryLog: newEnding(),
	}
	p.upgrades = &upgrades{program: p, start: startSuccessor, waits: usualWaits(), turn: make(chan struct{}, 1), opened: make(chan struct{})}
	// From the first moment, since a signal that nobody handles ends the process.
	signal.Notify(p.hangups, syscall.SIGHUP)
	signal.Notify(p.upgradeSignals, syscall.SIGUSR2)
	in, err := inherit(path, logger)
	if err != nil {
		return nil, err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if err := p.connect(in, registry); err != nil {
		in.store.Release()
		return nil, config.NotValid(path, err)
	}
	if err := p.bind(in.set, registry); err != nil {
		in.store.Release()
		return nil, err
	}
	return p, nil
}

// connect makes the parts and hands each what it needs of the others. An error is one of the
// configuration.
func (p *program) connect(in inheritance, registry *prometheus.Registry) (err error) {
	set, logger := in.set, p.logger
	restored := in.kept.Fresh(in.now, set.Server.StateMaxAge)
	few := fewLines(logger)
	p.tap = tap.New(tap.Options{Logger: logger, Registerer: registry})
	p.settings = &settings{tap: p.tap}
	if err := p.settings.use(&set.Server); err != nil {
		return err
	}
	past := in.kept.At(in.now)
	p.copies = replication.NewBook(replication.Options{Groups: set.Replications, Memory: past.Copies, Registerer: registry})
	p.pushes = health.NewPushes()
	make, light := probe.NewLight(probe.Options{Registerer: registry, Commands: p.settings.commands, Heartbeats: p.copies, Pushes: p.pushes})
	p.history = history.New(history.Options{
		Dir: in.store.Dir(), Hold: in.store.Held, Past: lastHistory(in.store.Dir(), logger),
		Pools: func() []*steer.PoolState { return p.publisher.Table().Pools() }, Logger: logger, Registerer: registry,
	})
	p.monitor = health.NewMonitor(health.MonitorOptions{Make: make, Light: light, Logger: few, Registerer: registry, Probed: p.history.Probed})
	if err := p.monitor.Add(set.Targets, restored); err != nil {
		return err
	}
	p.descriptors = &descriptors{logger: logger, limitProbes: p.monitor.Limit, demand: demand{
		limit: descriptorLimit(), addresses: len(set.Server.Listen), workers: workers(), tcp: set.Server.TCP.Connections,
	}}
	p.hosts = alias.New(alias.Options{
		Names: set.Aliases(), Known: in.kept.Hosts, Resolvers: set.Server.Resolvers, Logger: few, Registerer: registry,
	})
	p.aliases, err = follow.New(follow.Options{
		Set: set, Watcher: p.hosts, Monitor: p.monitor, Restored: restored, Reserve: p.descriptors.reserve, Logger: few,
	})
	if err != nil {
		return err
	}
	p.overrides = override.Open(override.Options{Dir: in.store.Dir(), Hold: in.store.Held, Logger: logger, Registerer: registry})
	p.keeper = newKeeper(in.store, p.draftState, logger, registry)
	if err := p.openNotifier(set, in.store, registry); err != nil {
		return err
	}
	p.openIncidents(in.store, registry)
	p.openJournal(set, in.store.Dir(), registry)
	counts := slo.New(func() *answer.Table { return p.publisher.Table() }, registry)
	// The incidents hear of a move before the journal does, which makes them look: they then know by when clients have
	// moved.
	p.publisher = publish.New(publish.Options{
		Health: p.monitor, Hosts: p.aliases, Words: p.overrides, Copies: p.copies, Memory: past.Memory, Safety: past.Safety, Logger: logger, Registerer: registry,
		Listeners: []func([]publish.Event){logEvents(few), p.incidents.Notice, p.keeper.Notice, p.history.Notice, p.journal.Notice, counts.Notice},
	})
	p.config = newConfiguration(set, p.monitor, p.aliases, p.copies, p.publisher, p.settings, in.databases, logger)
	p.config.confirmation.tell = p.journal.Add
	p.config.notified = p.notifier.Use
	p.commands = p.newCommands(in.databases)
	p.watcher = &watcher{config: p.config, logger: logger, settle: settle}
	return nil
}

// openJournal makes the journal, which goes on from the events of the runs before, and those who listen to
// it: the log of events in the directory of the state, and the admin server.
func (p *program) openJournal(set *zones.Set, dir string, registry *prometheus.Registry) {
	listeners := []func([]journal.Event){func([]journal.Event) { p.incidents.Prompt() }} // not all of them are published
	if set.Admin.Listen.IsValid() || set.Admin.Socket != "" {
		listeners = append(listeners, func(events []journal.Event) {
			if p.admin != nil { // the socket may not have been possible
				p.admin.Record(events)
			}
		})
	}
	last := uint64(0)
	if dir != "" {
		p.eventLog = journal.NewLog(dir, p.logger, registry)
		listeners = append(listeners, p.eventLog.Write)
		if p.recalled = lastEvents(dir, p.logger); len(p.recalled) > 0 {
			last = p.recalled[len(p.recalled)-1].ID
		}
	}
	p.journal = journal.New(last, listeners...)
}

// absolute makes a path independent of the working directory, which a deployment may replace or
// remove. An empty path stays empty.
func absolute(path string) string {
	if path == "" {
		return ""
	}
	if whole, err := filepath.Abs(path); err == nil {
		return whole
	}
	return path // there is no working directory
}

// bind opens the sockets, so that an address that cannot be bound is reported at once.
func (p *program) bind(set *zones.Set, registry *prometheus.Registry) error {
	reserved := p.descriptors.reserved()
	var err error
	if p.before != nil {
		p.open = &p.before.sockets
	} else if p.open, err = passedSockets(set); err != nil {
		return err
	}
	open := p.open.forDNS()
	p.passed = p.before == nil && len(open) > 0
	p.server, err = server.New(server.Options{
		Listen:     set.Server.Listen,
		Open:       open,
		Source:     p.source,
		Logger:     p.logger,
		Registerer: registry,
		Tap:        p.tap,
		Limits: server.Limits{
			Workers:      workers(),
			TCPConns:     reserved.tcp,
			TCPPerClient: set.Server.TCP.PerClient,
			TCPIdle:      set.Server.TCP.Idle,
			TCPTotal:     set.Server.TCP.Lifetime,
		},
	})
	if err != nil {
		return fmt.Errorf("server.listen: %w", err)
	}
	p.settings.to(p.server.Apply)
	p.descriptors.to(p.server.LimitTCP)
	if err := p.bindAdmin(set, registry, reserved); err != nil {
		return errors.Join(err, p.server.Close())
	}
	return nil
}

// workers is how many sockets there are at each address, and event loops for TCP.
func workers() int { return runtime.GOMAXPROCS(0) }

// source is what the server answers from; nil while nothing is published.
func (p *program) source() server.Resolver {
	if table := p.publisher.Table(); table != nil {
		return table
	}
	return nil
}

// endWait is how long the end waits for the parts in the background. Together with the time in
// which the server answers what it has received, it is less than the ten seconds after which
// container engines kill.
const endWait = 6 * time.Second

// run serves until ctx ends, or a part fails. Everything behind the answers goes on until
// the last query has its answer.
func (p *program) run(ctx context.Context) error {
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	behind := newParts(background)
	p.config.life = background
	behind.start("probing", p.monitor.Run)
	behind.start("looking up aliases", p.hosts.Run)
	behind.start("probing the addresses of aliases", p.aliases.Run)
	behind.start("publishing", p.publisher.Run)
	behind.start("measuring the rates of names", p.server.Measure)
	behind.start("cookie secrets", p.settings.Run)
	behind.start("writing the query log", p.onceAlone(p.queryLog.run(p.tap.Run)))
	behind.start("waiting for an upgrade", p.onceServing(p.upgrades.Run))
	switch {
	case p.admin == nil:
	case p.before == nil:
		behind.start("admin server", p.admin.Run)
	default: // the one before is ready, and goes on being asked until this one is
		behind.start("admin server", p.onceServing(p.admin.Run))
	}

	serving, cancel := context.WithCancel(ctx)
	defer cancel()
	p.keeping = &pausing{life: background, failed: cancel}
	p.keeping.add("planned moves", p.commands.Operator.Run)
	p.keeping.add("ending overrides", p.overrides.Run)
	p.keeping.add("saving the state", p.keeper.Run)
	p.keeping.add("keeping the history", p.history.Run)
	p.keeping.add("looking for incidents", p.onceServing(p.incidents.Run))
	p.keeping.add("telling of incidents", p.onceServing(p.notifier.Run))
	if p.eventLog != nil {
		p.keeping.add("writing events", p.eventLog.Run)
	}
	p.keeping.add("watching the configuration", p.onceServing(p.watcher.Run))
	p.keeping.add("reloading", p.onceServing(p.reloadOnHangup))
	p.keeping.resume()

	behind.start("telling the service manager that all works", p.onceAlone(p.onceServing(p.watchdog(serving))))
	context.AfterFunc(behind.ctx, cancel) // a part that fails ends the serving
	err := p.serve(serving, behind)
	if p.upgrades.left.Load() {
		p.upgrades.finish(answerWait) // those who wanted it are told
	} else {
		notifyLast(daemon.SdNotifyStopping)
	}
	stop()
	until := time.Now().Add(endWait)
	failed := behind.wait(endWait)
	left := func() time.Duration { return max(time.Until(until), endWait/6) }
	p.upgrades.finish(left()) // one that was given up takes the directory of the state back
	failed = errors.Join(failed, p.keeping.wait(left()))
	if errors.Is(failed, errLeftBehind) {
		// Every query has its answer, so that this is not a failure of the program.
		p.logger.Error("ending although a part of the program does not respond, perhaps because its disk or network does not", "error", failed)
		failed = nil
	} else {
		p.keeper.store.Release() // which only the process that saves may hold
	}
	if failed != nil {
		return failed
	}
	return err
}

// soon is how long the first verdicts usually take. Queries that arrive earlier wait in the
// sockets, for this time at most: names that are not decided yet would get no reply.
//
// In sockets that the service manager holds, queries have come since the run before ended, so that
// the first ones are certain to be there, and nobody has refused them meanwhile. They are worth
// waiting for as long as clients wait: resolvers ask again after 0.4 to 1.5 s, others after 5 s.
const (
	soon         = 300 * time.Millisecond
	soonIfPassed = time.Second
)

// serve answers everything that depends on no verdict from the beginning, and the rest as the first
// verdicts come.
func (p *program) serve(ctx context.Context, behind *parts) error {
	if err := p.publisher.Begin(ctx, p.config.Current()); err != nil {
		return err
	}
	behind.start("waiting for the first verdicts", p.settle)
	if p.before != nil {
		behind.start("taking over", p.takeOver)
		select { // the one before answers meanwhile
		case <-p.serving:
		case <-p.before.gone:
		case <-ctx.Done():
			return p.server.Close() // without reading what the one before can still answer
		}
		return p.server.Run(ctx)
	}
	wait := soon
	if p.passed {
		wait = soonIfPassed
	}
	select {
	case <-p.serving:
	case <-ctx.Done():
	case <-time.After(wait):
		p.logger.Info("answering what depends on no verdict, and the rest as the first verdicts come",
			"listen", addresses(p.server.Addrs()), "awaited", plural.Of(len(p.monitor.Awaited()), "target", "targets"))
	}
	return p.server.Run(ctx)
}

// settle waits for the first verdicts. With them, or without those that do not come in time,
// everything is answered, and the program is ready.
func (p *program) settle(ctx context.Context) error {
	set := p.config.Current()
	p.firstVerdicts(ctx, set)
	if err := p.publisher.Use(ctx, set); err != nil {
		return err
	}
	close(p.serving)
	// What reading a large configuration took is not needed again.
	go behindQueries(debug.FreeOSMemory)
	p.logger.Info("serving", "listen", addresses(p.server.Addrs()))
	if p.before == nil { // otherwise takeOver says it, when systemd takes this process for the main one
		notify(daemon.SdNotifyReady)
	}
	return nil
}

// onceServing makes a part begin when the configuration of the start is published, so that a reload
// never comes before it.
func (p *program) onceServing(run func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		select {
		case <-p.serving:
			return run(ctx)
		case <-ctx.Done():
			return nil
		}
	}
}

// onceAlone makes a part begin when no gslb before this one runs any more that would write to the same file.
func (p *program) onceAlone(run func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if p.before != nil {
			select {
			case <-p.before.done:
			case <-ctx.Done():
			}
		}
		return run(ctx)
	}
}

// firstVerdicts waits until every target was probed that the first answers depend on, so that
// they are right: what was up in the run before may have died since.
func (p *program) firstVerdicts(ctx context.Context, set *zones.Set) {
	bounded, cancel := context.WithTimeout(ctx, verdictsWithin(set))
	defer cancel()
	if hosts := p.aliases.Wait(bounded, set); len(hosts) > 0 && ctx.Err() == nil {
		p.logger.Warn("serving without the addresses of some aliases, which were not looked up yet", "aliases", hosts)
	}
	missing := p.monitor.Wait(bounded, p.monitor.Awaited())
	if len(missing) > 0 && ctx.Err() == nil {
		p.logger.Warn("serving without the first verdict of some targets", "targets", len(missing), "first", missing[0])
	}
	p.monitor.Settle()
}

// verdictsWithin is how long the first verdicts of a configuration's targets are waited for:
// startup_wait, or as long as the slowest probe takes, if that is longer. Otherwise a dead region
// whose probes hang would be answered until they end.
func verdictsWithin(set *zones.Set) time.Duration {
	if set.Server.StartupWait == 0 {
		return 0
	}
	return max(set.Server.StartupWait, health.FirstVerdicts(slices.Concat(set.Targets, set.AliasTargets())))
}

// readiness is what the first answers still wait for, a line each. Once they are given it stays
// empty.
func (p *program) readiness() []string {
	select {
	case <-p.serving:
		return nil
	default:
	}
	lines := []string{"the first publication"}
	for _, name := range p.aliases.Awaited() {
		lines = append(lines, fmt.Sprintf("the first addresses of %s", name))
	}
	for _, id := range p.monitor.Awaited() {
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

// draftState is what is saved for the next run.
func (p *program) draftState() state.Draft {
	set, now := p.config.Current(), time.Now()
	return state.Draft{
		Revision: state.Revision{Memory: p.publisher.MemoryRevision(), Copies: p.copies.Revision(), Config: set.Hash, Clock: state.Clock(p.begun, now)},
		Targets:  p.monitor.Records(),
		Hosts:    p.hosts.Records(),
		Decided: func() state.Decided {
			return state.Decided{Memory: p.publisher.Memory(), Safety: p.publisher.Safety(), Copies: p.copies.Memory(), Serials: serials(set)}.Kept(now)
		},
	}
}

// newMaker makes what makes probes. What heartbeats find is told to nobody, unless the options say so.
func newMaker(o probe.Options) health.Maker {
	if o.Heartbeats == nil {
		o.Heartbeats = replication.NewBook(replication.Options{})
	}
	return probe.New(o)
}

// pusher takes what is pushed: it is the admin.Pusher.
type pusher struct {
	*health.Monitor
	pushes *health.Pushes
}

// Push implements admin.Pusher.
func (p pusher) Push(id health.TargetID, said health.Pushed) {
	p.pushes.Put(id, said)
	p.Prompt(id)
}
