package config

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"gslb/health"
	"gslb/zones"
	"gslb/zones/problem"
)

const (
	defaultMaxBody = 64 << 10
	maxMaxBody     = 16 << 20
)

// httpCheck reads what is particular to a check of type http.
func (l *loader) httpCheck(c *check, raw *rawHTTP) {
	expect := c.at.Key("expect")
	template := health.HTTP{
		Method:          l.method(c.at.Key("method"), raw.Method),
		Status:          l.statuses(expect.Key("status"), raw.Expect.Status),
		Pattern:         l.pattern(expect.Key("body"), raw.Expect.Body),
		MaxBody:         l.maxBody(c.at.Key("max_body"), raw),
		FollowRedirects: raw.FollowRedirects,
	}
	if raw.Expect.Body != nil && raw.Method == http.MethodHead {
		l.Add(expect.Key("body"), "found a pattern; expected none, since the answer to HEAD has no body")
	}

	var host *text
	if raw.Host != nil {
		host = l.text(c, c.at.Key("host"), *raw.Host, always, readHost)
	}
	headers := l.headers(c, raw.Headers)
	template.Load = l.feedback(c, &raw.rawLoad, "header:")
	if template.Load.Source == "header" && !token.MatchString(template.Load.Name) {
		l.Add(c.at.Key("weight_from"), "found %q; expected the name of a header after the colon", *raw.WeightFrom)
	}
	body := l.text(c, c.at.Key("body"), raw.Body, never, nil)
	if raw.URL == nil {
		return
	}
	address := l.text(c, c.at.Key("url"), *raw.URL, inAuthority, readURL)
	// A redirect may lead from http to https.
	secure := raw.FollowRedirects || !strings.HasPrefix(strings.ToLower(*raw.URL), "http://")
	link := l.link(c, &raw.rawLink, secure, "the url is http, so that no TLS is spoken; make it https")
	if raw.TLS == false && strings.HasPrefix(strings.ToLower(*raw.URL), "https://") {
		l.Add(c.at.Key("tls"), "found false; expected none, since the url is https")
	}

	c.spec = func(f *filling) health.Spec {
		spec := template
		spec.URL = f.fill(address)
		spec.Host = f.fill(host)
		spec.Link = link.fill(f)
		spec.Body = f.fill(body)
		for name, value := range headers {
			if spec.Headers == nil {
				spec.Headers = make(map[string]string, len(headers))
			}
			spec.Headers[name] = f.fill(value)
		}
		return &spec
	}
}

var token = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$") // RFC 9110, section 5.6.2

// method reads the request's method. Methods are case-sensitive (RFC 9110, section 9.1), and one in
// lower case is nearly always a mistake.
func (l *loader) method(at *problem.Place, method string) string {
	if !token.MatchString(method) || method != strings.ToUpper(method) {
		l.Add(at, `found %q; expected a method such as "GET", in capitals`, method)
	}
	return method
}

// statuses reads a list of status codes and ranges of them.
func (l *loader) statuses(at *problem.Place, list []any) []health.StatusRange {
	if list == nil {
		return []health.StatusRange{{From: 200, To: 299}}
	}
	if len(list) == 0 {
		l.Add(at, "found an empty list; expected at least one status, since nothing could ever pass")
	}
	var ranges []health.StatusRange
	for i, item := range list {
		text := fmt.Sprint(item)
		_, isNumber := item.(int64)
		_, isText := item.(string)
		r, ok := parseStatus(text)
		if !ok || !isNumber && !isText {
			l.Add(at.Index(i), `found %s; expected a status such as 200, or a range such as "200-299"`, describe(item))
		}
		ranges = append(ranges, r)
	}
	return ranges
}

func parseStatus(text string) (health.StatusRange, bool) {
	first, last, isRange := strings.Cut(text, "-")
	if !isRange {
		last = first
	}
	from, err1 := strconv.Atoi(first)
	to, err2 := strconv.Atoi(last)
	ok := err1 == nil && err2 == nil && 100 <= from && from <= to && to <= 599
	return health.StatusRange{From: from, To: to}, ok
}

