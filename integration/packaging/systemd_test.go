//go:build integration && systemd

package packaging

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// TestSystemd takes the package through its life under a systemd: what the unit promises, and that its sandbox lets
// the server do all that the documentation says.
func TestSystemd(t *testing.T) {
	file := built(t, "*_"+runtime.GOARCH+".deb")
	if file == "" {
		t.Fatal("this test needs -packages: make check-systemd")
	}
	m := newBooted(t)
	first := m.copyIn(file)
	second := "/tmp/next.deb"
	m.do("dpkg-deb -R " + first + ` /tmp/x && sed -i "s/^Version: .*/&+next/" /tmp/x/DEBIAN/control && dpkg-deb -Znone -b /tmp/x ` + second + " && rm -r /tmp/x")
	before := m.do(everything)
	app := newApp(t)

	m.do("dpkg --install " + first)
	m.configure(configuration1)
	m.step(t, "active when it answers", func(t *testing.T, m *machine) {
		app.hold.Store(true)
		m.do("systemctl enable gslb && systemctl start --no-block gslb")
		m.eventually(`test "$(systemctl show -P MainPID gslb)" != 0`)
		app.awaitAsked(t)
		if got, _ := m.try("systemctl is-active gslb"); got != "activating\n" {
			t.Errorf("the service is %q before its targets are judged", got)
		}
		app.hold.Store(false)
		m.eventually("systemctl is-active gslb")
		m.answers("")
		m.do("gslb status && gslb healthcheck")
	})
	m.step(t, "journal", func(t *testing.T, m *machine) {
		app.down.Store(true)
		m.eventually(`journalctl -u gslb -o cat | grep kind=all-down`)
		app.down.Store(false)
		m.eventually(`gslb status | grep -q " 2 up"`)
		journalIsRight(t, m)
	})
	m.step(t, "sandbox", func(t *testing.T, m *machine) {
		// Whatever a program of a check usually does, and files of members that another service writes.
		m.do(`mkdir -p /usr/local/bin /etc/systemd/system/gslb-discover.service.d
cat >/usr/local/bin/ask-app <<"END"
#!/bin/bash
set -e
file=$(mktemp) && echo hello >"$file" && rm "$file"
curl -fsS "http://$1:8080/" | cat >/dev/null
END
chmod 755 /usr/local/bin/ask-app
printf '[Service]\nEnvironment=DIGITALOCEAN_TOKEN=t "POOLS=found=web"\nExecStart=\nExecStart=/usr/bin/gslb discover digitalocean $POOLS --dir /var/lib/gslb-discover --watch --api http://127.0.0.10:8080/\n' >/etc/systemd/system/gslb-discover.service.d/api.conf
systemctl daemon-reload && systemctl start gslb-discover`)
		m.eventually("test -s /var/lib/gslb-discover/found.members")
		m.configure(configuration2)
		m.do("systemctl restart gslb")
		m.eventually(`gslb status | grep -q " 4 up"`)
		m.eventually(`test -s /var/lib/gslb/queries.tap || { dig +short @127.0.0.1 app.gslb.example.com; false; }`)
		m.do("test $(systemd-analyze security gslb --no-pager | sed -n 's/.*Overall exposure level for gslb.service: \\([0-9]*\\)\\.\\([0-9]\\).*/\\1\\2/p') -le 20")
		m.do(`systemctl stop gslb-discover; test -z "$(journalctl -u gslb-discover -p warning -o cat)"`)
	})
	m.step(t, "listed system calls alone", func(t *testing.T, m *machine) {
		m.configure(configuration1)
		text, err := os.ReadFile(filepath.Join(root(t), "docs", "operations.md"))
		if err != nil {
			t.Fatal(err)
		}
		calls := regexp.MustCompile(`(?s)(# /etc/systemd/system/gslb.service.d/calls.conf\n.*?)` + "```").FindSubmatch(text)
		if calls == nil {
			t.Fatal("docs/operations.md has no calls.conf")
		}
		write(t, m.files+"/etc/systemd/system/gslb.service.d/calls.conf", calls[1], 0o644)
		m.do("systemctl daemon-reload && systemctl restart gslb && gslb upgrade /etc/gslb/zones.toml && systemctl reload gslb")
		m.answers("")
		m.do("rm -r /etc/systemd/system/gslb.service.d && systemctl daemon-reload && systemctl restart gslb")
	})
	m.step(t, "reload", func(t *testing.T, m *machine) {
		m.configure(strings.ReplaceAll(configuration1, "names.app ", "names.www "))
		m.do("systemctl reload gslb")
		m.eventually(`test "$(dig +short @127.0.0.1 www.gslb.example.com)" = 127.0.0.11`)
		m.configure("listen = [\n")
		if out, err := m.try("systemctl reload gslb"); err == nil {
			t.Errorf("a configuration that is not valid is reloaded: %s", out)
		}
		m.do(`systemctl is-active gslb; test "$(dig +short @127.0.0.1 www.gslb.example.com)" = 127.0.0.11`)
		m.configure(configuration1)
		m.do("systemctl reload gslb")
		m.eventually(`test "$(dig +short @127.0.0.1 app.gslb.example.com)" = 127.0.0.11`)
	})
	m.step(t, "upgrade", func(t *testing.T, m *machine) {
		pid := m.do("systemctl show -P MainPID gslb")
		done := load(t)
		m.do("dpkg --install " + second)
		lostNone(t, done)
		next := m.do("systemctl show -P MainPID gslb")
		if next == pid {
			t.Error("the service has the main process that it had before the upgrade")
		}
		m.do("systemctl is-active gslb; test $(systemctl show -P NRestarts gslb) = 0; systemctl status gslb | grep -q 'Main PID: " + strings.TrimSpace(next) + "'")
		// systemd sees the end of a process that it has not started.
		m.do("systemctl kill --kill-whom=main -s KILL gslb")
		m.eventually("systemctl is-active gslb && test $(systemctl show -P NRestarts gslb) = 1")
		m.answers("")
	})
	m.step(t, "watchdog", func(t *testing.T, m *machine) {
		write(t, m.files+"/etc/systemd/system/gslb.service.d/watchdog.conf", []byte("[Service]\nWatchdogSec=4s\n"), 0o644)
		m.do("systemctl daemon-reload && systemctl restart gslb && gslb upgrade /etc/gslb/zones.toml")
		pid := m.do("systemctl show -P MainPID gslb")
		m.do("systemctl kill --kill-whom=main -s STOP gslb")
		stopped := time.Now()
		m.eventually("test $(systemctl show -P NRestarts gslb) -ge 1 && systemctl is-active gslb")
		m.answers("")
		t.Logf("answers again %v after it stopped", time.Since(stopped).Round(time.Millisecond))
		m.do("journalctl -u gslb -o cat | grep -q 'Watchdog timeout'; test $(systemctl show -P MainPID gslb) != " + pid)
		m.do("rm -r /etc/systemd/system/gslb.service.d && systemctl daemon-reload && systemctl restart gslb")
	})
	m.step(t, "sockets of systemd", func(t *testing.T, m *machine) {
		m.do("systemctl stop gslb && systemctl enable gslb.socket && systemctl start gslb.socket gslb")
		m.answers("")
		for _, what := range []string{"systemctl restart gslb", "systemctl kill --kill-whom=main -s KILL gslb", "gslb upgrade /etc/gslb/zones.toml", "systemctl restart gslb"} {
			done := load(t)
			restarts := m.do("systemctl show -P NRestarts gslb")
			m.do(what)
			if strings.Contains(what, "KILL") {
				m.eventually("test $(systemctl show -P NRestarts gslb) != " + restarts)
			}
			m.eventually("systemctl is-active gslb")
			lostNone(t, done)
			t.Logf("%s: done", what)
		}
		m.do("systemctl disable --now gslb.socket gslb; systemctl enable --now gslb")
		m.answers("")
	})
	m.step(t, "stop", func(t *testing.T, m *machine) {
		began := time.Now()
		m.do("systemctl stop gslb; test $(systemctl show -P Result gslb) = success")
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("a stop took %v", took)
		}
		m.do("systemctl start gslb")
	})
	m.step(t, "purge", func(t *testing.T, m *machine) {
		m.do("rm -r /etc/systemd/system/gslb-discover.service.d; systemctl daemon-reload; systemctl enable --now gslb-discover; dpkg --purge gslb")
		if after := m.do(everything); after != before {
			t.Errorf("left after purging:\n%s\nbefore the installation:\n%s", after, before)
		}
		m.do(`test -z "$(systemctl list-units --all --plain --no-legend 'gslb*' | grep -v not-found)"; ! getent passwd gslb`)
	})
}

