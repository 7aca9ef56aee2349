package admin

import (
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"gslb/admin/api"
	"gslb/zones"
)

// contentPolicy lets a browser load this server's own style and script, and nothing else.
// The one data: image is the empty icon that spares a request for /favicon.ico.
const contentPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src data:; " +
	"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// guarded sets the headers of every response, refuses what is not allowed, and recovers from panics. A
// response may load and run only this server's own files, must not be framed, and must not be cached.
// What it lets through has an Identity in its context.
func (s *Server) guarded(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")

		if r.TLS == nil && !overSocket(r) && s.options.Settings().Certificate != nil {
			h.Set("Connection", "close") // it is from before there was a certificate
		}
		_, pattern := mux.Handler(r)
		who, refusal := s.admit(r, needOf(pattern, r.Method))
		if refusal != nil {
			s.refused[refusal.reason].Add(1)
			if refusal.challenge != "" {
				h.Set("WWW-Authenticate", refusal.challenge)
			}
			refuse(w, r, refusal.problem)
			return
		}
		defer func() {
			switch p := recover(); p {
			case nil:
			case http.ErrAbortHandler:
				panic(p)
			default:
				s.seldom.panics.Do(func() {
					s.options.Logger.Error("a request to the admin server ended in a panic; please report it", "path", cut(r.URL.Path, 100), "panic", cut(fmt.Sprint(p), 1000), "stack", cut(string(debug.Stack()), 8<<10))
				})
				panic(http.ErrAbortHandler) // the client must not take half an answer for a whole one
			}
		}()
		mux.ServeHTTP(w, r.WithContext(WithIdentity(r.Context(), who)))
	})
}

// need is what a request needs to be allowed.
type need int

const (
	nothing  need = iota // it asks whether the server lives
	toRead               // it changes nothing
	toChange             // it may change something
	toPush               // it says that a target lives: that the check's own token allows
	toAct                // it is a form of the page, which may bring a token
)

// needOf is what a request needs that goes to a pattern of the mux.
//
//	/healthz, /readyz, with any method       nothing: who asks has no token
//	GET, HEAD, OPTIONS                       to read: these change nothing (RFC 9110, section 9.2.1)
//	no pattern (404, 405)                    to read
//	POST to /api/v1/push/…                   to push
//	POST to /act                             to act
//	any other method                         to change
func needOf(pattern, method string) need {
	switch pattern {
	case "GET /healthz", "GET /readyz":
		return nothing
	case "":
		return toRead
	}
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return toRead
	case http.MethodPost:
		if strings.HasPrefix(pattern, v1+"push/") {
			return toPush
		}
		if pattern == "POST "+actPath {
			return toAct
		}
	}
	return toChange
}

// admit finds out who makes a request, and whether they may.
//
//	                                         needs nothing   needs to read   needs to change
//	a foreign name in Host                   421             421             421
//	another web site is behind it            403             403             403
//	a wrong token, or a wrong certificate    yes             401             401
//	a token of an address that must wait     yes             429             429
//	not known                                yes             yes             401
//	not known, with read_token               yes             401             401
//	known                                    yes             yes             yes, with JSON or no body; else 415
//
// To push needs what to change needs, but for who it is: the check has tokens of its own. To act needs that
// too, but may be asked by whoever may read, with a form: whose token the form has, actor finds out.
func (s *Server) admit(r *http.Request, needs need) (Identity, *refusal) {
	settings := s.options.Settings()
	if !hostAllowed(r.Host, s.address(), settings.Hosts) && !(overSocket(r) && oneLabel(r.Host)) {
		return Identity{}, refused("host", api.Misdirected, "this server is not called %q: use the address that it listens on, or list %[1]q under hosts in the [admin] table of zones.toml", cut(r.Host, 100))
	}
	if crossSite(r, needs) {
		return Identity{}, refused("site", api.Forbidden, "another web site made your browser ask this; open the page itself")
	}
	if needs == nothing {
		return Identity{}, nil
	}
	var who Identity
	var err error
	if needs != toPush || overSocket(r) {
		who, err = s.identify(r, settings)
	}
	if err == nil && !who.Known() && (needs == toChange || needs != toPush && settings.ReadToken) {
		err = errUnknown
	}
	if err != nil && needs == toAct {
		needs = toRead // what the form brings was not looked at
	}
	if err != nil {
		return Identity{}, unknown(needs, settings, err)
	}
	if needs == toAct {
		if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != formType {
			return Identity{}, refused("media_type", api.UnsupportedMedia, "the body must be a form, with the header Content-Type: %s; programs use %soverrides", formType, v1)
		}
		return who, nil
	}
	if needs >= toChange && !saysJSON(r) {
		return Identity{}, refused("media_type", api.UnsupportedMedia, "the body must be JSON, with the header Content-Type: application/json")
	}
	return who, nil
}

// overSocket reports whether a request came over the socket.
func overSocket(r *http.Request) bool { return r.Context().Value(socketKey{}) != nil }

// errUnknown is that a request does not say who makes it.
var errUnknown = errors.New("it is not known who asks")

