//go:build integration

package probing

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"text/template"
	"time"

	"gslb/integration/parts"
)

// kind is a check of one type before a real server, and a fault of that server.
type kind struct {
	name string
	keys string // of the check, besides its type and schedule
	// fault breaks what is checked, and mend repairs it. The check is up before and after; meanwhile its
	// last probe ends as want says, with words in its detail, and the target is down, unless nothing could
	// be judged.
	fault, mend func(context.Context) error
	begin       func(context.Context) error // nil: there is nothing to do
	want        string
	words       string
}

const kindSchedule = "interval = \"500ms\"\nfast_interval = \"200ms\"\ntimeout = \"400ms\"\nfall = 2\nrise = 1\n"

// haproxyKinds serves two apps with two servers each, which are all itself.
var haproxyKinds = template.Must(template.New("haproxy.cfg").Parse(`
global
    stats socket ipv4@{{.Runtime}} level admin

defaults
    mode http
    timeout connect 1s
    timeout client  5s
    timeout server  5s

frontend statistics
    bind {{.Stats}}
    stats enable
    stats uri /stats

frontend app
    bind {{.App}}
    http-request return status 200 content-type text/plain string ok

backend seen
    server s1 {{.App}} check inter 200ms
    server s2 {{.App}} check inter 200ms

backend asked
    server s1 {{.App}} check inter 200ms
    server s2 {{.App}} check inter 200ms
`))

