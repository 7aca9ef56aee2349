package admin

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"gslb/zones"
)

const rightToken, wrongToken = "gslb_right", "gslb_wrong"

func digests(tokens ...string) []zones.Token {
	var list []zones.Token
	for i, token := range tokens {
		list = append(list, zones.Token{Name: fmt.Sprintf("t%d", i), Sum: sha256.Sum256([]byte(token))})
	}
	return list
}

// probed is a server whose guard stands before a mux that tells who asks. The patterns are of both kinds
// that there are: with a method, and without.
func probed(w *world) (*Server, http.Handler) {
	s, _ := w.server()
	mux := http.NewServeMux()
	tell := func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, IdentityOf(r.Context()).By) }
	mux.HandleFunc("GET /healthz", tell)
	mux.HandleFunc("GET /readyz", tell)
	mux.HandleFunc("GET /{$}", tell)
	mux.HandleFunc("/api/v1/overrides", tell)
	return s, s.guarded(mux)
}

// TestWhoMayDoWhat is the table above admit, of requests over TCP.
func TestWhoMayDoWhat(t *testing.T) {
	authority := newAuthority(t)
	of := func(names ...string) *tls.ConnectionState {
		state := &tls.ConnectionState{}
		for _, name := range names {
			state.PeerCertificates = append(state.PeerCertificates, authority.issue(t, name, time.Now().Add(time.Hour)).Leaf)
		}
		return state
	}
	expired := &tls.ConnectionState{PeerCertificates: []*x509.Certificate{authority.issue(t, "ops", time.Now().Add(-time.Minute)).Leaf}}
	foreign := &tls.ConnectionState{PeerCertificates: []*x509.Certificate{newAuthority(t).issue(t, "ops", time.Now().Add(time.Hour)).Leaf}}
	bearer := func(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }
	password := func(token string) http.Header {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.SetBasicAuth("anybody", token)
		return r.Header
	}
	type answer struct {
		status int
		by     string
	}
	ok, no := answer{200, ""}, answer{401, ""}
	for _, test := range []struct {
		name                 string
		tokens, cas          bool
		header               http.Header
		tls                  *tls.ConnectionState
		lives                answer
		reads, readsReserved answer // without and with read_token
		changes              answer
	}{
		{"nobody, and there is nothing to be known by", false, false, nil, nil, ok, ok, no, no},
		{"nobody", true, true, nil, nil, ok, ok, no, no},
		{"a token where there are none", false, true, bearer(rightToken), nil, ok, ok, no, no},
		{"a token", true, false, bearer(rightToken), nil, ok, answer{200, "t1 (token)"}, answer{200, "t1 (token)"}, answer{200, "t1 (token)"}},
		{"a token, the scheme in other letters", true, false, http.Header{"Authorization": {"bEARER  " + rightToken + " "}}, nil, ok, answer{200, "t1 (token)"}, answer{200, "t1 (token)"}, answer{200, "t1 (token)"}},
		{"a wrong token", true, false, bearer(wrongToken), nil, ok, no, no, no},
		{"a part of a token", true, false, bearer(rightToken[:5]), nil, ok, no, no, no},
		{"an empty token", true, false, bearer(""), nil, ok, no, no, no},
		{"a digest in place of its token", true, false, bearer(fmt.Sprintf("%x", sha256.Sum256([]byte(rightToken)))), nil, ok, no, no, no},
		{"two tokens, one right", true, false, http.Header{"Authorization": {"Bearer " + rightToken, "Bearer " + wrongToken}}, nil, ok, no, no, no},
		{"another scheme", true, false, http.Header{"Authorization": {"Digest " + rightToken}}, nil, ok, no, no, no},
		{"no scheme", true, false, http.Header{"Authorization": {rightToken}}, nil, ok, no, no, no},
		{"a token as the password", true, false, password(rightToken), nil, ok, answer{200, "t1 (token)"}, answer{200, "t1 (token)"}, no},
		{"a wrong password", true, false, password(wrongToken), nil, ok, no, no, no},
		{"a certificate", true, true, nil, of("ops"), ok, answer{200, "ops (certificate)"}, answer{200, "ops (certificate)"}, answer{200, "ops (certificate)"}},
		{"a certificate without a name", false, true, nil, of(""), ok, answer{200, "serial 7 (certificate)"}, answer{200, "serial 7 (certificate)"}, answer{200, "serial 7 (certificate)"}},
		{"a certificate whose name breaks a line", false, true, nil, of("ops\nlevel=INFO"), ok, answer{200, "ops?level=INFO (certificate)"}, answer{200, "ops?level=INFO (certificate)"}, answer{200, "ops?level=INFO (certificate)"}},
		{"a certificate where none are known", true, false, nil, of("ops"), ok, ok, no, no},
		{"a certificate that has expired", true, true, nil, expired, ok, no, no, no},
		{"a certificate of another authority", false, true, nil, foreign, ok, no, no, no},
		{"a certificate and a token", true, true, bearer(rightToken), of("ops"), ok, answer{200, "t1 (token)"}, answer{200, "t1 (token)"}, answer{200, "t1 (token)"}},
		{"a certificate and a wrong token", true, true, bearer(wrongToken), of("ops"), ok, no, no, no},
		{"TLS without a certificate", true, true, nil, &tls.ConnectionState{}, ok, ok, no, no},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, reserved := range []bool{false, true} {
				w := newWorld(time.Now())
				w.admin.ReadToken = reserved
				if test.tokens {
					w.admin.Tokens = digests("other", rightToken, "another")
				}
				if test.cas {
					w.admin.ClientCAs = authority.pool
				}
				reads := test.reads
				if reserved {
					reads = test.readsReserved
				}
				_, handler := probed(w)
				for _, request := range []struct {
					method, path string
					want         answer
				}{
					{"GET", "/healthz", test.lives}, {"HEAD", "/healthz", test.lives}, {"GET", "/readyz", test.lives},
					{"GET", "/", reads}, {"HEAD", "/", reads}, {"GET", "/api/v1/overrides", reads}, {"OPTIONS", "/api/v1/overrides", reads},
					{"POST", "/api/v1/overrides", test.changes}, {"PUT", "/api/v1/overrides", test.changes}, {"DELETE", "/api/v1/overrides", test.changes}, {"PURGE", "/api/v1/overrides", test.changes},
				} {
					r := httptest.NewRequest(request.method, request.path, nil)
					r.TLS = test.tls
					if test.header != nil {
						r.Header = test.header.Clone()
					}
					if request.method == "OPTIONS" && test.name == "a token as the password" {
						continue // browsers do not send it
					}
					got := httptest.NewRecorder()
					handler.ServeHTTP(got, r)
					if got.Code != request.want.status || got.Code == 200 && got.Body.String() != request.want.by {
						t.Errorf("read_token %t: %s %s: %d by %q, want %+v", reserved, request.method, request.path, got.Code, got.Body, request.want)
					}
					challenge := got.Header().Get("WWW-Authenticate")
					if (got.Code == 401) != strings.HasPrefix(challenge, `Bearer realm="gslb"`) {
						t.Errorf("%s %s: status %d with the challenge %q", request.method, request.path, got.Code, challenge)
					}
					if text := got.Body.String() + fmt.Sprint(got.Header()); strings.Contains(text, rightToken) || strings.Contains(text, wrongToken) {
						t.Errorf("a token is repeated: %s", text)
					}
				}
			}
		})
	}
}

