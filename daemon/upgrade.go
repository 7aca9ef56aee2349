package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gslb/handover"
	"gslb/internal/files"
	"gslb/override"
	"gslb/server"
	"gslb/state"
)

// upgrades hands what the program serves to the next gslb, which comes by itself, or is started when somebody
// asks for it.
type upgrades struct {
	*program
	door   *handover.Door // nil: there is no directory for the state
	shut   bool           // there should be a door, and can't be
	opened chan struct{}  // closed when the door is open, or can't be
	again  []string       // the command line of the next one
	start  func(command []string, end *os.File) (*successor, error)
	waits  waits
	turn   chan struct{}  // capacity 1: has a token while an upgrade is under way
	told   sync.WaitGroup // who have come to the door, and who waits for them
	left   atomic.Bool    // the next one serves
}

// waits is how long the old process waits, for the next one if nothing else is said.
type waits struct {
	answer  time.Duration // where it has nothing to do but to speak
	prepare time.Duration // to read its configuration
	pause   time.Duration // for its own parts to pause, twice
	serving time.Duration // to serve, beside what its first verdicts may take
	leave   time.Duration // for the writer of the query log, before all is handed over
	end     time.Duration // to end by itself, when it has failed
}

func usualWaits() waits {
	return waits{answer: handover.AnswerWait, prepare: 2 * time.Minute, pause: endWait, serving: time.Minute, leave: 2 * time.Second, end: handover.AnswerWait}
}

// Run waits for those who want to take over, or to have an upgrade begun, until ctx ends.
func (u *upgrades) Run(ctx context.Context) error {
	if u.before != nil {
		select {
		case <-u.before.done: // the file of the door is its own until then
		case <-ctx.Done():
			return nil
		}
	}
	u.keepDoor(ctx)
	close(u.opened)
	defer func() {
		if u.door != nil {
			_ = u.door.Close()
		}
	}()
	look := time.NewTicker(doorEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
			u.keepDoor(ctx)
		case <-u.upgradeSignals:
			if _, err := u.upgrade(ctx); err != nil {
				u.notMade(ctx, err)
			}
		}
	}
}

// notMade logs why there was no upgrade.
func (u *upgrades) notMade(ctx context.Context, err error) {
	if ctx.Err() != nil {
		u.logger.Warn("the upgrade was given up, since this gslb ends", "error", err)
		return
	}
	u.logger.Error("the upgrade was not made: this gslb goes on serving", "error", err)
}

// upgrade starts the program anew, from where it was started before, and hands over to it.
func (u *upgrades) upgrade(ctx context.Context) (next handover.Message, err error) {
	switch {
	case u.door == nil:
		return next, errors.New("an upgrade needs server.state_dir, in which the state is handed over")
	case os.Getpid() == 1:
		return next, errors.New("this is the first process of its container, which ends with it: replace the container")
	}
	conn, end, err := handover.Pair()
	if err != nil {
		return next, err
	}
	defer conn.Close()
	child, err := u.start(u.again, end)
	_ = end.Close()
	if err != nil {
		return next, err
	}
	u.logger.Info("upgrading: the next gslb is started", "command", strings.Join(u.again, " "), "pid", child.pid)
	next, err = conn.Receive(u.waits.answer, handover.Hello)
	switch {
	case err != nil:
		err = fmt.Errorf("%s does not begin to take over: %w", u.again[0], err)
	case next.Protocol != handover.Protocol:
		err = fmt.Errorf("version %s speaks version %d of the handover, and this gslb (%s) version %d: restart it instead", next.Version, next.Protocol, u.version, handover.Protocol)
		u.refuse(conn, err)
	default:
		err = u.hand(ctx, conn, next, child.pid, child)
	}
	if err != nil {
		select {
		case ended := <-child.ended:
			if refused := handover.RefusedError(""); ended != nil && !errors.As(err, &refused) {
				err = fmt.Errorf("%w: process %d has ended (%w), and what it has written is in the log of this one", err, child.pid, ended)
			}
		case <-time.After(u.waits.end):
			child.kill()
		}
	}
	next.PID = child.pid
	return next, err
}

