package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// region is a load balancer's stand-in on a loopback address: it accepts connections
// while it is up.
type region struct {
	t        *testing.T
	address  netip.AddrPort
	listener net.Listener
}

func newRegion(t *testing.T, host string) *region {
	r := &region{t: t, address: netip.AddrPortFrom(netip.MustParseAddr(host), 0)}
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
	r.address = listener.Addr().(*net.TCPAddr).AddrPort()
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
	more     string // further configuration

	*program
	log  *logBuffer
	stop func()
}

func newStage(t *testing.T) *stage {
	return &stage{t: t, dir: t.TempDir(), nyc: newRegion(t, "127.0.0.1"), ams: newRegion(t, "127.0.0.2")}
}

// write writes the configuration, with the pools in that order of preference.
func (s *stage) write(pools string) {
	s.t.Helper()
	text := fmt.Sprintf(`
[server]
listen = ["127.0.0.1:0"]
state_dir = %q
[admin]
listen = "127.0.0.1:0"
[checks.port]
type = "tcp"
address = "{address}:{port}"
interval = "400ms"
fast_interval = "50ms"
timeout = "200ms"
[pools.nyc]
members = ["127.0.0.1"]
vars = { port = "%d" }
checks = ["port"]
[pools.ams]
members = ["127.0.0.2"]
vars = { port = "%d" }
checks = ["port"]
[zones."gslb.example.com"]
nameservers = { ns1 = ["192.0.2.53"] }
[zones."gslb.example.com".names.app]
pools = [%s]
%s`, filepath.Join(s.dir, "state"), s.nyc.address.Port(), s.ams.address.Port(), pools, s.more)
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
	p, err := newProgram(filepath.Join(s.dir, "zones.toml"), slog.New(slog.NewTextHandler(s.log, nil)))
	if err != nil {
		s.t.Fatal(err)
	}
	s.program = p
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

// ask returns the first address that is answered for app; "" if there is no answer in time.
func (s *stage) ask() string {
	client := dns.Client{Timeout: 5 * time.Second}
	m := new(dns.Msg).SetQuestion("app.gslb.example.com.", dns.TypeA)
	r, _, err := client.Exchange(m, s.server.Addrs()[0].String())
	if err != nil || len(r.Answer) == 0 {
		return ""
	}
	return r.Answer[0].(*dns.A).A.String()
}

func (s *stage) expect(address string) {
	s.t.Helper()
	if got := s.ask(); got != address {
		s.t.Fatalf("answered %q, want %s", got, address)
	}
}

// eventually waits until something is so.
func (s *stage) eventually(what string, is func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
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
	return func() bool {
		for line := range strings.Lines(s.log.String()) {
			found := true
			for _, w := range words {
				found = found && strings.Contains(line, w)
			}
			if found {
				return true
			}
		}
		return false
	}
}

const first, second = "127.0.0.1", "127.0.0.2"

func TestFailoverAndBack(t *testing.T) {
	s := newStage(t)
	s.write(`"nyc", "ams"`)
	s.start()
	s.expect(first)
	s.nyc.stop()
	s.eventuallyAnswers(second)
	s.eventually("the target's line", s.logged(`msg="target down"`, "target=port@127.0.0.1", "reason=refused"))
	s.eventually("the pool's line", s.logged(`msg="pool down"`, "pool=nyc"))
	s.eventually("the answer's line", s.logged(`msg="answer changed"`, "names=app.gslb.example.com.", "pool=ams", "from=nyc"))
	s.nyc.start()
	s.eventuallyAnswers(first)
}

func TestStartWhileARegionIsDown(t *testing.T) {
	s := newStage(t)
	s.write(`"nyc", "ams"`)
	s.nyc.stop()
	s.start()
	s.expect(second)
}

// The region was up when the last run ended. The state says so, and must not be believed.
func TestRestartAfterARegionWentDown(t *testing.T) {
	s := newStage(t)
	s.write(`"nyc", "ams"`)
	s.start()
	s.expect(first)
	s.stop()
	s.nyc.stop()
	s.start()
	s.expect(second)
}

// One good probe does not bring back a region that was down when the last run ended.
func TestRestartDoesNotForgetThatARegionIsDown(t *testing.T) {
	s := newStage(t)
	s.write(`"nyc", "ams"`)
	s.nyc.stop()
	s.start()
	s.expect(second)
	s.stop()
	s.nyc.start()
	s.start()
	s.expect(second)
	s.eventuallyAnswers(first)
}

func TestRestartKeepsSerialAndDamagedStateIsNoObstacle(t *testing.T) {
	s := newStage(t)
	s.write(`"nyc", "ams"`)
	s.start()
	s.expect(first)
	serial := s.config.Current().Zones[0].Serial
	s.stop()
	time.Sleep(time.Until(time.Unix(int64(serial)+1, 0))) // a serial of the time of loading would be another
	s.start()
	s.expect(first)
	if got := s.config.Current().Zones[0].Serial; got != serial {
		t.Errorf("serial %d after a restart, want %d still", got, serial)
	}
	s.stop()
	if err := os.WriteFile(filepath.Join(s.dir, "state", "state.json"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	s.start()
	s.expect(first)
	s.eventually("a word about the state", s.logged("level=ERROR", "starting without the state of the run before", "is damaged"))
}

func TestChangedFileIsReloaded(t *testing.T) {
	s := newStage(t)
	s.write(`"nyc", "ams"`)
	s.start()
	s.expect(first)
	old := s.config.Current()
	s.write(`"ams", "nyc"`)
	s.eventuallyAnswers(second)
	s.eventually("another configuration", func() bool { return s.config.Current() != old })
	s.eventually("the event", s.logged(`msg="configuration in use"`, s.config.Current().Hash))
	if now := s.config.Current().Zones[0].Serial; now <= old.Zones[0].Serial {
		t.Errorf("serial %d after %d", now, old.Zones[0].Serial)
	}
}

func TestBadFileKeepsTheOldConfiguration(t *testing.T) {
	s := newStage(t)
	s.write(`"nyc", "ams"`)
	s.start()
	s.expect(first)
	good := s.config.Current()
	s.write(`"ams", "tor", "rio"`)
	s.eventually("the failure", func() bool { return s.config.Status().Err != nil })
	s.expect(first)
	if s.config.Current() != good {
		t.Error("the bad configuration is taken for the live one")
	}
	for _, word := range []string{"tor", "rio"} {
		s.eventually("the problem in the log", s.logged("level=ERROR", `zones.\"gslb.example.com\".names.app.pools`, word))
	}
	s.eventually("the metrics", func() bool {
		_, metrics := s.get("/metrics")
		return strings.Contains(metrics, "gslb_config_last_reload_successful 0") && strings.Contains(metrics, "gslb_config_reload_failures_total 1")
	})
	// Mended, it is taken.
	s.write(`"ams"`)
	s.more = ""
	s.eventually("another failure: a pool that no name uses", func() bool { return s.config.Status().Failures == 2 })
	s.write(`"ams", "nyc"`)
	s.eventuallyAnswers(second)
	s.eventually("the word that the last reload succeeded", func() bool { return s.config.Status().Err == nil })
}

func TestWhatNeedsARestartIsRefused(t *testing.T) {
	s := newStage(t)
	s.write(`"nyc", "ams"`)
	s.start()
	s.expect(first)
	path := filepath.Join(s.dir, "zones.toml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), `listen = ["127.0.0.1:0"]`, `listen = ["127.0.0.3:0"]`, 1)
	changed = strings.Replace(changed, `listen = "127.0.0.1:0"`, `listen = "127.0.0.3:0"`, 1)
	if err := os.WriteFile(path, []byte(changed), 0o644); err != nil {
		t.Fatal(err)
	}
	s.eventually("the refusal", func() bool { return s.config.Status().Err != nil })
	want := "server.listen: changed from [127.0.0.1:0] to [127.0.0.3:0], which needs a restart\n" +
		"admin.listen: changed from 127.0.0.1:0 to 127.0.0.3:0, which needs a restart"
	if got := s.config.Status().Err.Error(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// addSlowPool adds a pool whose probe takes a second, and then fails.
func (s *stage) addSlowPool() {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // connects, by its backlog, and never says a word
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { silent.Close() })
	s.more = fmt.Sprintf(`
[checks.slow]
type = "http"
url = "http://{address}:%d/"
timeout = "1s"
[pools.slow]
members = ["127.0.0.1"]
checks = ["slow"]
[zones."gslb.example.com".names.slow]
pools = ["slow"]
`, silent.Addr().(*net.TCPAddr).Port)
}

// A configuration that changes while the first answers are waited for is taken after the
// first, not undone by it.
func TestReloadDuringTheStart(t *testing.T) {
	s := newStage(t)
	s.addSlowPool()
	s.write(`"nyc", "ams"`)
	s.start()
	s.write(`"ams", "nyc"`)
	s.eventuallyAnswers(second)
	s.eventually("one and the same configuration everywhere", func() bool {
		return s.publisher.Table().Set() == s.config.Current()
	})
	s.expect(second)
}

// A SIGHUP is never deadly, however early it comes.
func TestHangupBeforeTheStart(t *testing.T) {
	s := newStage(t)
	s.write(`"nyc", "ams"`)
	p, err := newProgram(filepath.Join(s.dir, "zones.toml"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.run(ctx) }()
	s.program = p
	s.eventually("the reload", func() bool { return !p.config.Status().At.IsZero() })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A reload is refused for a file that is not there yet. When it comes, it is noticed, though
// the live configuration does not know of it.
func TestMissingFileIsNoticedWhenItComes(t *testing.T) {
	s := newStage(t)
	s.write(`"nyc", "ams"`)
	s.start()
	s.expect(first)
	s.more = `
[zones."example.net"]
file = "db.net"
`
	s.write(`"ams", "nyc"`)
	s.eventually("the refusal", func() bool { return s.config.Status().Err != nil })
	s.expect(first)
	db := "@ 60 SOA ns host 1 3600 600 86400 60\n@ 60 NS ns.example.org.\n"
	if err := os.WriteFile(filepath.Join(s.dir, "db.net"), []byte(db), 0o644); err != nil {
		t.Fatal(err)
	}
	s.eventuallyAnswers(second)
}

// While the first verdicts are out, the server answers nothing rather than something
// wrong, and readiness says what it waits for.
func TestReadinessSaysWhatIsMissing(t *testing.T) {
	s := newStage(t)
	s.addSlowPool()
	s.write(`"nyc", "ams"`)
	s.start()
	s.eventually("not ready, and why", func() bool {
		status, body := s.get("/readyz")
		return status == http.StatusServiceUnavailable && strings.Contains(body, "the first verdict of slow@127.0.0.1")
	})
	if status, _ := s.get("/healthz"); status != http.StatusOK {
		t.Errorf("healthz: %d", status)
	}
	s.expect(first) // asked while nothing is served yet, and answered when it is
	s.eventually("ready", func() bool {
		status, body := s.get("/readyz")
		return status == http.StatusOK && strings.HasPrefix(body, "ready")
	})
}

func TestAddressInUse(t *testing.T) {
	s := newStage(t)
	s.write(`"nyc", "ams"`)
	path := filepath.Join(s.dir, "zones.toml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	taken := strings.Replace(string(text), `listen = "127.0.0.1:0"`, fmt.Sprintf("listen = %q", s.nyc.address), 1)
	if err := os.WriteFile(path, []byte(taken), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = newProgram(path, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "admin.listen: ") || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("got %v", err)
	}
}
