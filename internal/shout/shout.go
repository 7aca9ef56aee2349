// Package shout sends texts through the services of shoutrrr, and is the only one that knows that library.
//
// What the library leaves open is closed here. Its errors quote the URL, which is a secret: Send returns errors
// of its own. Some of its services wait for a reply without a bound, one of them panics when its server can't
// be reached, and most read a reply of any length: a send has a deadline, after which it is left behind, at most
// [mostLeft] of a service at a time; a panic is an error; and [Bound] limits what the HTTP client of the
// standard library, which they use, takes. One of its services takes for sent what was not, and is replaced.
package shout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/nicholas-fedor/shoutrrr/pkg/router"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"
)

// Text is what is sent.
type Text struct {
	Title, Body string
	// ID is the same for all that is said of one incident; empty: it is of none, or of several.
	ID       string
	Critical bool
	Ended    bool
	Source   string // the machine that says it
	Link     string // where there is more; may be empty
}

// Service is one service at one URL.
type Service struct {
	scheme string
	url    string
	form   form
	left   chan struct{} // sends that have not ended
}

// mostLeft is how many sends of a service may be left behind because they did not end in time.
const mostLeft = 3

// form is how a service takes a text.
type form struct {
	// title is the parameter that the title is given by; empty: it is the first line of the body.
	title string
	most  int  // bytes of a body
	one   bool // an incident is a thing of its own there, so that each has its own text
	extra func(Text) types.Params
}

// usual is how most services take it. All that limit a body take this much, but for those below.
func usual(scheme string) form {
	f := form{title: types.TitleKey, most: 3500}
	switch scheme {
	case "googlechat", "hangouts", "matrix", "mattermost", "notifiarr", "rocketchat", "signal", "teams", "wecom", "zulip":
		f.title = "" // they take none, or show none
	case "telegram":
		f.most = 3000 // of 4096 characters, some of which are escaped
	case "smtp":
		f.most = 100_000
	case "pushover":
		f.most = 900
		f.extra = func(t Text) types.Params { return types.Params{"priority": choose(t, "0", "1")} }
	case "ntfy":
		f.extra = func(t Text) types.Params { return types.Params{"priority": choose(t, "default", "high")} }
	case "gotify":
		f.extra = func(t Text) types.Params { return types.Params{"priority": choose(t, "5", "8")} }
	case "pagerduty":
		// An alert has a summary alone, of 1024 characters.
		f.title, f.most, f.one = "", 900, true
		f.extra = func(t Text) types.Params {
			p := types.Params{"severity": "warning", "source": t.Source, "client": "gslb", "client_url": t.Link, "action": "trigger", "dedup_key": t.ID}
			if t.Critical {
				p["severity"] = "critical"
			}
			if t.Ended {
				p["action"] = "resolve"
			}
			return p
		}
	case "opsgenie":
		f.one = true
		f.extra = func(t Text) types.Params {
			return types.Params{"alias": t.ID, "source": t.Source, "priority": choose(t, "P3", "P1")}
		}
	}
	return f
}

// choose is for a parameter of urgency.
func choose(t Text, normal, critical string) string {
	if t.Critical && !t.Ended {
		return critical
	}
	return normal
}

// Open makes a service of a URL. It connects to nothing. Errors do not quote the URL.
func Open(raw string) (s *Service, err error) {
	defer func() {
		if recover() != nil {
			s, err = nil, errors.New("it is not understood")
		}
	}()
	r := &router.ServiceRouter{}
	scheme, parsed, err := r.ExtractServiceName(raw)
	if err != nil || scheme == "" {
		return nil, errors.New("it is no URL, such as slack://… or smtp://…")
	}
	if scheme == "logger" {
		return nil, errors.New("it leads to a log, which has all this anyway")
	}
	if _, err := r.NewService(scheme); err != nil {
		return nil, fmt.Errorf("shoutrrr has no service %.40q", scheme)
	}
	// The service matrix signs in when it is made.
	if scheme != "matrix" {
		if _, err := locate(raw); err != nil {
			return nil, fmt.Errorf("it is not as the service %s wants it: %s", scheme, scrub(err.Error(), secretsOf(raw)))
		}
	} else if parsed.Host == "" || parsed.User == nil {
		return nil, errors.New("it is not as the service matrix wants it: matrix://USER:PASSWORD@HOST/")
	}
	return &Service{scheme: scheme, url: raw, form: usual(scheme), left: make(chan struct{}, mostLeft)}, nil
}

