package admin

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"gslb/admin/api"
	"gslb/health"
	"gslb/zones"
)

// Bounds on what a request may ask.
const (
	bodyMost = 1 << 20  // bytes
	planMost = 16 << 20 // bytes of a whole configuration

	// commandTime is how long a command may take, and planTime a plan, which probes new targets.
	commandTime = 10 * time.Second
	planTime    = time.Minute

	supposeMost = 100 // statuses in one question
)

// operator is who carries out commands, and by whom this one is.
func (s *Server) operator(r *http.Request) (Operator, string, error) {
	if s.options.Operator == nil {
		return nil, "", api.NewProblem(api.Unavailable, "this server takes no commands")
	}
	who := IdentityOf(r.Context())
	if !who.Known() && !reads(r.Method) {
		return nil, "", api.NewProblem(api.Unauthorized, "it is not known who asks")
	}
	return s.options.Operator, who.By, nil
}

// reads reports whether a method changes nothing (RFC 9110, section 9.2.1).
func reads(method string) bool {
	return slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodOptions}, method)
}

// readBody reads a body of JSON into a value.
func readBody(w http.ResponseWriter, r *http.Request, most int64, into any) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return api.NewProblem(api.TooLarge, "the body has more than %d bytes", most)
	case err != nil:
		return api.NewProblem(api.BadRequest, "the body did not arrive whole: %v", err)
	case len(bytes.TrimSpace(body)) == 0:
		return api.NewProblem(api.BadRequest, "the body is empty: want a JSON object")
	case !utf8.Valid(body):
		return api.NewProblem(api.BadRequest, "the body is not UTF-8")
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		if wrong, is := errors.AsType[*json.UnmarshalTypeError](err); is { // its text speaks of Go
			return api.NewProblem(api.BadRequest, "%s: a JSON %s cannot stand here", cmp.Or(wrong.Field, "the body"), wrong.Value)
		}
		return api.NewProblem(api.BadRequest, "the body is not what it must be: %s", cut(strings.TrimPrefix(err.Error(), "json: "), longestError))
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return api.NewProblem(api.BadRequest, "the body has more than one JSON value")
	}
	return nil
}

// command carries out what a request asks, within a time, and answers with what became of it.
func command[T any](s *Server, w http.ResponseWriter, r *http.Request, within time.Duration, do func(ctx context.Context, o Operator, by string) (*T, error)) error {
	o, by, err := s.operator(r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), within)
	defer cancel()
	result, err := do(ctx, o, by)
	if err != nil {
		return err
	}
	return answerJSON(w, r, http.StatusOK, result)
}

// listOverrides answers with an api.OverrideList.
func (s *Server) listOverrides(w http.ResponseWriter, r *http.Request) error {
	if _, err := parseQuery(r.URL.RawQuery); err != nil {
		return err
	}
	return command(s, w, r, commandTime, func(_ context.Context, o Operator, _ string) (*api.OverrideList, error) {
		return o.Overrides(), nil
	})
}

// putOverride takes an api.OverrideRequest.
func (s *Server) putOverride(w http.ResponseWriter, r *http.Request) error {
	if _, err := parseQuery(r.URL.RawQuery); err != nil {
		return err
	}
	return command(s, w, r, commandTime, func(ctx context.Context, o Operator, by string) (*api.OverrideResult, error) {
		var asked api.OverrideRequest
		if err := readBody(w, r, bodyMost, &asked); err != nil {
			return nil, err
		}
		if asked.Preview {
			return o.Preview(ctx, by, &asked)
		}
		return o.Put(ctx, by, &asked)
	})
}

// removeOverride takes an api.RemoveRequest, or parameters.
func (s *Server) removeOverride(w http.ResponseWriter, r *http.Request) error {
	q, err := parseQuery(r.URL.RawQuery, "reason", "preview")
	if err != nil {
		return err
	}
	return command(s, w, r, commandTime, func(ctx context.Context, o Operator, by string) (*api.OverrideResult, error) {
		asked, err := q.removal(w, r)
		if err != nil {
			return nil, err
		}
		return o.Remove(ctx, by, r.PathValue("id"), asked)
	})
}

// clearOverrides takes an api.RemoveRequest, or parameters. That all are meant must be said, so that a
// lost ID does not end all.
func (s *Server) clearOverrides(w http.ResponseWriter, r *http.Request) error {
	q, err := parseQuery(r.URL.RawQuery, "all", "reason", "preview")
	if err != nil {
		return err
	}
	if !q.all {
		return api.NewProblem(api.BadRequest, "name one override, as %soverrides/drain/nyc, or say all=true to end all", v1)
	}
	return command(s, w, r, commandTime, func(ctx context.Context, o Operator, by string) (*api.OverrideResult, error) {
		asked, err := q.removal(w, r)
		if err != nil {
			return nil, err
		}
		return o.Clear(ctx, by, asked)
	})
}

// removal is what a request to end overrides says, in its body or else in its parameters.
func (q *query) removal(w http.ResponseWriter, r *http.Request) (*api.RemoveRequest, error) {
	asked := &api.RemoveRequest{Reason: q.values.Get("reason"), Preview: q.preview}
	if r.ContentLength == 0 {
		return asked, nil
	}
	return asked, readBody(w, r, bodyMost, asked)
}