// unknown refuses a request of somebody who is not known. The challenge is that of RFC 6750, section 3;
// browsers ask for a password, which is enough to read.
func unknown(needs need, settings *zones.Admin, err error) *refusal {
	var wait waitError
	if errors.As(err, &wait) {
		f := refused("wait", api.TooMany, "%v", err)
		f.problem.RetryAfter = wait.seconds()
		return f
	}
	challenge := `Bearer realm="gslb"`
	var f *refusal
	switch {
	case errors.Is(err, errWrongToken):
		f = refused("token", api.Unauthorized, "%v", err)
		challenge += `, error="invalid_token"`
	case errors.Is(err, errNoPush), errors.Is(err, errNoForm):
		f = refused("unknown", api.Unauthorized, "%v", err)
	case errors.Is(err, errNotValid):
		f = refused("certificate", api.Unauthorized, "%v", err)
	case len(settings.Tokens) > 0:
		f = refused("unknown", api.Unauthorized, "this needs a token of this server: Authorization: Bearer TOKEN")
	case settings.ClientCAs != nil:
		f = refused("unknown", api.Unauthorized, "this needs a client certificate")
	default:
		f = refused("unknown", api.Unauthorized, "over TCP this server takes no changes, since it has no tokens: use its socket, or set tokens_file in the [admin] table of zones.toml")
	}
	if needs == toRead {
		challenge += `, Basic realm="gslb: any name, and the token as password"`
	}
	f.challenge = challenge
	return f
}

// saysJSON reports whether the body of a request is JSON by what its head says, or there is none. Other
// web sites can't make a browser send JSON without asking this server first, which does not allow it.
func saysJSON(r *http.Request) bool {
	kind := r.Header.Get("Content-Type")
	if kind == "" && r.ContentLength == 0 {
		return true
	}
	kind, _, err := mime.ParseMediaType(kind)
	return err == nil && kind == "application/json"
}

// refusal is why a request is refused.
type refusal struct {
	reason    string // in the metric
	problem   *api.Problem
	challenge string // WWW-Authenticate (RFC 9110, section 11.6.1); may be empty
}

func refused(reason, kind, format string, args ...any) *refusal {
	return &refusal{reason: reason, problem: api.NewProblem(kind, format, args...)}
}

// refusals counts what is refused, by reason. It is safe for concurrent use.
type refusals map[string]*atomic.Uint64

func newRefusals() refusals {
	r := make(refusals)
	for _, reason := range []string{"host", "site", "wait", "token", "certificate", "unknown", "media_type"} {
		r[reason] = new(atomic.Uint64) // each begins at 0, so that its first increase is seen
	}
	return r
}

func (r refusals) collect(ch chan<- prometheus.Metric) {
	for reason, count := range r {
		ch <- prometheus.MustNewConstMetric(descRefused, prometheus.CounterValue, float64(count.Load()), reason)
	}
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
//	one label, over the socket      taken: clients make one up, and nobody has it in the public DNS
//	anything else                   refused
//
// The socket is no exception otherwise: somebody may forward a port to it (ssh -L), which their browser
// reaches.
func hostAllowed(header string, listen netip.Addr, hosts []string) bool {
	if header == "" {
		return true
	}
	host, port, err := net.SplitHostPort(header)
	if err != nil { // it has no port
		host = strings.TrimSuffix(strings.TrimPrefix(header, "["), "]")
	} else if _, err := strconv.ParseUint(port, 10, 16); err != nil && port != "" {
		return false
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
	if s.tcp == nil {
		return netip.Addr{}
	}
	return netip.MustParseAddrPort(s.tcp.Addr().String()).Addr().Unmap()
}

// oneLabel reports whether a Host header is a name without a dot.
func oneLabel(header string) bool {
	host, _, _ := strings.Cut(header, ":")
	return host != "" && !strings.ContainsAny(host, ".[")
}

// crossSite reports whether a browser says that another site is behind a request.
//
//	Origin           Sec-Fetch-Site       another site, to read       another site, to change
//	this server's    any                  no                          unless none or same-origin
//	another, null    any                  yes                         yes
//	none             none, same-origin    no                          no
//	none             absent               no                          no: not a browser of this decade
//	none             any other            yes, unless it is a link    yes
//
// Following a link to the page is allowed, since the other site cannot read the response.
func crossSite(r *http.Request, needs need) bool {
	own := true
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
	default:
		own = false
	}
	if origins := r.Header["Origin"]; len(origins) > 0 {
		return len(origins) > 1 || !sameOrigin(origins[0], r) || needs >= toChange && !own
	}
	link := r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
	return !own && (needs >= toChange || !link)
}

// sameOrigin reports whether an origin is that of the address that a request is sent to. TLS may end at a
// proxy, so that https is right for a request without it.
func sameOrigin(origin string, r *http.Request) bool {
	u, err := url.Parse(origin)
	return err == nil && strings.EqualFold(u.Host, r.Host) && (u.Scheme == "https" || u.Scheme == "http" && r.TLS == nil)
}

// cut shortens text to about so many bytes, at the end of a character. Targets and clients choose
// some of the text that is shown.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + " …"
}
