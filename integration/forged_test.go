//go:build integration

package integration

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"gslb/integration/parts"
)

// TestForgedQueries has queries come, 1,500 a second, in the names of hosts of the server's own
// network that do not exist, so that every reply to them waits until address resolution fails.
// Meanwhile a real client has all its answers, probes go on, and a reload is taken.
func TestForgedQueries(t *testing.T) {
	ctx := beside(t)
	network := parts.NetworkForTest(t)
	host, err := network.AddHost(ctx, "server")
	must(t, err)
	target, err := net.Listen("tcp", "0.0.0.0:0") // what is probed
	must(t, err)
	t.Cleanup(func() { target.Close() })
	go func() {
		for conn, err := target.Accept(); err == nil; conn, err = target.Accept() {
			conn.Close()
		}
	}()

	path := filepath.Join(t.TempDir(), "zones.toml")
	here := netip.AddrFrom4([4]byte{10, 53, 0, 1})
	config := func(more string) string {
		return fmt.Sprintf(`
[server]
listen = ["[::]:53"]
[admin]
listen = "%s:8053"
[checks.open]
type = "tcp"
address = "{address}:%d"
interval = "300ms"
fast_interval = "300ms"
timeout = "200ms"
[pools.here]
members = ["%s"]
checks = ["open"]
[zones."gslb.example.com"]
nameservers = { ns1 = ["%s"] }
records = "%s"
names.app = { pools = ["here"] }
`, host.IPv4, target.Addr().(*net.TCPAddr).Port, here, host.IPv4, more)
	}
	parts.Replace(t, path, config(""))
	server, err := host.StartGSLB(ctx, parts.GSLBConfig{
		Name: "gslb", Zones: path,
		Listen: netip.AddrPortFrom(host.IPv4, 53), Admin: netip.AddrPortFrom(host.IPv4, 8053),
	})
	must(t, err)

	for _, addr := range []netip.Addr{host.IPv4, host.IPv6} {
		t.Run(addr.String(), func(t *testing.T) {
			forging, stop := context.WithCancel(ctx)
			forged := make(chan int)
			go func() { forged <- forge(t, forging, addr, 1500) }()
			const queries = 199
			answered, probed := 0, probes(t, ctx, server)
			for i := range queries {
				if i == queries/2 {
					parts.Replace(t, path, config(fmt.Sprintf("new%d A 192.0.2.1", addr.BitLen())))
					server.Signal(unix.SIGHUP)
				}
				next := time.After(40 * time.Millisecond)
				reply, err := parts.Ask(ctx, netip.AddrPortFrom(addr, 53), app, dns.TypeA)
				if err == nil && len(reply.Answer) == 1 {
					answered++
				}
				<-next
			}
			// A reload runs behind all else.
			must(t, parts.Until(ctx, "the reload is taken", func(ctx context.Context) error {
				reply, err := parts.Ask(ctx, netip.AddrPortFrom(addr, 53), fmt.Sprintf("new%d.gslb.example.com.", addr.BitLen()), dns.TypeA)
				if err == nil && len(reply.Answer) != 1 {
					err = fmt.Errorf("the reply is %v", reply)
				}
				return err
			}))
			if probed = probes(t, ctx, server) - probed; probed < 10 {
				t.Errorf("%v probes were made in the time of 20", probed)
			}
			stop()
			sent := <-forged
			t.Logf("%d of %d queries were answered amid %d forged ones", answered, queries, sent)
			if answered < queries {
				t.Errorf("%d of %d queries were answered", answered, queries)
			}
			if sent < 2000 {
				t.Errorf("only %d queries were forged", sent)
			}
		})
	}
}

// probes is how many probes a server has made.
func probes(t *testing.T, ctx context.Context, server *parts.GSLB) (n float64) {
	t.Helper()
	all, err := server.Metrics(ctx)
	must(t, err)
	for series, value := range all {
		if strings.HasPrefix(series, "gslb_health_probes_total{") {
			n += value
		}
	}
	return n
}

// forge sends queries to a host, so many a second, each in the name of another address of its
// network, until ctx ends. It returns how many.
func forge(t *testing.T, ctx context.Context, to netip.Addr, rate int) (sent int) {
	family, sa := unix.AF_INET, unix.Sockaddr(&unix.SockaddrInet4{Addr: [4]byte(to.AsSlice()[:4])})
	if to.Is6() {
		family, sa = unix.AF_INET6, &unix.SockaddrInet6{Addr: to.As16()}
	}
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		t.Error(err)
		return 0
	}
	defer unix.Close(fd)
	// Not the real client's question, whose rate would be limited with theirs.
	query, err := new(dns.Msg).SetQuestion("ns1.gslb.example.com.", dns.TypeA).Pack()
	if err != nil {
		t.Error(err)
		return 0
	}
	const pause = 10 * time.Millisecond
	tick := time.NewTicker(pause)
	defer tick.Stop()
	from := to.AsSlice()
	for began := time.Now(); ctx.Err() == nil; <-tick.C {
		for ; sent < int(time.Since(began).Seconds()*float64(rate)); sent++ {
			from[len(from)-1] = byte(20 + sent%230)
			if err := unix.Sendto(fd, datagram(from, to.AsSlice(), query), 0, sa); err != nil {
				t.Error(err)
				return sent
			}
		}
	}
	return sent
}

// datagram is a UDP datagram to port 53 with its IP header, of the family that the addresses are.
func datagram(from, to, data []byte) []byte {
	const port, udpHead, ttl = 4242, 8, 64
	size := udpHead + len(data)
	udp := binary.BigEndian.AppendUint16(nil, port)
	udp = binary.BigEndian.AppendUint16(udp, 53)
	udp = binary.BigEndian.AppendUint16(udp, uint16(size))
	udp = append(append(udp, 0, 0), data...)
	pseudo := append(append([]byte{0, unix.IPPROTO_UDP, byte(size >> 8), byte(size)}, from...), to...)
	binary.BigEndian.PutUint16(udp[6:], checksum(append(pseudo, udp...)))
	if len(from) == net.IPv4len {
		head := []byte{0x45, 0, byte((20 + size) >> 8), byte(20 + size), 0, 0, 0, 0, ttl, unix.IPPROTO_UDP, 0, 0}
		return append(append(append(head, from...), to...), udp...) // the kernel fills in the header's checksum
	}
	head := []byte{0x60, 0, 0, 0, byte(size >> 8), byte(size), unix.IPPROTO_UDP, ttl}
	return append(append(append(head, from...), to...), udp...)
}

// checksum is that of RFC 1071.
func checksum(data []byte) uint16 {
	var sum uint32
	for i := 0; i < len(data); i += 2 {
		sum += uint32(data[i]) << 8
		if i+1 < len(data) {
			sum += uint32(data[i+1])
		}
	}
	for sum>>16 > 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}
