package daemon

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"

	"gslb/handover"
	"gslb/health"
	"gslb/internal/plural"
	"gslb/zones"
)

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
		p.upgrades.finish(handover.AnswerWait) // those who wanted it are told
	} else {
		notifyLast(systemd.SdNotifyStopping)
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
		notify(systemd.SdNotifyReady)
	}
	return nil
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
