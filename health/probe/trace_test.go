package probe

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/miekg/dns"

	"gslb/health"
)

// followed makes one probe and returns its steps.
func followed(t *testing.T, o Options, spec health.Spec, timeout time.Duration) ([]Step, health.Result) {
	t.Helper()
	probe := mustMake(t, o, spec)
	var steps []Step
	ctx, cancel := context.WithTimeout(WithTrace(t.Context(), func(s Step) { steps = append(steps, s) }), timeout)
	defer cancel()
	began := time.Now()
	result := probe(ctx)
	for _, s := range steps {
		if s.Began.Before(began) || s.Ended.Before(s.Began) || s.Ended.After(time.Now()) {
			t.Errorf("%s: from %v to %v is no time of this probe", s.Phase, s.Began, s.Ended)
		}
	}
	return steps, result
}

// phases are those of steps, in their order, with an ! after those that failed.
func phases(steps []Step) string {
	var words []string
	for _, s := range steps {
		word := string(s.Phase)
		if s.Error != "" {
			word += "!"
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

// shown is all that a trace shows.
func shown(steps []Step) string {
	var b strings.Builder
	for _, s := range steps {
		fmt.Fprintf(&b, "%s: %s\n%s\n%s\n%s\n", s.Phase, s.Text, strings.Join(s.Facts, "\n"), s.Data, s.Error)
	}
	return b.String()
}

// TestTracePhases says what is shown of probes of servers of all manners.
func TestTracePhases(t *testing.T) {
	ca := newAuthority(t)
	roots := ca.file(t)
	valid := time.Now().Add(90 * time.Minute)
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "fine") })
	secure := func(name string, notAfter time.Time, change func(*health.HTTP)) *health.HTTP {
		address, _ := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{ca.sign(t, name, notAfter)}}, ok)
		spec := specBody("https://"+address, "fine")
		spec.Host, spec.TLS.RootsFile = "app.example.com", roots
		if change != nil {
			change(spec)
		}
		return spec
	}
	plain := func(handle func(net.Conn)) string { return "http://" + serve(t, "127.0.0.1", handle) + "/health" }
	following := func(url string) *health.HTTP {
		spec := spec200(url)
		spec.FollowRedirects = true
		return spec
	}
	moved := "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"
	var hops atomic.Int32

	tests := []struct {
		name    string
		spec    health.Spec
		timeout time.Duration
		phases  string
		shows   []string
		verdict health.Verdict
	}{
		{"http", specBody(plain(answer("HTTP/1.1 200 OK\r\nX-Region: nyc\r\nContent-Length: 4\r\n\r\nfine")), "fine"), patience,
			"connect, request, first byte, response, body",
			[]string{"GET /health HTTP/1.1\r\nHost: 127.0.0.1", "HTTP/1.1 200 OK\r\nX-Region: nyc\r\n", "body: 4 bytes", "\nfine\n", ", from 127.0.0.1:"}, health.Pass},
		{"a body that is not asked for", spec200(plain(answer("HTTP/1.1 503 No\r\nContent-Length: 11\r\n\r\nmaintenance"))), patience,
			"connect, request, first byte, response, body",
			[]string{"HTTP/1.1 503 No", "body: 11 bytes, which came with the header; the check does not read it", "maintenance"}, health.Fail},
		{"refused", spec200("http://" + refusing(t)), patience, "connect!", []string{"connection refused"}, health.Fail},
		{"a hanging server", spec200(plain(hang)), time.Second / 10, "connect, request, response!", []string{"i/o timeout"}, health.Fail},
		{"an early close", spec200(plain(answer("HTTP/1.1 200 OK\r\nX-Half: ye"))), patience,
			"connect, request, first byte, response!", []string{"HTTP/1.1 200 OK\r\nX-Half: ye", "EOF"}, health.Fail},
		{"not HTTP", spec200(plain(answer("220 mail.example.com\r\n"))), patience,
			"connect, request, first byte, response!", []string{"220 mail.example.com", "malformed HTTP status line"}, health.Fail},
		{"a slow body", specBody(plain(answerAndHang("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal")), "half"), time.Second / 2,
			"connect, request, first byte, response, body!", []string{"body: 3 bytes\n\nhal\n", "i/o timeout"}, health.Fail},
		{"a body that is cut", specBody(plain(answer("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal")), "half"), patience,
			"connect, request, first byte, response, body!", []string{"unexpected EOF"}, health.Fail},
		{"redirects", following(plain(func(c net.Conn) {
			if hops.Add(1) == 1 {
				answer(moved)(c)
			} else {
				answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")(c)
			}
		})), patience,
			"connect, request, first byte, response, redirect, connect, request, first byte, response",
			[]string{"Location: /elsewhere", "redirect: to GET http://127.0.0.1:", "GET /elsewhere HTTP/1.1"}, health.Pass},

		{"TLS", secure("app.example.com", valid, nil), patience, "connect, tls, request, first byte, response, body",
			[]string{"tls: TLS 1.3, ", "server name app.example.com, http/1.1", "certificate of app.example.com\n", `issued by "CN=test authority"`, ", 1h", "verified, by a chain of 2"}, health.Pass},
		{"an expired certificate", secure("app.example.com", time.Now().Add(-49*time.Hour), nil), patience, "connect, tls!",
			[]string{"certificate of app.example.com\n", "expired at ", ", 2 days ago", "certificate has expired"}, health.Fail},
		{"a certificate of another", secure("other.example.com", valid, nil), patience, "connect, tls!",
			[]string{"certificate of other.example.com\n", "certificate is valid for other.example.com, not app.example.com"}, health.Fail},
		{"an authority that is not known", secure("app.example.com", valid, func(s *health.HTTP) { s.TLS.RootsFile = newAuthority(t).file(t) }), patience, "connect, tls!",
			[]string{`issued by "CN=test authority"`, "certificate signed by unknown authority"}, health.Fail},
		{"not verified", secure("other.example.com", valid, func(s *health.HTTP) { s.TLS.SkipVerify, s.TLS.RootsFile = true, "" }), patience, "connect, tls, request, first byte, response, body",
			[]string{"certificate of other.example.com\n", "not verified, as the check wants"}, health.Pass},
		{"no TLS there", &health.HTTP{URL: "https://" + serve(t, "127.0.0.1", func(c net.Conn) { io.WriteString(c, "HTTP/1.1 400 Bad\r\n\r\n") }), Status: []health.StatusRange{{From: 200, To: 200}}}, patience, "connect, tls!",
			[]string{"first record does not look like a TLS handshake"}, health.Fail},

		{"tcp", &health.TCP{Address: serve(t, "127.0.0.1", hang)}, patience, "connect", nil, health.Pass},
		{"tcp, what is read", &health.TCP{Address: serve(t, "127.0.0.1", func(c net.Conn) { io.WriteString(c, "+PONG\r\n") }), Send: "PING\r\n", Pattern: regexp.MustCompile("PONG")}, patience,
			"connect, request, first byte, response", []string{"PING\r\n", "+PONG\r\n", "response: 7 bytes"}, health.Pass},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			steps, result := followed(t, Options{}, test.spec, test.timeout)
			// A busy machine may need longer to get to where it is to time out.
			for timeout := 4 * test.timeout; timeout < patience && phases(steps) != test.phases; timeout *= 4 {
				steps, result = followed(t, Options{}, test.spec, timeout)
			}
			if got := phases(steps); got != test.phases {
				t.Errorf("phases: %s\nwant:   %s", got, test.phases)
			}
			all := shown(steps)
			for _, part := range test.shows {
				if !strings.Contains(all, part) {
					t.Errorf("%q is not shown in:\n%s", part, all)
				}
			}
			if result.Verdict != test.verdict {
				t.Errorf("the verdict is %v: %s", result.Verdict, result.Detail)
			}
		})
	}
}

