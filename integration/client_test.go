//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"gslb/integration/parts"
)

// client asks for a name without a pause, for A and AAAA in turn, and keeps what it sees.
// Since the two follow each other, a name whose families were ever answered from two
// regions would show as one that turns to and fro.
type client struct {
	server netip.AddrPort
	name   string
	stop   context.CancelFunc
	done   chan struct{}

	mu   sync.Mutex
	seen []sighting
}

// sighting is one reply, or that there was none.
type sighting struct {
	at     time.Time // when the reply came
	qtype  uint16
	region string // empty: there was no proper reply
	ttl    uint32
	err    error
}

// errSilent is no reply at all: the query or the reply was lost, or nobody listens.
var errSilent = errors.New("no reply")

const (
	clientPause = 5 * time.Millisecond
	clientWait  = 5 * time.Second
)

// watch starts a client, which ends with the test at the latest.
func watch(t *testing.T, server netip.AddrPort, name string) *client {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	c := &client{server: server, name: name, stop: cancel, done: make(chan struct{})}
	go c.run(ctx)
	t.Cleanup(func() { c.end() })
	return c
}

func (c *client) run(ctx context.Context) {
	defer close(c.done)
	ticker := time.NewTicker(clientPause)
	defer ticker.Stop()
	for i := 0; ; i++ {
		s := c.look([]uint16{dns.TypeA, dns.TypeAAAA}[i%2])
		c.mu.Lock()
		c.seen = append(c.seen, s)
		c.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// look asks once. It has its own time limit, and is not cut short by the client's end.
func (c *client) look(qtype uint16) sighting {
	query := new(dns.Msg).SetQuestion(c.name, qtype)
	reply, _, err := (&dns.Client{Timeout: clientWait}).Exchange(query, c.server.String())
	s := sighting{at: time.Now(), qtype: qtype}
	if err != nil {
		s.err = fmt.Errorf("%w: %w", errSilent, err)
		return s
	}
	s.region, s.ttl, s.err = regionIn(reply, qtype)
	return s
}

// regionIn returns the region whose address of the asked family is the whole answer.
func regionIn(reply *dns.Msg, qtype uint16) (region string, ttl uint32, err error) {
	if reply.Rcode != dns.RcodeSuccess || len(reply.Answer) != 1 {
		return "", 0, fmt.Errorf("%s with %d records", dns.RcodeToString[reply.Rcode], len(reply.Answer))
	}
	addrs := parts.Addresses(reply.Answer)
	family := 0
	if qtype == dns.TypeAAAA {
		family = 1
	}
	for region, of := range addressesOf {
		if slices.Equal(addrs, of[family:family+1]) {
			return region, reply.Answer[0].Header().Ttl, nil
		}
	}
	return "", 0, fmt.Errorf("no region's address: %v", reply.Answer[0])
}

// end stops the client and returns all that it has seen.
func (c *client) end() []sighting {
	c.stop()
	<-c.done
	return c.seen
}

// since returns what was seen from a moment on, up to now.
func (c *client) since(from time.Time) []sighting {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := slices.IndexFunc(c.seen, func(s sighting) bool { return !s.at.Before(from) })
	if first < 0 {
		return nil
	}
	return slices.Clone(c.seen[first:])
}

// await waits until a region is seen after a moment, and returns the first such sighting.
func (c *client) await(t *testing.T, ctx context.Context, region string, after time.Time) sighting {
	t.Helper()
	var found sighting
	must(t, parts.Until(ctx, "a client sees "+region, func(context.Context) error {
		seen := c.since(after)
		i := slices.IndexFunc(seen, func(s sighting) bool { return s.region == region })
		if i < 0 {
			return fmt.Errorf("it sees %s", turns(seen))
		}
		found = seen[i]
		return nil
	}))
	return found
}

// turns lists what was seen, without repetitions: "nyc ams nyc". Silence is left out; what
// else is wrong is not.
func turns(seen []sighting) string {
	var words []string
	for _, s := range seen {
		word := s.region
		switch {
		case errors.Is(s.err, errSilent):
			continue
		case s.err != nil:
			word = "(" + s.err.Error() + ")"
		}
		if len(words) == 0 || words[len(words)-1] != word {
			words = append(words, word)
		}
	}
	return strings.Join(words, " ")
}

// checkTurns compares the regions that were seen. A reply that has no region fails the
// test, and so does silence.
func checkTurns(t *testing.T, seen []sighting, want string) {
	t.Helper()
	checkTurnsDespiteSilence(t, seen, want)
	for _, s := range seen {
		if s.err != nil {
			t.Errorf("%s at %v: %v", dns.TypeToString[s.qtype], s.at.Format(time.StampMilli), s.err)
			return
		}
	}
}

// checkTurnsDespiteSilence is checkTurns for when the server is away for a while.
func checkTurnsDespiteSilence(t *testing.T, seen []sighting, want string) {
	t.Helper()
	if got := turns(seen); got != want {
		t.Errorf("clients saw %q in %d replies, want %q", got, len(seen), want)
	}
}

// checkDig compares the whole answers to dig, for both families.
func checkDig(t *testing.T, ctx context.Context, at netip.AddrPort, name, region string) {
	t.Helper()
	for i, qtype := range []string{"A", "AAAA"} {
		reply, err := parts.Dig(ctx, at, name, qtype)
		if err != nil {
			t.Error(err)
			continue
		}
		want := addressesOf[region][i].String()
		if got := strings.Join(reply.Short(), " "); reply.Status != "NOERROR" || got != want {
			t.Errorf("dig %s %s: %s %q, want %s:\n%s", name, qtype, reply.Status, got, want, reply.Text)
		}
	}
}
