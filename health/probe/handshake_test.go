package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gslb/health"
)

const day = 24 * time.Hour

// TestExpiryOfRarerKinds has every other kind that speaks TLS tell until when the certificate is valid, whatever
// it makes of the answer.
func TestExpiryOfRarerKinds(t *testing.T) {
	ca := newAuthority(t)
	certificate := ca.sign(t, "app.example.com", time.Now().Add(20*time.Minute))
	address, _ := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{protocol2, protocol, "dot"}}, http.NotFoundHandler())
	link := health.Link{Secure: true, TLS: health.TLS{ServerName: "app.example.com", RootsFile: ca.file(t), Expires: time.Hour}}
	page := spec200("https://" + address)
	page.Link = link
	for _, spec := range []health.Spec{
		&health.GRPC{Address: address, Link: link},
		&health.DNS{Server: address, Link: link, Name: "example.com.", Type: "A", TCP: true, Rcodes: []string{"NOERROR"}},
		&health.HAProxy{Address: address, Link: link, Backend: "app", MinServers: 1},
		&health.HAProxy{Page: page, Backend: "app", MinServers: 1},
		&health.Prometheus{Page: page, Query: "up"},
	} {
		result := runPromptly(t, mustMake(t, Options{}, spec))
		if n := result.Notes; n == nil || !n.Expiring || time.Until(n.Expires) > 20*time.Minute {
			t.Errorf("%s: %s: the notes are %+v", spec.Kind(), result.Detail, n)
		}
	}
}

// TestHandshake judges certificates by how long they are valid, in all kinds of checks that see them.
func TestHandshake(t *testing.T) {
	ca, stranger := newAuthority(t), newAuthority(t)
	roots := ca.file(t)
	for _, test := range []struct {
		name          string
		certificate   tls.Certificate
		expires, fail time.Duration
		skip          bool
		want          want
		expiring      bool
	}{
		{"valid", ca.sign(t, "app.example.com", time.Now().Add(40*time.Minute)), 0, 0, false, want{health.Pass, "ok", "handshake done, TLS 1.3"}, false},
		{"long enough", ca.sign(t, "app.example.com", time.Now().Add(40*time.Minute)), 30 * time.Minute, 10 * time.Minute, false, want{health.Pass, "ok", ""}, false},
		{"to be renewed", ca.sign(t, "app.example.com", time.Now().Add(20*time.Minute)), 30 * time.Minute, 10 * time.Minute, false, want{health.Pass, "ok", "the certificate must be renewed: valid until "}, true},
		{"too short", ca.sign(t, "app.example.com", time.Now().Add(5*time.Minute)), 30 * time.Minute, 10 * time.Minute, false, want{health.Fail, "expires", "the certificate is valid until "}, true},
		{"expired", ca.sign(t, "app.example.com", time.Now().Add(-time.Minute)), 0, 0, false, want{health.Fail, "tls", "certificate has expired"}, true},
		{"not verified", stranger.sign(t, "other.example.com", time.Now().Add(20*time.Minute)), 30 * time.Minute, 0, true, want{health.Pass, "ok", "must be renewed"}, true},
		{"another name", ca.sign(t, "other.example.com", time.Now().Add(40*time.Minute)), 30 * time.Minute, 0, false, want{health.Fail, "tls", "certificate is valid for other.example.com, not app.example.com"}, false},
		{"a stranger's", stranger.sign(t, "app.example.com", time.Now().Add(40*time.Minute)), 0, 0, false, want{health.Fail, "tls", "unknown authority"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			address, _ := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{test.certificate}}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			link := health.Link{Secure: true, TLS: health.TLS{ServerName: "app.example.com", RootsFile: roots, SkipVerify: test.skip, Expires: test.expires, ExpiresFail: test.fail}}
			web := spec200("https://" + address)
			web.Link = link
			for _, spec := range []health.Spec{&health.Handshake{Address: address, Link: link}, web, &health.TCP{Address: address, Link: link}} {
				result := runPromptly(t, mustMake(t, Options{}, spec))
				expected := test.want
				if spec.Kind() != "tls" && strings.HasPrefix(expected.detail, "handshake") {
					expected.detail = ""
				}
				expected.check(t, result)
				leaf, err := x509.ParseCertificate(test.certificate.Certificate[0])
				if err != nil {
					t.Fatal(err)
				}
				if n := result.Notes; n == nil || !n.Expires.Equal(leaf.NotAfter) || n.Expiring != test.expiring {
					t.Errorf("%s: the notes are %+v, want %v and %v", spec.Kind(), n, leaf.NotAfter, test.expiring)
				}
			}
		})
	}
}

// The first certificate of a chain to end counts, and of several chains the one that lasts longest.
func TestValidUntil(t *testing.T) {
	now := time.Now()
	until := func(days ...int) (chain []*x509.Certificate) {
		for _, n := range days {
			chain = append(chain, &x509.Certificate{NotAfter: now.Add(time.Duration(n) * day)})
		}
		return chain
	}
	for _, test := range []struct {
		sent   []*x509.Certificate
		chains [][]*x509.Certificate
		days   int
	}{
		{until(90, 10), [][]*x509.Certificate{until(90, 300, 3000)}, 90},
		{until(90, 30), [][]*x509.Certificate{until(90, 30, 3000)}, 30},
		{until(90, 30), [][]*x509.Certificate{until(90, 30, 3000), until(90, 60, 80)}, 60},
		{until(90, 30), nil, 90}, // it is not verified
	} {
		state := &tls.ConnectionState{PeerCertificates: test.sent, VerifiedChains: test.chains}
		if got := validUntil(state).Sub(now); got != time.Duration(test.days)*day {
			t.Errorf("%v days, want %d", got.Hours()/24, test.days)
		}
	}
	if got := validUntil(new(tls.ConnectionState)); !got.IsZero() {
		t.Error(got)
	}
}