// TestKinds has a check of each kind judge a real server of its kind: unbound, HAProxy's statistics page and
// its Runtime API, Prometheus, a health service of grpc-go, a program, and curl that pushes. Each server is
// broken and mended in its own way, and the check follows; where only the witness is lost, nothing moves.
func TestKinds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	lab, dir := parts.ForTest(t), t.TempDir()
	free := func() netip.AddrPort {
		t.Helper()
		port, err := lab.FreePort(netip.MustParseAddr("127.0.0.1"))
		must(t, err)
		return port
	}
	listen, admin := free(), free()

	resolver, err := lab.StartUnbound(ctx, parts.UnboundConfig{Name: "resolver", Listen: free(), Options: []string{
		`local-zone: "example.test." static`, `local-data: "www.example.test. A 192.0.2.1"`,
	}})
	must(t, err)
	stats, runtime := free(), free()
	config := render(t, "haproxy.cfg", haproxyKinds, map[string]any{"Stats": stats, "Runtime": runtime, "App": free()})
	_, err = lab.StartProgram(ctx, parts.Program{
		Name: "haproxy", Path: "haproxy", Args: []string{"-db", "-f", config},
		Ready: func(ctx context.Context) error { return accepts(ctx, stats) },
	})
	must(t, err)
	prometheus, err := lab.StartPrometheus(ctx, parts.PrometheusConfig{Name: "prometheus", Listen: free(), Target: admin})
	must(t, err)
	service := startGRPC(t, ctx, lab, free())
	program, outcome := filepath.Join(dir, "check"), filepath.Join(dir, "outcome")
	must(t, os.WriteFile(program, []byte("#!/bin/sh\nread -r status text <"+outcome+"\necho \"$text\"\nexit \"$status\"\n"), 0o755))
	must(t, os.WriteFile(outcome, []byte("0 all is well\n"), 0o644))
	const token = "gslb_a-job-says-that-it-lives"

	write := func(text string) func(context.Context) error {
		return func(context.Context) error {
			if err := os.WriteFile(outcome+".new", []byte(text+"\n"), 0o644); err != nil {
				return err
			}
			return os.Rename(outcome+".new", outcome)
		}
	}
	command := func(text string) func(context.Context) error {
		return func(ctx context.Context) error { return toHAProxy(ctx, runtime, text) }
	}
	push := func(body string) func(context.Context) error {
		return func(ctx context.Context) error {
			out, err := parts.Output(ctx, "curl", "--silent", "--show-error", "--fail-with-body", "-X", "POST",
				"-H", "Authorization: Bearer "+token, "-H", "Content-Type: application/json", "--data", body,
				"http://"+admin.String()+"/api/v1/push/push/job")
			if err != nil {
				return fmt.Errorf("%w: %s", err, out)
			}
			return nil
		}
	}
	signal := func(p *parts.Part, s syscall.Signal) func(context.Context) error {
		return func(context.Context) error { p.Signal(s); return nil }
	}
	killed := func(p *parts.Part) func(context.Context) error {
		return func(context.Context) error { p.Kill(); return nil }
	}
	kinds := []kind{
		{
			name: "dns", want: "fail", words: "refused",
			keys:  fmt.Sprintf("server = \"%v\"\nname = \"www.example.test\"\nexpect = { answer = '^192\\.0\\.2\\.1$' }", resolver.Listen),
			fault: killed(resolver.Part), mend: resolver.Start,
		},
		{
			name: "haproxy", want: "fail", words: "1 of 2",
			keys:  fmt.Sprintf("url = \"http://%v/stats\"\nbackend = \"seen\"\nmin_servers = 2", stats),
			fault: command("set server seen/s1 state maint"), mend: command("set server seen/s1 state ready"),
		},
		{
			name: "haproxy", want: "fail", words: "1 of 2",
			keys:  fmt.Sprintf("address = \"%v\"\nbackend = \"asked\"\nmin_servers = 2", runtime),
			fault: command("set server asked/s2 state drain"), mend: command("set server asked/s2 state ready"),
		},
		{
			name: "prometheus", want: "indeterminate", words: "refused",
			keys:  fmt.Sprintf("url = \"http://%v\"\nquery = 'up{job=\"gslb\"}'\nmin = 1", prometheus.Listen),
			fault: killed(prometheus.Part), mend: prometheus.Start,
		},
		{
			name: "grpc", want: "fail", words: "NOT_SERVING",
			keys:  fmt.Sprintf("address = \"%v\"\nservice = \"shop.Orders\"", service.at),
			fault: signal(service.Part, syscall.SIGUSR1), mend: signal(service.Part, syscall.SIGUSR2),
		},
		{
			name: "exec", want: "fail", words: "behind by 40 s",
			keys:  fmt.Sprintf("command = [%q]", program),
			fault: write("1 behind by 40 s"), mend: write("0 all is well"),
		},
		{
			name: "push", want: "fail", words: "no disk",
			keys:  fmt.Sprintf("subject = \"job\"\ntoken_sha256 = \"%x\"\ninterval = \"1h\"", sha256.Sum256([]byte(token))),
			fault: push(`{"status": "fail", "reason": "no disk"}`), mend: push(`{"status": "pass"}`), begin: push(`{"status": "pass"}`),
		},
	}
	zones, ids := kindsConfig(t, listen, admin, kinds)
	server, err := lab.StartGSLB(ctx, parts.GSLBConfig{Name: "gslb", Zones: zones, Listen: listen, Admin: admin})
	must(t, err)
	t.Cleanup(func() { server.CheckLog(t) })

	t.Run("all", func(t *testing.T) {
		for i, k := range kinds {
			t.Run(ids[i], func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if k.begin != nil {
					must(t, k.begin(ctx))
				}
				awaitTarget(t, ctx, server, ids[i], "up", "pass", "")
				must(t, k.fault(ctx))
				status := "down"
				if k.want == "indeterminate" {
					status = "up"
				}
				awaitTarget(t, ctx, server, ids[i], status, k.want, k.words)
				must(t, k.mend(ctx))
				awaitTarget(t, ctx, server, ids[i], "up", "pass", "")
			})
		}
	})
}

