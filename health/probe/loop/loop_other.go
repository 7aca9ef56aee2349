//go:build !linux

package loop

import (
	"net/netip"
	"time"
)

// Loop does not exist on this system, which has no epoll.
type Loop struct{}

// Call is never made.
type Call struct{}

// New returns nil: conversations are to be held in another way.
func New(func(error) bool) *Loop { return nil }

// Call panics, since there is no loop.
func (*Loop) Call(netip.AddrPort, []byte, bool, Caller) *Call {
	panic("loop: there is none on this system")
}

// Begin does nothing.
func (*Call) Begin(time.Time) {}

// Waited is 0.
func (*Call) Waited() time.Duration { return 0 }

// Abort does nothing.
func (*Call) Abort() {}