// successor is the next gslb, if this one has started it.
type successor struct {
	pid   int
	ended <-chan error
	kill  func()
}

// startSuccessor starts a command that inherits one end of the conversation, and all else of this process.
func startSuccessor(command []string, end *os.File) (*successor, error) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{end} // which is 3 there
	for _, variable := range os.Environ() {
		switch name, _, _ := strings.Cut(variable, "="); name {
		case "WATCHDOG_PID", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES": // what is of this process alone
		default:
			cmd.Env = append(cmd.Env, variable)
		}
	}
	cmd.Env = append(cmd.Env, handoverVar+"=3")
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", command[0], err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	return &successor{cmd.Process.Pid, ended, func() { _ = cmd.Process.Kill() }}, nil
}

// ownPath is where this program was started from, which an upgrade replaces.
func ownPath() string {
	if path, err := exec.LookPath(os.Args[0]); err == nil {
		return files.Absolute(path)
	}
	path, _ := os.Executable()
	return path
}

// hand hands over to a process that has said who it is. With an error this program goes on as before.
func (u *upgrades) hand(ctx context.Context, conn handover.Conn, next handover.Message, pid int, child *successor) error {
	select {
	case u.turn <- struct{}{}:
	default:
		err := errors.New("another upgrade is under way")
		u.refuse(conn, err)
		return err
	}
	defer func() { <-u.turn }()
	// The end of this process must not be taken for a death that the next one goes on after.
	defer context.AfterFunc(ctx, conn.Interrupt)()
	err := u.ready()
	if err == nil {
		err = u.showSockets(conn)
	}
	var prepared handover.Message
	if err == nil {
		prepared, err = conn.Receive(u.waits.prepare, handover.Prepared)
	}
	if err == nil {
		err = errors.Join(u.ready(), u.confirmed(prepared.Hash)) // it was ready a while ago
	}
	if err != nil {
		u.refuse(conn, err)
		return err
	}
	began := time.Now()
	resume, err := u.suspend(ctx)
	if err == nil {
		err = conn.Send(handover.Message{Kind: handover.Yours}, handover.AnswerWait)
	}
	if err == nil {
		verdicts := min(max(prepared.Takes, verdictsWithin(u.config.Current())), handover.MostVerdicts)
		_, err = conn.Receive(verdicts+u.waits.serving, handover.Serving)
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		u.refuse(conn, err)
		if child != nil {
			child.kill() // it may hang, and hold the directory
		}
		resume()
		return err
	}
	u.leave(conn, pid, child != nil)
	u.logger.Info("handed over to the next gslb, which serves: this one ends", "version", next.Version, "pid", pid, "took", time.Since(began).Round(time.Millisecond))
	return nil
}

// ready says whether this is a moment for an upgrade.
func (u *upgrades) ready() error {
	if u.left.Load() {
		return errors.New("this gslb has handed over already, and ends")
	}
	select {
	case <-u.serving:
	default:
		return errors.New("this gslb is still starting")
	}
	for _, o := range u.overrides.Words().Pins() {
		if o.Switch != nil && o.Switch.Fence != nil && o.Switch.Fence.Stage != override.LowersTTL && o.Switch.Fence.Stage != override.Moved {
			return fmt.Errorf("a move of %s between regions is under way (%s): upgrade when it is done, gslb switch %s --status shows it", o.Name, o.Switch.Fence.Stage, o.Name)
		}
	}
	if p := u.config.Status().Pending; p != nil {
		return fmt.Errorf("a configuration waits to be applied, and the next gslb would take it into use: use \"gslb apply\", or take back what was changed in %s", p.Path)
	}
	return nil
}

// confirmed says whether the next process may take the configuration with that hash into use, which it has read
// by itself; empty: it does not say which.
func (u *upgrades) confirmed(hash string) error {
	live := u.config.Current()
	if u.config.confirmation.over == 0 || hash == "" || hash == live.Hash {
		return nil
	}
	return fmt.Errorf("%s has changed, and with --confirm-over an upgrade takes no other configuration into use: wait until it is reloaded, as gslb status shows", live.Path)
}

