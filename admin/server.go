package admin

import (
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"gslb/admin/api"
	"gslb/alias"
	"gslb/answer"
	"gslb/health"
	"gslb/history"
	"gslb/incident"
	"gslb/replication"
	"gslb/safety"
	"gslb/zones"
)

// Options is what a Server shows and where. All fields are required, except where said
// otherwise. The functions are called for each request, several at once.
type Options struct {
	Listener    net.Listener // over TCP, bound by the caller; Run closes it; nil: none
	Socket      *Socket      // of those who are on this machine; Run closes it; nil: none
	Connections int          // how many may be open at a time, of each; 0: 64

	Table        func() *answer.Table   // what is served; nil before the first publication
	Reports      func() []health.Report // one for each target, by ID; the slice is not changed
	Aliases      func() []alias.Report  // one for each host that is an alias; nil: there are none
	Readiness    func() []string        // what is still missing, a line each; none: ready
	Notes        func() []string        // what a person should know of a server that is ready, a line each; nil: nothing
	ConfigStatus func() ConfigStatus
	Settings     func() *zones.Admin         // of the live configuration: who may ask what, and the certificate
	Operator     Operator                    // carries out commands; nil: nobody does
	Notifier     Notifier                    // tells people of incidents; nil: nobody does
	Pusher       Pusher                      // takes what is pushed; nil: nothing can be
	EventLog     EventLog                    // has the events from before those that are remembered; nil: there is none
	Copies       func() []replication.Report // of replicated tables, by name; nil: there are none
	Doubt        func() safety.Doubt         // by which rule verdicts do not count; nil: they always do
	Incidents    func() []incident.Incident  // that last, and those that ended in the last day, the critical and the youngest first; nil: nobody looks for them
	History      func() []history.Report     // of each pool, as in zones.Set.Pools; nil: none is kept
	Rates        func(name string) float64   // answers a second of a steered name, over the last minute, negative if that is not known; nil: not counted

	Gatherer   prometheus.Gatherer   // of /metrics
	Registerer prometheus.Registerer // given the metrics of this package

	Logger  *slog.Logger
	Version string    // of this program; may be empty
	Host    string    // name of the machine; may be empty
	Started time.Time // when the process started
}

// ConfigStatus is what became of the attempts to reload the configuration. The table says which
// configuration is live.
type ConfigStatus struct {
	At       time.Time // of the last attempt; zero: there was none
	Err      error     // why that attempt failed; nil: it did not
	Failures uint64    // how many attempts have failed since the start

	Refused *api.RefusedConfig // what that attempt did not take into use; nil: Err says all of it
	Pending *api.Pending       // a configuration that waits for a person; nil: none does
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

	seldom = 10 * time.Second // between lines of the log that clients can cause

	missingLines = 100 // of what readiness waits for
)

const plainText = "text/plain; charset=utf-8"

// answersMissing is what readiness waits for before the first table.
const answersMissing = "waiting for the first answers to be published"

// Server is the HTTP server.
type Server struct {
	options Options
	now     func() time.Time // of moments
	events  *ring
	handler http.Handler

	tcp, socket *limitedListener // nil: there is none

	guesses *guesses
	refused refusals
	seldom  struct{ tokens, panics, conns rate.Sometimes }

	moments   *shared[momentKey, *moment]
	scrapes   *shared[string, scrape]
	slots     chan struct{} // those who render now
	packers   chan *gzip.Writer
	plans     chan struct{} // the plan that is made now
	recalls   *rate.Limiter // of reading the log of events for those who are not known
	supposing *rate.Limiter // of previews for them
	acting    chan struct{} // the form that is carried out now
	deeds     deeds         // what was done from the page

	requests *prometheus.CounterVec // to the API
	stopping chan struct{}          // closed when Run ends: streams of events end then
}

// New makes a server and registers its metrics. As with prometheus.MustRegister, giving two servers
// the same Registerer panics.
func New(options Options) *Server {
	s := &Server{
		options: options, now: time.Now,
		moments: newShared[momentKey, *moment](),
		scrapes: newShared[string, scrape](),
		slots:   make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)), packers: newPackers(),
		guesses: newGuesses(), refused: newRefusals(),
		plans: make(chan struct{}, 1), acting: make(chan struct{}, 1), recalls: rate.NewLimiter(recallsPerSecond, recallsAtOnce),
		supposing: rate.NewLimiter(previewsPerSecond, previewsAtOnce), events: newRing(), requests: newRequests(options.Registerer), stopping: make(chan struct{}),
	}
	most := cmp.Or(options.Connections, connections)
	if options.Listener != nil {
		s.tcp = newLimitedListener(options.Listener, most)
	}
	if options.Socket != nil {
		s.socket = newLimitedListener(options.Socket, most)
	}
	s.seldom.tokens.Interval, s.seldom.panics.Interval, s.seldom.conns.Interval = seldom, seldom, seldom
	options.Registerer.MustRegister(&collector{server: s})
	s.handler = s.guarded(s.routes())
	return s
}

