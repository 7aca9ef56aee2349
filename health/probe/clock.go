package probe

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// maxPeers is how many peers' clocks are remembered.
	maxPeers = 64

	// lookAgain is how often a peer takes the place of another, where there are more than that: with
	// thousands, each would else push another out.
	lookAgain = time.Second

	// clockForgotten is how long a reading of a peer's clock is used.
	clockForgotten = time.Hour

	// clockTolerance is how far two clocks may differ and still agree: a Date has whole seconds,
	// and takes some time to arrive.
	clockTolerance = 5 * time.Second
)

// clocks compares this host's clock with those of its peers, which send their time with every
// response (Date, RFC 9110, section 6.6.1). It is safe for concurrent use.
type clocks struct {
	mu     sync.Mutex
	peers  map[string]peerClock
	looked time.Time // when one of them was last forgotten for another
	date   string    // the last Date that was read
	said   time.Time // what it means
}

// peerClock is what a peer's clock showed, and when. The time between two readings is that of the
// monotonic clock, which does not change when this host's time is set.
type peerClock struct{ said, heard time.Time }

func newClocks() *clocks { return &clocks{peers: map[string]peerClock{}} }

// note records the Date of a response from an address.
func (c *clocks) note(address net.Addr, header http.Header, now time.Time) {
	host, _, err := net.SplitHostPort(address.String())
	if err != nil { // it has no port: a socket of another kind
		host = address.String()
	}
	c.hear(host, []byte(header.Get("Date")), []byte(header.Get("Age")), now)
}

// hear is note for the values of both fields, from a host.
func (c *clocks) hear(host string, date, age []byte, now time.Time) {
	if len(date) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.peers[host]; !known && len(c.peers) == maxPeers && now.Sub(c.looked) < lookAgain {
		return
	}
	if string(date) != c.date { // responses of the same second have the same
		said, err := http.ParseTime(string(date))
		if err != nil {
			return
		}
		c.date, c.said = string(date), said
	}
	said := c.said
	// A response from a cache states its age (RFC 9111, section 5.1).
	if age, err := strconv.ParseUint(string(age), 10, 31); err == nil {
		said = said.Add(time.Duration(age) * time.Second)
	}
	c.peers[host] = peerClock{said, now}
	if len(c.peers) > maxPeers {
		c.looked = now
		oldest := host
		for peer, r := range c.peers {
			if r.heard.Before(c.peers[oldest].heard) {
				oldest = peer
			}
		}
		delete(c.peers, oldest)
	}
}

// ahead returns how far each peer's clock is ahead of this host's, the least first.
func (c *clocks) ahead(now time.Time) []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []time.Duration
	for _, r := range c.peers {
		if passed := now.Sub(r.heard); passed < clockForgotten {
			all = append(all, r.said.Add(passed).Sub(now.Round(0)))
		}
	}
	slices.Sort(all)
	return all
}

// median is the middle one of a sorted list that is not empty.
func median[T cmp.Ordered](sorted []T) T { return sorted[len(sorted)/2] }

// likely is what time it is: by this host's clock or, if those of most peers differ, by the middle one of theirs.
func (c *clocks) likely(now time.Time) time.Time {
	if ahead := c.ahead(now); 2*differing(ahead) > len(ahead) {
		return now.Add(median(ahead))
	}
	return now
}

// differing is how many of the peers' clocks disagree with this host's.
func differing(ahead []time.Duration) int {
	differ := 0
	for _, a := range ahead {
		if a.Abs() > clockTolerance {
			differ++
		}
	}
	return differ
}

// errClock marks a certificate that is not valid by this host's clock alone.
var errClock = errors.New("check this host's time synchronisation")

// explainValidity adds errClock to the failure of a handshake if this host's clock is the reason.
//
//	by this host's clock   peers whose clocks differ   by the peers' clocks   the certificate
//	not valid              half of them, or less       whatever               is not valid
//	not valid              most                        not valid              is not valid
//	not valid              most                        valid                  can't be judged
func explainValidity(err error, ahead []time.Duration, now time.Time) error {
	var invalid x509.CertificateInvalidError
	if len(ahead) == 0 || !errors.As(err, &invalid) || invalid.Reason != x509.Expired {
		return err
	}
	theirs := now.Add(median(ahead))
	valid := !theirs.Before(invalid.Cert.NotBefore) && !theirs.After(invalid.Cert.NotAfter)
	differ := differing(ahead)
	if 2*differ <= len(ahead) || !valid {
		return err
	}
	off := median(ahead).Round(time.Second)
	return fmt.Errorf("%w: its clock is off by %v from those of %d of %d peers, by which the certificate is valid: %w",
		errClock, off, differ, len(ahead), err)
}

// Describe implements prometheus.Collector.
func (c *clocks) Describe(descs chan<- *prometheus.Desc) { descs <- clockSkew }

// Collect implements prometheus.Collector.
func (c *clocks) Collect(metrics chan<- prometheus.Metric) {
	if ahead := c.ahead(time.Now()); len(ahead) > 0 {
		metrics <- prometheus.MustNewConstMetric(clockSkew, prometheus.GaugeValue, median(ahead).Seconds())
	}
}

var clockSkew = prometheus.NewDesc("gslb_health_clock_skew_seconds",
	"How far the clocks of the targets are ahead of this host's, by the Date of their responses: the median; absent as long as "+
		"there is none. Alert on more than 30 either way: certificates and signatures are judged by this host's clock.", nil, nil)
