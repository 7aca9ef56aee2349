package discover

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/digitalocean/godo"
)

// Bounds of what is asked and read.
const (
	perPage     = 200 // the most that the API gives
	maxPages    = 50
	maxReply    = 4 << 20 // bytes of a page: 20 KiB for each of them
	requestWait = 15 * time.Second
	listWait    = time.Minute // for all pages
)

// DigitalOcean lists the load balancers of an account. It is safe for concurrent use.
type DigitalOcean struct {
	Token     string // needs the scope load_balancer:read alone
	API       string // URL; empty: DigitalOcean's own
	UserAgent string
}

// List returns all load balancers of the account, or an error if they could not be read whole.
func (d DigitalOcean) List(ctx context.Context) ([]Balancer, error) {
	ctx, cancel := context.WithTimeout(ctx, listWait)
	defer cancel()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	defer transport.CloseIdleConnections()
	options := []godo.ClientOpt{
		godo.SetUserAgent(d.UserAgent),
		godo.SetRequestHeaders(map[string]string{"Authorization": "Bearer " + d.Token}),
	}
	if d.API != "" {
		options = append(options, godo.SetBaseURL(d.API))
	}
	client, err := godo.New(&http.Client{
		Transport: bounded{transport},
		Timeout:   requestWait,
		// Whoever a redirect leads to would get the token.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, options...)
	if err != nil {
		return nil, err
	}

	var list []Balancer
	seen := make(map[string]bool)
	total := -1 // not said
	for page := 1; ; page++ {
		balancers, reply, err := client.LoadBalancers.List(ctx, &godo.ListOptions{Page: page, PerPage: perPage})
		if err != nil {
			return nil, explain(err)
		}
		if reply.Meta != nil {
			if total >= 0 && reply.Meta.Total != total {
				return nil, errChanging
			}
			total = reply.Meta.Total
		}
		for i := range balancers {
			if id := balancers[i].ID; seen[id] && id != "" {
				return nil, errChanging
			}
			seen[balancers[i].ID] = true
			list = append(list, balancer(&balancers[i]))
		}
		if reply.Links == nil || reply.Links.IsLastPage() {
			break
		}
		if page == maxPages {
			return nil, fmt.Errorf("DigitalOcean's list of load balancers has more than %d pages", maxPages)
		}
	}
	if total >= 0 && total != len(list) {
		return nil, fmt.Errorf("DigitalOcean's list is not whole: it has %d load balancers, and says that there are %d", len(list), total)
	}
	return list, nil
}

// errChanging is why a list is not believed whose pages do not belong together: what moved from one page to another
// while they were read is on none of them, or on both.
var errChanging = errors.New("DigitalOcean's list of load balancers has changed while it was read; ask again")

// balancer carries over what matters here. One is tagged by its own tags, and by the tag whose droplets it
// balances, which is what Terraform's droplet_tag sets.
func balancer(lb *godo.LoadBalancer) Balancer {
	b := Balancer{ID: lb.ID, Name: lb.Name, Tags: slices.Clone(lb.Tags), Internal: lb.Network == godo.LoadBalancerNetworkTypeInternal}
	if lb.Tag != "" {
		b.Tags = append(b.Tags, lb.Tag)
	}
	if lb.Region != nil { // a global one has none
		b.Region = lb.Region.Slug
	}
	for _, text := range []string{lb.IP, lb.IPv6} {
		if addr, err := netip.ParseAddr(text); err == nil && !addr.IsUnspecified() {
			b.Addresses = append(b.Addresses, addr)
		}
	}
	return b
}

// explain says what to do about an answer that is none.
func explain(err error) error {
	refusal := new(godo.ErrorResponse)
	if !errors.As(err, &refusal) || refusal.Response == nil {
		return fmt.Errorf("ask DigitalOcean for its load balancers: %w", err)
	}
	advice := ""
	switch status := refusal.Response.StatusCode; {
	case status == http.StatusUnauthorized:
		advice = ": the token is wrong or has ended"
	case status == http.StatusForbidden:
		advice = ": the token needs the scope load_balancer:read"
	case status == http.StatusTooManyRequests:
		advice = ": too many requests with this token; ask less often"
	case status >= 500:
		advice = ": the fault is DigitalOcean's; try again later"
	}
	return fmt.Errorf("DigitalOcean refuses to list its load balancers with status %d%s", refusal.Response.StatusCode, advice)
}

// bounded limits what is read of a response.
type bounded struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	reply, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		reply.Body = struct {
			io.Reader
			io.Closer
		}{&limited{reply.Body, maxReply}, reply.Body}
	}
	return reply, err
}

// limited is a reader that fails behind its limit, where io.LimitReader only ends.
type limited struct {
	r    io.Reader
	left int64
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, fmt.Errorf("the response has more than %d MiB", maxReply>>20)
	}
	n, err := l.r.Read(p[:min(int64(len(p)), l.left)])
	l.left -= int64(n)
	return n, err
}
