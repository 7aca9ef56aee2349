//go:build integration

package integration

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gslb/integration/parts"
)

const hookKey = "0123456789abcdef0123456789abcdef"

// TestNotify has a region fail, and looks at what a mail server, a webhook and a real Alertmanager get.
func TestNotify(t *testing.T) {
	ctx := beside(t)
	var sick atomic.Bool
	region := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if sick.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(region.Close)
	hook, mails := newSink(t), mailServer(t)
	alerts := &inbox{last: map[string]string{}}
	receiver := httptest.NewServer(alerts)
	t.Cleanup(receiver.Close)
	lab := parts.ForTest(t)
	listen, err := lab.FreePort(netip.MustParseAddr("127.0.0.1"))
	must(t, err)
	_, err = lab.StartAlertmanager(ctx, parts.AlertmanagerConfig{Name: "alertmanager", Listen: listen, Webhook: receiver.URL})
	must(t, err)

	dir := t.TempDir()
	for name, content := range map[string]string{
		"mail.url": "smtp://" + mails.address + "/?from=gslb@example.com&to=ops@example.com\n", "hook.key": hookKey + "\n",
	} {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	s := setup{Dir: dir, StateDir: t.TempDir(), Env: []string{"HOOK_URL=" + hook.URL + "/hunter2"}, Zone: fmt.Sprintf(`
[notify]
page = "https://ns1.example.com:8053/"

[notify.targets.mail]
url_file   = "mail.url"
group_wait = "0s"

[notify.targets.hook]
type        = "webhook"
url_env     = "HOOK_URL"
secret_file = "hook.key"
group_wait  = "0s"

[notify.targets.alerts]
type  = "alertmanager"
url   = "%s"

[checks.page]
type          = "http"
url           = "%s"
interval      = "200ms"
fast_interval = "100ms"
timeout       = "100ms"
fall          = 2
rise          = 2

[pools.first]
members = ["192.0.2.1"]
checks  = ["page"]

[pools.second]
members = ["192.0.2.2"]

[zones."notify.example"]
nameservers = { ns1 = ["127.0.0.53"] }

[zones."notify.example".names]
app = { pools = ["first", "second"], ttl = "1s", ttl_min = "1s" }
`, "http://"+listen.String(), region.URL) + appZone}.serve(t, ctx)

	sick.Store(true)
	r := hook.wait(t, ctx, func(body string) bool { return strings.Contains(body, `"kind":"failover"`) })
	var document struct {
		What     string
		Incident struct{ Subject, Why string }
		Page     string
	}
	must(t, json.Unmarshal([]byte(r.body), &document))
	if i := document.Incident; document.What != "began" || i.Subject != "first" || i.Why == "" || document.Page == "" {
		t.Errorf("%s", r.body)
	}
	if got := r.header.Get("X-Gslb-Signature"); got != signature(r.header.Get("X-Gslb-Timestamp"), r.body) {
		t.Errorf("it is signed %q", got)
	}
	mails.wait(t, ctx, "instead of first")
	alerts.await(t, ctx, "GslbFailover ", "firing")
	lines, err := s.LogLines()
	must(t, err)
	if log := fmt.Sprint(lines); strings.Contains(log, "hunter2") || strings.Contains(log, mails.address) {
		t.Error("the log says where messages go")
	}

	// A test is sent, and what is refused is said.
	hook.status.Store(http.StatusForbidden)
	root, err := parts.Root()
	must(t, err)
	out, err := exec.CommandContext(ctx, filepath.Join(root, "bin", "gslb"), "notify", "test", "--socket", filepath.Join(s.setup.StateDir, "gslb.sock")).CombinedOutput()
	for _, want := range []string{"mail (smtp): the message was taken", "alerts (alertmanager): the message was taken", "hook (webhook): the message was not taken: it replied with status 403 Forbidden", "1 of 3 messages were not taken"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("gslb notify test: %v\n%s\nwant %q", err, out, want)
		}
	}
	mails.wait(t, ctx, "This is a test")
}

func signature(timestamp, body string) string {
	h := hmac.New(sha256.New, []byte(hookKey))
	io.WriteString(h, timestamp+"."+body)
	return hex.EncodeToString(h.Sum(nil))
}

// sink takes what is posted.
type sink struct {
	*httptest.Server
	status atomic.Int64 // that it replies; 0: 200
	got    chan posted
}

type posted struct {
	header http.Header
	body   string
}

func newSink(t *testing.T) *sink {
	s := &sink{got: make(chan posted, 1000)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.got <- posted{r.Header, string(body)}
		if status := s.status.Load(); status != 0 {
			w.WriteHeader(int(status))
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// wait returns the next post of a kind.
func (s *sink) wait(t *testing.T, ctx context.Context, is func(body string) bool) posted {
	t.Helper()
	for {
		select {
		case r := <-s.got:
			if is(r.body) {
				return r
			}
		case <-ctx.Done():
			t.Fatal("the post that is waited for does not come")
		}
	}
}

// mailbox is a mail server (RFC 5321) that takes everything.
type mailbox struct {
	address string
	got     chan string // title and body
}

func mailServer(t *testing.T) *mailbox {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { listener.Close() })
	m := &mailbox{listener.Addr().String(), make(chan string, 1000)}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go m.serve(conn)
		}
	}()
	return m
}

func (m *mailbox) serve(conn net.Conn) {
	defer conn.Close()
	say := func(text string) { io.WriteString(conn, text+"\r\n") }
	say("220 mail.example.com")
	lines := bufio.NewReader(conn)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		switch verb, _, _ := strings.Cut(strings.ToUpper(strings.TrimSpace(line)), " "); verb {
		case "DATA":
			say("354 go on")
			var text strings.Builder
			for line != ".\r\n" {
				if line, err = lines.ReadString('\n'); err != nil {
					return
				}
				text.WriteString(line)
			}
			message, err := mail.ReadMessage(strings.NewReader(text.String()))
			if err != nil {
				say("554 this is no message")
				continue
			}
			title, _ := new(mime.WordDecoder).DecodeHeader(message.Header.Get("Subject"))
			body, _ := io.ReadAll(message.Body)
			m.got <- title + "\n" + string(body)
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

// wait returns when a mail with a text has come.
func (m *mailbox) wait(t *testing.T, ctx context.Context, text string) {
	t.Helper()
	for {
		select {
		case got := <-m.got:
			t.Log(got)
			if strings.Contains(got, text) {
				return
			}
		case <-ctx.Done():
			t.Fatalf("no mail has %q", text)
		}
	}
}

// verifyPython holds the function that verifies messages of a webhook to messages that are signed rightly and
// wrongly.
func verifyPython(t *testing.T, content string) {
	now := strconv.FormatInt(time.Now().Unix(), 10)
	const body = `{"version":1}`
	old := strconv.FormatInt(time.Now().Add(-time.Hour).Unix(), 10)
	for _, test := range []struct{ timestamp, signature, body, want string }{
		{now, signature(now, body), body, "True"},
		{now, signature(now, body), body + " ", "False"},
		{now, signature(old, body), body, "False"},
		{old, signature(old, body), body, "False"},
		{"", "", body, "False"},
	} {
		script := content + `
import sys
print(is_from_gslb(sys.argv[1].encode(), {"X-Gslb-Timestamp": sys.argv[2], "X-Gslb-Signature": sys.argv[3]}, sys.argv[4].encode()))
`
		out, err := exec.Command("python3", "-c", script, hookKey, test.timestamp, test.signature, test.body).CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != test.want {
			t.Errorf("%+v: %v: %s", test, err, out)
		}
	}
}