// showSockets sends all that listens.
func (u *upgrades) showSockets(conn handover.Conn) error {
	shared, err := u.server.Share()
	if err != nil {
		return err
	}
	defer server.CloseSockets(shared)
	m := handover.Message{Kind: handover.Sockets, Version: u.version, PID: os.Getpid()}
	for _, s := range shared {
		m.Sockets = append(m.Sockets, handover.Socket{FD: s.FD, Use: handover.ForDNS, Network: s.Network, Listen: s.Listen})
	}
	own, err := u.adminSockets()
	if err != nil {
		return err
	}
	for _, s := range own {
		defer server.CloseSockets([]server.Socket{{FD: s.FD}})
	}
	m.Sockets = append(m.Sockets, own...)
	return conn.Send(m, handover.AnswerWait)
}

// suspend has this program write nothing more into the directory of the state, saves all, and lets another
// process have it. Answers go on following the probes. The function that it returns ends that.
func (u *upgrades) suspend(ctx context.Context) (resume func(), err error) {
	bounded, cancel := context.WithTimeout(ctx, u.waits.pause)
	defer cancel()
	if err := u.overrides.Suspend(bounded); err != nil {
		return func() {}, err
	}
	resume = func() { u.resume(ctx) }
	if err := u.keeping.pause(u.waits.pause); err != nil {
		return resume, fmt.Errorf("an upgrade needs a pause of what writes to %s: %w", u.keeper.dir, err)
	}
	if err := u.keeper.Err(); err != nil {
		return resume, fmt.Errorf("the state can't be saved, which the next gslb would go on from: make room, or restart instead: %w", err)
	}
	u.keeper.store.Release()
	return resume, nil
}

// backWait is how long a program that is to end waits for the directory of a process that it has killed.
const backWait = 2 * time.Second

// resume takes the directory back, as soon as the other process has left it, and goes on. A program that is to end
// takes it back too, to save what it has, but does not wait for long.
func (u *upgrades) resume(ctx context.Context) {
	said := false
	var end time.Time // of the wait
	for err := u.keeper.store.Hold(); errors.Is(err, state.ErrHeld); err = u.keeper.store.Hold() {
		switch {
		case ctx.Err() != nil && end.IsZero():
			end = time.Now().Add(backWait)
		case ctx.Err() == nil && !said:
			u.logger.Warn("the state is not saved until the process that should have taken over has ended", "error", err)
			said = true
		}
		if !end.IsZero() && time.Now().After(end) {
			break
		}
		time.Sleep(askAgainIn)
	}
	u.overrides.Resume()
	u.keeping.resume()
}

// leave ends the serving: the next one reads the same sockets.
func (u *upgrades) leave(conn handover.Conn, pid int, child bool) {
	u.left.Store(true)
	if child {
		// systemd takes it from the main process of the service only, for another one of its processes.
		notifyLast(fmt.Sprintf("MAINPID=%d", pid))
	}
	if u.adminSocket != nil {
		u.adminSocket.Leave()
	}
	_ = u.door.Close() // before the next one makes its own
	conns := u.server.Leave()
	if err := conn.Send(handover.Message{Kind: handover.Conns, Conns: conns}, handover.AnswerWait); err != nil {
		u.logger.Error("open TCP connections were not handed over, and are closed", "connections", len(conns), "error", err)
	}
	(&handover.Message{Conns: conns}).Close()
	u.queryLog.end(u.waits.leave) // the next one writes to the same file
	if err := conn.Send(handover.Message{Kind: handover.Done}, handover.AnswerWait); err != nil {
		u.logger.Error("the next gslb was not told that all is handed over", "error", err)
	}
	_, _ = conn.Receive(u.waits.answer, handover.Done) // until it has a door, and ends the conversation
}

// finish waits, for a time, until those who wanted an upgrade have been told of its end.
func (u *upgrades) finish(most time.Duration) {
	within(most, func() bool { u.told.Wait(); return true }, nil)
}
