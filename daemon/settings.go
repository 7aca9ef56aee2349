package daemon

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"gslb/internal/cookie"
	"gslb/internal/rrl"
	"gslb/server"
	"gslb/server/tap"
	"gslb/zones"
)

// settings makes the server's settings from the configuration. A reload keeps the counts of the
// rate limit, if that does not change, and the server's own cookie secret, if none are configured.
// It is safe for concurrent use; the zero value is ready.
type settings struct {
	mu      sync.Mutex
	apply   func(server.Settings) // nil: there is no server yet
	current server.Settings
	limit   zones.RateLimit // that current.Limiter keeps
	own     *cookie.Keyring // of a secret that no other server has
	exec    int             // commands of checks that may run at once
	tap     *tap.Tap        // the query log; nil: there is none
	version string          // of this program
}

// use applies a configuration.
func (s *settings) use(c *zones.Server) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	limiter, err := s.limiter(c.RateLimit)
	if err != nil {
		return fmt.Errorf("server.rate_limit: %w", err)
	}
	cookies, err := s.cookies(c.Cookies)
	if err != nil {
		return fmt.Errorf("server.cookie_secrets: %w", err)
	}
	s.limit = c.RateLimit
	s.exec = c.ExecParallel
	if s.tap != nil {
		s.tap.Use(queryLog(c, s.version))
	}
	s.set(server.Settings{ID: c.ID, Version: c.Version, Cookies: cookies, Limiter: limiter, IgnoreSubnet: c.IgnoreSubnet})
	return nil
}

// queryLog is what is logged of queries, and where. By default the server is known there by its id or,
// if it has none, by the name of the host.
func queryLog(c *zones.Server, version string) tap.Settings {
	d := c.Dnstap
	if d == (zones.Dnstap{}) {
		return tap.Settings{}
	}
	host, _ := os.Hostname()
	return tap.Settings{
		To:    tap.Destination{Network: d.Network, Address: d.Address, MaxSize: d.MaxSize, Keep: d.Keep},
		Share: d.Sample, Queries: d.Queries, Responses: d.Responses,
		Identity: cmp.Or(d.Identity, c.ID, host), Version: cmp.Or(d.Version, "gslb "+version),
	}
}

// commands is how many commands of checks may run at once.
func (s *settings) commands() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.exec
}

// to sets the function that receives the current and all later settings.
func (s *settings) to(apply func(server.Settings)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.apply = apply
	s.set(s.current)
}

func (s *settings) set(next server.Settings) {
	s.current = next
	if s.apply != nil {
		s.apply(next)
	}
}

func (s *settings) limiter(c zones.RateLimit) (*rrl.Limiter, error) {
	if s.current.Limiter != nil && s.limit.Equal(c) {
		return s.current.Limiter, nil
	}
	if c.Rate == 0 {
		return nil, nil
	}
	o := rrl.Defaults()
	o.Rate, o.Burst, o.Slip = c.Rate, c.Burst, c.Slip
	o.IPv4Prefix, o.IPv6Prefix = c.IPv4Prefix, c.IPv6Prefix
	o.Exempt = c.Exempt
	return rrl.New(o)
}

func (s *settings) cookies(c zones.Cookies) (*cookie.Keyring, error) {
	switch {
	case !c.Enabled:
		return nil, nil
	case len(c.Secrets) > 0:
		return cookie.NewKeyring(c.Secrets...)
	case s.own == nil:
		var err error
		if s.own, err = cookie.NewKeyring(cookie.NewSecret()); err != nil {
			return nil, err
		}
	}
	return s.own, nil
}

// Run replaces the server's own secret every [cookie.Lifetime], until ctx ends.
func (s *settings) Run(ctx context.Context) error {
	ticker := time.NewTicker(cookie.Lifetime)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			s.rotate()
		}
	}
}

func (s *settings) rotate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.own == nil {
		return
	}
	inUse := s.current.Cookies == s.own
	s.own = s.own.Rotate(cookie.NewSecret())
	if inUse {
		next := s.current
		next.Cookies = s.own
		s.set(next)
	}
}
