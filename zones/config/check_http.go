package config

import (
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"gslb/health"
	"gslb/internal/jsonpath"
	"gslb/zones"
	"gslb/zones/problem"
)

// httpCheck reads what is particular to a check of type http.
func (l *loader) httpCheck(c *check, raw *rawHTTP) {
	template := health.HTTP{Method: l.method(c.at.Key("method"), raw.Method), HTTP2: raw.HTTP2}
	template.Load = l.httpLoad(c, raw)
	l.expect(&template, c, raw)
	template.FollowRedirects, template.AnyHost = l.redirects(c.at.Key("follow_redirects"), raw.FollowRedirects)
	template.BasicFile, template.BearerFile = l.auth(c, raw.Auth, raw.URL)

	var host *text
	if raw.Host != nil {
		host = l.text(c, c.at.Key("host"), *raw.Host, always, readHost)
	}
	headers := l.headers(c, raw)
	body := l.text(c, c.at.Key("body"), raw.Body, never, nil)
	if raw.URL == nil {
		return
	}
	address := l.text(c, c.at.Key("url"), *raw.URL, inAuthority, readURL)
	link := l.linkByURL(c, &raw.rawLink, *raw.URL, template.FollowRedirects)

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

// httpLoad reads where a response says the load.
func (l *loader) httpLoad(c *check, raw *rawHTTP) health.LoadFrom {
	from := l.feedback(c, &raw.rawLoad, "header:", "json:")
	at := c.at.Key("weight_from")
	switch from.Source {
	case "header":
		if !token.MatchString(from.Name) {
			l.Add(at, "found %q; expected the name of a header after the colon", *raw.WeightFrom)
		}
	case "json":
		if _, err := jsonpath.Parse(from.Name); err != nil {
			l.Add(at, "found %q; expected a path after the colon, such as json:load or json:cpu.used", *raw.WeightFrom)
		}
		if raw.Method == http.MethodHead {
			l.Add(at, "found %q; expected a header, since the answer to HEAD has no body", *raw.WeightFrom)
		}
	}
	return from
}

// redirects reads whether redirects are followed, and whether to other hosts, too.
func (l *loader) redirects(at *problem.Place, value any) (follow, anyHost bool) {
	switch value {
	case nil, false:
		return false, false
	case true, "same-host":
		return true, false
	case "any":
		return true, true
	}
	l.Add(at, `found %s; expected true, false, "same-host" (as true) or "any"`, describe(value))
	return false, false
}

// auth reads the file with what proves who asks, so that a bad one is found now and a changed one makes a new
// configuration, and returns its path. No message tells what the file holds.
func (l *loader) auth(c *check, raw *rawAuth, url *string) (basic, bearer string) {
	if raw == nil {
		return "", ""
	}
	at := c.at.Key("auth")
	file, key, form := raw.BasicFile, "basic_file", "USER:PASSWORD"
	if file == nil {
		file, key, form = raw.BearerFile, "bearer_file", "a token"
	}
	if file == nil || raw.BasicFile != nil && raw.BearerFile != nil {
		l.Add(at, "expected one of the keys basic_file and bearer_file")
		return "", ""
	}
	if url != nil && userinfo.MatchString(*url) {
		l.Add(at, "the url has a user, too; remove one of the two")
	}
	path := l.files.path(*file)
	content, err := l.files.readSmall(path)
	if err != nil {
		l.Add(at.Key(key), "found %q; expected a readable file: %v", *file, err)
	} else if _, err := health.Secret(content, key == "basic_file"); err != nil {
		l.Add(at.Key(key), "%q %v; expected one line with %s", *file, err, form)
	}
	if key == "basic_file" {
		return path, ""
	}
	return "", path
}

// userinfo is a user in a URL (RFC 3986, section 3.2.1).
var userinfo = regexp.MustCompile(`^[^:/?#]+://[^/?#]*@`)

// headers reads the request's headers. Their names are canonical in the result.
func (l *loader) headers(c *check, raw *rawHTTP) map[string]*text {
	headers := make(map[string]*text, len(raw.Headers))
	for name, at := range l.headerNames(c.at.Key("headers"), raw.Headers) {
		canonical := http.CanonicalHeaderKey(name)
		switch {
		case canonical == "Host":
			l.Add(at, "found a Host header; expected the key host of the check")
		case canonical == "Content-Length", canonical == "Transfer-Encoding", canonical == "Trailer", canonical == "Connection":
			l.Add(at, "found %q; expected none, the probe sets it", canonical)
		case canonical == "Authorization" && raw.Auth != nil:
			l.Add(at, "auth sets it, too; remove one of the two")
		case raw.HTTP2 && slices.Contains(notInHTTP2, canonical):
			l.Add(at, "found %q; expected none, HTTP/2 has no such header (RFC 9113, section 8.2.2)", canonical)
		}
		headers[canonical] = l.text(c, at, raw.Headers[name], never, whole(validHeader))
	}
	return headers
}

// notInHTTP2 are headers that say something about an HTTP/1.1 connection.
var notInHTTP2 = []string{"Upgrade", "Keep-Alive", "Proxy-Connection", "Te", "Http2-Settings"}

// headerNames yields the names of headers, in order, and their places. It reports and leaves out those
// that are none, or that come twice.
func (l *loader) headerNames(at *problem.Place, headers map[string]string) iter.Seq2[string, *problem.Place] {
	return func(yield func(string, *problem.Place) bool) {
		seen := make(map[string]bool, len(headers))
		for _, name := range sortedKeys(headers) {
			at, canonical := at.Key(name), http.CanonicalHeaderKey(name)
			switch {
			case !token.MatchString(name):
				l.Add(at, "found %q; expected the name of a header", name)
			case seen[canonical]:
				l.Add(at, "%q is given twice; the case of a header's name does not matter", canonical)
			case !yield(name, at):
				return
			}
			seen[canonical] = true
		}
	}
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