// locate makes a service of the library.
func locate(raw string) (types.Service, error) {
	r := &router.ServiceRouter{}
	scheme, parsed, err := r.ExtractServiceName(raw)
	if err != nil {
		return nil, err
	}
	if parsed.Scheme != scheme { // generic+https://
		return r.Locate(raw)
	}
	service, err := r.NewService(scheme) // Locate does not say what is wrong
	if err != nil {
		return nil, err
	}
	return service, service.Initialize(parsed, nil)
}

// Name is the service's: "slack".
func (s *Service) Name() string { return s.scheme }

// One reports whether each incident wants a text of its own.
func (s *Service) One() bool { return s.form.one }

// Send sends a text, and waits no longer than ctx says.
func (s *Service) Send(ctx context.Context, text Text) error {
	select {
	case s.left <- struct{}{}:
	default:
		return fmt.Errorf("%d messages before it were sent and never taken or refused: the service hangs", mostLeft)
	}
	ended := make(chan error, 1)
	go func() {
		defer func() { <-s.left }()
		ended <- s.send(ctx, text)
	}()
	select {
	case err := <-ended:
		return explain(err, secretsOf(s.url))
	case <-ctx.Done():
		return errLate
	}
}

// send may take for ever, whatever ctx says.
func (s *Service) send(ctx context.Context, text Text) (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("the service can't be reached, or has replied something that is not understood")
		}
	}()
	if s.scheme == "telegram" {
		return s.sendTelegram(ctx, text)
	}
	// A service keeps what it was told with the message before, so that each message has a new one.
	service, err := locate(s.url)
	if err != nil {
		return err
	}
	body, params := s.compose(text)
	return service.Send(body, &params)
}

// compose makes what a service takes of a text. Parameters that the URL gives are left to it.
func (s *Service) compose(text Text) (string, types.Params) {
	params := types.Params{}
	if s.form.extra != nil {
		given := url.Values{}
		if u, err := url.Parse(s.url); err == nil {
			given = u.Query()
		}
		for key, value := range s.form.extra(text) {
			if value != "" && !given.Has(key) {
				params[key] = value
			}
		}
	}
	title, body := line(text.Title), text.Body
	switch {
	case s.form.title == "":
		body = title + "\n" + body
	case s.scheme == "smtp":
		params[s.form.title] = mime.QEncoding.Encode("utf-8", title) // RFC 2047; it stays as it is in ASCII
	case s.scheme == "opsgenie":
		params[s.form.title] = cut(title, 130) // all that a message there has
	default:
		params[s.form.title] = title
	}
	return cut(body, s.form.most), params
}

// line is a text as one line of visible characters, so that a header is no other one.
func line(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s)
}

// cut is a text of at most so many bytes.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	at := most - len("…")
	for at > 0 && !utf8.RuneStart(s[at]) {
		at--
	}
	return s[:at] + "…"
}

// mostReply is how many bytes of a reply are read.
const mostReply = 1 << 20

// Bound is a transport whose replies end after a megabyte: services read them whole, and a host that never
// ends its reply must not take the memory of this program.
func Bound(t http.RoundTripper) http.RoundTripper { return bounded{t} }

type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	reply, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		reply.Body = limited{io.LimitReader(reply.Body, mostReply), reply.Body}
	}
	return reply, err
}

type limited struct {
	io.Reader
	io.Closer
}
