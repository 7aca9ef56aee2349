package daemon

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"gslb/daemon/daemontest"
	"gslb/handover"
	"gslb/server"
)

// before is a program that has bound sockets, and hands them over as a test wants.
type before struct {
	conn    handover.Conn
	sockets *server.Server
	shared  []handover.Socket
}

// TestPredecessorFails has the program before fail while this one takes over from it: this one serves, or ends
// with an error if the other serves on.
func TestPredecessorFails(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		old     func(*before) error // until its end
		refused string              // why this one ends; empty: it serves
	}{
		"dies when it has shown the sockets": {old: func(b *before) error { return b.show() }},
		"refuses to go on": {old: func(b *before) error {
			err := errors.Join(b.show(), b.hear(handover.Prepared))
			return errors.Join(err, b.conn.Send(handover.Message{Kind: handover.Refused, Why: "a move is under way"}, patience))
		}, refused: "a move is under way"},
		"dies when the state is free": {old: func(b *before) error {
			return errors.Join(b.show(), b.hear(handover.Prepared), b.conn.Send(handover.Message{Kind: handover.Yours}, patience))
		}},
		"changes its mind": {old: func(b *before) error {
			return errors.Join(b.show(), b.hear(handover.Prepared), b.conn.Send(handover.Message{Kind: handover.Yours}, patience),
				b.conn.Send(handover.Message{Kind: handover.Refused, Why: "it takes too long"}, patience))
		}, refused: "it takes too long"},
		"dies when it is told to leave": {old: func(b *before) error {
			return errors.Join(b.show(), b.hear(handover.Prepared), b.conn.Send(handover.Message{Kind: handover.Yours}, patience), b.hear(handover.Serving))
		}},
		"talks nonsense when it is told to leave": {old: func(b *before) error {
			err := errors.Join(b.show(), b.hear(handover.Prepared), b.conn.Send(handover.Message{Kind: handover.Yours}, patience), b.hear(handover.Serving))
			_, failed := b.conn.Write([]byte("\x00\x00\x00\x05what?"))
			return errors.Join(err, failed)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.Listen = daemontest.FreeAddress(t).String()
			s.Write(`"nyc", "ams"`)
			conn, end, err := handover.Pair()
			must(t, err)
			fd, err := unix.FcntlInt(end.Fd(), unix.F_DUPFD_CLOEXEC, 0)
			must(t, errors.Join(err, end.Close()))
			b := &before{}
			b.conn, err = handover.FromFD(fd)
			must(t, err)
			must(t, b.bind(s.Listen))
			said := make(chan error, 1)
			go func() {
				err := test.old(b)
				said <- errors.Join(err, b.conn.Close())
			}()

			old := newPredecessor(conn, s.options())
			err = old.begin(nil)
			if err != nil {
				old.refuse(err)
			} else {
				var p *program
				p, err = newProgram(s.options(), old)
				must(t, err)
				s.program = p
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				done := make(chan error, 1)
				go func() { done <- p.run(ctx) }()
				if test.refused == "" {
					s.eventuallyAnswers(first)
					s.Eventually("that it has taken over", s.Logged("taken over"))
					cancel()
				}
				err = <-done
			}
			must(t, errors.Join(<-said, b.sockets.Close()))
			if test.refused == "" && err != nil || test.refused != "" && (err == nil || !strings.Contains(err.Error(), test.refused)) {
				t.Errorf("it ended with %v, want %q\n%s", err, test.refused, s.Log)
			}
		})
	}
}

func (b *before) bind(listen string) error {
	addr, err := netip.ParseAddrPort(listen)
	if err != nil {
		return err
	}
	b.sockets, err = server.New(server.Options{Listen: []netip.AddrPort{addr}, Source: func() server.Resolver { return nil }})
	if err != nil {
		return err
	}
	shared, err := b.sockets.Share()
	for _, s := range shared {
		b.shared = append(b.shared, handover.Socket{FD: s.FD, Use: handover.ForDNS, Network: s.Network, Listen: s.Listen})
	}
	return err
}

// show says what listens to one who has said hello.
func (b *before) show() error {
	err := b.hear(handover.Hello)
	m := handover.Message{Kind: handover.Sockets, Version: "before", PID: os.Getpid(), Sockets: b.shared}
	err = errors.Join(err, b.conn.Send(m, patience))
	m.Close()
	return err
}

func (b *before) hear(kind handover.Kind) error {
	_, err := b.conn.Receive(patience, kind)
	return err
}
