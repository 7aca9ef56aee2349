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

		if !hostAllowed(r.Host, s.address(), s.options.Hosts()) {
			http.Error(w, fmt.Sprintf("this server is not called %q: use the address that it listens on, or list %[1]q under hosts in the [admin] table of zones.toml", cut(r.Host, 100)), http.StatusMisdirectedRequest)
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
// rebinding"). The browser still sends that name, so only what is known to be this server's is
// taken. A server that listens on all addresses does not know which ones lead to it, behind address
// translation at least, and takes them all: nobody can point an address elsewhere. Only HTTP/1.0
// requests have no Host, and browsers do not send these.
//
//	none                            taken
//	a loopback address              taken
//	the address that is listened on taken; any address if that is 0.0.0.0 or [::]
//	localhost, *.localhost          taken: always this host (RFC 6761, section 6.3)
//	in admin.hosts                  taken
//	anything else                   refused
func hostAllowed(header string, listen netip.Addr, hosts []string) bool {
	if header == "" {
		return true
	}
	host, _, err := net.SplitHostPort(header)
	if err != nil { // it has no port
		host = strings.TrimSuffix(strings.TrimPrefix(header, "["), "]")
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		addr = addr.Unmap()
		return addr.IsLoopback() || listen.IsUnspecified() || addr == listen || slices.Contains(hosts, addr.String())
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || slices.Contains(hosts, host)
}

// address is what the server listens on; the zero value while it has no listener.
func (s *Server) address() netip.Addr {
	if s.options.Listener == nil {
		return netip.Addr{}
	}
	return netip.MustParseAddrPort(s.options.Listener.Addr().String()).Addr().Unmap()
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
