package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"gslb/admin/api"
	"gslb/server/dnstest"
	"gslb/zones"
	"gslb/zones/config"
)

func TestChangedFileIsReloaded(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.begin()
	old := s.config.Current()
	s.Write(`"ams", "nyc"`)
	s.eventuallyAnswers(second)
	s.Eventually("another configuration", func() bool { return s.config.Current() != old })
	s.Eventually("the event", s.Logged(`msg="configuration in use"`, s.config.Current().Hash))
	if now := s.config.Current().Zones[0].Serial; now <= old.Zones[0].Serial {
		t.Errorf("serial %d after %d", now, old.Zones[0].Serial)
	}
}

func TestBadFileKeepsTheOldConfiguration(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.begin()
	good := s.config.Current()
	s.Write(`"ams", "tor", "rio"`)
	s.Eventually("the failure", func() bool { return s.config.Status().Err != nil })
	s.expect(first)
	if s.config.Current() != good {
		t.Error("the bad configuration is taken for the live one")
	}
	for _, word := range []string{"tor", "rio"} {
		s.Eventually("the problem in the log", s.Logged("level=ERROR", `zones.\"gslb.example.com\".names.app.pools`, word))
	}
	s.Eventually("the metrics", func() bool {
		_, metrics := s.get("/metrics")
		return strings.Contains(metrics, "gslb_config_last_reload_successful 0") && strings.Contains(metrics, "gslb_config_reload_failures_total 1")
	})
	s.Eventually("the event and the incident", func() bool {
		_, events := s.get("/api/v1/events")
		_, incidents := s.get("/api/v1/incidents?state=open")
		return strings.Contains(events, `"to": "refused"`) && strings.Contains(incidents, `"kind": "reload-refused"`) && strings.Contains(incidents, "The last reload of the configuration failed at")
	})
	// Mended, it is taken.
	s.Write(`"ams"`)
	s.More = ""
	s.Eventually("another failure: a pool that no name uses", func() bool { return s.config.Status().Failures == 2 })
	s.Write(`"ams", "nyc"`)
	s.eventuallyAnswers(second)
	s.Eventually("the word that the last reload succeeded", func() bool { return s.config.Status().Err == nil })
	s.Eventually("the end of the incident", func() bool {
		_, incidents := s.get("/api/v1/incidents?state=ended")
		return strings.Contains(incidents, "The configuration is reloaded; ended at")
	})
}

