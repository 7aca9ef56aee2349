package queries

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/miekg/dns"

	"gslb/integration/parts"
)

// traffic is what a load found.
type traffic struct {
	sent, answered int64
	rcodes         map[string]int64 // of the answers
	replyBytes     float64          // on average
	took           time.Duration
	latency        time.Duration // on average: of a query, or of a TCP connection
}

// check returns an error where the answers are not what was asked for: a known share is of
// names that do not exist, and everything else has an answer.
func (t traffic) check(negative float64) error {
	const deviation = 0.02 // by where in the questions the run ends
	if t.answered == 0 {
		return errors.New("no query was answered")
	}
	found := float64(t.rcodes["NXDOMAIN"]) / float64(t.answered)
	if t.rcodes["NXDOMAIN"]+t.rcodes["NOERROR"] != t.answered || math.Abs(found-negative) > deviation {
		return fmt.Errorf("the answers are %v, expected NOERROR, and NXDOMAIN for a share of %.3f", t.rcodes, negative)
	}
	return nil
}

// check returns an error where a server's answers are not those that were asked for.
func (s *server) check(found traffic, negative float64) error {
	if s.floor {
		return nil
	}
	return found.check(negative)
}

// dnsperf is the load of a file of questions over UDP; rate 0: as much as is answered.
func (t *trial) dnsperf(ctx context.Context, server *server, name, file string, rate int, length time.Duration) (traffic, error) {
	r, err := t.clientLab.DNSPerf(ctx, parts.DNSPerfConfig{
		Name: name, Server: server.listen, Queries: file, Rate: rate, Time: length,
	})
	if err != nil {
		return traffic{}, err
	}
	return traffic{
		sent: r.Sent, answered: r.Completed, rcodes: r.Rcodes, replyBytes: float64(r.ReplySize),
		took: r.Time, latency: r.Latency,
	}, nil
}

// byName names response codes that were counted by number.
func byName(counts [16]int) map[string]int64 {
	named := make(map[string]int64)
	for code, count := range counts {
		if count > 0 {
			named[dns.RcodeToString[code]] = int64(count)
		}
	}
	return named
}
