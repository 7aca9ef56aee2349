// Package daemon is the running server. It wires the rooms of this module together, and keeps the whole going: the
// start, reloads, upgrades and the end.
//
//	Run          in daemon.go: from the start of the process to its end
//	the wiring   in program.go: which part there is, and what each gets of the others
//	run          in run.go: the parts work (parts.go), until the last query has its answer
//	sockets      sockets.go; those that systemd passes, and what it is told: systemd.go, watchdog.go
//	the state    inherit.go reads what the run before has left, keeper.go saves it
//	reloads      watch.go notices a change, configuration.go takes it into use, confirm.go may let it wait
//	upgrades     the old process in door.go and upgrade.go, the next one in takeover.go; package handover has
//	             what the two say to each other
//	what is said loglines.go; lookaround.go tells the incidents what is wrong, operator.go does what the API may
//	the machine  behind_linux.go and descriptors.go: queries come first, and descriptors suffice
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"gslb/internal/files"
	notices "gslb/notify"
)

// Options is what a server is told on its command line.
type Options struct {
	Config      string       // the path of zones.toml
	ConfirmOver int          // percent of the names: a configuration that moves more waits for a person; 0: none waits
	TakeOver    bool         // from the server that uses the same state_dir, if one runs
	Again       []string     // the command and its flags, without Config, by which the next gslb is started
	Version     string       // of this program
	Logger      *slog.Logger // must not wait for who reads the log
}

// again is the command line of the next gslb.
func (o *Options) again() []string {
	return slices.Concat([]string{ownPath()}, o.Again, []string{files.Absolute(o.Config)})
}

// ErrNoStateDir is returned if a server is to be taken over from, and there is no place for that.
var ErrNoStateDir = errors.New("--take-over needs server.state_dir, where the gslb that runs is found and its state is handed over")

// Run serves until a signal asks for the end, ctx ends, or a part fails. It takes over from the gslb before, if there
// is one to take over from.
func Run(ctx context.Context, o Options) error {
	// If the reader of the log is gone, the server goes on answering.
	signal.Ignore(syscall.SIGPIPE)
	notices.BoundDefaultClient()
	before, err := approach(o)
	if err != nil {
		return err
	}
	p, err := newProgram(o, before)
	if err != nil {
		before.refuse(err)
		return err
	}
	// From here on there may be queries to answer, and a signal must not end the process before
	// they are: neither the first signal nor a second one, which terminals, sudo and supervisors
	// often send beside it. The end takes a few seconds at most. Until here, a signal ends the
	// program at once. Signals are caught to the very end, since a late one would change the exit
	// status.
	ctx, _ = signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	addProcessors(len(p.server.Addrs()))
	set := p.config.Current()
	p.logger.Info("starting", "version", p.version, "pid", os.Getpid(), "config", set.Path, "hash", set.Hash, "listen", addresses(p.server.Addrs()))
	if err := p.run(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	p.logger.Info("stopped")
	return nil
}

// addresses converts a list for a line of the log.
func addresses[T fmt.Stringer](list []T) []string {
	texts := make([]string, len(list))
	for i, a := range list {
		texts[i] = a.String()
	}
	slices.Sort(texts)
	return texts
}
