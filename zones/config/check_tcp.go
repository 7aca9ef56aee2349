package config

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"

	"gslb/health"
	"gslb/zones"
)

// maxSteps is how many steps a check of type tcp may have.
const maxSteps = 32

// tcpCheck reads what is particular to a check of type tcp.
func (l *loader) tcpCheck(c *check, raw *rawTCP) {
	pattern := l.pattern(c.at.Key("expect").Key("body"), raw.Expect.Body)
	var send *text
	if raw.Send != nil {
		send = l.text(c, c.at.Key("send"), *raw.Send, never, nil)
	}
	steps := l.tcpSteps(c, raw)
	link := l.linkByKey(c, &raw.rawLink)
	address := l.address(c, raw.Address)
	if address == nil && raw.Target == nil {
		return
	}
	c.spec = func(f *filling) health.Spec {
		spec := &health.TCP{Address: f.fill(address), Link: link.fill(f), Send: f.fill(send), Pattern: pattern}
		for _, s := range steps {
			spec.Steps = append(spec.Steps, health.TCPStep{Send: f.fill(s.send), Pattern: s.pattern})
		}
		return spec
	}
}

// tcpStep is a health.TCPStep that is not filled in.
type tcpStep struct {
	send    *text
	pattern *regexp.Regexp
}

// tcpSteps reads an exchange in steps.
func (l *loader) tcpSteps(c *check, raw *rawTCP) []tcpStep {
	at := c.at.Key("steps")
	if raw.Steps == nil {
		return nil
	}
	if raw.Send != nil || raw.Expect.Body != nil {
		l.Add(at, "send and expect.body are steps, too; make them the first of these, or remove this")
	}
	if len(raw.Steps) == 0 || len(raw.Steps) > maxSteps {
		l.Add(at, "found %d steps; expected from 1 to %d", len(raw.Steps), maxSteps)
	}
	var steps []tcpStep
	for i, r := range raw.Steps {
		at := at.Index(i)
		s := tcpStep{pattern: l.pattern(at.Key("expect"), r.Expect)}
		if r.Send != nil {
			s.send = l.text(c, at.Key("send"), *r.Send, never, nil)
		}
		if r.Send == nil && r.Expect == nil {
			l.Add(at, `found a step that does nothing; expected { send = "…" }, { expect = "…" }, or both`)
		}
		steps = append(steps, s)
	}
	return steps
}

// address reads what a check connects to; nil if that is not given.
func (l *loader) address(c *check, address *string) *text {
	if address == nil {
		return nil
	}
	return l.text(c, c.at.Key("address"), *address, always, readHostPort)
}

// readHostPort reads an address to connect to. A name is in the form that DNS has (UTS #46).
func readHostPort(s string) (string, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return "", fmt.Errorf(`found %q; expected host:port, such as "{address}:5432"`, s)
	}
	if _, err := netip.ParseAddr(host); err != nil {
		name, err := zones.ASCIIName(host)
		if err == nil {
			_, err = domainName(name)
		}
		if err != nil {
			return "", fmt.Errorf("found %q; expected an address or a domain name before the port", s)
		}
		host = name
	}
	if err := validPort(port); err != nil {
		return "", fmt.Errorf("found %q; %w", s, err)
	}
	return net.JoinHostPort(host, port), nil
}
