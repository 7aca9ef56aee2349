package queries

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	// pollers is how many sockets share the questions of poll. A round of 200 questions takes
	// some milliseconds: so fine are the times.
	pollers = 4
	// pollWait is how long a reply is waited for.
	pollWait = 100 * time.Millisecond
)

// poll asks questions over UDP again and again, each until it is answered right, and returns
// when that was.
func poll(ctx context.Context, server netip.AddrPort, questions []question) ([]time.Time, error) {
	answered := make([]time.Time, len(questions))
	errs := make([]error, pollers)
	var polling sync.WaitGroup
	for p := range pollers {
		polling.Go(func() {
			var mine []int
			for i := p; i < len(questions); i += pollers {
				mine = append(mine, i)
			}
			errs[p] = pollSome(ctx, server, questions, mine, answered)
		})
	}
	polling.Wait()
	return answered, errors.Join(errs...)
}

// pollSome asks the questions of these numbers in turn, one at a time.
func pollSome(ctx context.Context, server netip.AddrPort, questions []question, open []int, answered []time.Time) error {
	conn, err := net.Dial("udp", server.String())
	if err != nil {
		return err
	}
	defer conn.Close()
	client := &dns.Client{Timeout: pollWait}
	for at := 0; len(open) > 0; {
		if ctx.Err() != nil {
			return fmt.Errorf("%d names have no new answer: %w", len(open), context.Cause(ctx))
		}
		at %= len(open)
		q := questions[open[at]]
		reply, _, err := client.ExchangeWithConn(q.message(), &dns.Conn{Conn: conn})
		if err != nil || q.judge(reply) != nil { // lost, late, or as it was before
			at++
			continue
		}
		answered[open[at]] = time.Now()
		open = append(open[:at], open[at+1:]...)
	}
	return nil
}
