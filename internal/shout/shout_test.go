package shout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nicholas-fedor/shoutrrr/pkg/router"
)

// examples has a URL of each service, with a secret that is easily found.
func examples() map[string]string {
	return map[string]string{
		"bark":       "bark://hunter2hunter2hunter2@127.0.0.1:1/",
		"discord":    "discord://hunter2hunter2@123456789012345678",
		"generic":    "generic://127.0.0.1:1/hunter2/path?disabletls=yes",
		"googlechat": "googlechat://chat.googleapis.com/v1/spaces/FOO/messages?key=hunter2key&token=hunter2token",
		"gotify":     "gotify://127.0.0.1:1/Ahunter2hunter2?disabletls=yes",
		"hangouts":   "hangouts://chat.googleapis.com/v1/spaces/FOO/messages?key=hunter2key&token=hunter2token",
		"ifttt":      "ifttt://hunter2hunter2/?events=down",
		"join":       "join://shoutrrr:hunter2hunter2@join/?devices=a",
		"lark":       "lark://open.larksuite.com/hunter2hunter2?secret=hunter2",
		"matrix":     "matrix://gslb:hunter2hunter2@127.0.0.1:1/?rooms=!room:example.com&disableTLS=yes",
		"mattermost": "mattermost://gslb@127.0.0.1:1/hunter2hunter2/ops?disabletls=yes",
		"notifiarr":  "notifiarr://hunter2hunter2",
		"ntfy":       "ntfy://gslb:hunter2hunter2@127.0.0.1:1/topic?scheme=http",
		"opsgenie":   "opsgenie://127.0.0.1:1/hunter2hunter2",
		"pagerduty":  "pagerduty://127.0.0.1:1/0123456789abcdef0123456789abcdef",
		"pushbullet": "pushbullet://hunter2hunter2hunter2hunter2hunter/device",
		"pushover":   "pushover://shoutrrr:hunter2hunter2@userkey/",
		"rocketchat": "rocketchat://gslb@127.0.0.1:1/hunter2hunter2/hunter2/ops",
		"signal":     "signal://gslb:hunter2@127.0.0.1:1/+11234567890/+10987654321?disabletls=yes",
		"slack":      "slack://hook:AAAAAAAAA-BBBBBBBBB-hunter2hunter2hunter2hun@webhook",
		"smtp":       "smtp://gslb:hunter2hunter2@127.0.0.1:1/?from=gslb@example.com&to=ops@example.com",
		"teams":      "teams://11111111-4444-4444-8444-cccccccccccc@22222222-4444-4444-8444-cccccccccccc/33333333012222222222333333333344/44444444-4444-4444-8444-cccccccccccc/V2ESyij_gAljSoUQHvZoZYzlpAoAXExyOl26dlf1xHEx05?host=example.webhook.office.com",
		"telegram":   "telegram://123456789:hunter2hunter2hunter2hunter2hunter2@telegram?chats=@ops",
		"wecom":      "wecom://hunter2hunter2hunter2",
		"zulip":      "zulip://bot%40zulip.example.com:hunter2hunter2@zulip.example.com?stream=ops",
	}
}

var text = Text{Title: "[CRITICAL] nyc is down (ns1)", Body: "nyc is down\n\nSince: noon\n", ID: "failover/nyc/1", Critical: true, Source: "ns1", Link: "https://ns1/"}

// Every service of the library is known here, takes our text, and tells no secret when its server can't be
// reached. None panics.
func TestServicesThatCannotBeReached(t *testing.T) {
	// Nothing leaves this machine: whatever a service asks for, it gets no connection.
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	for _, name := range (&router.ServiceRouter{}).ListServices() {
		if name == "logger" {
			continue
		}
		url, known := examples()[name]
		if !known {
			t.Errorf("%s: a service that is new; see how it is called", name)
			continue
		}
		s, err := Open(url)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if s.Name() != name {
			t.Errorf("%s is called %s", name, s.Name())
		}
		err = s.Send(t.Context(), text)
		if err == nil {
			t.Errorf("%s: it was sent, to nobody", name)
		} else if said := err.Error(); strings.Contains(said, "hunter2") || strings.Contains(said, "config key") || strings.Contains(said, "0123456789abcdef") || strings.Contains(said, "V2ESyij") {
			t.Errorf("%s: %v", name, err)
		} else {
			t.Logf("%-11s %v", name, err)
		}
	}
}

// replying is a transport that reaches a server which replies always the same.
type replying int

func (status replying) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: int(status), Status: fmt.Sprintf("%d %s", status, http.StatusText(int(status))), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: io.NopCloser(strings.NewReader("")), Request: r,
	}, nil
}

// No service takes for sent what its server has not taken.
func TestServicesThatAreRefused(t *testing.T) { synctest.Test(t, refuseServices) } // some try again for minutes

