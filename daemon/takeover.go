package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"syscall"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"

	"gslb/handover"
	"gslb/internal/files"
	"gslb/server"
	"gslb/state"
	"gslb/zones"
	"gslb/zones/config"
)

// handoverVar has the number of a descriptor, in the environment of a process that is started to take over.
const handoverVar = "GSLB_HANDOVER_FD"

// leaveLate is how long the old process may take to leave before this is logged.
const leaveLate = 10 * time.Second

// predecessor is the gslb that this process takes over from, as package handover describes it. Until it says
// that it is Done it may change its mind, and this process must end then.
type predecessor struct {
	conn    handover.Conn
	own     Options // of this process
	logger  *slog.Logger
	version string
	pid     int
	sockets openSockets
	gone    chan struct{} // closed when it has ended without a word
	done    chan struct{} // closed when it has handed over all, or is gone
}

func newPredecessor(conn handover.Conn, own Options) *predecessor {
	return &predecessor{conn: conn, own: own, logger: own.Logger, gone: make(chan struct{}), done: make(chan struct{})}
}

// approach finds the gslb to take over from; nil: there is none. It returns when the directory of the state is
// free for this process.
func approach(o Options) (*predecessor, error) {
	conn, asked, err := inherited()
	if err != nil {
		return nil, err
	}
	var set *zones.Set
	if !asked {
		if !o.TakeOver {
			return nil, nil
		}
		if set, err = tryConfiguration(o); err != nil {
			return nil, err
		}
		if set.Server.StateDir == "" {
			return nil, ErrNoStateDir
		}
		conn, err = handover.Dial(files.Absolute(set.Server.StateDir))
		if errors.Is(err, handover.ErrNobody) {
			o.Logger.Info("there is no gslb to take over from", "state_dir", set.Server.StateDir)
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
	}
	old := newPredecessor(conn, o)
	if err := old.begin(set); err != nil {
		old.refuse(err)
		return nil, fmt.Errorf("take over: %w", err)
	}
	return old, nil
}

// inherited is the conversation with a parent that has started this process to take over from it.
func inherited() (conn handover.Conn, is bool, err error) {
	text := os.Getenv(handoverVar)
	if text == "" {
		return conn, false, nil
	}
	if err := os.Unsetenv(handoverVar); err != nil {
		return conn, false, err
	}
	fd, err := strconv.Atoi(text)
	if err != nil {
		return conn, false, fmt.Errorf("%s: %q is no number", handoverVar, text)
	}
	conn, err = handover.FromFD(fd)
	return conn, true, err
}

// tryConfiguration reads the configuration, with the serials of the run before, and holds nothing.
func tryConfiguration(o Options) (*zones.Set, error) {
	set, err := config.Load(files.Absolute(o.Config), config.LoadOptions{
		Now: time.Now(), Databases: new(config.Databases), Serving: true,
		Serials: func(dir string) map[string]zones.Serial {
			kept, err := state.Load(files.Absolute(dir))
			if err != nil {
				o.Logger.Warn("the state of the server before can't be read yet", "error", err)
			}
			return kept.Serials
		},
	})
	if err != nil {
		return nil, config.NotValid(o.Config, err)
	}
	return set, nil
}

// begin is the conversation until the directory of the state is this process's. set is the configuration; nil:
// it was not read yet.
func (o *predecessor) begin(set *zones.Set) error {
	hello := handover.Message{Kind: handover.Hello, Protocol: handover.Protocol, Version: o.own.Version, PID: os.Getpid()}
	if err := o.conn.Send(hello, handover.AnswerWait); err != nil {
		return err
	}
	m, err := o.conn.Receive(handover.AnswerWait, handover.Sockets)
	if err != nil {
		return err
	}
	o.version, o.pid, o.sockets.list = m.Version, m.PID, m.Sockets
	if set == nil {
		if set, err = tryConfiguration(o.own); err != nil {
			return err
		}
	}
	// If nobody hears it, what was said before or the end of the other process tells why.
	_ = o.conn.Send(handover.Message{Kind: handover.Prepared, Hash: set.Hash, Takes: verdictsWithin(set)}, handover.AnswerWait)
	if _, err = o.conn.Receive(2*endWait+handover.AnswerWait, handover.Yours); handover.Ended(err) {
		o.logger.Warn("the gslb before has ended: its sockets are here, so that this one goes on", "pid", o.pid)
		return nil
	}
	return err
}

// refuse says why this process ends, so that the other one goes on. Nothing is said to nobody.
func (o *predecessor) refuse(why error) {
	if o == nil {
		return
	}
	_ = o.conn.Send(handover.Message{Kind: handover.Refused, Why: why.Error()}, handover.AnswerWait)
	o.close()
}

// close ends the conversation.
func (o *predecessor) close() {
	_ = o.conn.Close()
	o.sockets.close()
}

// listen hears what the predecessor says, until it has ended or ctx ends. An error is that it goes on serving
// itself: this process must end.
func (o *predecessor) listen(ctx context.Context, adopt func([]server.Conn)) error {
	defer context.AfterFunc(ctx, o.conn.Interrupt)()
	m, err := o.conn.Receive(0, handover.Conns) // until it ends: while it is only stopped, it may go on later
	if refused := handover.RefusedError(""); errors.As(err, &refused) {
		return fmt.Errorf("the gslb before goes on serving: %w", err)
	}
	if err == nil {
		adopt(m.Conns)
		_, err = o.conn.Receive(0, handover.Done)
	}
	switch {
	case ctx.Err() != nil:
		return nil
	case err != nil:
		o.logger.Warn("the gslb before has ended without handing over all that it had", "pid", o.pid, "error", err)
		close(o.gone)
	}
	for _, s := range o.sockets.list {
		if s.Path != "" {
			_ = os.Remove(s.Path) // the configuration has another path
		}
	}
	close(o.done)
	return nil
}

// takeOver ends the take-over: it tells the predecessor to leave, and serves the connections that it leaves.
func (p *program) takeOver(ctx context.Context) error {
	old := p.before
	defer old.close()
	listening, hangUp := context.WithCancel(ctx)
	defer hangUp()
	heard := make(chan error, 1)
	go func() {
		heard <- old.listen(listening, func(conns []server.Conn) {
			<-p.server.Working() // only a server that works was told of
			p.server.Adopt(conns)
			p.logger.Info("connections of the gslb before are served on", "connections", len(conns))
		})
	}()
	select {
	case <-p.server.Working():
		if err := old.conn.Send(handover.Message{Kind: handover.Serving}, handover.AnswerWait); err != nil && !errors.Is(err, syscall.EPIPE) { // listen tells of its end
			p.logger.Warn("the gslb before was not told that this one serves", "pid", old.pid, "error", err)
		}
		defer whenLate(leaveLate, func() {
			p.logger.Error("the gslb before was told that this one serves, and does not leave: if it hangs, end that process", "pid", old.pid)
		})()
	case err := <-heard: // it has ended, or goes on
		if err != nil {
			return err
		}
		heard <- nil
	case <-ctx.Done():
		_ = old.conn.Send(handover.Message{Kind: handover.Refused, Why: "it was told to end"}, handover.AnswerWait)
	}
	if err := <-heard; err != nil || ctx.Err() != nil {
		return err
	}
	select {
	case <-p.upgrades.opened: // whoever hears of the end of this upgrade may ask for the next one
		old.close()
	case <-ctx.Done():
		return nil
	}
	select {
	case <-p.serving:
	case <-ctx.Done():
		return nil
	}
	if p.adminSocket != nil {
		p.adminSocket.Own()
	}
	p.logger.Info("taken over: this gslb serves, and the one before it ends", "version", p.version, "before", old.version)
	notify(systemd.SdNotifyReady)
	return nil
}
