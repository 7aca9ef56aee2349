package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gslb/answer"
	"gslb/health"
)

// Options is what a Server shows and where. All fields are required, except where said
// otherwise. The functions are called for each request, several at once.
type Options struct {
	Listener net.Listener // bound by the caller; Run closes it

	Table        func() *answer.Table   // what is served; nil before the first publication
	Reports      func() []health.Report // one for each target; the slice is not changed
	Readiness    func() []string        // what is still missing, a line each; none: ready
	ConfigStatus func() ConfigStatus

	Gatherer   prometheus.Gatherer   // of /metrics
	Registerer prometheus.Registerer // given the metrics of this package

	Logger  *slog.Logger
	Version string    // of this program; may be empty
	Started time.Time // when the process started
}

// ConfigStatus is what became of the attempts to reload the configuration. Which one is
// live is the table's to say.
type ConfigStatus struct {
	At       time.Time // of the last attempt; zero: there was none
	Err      error     // why that attempt failed; nil: it did not
	Failures uint64    // how many attempts have failed since the start
}

// Bounds of the HTTP server: a client that stalls gives its connection back, and one that
// scrapes or polls keeps it.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second
	writeTimeout  = 30 * time.Second
	idleTimeout   = 2 * time.Minute
	stopTimeout   = 5 * time.Second
	maxHeader     = 16 << 10 // bytes
)

// Server is the HTTP server.
type Server struct {
	options Options
	events  ring
	handler http.Handler
}

// New makes a server and registers its metrics. As with prometheus.MustRegister, giving
// two servers the same Registerer is a mistake of the program, and panics.
func New(options Options) *Server {
	s := &Server{options: options}
	options.Registerer.MustRegister(&collector{server: s})
	s.handler = s.routes()
	return s
}

// Handler returns what the server serves, for a caller that brings its own HTTP server.
func (s *Server) Handler() http.Handler { return s.handler }

// Run serves until ctx ends; then requests under way get a few seconds to finish. It
// returns nil when it stopped because of ctx. Run may be called once.
func (s *Server) Run(ctx context.Context) error {
	server := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(s.options.Logger.Handler(), slog.LevelWarn),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(s.options.Listener) }()
	s.options.Logger.Info("admin server listens", "address", s.options.Listener.Addr().String())

	select {
	case err := <-served:
		return fmt.Errorf("admin server on %s: %w", s.options.Listener.Addr(), err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	err := server.Shutdown(grace)
	if errors.Is(err, context.DeadlineExceeded) {
		s.options.Logger.Warn("admin server stops with requests still under way")
		err = server.Close()
	}
	<-served
	if err != nil {
		return fmt.Errorf("stop admin server on %s: %w", s.options.Listener.Addr(), err)
	}
	return nil
}
