package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"

	"gslb/admin"
	"gslb/handover"
	"gslb/operate"
	"gslb/server"
	"gslb/zones"
)

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
		Version:  version, Started: p.begun,
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
	socket, err := p.listenSocket(absolute(set.Admin.Socket))
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
