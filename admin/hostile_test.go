package admin

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"gslb/admin/api"
	"gslb/incident"
	"gslb/journal"
)

// hostile is what a target, an editor of zones.toml, or the author of a link may write.
const hostile = `'"></script></title><img src=x onerror=alert(1)>{{.}}` + "\x00\u202e"

// Text of others is text wherever it is shown: it opens no element, and ends no attribute.
func TestHostileText(t *testing.T) {
	now := time.Now()
	w := newWorld(now)
	w.fail("web@203.0.113.10", now, hostile, hostile)
	w.set.Path = hostile
	w.publish(now)
	w.waiting = []string{hostile}
	w.reload = ConfigStatus{At: now, Err: errors.New(hostile), Pending: &api.Pending{Path: hostile, Hash: hostile, Since: now}}
	w.incidents = []incident.Incident{{ID: hostile, Kind: hostile, Subject: hostile, Since: now, Text: hostile, Do: hostile}}
	w.admin.Tokens = digests(rightToken)
	s, f := operated(w)
	s.options.Host, s.options.Version = hostile, hostile
	s.Record([]Event{{Kind: journal.Target, Subject: hostile, Why: hostile, From: hostile, To: hostile, By: hostile}})
	said := oneOverride
	said.Reason, said.By = hostile, hostile
	said.Switch = &api.Switch{From: hostile, To: hostile, Phase: api.SwitchAwaitsMarks, Detail: hostile}
	f.said = []api.Override{said}

	check := func(what string, got *httptest.ResponseRecorder, least int) {
		t.Helper()
		body := got.Body.String()
		if strings.Contains(body, "<img") || strings.Contains(body, `'">`) {
			t.Errorf("%s: text of others is markup:\n%s", what, body)
		}
		if n := strings.Count(body, "img src=x"); n < least {
			t.Errorf("%s: status %d, the text is there %d times, want %d", what, got.Code, n, least)
		}
		h := got.Header()
		if policy := h.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") || h.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: headers %v", what, h)
		}
	}
	q := url.QueryEscape(hostile)
	check("the page", get(t, s, "/"), 12)
	check("its part", get(t, s, "/?part=state,summary,overrides,events,config"), 10)
	check("a filter", get(t, s, "/?q="+q), 4)
	check("a name", get(t, s, "/?name="+q), 1)
	check("a pool", get(t, s, "/?pool="+q), 1)
	check("a link", get(t, s, "/act?do=drain&pool="+q), 2)
	check("no form", get(t, s, "/act?do="+q), 1)
	check("no field", get(t, s, "/act?"+q+"=1"), 1)

	f.err = api.NewProblem(api.Conflict, "%s", hostile)
	form := url.Values{"do": {"pin"}, "name": {hostile}, "pool": {hostile}, "reason": {hostile}, "for": {"2h"}, "step": {"preview"}}
	r := httptest.NewRequest(http.MethodPost, actPath, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", formType)
	r.Header.Set("Origin", "http://example.com")
	got := httptest.NewRecorder()
	s.Handler().ServeHTTP(got, r)
	check("a form that is refused", got, 4)
}

// Pages take the methods that they have, and HEAD has no body.
func TestMethodsOfForms(t *testing.T) {
	s, _, _ := acting(t)
	if got := do(t, s, http.MethodHead, "/act?do=drain&pool=nyc"); got.Code != 200 || got.Body.Len() > 0 {
		t.Errorf("HEAD: status %d, %d bytes", got.Code, got.Body.Len())
	}
	for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodPatch} {
		if got := do(t, s, method, actPath); got.Code < 400 || got.Code >= 500 {
			t.Errorf("%s: status %d", method, got.Code)
		}
	}
}
