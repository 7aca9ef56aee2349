package admin

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/google/go-cmp/cmp"

	"gslb/admin/api"
	"gslb/health"
	"gslb/override"
	"gslb/steer"
	"gslb/zones"
)

// fakeOperator writes down what it is asked, and answers with something of everything.
type fakeOperator struct {
	calls []string
	err   error
	said  []api.Override // nil: oneOverride
	asked int            // how often Overrides was
}

func (f *fakeOperator) note(format string, args ...any) error {
	f.calls = append(f.calls, fmt.Sprintf(format, args...))
	return f.err
}

var oneOverride = api.Override{
	ID: "drain/nyc/203.0.113.10", Kind: override.Drain, Pool: "nyc", Member: netip.MustParseAddr("203.0.113.10"), Reason: "new disks", By: "ada (socket)",
	Since: time.Unix(1_800_000_000, 0).UTC(), Until: time.Unix(1_800_003_600, 0).UTC(),
}

func (f *fakeOperator) result(preview bool) *api.OverrideResult {
	return &api.OverrideResult{
		Preview: preview, Overrides: []api.Override{oneOverride}, Total: 1,
		Changes:      []api.Change{{Names: []string{"app.gslb.example.com."}, NamesTotal: 1, From: "nyc", To: "ams", FromMode: steer.Normal, ToMode: steer.Normal, Why: "nyc: drained"}},
		ChangesTotal: 1,
		Answers:      []api.Answer{{Names: []string{"app.gslb.example.com."}, NamesTotal: 1, Pool: "ams", Mode: steer.Normal, Addresses: []netip.Addr{netip.MustParseAddr("198.51.100.10")}, TTL: 20}},
		Notes:        []string{},
	}
}

func (f *fakeOperator) Overrides() *api.OverrideList {
	f.asked++
	list := f.said
	if list == nil {
		list = []api.Override{oneOverride}
	}
	return &api.OverrideList{Overrides: list, Total: len(list), Kept: true}
}

func (f *fakeOperator) Preview(_ context.Context, by string, r *api.OverrideRequest) (*api.OverrideResult, error) {
	return f.result(true), f.note("preview by %s: %+v", by, *r)
}

func (f *fakeOperator) Put(_ context.Context, by string, r *api.OverrideRequest) (*api.OverrideResult, error) {
	return f.result(false), f.note("put by %s: %s %s %s for %s since %s", by, r.Kind, r.Pool, r.Member, r.For, r.Reason)
}

func (f *fakeOperator) Remove(_ context.Context, by, id string, r *api.RemoveRequest) (*api.OverrideResult, error) {
	return f.result(r.Preview), f.note("remove by %s: %s %+v", by, id, *r)
}

func (f *fakeOperator) Clear(_ context.Context, by string, r *api.RemoveRequest) (*api.OverrideResult, error) {
	return f.result(r.Preview), f.note("clear by %s: %+v", by, *r)
}

func (f *fakeOperator) Failback(_ context.Context, by, name string) (*api.FailbackResult, error) {
	return &api.FailbackResult{Name: name, Changes: []api.Change{}, Names: []string{name}, NamesTotal: 1, Answers: []api.Answer{}, Notes: []string{}}, f.note("failback by %s: %s", by, name)
}

func (f *fakeOperator) PreviewFailback(_ context.Context, name string) (*api.FailbackResult, error) {
	return &api.FailbackResult{Name: name, Changes: f.result(true).Changes, Names: []string{name}, NamesTotal: 1, Answers: []api.Answer{}, Notes: []string{}}, f.note("preview of the failback of %s", name)
}

func (f *fakeOperator) move(name string) *api.Switch {
	return &api.Switch{Name: name, From: "nyc", To: "ams", Phase: api.SwitchLowersTTL, By: "ada (socket)", Reason: "move", Since: oneOverride.Since, Move: oneOverride.Until, Status: health.Up}
}

func (f *fakeOperator) Switch(_ context.Context, by, name string, r *api.SwitchRequest) (*api.Switch, error) {
	return f.move(name), f.note("switch by %s: %s %+v", by, name, *r)
}

