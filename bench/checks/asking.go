package checks

import (
	"context"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/miekg/dns"

	"gslb/integration/figures"
	"gslb/integration/parts"
)

// nameEvery is how often a name is asked for while targets are checked.
const nameEvery = 20 * time.Millisecond

// answered is how long answers took.
type answered struct {
	took figures.Times
	lost int // queries without an answer
}

// ask asks a server for a name again and again until end is called.
func ask(ctx context.Context, server netip.AddrPort, name string) (end func() answered) {
	ctx, cancel := context.WithCancel(ctx)
	var a answered
	var asking sync.WaitGroup
	asking.Go(func() {
		next := time.NewTicker(nameEvery)
		defer next.Stop()
		for {
			began := time.Now()
			reply, err := parts.Ask(ctx, server, name, dns.TypeA)
			switch {
			case ctx.Err() != nil:
				return
			case err != nil || len(reply.Answer) == 0:
				a.lost++
			default:
				a.took = append(a.took, time.Since(began))
			}
			select {
			case <-ctx.Done():
				return
			case <-next.C:
			}
		}
	})
	return func() answered {
		cancel()
		asking.Wait()
		return a
	}
}

// cells are those of a table: the median, the 99th percentile, the most, and how many were lost.
func (a answered) cells() []string {
	if len(a.took) == 0 {
		return []string{"–", "–", "–", strconv.Itoa(a.lost)}
	}
	return []string{
		figures.Milliseconds(a.took.Quantile(0.5)), figures.Milliseconds(a.took.Quantile(0.99)),
		figures.Milliseconds(a.took.Quantile(1)), strconv.Itoa(a.lost),
	}
}
