package notify

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"gslb/incident"
	"gslb/internal/shout"
	"gslb/zones"
)

// sender brings a message to a target. An error holds no secret; a *shout.Refusal is one that the same message
// will meet again.
type sender interface {
	// send waits no longer than ctx says.
	send(ctx context.Context, items []item) error
	one() bool    // whether a message is about one incident
	kind() string // for people: "slack", "webhook"
}

// newSender makes the sender of a target. from is asked for each message; of a transport that is nil it makes
// its own.
func newSender(t zones.NotifyTarget, from func() source, transport http.RoundTripper) (sender, error) {
	switch t.Type {
	case zones.NotifyWebhook:
		return &webhook{target: t, from: from, client: newClient(transport)}, nil
	case zones.NotifyAlertmanager:
		return &alertmanager{target: t, from: from, client: newClient(transport)}, nil
	}
	service, err := shout.Open(t.URL.Reveal())
	if err != nil {
		return nil, fmt.Errorf("notify.targets.%s: %w", t.Name, err)
	}
	return &chat{service, from, t.Location}, nil
}

// chat is a service of shoutrrr.
type chat struct {
	service  *shout.Service
	from     func() source
	location *time.Location
}

func (c *chat) one() bool    { return c.service.One() }
func (c *chat) kind() string { return c.service.Name() }
func (c *chat) send(ctx context.Context, items []item) error {
	return c.service.Send(ctx, compose(items, c.from(), c.location))
}

// newClient is for webhooks and Alertmanagers: it goes through the proxy that the environment names, and trusts
// the system's roots. A redirect is not followed, since it may lead anywhere.
func newClient(transport http.RoundTripper) *http.Client {
	if transport == nil {
		transport = &http.Transport{
			Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, IdleConnTimeout: 2 * time.Minute, MaxIdleConnsPerHost: 1, MaxResponseHeaderBytes: 64 << 10,
		}
	}
	return &http.Client{
		Transport:     shout.Bound(transport),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// post sends JSON.
func post(ctx context.Context, client *http.Client, url string, body []byte, header http.Header) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return shout.Explain(err, url)
	}
	r.Header = header
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "gslb")
	reply, err := client.Do(r)
	if err != nil {
		return shout.Explain(err, url)
	}
	defer reply.Body.Close()
	_, _ = io.Copy(io.Discard, reply.Body) // so that the connection is used again
	if reply.StatusCode < 200 || reply.StatusCode > 299 {
		return shout.RefusedBy(reply, time.Now())
	}
	return nil
}

// webhook gets a signed JSON document for each incident.
type webhook struct {
	target zones.NotifyTarget
	from   func() source
	client *http.Client
}

// Document is what a webhook gets.
type Document struct {
	Version  int               `json:"version"` // 1
	What     string            `json:"what"`    // "began", "changed", "lasts", "ended"; "was": it began and ended; "test"
	Title    string            `json:"title"`   // for people
	Text     string            `json:"text"`    // the same, whole
	Incident incident.Incident `json:"incident"`
	Host     string            `json:"host"` // that sends it
	Page     string            `json:"page,omitempty"`
	Runbook  string            `json:"runbook,omitempty"` // its section
}

// Headers of a signed message.
const (
	timestampHeader = "X-Gslb-Timestamp"
	signatureHeader = "X-Gslb-Signature"
)

func (w *webhook) one() bool    { return true }
func (w *webhook) kind() string { return string(w.target.Type) }
func (w *webhook) send(ctx context.Context, items []item) error {
	i, from := items[0], w.from()
	text := compose(items[:1], from, w.target.Location)
	document := Document{Version: 1, What: string(i.what), Title: text.Title, Text: text.Body, Incident: i.incident, Host: from.host, Page: from.page}
	if from.runbook != "" && i.what != test {
		document.Runbook = from.runbook + "#" + string(i.incident.Kind)
	}
	body, err := json.Marshal(document)
	if err != nil {
		return err
	}
	timestamp := strconv.FormatInt(time.Now().Unix(), 10)
	return post(ctx, w.client, w.target.URL.Reveal(), body, http.Header{
		timestampHeader: {timestamp}, signatureHeader: {Sign([]byte(w.target.Key.Reveal()), timestamp, body)},
	})
}

// Sign is the signature of a message: HMAC-SHA256 (RFC 2104), in hexadecimal, of the timestamp, a full stop and
// the body.
func Sign(key []byte, timestamp string, body []byte) string {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(timestamp + "."))
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil))
}

// alertmanager gets alerts by API version 2.
type alertmanager struct {
	target zones.NotifyTarget
	from   func() source
	client *http.Client
}

// alertLife is when an alert ends that is not sent again: that of a server which has died is not open for ever.
const alertLife = 5 * time.Minute

// alert is a postableAlert.
type alert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    time.Time         `json:"startsAt"`
	EndsAt      time.Time         `json:"endsAt"`
	Generator   string            `json:"generatorURL,omitempty"`
}

func (a *alertmanager) one() bool    { return false }
func (a *alertmanager) kind() string { return string(a.target.Type) }
func (a *alertmanager) send(ctx context.Context, items []item) error {
	from := a.from()
	var alerts []alert
	for _, i := range items {
		alerts = append(alerts, a.alert(i, from))
		if i.as != (guise{}) && i.as != guiseOf(&i.incident) { // which makes it another alert
			i.incident.Kind, i.incident.Critical = i.as.Kind, i.as.Critical
			i.incident.Until = cmp.Or(i.incident.Until, time.Now())
			alerts = append(alerts, a.alert(i, from))
		}
	}
	body, err := json.Marshal(alerts)
	if err != nil {
		return err
	}
	return post(ctx, a.client, strings.TrimSuffix(a.target.URL.Reveal(), "/")+"/api/v2/alerts", body, http.Header{})
}

// alert makes the alert of an incident. An Alertmanager knows it by its labels: these are the same as long as the
// incident lasts, except for its kind and severity.
func (a *alertmanager) alert(i item, from source) alert {
	n := &i.incident
	text := compose([]item{i}, from, a.target.Location)
	made := alert{
		Labels: map[string]string{
			"alertname": alertName(n.Kind), "kind": string(n.Kind), "subject": zones.Plain(n.Subject), "instance": from.host, "severity": "warning", "incident": n.ID,
		},
		Annotations: map[string]string{"summary": headline(n), "description": text.Body},
		StartsAt:    n.Since, EndsAt: time.Now().Add(alertLife), Generator: from.page,
	}
	if n.Critical {
		made.Labels["severity"] = "critical"
	}
	if from.runbook != "" && i.what != test {
		made.Annotations["runbook_url"] = from.runbook + "#" + string(n.Kind)
	}
	if !n.Until.IsZero() {
		made.EndsAt = n.Until
	}
	made.StartsAt = earlier(made.StartsAt, made.EndsAt) // the clock may have been set back, and an Alertmanager wants it so
	return made
}

// alertName is a kind as alerts are named: GslbPoolDown.
func alertName(kind incident.Kind) string {
	var b strings.Builder
	b.WriteString("Gslb")
	for word := range strings.SplitSeq(string(kind), "-") {
		if word != "" {
			b.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return b.String()
}

// BoundDefaultClient limits the HTTP client of the standard library, which the services of shoutrrr use and can't
// be given another instead of: how long a request may take, and how much of a reply is read. It is for a command
// that sends messages, once, before anything else runs. Nothing else of this program uses that client.
func BoundDefaultClient() {
	http.DefaultClient.Timeout = sendWait
	http.DefaultTransport = shout.Bound(http.DefaultTransport)
}
