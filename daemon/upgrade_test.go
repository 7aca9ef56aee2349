package daemon

import (
	"cmp"
	"errors"
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
	"gslb/state"
)

// nextProgram is what the next program does. It has the conversation until it returns, and may be killed, which
// closes a channel.
type nextProgram func(t *testing.T, conn handover.Conn, killed <-chan struct{})

// beginUpgradable starts a program, and has it start that next one.
func (s *stage) beginUpgradable(waits waits, next nextProgram) {
	s.T.Helper()
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
			next(s.T, conn, killed)
		}()
		return &successor{os.Getpid(), ended, sync.OnceFunc(func() { close(killed) })}, nil
	}
	s.Settings = `startup_wait = "0s"` // which the next one may take beside its waits
	s.adjust = func(p *program) {
		p.upgrades.again, p.upgrades.start, p.upgrades.waits = []string{"next"}, start, waits
	}
	s.begin()
}

// upgrade asks the program for an upgrade, as the command does.
func (s *stage) upgrade() error {
	s.T.Helper()
	var conn handover.Conn
	s.Eventually("the door", func() (is bool) {
		var err error
		conn, err = handover.Dial(s.keeper.dir)
		return err == nil
	})
	defer conn.Close()
	must(s.T, conn.Send(handover.Message{Kind: handover.Start, Protocol: handover.Protocol}, patience))
	_, err := conn.Receive(patience, handover.Done)
	return err
}

