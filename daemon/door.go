package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"gslb/handover"
)

// doorEvery is how often it is looked whether the door is still there.
const doorEvery = 5 * time.Second

// keepDoor makes the door, if there is none yet or somebody has removed it. Without one there are no upgrades,
// which is said once.
func (u *upgrades) keepDoor(ctx context.Context) {
	if u.keeper.dir == "" {
		return
	}
	var err error
	renewed := false
	switch {
	case u.door == nil:
		if err = u.keeper.store.Held(); err != nil {
			break
		}
		if u.door, err = handover.Listen(u.keeper.dir); err == nil {
			u.told.Go(func() { u.accept(ctx) })
		}
	case u.keeper.store.Holds(): // else the directory is another's, as during an upgrade
		renewed, err = u.door.Renew()
	}
	switch {
	case err != nil && !u.shut:
		u.logger.Warn("this gslb can't be upgraded without a restart", "error", err)
	case renewed:
		u.logger.Warn("the socket for upgrades was removed, and is made again", "state_dir", u.keeper.dir)
	}
	u.shut = err != nil
}

// acceptAgainIn is how long the door rests if nobody can be let in.
const acceptAgainIn = time.Second

// accept lets in who comes to the door, until it is closed.
func (u *upgrades) accept(ctx context.Context) {
	for failing := false; ; {
		conn, pid, err := u.door.Accept()
		switch {
		case errors.Is(err, net.ErrClosed) || ctx.Err() != nil:
			if err == nil {
				conn.Close()
			}
			return
		case err != nil: // there is no descriptor, perhaps
			if !failing {
				u.logger.Warn("nobody can come to the socket for upgrades; it is tried again", "error", err)
			}
			failing = true
			select {
			case <-ctx.Done():
			case <-time.After(acceptAgainIn):
			}
			continue
		}
		failing = false
		u.told.Go(func() {
			defer conn.Close()
			u.receive(ctx, conn, pid)
		})
	}
}

// receive deals with one who has come to the door.
func (u *upgrades) receive(ctx context.Context, conn handover.Conn, pid int) {
	m, err := conn.Receive(handover.AnswerWait, handover.Hello, handover.Start)
	if err != nil {
		u.logger.Warn("somebody came to the socket for upgrades, and did not say what for", "error", err)
		return
	}
	if m.Protocol != handover.Protocol {
		u.refuse(conn, fmt.Errorf("it speaks version %d of the handover, and this gslb (%s) version %d: restart it instead", m.Protocol, u.version, handover.Protocol))
		return
	}
	if m.Kind == handover.Hello {
		if err := u.hand(ctx, conn, m, pid, nil); err != nil {
			u.notMade(ctx, err)
		}
		return
	}
	next, err := u.upgrade(ctx)
	if err != nil {
		u.notMade(ctx, err)
		u.refuse(conn, err)
		return
	}
	_ = conn.Send(handover.Message{Kind: handover.Done, Version: next.Version, PID: next.PID}, handover.AnswerWait)
}

func (u *upgrades) refuse(conn handover.Conn, why error) {
	_ = conn.Send(handover.Message{Kind: handover.Refused, Why: why.Error()}, handover.AnswerWait)
}