// everything lists what could be left of the package.
const everything = `find / -xdev \( -path /work -o -path /root -o -path /home -o -path /tmp -o -path /var/tmp -o -path /var/log \) -prune -o -name '*gslb*' -print | sort`

const configuration1 = `[server]
listen = ["0.0.0.0:53", "[::]:53"]
state_dir = "/var/lib/gslb"

[admin]
listen = "127.0.0.1:8053"

[checks.web]
type = "http"
url = "http://{address}:8080/"
interval = "3s"
timeout = "2900ms"
fast_interval = "3s"
fall = 2
rise = 1

[pools.nyc]
members = ["127.0.0.11"]
checks = ["web"]

[pools.ams]
members = ["127.0.0.12"]
checks = ["web"]

[zones."gslb.example.com"]
nameservers = { ns1 = ["192.0.2.53"] }
names.app = { pools = ["nyc", "ams"] }
`

var configuration2 = strings.NewReplacer(
	`state_dir =`, "allow_exec = true\ndnstap.file = \"/var/lib/gslb/queries.tap\"\nstate_dir =",
	`"ams"]`, `"ams", "program", "found"]`,
).Replace(configuration1) + `
[checks.program]
type = "exec"
command = ["/usr/local/bin/ask-app", "{address}"]
interval = "1s"
timeout = "900ms"

[pools.program]
members = ["127.0.0.13"]
checks = ["program"]

[pools.found]
members_file = "/var/lib/gslb-discover/found.members"
checks = ["web"]
`