func (f *fakeOperator) foresee(name string) *api.SwitchPreview {
	return &api.SwitchPreview{Switch: *f.move(name), Changes: f.result(true).Changes, ChangesTotal: 1, Stages: []string{"First the TTL.", "Then the answer."}, Notes: []string{}}
}

func (f *fakeOperator) PreviewSwitch(_ context.Context, by, name string, r *api.SwitchRequest) (*api.SwitchPreview, error) {
	return f.foresee(name), f.note("preview of the switch by %s: %s %+v", by, name, *r)
}

func (f *fakeOperator) PreviewAbort(_ context.Context, name string) (*api.SwitchPreview, error) {
	return f.foresee(name), f.note("preview of the abort of %s", name)
}

func (f *fakeOperator) SwitchOf(_ context.Context, name string) (*api.Switch, error) {
	return f.move(name), f.note("switch of %s", name)
}

func (f *fakeOperator) Abort(_ context.Context, by, name string) (*api.Switch, error) {
	return f.move(name), f.note("abort by %s: %s", by, name)
}

func (f *fakeOperator) Explain(_ context.Context, r *api.ExplainRequest) (*api.Explanation, error) {
	return &api.Explanation{
		Name: r.Name, Zone: "gslb.example.com.", Views: []string{}, Policy: zones.Failover, Mode: steer.Normal, Answers: []string{}, Shares: []api.Share{},
		Held: []api.Hold{}, Tiers: []api.ExplainedTier{}, Supposed: []string{},
	}, f.note("explain %+v", *r)
}

func (f *fakeOperator) Plan(_ context.Context, _ bool, r *api.PlanRequest) (*api.Plan, error) {
	return &api.Plan{
		Path: r.Path, Added: []api.PlannedName{}, Removed: []api.PlannedName{}, Changes: []api.Change{}, Targets: []api.PlannedTarget{}, RemovedTargets: []string{},
		Restart: []string{}, Other: []string{}, Warnings: []string{},
	}, f.note("plan %s: %d bytes", r.Path, len(r.Content))
}

func (f *fakeOperator) Apply(_ context.Context, by string, r *api.ApplyRequest) (*api.ApplyResult, error) {
	return &api.ApplyResult{Hash: r.Hash, Notes: []string{}}, f.note("apply by %s: %+v", by, *r)
}

// operated is a server with a fake operator.
func operated(w *world) (*Server, *fakeOperator) {
	s, _ := w.server()
	f := new(fakeOperator)
	s.options.Operator, s.options.Pusher, s.options.Notifier = f, f, fakeNotifier{f}
	return s, f
}

// fakeNotifier has a target that is told, and one that messages don't reach.
type fakeNotifier struct{ *fakeOperator }

func (f fakeNotifier) Targets() *api.NotifyList {
	return &api.NotifyList{Targets: []api.NotifyTarget{
		{Name: "mail", Kind: "smtp", Failing: time.Now().UTC(), Tries: 3, Why: "connection refused", Waiting: 1, Failed: 3}, {Name: "oncall", Kind: "slack", Sent: 2, LastSent: time.Now().UTC()},
	}}
}

func (f fakeNotifier) Test(_ context.Context, by string, r *api.NotifyTestRequest) (*api.NotifyTestResult, error) {
	return &api.NotifyTestResult{Targets: []api.NotifyTried{{Name: "mail", Kind: "smtp", Error: "connection refused"}, {Name: "oncall", Kind: "slack", Sent: true}}}, f.note("test by %s: %s", by, r.Target)
}

// Target implements Pusher: there are a push check without a subject, and one for nyc. Their token is rightToken.
func (f *fakeOperator) Target(id health.TargetID) (health.Target, bool) {
	spec := &health.Push{Check: "job", MaxAge: time.Minute, Tokens: [][32]byte{sha256.Sum256([]byte(rightToken))}}
	switch id {
	case "job@nyc":
		spec.Subject, spec.Load = "nyc", health.LoadFrom{Source: "push", Most: 1000}
	case "job@job":
	case "web@203.0.113.10":
		return health.Target{ID: id, Check: "web", Spec: &health.HTTP{}}, true
	default:
		return health.Target{}, false
	}
	return health.Target{ID: id, Check: "job", Spec: spec}, true
}

