package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"
)

// region is a load balancer's stand-in on a loopback address: it accepts connections
// while it is up.
type region struct {
	t        *testing.T
	address  netip.AddrPort
	listener net.Listener
}

func newRegion(t *testing.T, host string) *region {
	r := &region{t: t, address: reserve(t, host)}
	r.start()
	t.Cleanup(r.stop)
	return r
}

func (r *region) start() {
	listener, err := net.Listen("tcp", r.address.String())
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

func (r *region) stop() {
	r.listener.Close()
}

// reserve returns an address that nobody else gets until the test ends, while nobody listens there.
func reserve(t *testing.T, host string) netip.AddrPort {
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

// logBuffer collects what a program logs.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// stage is two regions and a program that chooses between them.
type stage struct {
	t        *testing.T
	dir      string
	nyc, ams *region
	listen   string // where DNS is served; by default any port
	settings string // further keys of [server]
	door     string // further keys of [admin]
	checks   string // of both pools; by default the port alone
	more     string // further configuration

	confirmOver int            // percent, as of serve
	adjust      func(*program) // before it runs; nil: nothing

	*program
	log  *logBuffer
	stop func()
}

func newStage(t *testing.T) *stage {
	return &stage{t: t, dir: t.TempDir(), listen: "127.0.0.1:0", checks: `"port"`, nyc: newRegion(t, "127.0.0.1"), ams: newRegion(t, "127.0.0.2")}
}

// write writes the configuration, with the pools in that order of preference.
func (s *stage) write(pools string) {
	s.t.Helper()
	text := fmt.Sprintf(`
[server]
listen = [%q]
state_dir = %q
%s
[admin]
listen = "127.0.0.1:0"
%s
[checks.port]
type = "tcp"
address = "{address}:{port}"
interval = "400ms"
fast_interval = "50ms"
timeout = "200ms"
[pools.nyc]
members = ["127.0.0.1"]
vars = { port = "%d" }
checks = [%s]
[pools.ams]
members = ["127.0.0.2"]
vars = { port = "%d" }
checks = [%s]
[zones."gslb.example.com"]
nameservers = { ns1 = ["192.0.2.53"] }
[zones."gslb.example.com".names.app]
pools = [%s]
%s`, s.listen, filepath.Join(s.dir, "state"), s.settings, s.door, s.nyc.address.Port(), s.checks,
		s.ams.address.Port(), s.checks, pools, s.more)
	// As editors do it, so that the file is never seen half written.
	path := filepath.Join(s.dir, "zones.toml")
	if err := os.WriteFile(path+".new", []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		s.t.Fatal(err)
	}
}

// start runs a program until the test ends or stop is called.
func (s *stage) start() {
	s.t.Helper()
	s.log = &logBuffer{}
	p, err := newProgram(filepath.Join(s.dir, "zones.toml"), nil, slog.New(slog.NewTextHandler(s.log, nil)))
	if err != nil {
		s.t.Fatal(err)
	}
	s.program = p
	p.watcher.settle = quick
	p.config.postpone = func(uint64) func() { return func() {} } // it is of the process, where others run
	p.config.confirmation.over = s.confirmOver
	if s.adjust != nil {
		s.adjust(p)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.run(ctx) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			s.t.Errorf("run: %v", err)
		}
		if s.t.Failed() {
			s.t.Log(s.log)
		}
	})
	s.t.Cleanup(s.stop)
}

// begin starts a program that prefers the first region, and has it answered, and the program ready.
func (s *stage) begin() {
	s.t.Helper()
	s.write(`"nyc", "ams"`)
	s.start()
	s.expect(first)
	select {
	case <-s.serving:
	case <-time.After(patience):
		s.t.Fatal("it does not get ready")
	}
}

// outage has the first region fail over to the second, and recover.
func (s *stage) outage() {
	s.t.Helper()
	s.nyc.stop()
	s.eventuallyAnswers(second)
	s.nyc.start()
	s.eventually("the recovery", s.logged(`msg="pool up"`, "pool=nyc", "from=down"))
}

// ask returns the first address that is answered for app; "" if there is no answer in time.
func (s *stage) ask() string { return askAt(s.program.server.Addrs()[0]) }

func askAt(server netip.AddrPort) string {
	client := dns.Client{Timeout: 2 * time.Second}
	m := new(dns.Msg).SetQuestion("app.gslb.example.com.", dns.TypeA)
	r, _, err := client.Exchange(m, server.String())
	if err != nil || len(r.Answer) == 0 {
		return ""
	}
	return r.Answer[0].(*dns.A).A.String()
}

func (s *stage) expect(address string) {
	s.t.Helper()
	var got string
	s.eventually("an answer", func() bool { got = s.ask(); return got != "" }) // a client whose query waits too long for verdicts asks again
	if got != address {
		s.t.Fatalf("answered %q, want %s", got, address)
	}
}

// patience is how long a test waits for what is to come: a reload runs behind all else, and the machine may be busy.
const patience = 2 * time.Minute

// eventually waits until something is so.
func (s *stage) eventually(what string, is func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if is() {
			return
		}
	}
	s.t.Fatalf("not in time: %s\n%s", what, s.log)
}

func (s *stage) eventuallyAnswers(address string) {
	s.t.Helper()
	s.eventually("the answer "+address, func() bool { return s.ask() == address })
}

func (s *stage) get(path string) (status int, body string) {
	s.t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := client.Get("http://" + s.adminAddr + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Body.Close()
	content, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return r.StatusCode, string(content)
}

func (s *stage) logged(words ...string) func() bool {
	return func() bool { return len(s.lines(words...)) > 0 }
}

// lines are those of the log that have all the words.
func (s *stage) lines(words ...string) []string {
	var found []string
	for line := range strings.Lines(s.log.String()) {
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
			found = append(found, line)
		}
	}
	return found
}

// quick is how long the files of a stage must rest to be read.
const quick = 200 * time.Millisecond

const first, second = "127.0.0.1", "127.0.0.2"

// addSlowPool adds a pool whose probe takes until it is released, and then fails.
func (s *stage) addSlowPool() (release func()) {
	s.t.Helper()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // connects, by its backlog, and never says a word
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { silent.Close() })
	s.more = fmt.Sprintf(`
[checks.slow]
type = "http"
url = "http://{address}:%d/"
interval = "5m"
timeout = "4m"
[pools.slow]
members = ["127.0.0.1"]
checks = ["slow"]
[zones."gslb.example.com".names.slow]
pools = ["slow"]
`, silent.Addr().(*net.TCPAddr).Port)
	return func() { silent.Close() } // which resets what is in its backlog
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
