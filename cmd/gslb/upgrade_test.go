package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gslb/handover"
	"gslb/server"
	"gslb/state"
)

// briefly is how long a program waits for what never comes, and usualWaits for all else.
const briefly = 300 * time.Millisecond

// nextProgram is what the next program does. It has the conversation until it returns, and may be killed, which
// closes a channel.
type nextProgram func(t *testing.T, conn handover.Conn, killed <-chan struct{})

// beginUpgradable starts a program, and has it start that next one.
func (s *stage) beginUpgradable(waits waits, next nextProgram) {
	s.t.Helper()
	start := func(_ []string, end *os.File) (*successor, error) {
		fd, err := unix.FcntlInt(end.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return nil, err
		}
		conn, err := handover.FromFD(fd)
		if err != nil {
			return nil, err
		}
		ended, killed := make(chan error, 1), make(chan struct{})
		go func() {
			defer close(ended)
			defer conn.Close()
			next(s.t, conn, killed)
		}()
		return &successor{os.Getpid(), ended, sync.OnceFunc(func() { close(killed) })}, nil
	}
	s.settings = `startup_wait = "0s"` // which the next one may take beside its waits
	s.adjust = func(p *program) {
		p.upgrades.again, p.upgrades.start, p.upgrades.waits = []string{"next"}, start, waits
	}
	s.begin()
}

// upgrade asks the program for an upgrade, as the command does.
func (s *stage) upgrade() error {
	s.t.Helper()
	var conn handover.Conn
	s.eventually("the door", func() (is bool) {
		var err error
		conn, err = handover.Dial(s.keeper.dir)
		return err == nil
	})
	defer conn.Close()
	must(s.t, conn.Send(handover.Message{Kind: handover.Start, Protocol: handover.Protocol}, time.Second))
	_, err := conn.Receive(patience, handover.Done)
	return err
}

// hello begins the conversation of one who takes over, and goes on until a message of a kind has come: Sockets or
// Yours. What listens is closed.
func hello(t *testing.T, conn handover.Conn, until handover.Kind) {
	if err := conn.Send(handover.Message{Kind: handover.Hello, Protocol: handover.Protocol, Version: "next"}, time.Second); err != nil {
		t.Error(err)
	}
	m, err := conn.Receive(patience, handover.Sockets)
	m.Close()
	if err != nil {
		t.Error(err)
	}
	if until == handover.Sockets {
		return
	}
	if err := conn.Send(handover.Message{Kind: handover.Prepared}, time.Second); err != nil {
		t.Error(err)
	}
	if _, err := conn.Receive(patience, handover.Yours); err != nil {
		t.Error(err)
	}
}

// TestUpgradeThatFails has the next program fail in every way at every stage. The one that serves goes on: it
// answers, holds the directory of the state, saves, and takes what a person says.
func TestUpgradeThatFails(t *testing.T) {
	t.Parallel()
	// What hangs is given up soon, and nothing else: a busy machine takes long for all.
	for hangs, shorten := range map[string]func(*waits){
		"nothing": func(*waits) {},
		"answer":  func(w *waits) { w.answer = briefly },
		"prepare": func(w *waits) { w.prepare, w.answer = briefly, 10*briefly },
		"serving": func(w *waits) { w.serving = briefly },
		"command": func(w *waits) { w.serving = 10 * briefly }, // while one is refused
	} {
		t.Run(hangs, func(t *testing.T) {
			t.Parallel()
			waits := usualWaits()
			shorten(&waits)
			s := newStage(t)
			next := make(chan nextProgram, 1)
			s.beginUpgradable(waits, func(t *testing.T, conn handover.Conn, killed <-chan struct{}) { (<-next)(t, conn, killed) })
			for _, test := range failures(s) {
				if test.hangs != hangs {
					continue
				}
				next <- test.next
				if err := s.upgrade(); err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("%s: the upgrade ended with %v, want %q", test.name, err, test.want)
				}
				s.goesOn(test.name)
			}
			_ = os.Remove(filepath.Join(s.keeper.dir, "state.json"))
			s.nyc.stop()
			s.eventuallyAnswers(second)
			s.eventually("the state is saved", func() bool {
				_, err := os.Stat(filepath.Join(s.keeper.dir, "state.json"))
				return err == nil
			})
		})
	}
}

