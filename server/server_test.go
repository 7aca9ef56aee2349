package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"

	"gslb/server/dnstest"
)

func TestOptionsRefused(t *testing.T) {
	source := func() Resolver { return nil }
	busy, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	taken := netip.MustParseAddrPort(busy.LocalAddr().String())
	absent := netip.MustParseAddrPort("198.51.100.1:0") // of a documentation network

	tests := []struct {
		name string
		opts Options
		want []string
	}{
		{"nothing", Options{}, []string{"no address to listen at", "no source of answers"}},
		{"bad values", Options{
			Source: source, Listen: []netip.AddrPort{{}}, Limits: Limits{TCPConns: -1, TCPIdle: -time.Second},
		}, []string{"listen address 1 has no address", "limit TCPConns is -1", "limit TCPIdle is -1s"}},
		{"addresses", Options{Source: source, Listen: []netip.AddrPort{taken, dnstest.Loopback, absent}}, []string{
			"cannot listen at " + taken.String(), "another program listens there",
			"cannot listen at 198.51.100.1:0", "no interface of this host has the address",
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := New(test.opts)
			if err == nil {
				t.Fatal("New succeeded")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error does not say %q:\n%v", want, err)
				}
			}
		})
	}
}

func TestExplain(t *testing.T) {
	addr := netip.MustParseAddrPort("192.0.2.1:53")
	err := explain(addr, fmt.Errorf("bind: %w", syscall.EACCES))
	if !errors.Is(err, syscall.EACCES) || !strings.Contains(err.Error(), "cap_net_bind_service") {
		t.Errorf("EACCES is explained as %q", err)
	}
}

// TestNothingLeftOpen binds again what a New that failed had bound before it failed.
func TestNothingLeftOpen(t *testing.T) {
	// At an address that nobody else is likely to take the port of in between.
	free := newServer(t, func(o *Options) { o.Listen = addrPorts("127.0.0.77:0") })
	addr := free.Addrs()[0]
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	source := func() Resolver { return nil }
	registry := prometheus.NewRegistry()
	fails := []Options{
		{Source: source, Listen: []netip.AddrPort{addr, netip.MustParseAddrPort("198.51.100.1:0")}},
		{Source: source, Listen: []netip.AddrPort{addr}, Registerer: registry},
	}
	// A metric that stands in the way, and not the first one to be registered.
	registry.MustRegister(prometheus.NewCounter(prometheus.CounterOpts{Name: "gslb_dns_panics_total", Help: "taken"}))
	for i, opts := range fails {
		if _, err := New(opts); err == nil {
			t.Fatalf("case %d: New succeeded", i)
		}
		s, err := New(Options{Source: source, Listen: []netip.AddrPort{addr}})
		if err != nil {
			t.Fatalf("case %d: %v", i, err)
		}
		s.Close()
	}
	if families, err := registry.Gather(); err != nil || len(families) != 1 {
		t.Errorf("%d metrics left registered, %v, want the one that was there", len(families), err)
	}
}

func TestRunOnce(t *testing.T) {
	s := newServer(t, nil)
	run(t, s)()
	if err := s.Run(context.Background()); err == nil {
		t.Error("Run ran twice")
	}
	conn, err := net.Dial("tcp", s.Addrs()[0].String())
	if err == nil {
		conn.Close()
		t.Error("the listener is open after Run")
	}
}

// TestBothWildcards has a socket for each family at one port, as many configurations list.
func TestBothWildcards(t *testing.T) {
	first := newServer(t, func(o *Options) { o.Listen = addrPorts("[::]:0") })
	port := first.Addrs()[0].Port()
	first.Close()
	s := startServer(t, func(o *Options) {
		o.Listen = addrPorts(fmt.Sprintf("0.0.0.0:%d", port), fmt.Sprintf("[::]:%d", port))
	})
	if len(s.Addrs()) != 2 {
		t.Fatalf("listening at %v", s.Addrs())
	}
	for _, ip := range []string{"127.0.0.2", "::1"} {
		addr := netip.AddrPortFrom(netip.MustParseAddr(ip), port)
		dnstest.Exchange(t, dnstest.Dial(t, "udp", addr), dnstest.Ask(1, "www.example.org.", dns.TypeA))
		dnstest.Exchange(t, dnstest.Dial(t, "tcp", addr), dnstest.Ask(1, "www.example.org.", dns.TypeA))
	}
}

func addrPorts(text ...string) []netip.AddrPort {
	var out []netip.AddrPort
	for _, s := range text {
		out = append(out, netip.MustParseAddrPort(s))
	}
	return out
}

// TestDrainUnderLoad stops a server amid a storm: every query that was sent before the
// end is answered.
func TestDrainUnderLoad(t *testing.T) {
	const clients, queries = 4, 50
	s := newServer(t, nil)
	stop := run(t, s)
	var sent, done sync.WaitGroup
	for i := range clients {
		network := []string{"udp", "tcp"}[i%2]
		conn := dnstest.Dial(t, network, s.Addrs()[0])
		// A first dnstest.Exchange makes sure that the connection is accepted.
		dnstest.Exchange(t, conn, dnstest.Ask(1, "www.example.org.", dns.TypeA))
		sent.Add(1)
		done.Go(func() {
			for id := range uint16(queries) {
				if err := conn.WriteMsg(dnstest.Ask(id, "www.example.org.", dns.TypeA)); err != nil {
					t.Error(err)
				}
			}
			sent.Done()
			dnstest.WantAll(t, conn, queries)
		})
	}
	sent.Wait()
	stop()
	done.Wait()
}

// TestManyClients has more clients at once than a socket has readers, each with its own
// questions, so that a mix-up of buffers would show.
func TestManyClients(t *testing.T) {
	addr := startServer(t, nil).Addrs()[0]
	var clients sync.WaitGroup
	for i := range 8 {
		conn := dnstest.Dial(t, []string{"udp", "tcp"}[i%2], addr)
		clients.Go(func() {
			for j := range 50 {
				name := fmt.Sprintf("c%d-%d.example.org.", i, j)
				if err := conn.WriteMsg(dnstest.Ask(uint16(j), name, dns.TypeA)); err != nil {
					t.Error(err)
					return
				}
				reply, err := conn.ReadMsg()
				if err != nil {
					t.Error(err)
					return
				}
				if reply.Id != uint16(j) || reply.Question[0].Name != name || reply.Rcode != dns.RcodeNameError {
					t.Errorf("reply to %s: %v", name, reply)
				}
			}
		})
	}
	clients.Wait()
}
