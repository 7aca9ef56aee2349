package admin

import (
	"bufio"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"gslb/admin/api"
	"gslb/zones"
)

// openapi describes version 1 of the API (OpenAPI 3.1).
//
//go:embed openapi.json
var openapi []byte

// operation is one method of one path of the API.
type operation struct {
	method, path string
	id           string // of it in the description, and in the metrics
	serve        func(http.ResponseWriter, *http.Request) error
}

// operations is all of version 1 of the API.
func (s *Server) operations() []operation {
	return []operation{
		{"GET", "status", "getStatus", s.getStatus},
		{"GET", "names", "listNames", s.listNames},
		{"GET", "names/{name}", "getName", s.getName},
		{"POST", "names/{name}/failback", "failBack", s.failBack},
		{"GET", "names/{name}/switch", "getSwitch", s.getSwitch},
		{"POST", "names/{name}/switch", "beginSwitch", s.beginSwitch},
		{"DELETE", "names/{name}/switch", "abortSwitch", s.abortSwitch},
		{"GET", "pools", "listPools", s.listPools},
		{"GET", "pools/{name}", "getPool", s.getPool},
		{"GET", "targets", "listTargets", s.listTargets},
		{"GET", "incidents", "listIncidents", s.listIncidents},
		{"GET", "replication", "getReplication", s.getReplication},
		{"GET", "history", "listHistory", s.listHistory},
		{"GET", "notify", "listNotify", s.listNotify},
		{"POST", "notify/test", "testNotify", s.testNotify},
		{"GET", "events", "listEvents", s.listEvents},
		{"GET", "events/stream", "streamEvents", s.streamEvents},
		{"GET", "overrides", "listOverrides", s.listOverrides},
		{"POST", "overrides", "putOverride", s.putOverride},
		{"DELETE", "overrides", "clearOverrides", s.clearOverrides},
		{"DELETE", "overrides/{id...}", "removeOverride", s.removeOverride},
		{"GET", "explain", "explain", s.explain},
		{"POST", "plan", "plan", s.plan},
		{"POST", "apply", "apply", s.apply},
		{"POST", "push/{check}", "push", s.push},
		{"POST", "push/{check}/{subject}", "pushFor", s.push},
		{"GET", "config", "getConfig", s.getConfig},
		{"GET", "openapi.json", "getDescription", s.getDescription},
	}
}

// otherOperation counts the requests that are for no operation.
const otherOperation = "none"

// routeV1 adds version 1 of the API to the paths. Every path answers every method: HEAD as GET without
// the body, OPTIONS with what there is (RFC 9110, section 9.3.7), any other with 405.
func (s *Server) routeV1(mux *http.ServeMux) {
	var paths []string
	methods := make(map[string]map[string]operation)
	for _, o := range s.operations() {
		if methods[o.path] == nil {
			methods[o.path] = make(map[string]operation)
			paths = append(paths, o.path)
		}
		methods[o.path][o.method] = o
	}
	for _, path := range paths {
		allowed := allow(methods[path])
		mux.HandleFunc(v1+path, func(w http.ResponseWriter, r *http.Request) {
			method := r.Method
			if method == http.MethodHead {
				method = http.MethodGet
			}
			o, known := methods[path][method]
			switch {
			case known:
				s.serveOperation(w, r, o.id, o.serve)
			case r.Method == http.MethodOptions:
				s.serveOperation(w, r, otherOperation, func(w http.ResponseWriter, _ *http.Request) error {
					w.Header().Set("Allow", allowed)
					w.WriteHeader(http.StatusNoContent)
					return nil
				})
			default:
				s.serveOperation(w, r, otherOperation, func(w http.ResponseWriter, r *http.Request) error {
					w.Header().Set("Allow", allowed)
					return api.NewProblem(api.MethodNotAllowed, "%s has no method %s: it has %s", cut(r.URL.Path, longestPath), cut(r.Method, 100), allowed)
				})
			}
		})
	}
	mux.HandleFunc(v1, func(w http.ResponseWriter, r *http.Request) {
		s.serveOperation(w, r, otherOperation, func(_ http.ResponseWriter, r *http.Request) error {
			return api.NewProblem(api.NotFound, "the API has no path %s: %sopenapi.json has all there are", cut(r.URL.Path, longestPath), v1)
		})
	})
}

