//go:build integration

package replicating

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// orders is an app with an instance in each region, which writes into the table there as long as it may: in one
// region at a time, so that no two write the same item. Its clients go where the name's answer says.
type orders struct {
	world *world

	mu      sync.RWMutex // held for reading as long as a write takes: who ends writing waits for those under way
	allowed string       // the pool in whose region writing is allowed; empty: in none

	noted     sync.Mutex
	made      []order
	calls     []string // of hooks, in order
	failures  []error
	accepted  time.Time     // when writing was to begin in the new region
	lost      []order       // those that were missing there then
	accepting time.Duration // how long it took to look for them
}

// order is a write that was acknowledged.
type order struct {
	number int
	pool   string
	at     time.Time
}

func (o order) id() string { return fmt.Sprintf("order/%d", o.number) }

// write writes an order in a region, if that is allowed there.
func (a *orders) write(ctx context.Context, number int, pool string) error {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if a.allowed != pool {
		return errors.New("writing has ended")
	}
	o := order{number: number, pool: pool}
	err := a.world.site(pool).DynamoDB.PutItem(ctx, a.world.Table, map[string]string{"id": o.id(), "by": pool})
	if err != nil {
		return err // it may be there or not
	}
	o.at = time.Now()
	a.noted.Lock()
	defer a.noted.Unlock()
	a.made = append(a.made, o)
	return nil
}

// allow has writing be allowed in one region alone; empty: in none.
func (a *orders) allow(pool string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.allowed = pool
}

// missing is what was acknowledged in other regions and cannot be read in one.
func (a *orders) missing(ctx context.Context, in string) (missing []order, err error) {
	for _, o := range a.written() {
		if o.pool == in {
			continue
		}
		item, err := a.world.site(in).DynamoDB.Item(ctx, a.world.Table, map[string]string{"id": o.id()})
		if err != nil {
			return nil, err
		}
		if item == nil {
			missing = append(missing, o)
		}
	}
	return missing, nil
}

func (a *orders) written() []order {
	a.noted.Lock()
	defer a.noted.Unlock()
	return append([]order(nil), a.made...)
}

// hookCall is what a hook is told, of which both kinds say the same.
type hookCall struct {
	Hook, Name, From, To string
	FromRegions          []string `json:"from_regions"`
	ToRegion             string   `json:"to_region"`
	Replication, Table   string
}

// hook does what a hook is for. It may be called twice, since the server may crash meanwhile.
func (a *orders) hook(ctx context.Context, call hookCall) error {
	a.noted.Lock()
	a.calls = append(a.calls, call.Hook)
	a.noted.Unlock()
	want := hookCall{call.Hook, app + ".", "nyc", "ams", []string{"us-east-1"}, "eu-west-1", "orders", a.world.Table}
	if got, wanted := fmt.Sprint(call), fmt.Sprint(want); got != wanted {
		return fmt.Errorf("called with %s, want %s", got, wanted)
	}
	switch call.Hook {
	case "stop_writes":
		a.allow("")
	case "accept_writes":
		accepted := time.Now()
		lost, err := a.missing(ctx, call.To)
		if err != nil {
			return err
		}
		a.noted.Lock()
		a.accepted, a.lost, a.accepting = accepted, lost, time.Since(accepted)
		a.noted.Unlock()
		a.allow(call.To)
	case "resume_writes":
		a.allow(call.From)
	}
	return nil
}

// run is hook, whose errors fail the test in the end.
func (a *orders) run(ctx context.Context, call hookCall) error {
	err := a.hook(ctx, call)
	if err != nil {
		a.noted.Lock()
		defer a.noted.Unlock()
		a.failures = append(a.failures, fmt.Errorf("hook %s: %w", call.Hook, err))
	}
	return err
}

// webhooks serves hooks over HTTP, and returns the lines of the configuration.
func (a *orders) webhooks(t *testing.T) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var call hookCall
		err := json.NewDecoder(r.Body).Decode(&call)
		if err == nil {
			err = a.run(r.Context(), call)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}))
	t.Cleanup(server.Close)
	return hookLines(fmt.Sprintf("{ webhook = %q }", server.URL))
}

// programs makes a program that hands hooks over by named pipes, and returns the lines of the configuration.
func (a *orders) programs(t *testing.T) string {
	dir := t.TempDir()
	program, calls, replies := filepath.Join(dir, "hook"), filepath.Join(dir, "calls"), filepath.Join(dir, "replies")
	const script = `#!/bin/sh
echo "$GSLB_HOOK|$GSLB_NAME|$GSLB_FROM|$GSLB_TO|$GSLB_FROM_REGIONS|$GSLB_TO_REGION|$GSLB_REPLICATION|$GSLB_TABLE" > "${0%/*}/calls"
read -r reply < "${0%/*}/replies"
echo "$reply" >&2
[ "$reply" = done ]
`
	must(t, os.WriteFile(program, []byte(script), 0o755))
	var pipes []*os.File
	for _, path := range []string{calls, replies} {
		must(t, syscall.Mkfifo(path, 0o600))
		pipe, err := os.OpenFile(path, os.O_RDWR, 0) // so that it waits for nobody, and has no end
		must(t, err)
		pipes = append(pipes, pipe)
	}
	var task sync.WaitGroup
	task.Go(func() {
		lines := bufio.NewScanner(pipes[0])
		for lines.Scan() {
			reply := "done"
			if f := strings.Split(lines.Text(), "|"); len(f) != 8 {
				reply = fmt.Sprintf("%q is no call", lines.Text())
			} else if err := a.run(t.Context(), hookCall{f[0], f[1], f[2], f[3], strings.Fields(f[4]), f[5], f[6], f[7]}); err != nil {
				reply = err.Error()
			}
			fmt.Fprintln(pipes[1], reply)
		}
	})
	t.Cleanup(func() {
		for _, pipe := range pipes {
			_ = pipe.Close()
		}
		task.Wait()
	})
	return hookLines(fmt.Sprintf("{ exec = [%q] }", program))
}

func hookLines(hook string) (lines string) {
	for _, name := range []string{"stop_writes", "accept_writes", "resume_writes"} {
		lines += name + " = " + hook + "\n"
	}
	return lines
}

// writeEvery is how often each client writes.
const writeEvery = 100 * time.Millisecond

// serve has clients write until the test is over, each through a resolver of its own that keeps answers for
// their TTL.
func (a *orders) serve(t *testing.T, ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	const clients = 2
	var tasks sync.WaitGroup
	for client := range clients {
		tasks.Go(func() {
			var pool string
			var until time.Time
			for number := client; ctx.Err() == nil; number += clients {
				if !time.Now().Before(until) {
					if answered, ttl, err := a.world.ask(ctx); err == nil { // it may be restarted
						pool, until = answered, time.Now().Add(ttl)
					}
				}
				if pool != "" {
					_ = a.write(ctx, number, pool) // what is not acknowledged does not count: a busy machine may be late
				}
				select {
				case <-time.After(writeEvery):
				case <-ctx.Done():
				}
			}
		})
	}
	t.Cleanup(func() {
		cancel()
		tasks.Wait()
		a.noted.Lock()
		defer a.noted.Unlock()
		for _, err := range a.failures {
			t.Error(err)
		}
	})
}
