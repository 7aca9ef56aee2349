package daemon

import (
	"log/slog"
	"math"
	"sync"

	"golang.org/x/sys/unix"
)

// demand is what the process needs file descriptors for.
type demand struct {
	limit     int // how many it may have open (RLIMIT_NOFILE)
	addresses int // that DNS is served at
	workers   int // sockets at each address, and event loops for TCP
	targets   int // that are probed
	tcp       int // server.tcp.connections
}

// budget is how the descriptors are shared out. Connections from outside (DNS over TCP and the
// admin server's clients) are bounded, so that probing, saving and reloading always have
// descriptors.
type budget struct {
	tcp    int  // connections of DNS clients at a time
	admin  int  // connections of the admin server's clients at a time, over TCP and over its socket each
	wanted int  // the limit that is enough for everything that is configured
	short  bool // the limit does not even leave each target its descriptors
}

const (
	// ownDescriptors is for the standard streams, the Go runtime, the admin server's sockets, and the
	// files of state and configuration that are open at a time.
	ownDescriptors = 24
	// loopDescriptors is for the two of a TCP event loop itself, for connections that it has accepted
	// while those that had to go for them are not closed yet (tcp.Limits.Conns), and for the one
	// that it is accepting.
	loopDescriptors = 2 + 16 + 1
	// addressDescriptors is for a listener, and another descriptor of it while an upgrade hands it over;
	// workerDescriptors for a socket, likewise, and for what wakes its worker at the end.
	addressDescriptors = 2
	workerDescriptors  = 3
	// targetDescriptors is for a probe, which tries a second connection beside the first after a
	// lost packet (its lookups, for IPv4 and IPv6, are over by then).
	targetDescriptors = 2
	// probeDescriptors is for what probes have in common: where credentials come from.
	probeDescriptors = 8

	mostAdmin, leastAdmin = 64, 4
	leastTCP              = 8
	leastProbes           = 8
	// clientShare: if the limit is too small for everything, TCP clients still get one part in so
	// many, and the admin server's clients half of that in all. A name server must answer over TCP (RFC
	// 7766), and an operator must reach the status page.
	clientShare = 8
)

// share shares out the descriptors.
//
//	the limit is …                       tcp                      admin
//	enough for all                       as configured            mostAdmin
//	enough for the targets               what they leave          a 32nd of the limit, mostAdmin at most
//	not enough for the targets (short)   an eighth of the limit   likewise
func share(d demand) budget {
	own := d.own()
	probes := probeDescriptors + targetDescriptors*d.targets
	b := budget{wanted: own + probes + 2*mostAdmin + d.tcp}
	left := d.limit - own - probes
	b.admin = min(mostAdmin, max((left-d.tcp)/2, leastAdmin, d.limit/(4*clientShare)))
	left -= 2 * b.admin
	least := max(leastTCP, d.limit/clientShare)
	b.short = left < min(least, d.tcp)
	b.tcp = min(d.tcp, max(least, left))
	return b
}

// probes is how many probes a budget allows at a time; 0: there is room for all. Further probes
// wait for their turn, so that none fails because it gets no descriptor.
func (d *demand) probes(b budget) int {
	left := d.limit - d.own() - probeDescriptors - 2*b.admin - b.tcp
	if most := max(leastProbes, left/targetDescriptors); most < d.targets {
		return most
	}
	return 0
}

// own is what the process needs apart from clients and probes.
func (d *demand) own() int {
	return ownDescriptors + d.addresses*(addressDescriptors+workerDescriptors*d.workers) + d.workers*loopDescriptors
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
		return 1024 // the usual soft limit
	}
	return int(min(limit.Cur, math.MaxInt32))
}

// reserve reserves descriptors for the probes of so many targets, and logs if there are too few for
// what is configured.
func (d *descriptors) reserve(targets int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.demand.targets = targets
	b := share(d.demand)
	d.limitProbes(d.demand.probes(b))
	if b == d.last {
		return
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
}

// reserved is what was reserved last.
func (d *descriptors) reserved() budget {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last
}

// to sets the function that is called with the limit on TCP connections when it changes.
func (d *descriptors) to(limitTCP func(int)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.limitTCP = limitTCP
}
