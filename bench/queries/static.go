package queries

import (
	"context"

	"github.com/miekg/dns"

	"gslb/integration/parts"
)

// The contenders that serve the zone's master file, whatever its names are to the others.

func (s setup) masters() map[string]string { return map[string]string{zone: s.master} }

func startKnot(ctx context.Context, s setup) (*parts.Part, error) {
	k, err := s.lab.StartKnot(ctx, parts.KnotConfig{Name: "knot", Listen: s.listen, Zones: s.masters()})
	if err != nil {
		return nil, err
	}
	return k.Part, nil
}

func startNSD(ctx context.Context, s setup) (*parts.Part, error) {
	n, err := s.lab.StartNSD(ctx, parts.NSDConfig{
		Name: "nsd", Listen: s.listen, Zones: s.masters(),
		// As the others are by default: no records but those asked for, and many connections.
		Options: []string{"minimal-responses: yes", "tcp-count: 1000"},
	})
	if err != nil {
		return nil, err
	}
	return n.Part, nil
}

func startPowerDNS(ctx context.Context, s setup) (*parts.Part, error) {
	p, err := s.lab.StartPowerDNS(ctx, parts.PowerDNSConfig{Name: "powerdns", Listen: s.listen, Zones: s.masters()})
	if err != nil {
		return nil, err
	}
	return p.Part, nil
}

func startCoreDNS(ctx context.Context, s setup) (*parts.Part, error) {
	c, err := s.lab.StartCoreDNS(ctx, parts.CoreDNSConfig{
		Name: "coredns", Binary: s.coreDNS, Listen: s.listen, Zones: s.masters(), Env: []string{oneProcessor},
	})
	if err != nil {
		return nil, err
	}
	return c.Part, nil
}

// startEcho starts the program of bench/echo, which serves nothing at all.
func startEcho(ctx context.Context, s setup) (*parts.Part, error) {
	return s.lab.StartProgram(ctx, parts.Program{
		Name: "echo", Path: s.echo, Args: []string{s.listen.String()}, Env: []string{oneProcessor},
		Ready: func(ctx context.Context) error {
			_, _, err := new(dns.Client).ExchangeContext(ctx, new(dns.Msg).SetQuestion(zone, dns.TypeNS), s.listen.String())
			return err
		},
	})
}

// oneProcessor is for programs in Go. It is what they find out by themselves where they are
// bound to one.
const oneProcessor = "GOMAXPROCS=1"