// allow is the value of a header Allow.
func allow(methods map[string]operation) string {
	list := []string{http.MethodOptions}
	for method := range methods {
		list = append(list, method)
		if method == http.MethodGet {
			list = append(list, http.MethodHead)
		}
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// serveOperation serves a request, answers its error, and counts it.
func (s *Server) serveOperation(w http.ResponseWriter, r *http.Request, id string, serve func(http.ResponseWriter, *http.Request) error) {
	counted := &countedWriter{ResponseWriter: w}
	defer func() { s.requests.WithLabelValues(id, counted.class()).Inc() }()
	if err := serve(counted, r); err != nil {
		refuse(counted, r, s.problemOf(r, err))
	}
}

// countedWriter remembers the status of a response.
type countedWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *countedWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *countedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *countedWriter) class() string {
	if w.status == 0 {
		return "2xx" // the first Write says 200
	}
	return strconv.Itoa(w.status/100) + "xx"
}

func newRequests(r prometheus.Registerer) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gslb_api_requests_total",
		Help: "Requests to version 1 of the API, by operation and class of the response's status.",
	}, []string{"operation", "status"})
	r.MustRegister(c)
	return c
}

// answerJSON answers with a value.
func answerJSON(w http.ResponseWriter, r *http.Request, status int, value any) error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_ = writeIndented(w, value) // the client is gone if it fails
	}
	return nil
}

// observed calls show with the state of everything at this moment, and a context that ends when the
// client must be cut off.
func (s *Server) observed(r *http.Request, show func(m *moment, lent context.Context) error) error {
	m, lent, release, err := s.moments.take(r.Context(), s.momentKey(), s.observe)
	if err != nil {
		return err
	}
	defer release()
	return show(m, lent)
}

// getStatus answers with an api.Status.
func (s *Server) getStatus(w http.ResponseWriter, r *http.Request) error {
	if _, err := parseQuery(r.URL.RawQuery); err != nil {
		return err
	}
	return s.observed(r, func(m *moment, _ context.Context) error {
		return answerJSON(w, r, http.StatusOK, s.status(m))
	})
}

// getConfig answers with an api.Config.
func (s *Server) getConfig(w http.ResponseWriter, r *http.Request) error {
	if _, err := parseQuery(r.URL.RawQuery); err != nil {
		return err
	}
	return answerJSON(w, r, http.StatusOK, newConfig(s.options.Table(), s.options.ConfigStatus()))
}

// getDescription answers with the description of the API.
func (s *Server) getDescription(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Content-Type", "application/json")
	if r.Method != http.MethodHead {
		_, _ = w.Write(openapi) // the client is gone if it fails
	}
	return nil
}

// getName answers with an api.Name.
func (s *Server) getName(w http.ResponseWriter, r *http.Request) error {
	if _, err := parseQuery(r.URL.RawQuery); err != nil {
		return err
	}
	return s.observed(r, func(m *moment, _ context.Context) error {
		name := zones.Qualified(r.PathValue("name"))
		for n := range m.names() {
			if n.Name == name {
				return answerJSON(w, r, http.StatusOK, m.newName(n))
			}
		}
		return noName(m, name)
	})
}

// noName is the problem of a name that there is not.
func noName(m *moment, name string) error {
	if m.table == nil {
		return api.NewProblem(api.Unavailable, "no answers are published yet: try again in a few seconds")
	}
	return api.NewProblem(api.NotFound, "no name %s is steered here: names are matched whole, a wildcard as \"*.example.com\"", cut(name, longestFilter))
}

