// Package hostdns reads which name servers this host asks (resolv.conf(5)).
package hostdns

import (
	"bytes"
	"errors"
	"io/fs"
	"net/netip"

	"github.com/miekg/dns"

	"gslb/internal/files"
)

// Path is where this host's name servers stand.
const Path = "/etc/resolv.conf"

const maxFile = 64 << 10

// port is where they listen. The file can't name another.
const port = 53

// maxServers is how many are asked, as by the C library and by Go. Further ones are ignored.
const maxServers = 3

// Servers returns the name servers of this host, in the order in which they are to be asked. As for
// the C library and for Go, these are the ones of this machine if the file names none or does not
// exist.
func Servers() ([]netip.AddrPort, error) {
	text, err := files.Read(Path, maxFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return Parse(text), nil
}

// Parse is Servers for the text of a file. It leaves out what is no address.
func Parse(text []byte) []netip.AddrPort {
	// The error is that of the reader, and this one has none.
	config, err := dns.ClientConfigFromReader(bytes.NewReader(text))
	if err != nil {
		config = &dns.ClientConfig{}
	}
	var servers []netip.AddrPort
	for _, server := range config.Servers {
		if addr, err := netip.ParseAddr(server); err == nil && len(servers) < maxServers {
			servers = append(servers, netip.AddrPortFrom(addr, port))
		}
	}
	if len(servers) == 0 {
		return []netip.AddrPort{
			netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port),
			netip.AddrPortFrom(netip.IPv6Loopback(), port),
		}
	}
	return servers
}