// Push implements Pusher.
func (f *fakeOperator) Push(id health.TargetID, said health.Pushed) {
	text := fmt.Sprintf("push %s: failed %t %q", id, said.Failed, said.Why)
	if said.Load != nil {
		text += fmt.Sprintf(" %+v", *said.Load)
	}
	f.calls = append(f.calls, text)
}

// ask makes a request as Ada, past the guard, which has tests of its own.
func asAda(t testing.TB, s *Server, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(WithIdentity(t.Context(), known("ada", "socket")), method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.routes().ServeHTTP(w, r)
	return w
}

// sampleOf is one request for each operation, and the call that it makes.
var sampleOf = map[string]struct {
	path, query, body string
	params            map[string]string
	call              string
}{
	"getStatus":      {path: "status"},
	"getReplication": {path: "replication"},
	"listHistory":    {path: "history", query: "pool=nyc&limit=1"},
	"listNames":      {path: "names", query: "pool=nyc&state=normal&q=app&limit=10&offset=0"},
	"getName":        {path: "names/App.gslb.example.com", params: map[string]string{"name": "App.gslb.example.com"}},
	"failBack":       {path: "names/App.gslb.example.com/failback", params: map[string]string{"name": "App.gslb.example.com"}, call: "failback by ada (socket): app.gslb.example.com."},
	"getSwitch":      {path: "names/%2A.example.com/switch", params: map[string]string{"name": "*.example.com"}, call: "switch of *.example.com."},
	"beginSwitch":    {path: "names/app.gslb.example.com/switch", params: map[string]string{"name": "app.gslb.example.com"}, body: `{"to":"ams","reason":"move","wait":"90s"}`, call: "switch by ada (socket): app.gslb.example.com. {To:ams Reason:move Force:false Wait:90s AcceptLoss:false}"},
	"abortSwitch":    {path: "names/app.gslb.example.com/switch", params: map[string]string{"name": "app.gslb.example.com"}, call: "abort by ada (socket): app.gslb.example.com."},
	"listPools":      {path: "pools", query: "state=up"},
	"getPool":        {path: "pools/nyc", params: map[string]string{"name": "nyc"}},
	"listTargets":    {path: "targets", query: "pool=nyc&limit=1"},
	"listIncidents":  {path: "incidents", query: "state=open&q=nyc&limit=1&offset=0"},
	"listEvents":     {path: "events", query: "after=0&limit=5"},
	"streamEvents":   {path: "events/stream"},
	"listOverrides":  {path: "overrides"},
	"putOverride":    {path: "overrides", body: `{"kind":"drain","pool":"nyc","member":"203.0.113.10","reason":"new disks","for":"2h"}`, call: "put by ada (socket): drain nyc 203.0.113.10 for 2h since new disks"},
	"clearOverrides": {path: "overrides", query: "all=true&reason=done", call: "clear by ada (socket): {Reason:done Preview:false}"},
	"removeOverride": {path: "overrides/drain%2Fnyc%2F203.0.113.10", params: map[string]string{"id": "drain/nyc/203.0.113.10"}, body: `{"reason":"done","preview":true}`, call: "remove by ada (socket): drain/nyc/203.0.113.10 {Reason:done Preview:true}"},
	"explain":        {path: "explain", query: "name=App.gslb.example.com&client=192.0.2.1&type=a&suppose=nyc%3Ddown&suppose=ams%3Dup", call: "explain {Name:app.gslb.example.com. Client:192.0.2.1 Type:A Suppose:map[ams:up nyc:down]}"},
	"plan":           {path: "plan", body: `{"path":"/etc/gslb/zones.toml","content":"[server]"}`, call: "plan /etc/gslb/zones.toml: 8 bytes"},
	"apply":          {path: "apply", body: `{"hash":"abc"}`, call: "apply by ada (socket): {Hash:abc}"},
	"push":           {path: "push/job", params: map[string]string{"check": "job"}, call: `push job@job: failed false ""`},
	"pushFor":        {path: "push/job/nyc", params: map[string]string{"check": "job", "subject": "nyc"}, body: `{"status":"fail","reason":"no disk","load":75}`, call: `push job@nyc: failed true "no disk" {Value:75 Percent:false Kind:0}`},
	"listNotify":     {path: "notify"},
	"testNotify":     {path: "notify/test", body: `{"target":"oncall"}`, call: "test by ada (socket): oncall"},
	"getConfig":      {path: "config"},
	"getDescription": {path: "openapi.json"},
}

// TestDescribedOperations asks for every operation of the description, and holds request and response
// against it. A HEAD is answered with the same head.
func TestDescribedOperations(t *testing.T) {
	doc := described(t)
	for path, item := range doc.Paths.Map() {
		for method, operation := range item.Operations() {
			t.Run(operation.OperationID, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w, events := failedOver(time.Now())
					w.reload = ConfigStatus{Refused: refusedReload(time.Now().UTC()), Pending: &api.Pending{Path: "zones.toml", Hash: "abc", Since: time.Now().UTC(), Moved: 3, Names: 4, Over: 20,
						Changes: []api.Change{{NamesTotal: 3, Names: []string{"app.gslb.example.com.", "www.gslb.example.com.", "api.gslb.example.com."}, From: "nyc", To: "ams", Why: "the configuration says so"}}, ChangesTotal: 1}}
					s, f := operated(w)
					record(s, events)
					sample, known := sampleOf[operation.OperationID]
					if !known {
						t.Fatal("there is no sample of it")
					}
					ctx, cancel := context.WithTimeout(WithIdentity(t.Context(), Identity{By: "ada (socket)"}), time.Minute)
					defer cancel() // of a stream
					r := httptest.NewRequestWithContext(ctx, method, v1+sample.path+"?"+sample.query, strings.NewReader(sample.body))
					if sample.body != "" {
						r.Header.Set("Content-Type", "application/json")
					}
					options := &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true}
					input := &openapi3filter.RequestValidationInput{
						Request: r, PathParams: sample.params, Options: options,
						Route: &routers.Route{Spec: doc, Path: path, PathItem: item, Method: method, Operation: operation},
					}
					if err := openapi3filter.ValidateRequest(t.Context(), input); err != nil {
						t.Errorf("the request: %v", err)
					}
					response := httptest.NewRecorder()
					s.routes().ServeHTTP(response, r)
					if response.Code != http.StatusOK {
						t.Errorf("status %d: %s", response.Code, response.Body)
					}
					if want := strings.Join(f.calls, "\n"); want != sample.call {
						t.Errorf("the operator was asked\n%s\nwant\n%s", want, sample.call)
					}
					// The validator knows no streams.
					options.ExcludeResponseBody = operation.OperationID == "streamEvents"
					err := openapi3filter.ValidateResponse(t.Context(), &openapi3filter.ResponseValidationInput{
						RequestValidationInput: input, Status: response.Code, Header: response.Header(), Body: io.NopCloser(bytes.NewReader(response.Body.Bytes())), Options: options,
					})
					if err != nil {
						t.Errorf("the response: %v", err)
					}
					if method != http.MethodGet {
						return
					}
					head := asAda(t, s, http.MethodHead, v1+sample.path+"?"+sample.query, "")
					if head.Code != http.StatusOK || head.Body.Len() > 0 || head.Header().Get("Content-Type") != response.Header().Get("Content-Type") {
						t.Errorf("HEAD: status %d, %d bytes of %s", head.Code, head.Body.Len(), head.Header().Get("Content-Type"))
					}
				})
			})
		}
	}
}

