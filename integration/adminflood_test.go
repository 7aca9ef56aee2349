//go:build integration

package integration

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"gslb/integration/parts"
)

// TestAPIFlood asks for changes without a token, with wrong ones, and as other web sites would, 1,000 times
// a second from many addresses. None succeeds, queries are answered as before, and who has a token or
// may open the socket is not kept out.
func TestAPIFlood(t *testing.T) {
	ctx := begin(t)
	lab := parts.ForTest(t)
	s := setup{Zone: appZone, StateDir: t.TempDir()}.complete(t, lab)
	s.Dir = t.TempDir()
	const token = "gslb_thetokenofthistest"
	parts.Replace(t, filepath.Join(s.Dir, "tokens"), fmt.Sprintf("test %x\n", sha256.Sum256([]byte(token))))
	path := filepath.Join(s.Dir, "zones.toml")
	parts.Replace(t, path, strings.Replace(s.text(t), "[admin]\n", "[admin]\ntokens_file = \"tokens\"\n", 1))
	g, err := lab.StartGSLB(ctx, parts.GSLBConfig{Name: "gslb", Zones: path, Listen: s.Listen, Admin: s.Admin, Env: s.Env})
	must(t, err)

	const measured = 3 * time.Second
	quiet := measureQueries(t, ctx, g, measured)
	flooding, stop := context.WithCancel(ctx)
	defer stop()
	flood := floodAPI(flooding, g)
	flooded := measureQueries(t, ctx, g, measured)

	// Those who may change something, all the while.
	socket := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(s.StateDir, "gslb.sock"))
		}}}
	remote := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	const drain = `{"kind": "drain", "pool": "nyc", "reason": "a test of floods"}`
	for name, way := range map[string]struct {
		client *http.Client
		url    string
		header http.Header
	}{
		"the socket": {socket, "http://gslb", http.Header{}},
		"a token":    {remote, "http://" + g.Admin.String(), http.Header{"Authorization": {"Bearer " + token}}},
	} {
		for _, change := range []struct{ method, path, body, answer string }{
			{"POST", "/api/v1/overrides", drain, "ams"},
			{"DELETE", "/api/v1/overrides?all=true", `{"reason": "the test is over"}`, "nyc"},
		} {
			r, err := http.NewRequestWithContext(ctx, change.method, way.url+change.path, strings.NewReader(change.body))
			must(t, err)
			r.Header = way.header.Clone()
			r.Header.Set("Content-Type", "application/json")
			response, err := way.client.Do(r)
			if err != nil {
				t.Errorf("over %s: %v", name, err)
				continue
			}
			body, _ := io.ReadAll(response.Body)
			response.Body.Close()
			if response.StatusCode >= 300 {
				t.Errorf("over %s: %s %s: %s: %s", name, change.method, change.path, response.Status, body)
			}
			checkDig(t, ctx, s.Listen, app, change.answer)
		}
	}
	stop()
	sent := <-flood
	t.Logf("without a flood: %s; with it: %s; requests by status: %v", quiet, flooded, sent)
	total := 0
	for status, n := range sent {
		if total += n; status != http.StatusUnauthorized && status != http.StatusTooManyRequests && status != http.StatusForbidden {
			t.Errorf("%d requests of the flood got status %d", n, status)
		}
	}
	if seconds := measured.Seconds(); float64(total) < 100*seconds {
		t.Errorf("only %d requests were made in more than %.0f s", total, seconds)
	}
	if flooded.lost > 0 || quiet.lost > 0 {
		t.Errorf("%d queries were lost, %d without the flood", flooded.lost, quiet.lost)
	}
	// A machine that does other things too stands still for longer than that by itself.
	if most := 10*quiet.typical + 25*time.Millisecond; flooded.typical > most {
		t.Errorf("a query typically took %s, and %s before", flooded.typical, quiet.typical)
	}
}

// querying is how queries fared.
type querying struct {
	asked, lost    int
	typical, worst time.Duration
}

func (q querying) String() string {
	return fmt.Sprintf("%d of %d queries lost, typically %s, at worst %s", q.lost, q.asked, q.typical, q.worst)
}

// measureQueries asks for the app 200 times a second, and waits ten seconds for each reply, since the machine may be busy.
func measureQueries(t *testing.T, ctx context.Context, g *parts.GSLB, long time.Duration) querying {
	t.Helper()
	client := dns.Client{Timeout: 10 * time.Second}
	conn, err := client.DialContext(ctx, g.Listen.String())
	must(t, err)
	defer conn.Close()
	var took []time.Duration
	var q querying
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(long); time.Now().Before(end); <-tick.C {
		reply, rtt, err := client.ExchangeWithConnContext(ctx, new(dns.Msg).SetQuestion(app, dns.TypeA), conn)
		q.asked++
		if err != nil || len(reply.Answer) == 0 {
			q.lost++
			continue
		}
		took = append(took, rtt)
	}
	if len(took) > 0 {
		slices.Sort(took)
		q.typical, q.worst = took[len(took)/2], took[len(took)-1]
	}
	return q
}

// floodAPI asks for changes that must not be made, until ctx ends, and then tells how often each status
// was the answer.
func floodAPI(ctx context.Context, g *parts.GSLB) <-chan map[int]int {
	const clients, perSecond = 20, 1000
	requests := []struct {
		method, path string
		header       http.Header
	}{
		{"POST", "/api/v1/overrides", nil},
		{"DELETE", "/api/v1/overrides?all=true", nil},
		{"POST", "/api/v1/names/" + app + "/switch", http.Header{"Authorization": {"Bearer gslb_guessed"}}},
		{"POST", "/api/v1/names/" + app + "/failback", http.Header{"Authorization": {"Basic cm9vdDpyb290"}}},
		{"POST", "/api/v1/apply", http.Header{"Origin": {"https://evil.example"}}},
		{"POST", "/api/v1/overrides", http.Header{"Sec-Fetch-Site": {"cross-site"}}},
	}
	sent := make(map[int]int)
	var mu sync.Mutex
	var group sync.WaitGroup
	for i := range clients {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 2, 0, byte(1+i))}, Control: reuse}
		client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DialContext: dialer.DialContext}}
		group.Go(func() {
			defer client.CloseIdleConnections()
			tick := time.NewTicker(time.Second * clients / perSecond)
			defer tick.Stop()
			for n := i; ctx.Err() == nil; n++ {
				request := requests[n%len(requests)]
				r, err := http.NewRequest(request.method, g.URL(request.path), strings.NewReader(`{"kind": "drain", "pool": "ams", "reason": "a stranger's", "force": true}`))
				if err != nil {
					panic(err) // they are all above
				}
				if request.header != nil {
					r.Header = request.header.Clone()
				}
				r.Header.Set("Content-Type", "application/json")
				if response, err := client.Do(r); err == nil {
					_, _ = io.Copy(io.Discard, response.Body)
					response.Body.Close()
					mu.Lock()
					sent[response.StatusCode]++
					mu.Unlock()
				}
				<-tick.C
			}
		})
	}
	done := make(chan map[int]int, 1)
	go func() {
		group.Wait()
		done <- sent
	}()
	return done
}

// reuse lets connections begin at an address from which others have ended.
func reuse(_, _ string, conn syscall.RawConn) error {
	var failed error
	err := conn.Control(func(fd uintptr) {
		failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	})
	if err != nil {
		return err
	}
	return failed
}
