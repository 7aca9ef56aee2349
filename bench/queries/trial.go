package queries

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"gslb/integration/parts"
)

// trial is what a scenario has contenders measured in. In a network of its own, all addresses
// are free.
type trial struct {
	*bench
	dir       string
	content   content
	serverLab *parts.Lab // bound to a processor
	clientLab *parts.Lab // bound to another one
	responder *responder
	servers   []*server
}

// server is a contender in a trial. It is started and stopped again and again.
type server struct {
	contender
	index int // among those in the trial
	setup
	part *parts.Part // nil: not started yet
}

// newTrial prepares everything for a scenario with these contenders. The caller closes it.
func (b *bench) newTrial(name string, content content, checks schedule, contenders []contender) (*trial, error) {
	t := &trial{bench: b, dir: filepath.Join(b.dir, name)}
	if err := os.RemoveAll(t.dir); err != nil {
		return nil, err
	}
	var err error
	if t.serverLab, err = parts.NewLab(t.dir); err != nil {
		return nil, err
	}
	t.serverLab.Bind(serverProcessor)
	if t.clientLab, err = parts.NewLab(filepath.Join(t.dir, "clients")); err != nil {
		return nil, errors.Join(err, t.serverLab.Close())
	}
	t.clientLab.Bind(loadProcessor)
	if t.responder, err = startResponder(); err != nil {
		return nil, errors.Join(err, t.serverLab.Close(), t.clientLab.Close())
	}
	for i, c := range contenders {
		port := uint16(5300 + i)
		if c.name == older {
			port = 5300 // it reads the file of the one before it
		}
		t.servers = append(t.servers, &server{contender: c, index: i, setup: setup{
			content: content, schedule: checks, binaries: b.binaries, lab: t.serverLab,
			dir: t.dir, master: filepath.Join(t.dir, masterFile),
			listen: netip.AddrPortFrom(loopback, port),
			admin:  netip.AddrPortFrom(loopback, 8053),
			checks: t.responder.addr,
		}})
	}
	if err := errors.Join(t.write(content), t.install(), t.installDatabases()); err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}

// close stops everything.
func (t *trial) close() error {
	return errors.Join(t.serverLab.Close(), t.clientLab.Close(), t.responder.close())
}

// The files that change with the content, and those of databases.
const (
	masterFile = "zone.db"
	gslbFile   = "zones.toml"
	cityFile   = "City.mmdb"
	asnFile    = "ASN.mmdb"
)

// write writes the files of a content beside those that the servers read.
func (t *trial) write(c content) error {
	t.content = c
	for _, server := range t.servers {
		server.setup.content = c
	}
	first := t.servers[0].setup // gslb's, if it takes part at all
	if err := first.render(filepath.Join(t.dir, gslbFile+".new"), gslbFile); err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(t.dir, masterFile+".new"))
	if err != nil {
		return err
	}
	defer file.Close()
	if err := c.writeMaster(file); err != nil {
		return err
	}
	return file.Close()
}

// install puts what was written in place, for servers that start or reload. It is quick, and no
// server ever reads a partial file.
func (t *trial) install() error {
	var errs []error
	for _, name := range []string{gslbFile, masterFile} {
		file := filepath.Join(t.dir, name)
		errs = append(errs, os.Rename(file+".new", file))
	}
	return errors.Join(errs...)
}

// installDatabases puts the databases in place, for a content with views.
func (t *trial) installDatabases() error {
	if t.content.clients == nil {
		return nil
	}
	return errors.Join(t.link(t.databases.City, cityFile), t.link(t.databases.ASN, asnFile))
}

// link makes a file of a trial one that is elsewhere, instead of what it was. No server ever
// finds it missing.
func (t *trial) link(from, name string) error {
	file := filepath.Join(t.dir, name)
	_ = os.Remove(file + ".new") // renaming a link to what is there already leaves it
	if err := os.Link(from, file+".new"); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// eachTurn calls measure for every server in every round, in an order that shifts by one each
// time. The label is of the server and the round.
func (t *trial) eachTurn(measure func(server *server, label string) error) error {
	for round := range t.rounds {
		for i := range t.servers {
			server := t.servers[(round+i)%len(t.servers)]
			label := fmt.Sprintf("%s-%d", server.name, round+1)
			if err := measure(server, label); err != nil {
				return fmt.Errorf("%s: %w", label, err)
			}
		}
	}
	return nil
}

// eachServing is eachTurn with a server that is running and has answered a sample of the
// questions right, over "udp" or "tcp". It is stopped again.
func (t *trial) eachServing(ctx context.Context, network string, sample []question, measure func(server *server, label string) error) error {
	return t.eachTurn(func(server *server, label string) (err error) {
		if err := server.start(ctx); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, server.part.Stop(ctx)) }()
		if !server.floor {
			if err := verify(ctx, network, server.listen, sample); err != nil {
				return err
			}
		}
		return measure(server, label)
	})
}

// start returns when the server answers for its zone.
func (s *server) start(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, loadWait)
	defer cancel()
	if s.part != nil {
		return s.part.Start(ctx)
	}
	s.part, err = s.contender.start(ctx, s.setup)
	return err
}
