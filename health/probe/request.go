package probe

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"unicode"

	"golang.org/x/net/idna"

	"gslb/health"
)

// userAgent names this program to the servers it probes, unless the check says otherwise.
const userAgent = "gslb/health"

// request is an HTTP request, ready to be sent.
type request struct {
	to     endpoint
	home   *url.URL // of the check
	url    *url.URL
	method string
	host   string // the Host header
	body   string
	config *tls.Config // for whichever URL needs it
	// auth is the Authorization header that the check's secret makes; empty: there is none. It goes to the
	// check's own host alone, and never in plain text after TLS.
	auth    string
	abroad  bool          // the URL is of another host than the check's
	bytes   []byte        // over HTTP/1.1
	message *http.Request // the same, over HTTP/2; it has no body and no context
}

// firstRequest renders the request of a spec. All probes of a target send the same bytes.
func firstRequest(spec *health.HTTP, config *tls.Config, auth string) (*request, error) {
	u, err := url.Parse(spec.URL)
	if err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, fmt.Errorf("url: %q is not of the form http://host/ or https://host/", spec.URL)
	}
	method := spec.Method
	if method == "" {
		method = http.MethodGet
	}
	r := &request{home: u, url: u, method: method, host: bracketed(spec.Host), body: spec.Body, config: config, auth: auth}
	if err := r.render(spec); err != nil {
		return nil, err
	}
	return r, verifyHeaders(spec, r.bytes)
}

// secretHeaders prove who asks. As all clients do, a probe does not send them to another host that it is
// redirected to.
var secretHeaders = []string{"Authorization", "Cookie", "Proxy-Authorization"}

// render fills in what follows from the other fields: where the request goes, and its
// bytes.
func (r *request) render(spec *health.HTTP) error {
	r.to = endpoint{address: r.address(spec), proxied: spec.ProxyHeader}
	if r.url.Scheme == "https" {
		r.to.tls = r.config
		if r.config.ServerName == "" || r.abroad {
			r.to.tls = r.config.Clone()
			r.to.tls.ServerName = nameOf(r.url)
		}
	}

	to := *r.url
	to.RawQuery = escapedQuery(to.RawQuery)
	h, err := http.NewRequest(r.method, to.String(), strings.NewReader(r.body))
	if err != nil {
		return err
	}
	h.Host = r.host
	h.Header.Set("User-Agent", userAgent)
	for name, value := range spec.Headers {
		h.Header.Set(name, value)
	}
	if r.auth != "" {
		h.Header.Set("Authorization", r.auth)
	}
	if r.url.User != nil && h.Header.Get("Authorization") == "" {
		password, _ := r.url.User.Password()
		h.SetBasicAuth(r.url.User.Username(), password)
	}
	if r.abroad || r.home.Scheme == "https" && r.url.Scheme == "http" {
		for _, name := range secretHeaders {
			h.Header.Del(name)
		}
	}
	r.message = h.Clone(context.Background())
	r.message.Body, r.message.GetBody = nil, nil
	// There will be no second request. A check may set the header itself, to ask for an upgrade.
	h.Close = h.Header.Get("Connection") == ""

	var b bytes.Buffer
	if err := h.Write(&b); err != nil {
		return fmt.Errorf("request: %w", err)
	}
	r.bytes = b.Bytes()
	return nil
}

// escapedQuery is a query as it can stand in a request line: package url keeps spaces and what is not ASCII, which
// servers redirect to nevertheless. What is escaped already stays.
func escapedQuery(query string) string {
	var b strings.Builder
	for i := range len(query) {
		if c := query[i]; c <= ' ' || c >= 0x7f {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// address is where the request goes. A redirect to another port goes to that port of the check's target.
func (r *request) address(spec *health.HTTP) string {
	host, own := r.url.Hostname(), port(r.url)
	if target, its, err := net.SplitHostPort(spec.Target); err == nil && !r.abroad {
		host = target
		if own == port(r.home) {
			own = its
		}
	}
	return net.JoinHostPort(host, own)
}

// bracketed is a host as it stands in a URL and in a Host header: an IPv6 address in brackets
// (RFC 9110, section 7.2; RFC 3986, section 3.2.2).
func bracketed(host string) string {
	if addr, err := netip.ParseAddr(host); err == nil && addr.Is6() {
		return "[" + host + "]"
	}
	return host
}

func port(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

// verifyHeaders reports headers that are not in the request as configured. Without an error,
// net/http leaves out headers that it sets itself (Host, Content-Length) and names that are not
// valid, and turns line breaks into spaces.
func verifyHeaders(spec *health.HTTP, rendered []byte) error {
	read, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(rendered)))
	if err != nil {
		return fmt.Errorf("request: it cannot be written as HTTP: %w", err)
	}
	var errs []error
	for name, value := range spec.Headers {
		if read.Header.Get(name) != strings.TrimSpace(value) {
			errs = append(errs, fmt.Errorf("headers: %q cannot be set to %q", name, value))
		}
	}
	return errors.Join(errs...)
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII })
}

// redirectOf returns where a response redirects to, or "" (RFC 9110, section 15.4).
func redirectOf(resp *response) string {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return resp.Header.Get("Location")
	}
	return ""
}

// redirect returns the request that follows this one. A redirect to the check's own host, by the name in its URL or
// its host, goes to the same address, perhaps to another port. One to another host is refused, since the check
// would judge another place, unless the check wants it.
func (r *request) redirect(spec *health.HTTP, status int, location string) (*request, error) {
	relative, err := url.Parse(location)
	if err != nil {
		return nil, fmt.Errorf("location %q is not a URL", location)
	}
	if name := relative.Hostname(); !isASCII(name) {
		ascii, err := idna.Lookup.ToASCII(name)
		if err != nil {
			return nil, fmt.Errorf("location %q has no name of a host: %w", location, err)
		}
		relative.Host = strings.Replace(relative.Host, name, ascii, 1)
	}
	next := *r
	next.url = r.url.ResolveReference(relative)
	next.url.User, next.url.Fragment = r.home.User, ""

	if relative.Host != "" {
		named := relative.Hostname()
		own := (&url.URL{Host: bracketed(spec.Host)}).Hostname()
		next.abroad = !strings.EqualFold(named, r.home.Hostname()) && !strings.EqualFold(named, own)
		next.host = relative.Host
		if next.abroad && !spec.AnyHost {
			return nil, fmt.Errorf("redirect to %q leaves %s", location, r.home.Hostname())
		}
		if !next.abroad {
			next.url.Host = net.JoinHostPort(r.home.Hostname(), port(next.url))
		}
	}
	if next.url.Scheme != "http" && next.url.Scheme != "https" || next.url.Hostname() == "" {
		return nil, fmt.Errorf("redirect to %q is neither http nor https", location)
	}

	// As all clients do, a redirected POST becomes a GET, except with 307 and 308 (RFC 9110,
	// section 15.4).
	switch {
	case status == http.StatusSeeOther && r.method != http.MethodHead,
		r.method == http.MethodPost && (status == http.StatusMovedPermanently || status == http.StatusFound):
		next.method, next.body = http.MethodGet, ""
	}
	return &next, next.render(spec)
}