// Paths that are not there tell nothing to those who may not read.
func TestNothingIsToldOfPathsWithoutAToken(t *testing.T) {
	w := newWorld(time.Now())
	w.admin.Tokens, w.admin.ReadToken = digests(rightToken), true
	s, _ := w.server()
	for _, path := range []string{"/", "/api/status", "/metrics", "/assets/page.js", "/nothing", "/healthz/x"} {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			if got := do(t, s, method, path); got.Code != http.StatusUnauthorized {
				t.Errorf("%s %s: status %d, want 401", method, path, got.Code)
			}
		}
	}
}

// TestContentTypeOfChanges: what a web page can make a browser send without asking is not taken.
func TestContentTypeOfChanges(t *testing.T) {
	w := newWorld(time.Now())
	w.admin.Tokens = digests(rightToken)
	_, handler := probed(w)
	for _, test := range []struct {
		kind, body string
		want       int
	}{
		{"application/json", "{}", 200},
		{"Application/JSON; charset=utf-8", "{}", 200},
		{"application/json", "", 200},
		{"", "", 200},
		{"", "{}", 415},
		{"text/plain", "{}", 415},
		{"application/x-www-form-urlencoded", "{}", 415},
		{"application/x-www-form-urlencoded", "", 415},
		{"multipart/form-data; boundary=application/json", "{}", 415},
		{"text/plain; application/json", "{}", 415},
		{"application/json, text/plain", "{}", 415},
	} {
		for _, method := range []string{"POST", "PUT", "DELETE"} {
			r := httptest.NewRequest(method, "/api/v1/overrides", strings.NewReader(test.body))
			r.Header.Set("Authorization", "Bearer "+rightToken)
			if test.kind != "" {
				r.Header.Set("Content-Type", test.kind)
			}
			got := httptest.NewRecorder()
			handler.ServeHTTP(got, r)
			if got.Code != test.want {
				t.Errorf("%s with Content-Type %q and body %q: %d, want %d", method, test.kind, test.body, got.Code, test.want)
			}
		}
	}
}