// maxBody reads how much of a body is looked at.
func (l *loader) maxBody(at *problem.Place, raw *rawHTTP) int64 {
	if raw.MaxBody == nil {
		return defaultMaxBody
	}
	if n := *raw.MaxBody; n < 1 || n > maxMaxBody {
		l.Add(at, "found %d; expected from 1 to %d bytes", n, maxMaxBody)
	}
	if raw.Expect.Body == nil {
		l.Add(at, "limits what expect.body looks at, which is not set; set it, or remove this")
	}
	return *raw.MaxBody
}

// headers reads the request's headers. Their names are canonical in the result.
func (l *loader) headers(c *check, raw map[string]string) map[string]*text {
	headers := make(map[string]*text, len(raw))
	for _, name := range sortedKeys(raw) {
		at := c.at.Key("headers").Key(name)
		canonical := http.CanonicalHeaderKey(name)
		switch {
		case !token.MatchString(name):
			l.Add(at, "found %q; expected the name of a header", name)
			continue
		case headers[canonical] != nil:
			l.Add(at, "%q is given twice; the case of a header's name does not matter", canonical)
			continue
		case canonical == "Host":
			l.Add(at, "found a Host header; expected the key host of the check")
		case canonical == "Content-Length", canonical == "Transfer-Encoding", canonical == "Trailer", canonical == "Connection":
			l.Add(at, "found %q; expected none, the probe sets it", canonical)
		}
		headers[canonical] = l.text(c, at, raw[name], never, whole(validHeader))
	}
	return headers
}

// readURL reads the URL of a check. Its host is in the form that DNS has (UTS #46).
func readURL(s string) (string, error) {
	if err := validURL(s); err != nil {
		return "", err
	}
	u, err := url.Parse(s)
	if err != nil || isASCII(u.Hostname()) {
		return s, err
	}
	host, err := zones.ASCIIName(u.Hostname())
	if err != nil {
		return "", fmt.Errorf("found %q; expected a URL with a host: %w", s, err)
	}
	if port := u.Port(); port != "" {
		host += ":" + port
	}
	// Only the host is replaced; the rest of the URL stays as written.
	scheme, rest, _ := strings.Cut(s, "://")
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	user := rest[:strings.LastIndexByte(rest[:end], '@')+1]
	return scheme + "://" + user + host + rest[end:], nil
}

// validURL says what is wrong with the URL of a check.
func validURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return fmt.Errorf("found %q; expected a URL: %w", s, err.(*url.Error).Err)
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("found %q; expected a URL that begins with http:// or https://", s)
	case u.Hostname() == "":
		return fmt.Errorf("found %q; expected a URL with a host", s)
	case strings.Contains(s, "#"):
		return fmt.Errorf("found %q; expected a URL without a fragment, which is never sent", s)
	}
	if strings.HasSuffix(u.Host, ":") {
		return fmt.Errorf("found %q; expected a port after the colon", s)
	}
	if port := u.Port(); port != "" {
		if err := validPort(port); err != nil {
			return fmt.Errorf("found %q; %w", s, err)
		}
	}
	return nil
}

// readHost reads a Host header: a host and, perhaps, a port. An IPv6 address stands in brackets
// (RFC 9110, section 7.2), another host in the form that DNS has (UTS #46).
func readHost(s string) (string, error) {
	if addr, err := netip.ParseAddr(s); err == nil {
		return bracketed(addr.String()), nil
	}
	u, err := url.Parse("http://" + s + "/")
	if err != nil || u.Host != s || u.Hostname() == "" {
		return "", fmt.Errorf("found %q; expected a host, or host:port", s)
	}
	if isASCII(s) {
		return s, nil
	}
	host, err := zones.ASCIIName(u.Hostname())
	if err != nil {
		return "", fmt.Errorf("found %q; expected a host, or host:port: %w", s, err)
	}
	if port := u.Port(); port != "" {
		host += ":" + port
	}
	return host, nil
}

// validHeader says what is wrong with a header's value (RFC 9110, section 5.5).
func validHeader(s string) error {
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return errors.New("found a control character; expected a header's value, in one line")
	}
	return nil
}
