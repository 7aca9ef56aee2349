// Package daemontest is the world of a server under test: two regions that can fail, a configuration that chooses
// between them, and what is seen from outside. Whose test it is starts the server, in its own process or another one.
package daemontest

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// First and Second are where NYC and AMS are.
const First, Second = "127.0.0.1", "127.0.0.2"

// Stage is two regions, and a configuration that chooses between them.
type Stage struct {
	T           *testing.T
	Dir         string
	NYC, AMS    *Region
	Listen      string // where DNS is served; by default any port
	AdminListen string // where the admin server is; by default any port
	Settings    string // further keys of [server]
	Admin       string // further keys of [admin]
	Checks      string // of both pools; by default the port alone
	More        string // further configuration

	Log *Log // of the server
}

// New makes a stage. Nothing serves yet.
func New(t *testing.T) *Stage {
	return &Stage{
		T: t, Dir: t.TempDir(), NYC: NewRegion(t, First), AMS: NewRegion(t, Second),
		Listen: "127.0.0.1:0", AdminListen: "127.0.0.1:0", Checks: `"port"`, Log: new(Log),
	}
}

// Config is the path of the configuration.
func (s *Stage) Config() string { return filepath.Join(s.Dir, "zones.toml") }

// State is the directory of the state.
func (s *Stage) State() string { return filepath.Join(s.Dir, "state") }

// Socket is where commands reach the server.
func (s *Stage) Socket() string { return filepath.Join(s.State(), "gslb.sock") }

// Write writes the configuration, with the pools in that order of preference.
func (s *Stage) Write(pools string) {
	s.T.Helper()
	text := fmt.Sprintf(`
[server]
listen = [%q]
state_dir = %q
%s
[admin]
listen = %q
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
%s`, s.Listen, s.State(), s.Settings, s.AdminListen, s.Admin, s.NYC.Address.Port(), s.Checks,
		s.AMS.Address.Port(), s.Checks, pools, s.More)
	// As editors do it, so that the file is never seen half written.
	path := s.Config()
	if err := os.WriteFile(path+".new", []byte(text), 0o644); err != nil {
		s.T.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		s.T.Fatal(err)
	}
}

// WriteTokens replaces the file that tokens_file = "tokens" names.
func (s *Stage) WriteTokens(tokens ...string) {
	s.T.Helper()
	text := "# name and digest\n"
	for _, token := range tokens {
		text += fmt.Sprintf("%s %x\n", strings.ToUpper(token), sha256.Sum256([]byte(token)))
	}
	must(s.T, os.WriteFile(filepath.Join(s.Dir, "tokens"), []byte(text), 0o600))
}

// Patience is how long a test waits for what is to come: a reload runs behind all else, and the machine may be busy.
const Patience = 2 * time.Minute

// Eventually waits until something is so.
func (s *Stage) Eventually(what string, is func() bool) {
	s.T.Helper()
	for deadline := time.Now().Add(Patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if is() {
			return
		}
	}
	s.T.Fatalf("not in time: %s\n%s", what, s.Log)
}

// Logged says whether the log has a line with all the words.
func (s *Stage) Logged(words ...string) func() bool {
	return func() bool { return len(s.Lines(words...)) > 0 }
}

// Lines are those of the log that have all the words.
func (s *Stage) Lines(words ...string) []string {
	var found []string
	for line := range strings.Lines(s.Log.String()) {
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
			found = append(found, line)
		}
	}
	return found
}

// WantAnswer asks at an address until there is an answer, and wants a certain one: a client whose query waits too long
// for verdicts asks again.
func (s *Stage) WantAnswer(server netip.AddrPort, want string) {
	s.T.Helper()
	var got string
	s.Eventually("an answer", func() bool { got = AskAt(server); return got != "" })
	if got != want {
		s.T.Fatalf("answered %q, want %s", got, want)
	}
}

// AskAt returns the first address that a server answers for app; "" if there is no answer in time.
func AskAt(server netip.AddrPort) string {
	client := dns.Client{Timeout: 2 * time.Second}
	m := new(dns.Msg).SetQuestion("app.gslb.example.com.", dns.TypeA)
	r, _, err := client.Exchange(m, server.String())
	if err != nil || len(r.Answer) == 0 {
		return ""
	}
	return r.Answer[0].(*dns.A).A.String()
}

// Log collects what a program logs.
type Log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *Log) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *Log) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
