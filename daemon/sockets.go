package daemon

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"

	"gslb/admin"
	"gslb/handover"
	"gslb/internal/files"
	"gslb/operate"
	"gslb/server"
	"gslb/zones"
)

// bind opens the sockets, so that an address that cannot be bound is reported at once.
func (p *program) bind(set *zones.Set, registry *prometheus.Registry) error {
	reserved := p.descriptors.reserved()
	var err error
	if p.before != nil {
		p.open = &p.before.sockets
	} else if p.open, err = passedSockets(set); err != nil {
		return err
	}
	open := p.open.forDNS()
	p.passed = p.before == nil && len(open) > 0
	p.server, err = server.New(server.Options{
		Listen:     set.Server.Listen,
		Open:       open,
		Source:     p.source,
		Logger:     p.logger,
		Registerer: registry,
		Tap:        p.tap,
		Limits: server.Limits{
			Workers:      workers(),
			TCPConns:     reserved.tcp,
			TCPPerClient: set.Server.TCP.PerClient,
			TCPIdle:      set.Server.TCP.Idle,
			TCPTotal:     set.Server.TCP.Lifetime,
		},
	})
	if err != nil {
		return fmt.Errorf("server.listen: %w", err)
	}
	p.settings.to(p.server.Apply)
	p.descriptors.to(p.server.LimitTCP)
	if err := p.bindAdmin(set, registry, reserved); err != nil {
		return errors.Join(err, p.server.Close())
	}
	return nil
}

// workers is how many sockets there are at each address, and event loops for TCP.
func workers() int { return runtime.GOMAXPROCS(0) }

// source is what the server answers from; nil while nothing is published.
func (p *program) source() server.Resolver {
	if table := p.publisher.Table(); table != nil {
		return table
	}
	return nil
}

// bindAdmin opens the ways to the admin server. One that the configuration asks for must be there; the
// socket that is there by default need not, since answering matters more.
func (p *program) bindAdmin(set *zones.Set, registry *prometheus.Registry, reserved budget) error {
	options := admin.Options{
		Connections: reserved.admin, Table: p.publisher.Table, Reports: p.monitor.Reports,
		Aliases:   p.hosts.Reports,
		Readiness: p.readiness, Notes: p.overrides.Notes, ConfigStatus: p.config.Status, Operator: p.commands, Pusher: pusher{p.monitor, p.pushes}, Doubt: p.publisher.Doubt, Copies: p.copies.Reports, History: p.history.Reports, Rates: p.server.Rate, Incidents: p.incidents.List,
		Notifier: operate.NewNotifications(p.notifier, p.logger),
		Gatherer: registry, Registerer: registry, Logger: p.logger,
		Settings: p.config.Admin,
		Version:  p.version, Started: p.begun,
	}
	if p.eventLog != nil {
		options.EventLog = p.eventLog
	}
	options.Host, _ = os.Hostname() // without one the page has no such title
	if set.Admin.Listen.IsValid() {
		listener, err := p.open.listenTCP(set.Admin.Listen)
		if err != nil {
			return fmt.Errorf("admin.listen: %w; free that address or choose another", err)
		}
		options.Listener, p.adminAddr = listener, listener.Addr().String()
	}
	socket, err := p.listenSocket(files.Absolute(set.Admin.Socket))
	switch {
	case err != nil && set.Admin.Explicit:
		err = fmt.Errorf("admin.socket: %w", err)
		if options.Listener != nil {
			err = errors.Join(err, options.Listener.Close())
		}
		return err
	case err != nil:
		p.logger.Error("there is no admin socket, so that commands on this machine do not reach this server: set admin.socket to a path where it can be", "error", err)
	case socket != nil:
		options.Socket = socket
	}
	p.adminListener, p.adminSocket = options.Listener, options.Socket
	if options.Listener != nil || options.Socket != nil {
		p.admin = admin.New(options)
		p.admin.Record(p.recalled)
	}
	return nil
}

// listenSocket opens the admin socket, unless the gslb before has it open.
func (p *program) listenSocket(path string) (*admin.Socket, error) {
	if fd, is := p.open.forAdmin(netip.AddrPort{}, path); is && path != "" {
		return admin.AdoptSocket(path, fd)
	}
	return listenSocket(path)
}

// listenSocket is admin.ListenSocket for a folder that may not respond, which must not hold up the start.
// It returns nil for no path.
func listenSocket(path string) (*admin.Socket, error) {
	if path == "" {
		return nil, nil
	}
	type result struct {
		socket *admin.Socket
		err    error
	}
	r, inTime := within(stateWait, func() (r result) {
		r.socket, r.err = admin.ListenSocket(path)
		return r
	}, func(r result) { // a socket must not be there without anybody who accepts
		if r.socket != nil {
			r.socket.Close()
		}
	})
	if !inTime {
		return nil, fmt.Errorf("%s: its folder does not respond", path)
	}
	return r.socket, r.err
}

// adminSockets is what the admin server listens at, for another process. The caller closes the descriptors.
func (p *program) adminSockets() ([]handover.Socket, error) {
	var own []handover.Socket
	if l, ok := p.adminListener.(syscall.Conn); ok {
		fd, err := server.DuplicateFD(l)
		if err != nil {
			return own, fmt.Errorf("admin.listen: %w", err)
		}
		own = append(own, handover.Socket{FD: fd, Use: handover.ForAdmin, Network: "tcp", Listen: p.config.Current().Admin.Listen})
	}
	if p.adminSocket != nil {
		fd, err := p.adminSocket.Duplicate()
		if err != nil {
			return own, fmt.Errorf("admin.socket: %w", err)
		}
		own = append(own, handover.Socket{FD: fd, Use: handover.ForAdmin, Network: "unix", Path: p.adminSocket.Path()})
	}
	return own, nil
}

// openSockets is sockets that this process has not opened itself, and that nobody has taken yet. They come from the
// gslb before, or from the service manager.
type openSockets struct{ list []handover.Socket }

// forDNS takes the sockets that DNS is served at.
func (o *openSockets) forDNS() []server.Socket {
	var taken []server.Socket
	for _, s := range o.take(func(s handover.Socket) bool { return s.Use == handover.ForDNS }) {
		taken = append(taken, server.Socket{FD: s.FD, Network: s.Network, Listen: s.Listen})
	}
	return taken
}

// forAdmin takes the descriptor of the admin server's listener at an address or a path; false: there is none.
func (o *openSockets) forAdmin(listen netip.AddrPort, path string) (fd int, is bool) {
	taken := o.take(func(s handover.Socket) bool {
		return s.Use == handover.ForAdmin && s.Listen == listen && s.Path == path
	})
	if len(taken) == 0 {
		return -1, false
	}
	return taken[0].FD, true
}

func (o *openSockets) take(wanted func(handover.Socket) bool) (taken []handover.Socket) {
	var left []handover.Socket
	for _, s := range o.list {
		if wanted(s) {
			taken = append(taken, s)
		} else {
			left = append(left, s)
		}
	}
	o.list = left
	return taken
}

// listenTCP listens at an address of the admin server, by a socket that is open already if there is one.
func (o *openSockets) listenTCP(addr netip.AddrPort) (net.Listener, error) {
	fd, is := o.forAdmin(addr, "")
	if !is {
		return net.Listen("tcp", addr.String())
	}
	file := os.NewFile(uintptr(fd), addr.String())
	defer file.Close() // the listener has a duplicate
	return net.FileListener(file)
}

func (o *openSockets) close() {
	for _, s := range o.list {
		server.CloseSockets([]server.Socket{{FD: s.FD}})
	}
	o.list = nil
}
