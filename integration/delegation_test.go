//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"gslb/integration/parts"
)

// TestDelegation has a resolver find the server from its parent zone, where the records
// stand that gslb delegation prints: at port 53, which the server binds as an ordinary user
// whose program file has the one capability for it.
func TestDelegation(t *testing.T) {
	ctx := begin(t)
	const cacheable = 3 * time.Second // the TTL
	dir := publicDir(t)
	s := setup{
		Zone:   strings.Replace(appZone, fmt.Sprintf(`"%ds"`, ttl), fmt.Sprintf("%q", cacheable), 1),
		Listen: netip.MustParseAddrPort("127.0.0.53:53"), Dir: dir, Binary: unprivileged(t, ctx, dir),
	}.serve(t, ctx)
	checkUnprivileged(t)

	lab := parts.ForTest(t)
	parent, err := lab.StartNSD(ctx, parts.NSDConfig{
		Name: "parent", Listen: netip.MustParseAddrPort("127.0.0.50:5350"), Zone: "example.com.",
		Records: delegation(t, ctx, s.path),
	})
	must(t, err)
	resolver, err := lab.StartUnbound(ctx, parts.UnboundConfig{
		Name: "resolver", Listen: netip.MustParseAddrPort("127.0.0.54:53"),
		Stubs: map[string][]netip.AddrPort{"example.com.": {parent.Listen}},
	})
	must(t, err)

	checkDig(t, ctx, resolver.Listen, app, "nyc")
	checkCached(t, ctx, resolver, s)

	clients := watch(t, resolver.Listen, app)
	clients.await(t, ctx, "nyc", time.Time{})
	must(t, world.nyc.Inflict(ctx, parts.LoadBalancerKilled))
	killed := time.Now()
	turned := clients.await(t, ctx, "ams", killed)
	if took := turned.at.Sub(killed); took > interval+fall*fastInterval+cacheable+slack {
		t.Errorf("clients of the resolver were turned after %v, which is too late", took)
	}
	must(t, world.nyc.Heal(ctx))
	back := clients.await(t, ctx, "nyc", turned.at)
	// Its two families are cached apart, so they need not turn at once.
	for _, seen := range clients.end() {
		if seen.err != nil {
			t.Fatalf("a client of the resolver saw: %v", seen.err)
		}
	}
	// Once what was cached of ams has expired, all that comes is nyc. The resolver counts in whole
	// seconds.
	expired := back.at.Add(cacheable + time.Second)
	clients = watch(t, resolver.Listen, app)
	clients.await(t, ctx, "nyc", expired)
	checkTurns(t, clients.since(expired), "nyc")
}

// checkCached checks that the resolver answers from its cache, with a TTL that counts down,
// and does not ask the server meanwhile.
func checkCached(t *testing.T, ctx context.Context, resolver *parts.Unbound, s *server) {
	t.Helper()
	const queries = `gslb_dns_requests_total{family="1",proto="udp",server="127.0.0.53:53",type="A",zone="gslb.example.com."}`
	lookUp := func(ctx context.Context) uint32 {
		reply, err := parts.Dig(ctx, resolver.Listen, app, "A")
		must(t, err)
		if len(reply.Answer) != 1 {
			t.Fatalf("the resolver answers:\n%s", reply.Text)
		}
		return reply.Answer[0].Header().Ttl
	}
	// The cache may expire while this looks: then it looks again.
	must(t, parts.Until(ctx, "the resolver's TTL counts down without a query", func(ctx context.Context) error {
		first, asked := lookUp(ctx), s.metric(t, ctx, queries)
		if asked == 0 {
			return errors.New("no query of the resolver was counted")
		}
		for next := first; next <= first; next = lookUp(ctx) {
			if next < first {
				if more := s.metric(t, ctx, queries) - asked; more != 0 {
					return fmt.Errorf("%v queries came while the TTL went from %d to %d", more, first, next)
				}
				return nil
			}
		}
		return fmt.Errorf("the TTL rose from %d", first)
	}))
}

// delegation is what gslb delegation prints.
func delegation(t *testing.T, ctx context.Context, zones string) string {
	t.Helper()
	records, err := exec.CommandContext(ctx, parts.Binary(t), "delegation", zones).Output()
	must(t, err)
	return string(records)
}

// publicDir makes a folder that every user may enter, unlike t.TempDir's.
func publicDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "gslb-public-")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o755))
	return dir
}

// nobody is the user without any right.
const nobody = 65534

// unprivileged makes a program that runs gslb as nobody. Only a copy of gslb has the
// capability to bind port 53, and only through its file.
func unprivileged(t *testing.T, ctx context.Context, dir string) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("becoming another user takes root: run the tests as root")
	}
	program, err := os.ReadFile(parts.Binary(t))
	must(t, err)
	capable := filepath.Join(dir, "gslb")
	must(t, os.WriteFile(capable, program, 0o755))
	// Where it is does not lie in everybody's PATH.
	set := exec.CommandContext(ctx, "/usr/sbin/setcap", "cap_net_bind_service=+ep", capable)
	if out, err := set.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v: %s", set, err, out)
	}
	script := fmt.Sprintf("#!/bin/sh\nexec setpriv --reuid=%d --regid=%d --clear-groups --inh-caps=-all -- %s \"$@\"\n",
		nobody, nobody, capable)
	wrapper := filepath.Join(dir, "as-nobody")
	must(t, os.WriteFile(wrapper, []byte(script), 0o755))
	return wrapper
}

// checkUnprivileged finds the server's process in /proc and checks that it is nobody's, in
// every respect, and has no other capability (10 is CAP_NET_BIND_SERVICE).
func checkUnprivileged(t *testing.T) {
	t.Helper()
	found := 0
	folders, err := filepath.Glob("/proc/[0-9]*")
	must(t, err)
	mine, err := os.Readlink("/proc/self/ns/net")
	must(t, err)
	for _, folder := range folders {
		name, _ := os.ReadFile(folder + "/comm")
		if network, _ := os.Readlink(folder + "/ns/net"); string(name) != "gslb\n" || network != mine {
			continue
		}
		found++
		text, err := os.ReadFile(folder + "/status")
		must(t, err)
		ids := strings.Repeat("\t"+strconv.Itoa(nobody), 4)
		for _, want := range []string{"\nUid:" + ids + "\n", "\nGid:" + ids + "\n", fmt.Sprintf("\nCapEff:\t%016x\n", 1<<10)} {
			if !strings.Contains(string(text), want) {
				t.Errorf("the server's process has no %q:\n%s", want, text)
			}
		}
	}
	if found != 1 {
		t.Errorf("%d processes are gslb, want 1", found)
	}
}