// TestProblems: what is not a success is a problem that says what to do.
func TestProblems(t *testing.T) {
	tests := []struct {
		name               string
		method, path, body string
		kind               string
		status             int
		detail             string
		header             string
	}{
		{"no such path", "GET", "nothing", "", api.NotFound, 404, "the API has no path /api/v1/nothing: /api/v1/openapi.json has all there are", ""},
		{"no such method", "PUT", "overrides", "", api.MethodNotAllowed, 405, "/api/v1/overrides has no method PUT: it has DELETE, GET, HEAD, OPTIONS, POST", "Allow: DELETE, GET, HEAD, OPTIONS, POST"},
		{"a parameter too many", "GET", "status?limit=1", "", api.BadRequest, 400, `parameter "limit" is not known: want none`, ""},
		{"a parameter that can't be read", "GET", "names?q=%zz", "", api.BadRequest, 400, `the parameters can't be read: invalid URL escape "%zz"`, ""},
		{"no such state", "GET", "pools?state=open", "", api.BadRequest, 400, `parameter state: "open" is not known: want degraded, down, drained, forced, held, stale, turning, unknown or up`, ""},
		{"a wrong offset", "GET", "targets?offset=-1", "", api.BadRequest, 400, `parameter offset: "-1" is not a whole number from 0 to 2147483647`, ""},
		{"no such name", "GET", "names/www.example.com", "", api.NotFound, 404, `no name www.example.com. is steered here: names are matched whole, a wildcard as "*.example.com"`, ""},
		{"no such pool", "GET", "pools/lon", "", api.NotFound, 404, `there is no pool "lon"`, ""},
		{"no body", "POST", "overrides", "", api.BadRequest, 400, "the body is empty: want a JSON object", ""},
		{"an unknown key", "POST", "overrides", `{"kid":"drain"}`, api.BadRequest, 400, `the body is not what it must be: unknown field "kid"`, ""},
		{"a wrong type", "POST", "overrides", `{"kind":1}`, api.BadRequest, 400, "kind: a JSON number cannot stand here", ""},
		{"a list", "POST", "overrides", `[]`, api.BadRequest, 400, "the body: a JSON array cannot stand here", ""},
		{"two values", "POST", "overrides", `{} {}`, api.BadRequest, 400, "the body has more than one JSON value", ""},
		{"not text", "POST", "overrides", "{\"kind\":\"\xff\"}", api.BadRequest, 400, "the body is not UTF-8", ""},
		{"too large", "POST", "overrides", `{"reason":"` + strings.Repeat("x", bodyMost) + `"}`, api.TooLarge, 413, "the body has more than 1048576 bytes", ""},
		{"all, and not said so", "DELETE", "overrides", "", api.BadRequest, 400, "name one override, as /api/v1/overrides/drain/nyc, or say all=true to end all", ""},
		{"explain nothing", "GET", "explain", "", api.BadRequest, 400, "parameter name: it is missing", ""},
		{"explain to nobody", "GET", "explain?name=a&client=me", "", api.BadRequest, 400, `parameter client: "me" is neither an address nor a network`, ""},
		{"suppose nothing", "GET", "explain?name=a&suppose=nyc", "", api.BadRequest, 400, `parameter suppose: "nyc" is not POOL=STATUS, with the status up, down or unknown`, ""},
		{"suppose twice", "GET", "explain?name=a&suppose=nyc%3Dup&suppose=nyc%3Ddown", "", api.BadRequest, 400, "parameter suppose: pool nyc is named twice", ""},
		{"no such event", "GET", "events?after=x", "", api.BadRequest, 400, `parameter after: "x" is not the ID of an event`, ""},
	}
	w := newWorld(time.Now())
	w.publish(time.Now())
	s, _ := operated(w)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := asAda(t, s, tt.method, v1+tt.path, tt.body)
			p := problemIn(t, got)
			path, _, _ := strings.Cut(v1+tt.path, "?")
			if got.Code != tt.status || p.Status != tt.status || p.Type != tt.kind || p.Title == "" || p.Instance != path {
				t.Errorf("status %d, problem %+v", got.Code, p)
			}
			if p.Detail != tt.detail {
				t.Errorf("detail %q\n   want %q", p.Detail, tt.detail)
			}
			if key, value, _ := strings.Cut(tt.header, ": "); got.Header().Get(key) != value {
				t.Errorf("%s: %q, want %q", key, got.Header().Get(key), value)
			}
		})
	}
}