// goesOn checks that a program serves, keeps its state, and takes what a person says.
func (s *stage) goesOn(after string) {
	s.t.Helper()
	s.expect(first)
	other := state.NewStore(s.keeper.dir)
	defer other.Release()
	if err := other.Hold(); !errors.Is(err, state.ErrHeld) {
		s.t.Errorf("%s: nobody holds the directory of the state", after)
	}
	saved := filepath.Join(s.keeper.dir, "overrides.json")
	_ = os.Remove(saved)
	s.carryOut("drain", "ams", "--reason", after, "--for", "1h", "--yes")
	if _, err := os.Stat(saved); err != nil {
		s.t.Errorf("%s: what a person says is not kept: %v", after, err)
	}
	s.carryOut("undrain", "ams")
}

// failure is a way in which the next program fails.
type failure struct {
	name  string
	hangs string // what the program that serves waits for in vain, or what else takes long
	next  nextProgram
	want  string
}

func failures(s *stage) []failure {
	refusedWith := func(t *testing.T, conn handover.Conn) {
		_, err := conn.Receive(patience, handover.Done)
		if refused := handover.RefusedError(""); !errors.As(err, &refused) {
			t.Errorf("the next one hears %v, and not that it is refused", err)
		}
	}
	return []failure{
		{"dies at once", "nothing", func(*testing.T, handover.Conn, <-chan struct{}) {}, "does not begin"},
		{"says nothing", "answer", func(_ *testing.T, _ handover.Conn, killed <-chan struct{}) { <-killed }, "does not begin"},
		{"is no gslb", "answer", func(_ *testing.T, conn handover.Conn, killed <-chan struct{}) {
			_, _ = conn.Write([]byte("hello, world, this is an editor"))
			<-killed
		}, "does not begin"},
		{"has another protocol", "nothing", func(t *testing.T, conn handover.Conn, _ <-chan struct{}) {
			_ = conn.Send(handover.Message{Kind: handover.Hello, Protocol: handover.Protocol + 1, Version: "99"}, time.Second)
			refusedWith(t, conn)
		}, "version 99 speaks version 2 of the handover"},
		{"dies with the sockets", "nothing", func(t *testing.T, conn handover.Conn, _ <-chan struct{}) { hello(t, conn, handover.Sockets) }, "EOF"},
		{"hangs with the sockets", "prepare", func(t *testing.T, conn handover.Conn, killed <-chan struct{}) {
			hello(t, conn, handover.Sockets)
			<-killed
		}, "timeout"},
		{"refuses", "nothing", func(t *testing.T, conn handover.Conn, _ <-chan struct{}) {
			hello(t, conn, handover.Sockets)
			_ = conn.Send(handover.Message{Kind: handover.Refused, Why: "the file is wrong"}, time.Second)
		}, "the file is wrong"},
		{"serves before it may", "nothing", func(t *testing.T, conn handover.Conn, _ <-chan struct{}) {
			hello(t, conn, handover.Sockets)
			_ = conn.Send(handover.Message{Kind: handover.Serving}, time.Second)
			refusedWith(t, conn)
		}, `got "serving"`},
		{"dies with the state", "nothing", func(t *testing.T, conn handover.Conn, _ <-chan struct{}) { hello(t, conn, handover.Yours) }, "EOF"},
		{"hangs with the state", "command", func(t *testing.T, conn handover.Conn, killed <-chan struct{}) {
			hello(t, conn, handover.Yours)
			store := state.NewStore(s.keeper.dir)
			if err := store.Hold(); err != nil {
				t.Errorf("the directory is not free: %v", err)
			}
			if out, err := s.command("drain", "ams", "--reason", "meanwhile", "--yes"); err == nil || !strings.Contains(err.Error(), "being upgraded") {
				t.Errorf("a change meanwhile: %v\n%s", err, out)
			}
			<-killed
			time.Sleep(100 * time.Millisecond) // what is killed may take a while to end
			store.Release()
		}, "timeout"},
		{"refuses the state", "nothing", func(t *testing.T, conn handover.Conn, _ <-chan struct{}) {
			hello(t, conn, handover.Yours)
			_ = conn.Send(handover.Message{Kind: handover.Refused, Why: "no memory"}, time.Second)
		}, "no memory"},
		{"serves too late", "serving", func(t *testing.T, conn handover.Conn, killed <-chan struct{}) {
			hello(t, conn, handover.Yours)
			<-killed
			_ = conn.Send(handover.Message{Kind: handover.Serving}, time.Second)
			refusedWith(t, conn)
		}, "timeout"},
	}
}

