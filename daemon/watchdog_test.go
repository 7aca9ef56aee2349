package daemon

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"

	"gslb/daemon/daemontest"
	"gslb/internal/cookie"
	"gslb/internal/rrl"
	"gslb/server"
)

// guarded is a server of two workers, parts of which a test can have hang, and its watchdog.
type guarded struct {
	*watchdog
	t       *testing.T
	hanging atomic.Int32  // how many of the next queries hang
	release chan struct{} // closed to end that
	held    chan struct{} // receives for each that hangs
	stuck   atomic.Bool   // the publisher is
	pets    atomic.Int32
	log     *daemontest.Log
	metrics *prometheus.Registry
}

func newGuarded(t *testing.T, settings server.Settings) *guarded {
	t.Helper()
	s := newStage(t)
	s.begin()
	w := &guarded{
		t: t, release: make(chan struct{}), held: make(chan struct{}, 10), log: new(daemontest.Log), metrics: prometheus.NewRegistry(),
	}
	answering, err := server.New(server.Options{
		Listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0"), netip.MustParseAddrPort("[::1]:0")},
		Source: func() server.Resolver {
			if w.hanging.Load() > 0 && w.hanging.Add(-1) >= 0 {
				w.held <- struct{}{}
				<-w.release
			}
			return s.publisher.Table()
		},
		Limits: server.Limits{Workers: 2}, Settings: settings, Registerer: w.metrics,
	})
	must(t, err)
	w.watchdog = &watchdog{
		every: 500 * time.Millisecond, server: answering, zone: func() string { return "gslb.example.com." },
		logger: slog.New(slog.NewTextHandler(w.log, nil)),
		alive: func(ctx context.Context) error {
			if w.stuck.Load() {
				<-ctx.Done()
				return ctx.Err()
			}
			return s.publisher.Alive(ctx)
		},
		tell: func(string) <-chan struct{} {
			w.pets.Add(1)
			done := make(chan struct{})
			close(done)
			return done
		},
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- answering.Run(ctx) }()
	t.Cleanup(func() { stop(); must(t, <-ended) })
	return w
}

// begin starts the watchdog.
func (w *guarded) begin() {
	ctx, stop := context.WithCancel(w.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	w.t.Cleanup(func() { stop(); must(w.t, <-ended) })
}

// hang has some workers hang, by a query for each.
func (w *guarded) hang(network string, workers int32) {
	w.hanging.Store(workers)
	for range workers {
		conn, err := dns.Dial(network, w.server.Addrs()[0].String())
		must(w.t, err)
		w.t.Cleanup(func() { conn.Close() })
		must(w.t, conn.WriteMsg(new(dns.Msg).SetQuestion("gslb.example.com.", dns.TypeNS)))
		<-w.held
	}
}

func (w *guarded) failures() int {
	return strings.Count(w.log.String(), "does not get its own answers")
}

func (w *guarded) eventually(what string, is func() bool) {
	w.t.Helper()
	(&daemontest.Stage{T: w.t, Log: w.log}).Eventually(what, is)
}

// TestWatchdogOfWhatHangs has a part of the server hang: the service manager is told nothing until that is over.
func TestWatchdogOfWhatHangs(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		hang func(*guarded)
		want string
	}{
		"a worker":      {func(w *guarded) { w.hang("udp", 1) }, "over UDP"},
		"TCP":           {func(w *guarded) { w.hang("tcp", 2) }, "over TCP"},
		"the publisher": {func(w *guarded) { w.stuck.Store(true) }, "not published"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newGuarded(t, server.Settings{})
			test.hang(w)
			w.begin()
			// Some rounds may meet the other workers alone.
			w.eventually("three rounds fail", func() bool { return w.failures() >= 3 })
			if pets := w.pets.Load(); pets > 1 || !strings.Contains(w.log.String(), test.want) {
				t.Errorf("the service manager was told %d times that all works; want %q in the log:\n%s", pets, test.want, w.log)
			}
			close(w.release)
			w.stuck.Store(false)
			before := w.pets.Load()
			w.eventually("all works again", func() bool { return w.pets.Load() > before })
		})
	}
}

