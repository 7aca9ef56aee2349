//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"gslb/integration/parts"
)

// upgradable is a server that outlives the process that it began with.
type upgradable struct {
	*parts.GSLB
	setup         setup
	program, path string // of the server's program, and of zones.toml
}

// serveUpgradable starts a copy of the program, whose file a test may replace.
func (s setup) serveUpgradable(t *testing.T, ctx context.Context) *upgradable {
	t.Helper()
	lab := parts.ForTest(t)
	s.StateDir = t.TempDir()
	u := &upgradable{setup: s.complete(t, lab), program: copyOfProgram(t)}
	u.path = u.setup.write(t)
	begun, env := u.program, u.setup.Env
	if s.launcher != "" {
		begun, env = s.launcher, append(slices.Clone(env), confinedVar+"="+u.program)
	}
	var err error
	u.GSLB, err = lab.StartGSLB(ctx, parts.GSLBConfig{
		Name: "gslb", Binary: begun, Zones: u.path, Env: env, Listen: u.setup.Listen, Admin: u.setup.Admin, Replaced: true,
	})
	must(t, err)
	return u
}

// command runs a command of the program that is installed.
func (u *upgradable) command(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, u.program, args...)
	cmd.Env = append(os.Environ(), "GSLB_SOCKET="+filepath.Join(u.setup.StateDir, "gslb.sock"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (u *upgradable) upgrade(ctx context.Context) (string, error) {
	return u.command(ctx, "upgrade", u.path)
}

// TestUpgrade replaces the server again and again under as much load as it takes, over UDP, over connections
// that stay and over connections of one query each. Every query has its reply, no connection ends, and what a
// person has said is said once.
func TestUpgrade(t *testing.T) {
	const wanted = 200_000 // queries at least
	ctx := begin(t)
	u := setup{Zone: appZone}.serveUpgradable(t, ctx)
	lab := parts.ForTest(t)
	// Without an IPv4 address that is not of the loopback network, dnsperf takes none.
	if out, err := exec.CommandContext(ctx, "ip", "address", "add", "192.0.2.200/32", "dev", "lo").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("ip", "address", "del", "192.0.2.200/32", "dev", "lo").Run() })
	queries := filepath.Join(t.TempDir(), "queries")
	must(t, os.WriteFile(queries, []byte(app+" A\n"+app+" AAAA\n"), 0o644))
	out, err := u.command(ctx, "drain", "ams", "--for", "1h", "--reason", "upgrades", "--yes")
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}

	var short atomic.Int64 // queries over connections of their own
	load, unload := context.WithCancel(ctx)
	var clients sync.WaitGroup
	clients.Go(func() {
		for load.Err() == nil && askOnce(t, u) {
			short.Add(1)
		}
	})
	patient := watch(t, u.setup.Listen, app)
	var sent, upgrades int64
	for round := 0; sent+short.Load() < wanted && !t.Failed(); round++ {
		loads := make(chan func() (*parts.DNSPerfReport, error), 2)
		for _, overTCP := range []bool{false, true} {
			done := make(chan struct{})
			var report *parts.DNSPerfReport
			var err error
			config := parts.DNSPerfConfig{
				Name: fmt.Sprintf("dnsperf-%d-%t", round, overTCP), Server: u.setup.Listen, Queries: queries,
				Time: 3 * time.Second, Clients: 8, TCP: overTCP,
			}
			go func() {
				defer close(done)
				report, err = lab.DNSPerf(ctx, config)
			}()
			loads <- func() (*parts.DNSPerfReport, error) { <-done; return report, err }
		}
		for until := time.Now().Add(2500 * time.Millisecond); time.Now().Before(until); {
			if out, err := u.upgrade(ctx); err != nil {
				t.Fatalf("upgrade: %v: %s", err, out)
			}
			upgrades++
		}
		for _, overTCP := range []bool{false, true} {
			report, err := (<-loads)()
			must(t, err)
			sent += report.Sent
			if report.Lost > 0 || report.Completed != report.Sent || report.Rcodes["NOERROR"] != report.Completed || report.Reconnected > 0 {
				t.Errorf("over TCP %t: %+v", overTCP, *report)
			}
		}
	}
	unload()
	clients.Wait()
	for _, s := range patient.end() {
		if s.err != nil || s.region != "nyc" {
			t.Errorf("a client got region %q, %v", s.region, s.err)
		}
	}
	t.Logf("%d queries and %d connections of one query during %d upgrades", sent, short.Load(), upgrades)
	if upgrades < 3 {
		t.Errorf("only %d upgrades", upgrades)
	}

	out, err = u.command(ctx, "overrides")
	if err != nil || strings.Count(out, "upgrades") != 1 {
		t.Errorf("overrides: %v:\n%s", err, out)
	}
	events, err := os.ReadFile(filepath.Join(u.setup.StateDir, "events.log"))
	must(t, err)
	if n := strings.Count(string(events), `"kind":"override"`); n != 1 {
		t.Errorf("%d events of overrides, want 1:\n%s", n, events)
	}
}

