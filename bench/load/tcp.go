package load

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// tcpWait is how long after the end of a run the last replies are waited for.
const tcpWait = time.Second

// TCPConfig says what queries to send over TCP, and how.
type TCPConfig struct {
	Server      netip.AddrPort // IPv4, on loopback
	Queries     [][]byte       // packed messages, asked in turn; their ids are overwritten
	Connections int            // open at the same time, each from another address of loopback
	PerConn     int            // queries on each connection, which is then closed; 0: it stays until the time is over
	Window      int            // queries that are open on a connection at the same time, at most
	Time        time.Duration  // for which connections are opened
	Processor   int            // to run on, counted from 0
}

// TCPReport is what became of the queries of a run.
type TCPReport struct {
	Sent        int
	Answered    int
	Rcodes      [16]int       // replies by response code
	ReplyBytes  int           // without their length prefixes
	Connections int           // that were opened
	Failed      int           // of these: refused, or closed by the server before the last reply
	Failure     error         // why the first of them failed
	Time        time.Duration // until the last reply
	ConnTime    time.Duration // from a connection's opening to its last reply, on average
	Slowest     time.Duration // the longest that a connection waited for its next reply
}

func (r *TCPReport) fail(err error) {
	r.Failed++
	if r.Failure == nil {
		r.Failure = err
	}
}

// TCP keeps a number of connections busy: each query that is answered makes room for the next
// one, each connection that is done for another. When ctx ends, it stops at once.
func TCP(ctx context.Context, config TCPConfig) (*TCPReport, error) {
	if config.Connections < 1 || config.Connections > maxConnections || config.PerConn < 0 || config.Window < 1 || config.Time <= 0 {
		return nil, fmt.Errorf("load: connections (at most %d), queries on each, window and time must be given", maxConnections)
	}
	if err := check(config.Server, config.Queries); err != nil {
		return nil, err
	}
	g := &tcpGenerator{config: config, conns: make([]conn, config.Connections)}
	for _, query := range config.Queries {
		framed := binary.BigEndian.AppendUint16(nil, uint16(len(query)))
		g.queries = append(g.queries, append(framed, query...))
	}
	for i := range g.conns {
		g.conns[i].index = i
	}
	err := onProcessor(config.Processor, func() error { return g.run(ctx) })
	return &g.report, err
}

// tcpGenerator is a run of TCP.
type tcpGenerator struct {
	config  TCPConfig
	queries [][]byte // each after its length, RFC 1035 section 4.2.2
	conns   []conn
	epoll   int
	begun   time.Time
	ending  bool // no connection is opened any more
	open    int  // connections
	next    int  // query
	out     []byte
	took    time.Duration
	report  TCPReport
}

func (g *tcpGenerator) run(ctx context.Context) (err error) {
	if g.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("load: %w", err)
	}
	defer unix.Close(g.epoll)
	defer func() { err = errors.Join(err, g.closeAll()) }()
	g.begun = time.Now()
	for i := range g.conns {
		if err := g.start(&g.conns[i]); err != nil {
			return err
		}
	}
	events := make([]unix.EpollEvent, len(g.conns))
	for g.open > 0 && ctx.Err() == nil {
		elapsed := time.Since(g.begun)
		if elapsed >= g.config.Time+tcpWait {
			break
		}
		g.ending = elapsed >= g.config.Time
		const breath = 100 // milliseconds after which to look at the time again
		n, err := unix.EpollWait(g.epoll, events, breath)
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("load: %w", err)
		}
		for _, event := range events[:max(n, 0)] {
			if err := g.step(&g.conns[event.Fd]); err != nil {
				return err
			}
		}
	}
	if done := g.report.Connections - g.report.Failed - g.open; done > 0 {
		g.report.ConnTime = g.took / time.Duration(done)
	}
	return nil
}

// step goes on with a connection where something has happened.
func (g *tcpGenerator) step(c *conn) error {
	done, err := c.receive(g)
	g.report.Time = time.Since(g.begun)
	if err == nil && !done {
		err = c.send(g)
	}
	switch {
	case err != nil:
		g.report.fail(err)
	case !done:
		return nil
	default:
		g.took += g.report.Time - c.begun
	}
	if err := c.close(g); err != nil || g.ending {
		return err
	}
	return g.start(c)
}

// start opens a connection and sends what may be sent on it.
func (g *tcpGenerator) start(c *conn) error {
	if err := c.dial(g); err != nil {
		return err
	}
	if err := c.send(g); err != nil {
		g.report.fail(err)
		return c.close(g) // no new one is opened, or a server that is gone would be tried for ever
	}
	return nil
}

func (g *tcpGenerator) closeAll() error {
	var errs []error
	for i := range g.conns {
		if g.conns[i].open {
			errs = append(errs, g.conns[i].close(g))
		}
	}
	return errors.Join(errs...)
}
