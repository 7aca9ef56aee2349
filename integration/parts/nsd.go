package parts

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"

	"github.com/miekg/dns"
)

// NSD is the authoritative server of a parent zone.
type NSD struct {
	*Part
	Listen netip.AddrPort
}

// NSDConfig says how to run the server of a parent zone.
type NSDConfig struct {
	Name    string // of the part
	Listen  netip.AddrPort
	Zone    string // fully qualified: "example.com."
	Records string // the delegations and their glue, as master-file text (RFC 1035, section 5)

	Dir string // of the part; filled in
}

// StartNSD starts a parent's server and returns once it answers for its zone.
func (l *Lab) StartNSD(ctx context.Context, config NSDConfig) (*NSD, error) {
	nsd, err := find("nsd")
	if err != nil {
		return nil, err
	}
	config.Dir, err = l.folder(config.Name)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(config.Dir, "nsd.conf")
	if err := render(file, "nsd.conf", config); err != nil {
		return nil, err
	}
	if err := render(filepath.Join(config.Dir, "zone"), "nsd.zone", config); err != nil {
		return nil, err
	}
	n := &NSD{Listen: config.Listen}
	n.Part, err = l.start(ctx, program{
		name:  config.Name,
		path:  nsd,
		args:  []string{"-d", "-c", file}, // in the foreground
		ready: answersWith(config.Listen, config.Zone, dns.TypeSOA),
	})
	return n, err
}

// answersWith makes a function that returns nil once the server has a record of that name
// and type.
func answersWith(server netip.AddrPort, name string, qtype uint16) func(context.Context) error {
	return func(ctx context.Context) error {
		reply, err := Ask(ctx, server, name, qtype)
		if err != nil {
			return err
		}
		if len(reply.Answer) == 0 {
			return fmt.Errorf("%v has no %s %s: %s", server, name, dns.TypeToString[qtype], dns.RcodeToString[reply.Rcode])
		}
		return nil
	}
}