// TestNoMomentForAnUpgrade asks for one when it would lose something: the next program is never told to go on.
func TestNoMomentForAnUpgrade(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		before, meanwhile func(*stage) // it is started, and while the next program prepares
		want              string
		after             func(*stage)  // it was refused
		pause             time.Duration // that the parts are given; 0: as usual
	}{
		"a configuration waits": {before: func(s *stage) {
			s.write(`"ams", "nyc"`)
			s.eventually("that it waits", func() bool { return s.waits() != "" })
		}, want: "a configuration waits to be applied"},
		"a configuration comes to wait": {meanwhile: func(s *stage) {
			s.write(`"ams", "nyc"`)
			s.eventually("that it waits", func() bool { return s.waits() != "" })
		}, want: "a configuration waits to be applied"},
		"the next one has another configuration": {want: "takes no other configuration into use"},
		"another upgrade": {meanwhile: func(s *stage) {
			if err := s.upgrade(); err == nil || !strings.Contains(err.Error(), "another upgrade is under way") {
				s.t.Errorf("the second upgrade at the same time: %v", err)
			}
		}, want: "takes no other configuration into use"},
		"the disk takes nothing": {before: func(s *stage) { s.confirmation(0) }, meanwhile: func(s *stage) {
			must(s.t, os.Rename(s.keeper.dir, s.keeper.dir+".was"))
			must(s.t, os.Symlink("/proc/self", s.keeper.dir)) // where root can't write either
		}, after: func(s *stage) {
			must(s.t, os.Remove(s.keeper.dir))
			must(s.t, os.Rename(s.keeper.dir+".was", s.keeper.dir))
		}, want: "the state can't be saved"},
		"a part hangs": {before: func(s *stage) {
			s.confirmation(0)
			s.config.reloading.Lock() // as reading a file does that does not respond
			s.hangups <- syscall.SIGHUP
			s.t.Cleanup(s.config.reloading.Unlock)
		}, want: "reloading", pause: briefly},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.confirmOver = 50
			var begun atomic.Bool
			waits := usualWaits()
			waits.pause = cmp.Or(test.pause, waits.pause)
			s.beginUpgradable(waits, func(t *testing.T, conn handover.Conn, killed <-chan struct{}) {
				second := begun.Swap(true)
				if err := conn.Send(handover.Message{Kind: handover.Hello, Protocol: handover.Protocol}, time.Second); err != nil {
					t.Error(err)
				}
				m, err := conn.Receive(patience, handover.Sockets)
				m.Close()
				if err != nil {
					return // it is refused
				}
				if test.meanwhile != nil && !second {
					test.meanwhile(s)
				}
				_ = conn.Send(handover.Message{Kind: handover.Prepared, Hash: "another"}, time.Second)
				if m, err := conn.Receive(patience, handover.Yours); err == nil {
					t.Errorf("it is told to go on: %+v", m)
				}
			})
			if test.before != nil {
				test.before(s)
			}
			if err := s.upgrade(); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the upgrade ended with %v, want %q", err, test.want)
			}
			if test.after != nil {
				test.after(s)
			}
			s.expect(first)
			s.carryOut("drain", "nyc", "--reason", "it still listens", "--yes")
			s.expect(second)
		})
	}
}

// confirmation replaces the share of names from which a configuration waits.
func (s *stage) confirmation(over int) {
	s.config.reloading.Lock()
	defer s.config.reloading.Unlock()
	s.config.confirmation.over = over
}

