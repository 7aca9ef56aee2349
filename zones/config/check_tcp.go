package config

import (
	"fmt"
	"net"
	"net/netip"

	"gslb/health"
	"gslb/zones"
)

// tcpCheck reads what is particular to a check of type tcp.
func (l *loader) tcpCheck(c *check, raw *rawTCP) {
	pattern := l.pattern(c.at.Key("expect").Key("body"), raw.Expect.Body)
	send := l.text(c, c.at.Key("send"), raw.Send, never, nil)
	link := l.linkByKey(c, &raw.rawLink)
	if raw.Address == nil && raw.Target == nil {
		return
	}
	var address *text
	if raw.Address != nil {
		address = l.text(c, c.at.Key("address"), *raw.Address, always, readHostPort)
	}
	c.spec = func(f *filling) health.Spec {
		return &health.TCP{Address: f.fill(address), Link: link.fill(f), Send: f.fill(send), Pattern: pattern}
	}
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
