package server

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"gslb/answer"
	"gslb/server/meter"
	"gslb/server/respond"
	"gslb/server/tcp"
)

// Server answers at the sockets that New has bound.
type Server struct {
	opts     Options
	sockets  []sockets
	tcp      *tcp.Server
	metrics  *meter.Metrics
	settings atomic.Pointer[Settings]
	started  atomic.Bool

	working chan struct{} // closed when every worker runs
	leaving chan struct{} // closed by Leave
	ended   chan struct{} // closed when Run ends
}

// New binds every socket, so that a port below 1024 can be bound before privileges are dropped.
// Queries that arrive before Run wait in the kernel. On failure nothing is left open, and the error
// joins those of all addresses.
func New(opts Options) (*Server, error) {
	if err := opts.complete(); err != nil {
		CloseSockets(opts.Open)
		return nil, err
	}
	bound, err := bindAll(opts.Listen, opts.Open, opts.Limits)
	if err != nil {
		return nil, err
	}
	s := &Server{
		opts: opts, sockets: bound, metrics: meter.New(),
		working: make(chan struct{}), leaving: make(chan struct{}), ended: make(chan struct{}),
	}
	s.Apply(opts.Settings)
	s.metrics.CountersFrom(func() *answer.Counters {
		if table := opts.Source(); table != nil {
			return table.Counters()
		}
		return nil
	})
	if s.tcp, err = s.newTCP(); err != nil {
		return nil, errors.Join(err, closeAll(bound))
	}
	if opts.Registerer == nil {
		return s, nil
	}
	if err := s.metrics.Register(opts.Registerer); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// newTCP makes the TCP side of all addresses.
func (s *Server) newTCP() (*tcp.Server, error) {
	l := s.opts.Limits
	o := tcp.Options{
		Loops: l.Workers, Logger: s.opts.Logger, Metrics: s.metrics,
		Limits: tcp.Limits{
			Conns: l.TCPConns, PerClient: l.TCPPerClient,
			Idle: l.TCPIdle, Read: l.TCPRead, Write: l.TCPWrite, Total: l.TCPTotal, Drain: l.Drain,
		},
	}
	for _, at := range s.sockets {
		counts := s.metrics.Meter(at.addr, respond.OverTCP.String())
		o.Listeners = append(o.Listeners, &tcp.Listener{
			TCPListener: at.tcp, Addr: at.addr,
			NewResponder: func() *respond.Responder { return s.responder(at.addr, respond.OverTCP, counts) },
		})
	}
	return tcp.New(o)
}

func (s *Server) responder(at netip.AddrPort, via respond.Transport, counts *meter.Meter) *respond.Responder {
	o := respond.Options{
		Source: s.opts.Source, Settings: &s.settings, Via: via, Idle: s.opts.Limits.TCPIdle,
		Logger: s.opts.Logger.With("listen", at), Meter: counts,
	}
	if s.opts.Tap != nil {
		o.Tap = s.opts.Tap.Recorder(at, via == respond.OverTCP)
	}
	return respond.New(o)
}

// Addrs is where the server listens, in the order of Options.Listen.
func (s *Server) Addrs() []netip.AddrPort {
	var addrs []netip.AddrPort
	for _, at := range s.sockets {
		addrs = append(addrs, at.addr)
	}
	return slices.Clip(addrs)
}

// Worked is how many batches of queries each worker has dealt with that reads the UDP sockets of an address, by
// the address's place in Addrs. It is safe for concurrent use.
func (s *Server) Worked(place int) []uint64 {
	var counts []uint64
	for _, socket := range s.sockets[place].udp {
		counts = append(counts, socket.Worked())
	}
	return counts
}

// Apply uses other settings from the next queries on. It is safe for concurrent use.
func (s *Server) Apply(settings Settings) { s.settings.Store(&settings) }

// LimitTCP replaces Limits.TCPConns, the limit on open TCP connections. It is safe for concurrent
// use.
func (s *Server) LimitTCP(conns int) { s.tcp.Limit(conns) }

// Measure measures the rates that Rate tells, until ctx ends.
func (s *Server) Measure(ctx context.Context) error {
	s.metrics.Measure(ctx)
	return nil
}

// Rate is how many answers a second a steered name has got over the last minute; negative: that is not known,
// since there are too many names. It is safe for concurrent use.
func (s *Server) Rate(name string) float64 { return s.metrics.Rate(name) }

// Run answers until ctx ends. Then it answers what it has received by that moment (over
// UDP, what waits in the sockets' buffers; over TCP, every query that has arrived whole),
// for Limits.Drain at most, closes every socket and returns. After Leave it returns at once. It runs once.
func (s *Server) Run(ctx context.Context) error {
	if s.started.Swap(true) {
		return errors.New("server: it has run already, or was closed")
	}
	defer close(s.ended)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var running, starting sync.WaitGroup
	for _, at := range s.sockets {
		for _, socket := range at.udp {
			r := s.responder(at.addr, respond.OverUDP, s.metrics.Meter(at.addr, respond.OverUDP.String()))
			starting.Add(1)
			running.Go(func() {
				starting.Done()
				socket.Serve(ctx, r, s.opts.Limits.Drain)
			})
		}
	}
	starting.Add(1)
	running.Go(func() {
		starting.Done()
		s.tcp.Run(ctx)
	})
	starting.Wait()
	close(s.working)
	select {
	case <-s.leaving:
		stop()
	case <-ctx.Done():
	}
	running.Wait()
	return nil
}

// Close closes the sockets of a Server whose Run was never called; after Run it does nothing.
func (s *Server) Close() error {
	if s.started.Swap(true) {
		return nil
	}
	errs := []error{s.tcp.Close()}
	for _, at := range s.sockets {
		for _, socket := range at.udp {
			errs = append(errs, socket.Close())
		}
	}
	return errors.Join(errs...)
}