// TestCrossSiteChanges is the table above crossSite. The browser has a certificate, which it sends by
// itself.
func TestCrossSiteChanges(t *testing.T) {
	authority := newAuthority(t)
	w := newWorld(time.Now())
	w.admin.ClientCAs = authority.pool
	_, handler := probed(w)
	link := http.Header{"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}}
	for _, test := range []struct {
		name          string
		header        http.Header
		reads, change int
	}{
		{"not a browser", nil, 200, 200},
		{"its own page", http.Header{"Origin": {"https://example.com"}, "Sec-Fetch-Site": {"same-origin"}}, 200, 200},
		{"its own page, an old browser", http.Header{"Origin": {"https://example.com"}}, 200, 200},
		{"its own name without TLS", http.Header{"Origin": {"http://example.com"}}, 403, 403},
		{"its own name at another port", http.Header{"Origin": {"https://example.com:444"}, "Sec-Fetch-Site": {"same-site"}}, 403, 403},
		{"another site", http.Header{"Origin": {"https://evil.example"}, "Sec-Fetch-Site": {"cross-site"}}, 403, 403},
		{"another site, an old browser", http.Header{"Origin": {"https://evil.example"}}, 403, 403},
		{"another scheme", http.Header{"Origin": {"ftp://example.com"}}, 403, 403},
		{"a sandboxed frame", http.Header{"Origin": {"null"}}, 403, 403},
		{"an empty origin", http.Header{"Origin": {""}}, 403, 403},
		{"two origins", http.Header{"Origin": {"https://example.com", "https://evil.example"}}, 403, 403},
		{"a form on another site, which hides its origin", http.Header{"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"no-cors"}}, 403, 403},
		{"a link on another site", link, 200, 403},
		{"a site below the same domain", http.Header{"Sec-Fetch-Site": {"same-site"}, "Sec-Fetch-Mode": {"cors"}}, 403, 403},
		{"the origin is right, but the site is not", http.Header{"Origin": {"https://example.com"}, "Sec-Fetch-Site": {"cross-site"}}, 200, 403},
		{"typed by a person", http.Header{"Sec-Fetch-Site": {"none"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}}, 200, 200},
	} {
		for method, want := range map[string]int{"GET": test.reads, "POST": test.change, "DELETE": test.change} {
			r := httptest.NewRequest(method, "/api/v1/overrides", nil)
			r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{authority.issue(t, "ops", time.Now().Add(time.Hour)).Leaf}}
			if test.header != nil {
				r.Header = test.header.Clone()
			}
			got := httptest.NewRecorder()
			handler.ServeHTTP(got, r)
			if got.Code != want {
				t.Errorf("%s: %s: status %d, want %d", test.name, method, got.Code, want)
			}
		}
	}
	// A proxy may have taken off the TLS of the browser.
	r := httptest.NewRequest("GET", "/api/v1/overrides", nil)
	r.Header.Set("Origin", "https://example.com")
	got := httptest.NewRecorder()
	if handler.ServeHTTP(got, r); got.Code != 200 {
		t.Errorf("behind a proxy: status %d", got.Code)
	}
}

// TestGuesses lets clients try tokens at random times. None gets more than mostGuesses wrong ones looked
// at within a minute, one that did not is never told to wait, and the memory is bounded.
func TestGuesses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, now := newGuesses(), time.Unix(1e9, 0)
		looked := make(map[netip.Prefix][]time.Time) // at wrong tokens
		for range rapid.IntRange(1, 200).Draw(t, "tries") {
			now = now.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "pause")) * time.Second)
			client := netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(rapid.IntRange(0, 2).Draw(t, "client"))}), 32)
			right := rapid.IntRange(0, 4).Draw(t, "right") == 0
			recent := 0
			for _, at := range looked[client] {
				if now.Sub(at) < guessesWithin {
					recent++
				}
			}
			was := false
			wait, last := g.try(client, now, func() bool { was = true; return right })
			if was == (recent >= mostGuesses) || was == (wait > 0) || wait > guessesWithin {
				t.Fatalf("after %d wrong tokens a token is looked at: %t, to wait %s", recent, was, wait)
			}
			if last != (was && !right && recent == mostGuesses-1) {
				t.Fatalf("after %d wrong tokens it was the last one: %t", recent, last)
			}
			if was && !right {
				looked[client] = append(looked[client], now)
			}
		}
	})
	g, now := newGuesses(), time.Now()
	for i := range 3 * mostGuessers {
		g.try(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 32), now.Add(time.Duration(i)), func() bool { return false })
	}
	if len(g.clients) > mostGuessers {
		t.Errorf("%d clients are remembered", len(g.clients))
	}
}