// problemIn is the problem that a response has.
func problemIn(t *testing.T, response *httptest.ResponseRecorder) api.Problem {
	t.Helper()
	var p api.Problem
	decoder := json.NewDecoder(response.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&p); err != nil || response.Header().Get("Content-Type") != "application/problem+json" {
		t.Fatalf("status %d, %s: %v", response.Code, response.Header().Get("Content-Type"), err)
	}
	return p
}

// TestOperatorErrors: a problem is answered as it is; any other error is a fault, of which the client
// learns nothing.
func TestOperatorErrors(t *testing.T) {
	nothing := api.NewProblem(api.LeavesNothing, "app.gslb.example.com. would be left with nothing")
	nothing.Names, nothing.NamesTotal = []string{"app.gslb.example.com."}, 1
	tests := []struct {
		err    error
		kind   string
		status int
	}{
		{nothing, api.LeavesNothing, 409},
		{fmt.Errorf("drain nyc: %w", api.NewProblem(api.NotKept, "the disk is full")), api.NotKept, 503},
		{errors.New("the secret is 42"), api.Internal, 500},
		{context.DeadlineExceeded, api.Unavailable, 503},
	}
	w := newWorld(time.Now())
	w.publish(time.Now())
	s, f := operated(w)
	for _, tt := range tests {
		f.err = tt.err
		got := asAda(t, s, "POST", v1+"overrides", `{"kind":"drain","pool":"nyc"}`)
		if strings.Contains(got.Body.String(), "42") {
			t.Errorf("%v: the client is told %s", tt.err, got.Body)
		}
		if p := problemIn(t, got); got.Code != tt.status || p.Type != tt.kind || tt.err == nothing && p.NamesTotal != 1 {
			t.Errorf("%v: status %d, problem %+v", tt.err, got.Code, p)
		}
	}
}

