package server

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Server answers at the sockets that New has bound.
type Server struct {
	addrs    []netip.AddrPort
	udp      []*udpServer
	tcp      *tcpServer
	settings atomic.Pointer[Settings]
	started  atomic.Bool
}

// New binds every socket, so that a port below 1024 can be had before privileges are given
// up; queries that arrive before Run wait in the kernel. On failure nothing is left open,
// and the error joins what was wrong with each address.
func New(opts Options) (*Server, error) {
	if err := opts.complete(); err != nil {
		return nil, err
	}
	sockets, err := bindAll(opts.Listen, opts.Limits)
	if err != nil {
		return nil, err
	}
	metrics, err := newMetrics(opts.Registerer)
	if err != nil {
		return nil, errors.Join(err, closeAll(sockets))
	}

	s := &Server{tcp: newTCPServer(opts.Limits, opts.Logger, metrics)}
	s.Apply(opts.Settings)
	for _, pair := range sockets {
		s.addrs = append(s.addrs, pair.addr)
		s.udp = append(s.udp, &udpServer{
			sockets: pair.udp,
			limits:  opts.Limits,
			logger:  opts.Logger.With("listen", pair.addr),
			newResponder: func() *responder {
				return newResponder(&opts, &s.settings, overUDP, metrics.newMeter(pair.addr, overUDP))
			},
		})
		meter := metrics.newMeter(pair.addr, overTCP)
		s.tcp.listeners = append(s.tcp.listeners, &tcpListener{
			Listener: pair.tcp,
			addr:     pair.addr,
			responders: &sync.Pool{New: func() any {
				return newResponder(&opts, &s.settings, overTCP, meter)
			}},
		})
	}
	return s, nil
}

// Addrs is where the server listens, in the order of Options.Listen.
func (s *Server) Addrs() []netip.AddrPort { return slices.Clone(s.addrs) }

// Run answers until ctx ends. Then it answers what it has received by that moment (over
// UDP, what waits in the sockets' buffers; over TCP, every query that has arrived whole),
// for Limits.Drain at most, closes every socket and returns. It runs once.
func (s *Server) Run(ctx context.Context) error {
	if s.started.Swap(true) {
		return errors.New("server: it has run already, or was closed")
	}
	var running sync.WaitGroup
	for _, u := range s.udp {
		running.Go(func() { u.run(ctx) })
	}
	running.Go(func() { s.tcp.run(ctx) })
	running.Wait()
	return nil
}

// Close gives up the sockets of a Server that Run was never called for; after Run it does
// nothing.
func (s *Server) Close() error {
	if s.started.Swap(true) {
		return nil
	}
	var errs []error
	for i := range s.udp {
		errs = append(errs, s.tcp.listeners[i].Close())
		for _, socket := range s.udp[i].sockets {
			errs = append(errs, socket.Close())
		}
	}
	return errors.Join(errs...)
}

// past is a deadline that wakes whoever waits in a read.
func past() time.Time { return time.Unix(1, 0) }