// getPool answers with an api.Pool.
func (s *Server) getPool(w http.ResponseWriter, r *http.Request) error {
	if _, err := parseQuery(r.URL.RawQuery); err != nil {
		return err
	}
	return s.observed(r, func(m *moment, _ context.Context) error {
		name := r.PathValue("name")
		for _, p := range m.pools() {
			if p.Pool.Name == name {
				return answerJSON(w, r, http.StatusOK, m.newPool(p))
			}
		}
		if m.table == nil {
			return noName(m, name)
		}
		return api.NewProblem(api.NotFound, "there is no pool %q", cut(name, longestFilter))
	})
}

// answerList answers with a part of a list, a row at a time.
func answerList[T any](s *Server, lent context.Context, w http.ResponseWriter, r *http.Request, name string, rows selected[T], q *query) error {
	w.Header().Set("Content-Type", "application/json")
	if r.Method == http.MethodHead {
		return nil
	}
	return s.stream(lent, w, func(out *bufio.Writer) error {
		fmt.Fprintf(out, "{\n  \"total\": %d,\n  \"offset\": %d,\n  \"limit\": %d", rows.Matched, q.offset, q.limit)
		if err := writeList(out, name, rows.Rows); err != nil {
			return err
		}
		_, err := out.WriteString("\n}\n")
		return err
	})
}

// listNames answers with an api.NameList.
func (s *Server) listNames(w http.ResponseWriter, r *http.Request) error {
	q, err := parseQuery(r.URL.RawQuery, "pool", "state", "q", "limit", "offset")
	if err != nil {
		return err
	}
	keep, err := nameStates().of(q.state)
	if err != nil {
		return err
	}
	return s.observed(r, func(m *moment, lent context.Context) error {
		f := filter{moment: m, selection: q.selection}
		return answerList(s, lent, w, r, "names", made(f.names(both(keep, usesPool(q.pool))), m.newName), q)
	})
}

// listPools answers with an api.PoolList.
func (s *Server) listPools(w http.ResponseWriter, r *http.Request) error {
	q, err := parseQuery(r.URL.RawQuery, "state", "q", "limit", "offset")
	if err != nil {
		return err
	}
	keep, err := poolStates().of(q.state)
	if err != nil {
		return err
	}
	return s.observed(r, func(m *moment, lent context.Context) error {
		f := filter{moment: m, selection: q.selection}
		return answerList(s, lent, w, r, "pools", made(f.pools(keep), m.newPool), q)
	})
}

// listTargets answers with an api.TargetList.
func (s *Server) listTargets(w http.ResponseWriter, r *http.Request) error {
	q, err := parseQuery(r.URL.RawQuery, "pool", "state", "q", "limit", "offset")
	if err != nil {
		return err
	}
	keep, err := targetStates().of(q.state)
	if err != nil {
		return err
	}
	return s.observed(r, func(m *moment, lent context.Context) error {
		f := filter{moment: m, selection: q.selection, scope: scopeOfPool(q.pool, m.table)}
		return answerList(s, lent, w, r, "targets", made(f.targets(keep), m.newTarget), q)
	})
}

// problemOf is the problem that an error is answered with. An error that is none is a fault of the
// program, of which only the log tells.
func (s *Server) problemOf(r *http.Request, err error) *api.Problem {
	var p *api.Problem
	switch {
	case errors.As(err, &p):
		return p
	case errors.Is(err, errBusy):
		p = api.NewProblem(api.Unavailable, "%v", err)
		p.RetryAfter = 5
		return p
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return api.NewProblem(api.Unavailable, "it took too long and was given up: %v", err)
	}
	s.options.Logger.Error("a request to the API failed; please report it", "method", r.Method, "path", cut(r.URL.Path, 100), "error", cut(err.Error(), longestText))
	return api.NewProblem(api.Internal, "this is a fault of the program; its log has more about it")
}
