package loop

import (
	"net"
	"time"
)

// replay is a connection that was in use by a loop. What was received is read first, and then the error that
// ended receiving, if there was one.
type replay struct {
	net.Conn          // nil: err says all that there is to say
	peer     net.Addr // which the connection itself may have forgotten, after a reset
	received []byte
	err      error
}

func (r *replay) Read(p []byte) (int, error) {
	switch {
	case len(r.received) > 0:
		n := copy(p, r.received)
		r.received = r.received[n:]
		return n, nil
	case r.err != nil || len(p) == 0:
		return 0, r.err
	}
	return r.Conn.Read(p)
}

func (r *replay) Write(p []byte) (int, error) {
	if r.Conn == nil {
		return 0, r.err
	}
	return r.Conn.Write(p)
}

func (r *replay) RemoteAddr() net.Addr { return r.peer }

func (r *replay) SetDeadline(t time.Time) error {
	if r.Conn == nil {
		return nil
	}
	return r.Conn.SetDeadline(t)
}

func (r *replay) Close() error {
	if r.Conn == nil {
		return nil
	}
	return r.Conn.Close()
}