func TestWhatNeedsARestartIsRefused(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.begin()
	path := s.Config()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), `listen = ["127.0.0.1:0"]`, `listen = ["127.0.0.3:0"]`, 1)
	changed = strings.Replace(changed, `listen = "127.0.0.1:0"`, `listen = "127.0.0.3:0"`, 1)
	stateDir := s.State()
	changed = strings.Replace(changed, stateDir, stateDir+"2", 1)
	if err := os.WriteFile(path, []byte(changed), 0o644); err != nil {
		t.Fatal(err)
	}
	s.Eventually("the refusal", func() bool { return s.config.Status().Err != nil })
	want := "server.listen: changed from [127.0.0.1:0] to [127.0.0.3:0], which needs a restart\n" +
		fmt.Sprintf("server.state_dir: changed from %q to %q, which needs a restart\n", stateDir, stateDir+"2") +
		"admin.listen: changed from 127.0.0.1:0 to 127.0.0.3:0, which needs a restart"
	if got := s.config.Status().Err.Error(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Each way to refuse a configuration says what is wrong, where, and, if it could be loaded, what it would change; and
// the page says what goes on serving.
func TestRefusedConfigurationsAreExplained(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.begin()
	path, live := filepath.Join(s.Dir, "zones.toml"), s.config.Current()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	good, moved := string(text), strings.Replace(string(text), `pools = ["nyc", "ams"]`, `pools = ["ams", "nyc"]`, 1)
	if moved == good {
		t.Fatalf("there is nothing to move in\n%s", good)
	}
	told := s.config.notified
	for _, tt := range []struct {
		name, content string
		unusable      error // by a part of the program
		line          bool  // the problem has one
		want          string
		plan          string // empty: it can't be loaded
	}{
		{"it does not parse", good + "\n[", nil, true, "expected", ""},
		{"it is not valid", strings.Replace(good, "interval", "intervall", 1), nil, true, `unknown key \"intervall\"`, ""},
		{"it needs a restart", strings.Replace(moved, `listen = ["127.0.0.1:0"]`, `listen = ["127.0.0.3:0"]`, 1), nil, false, "server.listen: changed from", "nyc -\\u003e ams"},
		{"a part can't use it", moved, errors.New("too few file descriptors"), false, "too few file descriptors", "nyc -\\u003e ams"},
	} {
		s.config.reloading.Lock()
		s.config.notified = func(n zones.Notify) error {
			if tt.unusable != nil {
				return tt.unusable
			}
			return told(n)
		}
		s.config.reloading.Unlock()
		if err := errors.Join(os.WriteFile(path+".new", []byte(tt.content), 0o644), os.Rename(path+".new", path)); err != nil {
			t.Fatal(err)
		}
		s.config.Reload(t.Context())
		var got api.Config
		s.Eventually(tt.name, func() bool {
			_, body := s.get("/api/v1/config")
			got = api.Config{}
			if err := json.Unmarshal([]byte(body), &got); err != nil {
				t.Fatal(err)
			}
			return got.Refused != nil && strings.Contains(body, tt.want) && (tt.plan == "" || strings.Contains(body, tt.plan))
		})
		r := got.Refused
		if tt.line != (r.Problems[0].Line > 0) || r.Problems[0].File != path || r.Path != path || len(r.Hash) != 64 || got.Hash != live.Hash || r.Loaded != (tt.plan != "") {
			t.Errorf("%s: %+v, and %s is live", tt.name, r, got.Hash)
		}
		if (tt.plan == "") != (r.Plan == nil) || (r.Plan == nil) != (r.Unplanned == "it can't be loaded") {
			t.Errorf("%s: the plan is %+v, %q", tt.name, r.Plan, r.Unplanned)
		}
		s.expect(first)
		if _, page := s.get("/"); !strings.Contains(page, "<dt>It would change</dt>") || !strings.Contains(page, live.Hash[:12]+"</code>, loaded ") {
			t.Errorf("%s: the page does not say what it would change, and what is served", tt.name)
		}
	}
	s.config.reloading.Lock()
	s.config.notified = told
	s.config.reloading.Unlock()
	if err := errors.Join(os.WriteFile(path+".new", []byte(good), 0o644), os.Rename(path+".new", path)); err != nil {
		t.Fatal(err)
	}
	s.config.Reload(t.Context())
	if _, body := s.get("/api/v1/config"); strings.Contains(body, `"refused"`) {
		t.Errorf("what is mended is still refused: %s", body)
	}
}

// TestPlanIsGivenUp: what a refused configuration would change is worked out no longer than it is refused.
func TestPlanIsGivenUp(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.begin()
	path := filepath.Join(s.Dir, "zones.toml")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	s.config.reloading.Lock()
	s.config.planRefused = func(ctx context.Context, _ *zones.Set) (*api.Plan, error) {
		<-ctx.Done()
		ended <- ctx.Err()
		return nil, ctx.Err()
	}
	s.config.reloading.Unlock()
	for _, content := range []string{strings.Replace(string(good), `listen = ["127.0.0.1:0"]`, `listen = ["127.0.0.3:0"]`, 1), string(good)} {
		if err := errors.Join(os.WriteFile(path+".new", []byte(content), 0o644), os.Rename(path+".new", path)); err != nil {
			t.Fatal(err)
		}
		s.config.Reload(t.Context())
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
}

// The names that the admin server may be asked by are those of the live configuration.
func TestAdminHostsAreReloaded(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.begin()
	ask := func() int {
		r, err := http.NewRequest(http.MethodGet, "http://"+s.adminAddr+"/healthz", nil)
		must(t, err)
		r.Host = "gslb.internal.example:8053"
		response, err := http.DefaultClient.Do(r)
		must(t, err)
		must(t, response.Body.Close())
		return response.StatusCode
	}
	if got := ask(); got != http.StatusMisdirectedRequest {
		t.Errorf("status %d, want 421 of a name that is not listed", got)
	}
	path := s.Config()
	text, err := os.ReadFile(path)
	must(t, err)
	changed := strings.Replace(string(text), "[admin]\n", "[admin]\nhosts = [\"gslb.internal.example\"]\n", 1)
	must(t, os.WriteFile(path, []byte(changed), 0o644))
	s.Eventually("the name is taken", func() bool { return ask() == http.StatusOK })
}

// A configuration that changes while the first answers are waited for is taken after the
// first, not undone by it.
func TestReloadDuringTheStart(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	release := s.addSlowPool()
	s.Write(`"nyc", "ams"`)
	s.start()
	s.Write(`"ams", "nyc"`)
	time.AfterFunc(2*quick, release)
	s.eventuallyAnswers(second)
	s.Eventually("one and the same configuration everywhere", func() bool {
		return s.publisher.Table().Set() == s.config.Current()
	})
	s.expect(second)
}

// A SIGHUP is never deadly, however early it comes.
func TestHangupBeforeTheStart(t *testing.T) {
	s := newStage(t)
	s.Write(`"nyc", "ams"`)
	p, err := newProgram(s.options(), nil)
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
	s.Eventually("the reload", func() bool { return !p.config.Status().At.IsZero() })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A reload is refused for a file that is not there yet. When it comes, it is noticed, though
// the live configuration does not know of it.
func TestMissingFileIsNoticedWhenItComes(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.begin()
	s.More = `
[zones."example.net"]
file = "db.net"
`
	s.Write(`"ams", "nyc"`)
	s.Eventually("the refusal", func() bool { return s.config.Status().Err != nil })
	s.expect(first)
	db := "@ 60 SOA ns host 1 3600 600 86400 60\n@ 60 NS ns.example.org.\n"
	if err := os.WriteFile(filepath.Join(s.Dir, "db.net"), []byte(db), 0o644); err != nil {
		t.Fatal(err)
	}
	s.eventuallyAnswers(second)
}

// During an incident somebody asks for a later failback. That must not cause it.
func TestReloadKeepsWhatIsAnswered(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.More = "failback_after = \"1h\"\n"
	s.begin()
	s.outage()
	s.reload("a later failback", func() {
		s.More = "failback_after = \"2h\"\n"
		s.Write(`"nyc", "ams"`)
	})
	s.expect(second)
	s.reload("another order, which is obeyed at once", func() {
		s.More = "failback_after = \"2h\"\n"
		s.Write(`"ams", "nyc"`)
	})
	s.expect(second)
	s.reload("and back", func() { s.Write(`"nyc", "ams"`) })
	s.expect(first)
}

// reload waits until a change is taken into use.
func (s *stage) reload(what string, change func()) {
	s.T.Helper()
	old := s.config.Current()
	change()
	s.Eventually(what, func() bool { return s.config.Current() != old })
}

// What a pool is asked for in addition is asked first, and then counts.
func TestReloadProbesWhatIsNewFirst(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.begin()
	check := `
[checks.again]
type = "tcp"
address = "{address}:{port}"
`
	s.reload("one more check", func() {
		s.More, s.Checks = check, `"port", "again"`
		s.Write(`"nyc", "ams"`)
	})
	s.reload("and without it", func() {
		s.More, s.Checks = "", `"port"`
		s.Write(`"nyc", "ams"`)
	})
	s.expect(first)
	if s.Logged(`msg="pool unknown"`)() || s.Logged("pool=ams", `msg="answer changed"`)() {
		t.Errorf("a target that nobody had asked changed something:\n%s", s.Log)
	}
	if n := len(s.monitor.Reports()); n != 2 {
		t.Errorf("%d targets are probed still, want 2", n)
	}
}

// Logs, say, that are written to the same folder all the time must not hold up a reload.
func TestReloadInABusyFolder(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.begin()
	busy, stop := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for busy.Err() == nil {
			_ = os.WriteFile(filepath.Join(s.Dir, "access.log"), nil, 0o644)
			time.Sleep(quick / 4)
		}
	}()
	s.Write(`"ams", "nyc"`)
	s.eventuallyAnswers(second)
	stop()
	<-stopped
}

// A content that was refused is not tried again until it changes, whatever made it be refused.
func TestRefusedContentIsTriedOnce(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(s *stage) error{
		"a pipe": func(s *stage) error { return syscall.Mkfifo(filepath.Join(s.Dir, "db.net"), 0o600) },
		"a file that leads outside": func(s *stage) error {
			return errors.Join(
				os.WriteFile(filepath.Join(filepath.Dir(s.Dir), "outside"), []byte("www A 192.0.2.1\n"), 0o644),
				os.WriteFile(filepath.Join(s.Dir, "db.net"), []byte("$INCLUDE ../outside\n"), 0o644))
		},
		"a file that is not there": func(*stage) error { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.Write(`"nyc", "ams"`)
			s.start()
			s.expect(first)
			if err := prepare(s); err != nil {
				t.Fatal(err)
			}
			s.More = "[zones.\"example.net\"]\nnameservers = { \"ns.example.org.\" = [] }\nfile = \"db.net\"\n"
			s.Write(`"ams", "nyc"`)
			s.Eventually("the refusal", func() bool { return s.config.Status().Err != nil })
			for range 3 {
				s.config.ReloadIfChanged(t.Context())
			}
			if n := s.config.Status().Failures; n != 1 {
				t.Errorf("refused %d times, want once", n)
			}
			s.More = ""
			s.Write(`"ams", "nyc"`)
			s.eventuallyAnswers(second)
		})
	}
}

// The folders to watch are those of the configuration that came with SIGHUP, too.
func TestHangupBringsAnotherFolder(t *testing.T) {
	s := newStage(t)
	s.begin()
	file := filepath.Join(t.TempDir(), "db.net")
	zone := func(address string) {
		if err := os.WriteFile(file, []byte("www A "+address+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	zone("192.0.2.1")
	s.More = fmt.Sprintf("[zones.\"example.net\"]\nnameservers = { \"ns.example.org.\" = [] }\nfile = %q\n", file)
	s.reload("another zone", func() {
		s.Write(`"nyc", "ams"`)
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	})
	zone("192.0.2.2")
	s.Eventually("the zone's change", func() bool {
		r := dnstest.Lookup(t, s.publisher.Table(), "www.example.net.", dns.TypeA)
		return len(r.Answer) == 1 && strings.HasSuffix(r.Answer[0].String(), "192.0.2.2")
	})
}

// A fault of the program that one configuration shows refuses that one, and ends nothing.
func TestPanicRefusesAReload(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.begin()
	load := s.config.load
	s.config.reloading.Lock()
	s.config.load = func(path string, o config.LoadOptions) (*zones.Set, error) {
		set, err := load(path, o)
		var none *zones.Pool
		return set, fmt.Errorf("%s %w", none.Name, err)
	}
	s.config.reloading.Unlock()
	s.config.Reload(t.Context())
	s.expect(first)
	if err := s.config.Status().Err; err == nil || !strings.Contains(err.Error(), "a fault of this program") || !strings.Contains(err.Error(), "nil pointer") {
		t.Errorf("refused for %v, want a fault of this program", err)
	}
	if !s.Logged("level=ERROR", "please report it", "TestPanicRefusesAReload")() {
		t.Errorf("the log does not say where:\n%s", s.Log)
	}
	s.config.reloading.Lock()
	s.config.load = load
	s.config.reloading.Unlock()
	s.Write(`"ams", "nyc"`)
	s.eventuallyAnswers(second)
}

// A reload that was refused since the program was short of something is made up for when that is
// over, though no file changes any more; and what goes on for long is not said again and again.
func TestReloadAfterAShortage(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.begin()
	load, attempts := s.config.load, 0
	short := make(chan struct{})
	s.config.reloading.Lock()
	s.config.load = func(path string, o config.LoadOptions) (*zones.Set, error) {
		select {
		case <-short:
			return load(path, o)
		default:
		}
		attempts++
		if attempts == 3 {
			close(short)
		}
		o.Read([]string{path}, new(config.Databases).Digest([]string{path})) // which could be read, unlike what came then
		return nil, fmt.Errorf("checks.port: roots file: %w", &os.PathError{Op: "open", Path: "roots.pem", Err: syscall.EMFILE})
	}
	s.config.reloading.Unlock()
	s.Write(`"ams", "nyc"`)
	s.Eventually("the first refusal", func() bool { return s.config.Status().Err != nil })
	for range 3 {
		s.config.ReloadIfChanged(t.Context()) // as the watcher does
	}
	s.expect(second)
	if n := s.config.Status().Failures; n != 3 {
		t.Errorf("refused %d times, want 3", n)
	}
	if n := len(s.Lines("the one before it goes on serving")); n != 1 {
		t.Errorf("said %d times, want once", n)
	}
}

func TestManyProblemsAreCountedInTheLog(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.begin()
	var text strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&text, "[checks.c%d]\ntype = \"none\"\n", i)
	}
	s.More = text.String()
	s.Write(`"nyc", "ams"`)
	s.Eventually("the count", s.Logged("problem=\"and 1,900 more\""))
	if n := len(s.Lines("the configuration was not reloaded")); n > 110 {
		t.Errorf("%d lines, want some 100", n)
	}
}
