package config

import (
	"net/netip"
	"slices"
	"time"

	"gslb/internal/cookie"
	"gslb/zones"
	"gslb/zones/problem"
)

// Limits of the [server] table. They catch values with a wrong unit, and allow everything else.
const (
	defaultStateMaxAge = 5 * time.Minute
	maxStateMaxAge     = 7 * 24 * time.Hour
	maxStartupWait     = 10 * time.Minute
	maxListen          = 1000 // addresses

	defaultExecParallel = 8
	maxExecParallel     = 1000
)

// server fills in what [server] says.
func (l *loader) server(raw *rawServer) {
	s, at := &l.set.Server, problem.Top("server")
	s.Listen = l.listen(at.Key("listen"), raw.Listen)

	s.ID = l.characterString(at.Key("id"), raw.ID)
	s.Version = l.characterString(at.Key("version"), raw.Version)
	s.Cookies = l.cookies(at, raw)
	s.RateLimit = l.rateLimit(at.Key("rate_limit"), &raw.RateLimit)
	s.TCP = l.tcpLimits(at.Key("tcp"), &raw.TCP)
	s.Dnstap = l.dnstap(at.Key("dnstap"), raw.Dnstap)
	s.IgnoreSubnet = !raw.ClientSubnet
	s.Resolvers = l.resolvers(at.Key("resolvers"), raw.Resolvers)
	l.geoIP(at.Key("geoip"), raw.GeoIP)
	s.ExecParallel = l.execParallel(at.Key("exec_parallel"), raw)

	s.StateDir = raw.StateDir
	s.StateMaxAge = defaultStateMaxAge
	if raw.StateMaxAge != nil {
		s.StateMaxAge = raw.StateMaxAge.Duration
		l.durationWithin(at.Key("state_max_age"), *raw.StateMaxAge, time.Second, maxStateMaxAge)
		if s.StateDir == "" {
			l.Add(at.Key("state_max_age"), "limits the age of what is in state_dir, which is not set; set it, or remove this")
		}
	}
	s.StartupWait = raw.StartupWait.Duration
	l.durationWithin(at.Key("startup_wait"), raw.StartupWait, 0, maxStartupWait)
}

// execParallel reads how many commands of checks may run at once; 0: none may run at all.
func (l *loader) execParallel(at *problem.Place, raw *rawServer) int {
	n := defaultExecParallel
	if raw.ExecParallel != nil {
		n = l.within(at, *raw.ExecParallel, 1, maxExecParallel)
	}
	switch {
	case raw.AllowExec:
		return max(1, n)
	case raw.ExecParallel != nil:
		l.Add(at, "allow_exec is not true, so that no command is run; set it, or remove this")
	}
	return 0
}

// listen reads the addresses to serve DNS at.
func (l *loader) listen(at *problem.Place, list []string) []netip.AddrPort {
	if list != nil && len(list) == 0 {
		l.Add(at, "found an empty list; expected at least one address and port, such as \"127.0.0.1:53\"")
	}
	if len(list) > maxListen {
		l.Add(at, "found %d addresses; expected at most %d", len(list), maxListen)
		return nil
	}
	addrs := distinct(l, at, list, parsed(l, listenAddress))
	for i, addr := range addrs {
		if j := slices.IndexFunc(addrs, func(other netip.AddrPort) bool { return covers(other, addr) }); j >= 0 {
			l.Add(at.Index(i), "%q is covered by %q already; remove one of the two", addr, addrs[j])
		}
	}
	return addrs
}

// covers reports whether a wildcard address has another address of its family and port as
// well. An IPv6 wildcard leaves IPv4 to those that are listed.
func covers(wildcard, addr netip.AddrPort) bool {
	w, a := wildcard.Addr(), addr.Addr()
	return w.IsUnspecified() && !a.IsUnspecified() && w.Is4() == a.Is4() && wildcard.Port() == addr.Port() && addr.Port() != 0
}

// characterString reads what goes into a TXT record or an option as one piece (RFC 1035,
// section 3.3).
func (l *loader) characterString(at *problem.Place, text *string) string {
	switch {
	case text == nil:
		return ""
	case *text == "" || len(*text) > 255:
		l.Add(at, "found %d bytes; expected from 1 to 255, or no such key", len(*text))
		return ""
	}
	return *text
}

// cookies reads what is said of DNS cookies. No message quotes a secret.
func (l *loader) cookies(at *problem.Place, raw *rawServer) zones.Cookies {
	c := zones.Cookies{Enabled: raw.Cookies}
	if raw.CookieSecrets == nil {
		return c
	}
	at = at.Key("cookie_secrets")
	if !raw.Cookies {
		l.Add(at, "cookies is false, so that nothing uses them; remove one of the two")
		return c
	}
	data, err := l.files.readSmall(l.files.path(*raw.CookieSecrets))
	if err != nil {
		l.Add(at, "found %q; expected a readable file of secrets: %v", *raw.CookieSecrets, err)
		return c
	}
	c.Secrets, err = cookie.ParseSecrets(data)
	if err == nil {
		_, err = cookie.NewKeyring(c.Secrets...)
	}
	if err != nil {
		l.Add(at, "%q has no secrets to use: %v", *raw.CookieSecrets, err)
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

func (l *loader) rateLimit(at *problem.Place, raw *rawRateLimit) zones.RateLimit {
	r := zones.RateLimit{
		Rate:       l.within(at.Key("rate"), raw.Rate, 0, maxRate),
		Slip:       l.within(at.Key("slip"), raw.Slip, 0, maxSlip),
		IPv4Prefix: l.within(at.Key("ipv4_prefix"), raw.IPv4Prefix, 1, 32),
		IPv6Prefix: l.within(at.Key("ipv6_prefix"), raw.IPv6Prefix, 1, 128),
	}
	r.Burst = r.Rate
	if raw.Burst != nil {
		r.Burst = l.within(at.Key("burst"), *raw.Burst, 1, max(1, raw.Rate)*maxBurstTime)
	}
	for i, text := range raw.Exempt {
		prefix, err := netip.ParsePrefix(text)
		if err != nil || prefix != prefix.Masked() || prefix.Addr().Is4In6() {
			l.Add(at.Key("exempt").Index(i), `found %q; expected a network, such as "192.0.2.0/24" or "2001:db8::/32"`, text)
			continue
		}
		r.Exempt = append(r.Exempt, prefix)
	}
	return r
}

func (l *loader) tcpLimits(at *problem.Place, raw *rawTCPLimits) zones.TCPLimits {
	t := zones.TCPLimits{
		Connections: l.within(at.Key("connections"), raw.Connections, 1, maxConnections),
		PerClient:   l.within(at.Key("per_client"), raw.PerClient, 1, maxConnections),
		Idle:        raw.Idle.Duration,
		Lifetime:    raw.Lifetime.Duration,
	}
	l.durationWithin(at.Key("idle"), raw.Idle, 100*time.Millisecond, maxTCPTime)
	l.durationWithin(at.Key("lifetime"), raw.Lifetime, time.Second, maxTCPTime)
	return t
}

// within reports a number that is not between two others.
func (l *loader) within(at *problem.Place, n, low, high int64) int {
	if n < low || n > high {
		l.Add(at, "found %d; expected from %d to %d", n, low, high)
	}
	return int(n)
}