// failBack answers with an api.FailbackResult.
func (s *Server) failBack(w http.ResponseWriter, r *http.Request) error {
	if _, err := parseQuery(r.URL.RawQuery); err != nil {
		return err
	}
	return command(s, w, r, commandTime, func(ctx context.Context, o Operator, by string) (*api.FailbackResult, error) {
		return o.Failback(ctx, by, zones.Qualified(r.PathValue("name")))
	})
}

// getSwitch answers with an api.Switch.
func (s *Server) getSwitch(w http.ResponseWriter, r *http.Request) error {
	if _, err := parseQuery(r.URL.RawQuery); err != nil {
		return err
	}
	return command(s, w, r, commandTime, func(ctx context.Context, o Operator, _ string) (*api.Switch, error) {
		return o.SwitchOf(ctx, zones.Qualified(r.PathValue("name")))
	})
}

// beginSwitch takes an api.SwitchRequest.
func (s *Server) beginSwitch(w http.ResponseWriter, r *http.Request) error {
	if _, err := parseQuery(r.URL.RawQuery); err != nil {
		return err
	}
	return command(s, w, r, commandTime, func(ctx context.Context, o Operator, by string) (*api.Switch, error) {
		var asked api.SwitchRequest
		if err := readBody(w, r, bodyMost, &asked); err != nil {
			return nil, err
		}
		return o.Switch(ctx, by, zones.Qualified(r.PathValue("name")), &asked)
	})
}

// abortSwitch answers with an api.Switch.
func (s *Server) abortSwitch(w http.ResponseWriter, r *http.Request) error {
	if _, err := parseQuery(r.URL.RawQuery); err != nil {
		return err
	}
	return command(s, w, r, commandTime, func(ctx context.Context, o Operator, by string) (*api.Switch, error) {
		return o.Abort(ctx, by, zones.Qualified(r.PathValue("name")))
	})
}

// explain answers with an api.Explanation.
func (s *Server) explain(w http.ResponseWriter, r *http.Request) error {
	q, err := parseQuery(r.URL.RawQuery, "name", "client", "type", "suppose")
	if err != nil {
		return err
	}
	asked, err := question(q.values)
	if err != nil {
		return err
	}
	return command(s, w, r, commandTime, func(ctx context.Context, o Operator, _ string) (*api.Explanation, error) {
		return o.Explain(ctx, asked)
	})
}

// question reads the parameters of explain.
func question(values url.Values) (*api.ExplainRequest, error) {
	wrong := func(format string, args ...any) error { return api.NewProblem(api.BadRequest, format, args...) }
	asked := &api.ExplainRequest{Type: strings.ToUpper(values.Get("type")), Client: values.Get("client"), Suppose: make(map[string]health.Status)}
	if values.Get("name") == "" {
		return nil, wrong("parameter name: it is missing")
	}
	asked.Name = zones.Qualified(values.Get("name"))
	if asked.Client != "" && !isNetwork(asked.Client) {
		return nil, wrong("parameter client: %q is neither an address nor a network", cut(asked.Client, 100))
	}
	if len(values["suppose"]) > supposeMost {
		return nil, wrong("parameter suppose: given %d times, want at most %d", len(values["suppose"]), supposeMost)
	}
	for _, text := range values["suppose"] {
		pool, word, ok := strings.Cut(text, "=")
		var status health.Status
		if !ok || pool == "" || status.UnmarshalText([]byte(word)) != nil {
			return nil, wrong("parameter suppose: %q is not POOL=STATUS, with the status up, down or unknown", cut(text, 100))
		}
		if _, twice := asked.Suppose[pool]; twice {
			return nil, wrong("parameter suppose: pool %s is named twice", cut(pool, 100))
		}
		asked.Suppose[pool] = status
	}
	return asked, nil
}

func isNetwork(text string) bool {
	if _, err := netip.ParsePrefix(text); err == nil {
		return true
	}
	_, err := netip.ParseAddr(text)
	return err == nil
}

// plan takes an api.PlanRequest. A configuration may be large and slow to read, so that it is one at a
// time.
func (s *Server) plan(w http.ResponseWriter, r *http.Request) error {
	if _, err := parseQuery(r.URL.RawQuery); err != nil {
		return err
	}
	return command(s, w, r, planTime, func(ctx context.Context, o Operator, _ string) (*api.Plan, error) {
		if err := waitFor(ctx, s.plans); err != nil {
			return nil, err
		}
		defer func() { <-s.plans }()
		// The bounds of the HTTP server are for requests that are answered at once.
		c := http.NewResponseController(w)
		_ = c.SetReadDeadline(time.Now().Add(planTime)) // without them the usual ones hold
		_ = c.SetWriteDeadline(time.Now().Add(planTime + writeTimeout))
		var asked api.PlanRequest
		if err := readBody(w, r, planMost, &asked); err != nil {
			return nil, err
		}
		return o.Plan(ctx, !overSocket(r), &asked)
	})
}

// apply takes an api.ApplyRequest, or no body.
func (s *Server) apply(w http.ResponseWriter, r *http.Request) error {
	if _, err := parseQuery(r.URL.RawQuery); err != nil {
		return err
	}
	return command(s, w, r, planTime, func(ctx context.Context, o Operator, by string) (*api.ApplyResult, error) {
		asked := new(api.ApplyRequest)
		if r.ContentLength != 0 {
			if err := readBody(w, r, bodyMost, asked); err != nil {
				return nil, err
			}
		}
		return o.Apply(ctx, by, asked)
	})
}