// The lookup is shown with what was found, and with who was asked.
func TestTraceLookup(t *testing.T) {
	address := serve(t, "127.0.0.1", answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
	_, port, _ := net.SplitHostPort(address)
	servers := nameServer(t, func(q *dns.Msg) *dns.Msg {
		m := new(dns.Msg).SetReply(q)
		if q.Question[0].Name == "gone.example.com." {
			m.Rcode = dns.RcodeNameError
		} else if q.Question[0].Qtype == dns.TypeA {
			rr, _ := dns.NewRR(q.Question[0].Name + " 5 A 127.0.0.1")
			m.Answer = append(m.Answer, rr)
		}
		return m
	})
	steps, _ := followed(t, Options{NameServers: servers}, spec200("http://app.example.com:"+port), patience)
	if got := phases(steps); got != "lookup, connect, request, first byte, response" {
		t.Errorf("phases: %s", got)
	}
	if steps[0].Text != "app.example.com is 127.0.0.1" || !strings.HasPrefix(strings.Join(steps[0].Facts, ""), "asked ") {
		t.Errorf("the lookup is shown as %+v", steps[0])
	}
	steps, result := followed(t, Options{NameServers: servers}, spec200("http://gone.example.com:"+port), patience)
	if got := phases(steps); got != "lookup!" || steps[0].Error != "no such host" || result.Verdict != health.Fail {
		t.Errorf("a name that does not exist: %s, %+v, %v", got, steps, result)
	}
}

// Of a DynamoDB probe the whole exchange is shown, also where it ends in an error document, and nothing of the
// credentials.
func TestTraceDynamoDB(t *testing.T) {
	secrets := []string{"AKIDEXAMPLE", "wJalrXUtnFEMI", "sessiontoken123"}
	given := func(context.Context) (aws.Config, error) {
		return aws.Config{Credentials: credentials.NewStaticCredentialsProvider(secrets[0], secrets[1], secrets[2])}, nil
	}
	for _, test := range []struct {
		name   string
		reply  http.HandlerFunc
		shows  []string
		reason string
	}{
		{"an item", replying(200, `{"Item":{"id":{"S":"123"}}}`), []string{`{"Item":{"id":{"S":"123"}}}`, "200 OK"}, "ok"},
		{"an error document", failing(400, serviceError+"ResourceNotFoundException", "Requested resource not found"),
			[]string{"400 Bad Request", "ResourceNotFoundException", "X-Amz-Target: DynamoDB_20120810.GetItem", `"TableName":"YourAppTable"`}, "missing_table"},
		{"credentials that come back", failing(403, commonError+"AccessDeniedException", "User "+secrets[0]+" with "+secrets[2]+" may not"), []string{"User [hidden] with [hidden] may not"}, "access_denied"},
	} {
		t.Run(test.name, func(t *testing.T) {
			steps, result := followed(t, Options{AWS: given}, specItem(newStandIn(t, test.reply).URL), patience)
			if got := phases(steps); got != "credentials, connect, request, first byte, response, body" || result.Reason != test.reason {
				t.Errorf("phases: %s; reason %s", got, result.Reason)
			}
			all := shown(steps) + result.Detail
			for _, part := range test.shows {
				if !strings.Contains(all, part) {
					t.Errorf("%q is not shown in:\n%s", part, all)
				}
			}
			for _, secret := range append(secrets, "Signature=") {
				if strings.Contains(all, secret) {
					t.Errorf("%q is shown in:\n%s", secret, all)
				}
			}
		})
	}
}

// A server that sends back whatever it got must not make a trace show secrets.
func TestTraceHidesSecrets(t *testing.T) {
	echo := newStandIn(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Set-Cookie", "sid=cookiesecret")
		w.Header().Set("X-Echo", r.Header.Get("X-Api-Key"))
		fmt.Fprintln(w, r.Header, r.RequestURI)
	})
	spec := specBody(strings.Replace(echo.URL, "://", "://probe:passphrase1@", 1)+"/health?verbose=1&token=querysecret", "no such thing")
	spec.Method = "POST"
	spec.Headers = map[string]string{
		"X-Api-Key": "headersecret", "Cookie": "sid=sessionsecret", "X-Unknown-Purpose": "unknown secret thing", "Accept": "text/plain",
	}
	spec.Body = `{"user":"probe","password":"body\"secret"}`
	steps, result := followed(t, Options{}, spec, patience)
	all := shown(steps) + result.Detail
	for _, secret := range []string{
		"passphrase1", "cHJvYmU6cGFzc3BocmFzZTE", "querysecret", "headersecret", "sessionsecret", "unknown secret", `body\"secret`, "secret\"", "cookiesecret",
	} {
		if strings.Contains(all, secret) {
			t.Errorf("%q is shown in:\n%s", secret, all)
		}
	}
	for _, part := range []string{"Accept: text/plain", "verbose=1", `"user":"probe"`, "X-Api-Key: [hidden]", "Set-Cookie: [hidden]", "X-Echo: [hidden]", "Authorization: [hidden]"} {
		if !strings.Contains(all, part) {
			t.Errorf("%q is not shown in:\n%s", part, all)
		}
	}
}