// kindsConfig writes a configuration with a pool and a name for each check, and returns the checks' names.
func kindsConfig(t *testing.T, listen, admin netip.AddrPort, kinds []kind) (path string, ids []string) {
	t.Helper()
	var text strings.Builder
	fmt.Fprintf(&text, "[server]\nlisten = [\"%v\"]\nallow_exec = true\nstartup_wait = \"1s\"\n[admin]\nlisten = \"%v\"\n", listen, admin)
	for i, k := range kinds {
		id := fmt.Sprintf("%s%d", k.name, i)
		schedule := kindSchedule
		if k.name == "push" { // nothing is probed, and its name is in the path that is called
			id, schedule = "push", ""
		}
		ids = append(ids, id)
		fmt.Fprintf(&text, "[checks.%s]\ntype = %q\n%s\n%s[pools.%s]\nmembers = [\"127.0.0.1\"]\nchecks = [%q]\n", id, k.name, k.keys, schedule, id, id)
		fmt.Fprintf(&text, "[zones.\"%s.example\"]\nnameservers = { ns1 = [\"192.0.2.1\"] }\nnames.n = { pools = [%q] }\n", id, id)
	}
	path = filepath.Join(t.TempDir(), "zones.toml")
	must(t, os.WriteFile(path, []byte(text.String()), 0o644))
	return path, ids
}

// awaitTarget waits until the one target of a check has a status, and its last probe has ended in a way.
func awaitTarget(t *testing.T, ctx context.Context, g *parts.GSLB, check, status, verdict, words string) {
	t.Helper()
	must(t, parts.Until(ctx, fmt.Sprintf("%s is %s", check, status), func(ctx context.Context) error {
		var list struct {
			Targets []struct {
				Check, Status string
				Last          struct{ Verdict, Reason, Detail string }
			}
		}
		if err := g.JSON(ctx, "/api/v1/targets?limit=1000", &list); err != nil {
			return err
		}
		for _, target := range list.Targets {
			last := target.Last
			switch {
			case target.Check != check:
				continue
			case target.Status != status || last.Verdict != verdict || !strings.Contains(last.Reason+": "+last.Detail, words):
				return fmt.Errorf("it is %s, its last probe a %s: %s: %s", target.Status, last.Verdict, last.Reason, last.Detail)
			}
			return nil
		}
		return errors.New("there is no such target")
	}))
}

func accepts(ctx context.Context, at netip.AddrPort) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", at.String())
	if err != nil {
		return err
	}
	return conn.Close()
}

// toHAProxy sends a command to a Runtime API. What it answers is empty, or says what is wrong.
func toHAProxy(ctx context.Context, at netip.AddrPort, command string) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", at.String())
	if err != nil {
		return err
	}
	defer conn.Close()
	if deadline, limited := ctx.Deadline(); limited {
		_ = conn.SetDeadline(deadline)
	}
	if _, err := fmt.Fprintln(conn, command); err != nil {
		return err
	}
	reply := make([]byte, 1000)
	n, _ := conn.Read(reply)
	if said := strings.TrimSpace(string(reply[:n])); said != "" {
		return fmt.Errorf("HAProxy: %s: %s", command, said)
	}
	return nil
}

// grpcService is a server of grpc-go that runs.
type grpcService struct {
	*parts.Part
	at netip.AddrPort
}

// startGRPC builds and starts it. It is a module of its own.
func startGRPC(t *testing.T, ctx context.Context, lab *parts.Lab, at netip.AddrPort) grpcService {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "grpchealth")
	build := exec.CommandContext(ctx, "go", "build", "-ldflags=-s -w", "-o", binary, ".")
	build.Dir = "grpchealth"
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build grpchealth: %v: %s", err, out)
	}
	part, err := lab.StartProgram(ctx, parts.Program{
		Name: "grpc", Path: binary, Args: []string{"-listen", at.String(), "-service", "shop.Orders"},
		Ready: func(ctx context.Context) error { return accepts(ctx, at) },
	})
	must(t, err)
	return grpcService{part, at}
}
