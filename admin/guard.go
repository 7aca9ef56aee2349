package admin

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// contentPolicy lets a browser load this server's own style and script, and nothing else.
// The one data: image is the empty icon that spares a request for /favicon.ico.
const contentPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src data:; " +
	"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// guarded sets the headers of every response, refuses requests that another site makes a browser
// send, and recovers from panics. A response may load and run only this server's own files, must
// not be framed, and must not be cached.
func (s *Server) guarded(next http.Handler) http.Handler {
	seldom := rate.Sometimes{Interval: 10 * time.Second}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")

		if !hostAllowed(r.Host, s.options.Hosts()) {
			http.Error(w, fmt.Sprintf("this server is not called %q: use its IP address, or list the name under hosts in the [admin] table of zones.toml", cut(r.Host, 100)), http.StatusMisdirectedRequest)
			return
		}
		if crossSite(r) {
			http.Error(w, "another web site made your browser ask this; open the page itself", http.StatusForbidden)
			return
		}
		defer func() {
			switch p := recover(); p {
			case nil:
			case http.ErrAbortHandler:
				panic(p)
			default:
				seldom.Do(func() {
					s.options.Logger.Error("a request to the admin server ended in a panic; please report it", "path", cut(r.URL.Path, 100), "panic", cut(fmt.Sprint(p), 1000), "stack", cut(string(debug.Stack()), 8<<10))
				})
				panic(http.ErrAbortHandler) // the client must not take half an answer for a whole one
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// hostAllowed reports whether a Host header names this server. A web site can point a name of its
// own to this server's address and then read what its visitors' browsers are answered ("DNS
// rebinding"). The browser still sends that name, so only names that are known to be this server's
// are taken. Nobody can point an address elsewhere, so every address is accepted: behind address
// translation, the server does not know all addresses that lead to it. Only HTTP/1.0 requests have
// no Host, and browsers do not send these.
//
//	none                       taken
//	an IP address              taken
//	localhost, *.localhost     taken: always this host (RFC 6761, section 6.3)
//	a name in admin.hosts      taken
//	any other name             refused
func hostAllowed(header string, hosts []string) bool {
	if header == "" {
		return true
	}
	host, _, err := net.SplitHostPort(header)
	if err != nil { // it has no port
		host = strings.TrimSuffix(strings.TrimPrefix(header, "["), "]")
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || slices.Contains(hosts, host)
}

// crossSite reports whether a browser says that another site is behind a request. Following a link
// to the page is allowed, since the other site cannot read the response.
func crossSite(r *http.Request) bool {
	if origin := r.Header.Get("Origin"); origin != "" {
		u, err := url.Parse(origin)
		return err != nil || !strings.EqualFold(u.Host, r.Host)
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
		return false
	}
	return r.Header.Get("Sec-Fetch-Mode") != "navigate" || r.Header.Get("Sec-Fetch-Dest") != "document"
}

// cut shortens text to about so many bytes, at the end of a character. Targets and clients choose
// some of the text that is shown.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + " …"
}