// A host whose clock is days off does not fail certificates for it.
func TestExpiryByOtherClocks(t *testing.T) {
	now := time.Now()
	c := newClocks()
	for _, peer := range []string{"192.0.2.1:80", "192.0.2.2:80", "192.0.2.3:80"} {
		c.note(netAddr(peer), http.Header{"Date": {now.Add(-5 * day).UTC().Format(http.TimeFormat)}}, now)
	}
	if off := now.Sub(c.likely(now)); off < 5*day-time.Minute || off > 5*day+time.Minute {
		t.Errorf("it is %v earlier, want five days", off)
	}
	if now != newClocks().likely(now) {
		t.Error("without peers it is another time")
	}
}

func netAddr(text string) net.Addr { return net.TCPAddrFromAddrPort(mustAddrPort(text)) }

// A conversation of several steps, each of which sees all that came since the last was sent.
func TestSteps(t *testing.T) {
	mail := func(conn net.Conn) {
		io.WriteString(conn, "220-mail.example\r\n220 ready\r\n")
		buffer := make([]byte, 64)
		n, err := conn.Read(buffer)
		if err != nil || string(buffer[:n]) != "EHLO gslb\r\n" {
			return
		}
		io.WriteString(conn, "250-mail.example\r\n250-SIZE 1000\r\n250 STARTTLS\r\n")
		conn.Read(buffer)
		io.WriteString(conn, "221 bye\r\n")
	}
	sends, wants := func(text string) health.TCPStep { return health.TCPStep{Send: text} }, func(pattern string) health.TCPStep {
		return health.TCPStep{Pattern: regexp.MustCompile(pattern)}
	}
	both := func(text, pattern string) health.TCPStep {
		return health.TCPStep{Send: text, Pattern: regexp.MustCompile(pattern)}
	}
	for name, test := range map[string]struct {
		steps []health.TCPStep
		want  want
	}{
		"all": {[]health.TCPStep{wants(`(?m)^220 .*\n`), sends("EHLO gslb\r\n"), wants("SIZE"), wants("(?m)^250-mail"), wants("(?m)^250 STARTTLS"), both("QUIT\r\n", "^221")},
			want{health.Pass, "ok", "what was read matches"}},
		"what came before a step is gone": {[]health.TCPStep{wants(`(?m)^220 .*\n`), sends("EHLO gslb\r\n"), wants("220 ready")},
			want{health.Fail, "timeout", `step 3: timeout: reading from 127.0.0.1`}},
		"nothing more comes": {[]health.TCPStep{wants(`(?m)^220 .*\n`), both("EHLO gslb\r\n", `250 STARTTLS\r\n`), both("QUIT\r\n", "^500")},
			want{health.Fail, "body", `step 3: what was read does not match "^500": got "221 bye\r\n"`}},
		"the peer has gone": {[]health.TCPStep{wants(`(?m)^220 .*\n`), both("HELO\r\n", "^250")}, want{health.Fail, "closed", "step 2: "}},
		"only sent":         {[]health.TCPStep{sends("EHLO gslb\r\n")}, want{health.Pass, "ok", "connected"}},
	} {
		t.Run(name, func(t *testing.T) {
			probe := mustMake(t, Options{}, &health.TCP{Address: serve(t, "127.0.0.1", mail), Steps: test.steps})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			test.want.check(t, probe(ctx))
		})
	}
}

// A pass that takes too long is noted, or fails, but not if this host is to blame.
func TestSlow(t *testing.T) {
	for _, test := range []struct {
		took  time.Duration
		slow  health.Slow
		want  want
		noted bool
	}{
		{900 * time.Millisecond, health.Slow{}, want{health.Pass, "ok", "done"}, false},
		{800 * time.Millisecond, health.Slow{After: 800 * time.Millisecond}, want{health.Pass, "ok", "done"}, false},
		{900 * time.Millisecond, health.Slow{After: 800 * time.Millisecond}, want{health.Pass, "ok", "done; slow: took 900ms, more than 800ms"}, true},
		{900 * time.Millisecond, health.Slow{After: 800 * time.Millisecond, Fails: true}, want{health.Fail, "slow", "took 900ms, more than 800ms: done"}, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			m := new(meter)
			until := time.Unix(1e9, 0)
			probe := m.punctual(m.paced(func(context.Context) health.Result {
				time.Sleep(test.took)
				r := pass("done")
				r.Notes = &health.Notes{Expires: until}
				return r
			}, test.slow))
			result := probe(t.Context())
			test.want.check(t, result)
			if result.Notes.Slow != test.noted || !result.Notes.Expires.Equal(until) {
				t.Errorf("the notes are %+v", result.Notes)
			}
		})
	}

	// This host was late for half a second.
	synctest.Test(t, func(t *testing.T) {
		m := new(meter)
		result := m.punctual(m.paced(func(context.Context) health.Result {
			time.Sleep(900 * time.Millisecond)
			m.mu.Lock()
			m.samples = append(m.samples, sample{time.Now(), 500 * time.Millisecond})
			m.mu.Unlock()
			return pass("done")
		}, health.Slow{After: 800 * time.Millisecond, Fails: true}))(t.Context())
		want{health.Pass, "ok", "done"}.check(t, result)
	})
	// A fail stays what it is.
	synctest.Test(t, func(t *testing.T) {
		m := new(meter)
		result := m.punctual(m.paced(func(ctx context.Context) health.Result {
			time.Sleep(900 * time.Millisecond)
			return classify(ctx, errors.New("broken"))
		}, health.Slow{After: 800 * time.Millisecond}))(t.Context())
		want{health.Fail, "protocol", "broken"}.check(t, result)
	})
}