// askOnce asks over a connection of its own.
func askOnce(t *testing.T, u *upgradable) bool {
	conn, err := net.Dial("tcp", u.setup.Listen.String())
	if err == nil {
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(loadWait))
		c := &dns.Conn{Conn: conn}
		if err = c.WriteMsg(new(dns.Msg).SetQuestion(app, dns.TypeA)); err == nil {
			_, err = c.ReadMsg()
		}
	}
	if err != nil {
		t.Errorf("a connection of one query: %v", err)
	}
	return err == nil
}

// TestUpgradeRefused has the next process fail in every way: the one that serves goes on, says why, keeps
// what people say, and can be upgraded when that is mended.
func TestUpgradeRefused(t *testing.T) {
	ctx := begin(t)
	u := setup{Zone: appZone}.serveUpgradable(t, ctx)
	good, err := os.ReadFile(u.path)
	must(t, err)
	program, err := os.ReadFile(u.program)
	must(t, err)
	install := func(content []byte) {
		must(t, os.WriteFile(u.program+".new", content, 0o755))
		must(t, os.Rename(u.program+".new", u.program))
	}
	for _, test := range []struct {
		name  string
		spoil func()
		want  string
	}{
		{"the configuration has an error", func() { parts.Replace(t, u.path, string(good)+"\nunknown = 1\n") }, "unknown"},
		{"a new address is taken", func() {
			taken, err := net.Listen("tcp", "127.0.0.77:0")
			must(t, err)
			t.Cleanup(func() { taken.Close() })
			parts.Replace(t, u.path, strings.Replace(string(good), "listen = [", `listen = ["`+taken.Addr().String()+`", `, 1))
		}, "another program listens there"},
		{"the program is another", func() { install([]byte("#!/bin/sh\nexit 3\n")) }, "does not begin"},
		{"the program crashes when it has everything", func() {
			install([]byte("#!/bin/sh\n(sleep 0.4; kill -9 $$) >/dev/null 2>&1 & exec " + u.program + ".real \"$@\"\n"))
			must(t, os.WriteFile(u.program+".real", program, 0o755))
			// So that it has to wait for a verdict when it is killed.
			must(t, world.nyc.Inflict(ctx, parts.LoadBalancerHung))
		}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			clients := watch(t, u.setup.Listen, app)
			original := u.program
			test.spoil()
			cmd := exec.CommandContext(ctx, filepath.Join(rootOf(t), "bin", "gslb"), "upgrade", u.path)
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(string(out), test.want) {
				t.Errorf("upgrade: %v, want status 1 and %q:\n%s", err, test.want, out)
			}
			parts.Replace(t, u.path, string(good))
			u.program = original
			install(program)
			must(t, world.nyc.Heal(ctx))
			if out, err := u.command(ctx, "drain", "ams", "--for", "1h", "--reason", test.name, "--yes"); err != nil {
				t.Errorf("a change after the upgrade that failed: %v: %s", err, out)
			}
			if out, err := u.command(ctx, "undrain", "ams"); err != nil {
				t.Errorf("%v: %s", err, out)
			}
			if out, err := u.upgrade(ctx); err != nil {
				t.Errorf("an upgrade after it: %v: %s", err, out)
			}
			for _, s := range clients.end() {
				if s.err != nil {
					t.Errorf("a client: %v", s.err)
				}
			}
		})
	}
}

func rootOf(t *testing.T) string {
	root, err := parts.Root()
	must(t, err)
	return root
}
