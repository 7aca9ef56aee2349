package udp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"gslb/server/wait"
)

// Bind opens sockets for one address, so many that each worker has one; family is "4", "6", or
// empty for both. buffer is what the kernel may hold of queries for each, in bytes. They share the
// address by SO_REUSEPORT, which is set only after the first has bound the address alone. Otherwise
// two servers could be started at one address, and each would get a part of the queries.
func Bind(addr netip.AddrPort, family string, workers, buffer int) ([]*Socket, error) {
	var sockets []*Socket
	closeAll := func() {
		for _, s := range sockets {
			_ = s.Close()
		}
	}
	for i := range workers {
		fd, err := unix.Socket(domain(addr), unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			closeAll()
			return nil, os.NewSyscallError("socket", err)
		}
		socket, err := newSocket(fd)
		if err != nil {
			closeAll()
			return nil, err
		}
		sockets = append(sockets, socket)
		shared := workers > 1
		if err := configure(fd, addr, family, buffer, shared && i > 0); err != nil {
			closeAll()
			return nil, err
		}
		if shared && i == 0 {
			if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
				closeAll()
				return nil, os.NewSyscallError("SO_REUSEPORT", err)
			}
		}
	}
	return sockets, nil
}

// Adopt makes sockets of a descriptor that is bound already, by the service manager or by the process
// before this one, and takes it over: it is closed if that fails. There are as many as workers, which share
// it.
func Adopt(fd, workers, buffer int) ([]*Socket, error) {
	first, err := newSocket(fd)
	if err != nil {
		return nil, err
	}
	sockets := []*Socket{first}
	err = complete(fd, buffer)
	for err == nil && len(sockets) < workers {
		if fd, err = first.Share(); err != nil {
			break
		}
		var next *Socket
		if next, err = newSocket(fd); err == nil {
			sockets = append(sockets, next)
		}
	}
	if err != nil {
		for _, s := range sockets {
			_ = s.Close()
		}
		return nil, err
	}
	return sockets, nil
}

// complete sets the options of a socket that is bound.
func complete(fd, buffer int) error {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return os.NewSyscallError("getsockname", err)
	}
	var ip netip.Addr
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		ip = netip.AddrFrom4(sa.Addr)
	case *unix.SockaddrInet6:
		ip = netip.AddrFrom16(sa.Addr)
	default:
		return errors.New("it is no IP socket")
	}
	if err := unix.SetNonblock(fd, false); err != nil { // Serve waits in the read
		return os.NewSyscallError("fcntl O_NONBLOCK", err)
	}
	return setOptions(fd, ip, buffer)
}

func domain(addr netip.AddrPort) int {
	if addr.Addr().Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// option is one that is a number.
type option struct {
	name              string
	level, opt, value int
}

func set(fd int, options ...option) error {
	for _, o := range options {
		if err := unix.SetsockoptInt(fd, o.level, o.opt, o.value); err != nil {
			return os.NewSyscallError("setsockopt "+o.name, err)
		}
	}
	return nil
}

// configure sets a socket's options, and binds it.
func configure(fd int, addr netip.AddrPort, family string, buffer int, share bool) error {
	var options []option
	if share {
		options = append(options, option{"SO_REUSEPORT", unix.SOL_SOCKET, unix.SO_REUSEPORT, 1})
	}
	if addr.Addr().Is6() {
		only := 1
		if family == "" {
			only = 0
		}
		options = append(options, option{"IPV6_V6ONLY", unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, only})
	}
	if err := set(fd, options...); err != nil {
		return err
	}
	if err := setOptions(fd, addr.Addr(), buffer); err != nil {
		return err
	}
	sa, err := sockaddr(addr)
	if err != nil {
		return err
	}
	return os.NewSyscallError("bind", unix.Bind(fd, sa))
}

// setOptions sets the options that a socket may be given before and after it is bound.
func setOptions(fd int, ip netip.Addr, buffer int) error {
	options := []option{{"SO_RCVBUF", unix.SOL_SOCKET, unix.SO_RCVBUF, buffer}}
	if ip.IsUnspecified() {
		if ip.Is4() {
			options = append(options, option{"IP_PKTINFO", unix.IPPROTO_IP, unix.IP_PKTINFO, 1})
		} else {
			options = append(options, option{"IPV6_RECVPKTINFO", unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1})
		}
	}
	if err := set(fd, options...); err != nil {
		return err
	}
	ignorePathMTU(fd, ip)
	enlargeSendBuffer(fd)
	timeout := unix.NsecToTimeval(int64(wait.Busy))
	err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout)
	return os.NewSyscallError("setsockopt SO_RCVTIMEO", err)
}

// sendBuffer is how much kernel memory, in bytes, replies may take while they wait to leave.
// Replies to addresses of this network that nobody has wait for 3 seconds, until the kernel gives
// up the address. At 1 KiB each, this is enough for 5,000 forged queries a second. The kernel
// allows twice as much, for its own overhead.
const sendBuffer = 8 << 20

// enlargeSendBuffer sets that size if the process may (CAP_NET_ADMIN), otherwise as much of it as
// net.core.wmem_max allows.
func enlargeSendBuffer(fd int) {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, sendBuffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, sendBuffer)
	}
}

// ignorePathMTU makes the kernel ignore ICMP messages that lower the path MTU. By forging these, an
// attacker could have replies fragmented and replace a fragment (RFC 9715, section 3.1). Every
// reply is small enough for any path. Kernels without such an option do without.
func ignorePathMTU(fd int, ip netip.Addr) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_OMIT)
	if ip.Is6() {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_OMIT)
	}
}

func sockaddr(addr netip.AddrPort) (unix.Sockaddr, error) {
	ip := addr.Addr()
	if ip.Is4() {
		return &unix.SockaddrInet4{Port: int(addr.Port()), Addr: ip.As4()}, nil
	}
	sa := &unix.SockaddrInet6{Port: int(addr.Port()), Addr: ip.As16()}
	if zone := ip.Zone(); zone != "" {
		link, err := net.InterfaceByName(zone)
		if err != nil {
			return nil, fmt.Errorf("interface %s: %w", zone, err)
		}
		sa.ZoneId = uint32(link.Index)
	}
	return sa, nil
}
