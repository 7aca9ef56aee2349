package admin

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Bounds of a scrape; the first is below the server's own write timeout.
const (
	scrapeTimeout = 20 * time.Second
	scrapesAtOnce = 4
)

const plainText = "text/plain; charset=utf-8"

// contentPolicy lets a browser load this server's own style and script, and nothing else.
// The one data: image is the empty icon that spares a request for /favicon.ico.
const contentPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src data:; " +
	"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// answersMissing is what readiness waits for before the first table.
const answersMissing = "waiting for the first answers to be published"

// routes maps the paths. A pattern with GET takes HEAD as well; ServeMux answers every
// other method on these paths with 405 and the Allow header (RFC 9110, section 15.5.6).
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.servePage)
	mux.Handle("GET /assets/page.css", http.FileServerFS(assets))
	mux.Handle("GET /assets/page.js", http.FileServerFS(assets))
	mux.HandleFunc("GET /api/status", s.serveStatus)
	mux.HandleFunc("GET /healthz", serveHealthz)
	mux.HandleFunc("GET /readyz", s.serveReadyz)
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.options.Gatherer, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(s.options.Logger.Handler(), slog.LevelError),
		// A metric that cannot be gathered must not take the others with it.
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: scrapesAtOnce,
		Timeout:             scrapeTimeout,
		EnableOpenMetrics:   true,
	}))
	return withHeaders(mux)
}

// withHeaders sets what is true of every response: nothing but this server's own files may
// be loaded or run by it, nobody may frame it, and nobody may keep it.
func withHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// serveHealthz is liveness: that it answers is the answer. It must not depend on the
// regions, or their failure would have an orchestrator kill the server that steers away.
func serveHealthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", plainText)
	io.WriteString(w, "ok\n")
}

// serveReadyz says whether this server should be asked yet.
func (s *Server) serveReadyz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", plainText)
	missing := s.missing()
	if len(missing) == 0 {
		io.WriteString(w, "ready\n")
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	fmt.Fprintln(w, strings.Join(missing, "\n"))
}

// missing lists what stands between this server and being ready; empty, not nil, when
// nothing does.
func (s *Server) missing() []string {
	missing := []string{}
	if s.options.Table() == nil {
		missing = append(missing, answersMissing)
	}
	return append(missing, s.options.Readiness()...)
}
