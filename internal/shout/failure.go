package shout

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

var errLate = errors.New("nothing has come back in time")

// Refusal is an error by which the other side said no. Saying the same again soon does not help.
type Refusal struct{ text string }

func (r *Refusal) Error() string { return r.text }

// Refused makes the error of an HTTP status that is no success.
func Refused(status int) error {
	text := strings.TrimSpace(fmt.Sprintf("it replied with status %d %s", status, http.StatusText(status)))
	if status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout {
		return errors.New(text)
	}
	return &Refusal{text}
}

// Later is an error by which the other side said, too, how long to wait.
type Later struct {
	error
	Wait time.Duration // of any length
}

func (l *Later) Unwrap() error { return l.error }

// RefusedBy makes the error of a reply that is no success. One that says how long to wait (Retry-After, RFC 9110,
// section 10.2.3) has a number of seconds for it, or a date.
func RefusedBy(reply *http.Response, now time.Time) error {
	err := Refused(reply.StatusCode)
	if refusal := (*Refusal)(nil); errors.As(err, &refusal) {
		return err
	}
	said := strings.TrimSpace(reply.Header.Get("Retry-After"))
	if seconds, failed := strconv.ParseUint(said, 10, 31); failed == nil {
		return &Later{err, time.Duration(seconds) * time.Second}
	}
	if at, failed := http.ParseTime(said); failed == nil && at.After(now) {
		return &Later{err, at.Sub(now)}
	}
	return err
}

// statusIn finds the status of a reply in an error of the library, which has it as text alone.
var statusIn = regexp.MustCompile(`\b([45]\d\d)\b`)

// explain makes an error that can be shown of one that may hold secrets.
//
//	what it is                           what is shown
//	a deadline                           that nothing came back in time
//	a name that is not found             that it is not, without the name
//	a certificate, a system's error      that
//	a reply of a mail server             the reply
//	a text with the status of a reply    the status
//	anything else                        its text without all that is in the URL
func explain(err error, secrets []string) error {
	if refusal, later := new(Refusal), new(Later); err == nil || errors.As(err, &refusal) || errors.As(err, &later) {
		return err
	}
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	var errno syscall.Errno
	var mail *textproto.Error
	var timeout net.Error
	text := err.Error()
	switch {
	case errors.As(err, &name), strings.Contains(text, "no such host"):
		return errors.New("the name of its host can't be resolved")
	case errors.As(err, &certificate), strings.Contains(text, "x509: "):
		return errors.New("its certificate is not trusted")
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		strings.Contains(text, "deadline exceeded"), strings.Contains(text, "Client.Timeout"):
		return errLate
	case errors.As(err, &errno):
		return errors.New(errno.Error())
	case strings.Contains(text, "connection refused"):
		return syscall.ECONNREFUSED
	case errors.As(err, &mail):
		reply := fmt.Sprintf("it replied %d %s", mail.Code, scrub(mail.Msg, secrets))
		if mail.Code >= 500 {
			return &Refusal{reply}
		}
		return errors.New(reply)
	case errors.Is(err, io.EOF):
		return errors.New("it closed the connection")
	}
	if found := statusIn.FindString(text); found != "" {
		if status, _ := strconv.Atoi(found); http.StatusText(status) != "" {
			return Refused(status)
		}
	}
	return errors.New(scrub(text, secrets))
}

// Explain makes an error of an HTTP client that can be shown of one that quotes a URL.
func Explain(err error, raw string) error { return explain(err, secretsOf(raw)) }

// secretsOf is every part of a URL, and of what it has in it, that should not be shown.
func secretsOf(raw string) []string {
	parts := []string{raw}
	add := func(texts ...string) {
		for _, text := range texts {
			parts = append(parts, text, url.QueryEscape(text), url.PathEscape(text))
			parts = append(parts, strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(":/@,-&=", r) })...)
		}
	}
	u, err := url.Parse(raw)
	if err != nil {
		_, rest, _ := strings.Cut(raw, "://")
		add(rest)
	} else {
		password, _ := u.User.Password()
		add(u.User.Username(), password, u.Host, u.Path, u.RawQuery, u.Opaque, u.Fragment)
		for _, values := range u.Query() {
			add(values...)
		}
	}
	const shortest = 4 // what is shorter is in any text
	parts = slices.DeleteFunc(parts, func(part string) bool { return len(part) < shortest })
	slices.SortFunc(parts, func(a, b string) int { return len(b) - len(a) })
	return slices.Compact(parts)
}

var (
	anyURL   = regexp.MustCompile(`\w+:/+\S+`)
	longWord = regexp.MustCompile(`[^\s:;,()]{20,}`) // as tokens are
)

// scrub is a text in one line of moderate length, without what may be secret.
func scrub(text string, secrets []string) string {
	text = anyURL.ReplaceAllString(text, "…")
	for _, secret := range secrets {
		text = strings.ReplaceAll(text, secret, "…")
		if pattern, err := regexp.Compile(`(?i)` + regexp.QuoteMeta(secret)); err == nil { // it is text in UTF-8
			text = pattern.ReplaceAllLiteralString(text, "…")
		}
	}
	return cut(line(longWord.ReplaceAllString(text, "…")), 200)
}