func (m *machine) configure(text string) {
	m.t.Helper()
	write(m.t, m.files+"/etc/gslb/zones.toml", []byte(text), 0o644)
}

// journalIsRight checks that each line of the log has its priority, and no time beside the journal's.
func journalIsRight(t *testing.T, m *machine) {
	t.Helper()
	priorities := map[string]string{"DEBUG": "7", "INFO": "6", "WARN": "4", "ERROR": "3"}
	seen := make(map[string]int)
	for line := range strings.Lines(m.do("journalctl -u gslb -o json _COMM=gslb")) {
		var entry struct{ MESSAGE, PRIORITY string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		level := regexp.MustCompile(`^level=([A-Z]+) msg=`).FindStringSubmatch(entry.MESSAGE)
		if level == nil || priorities[level[1]] != entry.PRIORITY {
			t.Errorf("priority %s: %s", entry.PRIORITY, entry.MESSAGE)
			continue
		}
		seen[level[1]]++
	}
	if seen["INFO"] == 0 || seen["WARN"] == 0 || seen["ERROR"] == 0 {
		t.Errorf("not all levels were seen: %v", seen)
	}
}

// app stands for the load balancers and for DigitalOcean.
type app struct {
	down, hold atomic.Bool
	asked      chan struct{}
}

func newApp(t *testing.T) *app {
	a := &app{asked: make(chan struct{}, 1)}
	listener, err := net.Listen("tcp", "0.0.0.0:8080")
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		select {
		case a.asked <- struct{}{}:
		default:
		}
		for a.hold.Load() && r.Context().Err() == nil {
			time.Sleep(10 * time.Millisecond)
		}
		if a.down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("/v2/load_balancers", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"load_balancers":[{"id":"1","name":"lb","ip":"127.0.0.14","tag":"web","status":"active","region":{"slug":"nyc3"}}],"links":{},"meta":{"total":1}}`)
	})
	server := &http.Server{Handler: mux}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return a
}

func (a *app) awaitAsked(t *testing.T) {
	t.Helper()
	select {
	case <-a.asked:
	case <-time.After(30 * time.Second):
		t.Fatal("no probe came")
	}
}

// load asks all the time, over UDP and over new TCP connections, until the function that it returns is called and 50
// replies have come. This says how many replies there were, and what went wrong. A client waits for five seconds, as
// resolvers do.
func load(t *testing.T) (done func() (replies int, lost []string)) {
	t.Helper()
	var mu sync.Mutex
	var wait sync.WaitGroup
	var replies int
	var lost []string
	stop := make(chan struct{})
	client := func(network string, pause time.Duration) {
		c := &dns.Client{Net: network, Timeout: 5 * time.Second}
		for {
			asked := time.Now()
			reply, _, err := c.Exchange(new(dns.Msg).SetQuestion("app.gslb.example.com.", dns.TypeA), "127.0.0.1:53")
			mu.Lock()
			if err != nil || reply.Rcode != dns.RcodeSuccess || len(reply.Answer) != 1 {
				lost = append(lost, fmt.Sprintf("%s, asked at %s: %v %v", network, asked.Format("05.000"), err, reply))
			} else {
				replies++
			}
			mu.Unlock()
			select {
			case <-stop:
				return
			case <-time.After(pause):
			}
		}
	}
	for range 4 {
		wait.Go(func() { client("udp", time.Millisecond) })
	}
	wait.Go(func() { client("tcp", 2*time.Millisecond) })
	return func() (int, []string) {
		for end, enough := time.Now().Add(time.Minute), false; !enough && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			mu.Lock()
			enough = replies >= 50
			mu.Unlock()
		}
		close(stop)
		wait.Wait()
		return replies, lost
	}
}

func lostNone(t *testing.T, done func() (int, []string)) {
	t.Helper()
	replies, lost := done()
	if len(lost) > 0 || replies < 50 {
		t.Errorf("%d replies came, and lost are %d: %q", replies, len(lost), lost[:min(5, len(lost))])
	}
}
