package daemontest

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// Region is a load balancer's stand-in on a loopback address: it accepts connections
// while it is up.
type Region struct {
	t        *testing.T
	Address  netip.AddrPort
	listener net.Listener
}

// NewRegion makes a region that is up.
func NewRegion(t *testing.T, host string) *Region {
	r := &Region{t: t, Address: Reserve(t, host)}
	r.Start()
	t.Cleanup(r.Stop)
	return r
}

// Start brings the region up again.
func (r *Region) Start() {
	listener, err := net.Listen("tcp", r.Address.String())
	if err != nil {
		r.t.Fatal(err)
	}
	r.listener = listener
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
}

// Stop takes the region down.
func (r *Region) Stop() { r.listener.Close() }

// Reserve returns an address that nobody else gets until the test ends, while nobody listens there.
func Reserve(t *testing.T, host string) netip.AddrPort {
	t.Helper()
	const lowest, highest = 10_000, 32_000 // below those that the kernel gives (ip_local_port_range in ip(7))
	for range 100 {
		at := netip.AddrPortFrom(netip.MustParseAddr(host), uint16(lowest+rand.IntN(highest-lowest)))
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		must(t, err)
		t.Cleanup(func() { unix.Close(fd) })
		if unix.Bind(fd, &unix.SockaddrInet4{Addr: at.Addr().As4(), Port: int(at.Port())}) != nil {
			continue
		}
		// Only from now on, so that no other one can be bound that does the same. A listener has the option.
		must(t, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1))
		if packets, err := net.ListenPacket("udp", at.String()); err == nil {
			packets.Close()
			return at
		}
	}
	t.Fatal("there is no free port")
	return netip.AddrPort{}
}

// FreeAddress is one that nobody uses for TCP or UDP until the test ends.
func FreeAddress(t *testing.T) netip.AddrPort {
	t.Helper()
	return Reserve(t, First)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
