package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"gslb/handover"
	"gslb/server"
	"gslb/state"
	"gslb/zones"
	"gslb/zones/config"
)

// handoverVar has the number of a descriptor, in the environment of a process that is started to take over.
const handoverVar = "GSLB_HANDOVER_FD"

// How long each waits for the other.
const (
	answerWait  = 5 * time.Second // for what needs no work
	prepareWait = 2 * time.Minute // until the next one has read its configuration
	servingWait = time.Minute     // beside what its first verdicts may take
	leaveWait   = 30 * time.Second
)

// predecessor is the gslb that this process takes over from, as package handover describes it. Until it says
// that it is Done it may change its mind, and this process must end then.
type predecessor struct {
	conn    handover.Conn
	logger  *slog.Logger
	version string
	sockets openSockets
	gone    chan struct{} // closed when it has ended without a word
	done    chan struct{} // closed when it has handed over all
	left    atomic.Bool   // it is known to have ended, or to be about to
}

// approach finds the gslb to take over from; nil: there is none. It returns when the directory of the state is
// free for this process.
func approach(path string, wanted bool, logger *slog.Logger) (*predecessor, error) {
	conn, asked, err := inherited()
	if err != nil {
		return nil, err
	}
	if !asked {
		if !wanted {
			return nil, nil
		}
		set, err := tryConfiguration(path, logger)
		if err != nil {
			return nil, err
		}
		if set.Server.StateDir == "" {
			return nil, exit{2, errors.New("--take-over needs server.state_dir, where the gslb that runs is found and its state is handed over")}
		}
		conn, err = handover.Dial(absolute(set.Server.StateDir))
		if errors.Is(err, handover.ErrNobody) {
			logger.Info("there is no gslb to take over from", "state_dir", set.Server.StateDir)
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
	}
	old := &predecessor{conn: conn, logger: logger, gone: make(chan struct{}), done: make(chan struct{})}
	if err := old.begin(path, asked); err != nil {
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
func tryConfiguration(path string, logger *slog.Logger) (*zones.Set, error) {
	set, err := config.Load(absolute(path), config.LoadOptions{
		Now: time.Now(), Databases: new(config.Databases), Serving: true,
		Serials: func(dir string) map[string]zones.Serial {
			kept, err := state.Load(absolute(dir))
			if err != nil {
				logger.Warn("the state of the server before can't be read yet", "error", err)
			}
			return kept.Serials
		},
	})
	if err != nil {
		return nil, notValid(path, err)
	}
	return set, nil
}

// begin is the conversation until the directory of the state is this process's.
func (o *predecessor) begin(path string, untried bool) error {
	hello := handover.Message{Kind: handover.Hello, Protocol: handover.Protocol, Version: version, PID: os.Getpid()}
	if err := o.conn.Send(hello, answerWait); err != nil {
		return err
	}
	m, err := o.conn.Receive(answerWait, handover.Sockets)
	if err != nil {
		return err
	}
	o.version, o.sockets.list = m.Version, m.Sockets
	if untried {
		if _, err := tryConfiguration(path, o.logger); err != nil {
			return err
		}
	}
	if err := o.conn.Send(handover.Message{Kind: handover.Prepared}, answerWait); err != nil {
		return err
	}
	_, err = o.conn.Receive(endWait+answerWait, handover.Yours)
	return err
}

// refuse says why this process ends, so that the other one goes on. Nothing is said to nobody.
func (o *predecessor) refuse(why error) {
	if o == nil {
		return
	}
	_ = o.conn.Send(handover.Message{Kind: handover.Refused, Why: why.Error()}, answerWait)
	o.close()
}

// close ends the conversation.
func (o *predecessor) close() {
	_ = o.conn.Close()
	o.sockets.close()
}

// listen hears what the predecessor says, until it has ended. An error is that it goes on serving itself: this
// process must end.
func (o *predecessor) listen(adopt func([]server.Conn)) error {
	defer o.close()
	m, err := o.conn.Receive(time.Hour, handover.Conns) // both sides have bounds of their own
	var refused handover.RefusedError
	if errors.As(err, &refused) {
		return fmt.Errorf("the gslb before goes on serving: %w", err)
	}
	o.left.Store(true)
	if err == nil {
		adopt(m.Conns)
		_, err = o.conn.Receive(leaveWait, handover.Done)
	}
	if err != nil {
		o.logger.Warn("the gslb before has ended without handing over all that it had", "error", err)
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
	heard := make(chan error, 1)
	go func() {
		heard <- p.before.listen(func(conns []server.Conn) {
			<-p.server.Working() // only a server that works was told of
			p.server.Adopt(conns)
			p.logger.Info("connections of the gslb before are served on", "connections", len(conns))
		})
	}()
	select {
	case <-p.server.Working():
		if !p.before.left.Load() {
			if err := p.before.conn.Send(handover.Message{Kind: handover.Serving}, answerWait); err != nil {
				p.logger.Warn("the gslb before was not told that this one serves", "error", err)
			}
		}
	case err := <-heard: // it has ended
		if err != nil {
			return err
		}
	case <-ctx.Done():
		p.before.refuse(errors.New("it was told to end"))
		return nil
	}
	select {
	case err := <-heard:
		if err != nil {
			return err
		}
	case <-p.before.done:
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
	p.logger.Info("taken over: this gslb serves, and the one before it ends", "version", version, "before", p.before.version)
	notify(daemon.SdNotifyReady)
	return nil
}
