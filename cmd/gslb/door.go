package main

import (
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/prometheus/client_golang/prometheus"

	"gslb/admin"
	"gslb/zones"
)

// bindAdmin opens the ways to the admin server. One that the configuration asks for must be there; the
// socket that is there by default need not, since answering matters more.
func (p *program) bindAdmin(set *zones.Set, registry *prometheus.Registry, reserved budget) error {
	options := admin.Options{
		Connections: reserved.admin, Table: p.publisher.Table, Reports: p.monitor.Reports,
		Aliases:   p.hosts.Reports,
		Readiness: p.readiness, Notes: p.overrides.Notes, ConfigStatus: p.config.Status, Operator: p.commands, Pusher: pusher{p.monitor, p.pushes}, Doubt: p.publisher.Doubt, Copies: p.copies.Reports, History: p.history.Reports, Rates: p.server.Rate, Incidents: p.incidents.List,
		Notifier: &notifications{notifier: p.notifier, logger: p.logger},
		Gatherer: registry, Registerer: registry, Logger: p.logger,
		Settings: p.config.Admin,
		Version:  version, Started: p.begun,
	}
	if p.eventLog != nil {
		options.EventLog = p.eventLog
	}
	options.Host, _ = os.Hostname() // without one the page has no such title
	if set.Admin.Listen.IsValid() {
		listener, err := net.Listen("tcp", set.Admin.Listen.String())
		if err != nil {
			return fmt.Errorf("admin.listen: %w; free that address or choose another", err)
		}
		options.Listener, p.adminAddr = listener, listener.Addr().String()
	}
	socket, err := listenSocket(absolute(set.Admin.Socket))
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
	if options.Listener != nil || options.Socket != nil {
		p.admin = admin.New(options)
		p.admin.Record(p.recalled)
	}
	return nil
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
