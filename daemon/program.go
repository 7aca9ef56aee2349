package daemon

import (
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

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
	"gslb/internal/logs"
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
	version     string
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

// newProgram loads the configuration and the state, and binds every socket. Nothing runs
// yet. What the predecessor has is taken over; nil: there is none.
func newProgram(o Options, before *predecessor) (*program, error) {
	p := &program{
		logger: o.Logger, version: o.Version, hangups: make(chan os.Signal, 1), upgradeSignals: make(chan os.Signal, 1),
		before: before, begun: time.Now(), serving: make(chan struct{}), queryLog: newEnding(),
	}
	p.upgrades = &upgrades{program: p, again: o.again(), start: startSuccessor, waits: usualWaits(), turn: make(chan struct{}, 1), opened: make(chan struct{})}
	// From the first moment, since a signal that nobody handles ends the process.
	signal.Notify(p.hangups, syscall.SIGHUP)
	signal.Notify(p.upgradeSignals, syscall.SIGUSR2)
	in, err := inherit(o.Config, o.Logger)
	if err != nil {
		return nil, err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if err := p.connect(in, registry); err != nil {
		in.store.Release()
		return nil, config.NotValid(o.Config, err)
	}
	p.config.confirmation.over = o.ConfirmOver
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
	few := logs.Few(logger)
	p.tap = tap.New(tap.Options{Logger: logger, Registerer: registry})
	p.settings = &settings{tap: p.tap, version: p.version}
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
	p.config.planRefused = p.commands.PlanRefused
	p.watcher = &watcher{config: p.config, logger: logger, settle: settle}
	return nil
}

// openNotifier makes what tells people of incidents. An error is one of the configuration.
func (p *program) openNotifier(set *zones.Set, store *state.Store, registry *prometheus.Registry) (err error) {
	host, _ := os.Hostname()
	p.notifier, err = notices.New(notices.Options{
		Settings: set.Notify, Incidents: func() []incident.Incident { return p.incidents.Announced() }, Dir: store.Dir(), Hold: store.Held, Host: host, Logger: p.logger, Registerer: registry,
	})
	return err
}

// openIncidents makes the book of incidents, which goes on from that of the run before.
func (p *program) openIncidents(store *state.Store, registry *prometheus.Registry) {
	p.incidents = incident.NewBook(incident.Options{
		Look: p.lookAround, Kept: lastIncidents(store.Dir(), p.logger), Dir: store.Dir(), Held: store.Held, Logger: p.logger, Registerer: registry,
		Listeners: []func([]incident.Change){logIncidents(logs.Few(p.logger)), p.notifier.Notice},
	})
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
