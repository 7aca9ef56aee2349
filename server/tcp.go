package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
)

// tcpServer answers over TCP (RFC 7766, RFC 9210). Where there is epoll, each processor has
// an event loop that serves many connections (loop_linux.go); elsewhere, each connection has
// a goroutine (tcpaccept.go, tcpconn.go). Both keep to the same limits, answer the queries of
// a connection in the order they came, and join the replies to those that came together.
type tcpServer struct {
	limits    Limits
	logger    *slog.Logger
	metrics   *metrics
	listeners []*tcpListener
	conns     *connTable
	portable  bool           // a goroutine for each connection, even where there is epoll
	serving   sync.WaitGroup // the connections' goroutines
}

// tcpListener is one listening socket, and the responders for what comes in there. A
// connection holds one only while it answers, so that an idle one costs little memory.
type tcpListener struct {
	net.Listener
	addr       netip.AddrPort
	responders *sync.Pool
}

// burstSize is from how many bytes on replies are sent, rather than joined with the replies to
// the queries behind. With the largest reply, it bounds what waits for a client to read.
const burstSize = 16 << 10

func newTCPServer(limits Limits, logger *slog.Logger, m *metrics) *tcpServer {
	return &tcpServer{
		limits:  limits,
		logger:  logger,
		metrics: m,
		conns:   newConnTable(limits.TCPConns, limits.TCPPerClient),
	}
}

// run answers until ctx ends, then every query that has arrived whole, and closes all.
func (t *tcpServer) run(ctx context.Context) {
	if !t.portable {
		loops, err := newLoops(t)
		if err == nil {
			runLoops(ctx, loops)
			return
		}
		if !errors.Is(err, errors.ErrUnsupported) {
			t.metrics.complain(t.logger, "TCP is served the slow way, a goroutine for each connection", err)
		}
	}
	t.runGoroutines(ctx)
}
