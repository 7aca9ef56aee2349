package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gslb/daemon/daemontest"
	"gslb/discover"
	"gslb/zones/config"
)

// runDiscover runs gslb discover digitalocean, and returns what it says and its exit status.
func runDiscover(t *testing.T, args ...string) (text string, status int) {
	t.Helper()
	var out bytes.Buffer
	root := newCommand()
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(append([]string{"discover", "digitalocean"}, args...))
	if err := root.ExecuteContext(t.Context()); err != nil {
		fmt.Fprintln(&out, err)
		return out.String(), exitStatus(true, err)
	}
	return out.String(), 0
}

// What an account has becomes the members of a configuration that names the files, and stays them when the
// account seems to have nothing.
func TestDiscover(t *testing.T) {
	reply := `{"load_balancers": [
		{"name": "lb-1", "ip": "203.0.113.10", "region": {"slug": "nyc3"}, "tag": "web"},
		{"name": "lb-2", "ip": "198.51.100.10", "ipv6": "2001:db8::10", "region": {"slug": "ams3"}, "tags": ["web"]}
	], "links": {}, "meta": {"total": 2}}`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer dop_v1_secret" {
			w.WriteHeader(401)
		}
		fmt.Fprint(w, reply)
	}))
	defer server.Close()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	zones := write("zones.toml", `server = { listen = ["127.0.0.1:5300"] }
pools.nyc = { members_file = "nyc.members" }
pools.ams = { members_file = "ams.members", min_up = 2 }
[zones."gslb.example.com"]
nameservers = { ns1 = ["192.0.2.53"] }
names.app = { pools = ["nyc", "ams"] }
`)
	members := func() string {
		t.Helper()
		set, err := config.Load(zones, config.LoadOptions{Now: time.Now()})
		must(t, err)
		var list []string
		for _, p := range set.Pools {
			for _, m := range p.Members {
				list = append(list, p.Name+" "+m.Address.String())
			}
		}
		return strings.Join(list, ", ")
	}
	for _, name := range digitalOceanTokens {
		t.Setenv(name, "")
	}
	usual := []string{"nyc=web@nyc3", "ams=web@ams3", "--dir", dir, "--api", server.URL, "--token-file", write("do.token", "dop_v1_secret\n")}
	expect := func(what string, wantStatus int, want string, args ...string) {
		t.Helper()
		text, status := runDiscover(t, args...)
		if status != wantStatus || !strings.Contains(text, want) || strings.Contains(text, "dop_v1_secret") {
			t.Errorf("%s: status %d and\n%swant %d and %q", what, status, text, wantStatus, want)
		}
	}

	expect("without a token", 2, "there is no token", "nyc=web")
	expect("a pool twice", 2, "given twice", "nyc=web", "nyc=api")
	expect("no pool", 2, "is not of the form", "web")
	expect("too fast", 2, "--every", append(usual, "--watch", "--every", "1s")...)
	expect("a dry run", 0, "would write "+filepath.Join(dir, "nyc.members")+": added 203.0.113.10", append(usual, "--dry-run")...)
	if _, err := os.Stat(filepath.Join(dir, "nyc.members")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a dry run has made the file: %v", err)
	}
	expect("the first time", 0, "wrote "+filepath.Join(dir, "ams.members")+": added 198.51.100.10, 2001:db8::10", usual...)
	const all = "ams 198.51.100.10, ams 2001:db8::10, nyc 203.0.113.10"
	if got := members(); got != all {
		t.Errorf("the members are %s, want %s", got, all)
	}
	expect("the second time", 0, "nyc.members is up to date", usual...)

	reply = `{"load_balancers": [], "links": {}, "meta": {"total": 0}}`
	expect("an empty account", 1, "the file stays as it is", usual...)
	t.Setenv("DIGITALOCEAN_TOKEN", "another")
	expect("a wrong token", 1, "the token is wrong or has ended", "nyc=web", "--dir", dir, "--api", server.URL)
	if got := members(); got != all {
		t.Errorf("the members are %s, want %s", got, all)
	}
	reply = `{"load_balancers": [{"name": "lb-3", "ip": "203.0.113.11", "region": {"slug": "nyc3"}, "tag": "web"}], "links": {}, "meta": {"total": 1}}`
	expect("one pool has gone", 1, "wrote "+filepath.Join(dir, "nyc.members")+": added 203.0.113.11; removed 203.0.113.10", usual...)
	if got, want := members(), "ams 198.51.100.10, ams 2001:db8::10, nyc 203.0.113.11"; got != want {
		t.Errorf("the members are %s, want %s", got, want)
	}
}

// cloud is what an account answers with.
type cloud struct {
	address string
	fault   error
}

// A watch goes on through errors, says each once and an hour later again, and ends with its context.
func TestDiscoverWatch(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var out, errs daemontest.Log
		var asked atomic.Int64
		var says atomic.Pointer[cloud]
		says.Store(&cloud{address: "203.0.113.10"})
		d := discovery{
			wanted: []discover.Wanted{{Pool: "nyc", Tag: "web"}}, dir: dir, every: time.Minute, watching: true, out: &out, errors: &errs,
			list: func(context.Context) ([]discover.Balancer, error) {
				asked.Add(1)
				c := says.Load()
				return []discover.Balancer{{Name: "lb", Tags: []string{"web"}, Addresses: []netip.Addr{netip.MustParseAddr(c.address)}}}, c.fault
			},
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			d.watch(ctx)
		}()
		pass := func(t time.Duration) {
			time.Sleep(t)
			synctest.Wait()
		}
		pass(10*time.Minute + time.Second)
		if asked.Load() != 11 || strings.Count(out.String(), "\n") != 1 || errs.String() != "" {
			t.Errorf("asked %d times, and said %q and %q", asked.Load(), out.String(), errs.String())
		}
		says.Store(&cloud{"203.0.113.10", errors.New("the cloud is away")})
		pass(90 * time.Minute)
		if got := strings.Count(errs.String(), "the cloud is away"); got != 2 {
			t.Errorf("said %d times in 90 minutes that the cloud is away, want 2", got)
		}
		says.Store(&cloud{address: "203.0.113.11"})
		pass(time.Minute)
		if got := out.String(); !strings.Contains(got, "removed 203.0.113.10") || !strings.HasSuffix(got, "up to date again\n") {
			t.Errorf("said %q after the cloud came back", got)
		}
		cancel()
		<-ended
	})
}