func TestTraceHidesLogins(t *testing.T) {
	for send, want := range map[string]string{
		"PING\r\n":                               "PING\r\n",
		"AUTH hunter22\r\nPING\r\n":              "AUTH [hidden]",
		"*2\r\n$4\r\nAUTH\r\n$8\r\nhunter22\r\n": "*2\r\n$4\r\nAUTH [hidden]",
		"a LOGIN probe hunter22\r\n":             "a LOGIN [hidden]",
	} {
		address := serve(t, "127.0.0.1", func(c net.Conn) { io.Copy(c, c) })
		steps, result := followed(t, Options{}, &health.TCP{Address: address, Send: send, Pattern: regexp.MustCompile("nothing")}, time.Second/5)
		i := slices.IndexFunc(steps, func(s Step) bool { return s.Phase == Request })
		if i < 0 || string(steps[i].Data) != want {
			t.Errorf("%q is shown as %+v", send, steps)
		}
		if strings.Contains(shown(steps)+result.Detail, "hunter22") {
			t.Errorf("%q: the password is shown: %s%s", send, shown(steps), result.Detail)
		}
	}
}

// A trace is bounded, whatever a server sends.
func TestTraceIsBounded(t *testing.T) {
	spec := specBody("http://"+serve(t, "127.0.0.1", answer("HTTP/1.1 200 OK\r\n\r\n"+strings.Repeat("0123456789abcdef", 4<<10))), "no such thing")
	spec.MaxBody = 1 << 20
	steps, _ := followed(t, Options{}, spec, patience)
	last := steps[len(steps)-1]
	if last.Phase != Body || len(last.Data) != maxTraced || last.Text != "65536 bytes, of which the first 4096 are shown" {
		t.Errorf("%s: %s, %d bytes are shown", last.Phase, last.Text, len(last.Data))
	}
}
