package daemon

import (
	"context"
	"log/slog"
	"net"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gslb/daemon/daemontest"
)

func TestShareOfDescriptors(t *testing.T) {
	for _, test := range []struct {
		name string
		demand
		want budget
	}{
		{"plenty", demand{limit: 65536, addresses: 2, workers: 8, targets: 100, tcp: 1024}, budget{tcp: 1024, admin: 64, wanted: 1588}},
		{"just enough", demand{limit: 1588, addresses: 2, workers: 8, targets: 100, tcp: 1024}, budget{tcp: 1024, admin: 64, wanted: 1588}},
		{"a hundred too few", demand{limit: 1488, addresses: 2, workers: 8, targets: 100, tcp: 1024}, budget{tcp: 960, admin: 46, wanted: 1588}},
		{"the usual limit", demand{limit: 1024, addresses: 1, workers: 2, targets: 2, tcp: 1024}, budget{tcp: 878, admin: 32, wanted: 1234}},
		{"too few for the targets", demand{limit: 1024, addresses: 1, workers: 2, targets: 500, tcp: 1024}, budget{tcp: 128, admin: 32, wanted: 2230, short: true}},
		{"very few", demand{limit: 64, addresses: 1, workers: 2, targets: 2, tcp: 1024}, budget{tcp: 8, admin: 4, wanted: 1234, short: true}},
		{"few TCP connections wanted", demand{limit: 160, addresses: 1, workers: 2, targets: 10, tcp: 4}, budget{tcp: 4, admin: 29, wanted: 230}},
		{"without a limit", demand{limit: 1<<31 - 1, addresses: 1, workers: 64, targets: 100000, tcp: 65536}, budget{tcp: 65536, admin: 64, wanted: 267106}},
	} {
		if got := share(test.demand); got != test.want {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
	}
}

// Wherever the limit is not too small for the targets, they have their share, and a larger limit
// never leaves anybody less.
func TestShareOfDescriptorsHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := demand{
			limit:     rapid.IntRange(1, 1<<20).Draw(t, "limit"),
			addresses: rapid.IntRange(1, 16).Draw(t, "addresses"),
			workers:   rapid.IntRange(1, 128).Draw(t, "workers"),
			targets:   rapid.IntRange(0, 20000).Draw(t, "targets"),
			tcp:       rapid.IntRange(1, 65536).Draw(t, "tcp"),
		}
		b := share(d)
		if b.tcp < 1 || b.tcp > d.tcp || b.admin < leastAdmin || b.admin > mostAdmin {
			t.Errorf("%+v", b)
		}
		sockets := d.addresses * (1 + d.workers)
		if left := d.limit - sockets - b.tcp - 2*b.admin; !b.short && left < targetDescriptors*d.targets {
			t.Errorf("%+v leaves %d for %d targets", b, left, d.targets)
		}
		if most := d.probes(b); !b.short && most != 0 || most >= d.targets && most > 0 {
			t.Errorf("%+v, and %d probes at a time of %d", b, most, d.targets)
		} else if own := d.own() + probeDescriptors + b.tcp + 2*b.admin; most > leastProbes && own+targetDescriptors*most > d.limit {
			t.Errorf("%+v, and %d probes at a time are more than there is", b, most)
		}
		if (b.tcp == d.tcp && !b.short && b.admin == mostAdmin) != (d.limit >= b.wanted) {
			t.Errorf("%+v, and with what is wanted all is had", b)
		}
		d.limit++
		// A connection more for the admin server, over each way to it, may cost one over TCP.
		if more := share(d); more.tcp+2*more.admin < b.tcp+2*b.admin || more.tcp < b.tcp-1 || more.admin < b.admin || more.short && !b.short {
			t.Errorf("%+v, and with one more %+v", b, more)
		}
	})
}

// The limit on TCP connections follows the number of targets, and what is not had is said once.
func TestDescriptorsFollowTheTargets(t *testing.T) {
	log := new(daemontest.Log)
	d := &descriptors{
		logger: slog.New(slog.NewTextHandler(log, nil)),
		demand: demand{limit: 1024, addresses: 1, workers: 2, tcp: 512},
	}
	var probes []int
	d.limitProbes = func(most int) { probes = append(probes, most) }
	d.reserve(2)
	if b := d.reserved(); b.tcp != 512 || log.String() != "" {
		t.Errorf("%+v, and said %q", b, log)
	}
	var limits []int
	d.to(func(conns int) { limits = append(limits, conns) })
	for _, targets := range []int{2, 300, 300, 2, 5000} {
		d.reserve(targets)
	}
	if want := []int{282, 512, 128}; !slices.Equal(limits, want) {
		t.Errorf("TCP connections were limited to %v, want %v", limits, want)
	}
	if want := []int{0, 0, 0, 0, 0, 377}; !slices.Equal(probes, want) {
		t.Errorf("probes were limited to %v, want %v", probes, want)
	}
	if text := log.String(); strings.Count(text, "for server.tcp.connections") != 1 || strings.Count(text, "to probe all targets") != 1 || !strings.Contains(text, "LimitNOFILE") {
		t.Errorf("said:\n%s", text)
	}
}

// Clients that hold every TCP connection that there may be take no descriptor from the prober, nor
// from a reload.
func TestTCPFloodLeavesProbesTheirDescriptors(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	address := daemontest.FreeAddress(t)
	s.Listen = address.String()
	s.Write(`"nyc", "ams"`)
	cmd := exec.Command("sh", "-c", `ulimit -n 200 && exec gslb serve "$0"`, s.Config())
	cmd.Stderr = s.Log
	ended := daemontest.Begin(t, cmd)
	s.Eventually("the first answer", func() bool { return daemontest.AskAt(address) == first })

	flood, stop := context.WithCancel(t.Context())
	var flooding sync.WaitGroup
	defer flooding.Wait()
	defer stop()
	for i := range 300 {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 1, byte(i>>6), byte(1+i%64))}}
		flooding.Go(func() {
			for flood.Err() == nil {
				conn, err := dialer.DialContext(flood, "tcp", address.String())
				if err != nil {
					continue
				}
				_, _ = conn.Write([]byte{0}) // half a length, which is waited for
				end := context.AfterFunc(flood, func() { conn.Close() })
				_, _ = conn.Read(make([]byte, 1)) // until it has to go for another
				end()
				conn.Close()
			}
		})
	}
	time.Sleep(time.Second) // of the flood alone
	s.NYC.Stop()
	s.Eventually("the failover", func() bool { return daemontest.AskAt(address) == second })
	s.Write(`"ams", "nyc"`)
	s.Eventually("the reload", func() bool { return len(s.Lines("configuration in use")) == 2 })
	if lines := s.Lines("too many open files"); len(lines) > 0 {
		t.Errorf("%d lines like %s", len(lines), lines[0])
	}
	stop()
	must(t, cmd.Process.Signal(syscall.SIGTERM))
	daemontest.WantEnd(t, ended)
}
