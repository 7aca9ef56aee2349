package config

import "gslb/health"

// tlsCheck reads what is particular to a check of type tls.
func (l *loader) tlsCheck(c *check, raw *rawTLS) {
	link := l.link(c, &raw.rawLink, true, "")
	link.fixed.Secure = true
	if raw.TLS == false {
		l.Add(c.at.Key("tls"), "found false; expected none, since this check is a handshake of TLS")
	}
	address := l.address(c, raw.Address)
	if address == nil && raw.Target == nil {
		return
	}
	c.spec = func(f *filling) health.Spec {
		return &health.Handshake{Address: f.fill(address), Link: link.fill(f)}
	}
}
