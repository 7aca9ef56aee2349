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

const (
	// udpSockets is how many sockets queries go out by. A reply is known by its socket and its
	// id, so at 100,000 queries a second a pair comes back after five seconds.
	udpSockets = 8
	// udpWait is how long after the last query replies are waited for. A reply is late, and its
	// query lost, when it comes after that or after its socket and id were used again.
	udpWait = time.Second
	// maxQueries is for their latencies to fit into memory.
	maxQueries = 100_000_000
)

// UDPConfig says what queries to send, and when.
type UDPConfig struct {
	Server    netip.AddrPort // IPv4
	Queries   [][]byte       // packed messages, asked in turn; their ids are overwritten
	Rate      int            // queries per second, evenly spaced
	Time      time.Duration  // for which queries are sent
	Processor int            // to run on, counted from 0
}

// UDP sends queries on a schedule that no reply, early, late or lost, has an influence on, and
// so also asks while a server pauses. The latency of a query counts from the moment that the
// schedule has for it. When ctx ends, no more queries are sent.
func UDP(ctx context.Context, config UDPConfig) (*UDPReport, error) {
	if config.Rate < 1 || config.Time <= 0 || config.Time.Seconds()*float64(config.Rate) > maxQueries {
		return nil, fmt.Errorf("load: rate and time must be given, for %d queries at most", maxQueries)
	}
	if err := check(config.Server, config.Queries); err != nil {
		return nil, err
	}
	g := &udpGenerator{
		config: config,
		report: UDPReport{
			interval:  time.Second / time.Duration(config.Rate),
			latencies: make([]time.Duration, int(config.Time.Seconds()*float64(config.Rate))),
		},
	}
	for _, query := range config.Queries {
		g.queries = append(g.queries, append([]byte(nil), query...))
	}
	err := onProcessor(config.Processor, func() error { return g.run(ctx) })
	return &g.report, err
}

// udpGenerator is a run of UDP.
type udpGenerator struct {
	config   UDPConfig
	queries  [][]byte
	sockets  [udpSockets]socket
	report   UDPReport
	sent     int
	answered int
	buffer   [4096]byte
}

// socket is connected, and does not block.
type socket struct {
	fd int
	// asked has, by id, the number of the query that was sent last with it, plus one.
	asked [1 << 16]int32
}

func (g *udpGenerator) run(ctx context.Context) error {
	poll := make([]unix.PollFd, udpSockets)
	for i := range g.sockets {
		fd, err := dialUDP(g.config.Server)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		g.sockets[i].fd = fd
		poll[i] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
	}
	g.report.Begun = time.Now()
	for g.sent < len(g.report.latencies) && ctx.Err() == nil {
		if err := g.sendDue(); err != nil {
			return err
		}
		if err := g.receive(poll, g.report.due(g.sent)); err != nil {
			return err
		}
	}
	g.report.latencies = g.report.latencies[:g.sent]
	for end := time.Since(g.report.Begun) + udpWait; g.answered < g.sent && time.Since(g.report.Begun) < end; {
		if err := g.receive(poll, end); err != nil {
			return err
		}
	}
	return nil
}

func dialUDP(server netip.AddrPort) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("load: %w", err)
	}
	// A large buffer, so that replies that wait here are not lost.
	const plenty = 4 << 20
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, plenty),
		unix.Connect(fd, &unix.SockaddrInet4{Addr: server.Addr().As4(), Port: int(server.Port())}),
	)
	if err != nil {
		return -1, errors.Join(fmt.Errorf("load: %v: %w", server, err), unix.Close(fd))
	}
	return fd, nil
}

// sendDue sends what the schedule has up to now, but never so much that replies would have
// to wait for long.
func (g *udpGenerator) sendDue() error {
	const burst = 64
	now := time.Since(g.report.Begun)
	for range burst {
		if g.sent == len(g.report.latencies) || g.report.due(g.sent) > now {
			return nil
		}
		socket := &g.sockets[g.sent%udpSockets]
		id := uint16(g.sent / udpSockets)
		query := g.queries[g.sent%len(g.queries)]
		binary.BigEndian.PutUint16(query, id)
		g.sent++
		socket.asked[id] = int32(g.sent)
		switch _, err := unix.Write(socket.fd, query); err {
		case nil, unix.EAGAIN, unix.ENOBUFS, unix.ECONNREFUSED: // lost, where it is not nil
		default:
			return fmt.Errorf("load: send to %v: %w", g.config.Server, err)
		}
	}
	return nil
}

// receive takes in the replies that are there, and waits for them until a moment of the run.
func (g *udpGenerator) receive(poll []unix.PollFd, until time.Duration) error {
	wait := unix.NsecToTimespec(int64(max(0, until-time.Since(g.report.Begun))))
	if _, err := unix.Ppoll(poll, &wait, nil); err != nil {
		if err == unix.EINTR {
			return nil
		}
		return fmt.Errorf("load: %w", err)
	}
	for i := range poll {
		if poll[i].Revents == 0 {
			continue
		}
		for {
			n, err := unix.Read(g.sockets[i].fd, g.buffer[:])
			if err == unix.ECONNREFUSED {
				continue // of a query before; it is lost
			}
			if err == unix.EAGAIN || err == unix.EINTR {
				break
			}
			if err != nil {
				return fmt.Errorf("load: receive from %v: %w", g.config.Server, err)
			}
			g.take(&g.sockets[i], g.buffer[:n])
		}
	}
	return nil
}

// take records the latency of a reply's query. What answers nothing that is open is dropped.
func (g *udpGenerator) take(s *socket, reply []byte) {
	if len(reply) < headerLen {
		return
	}
	asked := &s.asked[binary.BigEndian.Uint16(reply)]
	if *asked == 0 {
		return
	}
	number := int(*asked) - 1
	*asked = 0
	g.report.latencies[number] = max(1, time.Since(g.report.Begun)-g.report.due(number))
	g.report.Rcodes[rcode(reply)]++
	g.answered++
}
