package main

import (
	"log/slog"
	"math"
	"sync"

	"golang.org/x/sys/unix"
)

// demand is what the process may want file descriptors for.
type demand struct {
	limit     int // how many it may have open (RLIMIT_NOFILE)
	addresses int // that DNS is served at
	workers   int // sockets at each address, and event loops for TCP
	targets   int // that are probed
	tcp       int // server.tcp.connections
}

// budget is how the descriptors are shared out. What comes from outside, DNS over TCP and the
// admin server's clients, is bounded, so that probing, saving and reloading never find that none is
// left, whoever opens connections to this host.
type budget struct {
	tcp    int  // connections of DNS clients at a time
	admin  int  // connections of the admin server's clients at a time
	wanted int  // the limit that would leave as much as is configured to all; no more than the limit: it does
	short  bool // the limit does not even leave each target its descriptors
}

const (
	// ownDescriptors is for the standard streams, the Go runtime, the admin server's socket, and the
	// files of state and configuration that are open at a time.
	ownDescriptors = 24
	// loopDescriptors is for the two of a TCP event loop itself, for connections that it has accepted
	// while those that had to go for them are not closed yet (tcp.Limits.Conns), and for the one
	// that it is accepting.
	loopDescriptors = 2 + 16 + 1
	// targetDescriptors is for a probe: a lost packet has it try a second connection beside the first
	// (its lookups, for IPv4 and IPv6, are over by then).
	targetDescriptors = 2
	// probeDescriptors is for what probes have in common: where credentials come from.
	probeDescriptors = 8

	mostAdmin, leastAdmin = 64, 4
	leastTCP              = 8
	leastProbes           = 8
	// clientShare is the part of a limit that is too small for all of which TCP clients still get
	// one, and the admin server's clients half of one: a name server must answer over TCP
	// (RFC 7766), and an operator must be able to look.
	clientShare = 8
)

// share shares out the descriptors.
//
//	the limit is …                       tcp                      admin
//	enough for all                       as configured            mostAdmin
//	enough for the targets               what they leave          a 16th of the limit, mostAdmin at most
//	not enough for the targets (short)   an eighth of the limit   likewise
func share(d demand) budget {
	own := d.own()
	probes := probeDescriptors + targetDescriptors*d.targets
	b := budget{wanted: own + probes + mostAdmin + d.tcp}
	left := d.limit - own - probes
	b.admin = min(mostAdmin, max(left-d.tcp, leastAdmin, d.limit/(2*clientShare)))
	left -= b.admin
	least := max(leastTCP, d.limit/clientShare)
	b.short = left < min(least, d.tcp)
	b.tcp = min(d.tcp, max(least, left))
	return b
}

// probes is how many probes may be under way at a time by what a budget leaves; 0: any number,
// since there is room for all. The others wait for their turn, rather than fail for want of a
// descriptor.
func (d *demand) probes(b budget) int {
	left := d.limit - d.own() - probeDescriptors - b.admin - b.tcp
	if most := max(leastProbes, left/targetDescriptors); most < d.targets {
		return most
	}
	return 0
}

// own is what the process needs whatever comes from outside and whatever is probed.
func (d *demand) own() int {
	return ownDescriptors + d.addresses*(1+d.workers) + d.workers*loopDescriptors
}

// descriptors keeps to the budget when the targets change. It is safe for concurrent use.
type descriptors struct {
	logger      *slog.Logger
	limitProbes func(int) // of the monitor

	mu       sync.Mutex
	demand   demand
	last     budget
	limitTCP func(int) // of the server; nil: there is none yet
}

// descriptorLimit is how many descriptors this process may have open. The Go runtime has raised the
// soft limit to the hard one by then.
func descriptorLimit() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 1024 // what systems have had for decades
	}
	return int(min(limit.Cur, math.MaxInt32))
}

// reserve makes room for the probes of so many targets, and says where there is not enough for
// what is configured.
func (d *descriptors) reserve(targets int) budget {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.demand.targets = targets
	b := share(d.demand)
	d.limitProbes(d.demand.probes(b))
	if b == d.last {
		return b
	}
	d.last = b
	if d.limitTCP != nil {
		d.limitTCP(b.tcp)
	}
	const remedy = "; raise the limit (LimitNOFILE in a systemd unit, ulimit -n) to what is wanted"
	attributes := []any{"limit", d.demand.limit, "wanted", b.wanted, "targets", targets, "tcp_connections", b.tcp}
	switch {
	case b.short:
		d.logger.Error("too few file descriptors to probe all targets at once: they take turns, so that failures are seen late"+remedy, attributes...)
	case b.tcp < d.demand.tcp:
		d.logger.Warn("too few file descriptors for server.tcp.connections: fewer clients are served over TCP at a time"+remedy, attributes...)
	}
	return b
}

// to says where the limit on TCP connections goes when it changes.
func (d *descriptors) to(limitTCP func(int)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.limitTCP = limitTCP
}
