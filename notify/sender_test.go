package notify

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gslb/incident"
	"gslb/internal/shout"
	"gslb/zones"
)

// receiver keeps what it is sent.
type receiver struct {
	*httptest.Server
	requests chan *http.Request
	bodies   chan []byte
}

func receive(t *testing.T, reply func(http.ResponseWriter)) *receiver {
	r := &receiver{requests: make(chan *http.Request, 100), bodies: make(chan []byte, 100)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, _ := io.ReadAll(request.Body)
		r.requests <- request
		r.bodies <- body
		if reply != nil {
			reply(w)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func makeSender(t *testing.T, target zones.NotifyTarget) sender {
	t.Helper()
	target.Location = time.UTC
	s, err := newSender(target, func() source { return source{"ns1", "https://ns1/", "https://wiki/runbook"} }, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWebhook(t *testing.T) {
	r := receive(t, nil)
	key := "0123456789abcdef"
	s := makeSender(t, zones.NotifyTarget{Name: "hook", Type: zones.NotifyWebhook, URL: zones.Secret(r.URL + "/path?a=b"), Key: zones.Secret(key)})
	if err := s.send(t.Context(), []item{{what: began, incident: failover()}}); err != nil {
		t.Fatal(err)
	}
	request, body := <-r.requests, <-r.bodies
	if request.Method != "POST" || request.RequestURI != "/path?a=b" || request.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%s %s of %s", request.Method, request.RequestURI, request.Header.Get("Content-Type"))
	}
	timestamp := request.Header.Get("X-Gslb-Timestamp")
	if seconds, err := strconv.ParseInt(timestamp, 10, 64); err != nil || time.Since(time.Unix(seconds, 0)).Abs() > time.Minute || request.Header.Get("X-Gslb-Signature") != Sign([]byte(key), timestamp, body) {
		t.Errorf("at %s, signed %s", timestamp, request.Header.Get("X-Gslb-Signature"))
	}
	var got Document
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	if got.Version != 1 || got.What != "began" || got.Host != "ns1" || got.Runbook != "https://wiki/runbook#failover" || got.Incident.ID != failover().ID || !strings.HasPrefix(got.Title, "[CRITICAL]") || got.Text == "" {
		t.Errorf("%s", body)
	}
}

// Test vector made by: printf '1795867200.{"a":1}' | openssl dgst -sha256 -hmac 0123456789abcdef
func TestSign(t *testing.T) {
	if got, want := Sign([]byte("0123456789abcdef"), "1795867200", []byte(`{"a":1}`)), "4de989acefbc1d1f2bab70f090dd807b1ecc663d26a728284c0d0da4b14a6a7e"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestAlertmanager(t *testing.T) {
	r := receive(t, nil)
	s := makeSender(t, zones.NotifyTarget{Name: "am", Type: zones.NotifyAlertmanager, URL: zones.Secret(r.URL + "/prefix/")})
	until := noon.Add(time.Minute)
	waiting := incident.Incident{ID: "w", Kind: incident.Waiting, Subject: "app.gslb.example.com.", Since: noon}
	if err := s.send(t.Context(), []item{{what: lasts, incident: failover()}, {what: ended, incident: over(waiting, until)}, {changed, waiting, guise{incident.Failover, true}}}); err != nil {
		t.Fatal(err)
	}
	if request := <-r.requests; request.RequestURI != "/prefix/api/v2/alerts" {
		t.Errorf("sent to %s", request.RequestURI)
	}
	var got []alert
	if err := json.Unmarshal(<-r.bodies, &got); err != nil {
		t.Fatal(err)
	}
	labels := func(name, kind, subject, severity, id string) map[string]string {
		return map[string]string{"alertname": name, "kind": kind, "subject": subject, "severity": severity, "incident": id, "instance": "ns1"}
	}
	open, closed := time.Now().Add(alertLife), time.Now()
	want := []alert{
		{Labels: labels("GslbFailover", "failover", "nyc", "critical", failover().ID), StartsAt: noon, EndsAt: open},
		{Labels: labels("GslbFailbackWaits", "failback-waits", "app.gslb.example.com", "warning", "w"), StartsAt: noon, EndsAt: until},
		{Labels: labels("GslbFailbackWaits", "failback-waits", "app.gslb.example.com", "warning", "w"), StartsAt: noon, EndsAt: open},
		{Labels: labels("GslbFailover", "failover", "app.gslb.example.com", "critical", "w"), StartsAt: noon, EndsAt: closed}, // what it was told as
	}
	for i := range got {
		if a := got[i].Annotations; a["summary"] == "" || a["description"] == "" || !strings.HasPrefix(a["runbook_url"], "https://wiki/runbook#") || got[i].Generator != "https://ns1/" {
			t.Errorf("annotations %v, generator %s", a, got[i].Generator)
		}
		got[i].Annotations, got[i].Generator = nil, ""
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateApproxTime(time.Minute)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// A clock that was set back must not make an alert that an Alertmanager refuses.
func TestAlertOfTheFuture(t *testing.T) {
	i := failover()
	i.Since = time.Now().Add(time.Hour)
	made := (&alertmanager{target: zones.NotifyTarget{Location: time.UTC}}).alert(item{what: lasts, incident: i}, source{})
	if made.StartsAt.After(made.EndsAt) {
		t.Errorf("it begins at %s, and ends at %s", made.StartsAt, made.EndsAt)
	}
}

// What goes wrong is said without the URL, which is a secret.
func TestFailuresHideTheURL(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	status := func(code int) string {
		return receive(t, func(w http.ResponseWriter) { w.WriteHeader(code) }).URL
	}
	const secret = "/hunter2-hunter2"
	for _, test := range []struct {
		url     string
		says    string
		refused bool
	}{
		{"http://" + closed.Addr().String(), "connection refused", false},
		{status(404), "it replied with status 404 Not Found", true},
		{status(302), "it replied with status 302 Found", true},
		{status(429), "it replied with status 429 Too Many Requests", false},
		{status(503), "it replied with status 503 Service Unavailable", false},
		{"https" + strings.TrimPrefix(status(200), "http"), "http: server gave HTTP response to HTTPS client", false},
		{"https://127.0.0.1.nowhere.invalid", "can't be resolved", false},
	} {
		s := makeSender(t, zones.NotifyTarget{Name: "hook", Type: zones.NotifyWebhook, URL: zones.Secret(test.url + secret), Key: "k"})
		err := s.send(t.Context(), []item{{what: began, incident: failover()}})
		refusal := new(shout.Refusal)
		if err == nil || !strings.Contains(err.Error(), test.says) || errors.As(err, &refusal) != test.refused {
			t.Errorf("%s: %v (refused: %t), want %s", test.url, err, errors.As(err, &refusal), test.says)
		} else if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "127.0.0.1:") {
			t.Errorf("%s: the secret is in %v", test.url, err)
		}
	}
}

// TestRetryAfter has a receiver say when it wants to be told again. However long that is, it is told within the
// longest pause that there is without a word of it.
func TestRetryAfter(t *testing.T) {
	const soon = "a date in two minutes"
	for said, want := range map[string]time.Duration{
		"60":                            time.Minute,
		" 7 ":                           7 * time.Second,
		soon:                            2 * time.Minute,
		"2000000000":                    lastRetry,
		"99999999999999999999":          0,
		"Fri, 31 Dec 9999 23:59:59 GMT": lastRetry,
		"Sat, 01 Jan 2000 00:00:00 GMT": 0,
		"-5":                            0,
		"soon":                          0,
		"":                              0,
	} {
		for _, status := range []int{429, 503, 403} {
			r := receive(t, func(w http.ResponseWriter) {
				header := said
				if said == soon {
					header = time.Now().Add(2 * time.Minute).UTC().Format(http.TimeFormat)
				}
				w.Header().Set("Retry-After", header)
				w.WriteHeader(status)
			})
			s := makeSender(t, zones.NotifyTarget{Name: "hook", Type: zones.NotifyWebhook, URL: zones.Secret(r.URL), Key: "0123456789abcdef"})
			err := s.send(t.Context(), []item{{what: began, incident: failover()}})
			if err == nil || !strings.Contains(err.Error(), strconv.Itoa(status)) {
				t.Fatalf("status %d: %v", status, err)
			}
			var refusal *shout.Refusal
			refused := errors.As(err, &refusal)
			if refused != (status == 403) {
				t.Errorf("status %d is a refusal: %v", status, refused)
			}
			q := newQueue(oncall(), true)
			q.notice(nycDown(), noon)
			at := noon.Add(time.Minute)
			items, _ := q.next(at)
			q.missed(items, refused, err, at)
			_, next := q.next(at)
			least := want - 2*time.Second // since a date has whole seconds
			if most := max(want, firstRetry); status != 403 && (next.Sub(at) < least || next.Sub(at) > most) {
				t.Errorf("after %q it is told again after %v, want %v", said, next.Sub(at), want)
			}
		}
	}
}