// TestWaitAfterWrongTokens: even a right token is not looked at while its address has to wait; reading
// without one, and other addresses, are not concerned.
func TestWaitAfterWrongTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(time.Now())
		w.admin.Tokens = digests(rightToken)
		s, handler := probed(w)
		ask := func(method, path, from, token string) *httptest.ResponseRecorder {
			r := httptest.NewRequest(method, path, nil)
			r.RemoteAddr = from
			if token != "" {
				r.Header.Set("Authorization", "Bearer "+token)
			}
			got := httptest.NewRecorder()
			handler.ServeHTTP(got, r)
			return got
		}
		const guesser, neighbour, other = "[2001:db8:1:2::3]:5", "[2001:db8:1:2:ffff::9]:6", "[2001:db8:1:3::3]:5"
		for i := range mostGuesses {
			time.Sleep(time.Second)
			if got := ask("POST", "/api/v1/overrides", guesser, wrongToken); got.Code != 401 {
				t.Fatalf("wrong token %d: status %d", i, got.Code)
			}
		}
		for range 100 {
			for _, token := range []string{rightToken, wrongToken} {
				got := ask("POST", "/api/v1/overrides", neighbour, token)
				if got.Code != 429 || got.Header().Get("Retry-After") != "51" || got.Header().Get("Content-Type") != "application/problem+json" ||
					!strings.Contains(got.Body.String(), `"retry_after_seconds": 51`) {
					t.Fatalf("status %d, %v: %s", got.Code, got.Header(), got.Body)
				}
			}
		}
		if got := ask("GET", "/", guesser, rightToken); got.Code != 429 {
			t.Errorf("a token to read: status %d", got.Code)
		}
		for name, code := range map[string]int{
			"GET / " + guesser: ask("GET", "/", guesser, "").Code, "GET /healthz": ask("GET", "/healthz", guesser, wrongToken).Code,
			"POST " + other: ask("POST", "/api/v1/overrides", other, rightToken).Code,
		} {
			if code != 200 {
				t.Errorf("%s: status %d", name, code)
			}
		}
		time.Sleep(51 * time.Second) // the first wrong one was a minute ago
		if got := ask("POST", "/api/v1/overrides", guesser, rightToken); got.Code != 200 {
			t.Errorf("after the wait: status %d", got.Code)
		}
		for reason, want := range map[string]uint64{"token": mostGuesses, "wait": 201, "unknown": 0} {
			if got := s.refused[reason].Load(); got != want {
				t.Errorf("%d refusals are counted as %s, want %d", got, reason, want)
			}
		}
	})
}

