package admin

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gslb/admin/api"
)

// A job says that it lives with the token of its check alone, and no other token will do.
func TestPush(t *testing.T) {
	const job, nyc = v1 + "push/job", v1 + "push/job/nyc"
	for name, test := range map[string]struct {
		path, token, body string
		readToken         bool
		status            int
		call, problem     string
	}{
		"it lives":                   {path: job, token: rightToken, status: 200, call: `push job@job: failed false ""`},
		"it lives, with an object":   {path: job, token: rightToken, body: `{}`, status: 200, call: `push job@job: failed false ""`},
		"it lives, where to read":    {path: job, token: rightToken, readToken: true, status: 200, call: `push job@job: failed false ""`},
		"it fails":                   {path: nyc, token: rightToken, body: `{"status":"fail"}`, status: 200, call: `push job@nyc: failed true ""`},
		"a share":                    {path: nyc, token: rightToken, body: `{"status":"pass","reason":"busy","load":"75%"}`, status: 200, call: `push job@nyc: failed false "busy" {Value:75 Percent:true Kind:0}`},
		"no token":                   {path: job, status: 401, problem: "this needs a token of the check: Authorization: Bearer TOKEN"},
		"another token":              {path: job, token: wrongToken, status: 401, problem: errWrongToken.Error()},
		"the token of an operator":   {path: job, token: "an operator's", status: 401, problem: errWrongToken.Error()},
		"no such check":              {path: v1 + "push/jab", token: rightToken, status: 404, problem: `there is no check of type "push" with this path: /api/v1/push/jab; GET /api/v1/targets?q=push lists those there are`},
		"no such check, unknown":     {path: v1 + "push/jab", readToken: true, status: 401, problem: errNoPush.Error()},
		"no such check, guessing":    {path: v1 + "push/jab", token: rightToken, readToken: true, status: 401, problem: errWrongToken.Error()},
		"without its subject":        {path: job + "/job", token: rightToken, status: 404, problem: `there is no check of type "push" with this path: /api/v1/push/job/job; GET /api/v1/targets?q=push lists those there are`},
		"another kind of check":      {path: v1 + "push/web/203.0.113.10", token: rightToken, status: 404, problem: `there is no check of type "push" with this path: /api/v1/push/web/203.0.113.10; GET /api/v1/targets?q=push lists those there are`},
		"another status":             {path: job, token: rightToken, body: `{"status":"up"}`, status: 400, problem: `status: "up" is neither pass nor fail`},
		"another key":                {path: job, token: rightToken, body: `{"state":"fail"}`, status: 400, problem: `the body is not what it must be: unknown field "state"`},
		"two lines":                  {path: job, token: rightToken, body: `{"reason":"a\nb"}`, status: 400, problem: "reason: it has a line break or another control character; say it in one line"},
		"a load that nobody asks":    {path: job, token: rightToken, body: `{"load":7}`, status: 400, problem: `load: check "job" does not look at it; set weight_from = "push" there, or leave it out`},
		"a load below nothing":       {path: nyc, token: rightToken, body: `{"load":-1}`, status: 400, problem: `load: want a number from 0 to 1000, or a percentage such as "75%"`},
		"a load that is no number":   {path: nyc, token: rightToken, body: `{"load":"NaN%"}`, status: 400, problem: `load: want a number from 0 to 1000, or a percentage such as "75%"`},
		"a load that is a list":      {path: nyc, token: rightToken, body: `{"load":[7]}`, status: 400, problem: `load: want a number from 0 to 1000, or a percentage such as "75%"`},
		"a parameter":                {path: job + "?status=fail&status=pass", token: rightToken, status: 400},
		"a body that is not allowed": {path: job, token: rightToken, body: "status=fail", status: 415},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(time.Now())
			w.admin.Tokens, w.admin.ReadToken = digests("an operator's"), test.readToken
			s, f := operated(w)
			got := pushed(s, test.path, test.token, test.body)
			if got.Code != test.status || strings.Join(f.calls, ", ") != test.call {
				t.Errorf("status %d, calls %q: %s", got.Code, f.calls, got.Body)
			}
			if test.problem != "" {
				var p api.Problem
				if err := json.Unmarshal(got.Body.Bytes(), &p); err != nil {
					t.Fatal(err)
				}
				if p.Detail != test.problem {
					t.Errorf("detail %q, want %q", p.Detail, test.problem)
				}
			}
			if challenge := got.Header().Get("WWW-Authenticate"); (challenge != "") != (test.status == 401) {
				t.Errorf("challenge %q", challenge)
			}
		})
	}
}

// Over the socket, whoever may do everything may push, too.
func TestPushOverSocket(t *testing.T) {
	s, f := operated(newWorld(time.Now()))
	if got := asAda(t, s, http.MethodPost, v1+"push/job", ""); got.Code != 200 || len(f.calls) != 1 {
		t.Errorf("status %d, calls %q: %s", got.Code, f.calls, got.Body)
	}
}

// Who guesses tokens of checks has to wait, also with the right one.
func TestPushGuesses(t *testing.T) {
	s, f := operated(newWorld(time.Now()))
	for range mostGuesses {
		if got := pushed(s, v1+"push/job", wrongToken, ""); got.Code != 401 {
			t.Fatalf("status %d", got.Code)
		}
	}
	if got := pushed(s, v1+"push/job", rightToken, ""); got.Code != 429 || got.Header().Get("Retry-After") == "" || len(f.calls) > 0 {
		t.Errorf("status %d, calls %q", got.Code, f.calls)
	}
}

func pushed(s *Server, path, token, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if strings.HasPrefix(body, "{") {
		r.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w
}
