//go:build integration

package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"gslb/integration/parts"
)

// writer is an app that writes orders through one region until hooks say otherwise.
type writer struct {
	from, to *parts.DynamoDBLocal

	mu      sync.Mutex // held during each write, so that none is under way when a hook returns
	allowed bool
	written []string
	lost    []string // what had not arrived when writing was to begin in the new region
	hooks   []string
	stopped time.Time
	pause   time.Duration
}

const orders = "Orders"

// write writes until ctx ends.
func (w *writer) write(ctx context.Context, t *testing.T) {
	for n := 0; ctx.Err() == nil; n++ {
		w.mu.Lock()
		if id := fmt.Sprint("order-", n); w.allowed {
			if err := w.from.PutItem(ctx, orders, map[string]string{"id": id}); err == nil {
				w.written = append(w.written, id)
			} else if ctx.Err() == nil {
				t.Error(err)
			}
		}
		w.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// ServeHTTP is the hooks.
func (w *writer) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	hook := strings.TrimPrefix(r.URL.Path, "/")
	w.hooks = append(w.hooks, hook)
	switch hook {
	case "stop":
		w.allowed, w.stopped = false, time.Now()
	case "resume":
		w.allowed = true
	case "accept":
		w.pause = time.Since(w.stopped)
		for _, id := range w.written {
			if item, err := w.to.Item(r.Context(), orders, map[string]string{"id": id}); err != nil || item["id"] != id {
				w.lost = append(w.lost, id)
			}
		}
	}
}

// TestFencedSwitch moves names between regions whose table is copied with delays. Nothing is lost, and writing
// pauses little longer than the copies take. What does not arrive is not moved for.
func TestFencedSwitch(t *testing.T) {
	ctx := beside(t)
	us, eu := world.nyc.DynamoDB, world.ams.DynamoDB
	global, err := parts.StartGlobalTable(ctx, orders, "id", us, eu)
	must(t, err)
	t.Cleanup(func() { must(t, global.Close()) })
	w := &writer{from: us, to: eu, allowed: true}
	hooks := httptest.NewServer(w)
	defer hooks.Close()

	zone := fmt.Sprintf(`
[replication.orders]
table         = %q
key           = { id = "gslb" }
regions       = [%q, %q]
endpoint      = { %[2]s = %[4]q, %[3]s = %[5]q }
interval      = "1s"
timeout       = "900ms"
max_lag       = "6s"
writer        = "ns1"
stop_writes   = { webhook = "%[6]s/stop", timeout = "5s" }
accept_writes = { webhook = "%[6]s/accept", timeout = "20s" }
resume_writes = { webhook = "%[6]s/resume" }

[pools.us]
region      = %[2]q
replication = "orders"
members     = ["127.0.0.11"]

[pools.eu]
region      = %[3]q
replication = "orders"
members     = ["127.0.0.12"]
`, orders, us.Region, eu.Region, us.Endpoint, eu.Endpoint, hooks.URL)
	names := []string{"a", "b", "c"}
	zone += appZone
	for _, name := range names {
		zone += fmt.Sprintf("[zones.\"gslb.example.com\".names.%s]\npools = [\"us\", \"eu\"]\nttl = \"2s\"\nttl_min = \"1s\"\n", name)
	}
	s := setup{Zone: zone, StateDir: t.TempDir()}.serve(t, ctx)
	writing, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { w.write(writing, t) })
	defer running.Wait()
	defer stop()

	type shown struct {
		Phase   string  `json:"phase"`
		Detail  string  `json:"detail"`
		Stopped float64 `json:"writes_stopped_seconds"`
	}
	// move moves a name, and waits until that has ended.
	move := func(name string, flags ...string) (end shown) {
		t.Helper()
		name += ".gslb.example.com"
		out, status := s.command(t, ctx, append([]string{"switch", name, "--to", "eu", "--reason", "test", "--no-wait"}, flags...)...)
		if status != 0 {
			t.Fatalf("gslb switch: status %d:\n%s", status, out)
		}
		must(t, parts.Until(ctx, "the move ends", func(context.Context) error {
			out, _ := s.command(t, ctx, "switch", name, "--status", "--json")
			if err := json.Unmarshal([]byte(out), &end); err != nil {
				return fmt.Errorf("%w: %s", err, out)
			}
			if end.Phase != "watching" && end.Phase != "done" && end.Phase != "aborted" {
				return fmt.Errorf("%+v", end)
			}
			return nil
		}))
		return end
	}
	for i, delay := range []time.Duration{0, time.Second, 3 * time.Second} {
		global.Delay(us.Region, eu.Region, delay)
		time.Sleep(delay) // so that what was written before is overtaken by nothing
		w.mu.Lock()
		w.allowed, w.hooks, w.pause = true, nil, 0
		w.mu.Unlock()
		end := move(names[i], "--wait", "20s")
		w.mu.Lock()
		if end.Phase == "aborted" || len(w.lost) > 0 || len(w.written) == 0 || strings.Join(w.hooks, " ") != "stop accept" {
			t.Errorf("delay %s: %+v; of %d writes were lost: %v; hooks %v", delay, end, len(w.written), w.lost, w.hooks)
		}
		if w.pause < delay || w.pause > delay+2*time.Second+slack {
			t.Errorf("delay %s: nobody could write for %s", delay, w.pause)
		}
		t.Logf("delay %s: %d writes, none lost, a pause of %s", delay, len(w.written), w.pause)
		w.mu.Unlock()
		watch(t, s.Listen, names[i]+".gslb.example.com.").await(t, ctx, "ams", time.Time{})
		if out, status := s.command(t, ctx, "unpin", names[i]+".gslb.example.com"); status != 0 {
			t.Fatalf("gslb unpin: status %d:\n%s", status, out)
		}
	}
	global.Delay(us.Region, eu.Region, 0)

	// What does not arrive aborts the move, and the app goes on.
	w.mu.Lock()
	w.allowed, w.hooks = true, nil
	w.mu.Unlock()
	global.Halt(us.Region, eu.Region)
	if end := move("a", "--wait", "1s"); end.Phase != "aborted" || !strings.Contains(end.Detail, "has not arrived in "+eu.Region+" within 1s") {
		t.Errorf("got %+v", end)
	}
	w.mu.Lock()
	if !w.allowed || strings.Join(w.hooks, " ") != "stop resume" {
		t.Errorf("writing is possible: %t; hooks %v", w.allowed, w.hooks)
	}
	w.mu.Unlock()
	watch(t, s.Listen, "a.gslb.example.com.").await(t, ctx, "nyc", time.Time{})

	// Nobody is moved to data that is behind, unless loss is accepted.
	must(t, parts.Until(ctx, "the copy is behind", func(context.Context) error {
		out, status := s.command(t, ctx, "switch", "a.gslb.example.com", "--to", "eu", "--reason", "test", "--no-wait", "--wait", "1s")
		if status == 1 && strings.Contains(out, "the data of pool \"eu\" is degraded") && strings.Contains(out, "--accept-loss") {
			return nil
		}
		s.command(t, ctx, "switch", "a.gslb.example.com", "--abort", "--no-wait")
		return fmt.Errorf("status %d: %s", status, out)
	}))
	if end := move("a", "--wait", "1s", "--accept-loss"); end.Phase == "aborted" {
		t.Errorf("got %+v", end)
	}
	global.Resume(us.Region, eu.Region)
}