// authority issues certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"},
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{cert, key, x509.NewCertPool()}
	a.pool.AddCert(cert)
	return a
}

// issue makes a certificate for servers and clients.
func (a *authority) issue(t *testing.T, name string, until time.Time) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: name},
		NotBefore: until.Add(-2 * time.Hour), NotAfter: until,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// TestNothingIsDoneForStrangers asks for every change that there is, in all the ways that come to mind of
// somebody who has no token. None reaches the operator, and none is answered as a success.
func TestNothingIsDoneForStrangers(t *testing.T) {
	w := newWorld(time.Now())
	w.admin.Tokens = digests(rightToken)
	w.publish(time.Now())
	s, operator := operated(w)
	handler := s.guarded(s.routes())
	var changes []operation
	for _, o := range s.operations() {
		if o.method != http.MethodGet {
			changes = append(changes, o)
		}
	}
	if len(changes) < 7 {
		t.Fatalf("only %d changes were found", len(changes))
	}
	do := func(t interface{ Fatalf(string, ...any) }, r *http.Request) (called bool, status int) {
		s.guesses = newGuesses() // otherwise most would only be told to wait
		operator.calls = nil
		got := httptest.NewRecorder()
		handler.ServeHTTP(got, r)
		changed := slices.ContainsFunc(operator.calls, func(call string) bool { return !strings.HasPrefix(call, "switch of ") }) // which reads
		return changed, got.Code
	}
	for _, o := range changes { // those that are asked rightly do arrive
		sample := sampleOf[o.id]
		r := httptest.NewRequest(o.method, v1+sample.path+"?"+sample.query, strings.NewReader(sample.body))
		r.Header.Set("Authorization", "Bearer "+rightToken)
		r.Header.Set("Content-Type", "application/json")
		if called, status := do(t, r); !called || status != 200 {
			t.Errorf("%s with a token: status %d, called %t", o.id, status, called)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		o := rapid.SampledFrom(changes).Draw(t, "operation")
		sample := sampleOf[o.id]
		method := rapid.SampledFrom([]string{o.method, o.method, o.method, "GET", "HEAD", "PUT", "PATCH", "post", "TRACE", "CONNECT"}).Draw(t, "method")
		path := rapid.SampledFrom([]string{v1, v1, "//api/v1/", "/api//v1/", "/api/v1/../v1/", "/healthz/../api/v1/", "/readyz/..//api/v1/", "/API/V1/"}).Draw(t, "prefix") + sample.path
		r := httptest.NewRequest(method, "http://example.com/?"+sample.query, strings.NewReader(sample.body))
		r.URL.Path = path
		headers := map[string][]string{
			"Authorization":          {"Bearer " + wrongToken, "Bearer ", "Bearer", rightToken, "Token " + rightToken, "Bearer " + rightToken + "x", "Bearer x" + rightToken, "Bearer " + strings.ToUpper(rightToken), "Bearer " + rightToken + ", Bearer " + rightToken, "Negotiate " + rightToken},
			"Content-Type":           {"application/json", "text/plain"},
			"X-Http-Method-Override": {"GET"},
			"X-Forwarded-For":        {"127.0.0.1"},
			"X-Forwarded-User":       {"root"},
			"Origin":                 {"https://example.com", "null"},
			"Cookie":                 {"token=" + rightToken},
			"Upgrade":                {"websocket"},
		}
		for _, key := range slices.Sorted(maps.Keys(headers)) {
			values := headers[key]
			if i := rapid.IntRange(-1, len(values)-1).Draw(t, key); i >= 0 {
				r.Header.Set(key, values[i])
			}
		}
		r.RemoteAddr = rapid.SampledFrom([]string{"127.0.0.1:5", "192.0.2.7:5", "[::1]:5", "@", ""}).Draw(t, "from")
		called, status := do(t, r)
		if called || status < 300 && method != "GET" && method != "HEAD" {
			t.Fatalf("%s %s %v: status %d, called %v", method, path, r.Header, status, operator.calls)
		}
	})
}