// hello begins the conversation of one who takes over, and goes on until a message of a kind has come: Sockets or
// Yours. What listens is closed.
func hello(t *testing.T, conn handover.Conn, until handover.Kind) {
	if err := conn.Send(handover.Message{Kind: handover.Hello, Protocol: handover.Protocol, Version: "next"}, patience); err != nil {
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
	if err := conn.Send(handover.Message{Kind: handover.Prepared}, patience); err != nil {
		t.Error(err)
	}
	if _, err := conn.Receive(patience, handover.Yours); err != nil {
		t.Error(err)
	}
}

// failure is a way in which the next program fails.
type failure struct {
	name string
	next nextProgram
	want string // of the error
}

// wantRefusal waits until the next program is told to give up.
func wantRefusal(t *testing.T, conn handover.Conn) {
	_, err := conn.Receive(patience, handover.Done)
	if refused := handover.RefusedError(""); !errors.As(err, &refused) {
		t.Errorf("the next one hears %v, and not that it is refused", err)
	}
}

// TestUpgradeThatFails has the next program fail in every way at every stage, one after the other. The one that
// serves goes on. It waits as long as usual, except where the wait is what a test is about.
func TestUpgradeThatFails(t *testing.T) {
	t.Parallel()
	const brief = 100 * time.Millisecond
	for name, test := range map[string]struct {
		shorten  func(*waits)
		failures []failure
	}{
		"speaks": {func(*waits) {}, []failure{
			{"dies at once", func(*testing.T, handover.Conn, <-chan struct{}) {}, "does not begin"},
			{"has another protocol", func(t *testing.T, conn handover.Conn, _ <-chan struct{}) {
				_ = conn.Send(handover.Message{Kind: handover.Hello, Protocol: handover.Protocol + 1, Version: "99"}, patience)
				wantRefusal(t, conn)
			}, "version 99 speaks version 2 of the handover"},
			{"dies with the sockets", func(t *testing.T, conn handover.Conn, _ <-chan struct{}) { hello(t, conn, handover.Sockets) }, "EOF"},
			{"refuses", func(t *testing.T, conn handover.Conn, _ <-chan struct{}) {
				hello(t, conn, handover.Sockets)
				_ = conn.Send(handover.Message{Kind: handover.Refused, Why: "the file is wrong"}, patience)
			}, "the file is wrong"},
			{"serves before it may", func(t *testing.T, conn handover.Conn, _ <-chan struct{}) {
				hello(t, conn, handover.Sockets)
				_ = conn.Send(handover.Message{Kind: handover.Serving}, patience)
				wantRefusal(t, conn)
			}, `got "serving"`},
			{"dies with the state", func(t *testing.T, conn handover.Conn, _ <-chan struct{}) { hello(t, conn, handover.Yours) }, "EOF"},
			{"refuses the state", func(t *testing.T, conn handover.Conn, _ <-chan struct{}) {
				hello(t, conn, handover.Yours)
				_ = conn.Send(handover.Message{Kind: handover.Refused, Why: "no memory"}, patience)
			}, "no memory"},
		}},
		"does not begin": {func(w *waits) { w.answer, w.end = brief, brief }, []failure{
			{"says nothing", func(_ *testing.T, _ handover.Conn, killed <-chan struct{}) { <-killed }, "does not begin"},
			{"is no gslb", func(_ *testing.T, conn handover.Conn, killed <-chan struct{}) {
				_, _ = conn.Write([]byte("hello, world, this is an editor"))
				<-killed
			}, "does not begin"},
		}},
		"does not prepare": {func(w *waits) { w.prepare, w.end = brief, brief }, []failure{
			{"hangs with the sockets", func(t *testing.T, conn handover.Conn, killed <-chan struct{}) {
				hello(t, conn, handover.Sockets)
				<-killed
			}, "timeout"},
		}},
		"does not serve": {func(w *waits) { w.serving, w.end = brief, brief }, []failure{
			{"serves too late", func(t *testing.T, conn handover.Conn, killed <-chan struct{}) {
				hello(t, conn, handover.Yours)
				<-killed
				_ = conn.Send(handover.Message{Kind: handover.Serving}, patience)
				wantRefusal(t, conn)
			}, "timeout"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			waits := usualWaits()
			test.shorten(&waits)
			s := newStage(t)
			next := make(chan nextProgram, 1)
			s.beginUpgradable(waits, func(t *testing.T, conn handover.Conn, killed <-chan struct{}) { (<-next)(t, conn, killed) })
			for _, f := range test.failures {
				next <- f.next
				s.wantFailure(f)
			}
			s.wantSaved()
		})
	}
}

// TestUpgradeThatHangsWithTheState has the next program hang while it has the directory of the state: nothing is
// changed meanwhile, and the old one takes the directory back.
func TestUpgradeThatHangsWithTheState(t *testing.T) {
	t.Parallel()
	// On a machine that is slow the next program may be killed before it has looked. It is then given more time.
	var looked atomic.Bool
	for serving := 500 * time.Millisecond; !looked.Load(); serving *= 4 {
		waits := usualWaits()
		waits.serving, waits.end = serving, 100*time.Millisecond
		s := newStage(t)
		s.beginUpgradable(waits, func(t *testing.T, conn handover.Conn, killed <-chan struct{}) {
			hello(t, conn, handover.Yours)
			store := state.NewStore(s.keeper.dir)
			held := store.Hold()
			_, refusal := s.overSocket().drain("ams", "meanwhile")
			select {
			case <-killed:
			default:
				looked.Store(true)
				if held != nil {
					t.Errorf("the directory is not free: %v", held)
				}
				if refusal == nil || !strings.Contains(refusal.Error(), "being upgraded") {
					t.Errorf("a change meanwhile: %v", refusal)
				}
			}
			<-killed
			time.Sleep(100 * time.Millisecond) // what is killed may take a while to end
			store.Release()
		})
		s.wantFailure(failure{name: "hangs with the state", want: "timeout"})
		s.wantSaved()
		s.stop()
	}
}

// wantFailure asks for an upgrade that fails. The program goes on: it answers, holds the directory of the state,
// saves, and takes what a person says.
func (s *stage) wantFailure(f failure) {
	s.T.Helper()
	if err := s.upgrade(); err == nil || !strings.Contains(err.Error(), f.want) {
		s.T.Errorf("%s: the upgrade ended with %v, want %q", f.name, err, f.want)
	}
	s.expect(first)
	other := state.NewStore(s.keeper.dir)
	if !errors.Is(other.Hold(), state.ErrHeld) {
		s.T.Errorf("%s: nobody holds the directory of the state", f.name)
	}
	other.Release()
	saved := filepath.Join(s.keeper.dir, "overrides.json")
	_ = os.Remove(saved)
	_, err := s.overSocket().drain("ams", f.name)
	must(s.T, err)
	if _, err := os.Stat(saved); err != nil {
		s.T.Errorf("%s: what a person says is not kept: %v", f.name, err)
	}
	must(s.T, s.overSocket().undrain("ams"))
}

// wantSaved waits until the program saves what it sees.
func (s *stage) wantSaved() {
	s.T.Helper()
	path := filepath.Join(s.keeper.dir, "state.json")
	_ = os.Remove(path)
	s.NYC.Stop()
	s.eventuallyAnswers(second)
	s.Eventually("the state is saved", func() bool {
		_, err := os.Stat(path)
		return err == nil
	})
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
			s.Write(`"ams", "nyc"`)
			s.Eventually("that it waits", func() bool { return s.waits() != "" })
		}, want: "a configuration waits to be applied"},
		"a configuration comes to wait": {meanwhile: func(s *stage) {
			s.Write(`"ams", "nyc"`)
			s.Eventually("that it waits", func() bool { return s.waits() != "" })
		}, want: "a configuration waits to be applied"},
		"the next one has another configuration": {want: "takes no other configuration into use"},
		"another upgrade": {meanwhile: func(s *stage) {
			if err := s.upgrade(); err == nil || !strings.Contains(err.Error(), "another upgrade is under way") {
				s.T.Errorf("the second upgrade at the same time: %v", err)
			}
		}, want: "takes no other configuration into use"},
		"the disk takes nothing": {before: func(s *stage) { s.confirmation(0) }, meanwhile: func(s *stage) {
			must(s.T, os.Rename(s.keeper.dir, s.keeper.dir+".was"))
			must(s.T, os.Symlink("/proc/self", s.keeper.dir)) // where root can't write either
		}, after: func(s *stage) {
			must(s.T, os.Remove(s.keeper.dir))
			must(s.T, os.Rename(s.keeper.dir+".was", s.keeper.dir))
		}, want: "the state can't be saved"},
		"a part hangs": {before: func(s *stage) {
			s.confirmation(0)
			s.config.reloading.Lock() // as reading a file does that does not respond
			s.hangups <- syscall.SIGHUP
			s.T.Cleanup(s.config.reloading.Unlock)
		}, want: "reloading", pause: 2 * time.Second},
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
				if err := conn.Send(handover.Message{Kind: handover.Hello, Protocol: handover.Protocol}, patience); err != nil {
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
				_ = conn.Send(handover.Message{Kind: handover.Prepared, Hash: "another"}, patience)
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
			_, err := s.overSocket().drain("nyc", "it still listens")
			must(t, err)
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