// routes maps the paths. A pattern with GET takes HEAD as well; ServeMux answers every
// other method on these paths with 405 and the Allow header (RFC 9110, section 15.5.6).
func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.servePage)
	mux.HandleFunc("GET "+actPath, s.showAct)
	mux.HandleFunc("POST "+actPath, s.act)
	mux.HandleFunc("GET /runbook", s.serveRunbook)
	mux.Handle("GET /assets/page.css", http.FileServerFS(assets))
	mux.Handle("GET /assets/page.js", http.FileServerFS(assets))
	mux.HandleFunc("GET /api/status", s.serveStatus)
	mux.HandleFunc("GET /healthz", serveHealthz)
	mux.HandleFunc("GET /readyz", s.serveReadyz)
	mux.Handle("GET /metrics", s.metricsHandler())
	s.routeV1(mux)
	return mux
}

// serveHealthz answers liveness probes: any answer means that the process works. It must not depend
// on the regions. Otherwise an orchestrator would kill the server when a region fails, which is
// when it is needed.
func serveHealthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", plainText)
	io.WriteString(w, "ok\n")
}

// serveReadyz says whether this server is ready for queries and, with the parameter verbose, what a
// person should know of it although it is.
func (s *Server) serveReadyz(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", plainText)
	missing := s.missing()
	if len(missing) == 0 {
		io.WriteString(w, "ready\n")
		if r.URL.Query().Has("verbose") && s.options.Notes != nil {
			for _, line := range s.options.Notes() {
				fmt.Fprintln(w, line)
			}
		}
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
	missing = append(missing, s.options.Readiness()...)
	if more := len(missing) - missingLines; more > 0 {
		missing = append(missing[:missingLines], fmt.Sprintf("and %d more", more))
	}
	return missing
}

// Handler returns what the server serves, for a caller that brings its own HTTP server.
func (s *Server) Handler() http.Handler { return s.handler }

// Run serves until ctx ends; then requests under way get a few seconds to finish. It
// returns nil when it stopped because of ctx. Run may be called once.
func (s *Server) Run(ctx context.Context) error {
	var ways []*way
	if s.tcp != nil {
		ways = append(ways, s.way("admin server", newSecuring(s.tcp, s.options.Settings), nil))
	}
	if s.socket != nil {
		ways = append(ways, s.way("admin socket", s.socket, func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, socketKey{}, conn)
		}))
	}
	failed := make(chan error, len(ways))
	for _, way := range ways {
		go way.serve(failed)
		s.options.Logger.Info(way.name+" listens", "address", way.listener.Addr().String())
	}
	if s.options.Socket != nil {
		keeping, done := context.WithCancel(ctx)
		defer done()
		go s.keepSocket(keeping, s.options.Socket)
	}
	var errs []error
	select {
	case err := <-failed:
		errs = append(errs, err)
	case <-ctx.Done():
	}
	close(s.stopping)
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	var stopping sync.WaitGroup
	stopped := make(chan error, len(ways))
	for _, way := range ways {
		stopping.Go(func() { stopped <- s.stop(grace, way) })
	}
	stopping.Wait()
	for range ways {
		errs = append(errs, <-stopped)
	}
	return errors.Join(errs...)
}

// way is one way to the server: a listener, and what serves it.
type way struct {
	name     string
	listener net.Listener
	server   *http.Server
	ended    chan struct{}
}

func (s *Server) way(name string, l net.Listener, connContext func(context.Context, net.Conn) context.Context) *way {
	return &way{name, l, &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ConnState:         noteRequest,
		ConnContext:       connContext,
		ErrorLog:          log.New(clientFaults{s}, "", 0),
	}, make(chan struct{})}
}

// serve sends an error if it ends before it is stopped.
func (w *way) serve(failed chan<- error) {
	defer close(w.ended)
	if err := w.server.Serve(w.listener); !errors.Is(err, http.ErrServerClosed) {
		failed <- fmt.Errorf("%s on %s: %w", w.name, w.listener.Addr(), err)
	}
}

func (s *Server) stop(grace context.Context, w *way) error {
	err := w.server.Shutdown(grace)
	if errors.Is(err, context.DeadlineExceeded) {
		s.options.Logger.Warn(w.name + " stops with requests still under way")
		err = w.server.Close()
	}
	<-w.ended
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("stop %s on %s: %w", w.name, w.listener.Addr(), err)
	}
	return nil
}

// clientFaults logs what the HTTP server says of connections, such as a failed TLS handshake. Anybody can
// cause that at any rate.
type clientFaults struct{ server *Server }

// Write implements io.Writer.
func (c clientFaults) Write(line []byte) (int, error) {
	c.server.seldom.conns.Do(func() {
		c.server.options.Logger.Warn("a connection to the admin server failed", "error", cut(strings.TrimSpace(string(line)), 500))
	})
	return len(line), nil
}
