package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/miekg/dns"

	"gslb/integration/parts"
)

// resolverKind is a program that resolves names for clients, as it comes: with its defaults, except that
// it finds the root in this drill and validates nothing, since nothing is signed.
type resolverKind struct {
	name    string
	program string
	config  string // its template
	args    []string
	env     []string
	version []string // the command that says it
	// leastTTL is for how long it keeps an answer at least, by default.
	leastTTL time.Duration
	// advice is what to set where it is the slowest.
	advice string
	// forwards says that it has no way from the root by itself, and asks the first of the others.
	forwards bool
	// stub says that it listens at 127.0.0.53 alone.
	stub bool
}

// resolverKinds are all resolvers, those that forward last.
func resolverKinds() []resolverKind {
	return []resolverKind{
		{
			name: "unbound", program: "unbound", config: "unbound.conf", args: []string{"-d", "-p", "-c", "{config}"},
			version: []string{"unbound", "-V"},
			advice:  "unbound: leave cache-min-ttl at 0 and serve-expired off.",
		},
		{
			name: "bind", program: "named", config: "named.conf", args: []string{"-g", "-c", "{config}", "-n", "1"},
			version: []string{"named", "-v"},
			advice:  "BIND: leave min-cache-ttl at 0 and stale-answer-enable off.",
		},
		{
			name: "knot", program: "kresd", config: "kresd.conf", args: []string{"-n", "-c", "{config}", "{dir}"},
			version:  []string{"kresd", "--version"},
			leastTTL: 5 * time.Second,
			advice:   "Knot Resolver keeps answers for 5 s at least: cache.min_ttl(1).",
		},
		{
			name: "powerdns", program: "pdns_recursor", config: "recursor.conf", args: []string{"--config-dir={dir}", "--daemon=no", "--write-pid=no"},
			version:  []string{"sh", "-c", "pdns_recursor --version 2>&1 | sed 's/.*PowerDNS Rec/PowerDNS Rec/'"}, // it begins with the time
			leastTTL: time.Second,
			advice:   "PowerDNS Recursor: leave minimum-ttl-override at 1 and serve-stale-extensions at 0.",
		},
		{
			name: "dnsmasq", program: "dnsmasq", config: "dnsmasq.conf", args: []string{"-C", "{config}"},
			version: []string{"dnsmasq", "--version"},
			advice:  "dnsmasq: leave min-cache-ttl at 0 and use-stale-cache out.", forwards: true,
		},
		{
			name: "resolved", program: "systemd-resolved", config: "resolved.conf",
			version: []string{"systemctl", "--version"},
			advice:  "systemd-resolved: leave StaleRetentionSec at 0.", forwards: true, stub: true,
		},
	}
}

//go:embed templates
var templates embed.FS

// resolver is one that runs.
type resolver struct {
	resolverKind
	*parts.Part
	listen  netip.Addr
	version string
	resolv  string // the resolv.conf of its clients
}

// resolverConfig is what the templates are given.
type resolverConfig struct {
	Dir, Hints             string
	Listen, Root, Upstream netip.Addr
}

// startResolver starts a resolver, and returns once it resolves the name.
func (s *stack) startResolver(ctx context.Context, kind resolverKind, listen, upstream netip.Addr) (*resolver, error) {
	dir := filepath.Join(s.dir, kind.name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	r := &resolver{resolverKind: kind, listen: listen, version: versionOf(ctx, kind.version), resolv: filepath.Join(dir, "resolv.conf")}
	if kind.stub {
		r.listen = netip.MustParseAddr("127.0.0.53")
	}
	config := filepath.Join(dir, kind.config)
	values := resolverConfig{Dir: dir, Hints: s.hints, Listen: r.listen, Root: rootAddr, Upstream: upstream}
	if err := parts.Render(config, templates, kind.config, values); err != nil {
		return nil, err
	}
	// A second is what a client's request may take at most; the libraries' default is five.
	if err := os.WriteFile(r.resolv, []byte(fmt.Sprintf("nameserver %v\noptions timeout:1 attempts:2\n", r.listen)), 0o644); err != nil {
		return nil, err
	}
	program := parts.Program{
		Name: kind.name, Path: kind.program, Env: kind.env, Dir: dir,
		Ready: func(ctx context.Context) error {
			_, err := r.resolve(ctx, s.name)
			return err
		},
	}
	for _, arg := range kind.args {
		program.Args = append(program.Args, strings.NewReplacer("{dir}", dir, "{config}", config).Replace(arg))
	}
	if kind.stub {
		path, err := s.resolvedPath()
		if err != nil {
			return nil, err
		}
		// It reads its settings and keeps its state where only one of a machine may. Its user may be missing.
		program.Path, program.Args = "unshare", []string{"--mount", "sh", "-c", `set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/resolve
chown 65534:65534 /run/systemd/resolve
mkdir -p /run/etc
cp "$1" /run/etc/resolved.conf
[ -e /etc/systemd/resolved.conf ] && mount --bind /run/etc/resolved.conf /etc/systemd/resolved.conf || {
	mkdir -p /run/systemd/resolved.conf.d
	cp "$1" /run/systemd/resolved.conf.d/drill.conf
}
exec setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=+setpcap,+net_bind_service,+net_raw --ambient-caps=+setpcap,+net_bind_service,+net_raw "$2"`,
			"sh", config, path}
	}
	var err error
	r.Part, err = s.lab.StartProgram(ctx, program)
	return r, err
}

// resolvedPath is where setup.sh drill has unpacked systemd-resolved, or where it is installed.
func (s *stack) resolvedPath() (string, error) {
	for _, dir := range []string{"/lib/systemd", "/usr/lib/systemd", filepath.Join(s.root, ".cache/resolved/lib/systemd"), filepath.Join(s.root, ".cache/resolved/usr/lib/systemd")} {
		path := filepath.Join(dir, "systemd-resolved")
		if _, err := os.Stat(path); err == nil {
			return path, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return "", errors.New("systemd-resolved is neither installed nor unpacked; run integration/setup.sh drill")
}

// numbered is a word with the number of a version.
var numbered = regexp.MustCompile(`\d+\.\d`)

// versionOf is what a program says of itself, up to the number of its version.
func versionOf(ctx context.Context, command []string) string {
	text, _ := parts.Output(ctx, command[0], command[1:]...)
	words := strings.Fields(text)
	for i, word := range words {
		if numbered.MatchString(word) {
			return strings.Join(words[:i+1], " ")
		}
	}
	return ""
}

// resolveWait is how long a resolver may take to answer.
const resolveWait = 2 * time.Second

// resolve asks the resolver for the addresses of a name.
func (r *resolver) resolve(ctx context.Context, name string) ([]netip.Addr, error) {
	query := new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypeA)
	client := &dns.Client{Timeout: resolveWait}
	reply, _, err := client.ExchangeContext(ctx, query, netip.AddrPortFrom(r.listen, 53).String())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.name, err)
	}
	addrs := parts.Addresses(reply.Answer)
	if len(addrs) == 0 {
		return nil, fmt.Errorf("%s: %s: no address (%s)", r.name, name, dns.RcodeToString[reply.Rcode])
	}
	return addrs, nil
}