func refuseServices(t *testing.T) {
	usual := http.DefaultTransport
	defer func() { http.DefaultTransport = usual }()
	for name, url := range examples() {
		if name == "smtp" {
			continue // it has another protocol, and is tested with a server
		}
		for _, status := range []int{400, 404, 500, 503} {
			http.DefaultTransport = replying(status)
			s, err := Open(url)
			if err != nil {
				t.Fatal(err)
			}
			if err = s.Send(t.Context(), text); err == nil || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s took status %d for %v", name, status, err)
			}
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	for url, want := range map[string]string{
		"":                                    "no URL",
		"hunter2hunter2":                      "no URL",
		"http://[hunter2":                     "no URL",
		"pigeon://hunter2@loft":               `no service "pigeon"`,
		"logger://":                           "leads to a log",
		"slack://hunter2hunter2@x":            "as the service slack wants it",
		"matrix://":                           "as the service matrix wants it",
		"smtp://hunter2@mail/?hunter2=1":      "as the service smtp wants it",
		"slack+https://hunter2@hooks.slack/x": "as the service slack wants it",
	} {
		_, err := Open(url)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %s", url, err, want)
		}
	}
}

// What services are given of a text.
func TestParameters(t *testing.T) {
	for _, test := range []struct {
		url    string
		text   Text
		body   string
		params map[string]string
	}{
		{examples()["slack"], text, text.Body, map[string]string{"title": text.Title}},
		{examples()["mattermost"], text, text.Title + "\n" + text.Body, map[string]string{}},
		{examples()["pagerduty"], text, text.Title + "\n" + text.Body, map[string]string{
			"severity": "critical", "source": "ns1", "client": "gslb", "client_url": "https://ns1/", "action": "trigger", "dedup_key": "failover/nyc/1",
		}},
		{examples()["pagerduty"] + "?severity=info", Text{Title: "over", ID: "1", Ended: true}, "over\n", map[string]string{"client": "gslb", "action": "resolve", "dedup_key": "1"}},
		{examples()["opsgenie"], Text{Title: strings.Repeat("é", 100), ID: "1"}, "", map[string]string{"title": strings.Repeat("é", 63) + "…", "alias": "1", "priority": "P3"}},
		{examples()["smtp"], Text{Title: "é\r\nBcc: all@example.com"}, "", map[string]string{"title": "=?utf-8?q?=C3=A9__Bcc:_all@example.com?="}},
		{examples()["smtp"], Text{Title: "x\r\nBcc: all@example.com"}, "", map[string]string{"title": "x  Bcc: all@example.com"}},
		{examples()["pushover"], Text{Title: "t", Body: strings.Repeat("x", 2000), Critical: true}, strings.Repeat("x", 897) + "…", map[string]string{"title": "t", "priority": "1"}},
	} {
		s, err := Open(test.url)
		if err != nil {
			t.Fatal(err)
		}
		body, params := s.compose(test.text)
		if diff := cmp.Diff(test.body, body); diff != "" {
			t.Errorf("%s: body (-want +got)\n%s", s.Name(), diff)
		}
		if diff := cmp.Diff(test.params, map[string]string(params)); diff != "" {
			t.Errorf("%s: parameters (-want +got)\n%s", s.Name(), diff)
		}
	}
}

// A server that takes connections and says nothing holds up at most so many sends, each for its time.
func TestServerThatHangs(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var held []net.Conn
	accepted := make(chan struct{}, 10)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			held = append(held, c)
			accepted <- struct{}{}
		}
	}()
	s, err := Open("smtp://" + listener.Addr().String() + "/?from=a@example.com&to=b@example.com")
	if err != nil {
		t.Fatal(err)
	}
	for range mostLeft {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if err := s.Send(ctx, text); !errors.Is(err, errLate) {
			t.Errorf("%v, want that nothing came back", err)
		}
		cancel()
		<-accepted
	}
	if err := s.Send(t.Context(), text); err == nil || !strings.Contains(err.Error(), "hangs") {
		t.Errorf("%v, want that it hangs", err)
	}
	// When the server is gone, so are the sends.
	listener.Close()
	<-ended
	for _, c := range held {
		c.Close()
	}
	for range mostLeft {
		s.left <- struct{}{} // waits for those that were left behind
	}
}

func TestBound(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	}))
	defer server.Close()
	reply, err := (&http.Client{Transport: Bound(http.DefaultTransport)}).Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	if n, err := io.Copy(io.Discard, reply.Body); n != mostReply || err != nil {
		t.Errorf("%d bytes were read, and then %v", n, err)
	}
}

func TestScrub(t *testing.T) {
	secrets := secretsOf("slack://hook:AAAA-BBBB-CCCC@webhook?icon=/p%C3%A4th")
	secrets = append(secrets, secretsOf("smtp://gslb:p%E4ssword@mail.example.com/")...) // not in UTF-8
	for text, want := range map[string]string{
		"p\xe4ssword is wrong":                                 "… is wrong",
		"posting to https://hooks.slack.com/services/a failed": "posting to … failed",
		"token aaaa-bbbb-cccc is wrong":                        "token … is wrong",
		"/päth and %2Fp%C3%A4th":                               "… and …",
		"key 0123456789012345678901 is wrong":                  "key … is wrong",
		"two\nlines":                                           "two lines",
	} {
		if got := scrub(text, secrets); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
