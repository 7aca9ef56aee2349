package probe

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"gslb/health"
)

// TestExplainValidity is the table above explainValidity.
func TestExplainValidity(t *testing.T) {
	now := time.Now()
	between := func(from, to time.Duration) error {
		cert := &x509.Certificate{NotBefore: now.Add(from), NotAfter: now.Add(to)}
		return &tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Cert: cert, Reason: x509.Expired}}
	}
	const day = 24 * time.Hour
	renewed := between(time.Hour, 90*day) // an hour ago, by the clock of others that are two hours ahead
	over := between(-90*day, -time.Hour)
	all := func(d ...time.Duration) []time.Duration { return d }
	tests := []struct {
		name  string
		err   error
		ahead []time.Duration
		ours  bool
	}{
		{"no peer", renewed, nil, false},
		{"the only peer is ahead", renewed, all(2 * time.Hour), true},
		{"all are ahead", renewed, all(2*time.Hour, 2*time.Hour, 2*time.Hour), true},
		{"most are ahead", renewed, all(0, 2*time.Hour, 2*time.Hour), true},
		{"half are ahead", renewed, all(0, 2*time.Hour), false},
		{"one of three is ahead", renewed, all(0, 0, 2*time.Hour), false},
		{"ahead, but not enough", renewed, all(time.Minute, time.Minute), false},
		{"none is ahead", renewed, all(0, time.Second, 2*time.Second), false},
		{"most are behind", over, all(-2*time.Hour, -2*time.Hour, 0), true},
		{"expired by all clocks", over, all(2*time.Hour, 2*time.Hour), false},
		{"too early by all clocks", between(3*time.Hour, day), all(2*time.Hour, 2*time.Hour), false},
		{"another error", &tls.CertificateVerificationError{Err: x509.HostnameError{Certificate: new(x509.Certificate)}}, all(2 * time.Hour), false},
		{"another fault of the certificate", x509.CertificateInvalidError{Cert: new(x509.Certificate), Reason: x509.NotAuthorizedToSign}, all(2 * time.Hour), false},
	}
	for _, test := range tests {
		got := explainValidity(test.err, test.ahead, now)
		if errors.Is(got, errClock) != test.ours || !errors.Is(got, test.err) {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

// TestClocks reads peers' clocks, while this host's is set twice.
func TestClocks(t *testing.T) {
	start := time.Now()
	c := newClocks()
	peer := func(i int) net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, byte(i)), Port: 443 + i%2} }
	note := func(i int, d time.Duration, more ...string) {
		h := http.Header{"Date": {start.Add(d).UTC().Format(http.TimeFormat)}}
		for k := 0; k < len(more); k += 2 {
			h.Set(more[k], more[k+1])
		}
		c.note(peer(i), h, start)
	}
	check := func(now time.Time, want ...time.Duration) {
		t.Helper()
		var got []time.Duration
		for _, d := range c.ahead(now) {
			got = append(got, (d + time.Second).Truncate(time.Minute)) // a Date is up to a second old
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	check(start)
	note(1, 0)
	note(2, 2*time.Hour)
	note(3, time.Hour, "Age", "3600")
	c.note(peer(4), http.Header{}, start)
	c.note(peer(5), http.Header{"Date": {"soon"}}, start)
	check(start, 0, 2*time.Hour, 2*time.Hour)
	check(start.Add(10*time.Minute), 0, 2*time.Hour, 2*time.Hour)
	note(1, 2*time.Hour) // the latest counts
	check(start, 2*time.Hour, 2*time.Hour, 2*time.Hour)
	check(start.Add(clockForgotten))

	for i := range 2 * maxPeers {
		c.note(peer(i), http.Header{"Date": {start.UTC().Format(http.TimeFormat)}}, start.Add(time.Duration(i)*time.Millisecond))
	}
	if len(c.peers) != maxPeers {
		t.Errorf("%d peers are remembered, want %d", len(c.peers), maxPeers)
	}
}

// TestClockIsOff has servers whose clocks are two hours ahead, and one of them renew its
// certificate, as all would see it, an hour ago.
func TestClockIsOff(t *testing.T) {
	ca := newAuthority(t)
	ahead := func(by time.Duration) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", time.Now().Add(by).UTC().Format(http.TimeFormat))
		})
	}
	secure := func(certificate tls.Certificate, handler http.Handler) string {
		address, _ := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{certificate}}, handler)
		return address
	}
	const host = "127.0.0.1" // all are one peer
	now := time.Now()
	soon := ca.sign(t, host, now.Add(3*time.Hour)) // in an hour, for two
	valid := ca.sign(t, host, now.Add(time.Hour))
	tests := []struct {
		name  string
		peers http.Handler
		want  want
	}{
		{"ours is", ahead(2 * time.Hour), want{health.Indeterminate, "clock", "from those of 1 of 1 peers, by which the certificate is valid"}},
		{"it is not", ahead(0), want{health.Fail, "tls", "certificate has expired or is not yet valid"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			registry := prometheus.NewRegistry()
			maker := New(Options{Registerer: registry, AWS: someCredentials})
			run := func(address string) health.Result {
				t.Helper()
				spec := spec200("https://" + address)
				spec.TLS.RootsFile = ca.file(t)
				probe, err := maker(health.Target{ID: "web", Spec: spec})
				if err != nil {
					t.Fatal(err)
				}
				return runPromptly(t, probe)
			}
			want{health.Fail, "tls", "not yet valid"}.check(t, run(secure(soon, test.peers))) // nobody has told the time
			want{health.Pass, "ok", ""}.check(t, run(secure(valid, test.peers)))
			test.want.check(t, run(secure(soon, test.peers)))

			families, err := registry.Gather()
			if err != nil || len(families) != 1 {
				t.Fatalf("metrics: %v %v", families, err)
			}
			skew := time.Duration(families[0].GetMetric()[0].GetGauge().GetValue() * float64(time.Second))
			if off := test.want.reason == "clock"; off != (skew > time.Hour) {
				t.Error(fmt.Sprint(families[0]))
			}
		})
	}
}