// TestWatchdogAndRateLimit has the rate of responses limited so far that hardly one is sent. With cookies the
// queries do not count; without, what the workers do tells that they work.
func TestWatchdogAndRateLimit(t *testing.T) {
	t.Parallel()
	for name, cookies := range map[string]bool{"cookies": true, "no cookies": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := rrl.Defaults()
			o.Rate, o.Burst, o.Slip = 1, 1, 0
			limiter, err := rrl.New(o)
			must(t, err)
			settings := server.Settings{Limiter: limiter}
			if cookies {
				settings.Cookies, err = cookie.NewKeyring(cookie.NewSecret())
				must(t, err)
			}
			w := newGuarded(t, settings)
			w.begin()
			w.eventually("three words", func() bool { return w.pets.Load() >= 3 })
			if counted := w.limited(); counted > 0 == cookies {
				t.Errorf("the limit has stopped %v replies:\n%s", counted, w.log)
			}
		})
	}
}

// limited is how many replies the rate limit has stopped.
func (w *guarded) limited() (sum float64) {
	families, err := w.metrics.Gather()
	must(w.t, err)
	for _, f := range families {
		if f.GetName() == "gslb_dns_rate_limited_total" {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

func TestWhereToAsk(t *testing.T) {
	own := map[netip.Addr]bool{}
	for _, ip := range []string{"127.0.0.1", "::1", "192.0.2.1", "2001:db8::1", "fe80::1"} {
		own[netip.MustParseAddr(ip)] = true
	}
	for listen, want := range map[string]string{
		"0.0.0.0:53": "127.0.0.1:53", "[::]:53": "[::1]:53", "127.0.0.7:53": "127.0.0.7:53",
		"192.0.2.1:53": "192.0.2.1:53", "192.0.2.2:53": "", "[2001:db8::1]:5353": "[2001:db8::1]:5353", "[2001:db8::2]:53": "",
		"[fe80::1%eth0]:53": "[fe80::1%eth0]:53",
	} {
		got := ""
		if at := toAsk(netip.MustParseAddrPort(listen), own); at.IsValid() {
			got = at.String()
		}
		if got != want {
			t.Errorf("%s: asked is %q, want %q", listen, got, want)
		}
	}
	if at := toAsk(netip.MustParseAddrPort("192.0.2.2:53"), nil); !at.IsValid() {
		t.Error("an address is left out although nobody knows which there are")
	}
}

// TestWatchdogOfProcess has a service manager hear from the program: that it works, and after an upgrade the same
// from the process that has become the main one.
func TestWatchdogOfProcess(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "gslb") // the names of sockets must be short
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	must(t, err)
	defer manager.Close()
	raw, err := manager.SyscallConn()
	must(t, err)
	must(t, errors.Join(raw.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_PASSCRED, 1)
	}), err))
	must(t, manager.SetReadDeadline(time.Now().Add(patience)))
	// hear waits for a word, and returns who has said it.
	hear := func(prefix string) (pid int, word string) {
		t.Helper()
		for buf, oob := make([]byte, 200), make([]byte, 200); ; {
			n, oobn, _, _, err := manager.ReadMsgUnix(buf, oob)
			if err != nil {
				t.Fatalf("waiting for %s: %v", prefix, err)
			}
			if word = string(buf[:n]); !strings.HasPrefix(word, prefix) {
				continue
			}
			messages, err := syscall.ParseSocketControlMessage(oob[:oobn])
			must(t, err)
			from, err := syscall.ParseUnixCredentials(&messages[0])
			must(t, err)
			return int(from.Pid), word
		}
	}

	s := newStage(t)
	address := daemontest.FreeAddress(t)
	s.Listen = address.String()
	s.Write(`"nyc", "ams"`)
	process, ended := daemontest.Serve(t, s.Config(), "NOTIFY_SOCKET="+path, "WATCHDOG_USEC=2000000")
	first, _ := hear("READY=1")
	if first != process.Process.Pid {
		t.Errorf("process %d is ready, want %d", first, process.Process.Pid)
	}
	for range 3 {
		if pid, _ := hear("WATCHDOG=1"); pid != first {
			t.Errorf("process %d says that it works, want %d", pid, first)
		}
	}
	must(t, process.Process.Signal(syscall.SIGUSR2))
	_, word := hear("MAINPID=")
	next, _ := hear("READY=1")
	t.Cleanup(func() { _ = syscall.Kill(next, syscall.SIGKILL) })
	if next == first || !strings.HasPrefix(word, "MAINPID=") {
		t.Errorf("%s, and process %d is ready", word, next)
	}
	for range 3 {
		if pid, _ := hear("WATCHDOG=1"); pid != next {
			t.Errorf("process %d says that it works, want %d", pid, next)
		}
	}
	daemontest.WantEnd(t, ended)
	must(t, syscall.Kill(next, syscall.SIGTERM))
	hear("STOPPING=1")
}