// TestCommandsNeedSomebody: even past the guard nobody who is not known changes anything, and a server
// without an operator takes no commands.
func TestCommandsNeedSomebody(t *testing.T) {
	w := newWorld(time.Now())
	w.publish(time.Now())
	s, f := operated(w)
	for _, o := range s.operations() {
		if o.method == http.MethodGet {
			continue
		}
		sample := sampleOf[o.id]
		r := httptest.NewRequest(o.method, v1+sample.path+"?"+sample.query, strings.NewReader(sample.body))
		response := httptest.NewRecorder()
		s.routes().ServeHTTP(response, r)
		if response.Code != http.StatusUnauthorized || len(f.calls) > 0 {
			t.Errorf("%s: status %d; the operator was asked %q", o.id, response.Code, f.calls)
		}
	}
	s.options.Operator = nil
	if got := asAda(t, s, "GET", v1+"overrides", ""); got.Code != http.StatusServiceUnavailable {
		t.Errorf("without an operator: status %d", got.Code)
	}
}

// TestMethodsV1: every path says which methods it has.
func TestMethodsV1(t *testing.T) {
	w := newWorld(time.Now())
	w.publish(time.Now())
	s, _ := operated(w)
	methods := make(map[string][]string)
	for _, o := range s.operations() {
		path := strings.NewReplacer("{name}", "nyc", "{id...}", "drain/nyc").Replace(o.path)
		methods[path] = append(methods[path], o.method)
	}
	for path, known := range methods {
		got := asAda(t, s, http.MethodOptions, v1+path, "")
		allowed := strings.Split(got.Header().Get("Allow"), ", ")
		if got.Code != http.StatusNoContent || !slices.Contains(allowed, "OPTIONS") {
			t.Errorf("OPTIONS %s: status %d, Allow %q", path, got.Code, allowed)
		}
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "BREW"} {
			has := slices.Contains(known, method) || method == "HEAD" && slices.Contains(known, "GET")
			if slices.Contains(allowed, method) != has {
				t.Errorf("OPTIONS %s: Allow %q, and it has %q", path, allowed, known)
			}
			if has {
				continue
			}
			if got := asAda(t, s, method, v1+path, ""); got.Code != http.StatusMethodNotAllowed || got.Header().Get("Allow") == "" {
				t.Errorf("%s %s: status %d", method, path, got.Code)
			}
		}
	}
}

