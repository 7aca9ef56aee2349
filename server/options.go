package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gslb/server/respond"
	"gslb/server/tap"
)

// The types of package respond that a caller needs.
type (
	Resolver = respond.Resolver
	Settings = respond.Settings
)

// Options is what a [Server] is made from.
type Options struct {
	// Listen is the addresses to listen at, UDP and TCP each. Port 0 is replaced by a port
	// that is free for both. The IPv6 wildcard takes IPv4 as well, unless the IPv4 wildcard
	// is listed with the same port.
	Listen []netip.AddrPort
	// Open is sockets that are open already. New takes those over whose address is listed in Listen, and
	// closes the others; what is not among them it binds.
	Open []Socket
	// Source returns what to answer from now. It is called once a query, by many goroutines
	// at once. While it returns nil, the reply is SERVFAIL.
	Source func() Resolver
	// Logger receives what an operator must know; nil: nothing is logged.
	Logger *slog.Logger
	// Registerer receives the metrics; nil: they are kept, but registered nowhere.
	Registerer prometheus.Registerer
	// Tap takes queries and replies for the query log; nil: there is none. The caller runs it.
	Tap      *tap.Tap
	Limits   Limits
	Settings Settings
}

// Limits bounds what clients can use up. A field that is zero has its default.
type Limits struct {
	Workers      int // sockets that are read at each UDP address, and event loops for TCP; GOMAXPROCS
	UDPBuffer    int // bytes of queries that the kernel may hold for each UDP socket; 1 MiB
	TCPConns     int // open TCP connections in all; 1024
	TCPPerClient int // of these, from one IPv4 address or one IPv6 /64; 64

	TCPIdle  time.Duration // how long a connection may wait for its next query; 10 s
	TCPRead  time.Duration // how long a query may take from its first byte to its last; 5 s
	TCPWrite time.Duration // how long a client may take to accept the replies to queries that came together; 5 s
	TCPTotal time.Duration // how long a connection may last in all; 10 min

	Drain time.Duration // how long Run may go on answering after its context has ended; 1 s
}

// complete checks the options and fills in the defaults.
func (o *Options) complete() error {
	var errs []error
	if len(o.Listen) == 0 {
		errs = append(errs, errors.New("server: no address to listen at"))
	}
	o.Listen = slices.Clone(o.Listen)
	for i, addr := range o.Listen {
		if !addr.IsValid() {
			errs = append(errs, fmt.Errorf("server: listen address %d has no address", i+1))
		}
		o.Listen[i] = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	}
	if o.Source == nil {
		errs = append(errs, errors.New("server: no source of answers"))
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	l := &o.Limits
	errs = append(errs,
		orDefault("Workers", &l.Workers, runtime.GOMAXPROCS(0)),
		orDefault("UDPBuffer", &l.UDPBuffer, 1<<20),
		orDefault("TCPConns", &l.TCPConns, 1024),
		orDefault("TCPPerClient", &l.TCPPerClient, 64),
		orDefault("TCPIdle", &l.TCPIdle, 10*time.Second),
		orDefault("TCPRead", &l.TCPRead, 5*time.Second),
		orDefault("TCPWrite", &l.TCPWrite, 5*time.Second),
		orDefault("TCPTotal", &l.TCPTotal, 10*time.Minute),
		orDefault("Drain", &l.Drain, time.Second),
	)
	return errors.Join(errs...)
}

func orDefault[T int | time.Duration](name string, value *T, def T) error {
	if *value < 0 {
		return fmt.Errorf("server: limit %s is %v, must not be negative", name, *value)
	}
	if *value == 0 {
		*value = def
	}
	return nil
}