// TestEndDuringAnUpgrade ends the program while another is about to take over: that one is told to give up, and
// the state is saved, also if that one has the directory still.
func TestEndDuringAnUpgrade(t *testing.T) {
	t.Parallel()
	for _, stage := range []handover.Kind{handover.Sockets, handover.Yours} {
		t.Run(string(stage), func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			told, there := make(chan error, 1), make(chan struct{})
			s.beginUpgradable(usualWaits(), func(t *testing.T, conn handover.Conn, _ <-chan struct{}) {
				hello(t, conn, stage)
				next := state.NewStore(s.keeper.dir)
				if stage == handover.Yours {
					must(t, next.Hold())
				}
				close(there)
				_, err := conn.Receive(patience, handover.Done)
				time.Sleep(2 * askAgainIn) // as one that was killed may take to end
				next.Release()
				told <- err
			})
			go s.upgrade()
			<-there
			path := filepath.Join(s.keeper.dir, "state.json")
			_ = os.Remove(path)
			s.stop()
			if refused := handover.RefusedError(""); !errors.As(<-told, &refused) {
				t.Error("the next program was not told to give up")
			}
			if _, err := os.Stat(path); err != nil {
				t.Errorf("the state is not saved: %v", err)
			}
			other := state.NewStore(s.keeper.dir)
			if err := other.Hold(); err != nil {
				t.Errorf("the directory is held: %v", err)
			}
			other.Release()
		})
	}
}

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
			return errors.Join(err, b.conn.Send(handover.Message{Kind: handover.Refused, Why: "a move is under way"}, time.Second))
		}, refused: "a move is under way"},
		"dies when the state is free": {old: func(b *before) error {
			return errors.Join(b.show(), b.hear(handover.Prepared), b.conn.Send(handover.Message{Kind: handover.Yours}, time.Second))
		}},
		"changes its mind": {old: func(b *before) error {
			return errors.Join(b.show(), b.hear(handover.Prepared), b.conn.Send(handover.Message{Kind: handover.Yours}, time.Second),
				b.conn.Send(handover.Message{Kind: handover.Refused, Why: "it takes too long"}, time.Second))
		}, refused: "it takes too long"},
		"dies when it is told to leave": {old: func(b *before) error {
			return errors.Join(b.show(), b.hear(handover.Prepared), b.conn.Send(handover.Message{Kind: handover.Yours}, time.Second), b.hear(handover.Serving))
		}},
		"talks nonsense when it is told to leave": {old: func(b *before) error {
			err := errors.Join(b.show(), b.hear(handover.Prepared), b.conn.Send(handover.Message{Kind: handover.Yours}, time.Second), b.hear(handover.Serving))
			_, failed := b.conn.Write([]byte("\x00\x00\x00\x05what?"))
			return errors.Join(err, failed)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.listen = freeAddress(t).String()
			s.write(`"nyc", "ams"`)
			s.log = &logBuffer{}
			conn, end, err := handover.Pair()
			must(t, err)
			fd, err := unix.FcntlInt(end.Fd(), unix.F_DUPFD_CLOEXEC, 0)
			must(t, errors.Join(err, end.Close()))
			b := &before{}
			b.conn, err = handover.FromFD(fd)
			must(t, err)
			must(t, b.bind(s.listen))
			said := make(chan error, 1)
			go func() {
				err := test.old(b)
				said <- errors.Join(err, b.conn.Close())
			}()

			path, logger := filepath.Join(s.dir, "zones.toml"), slog.New(slog.NewTextHandler(s.log, nil))
			old := newPredecessor(conn, logger)
			err = old.begin(path, nil)
			if err != nil {
				old.refuse(err)
			} else {
				var p *program
				p, err = newProgram(path, old, logger)
				must(t, err)
				s.program = p
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				done := make(chan error, 1)
				go func() { done <- p.run(ctx) }()
				if test.refused == "" {
					s.eventuallyAnswers(first)
					s.eventually("that it has taken over", s.logged("taken over"))
					cancel()
				}
				err = <-done
			}
			must(t, errors.Join(<-said, b.sockets.Close()))
			if test.refused == "" && err != nil || test.refused != "" && (err == nil || !strings.Contains(err.Error(), test.refused)) {
				t.Errorf("it ended with %v, want %q\n%s", err, test.refused, s.log)
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
	err = errors.Join(err, b.conn.Send(m, time.Second))
	m.Close()
	return err
}

func (b *before) hear(kind handover.Kind) error {
	_, err := b.conn.Receive(patience, kind)
	return err
}
