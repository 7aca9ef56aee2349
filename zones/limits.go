package zones

import (
	"net/netip"
	"time"

	"gslb/internal/cookie"
)

// characterString reads what goes into a TXT record or an option as one piece (RFC 1035,
// section 3.3).
func (l *loader) characterString(at *place, text *string) string {
	switch {
	case text == nil:
		return ""
	case *text == "" || len(*text) > 255:
		l.add(at, "found %d bytes; expected from 1 to 255, or no such key", len(*text))
		return ""
	}
	return *text
}

// cookies reads what is said of DNS cookies. No message quotes a secret.
func (l *loader) cookies(at *place, raw *rawServer) Cookies {
	c := Cookies{Enabled: raw.Cookies}
	if raw.CookieSecrets == nil {
		return c
	}
	at = at.key("cookie_secrets")
	if !raw.Cookies {
		l.add(at, "cookies is false, so that nothing uses them; remove one of the two")
		return c
	}
	data, err := l.files.read(l.files.path(*raw.CookieSecrets))
	if err != nil {
		l.add(at, "found %q; expected a readable file of secrets: %v", *raw.CookieSecrets, err)
		return c
	}
	c.Secrets, err = cookie.ParseSecrets(data)
	if err == nil {
		_, err = cookie.NewKeyring(c.Secrets...)
	}
	if err != nil {
		l.add(at, "%q has no secrets to use: %v", *raw.CookieSecrets, err)
	}
	return c
}

// Limits of [server.rate_limit] and [server.tcp].
const (
	maxRate        = 1_000_000 // a second
	maxBurstTime   = 60        // seconds' worth
	maxSlip        = 100
	maxConnections = 1_000_000
	maxTCPTime     = 24 * time.Hour
)

func (l *loader) rateLimit(at *place, raw *rawRateLimit) RateLimit {
	r := RateLimit{
		Rate:       l.within(at.key("rate"), raw.Rate, 0, maxRate),
		Slip:       l.within(at.key("slip"), raw.Slip, 0, maxSlip),
		IPv4Prefix: l.within(at.key("ipv4_prefix"), raw.IPv4Prefix, 1, 32),
		IPv6Prefix: l.within(at.key("ipv6_prefix"), raw.IPv6Prefix, 1, 128),
	}
	r.Burst = r.Rate
	if raw.Burst != nil {
		r.Burst = l.within(at.key("burst"), *raw.Burst, 1, max(1, raw.Rate)*maxBurstTime)
	}
	for i, text := range raw.Exempt {
		prefix, err := netip.ParsePrefix(text)
		if err != nil || prefix != prefix.Masked() || prefix.Addr().Is4In6() {
			l.add(at.key("exempt").index(i), `found %q; expected a network, such as "192.0.2.0/24" or "2001:db8::/32"`, text)
			continue
		}
		r.Exempt = append(r.Exempt, prefix)
	}
	return r
}

func (l *loader) tcpLimits(at *place, raw *rawTCPLimits) TCPLimits {
	t := TCPLimits{
		Connections: l.within(at.key("connections"), raw.Connections, 1, maxConnections),
		PerClient:   l.within(at.key("per_client"), raw.PerClient, 1, maxConnections),
		Idle:        raw.Idle,
		Lifetime:    raw.Lifetime,
	}
	l.durationWithin(at.key("idle"), t.Idle, 100*time.Millisecond, maxTCPTime)
	l.durationWithin(at.key("lifetime"), t.Lifetime, time.Second, maxTCPTime)
	return t
}

// within reports a number that is not between two others.
func (l *loader) within(at *place, n, low, high int64) int {
	if n < low || n > high {
		l.add(at, "found %d; expected from %d to %d", n, low, high)
	}
	return int(n)
}
