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

// UDPConfig says what queries to send, and when: on a schedule (Rate), or as fast as they are
// answered (Open).
type UDPConfig struct {
	Server    netip.AddrPort // IPv4
	Queries   [][]byte       // packed messages, asked in turn; their ids are overwritten
	Sources   []netip.Addr   // IPv4: the address of this host that each of the queries is sent from; none: any
	Rate      int            // queries per second, evenly spaced; 0: see Open
	Open      int            // queries that have no reply yet, at most; 0: see Rate
	Time      time.Duration  // for which queries are sent
	Processor int            // to run on, counted from 0
}

// UDP sends queries. On a schedule, no reply, early, late or lost, has an influence on when the
// next one is sent, so that it also asks while a server pauses, and the latency of a query counts
// from the moment that the schedule has for it. When ctx ends, no more queries are sent.
func UDP(ctx context.Context, config UDPConfig) (*UDPReport, error) {
	if (config.Rate < 1) == (config.Open < 1) || config.Time <= 0 || config.Time.Seconds()*float64(config.Rate) > maxQueries {
		return nil, fmt.Errorf("load: either a rate or a number of open queries must be given, and a time, for %d queries at most", maxQueries)
	}
	if err := check(config.Server, config.Queries); err != nil {
		return nil, err
	}
	if len(config.Sources) > 0 && len(config.Sources) != len(config.Queries) {
		return nil, fmt.Errorf("load: %d sources are given for %d queries", len(config.Sources), len(config.Queries))
	}
	g := &udpGenerator{config: config}
	if config.Rate > 0 {
		g.report.interval = time.Second / time.Duration(config.Rate)
		g.report.latencies = make([]time.Duration, int(config.Time.Seconds()*float64(config.Rate)))
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
	turn     int // of the sockets, that the next queries are sent with
	out, in  *batch
	report   UDPReport
	sent     int
	answered int
	oldest   int // query that may still be answered, of those with Open
	lost     int // queries before that one which were not answered
}

// socket does not block.
type socket struct {
	fd   int
	next uint16 // id
	// asked has, by id, the number of the query that was sent last with it, plus one.
	asked [1 << 16]int32
}

func (g *udpGenerator) run(ctx context.Context) error {
	g.out, g.in = newOut(g.config.Server, len(g.config.Sources) > 0), newIn()
	poll := make([]unix.PollFd, udpSockets)
	for i := range g.sockets {
		fd, err := dialUDP(g.config.Server, len(g.config.Sources) > 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		g.sockets[i].fd = fd
		poll[i] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
	}
	g.report.Begun = time.Now()
	send := g.sendDue
	if g.config.Open > 0 {
		send = g.sendOpen
	}
	for ctx.Err() == nil {
		until, more, err := send()
		if err != nil {
			return err
		}
		if !more {
			break
		}
		if err := g.receive(poll, until); err != nil {
			return err
		}
	}
	g.report.latencies = g.report.latencies[:g.sent]
	g.report.Took = time.Since(g.report.Begun)
	for end := g.report.Took + udpWait; g.answered < g.sent && time.Since(g.report.Begun) < end; {
		if err := g.receive(poll, end); err != nil {
			return err
		}
	}
	return nil
}

// dialUDP makes a socket: connected to the server, but for one whose queries have sources of
// their own.
func dialUDP(server netip.AddrPort, sources bool) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("load: %w", err)
	}
	// A large buffer, so that replies that wait here are not lost.
	const plenty = 4 << 20
	errs := []error{unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, plenty)}
	if sources {
		errs = append(errs, unix.Bind(fd, &unix.SockaddrInet4{}))
	} else {
		errs = append(errs, unix.Connect(fd, &unix.SockaddrInet4{Addr: server.Addr().As4(), Port: int(server.Port())}))
	}
	if err := errors.Join(errs...); err != nil {
		return -1, errors.Join(fmt.Errorf("load: %v: %w", server, err), unix.Close(fd))
	}
	return fd, nil
}

// sendDue sends what the schedule has up to now, but never so much that replies would have
// to wait for long. It returns when the next one is due; more is false after the last.
func (g *udpGenerator) sendDue() (next time.Duration, more bool, err error) {
	now := time.Since(g.report.Begun)
	count := 0
	for count < batchSize && g.sent+count < len(g.report.latencies) && g.report.due(g.sent+count) <= now {
		count++
	}
	if err := g.send(count); err != nil || g.sent == len(g.report.latencies) {
		return 0, false, err
	}
	return g.report.due(g.sent), true, nil
}

// sendOpen sends as many queries as may be open. It returns how long replies are waited for; more
// is false when the time is over.
func (g *udpGenerator) sendOpen() (wait time.Duration, more bool, err error) {
	now := time.Since(g.report.Begun)
	for ; g.oldest < g.sent; g.oldest++ { // a query that was lost must not stay open for ever
		if g.report.latencies[g.oldest] == 0 {
			if now-g.report.due(g.oldest) < udpWait {
				break
			}
			g.lost++
		}
	}
	if now >= g.config.Time || g.sent >= maxQueries {
		return 0, false, nil
	}
	count := min(batchSize, g.config.Open-(g.sent-g.answered-g.lost))
	for range count {
		g.report.moments = append(g.report.moments, now)
		g.report.latencies = append(g.report.latencies, 0)
	}
	return now + udpWait, true, g.send(count)
}

// send sends the next so many queries.
func (g *udpGenerator) send(count int) error {
	for count > 0 {
		some := min(count, len(g.queries)) // a message is not sent twice at the same time, with different ids
		if err := g.sendSome(some); err != nil {
			return err
		}
		count -= some
	}
	return nil
}

// sendSome sends them with one of the sockets, with a single system call.
func (g *udpGenerator) sendSome(count int) error {
	socket := &g.sockets[g.turn]
	g.turn = (g.turn + 1) % udpSockets
	for i := range count {
		number := g.sent % len(g.queries)
		query := g.queries[number]
		binary.BigEndian.PutUint16(query, socket.next)
		g.out.set(i, query)
		if len(g.config.Sources) > 0 {
			g.out.setSource(i, g.config.Sources[number])
		}
		g.sent++
		socket.asked[socket.next] = int32(g.sent)
		socket.next++
	}
	if err := g.out.send(socket.fd, count); err != nil {
		return fmt.Errorf("load: send to %v: %w", g.config.Server, err)
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
			count, err := g.in.receive(int(poll[i].Fd))
			if err != nil {
				return fmt.Errorf("load: receive from %v: %w", g.config.Server, err)
			}
			now := time.Since(g.report.Begun)
			for m := range count {
				g.take(&g.sockets[i], g.in.message(m), now)
			}
			if count < batchSize {
				break
			}
		}
	}
	return nil
}

// take records the latency of a reply's query. What answers nothing that is open is dropped.
func (g *udpGenerator) take(s *socket, reply []byte, now time.Duration) {
	if len(reply) < headerLen {
		return
	}
	asked := &s.asked[binary.BigEndian.Uint16(reply)]
	if *asked == 0 {
		return
	}
	number := int(*asked) - 1
	*asked = 0
	if g.config.Open > 0 && number < g.oldest {
		return // it was given up, and others were sent instead
	}
	g.report.latencies[number] = max(1, now-g.report.due(number))
	g.report.Rcodes[rcode(reply)]++
	g.report.ReplyBytes += int64(len(reply))
	g.answered++
}
