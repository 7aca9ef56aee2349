//go:build integration

package replicating

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"gslb/integration/parts"
)

// ask is askFor the name of the app.
func (w *world) ask(ctx context.Context) (pool string, ttl time.Duration, err error) {
	return w.askFor(ctx, app)
}

// askFor returns the pool that a name is answered with, and for how long a resolver would keep that.
func (w *world) askFor(ctx context.Context, name string) (pool string, ttl time.Duration, err error) {
	reply, err := parts.Ask(ctx, w.Listen, name, dns.TypeA)
	if err != nil {
		return "", 0, err
	}
	addrs := parts.Addresses(reply.Answer)
	for _, s := range w.Sites {
		if len(addrs) == 1 && addrs[0] == s.Balancer.At.Addr() {
			return s.Pool, time.Duration(reply.Answer[0].Header().Ttl) * time.Second, nil
		}
	}
	return "", 0, fmt.Errorf("answer %v", reply)
}

// clients ask for the name again and again.
type clients struct {
	mu    sync.Mutex
	turns []turn
}

// turn is a change of what is answered.
type turn struct {
	pool string // or what was wrong
	at   time.Time
}

// watch has clients ask until the test is over. That the server is silent counts for nothing: it is restarted.
func (w *world) watch(t *testing.T) *clients {
	t.Helper()
	c := new(clients)
	ctx, cancel := context.WithCancel(context.Background())
	var task sync.WaitGroup
	task.Go(func() {
		for ctx.Err() == nil {
			pool, _, err := w.ask(ctx)
			switch {
			case err == nil:
				c.see(pool)
			case strings.HasPrefix(err.Error(), "answer "):
				c.see(err.Error())
			}
			select {
			case <-time.After(50 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	})
	t.Cleanup(func() {
		cancel()
		task.Wait()
	})
	return c
}

func (c *clients) see(pool string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.turns); n == 0 || c.turns[n-1].pool != pool {
		c.turns = append(c.turns, turn{pool, time.Now()})
	}
}

// path is the pools that were answered, in order.
func (c *clients) path() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var pools []string
	for _, t := range c.turns {
		pools = append(pools, t.pool)
	}
	return strings.Join(pools, " ")
}

// check compares the pools that were answered, in order.
func (c *clients) check(t *testing.T, want string) {
	t.Helper()
	if got := c.path(); got != want {
		t.Errorf("clients were sent to %q, want %q", got, want)
	}
}

// await waits until the pools that were answered, in order, are these, and returns when the last turn was.
func (c *clients) await(t *testing.T, ctx context.Context, want string) time.Time {
	t.Helper()
	must(t, parts.Until(ctx, "clients have been sent to "+want, func(context.Context) error {
		if got := c.path(); got != want {
			return fmt.Errorf("they were sent to %q", got)
		}
		return nil
	}))
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.turns[len(c.turns)-1].at
}

// stay looks that nothing changes for a while.
func (c *clients) stay(t *testing.T, want, why string) {
	t.Helper()
	for end := time.Now().Add(whileFor); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if got := c.path(); got != want {
			t.Fatalf("clients were sent to %q, want %q: %s", got, want, why)
		}
	}
}
