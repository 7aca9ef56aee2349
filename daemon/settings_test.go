package daemon

import (
	"context"
	"net/netip"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gslb/internal/cookie"
	"gslb/server"
	"gslb/server/tap"
	"gslb/zones"
)

// settingsUnder has what the server was told last.
func settingsUnder(t *testing.T, c zones.Server) (s *settings, last func() server.Settings) {
	t.Helper()
	s = &settings{}
	if err := s.use(&c); err != nil {
		t.Fatal(err)
	}
	var told atomic.Pointer[server.Settings]
	s.to(func(next server.Settings) { told.Store(&next) })
	return s, func() server.Settings { return *told.Load() }
}

func serverTable() zones.Server {
	return zones.Server{
		ID: "a", Version: "1", Cookies: zones.Cookies{Enabled: true},
		RateLimit: zones.RateLimit{Rate: 10, Burst: 10, Slip: 1, IPv4Prefix: 24, IPv6Prefix: 56,
			Exempt: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
	}
}

func TestSettingsOutliveReload(t *testing.T) {
	s, last := settingsUnder(t, serverTable())
	before := last()
	if before.ID != "a" || before.Version != "1" || before.Cookies == nil || before.Limiter == nil {
		t.Fatalf("settings %+v", before)
	}

	other := serverTable()
	other.ID = "b"
	if err := s.use(&other); err != nil {
		t.Fatal(err)
	}
	if last().ID != "b" || last().Limiter != before.Limiter || last().Cookies != before.Cookies {
		t.Errorf("the limiter or the secret was made anew for another id")
	}

	other.RateLimit.Rate = 20
	if err := s.use(&other); err != nil {
		t.Fatal(err)
	}
	if last().Limiter == before.Limiter {
		t.Error("another rate has no effect")
	}

	other.RateLimit.Rate, other.Cookies.Enabled = 0, false
	if err := s.use(&other); err != nil {
		t.Fatal(err)
	}
	if last().Limiter != nil || last().Cookies != nil {
		t.Error("what is off is on")
	}
}

// TestOwnSecretRotates waits for a secret's lifetime: its cookies hold for one more.
func TestOwnSecretRotates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, last := settingsUnder(t, serverTable())
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()

		client, addr := cookie.Client{1}, netip.MustParseAddr("192.0.2.1")
		verify := func(made []byte, at time.Time) cookie.Verdict { return last().Cookies.Verify(client, made, addr, at) }
		now := time.Now()
		made := last().Cookies.Append(nil, client, addr, now)
		if v := verify(made, now); v != cookie.Valid {
			t.Fatalf("a fresh cookie is %v", v)
		}
		for _, want := range []cookie.Verdict{cookie.ValidButRenew, cookie.Bad} {
			time.Sleep(cookie.Lifetime)
			synctest.Wait()
			if v := verify(made, now); v != want {
				t.Errorf("after a lifetime it is %v, want %v", v, want)
			}
		}
		cancel()
		<-done
	})
}

func TestSharedSecretsDoNotRotate(t *testing.T) {
	c := serverTable()
	c.Cookies.Secrets = []cookie.Secret{{1}, {2}}
	s, last := settingsUnder(t, c)
	before := last().Cookies
	s.rotate()
	if last().Cookies != before {
		t.Error("secrets that other servers share were replaced")
	}
}

// A reload turns the query log on and off, and the log knows the server by what the configuration calls it.
func TestQueryLogFollowsConfiguration(t *testing.T) {
	log := tap.New(tap.Options{})
	recorder := log.Recorder(netip.MustParseAddrPort("127.0.0.1:53"), false)
	s, c := &settings{tap: log}, serverTable()
	use := func(d zones.Dnstap) {
		t.Helper()
		c.Dnstap = d
		if err := s.use(&c); err != nil {
			t.Fatal(err)
		}
	}
	use(zones.Dnstap{})
	if recorder.Sample() != nil {
		t.Error("queries are logged although the configuration says nothing of it")
	}
	on := zones.Dnstap{Network: "unix", Address: "collector.sock", Sample: 1, Queries: true}
	use(on)
	if recorder.Sample() == nil {
		t.Error("queries are not logged")
	}
	use(zones.Dnstap{})
	if recorder.Sample() != nil {
		t.Error("queries are logged although they were turned off")
	}

	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	named := on
	named.Identity, named.Version = "ns1.nyc", "2"
	for _, test := range []struct {
		id                string
		log               zones.Dnstap
		identity, version string
	}{
		{"", on, host, "gslb test"},
		{"ns1", on, "ns1", "gslb test"},
		{"ns1", named, "ns1.nyc", "2"},
	} {
		got := queryLog(&zones.Server{ID: test.id, Dnstap: test.log}, "test")
		if got.Identity != test.identity || got.Version != test.version {
			t.Errorf("id %q, log %+v: it is %q, version %q; want %q, %q", test.id, test.log, got.Identity, got.Version, test.identity, test.version)
		}
	}
}
