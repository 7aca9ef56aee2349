package zones

import (
	"net/netip"
	"slices"
	"time"
)

// Limits of the [server] table. They catch a slip of the unit, not bad taste.
const (
	defaultStateMaxAge = 5 * time.Minute
	maxStateMaxAge     = 7 * 24 * time.Hour
	maxStartupWait     = 10 * time.Minute
)

// server fills in what [server] and [admin] say.
func (l *loader) server(raw *rawServer, admin *rawAdmin) {
	s, at := &l.set.Server, top("server")
	s.Listen = l.listen(at.key("listen"), raw.Listen)

	s.ID = l.characterString(at.key("id"), raw.ID)
	s.Version = l.characterString(at.key("version"), raw.Version)
	s.Cookies = l.cookies(at, raw)
	s.RateLimit = l.rateLimit(at.key("rate_limit"), &raw.RateLimit)
	s.TCP = l.tcpLimits(at.key("tcp"), &raw.TCP)

	s.StateDir = raw.StateDir
	s.StateMaxAge = defaultStateMaxAge
	if raw.StateMaxAge != nil {
		s.StateMaxAge = *raw.StateMaxAge
		l.durationWithin(at.key("state_max_age"), s.StateMaxAge, time.Second, maxStateMaxAge)
		if s.StateDir == "" {
			l.add(at.key("state_max_age"), "limits the age of what is in state_dir, which is not set; set it, or remove this")
		}
	}
	s.StartupWait = raw.StartupWait
	l.durationWithin(at.key("startup_wait"), s.StartupWait, 0, maxStartupWait)

	if admin != nil && admin.Listen != nil {
		l.admin(top("admin").key("listen"), *admin.Listen)
	}
}

// listen reads the addresses to serve DNS at.
func (l *loader) listen(at *place, list []string) []netip.AddrPort {
	if list != nil && len(list) == 0 {
		l.add(at, "found an empty list; expected at least one address and port, such as \"127.0.0.1:53\"")
	}
	var addrs []netip.AddrPort
	seen := make(map[netip.AddrPort]bool)
	for i, text := range list {
		addr, err := listenAddress(text)
		switch {
		case err != nil:
			l.add(at.index(i), "%v", err)
		case seen[addr]:
			l.add(at.index(i), "%q is given twice", text)
		default:
			seen[addr] = true
			addrs = append(addrs, addr)
		}
	}
	for i, addr := range addrs {
		if j := slices.IndexFunc(addrs, func(other netip.AddrPort) bool { return covers(other, addr) }); j >= 0 {
			l.add(at.index(i), "%q is covered by %q already; remove one of the two", addr, addrs[j])
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

func (l *loader) admin(at *place, text string) {
	addr, err := listenAddress(text)
	if err != nil {
		l.add(at, "%v", err)
		return
	}
	for i, dns := range l.set.Server.Listen {
		if addr == dns && addr.Port() != 0 || covers(dns, addr) || covers(addr, dns) {
			l.add(at, "%q serves DNS already (server.listen[%d]); expected another address or port", text, i)
		}
	}
	l.set.Admin.Listen = addr
}