// TestPages: a list can be read in parts, which together are the whole.
func TestPages(t *testing.T) {
	w := newWorld(time.Now())
	w.publish(time.Now())
	s, _ := operated(w)
	var whole, parts []string
	for offset := -1; offset <= 6; offset++ {
		query := url.Values{}
		if offset >= 0 {
			query.Set("limit", "1")
			query.Set("offset", fmt.Sprint(offset))
		}
		var got api.TargetList
		if err := json.NewDecoder(asAda(t, s, "GET", v1+"targets?"+query.Encode(), "").Body).Decode(&got); err != nil {
			t.Fatal(err)
		}
		if got.Total != 5 || offset >= 0 && (got.Limit != 1 || got.Offset != offset) {
			t.Errorf("offset %d: %+v", offset, got.Page)
		}
		ids := transform(got.Targets, func(t api.Target) string { return string(t.ID) })
		if offset < 0 {
			whole = ids
		} else {
			parts = append(parts, ids...)
		}
	}
	if diff := cmp.Diff(whole, parts); diff != "" || len(whole) != 5 {
		t.Errorf("parts (-whole +parts):\n%s", diff)
	}
}

// TestListStates: a list shows those in a state.
func TestListStates(t *testing.T) {
	w, _ := failedOver(time.Now())
	s, _ := operated(w)
	tests := map[string]int{
		"names": 2, "names?state=normal": 2, "names?state=preferred": 1, "names?state=not_preferred": 1, "names?state=nothing": 0, "names?state=pinned": 0,
		"names?pool=nyc": 1, "names?pool=lon": 0, "names?pool=nyc&state=preferred": 0,
		"pools?state=up": 1, "pools?state=down": 1, "pools?state=unknown": 0, "pools?state=drained": 0,
		"targets?state=down": 1, "targets?state=up": 4, "targets?state=turning": 1, "targets?pool=ams": 2, "targets?pool=ams&state=down": 0, "targets?q=table": 2,
	}
	for path, want := range tests {
		response := asAda(t, s, "GET", v1+path, "")
		var got api.Page
		if err := json.NewDecoder(response.Body).Decode(&got); err != nil || response.Code != 200 {
			t.Fatalf("%s: status %d: %v", path, response.Code, err)
		}
		if got.Total != want {
			t.Errorf("%s: %d rows, want %d", path, got.Total, want)
		}
	}
}

// TestRequestMetrics: requests are counted by operation and class, in a bounded number of series.
func TestRequestMetrics(t *testing.T) {
	w := newWorld(time.Now())
	w.publish(time.Now())
	s, registry := w.server()
	s.options.Operator = new(fakeOperator)
	for _, path := range []string{"status", "status", "names/a", "names/b", "x", "y", "names?limit=0"} {
		asAda(t, s, "GET", v1+path, "")
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		if family.GetName() == "gslb_api_requests_total" {
			for _, m := range family.GetMetric() {
				got[m.GetLabel()[0].GetValue()+" "+m.GetLabel()[1].GetValue()] = m.GetCounter().GetValue()
			}
		}
	}
	want := map[string]float64{"getStatus 2xx": 2, "getName 4xx": 2, "none 4xx": 2, "listNames 4xx": 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// FuzzCommand: no body makes the server panic or fail, and what it takes is what the body says.
func FuzzCommand(f *testing.F) {
	for _, sample := range sampleOf {
		if sample.body != "" {
			f.Add(sample.path, sample.body)
		}
	}
	f.Add("overrides", `{"kind":"pin","name":"a","until":"2027-01-01T00:00:00Z","force":true,"preview":true}`)
	f.Add("overrides", `{"until":"soon"}`)
	f.Add("plan", `[[[[`)
	w := newWorld(time.Now())
	w.publish(time.Now())
	s, _ := operated(w)
	f.Fuzz(func(t *testing.T, path, body string) {
		for _, method := range []string{http.MethodPost, http.MethodDelete} {
			target := (&url.URL{Path: v1 + path}).EscapedPath()
			r := httptest.NewRequestWithContext(WithIdentity(t.Context(), Identity{By: "ada (socket)"}), method, target, strings.NewReader(body))
			response := httptest.NewRecorder()
			s.routes().ServeHTTP(response, r)
			if response.Code >= 500 {
				t.Errorf("%s %s: status %d: %s", method, target, response.Code, response.Body)
			}
			if response.Code >= 400 && response.Header().Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s %s: status %d is no problem document", method, target, response.Code)
			}
		}
	})
}
