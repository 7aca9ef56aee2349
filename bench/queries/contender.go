package queries

import (
	"context"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"gslb/integration/parts"
)

// contender is a server that can be measured, with one worker.
type contender struct {
	name    string
	peer    bool     // one of the fastest there are, which gslb is held to
	floor   bool     // not a name server: the cost of the kernel and the load alone
	version []string // the command that prints it
	start   func(context.Context, setup) (*parts.Part, error)
}

// setup is what a contender is started with.
type setup struct {
	content
	schedule
	binaries
	lab    *parts.Lab
	dir    string         // of gslb's and gdnsd's files
	master string         // path of the zone's master file, in dir
	listen netip.AddrPort // UDP and TCP
	admin  netip.AddrPort // gslb's
	checks netip.AddrPort // has the port at which the addresses of pools answer

	queryLog string // of gslb, as its configuration has it; empty: none
}

// binaries are the paths of the contenders that no package installs.
type binaries struct{ gslb, old, coreDNS, echo string }

// ours is the contender that all others are compared with, older another version of it.
const (
	ours  = "gslb"
	older = "gslb-old"
)

// contenders are all that can be measured, gslb first.
func contenders(b binaries) []contender {
	all := []contender{{name: ours, version: []string{b.gslb, "version"}, start: gslbFrom(ours, b.gslb)}}
	if b.old != "" {
		all = append(all, contender{name: older, version: []string{b.old, "version"}, start: gslbFrom(older, b.old)})
	}
	return append(all, []contender{
		{name: "gdnsd", peer: true, version: []string{"gdnsd", "version"}, start: startGdnsd},
		{name: "Knot", peer: true, version: []string{"knotd", "-V"}, start: startKnot},
		{name: "NSD", peer: true, version: []string{"nsd", "-v"}, start: startNSD},
		{name: "PowerDNS", version: []string{"pdns_server", "--version"}, start: startPowerDNS},
		{name: "CoreDNS", version: []string{b.coreDNS, "-version"}, start: startCoreDNS},
		{name: "echo", floor: true, start: startEcho},
	}...)
}

// choose returns the contenders of these names, in their own order; none named: all.
func choose(all []contender, names []string) ([]contender, error) {
	if len(names) == 0 {
		return all, nil
	}
	var chosen []contender
	var known []string
	for _, c := range all {
		known = append(known, c.name)
		if containsFold(names, c.name) {
			chosen = append(chosen, c)
		}
	}
	for _, name := range names {
		if !containsFold(known, name) {
			return nil, fmt.Errorf("-contenders: %q is not one of %s", name, strings.Join(known, ", "))
		}
	}
	return chosen, nil
}

func containsFold(names []string, name string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
}

// versions says which versions take part.
func versions(ctx context.Context, all []contender) (string, error) {
	var texts []string
	for _, c := range all {
		if c.floor {
			continue
		}
		out, err := parts.Output(ctx, c.version[0], c.version[1:]...)
		version := versionText(out)
		if version == "" { // otherwise it is there, even if the program exits with 1 after it
			return "", fmt.Errorf("version of %s: %q: %w", c.name, out, err)
		}
		texts = append(texts, c.name+" "+version)
	}
	return strings.Join(texts, ", "), nil
}

var versionPattern = regexp.MustCompile(`(?i)(?:version|server|coredns|gslb)[ -](\S+)`)

// versionText finds the version in what a program prints of itself.
func versionText(output string) string {
	match := versionPattern.FindStringSubmatch(output)
	if match == nil {
		return ""
	}
	return match[1]
}
