package admin

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gslb/admin/api"
)

// acting is a server with a token, and what a browser does with its forms.
func acting(t *testing.T) (s *Server, f *fakeOperator, post func(form string, change func(*http.Request)) *httptest.ResponseRecorder) {
	w := newWorld(time.Now())
	w.publish(time.Now())
	w.admin.Tokens = digests(rightToken)
	s, f = operated(w)
	return s, f, func(form string, change func(*http.Request)) *httptest.ResponseRecorder {
		t.Helper()
		r := httptest.NewRequest(http.MethodPost, actPath, strings.NewReader(form))
		r.Header.Set("Content-Type", formType)
		r.Header.Set("Origin", "http://example.com")
		if change != nil {
			change(r)
		}
		got := httptest.NewRecorder()
		s.Handler().ServeHTTP(got, r)
		if strings.Contains(got.Body.String(), rightToken) || strings.Contains(got.Header().Get("Location"), rightToken) {
			t.Errorf("the token is repeated: %s %s", got.Header(), got.Body)
		}
		return got
	}
}

var seenField = regexp.MustCompile(`name="seen" value="([0-9a-f]+)"><input type="hidden" name="once" value="([A-Z2-7]+)"`)

// seen is what a form that shows an effect sends of that, besides what was asked for.
func seen(t *testing.T, got *httptest.ResponseRecorder) string {
	t.Helper()
	found := seenField.FindStringSubmatch(got.Body.String())
	if found == nil {
		t.Fatalf("status %d, and no effect is shown: %s", got.Code, got.Body)
	}
	return "&seen=" + found[1] + "&once=" + found[2]
}

// Every action has a form, is shown, is done as it was shown, and then the page says so.
func TestActions(t *testing.T) {
	for _, test := range []struct {
		link, form string
		shown      []string // on the form
		calls      []string
		done       string
	}{
		{"do=drain&pool=nyc", "do=drain&pool=nyc&member=203.0.113.10&for=30m&reason=new+disks", []string{"Drain nyc", "203.0.113.10", "2001:db8::10", "30 min", "without an end"}, []string{
			"preview by you: {Kind:drain Name: Pool:nyc Member:203.0.113.10 Status: Reason:new disks For:30m Until:0001-01-01 00:00:00 +0000 UTC Force:false Preview:true}",
			"put by t0 (token): drain nyc 203.0.113.10 for 30m since new disks",
		}, "nyc/203.0.113.10 is drained by ada (socket)"},
		{"do=force&pool=nyc&status=down", "do=force&pool=nyc&status=down&for=forever&reason=x", []string{"Force nyc down", `value="down" required checked`}, []string{
			"preview by you: {Kind:force Name: Pool:nyc Member: Status:down Reason:x For: Until:0001-01-01 00:00:00 +0000 UTC Force:false Preview:true}",
			"put by t0 (token): force nyc  for  since x",
		}, "Done"},
		{"do=pin&name=app.gslb.example.com.", "do=pin&name=app.gslb.example.com&pool=ams&for=2h&reason=x&force=true", []string{"Pin app.gslb.example.com", "<option>ams</option>", "<option>nyc</option>"}, []string{
			"preview by you: {Kind:pin Name:app.gslb.example.com Pool:ams Member: Status: Reason:x For:2h Until:0001-01-01 00:00:00 +0000 UTC Force:true Preview:true}",
			"put by t0 (token): pin ams  for 2h since x",
		}, "Done"},
		{"do=failback&name=app.gslb.example.com", "do=failback&name=app.gslb.example.com&for=2h", []string{"Return app.gslb.example.com to its preferred pool"}, []string{
			"preview of the failback of app.gslb.example.com.", "failback by t0 (token): app.gslb.example.com.",
		}, "app.gslb.example.com was returned to its preferred pool by t0 (token)"},
		{"do=move&name=app.gslb.example.com", "do=move&name=app.gslb.example.com&pool=ams&reason=x", []string{"Move app.gslb.example.com", "<option>ams</option>", "the old one is waited out"}, []string{
			"preview of the switch by you: app.gslb.example.com. {To:ams Reason:x Force:false Wait: AcceptLoss:false}",
			"switch by t0 (token): app.gslb.example.com. {To:ams Reason:x Force:false Wait: AcceptLoss:false}",
		}, "the move of app.gslb.example.com from nyc to ams was begun by t0 (token)"},
		{"do=move&name=app.gslb.example.com", "do=move&name=app.gslb.example.com&pool=ams&force=true&accept_loss=true&wait=+90s", []string{"Move app"}, []string{
			"preview of the switch by you: app.gslb.example.com. {To:ams Reason: Force:true Wait:90s AcceptLoss:true}",
			"switch by t0 (token): app.gslb.example.com. {To:ams Reason: Force:true Wait:90s AcceptLoss:true}",
		}, "was begun by t0 (token)"},
		{"do=abort&name=app.gslb.example.com", "do=abort&name=app.gslb.example.com", []string{"Abort the move of app.gslb.example.com"}, []string{
			"preview of the abort of app.gslb.example.com.", "abort by t0 (token): app.gslb.example.com.",
		}, "the move of app.gslb.example.com from nyc to ams is aborted by t0 (token)"},
		{"do=end&id=drain/nyc", "do=end&id=drain/nyc&reason=ready", []string{"Undrain nyc"}, []string{
			"remove by you: drain/nyc {Reason:ready Preview:true}", "remove by t0 (token): drain/nyc {Reason:ready Preview:false}",
		}, "ended by t0 (token)"},
	} {
		t.Run(test.link, func(t *testing.T) {
			s, f, post := acting(t)
			form := get(t, s, actPath+"?"+test.link)
			if form.Code != 200 || form.Header().Get("Referrer-Policy") != "same-origin" {
				t.Errorf("the form: status %d, %v", form.Code, form.Header())
			}
			wantText(t, "the form", form.Body.String(), test.shown...)
			shown := post(test.form+"&step=preview", nil)
			wantText(t, "the preview", shown.Body.String(), "What it would change", "<strong>nyc</strong> → <strong>ams</strong>", `type="password"`)
			if got := strings.Join(f.calls, "; "); got != test.calls[0] {
				t.Errorf("the preview called %s, want %s", got, test.calls[0])
			}
			f.calls = nil
			done := post(test.form+"&step=do&token=+"+rightToken+"+"+seen(t, shown), nil)
			to, err := url.Parse(done.Header().Get("Location"))
			if done.Code != http.StatusSeeOther || err != nil || to.Host != "" || to.Path != "/" {
				t.Fatalf("status %d, to %s: %s", done.Code, to, done.Body)
			}
			if got, want := strings.Join(f.calls, "; "), strings.Replace(strings.Join(test.calls, "; "), "by you", "by t0 (token)", 1); got != want {
				t.Errorf("it called %s, want %s", got, want)
			}
			wantText(t, "the page", render(t, s, to.RequestURI()).text, "Done", test.done)
			again := post(test.form+"&step=do&token="+rightToken+seen(t, shown), nil)
			if again.Header().Get("Location") != to.String() || len(f.calls) != len(test.calls) {
				t.Errorf("sent twice: it leads to %s, after %q", again.Header().Get("Location"), f.calls)
			}
		})
	}
}

// TestActRefusals: nothing is done, and it is said why.
func TestActRefusals(t *testing.T) {
	const form = "do=drain&pool=nyc&for=2h&reason=x&step=do&token=" + rightToken
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for _, test := range []struct {
		name   string
		form   string
		change func(*http.Request)
		seen   bool
		status int
		says   string
	}{
		{"a wrong token", strings.Replace(form, rightToken, wrongToken, 1), nil, true, 401, "the token is not one of this server"},
		{"no token", strings.Replace(form, rightToken, "", 1), nil, true, 401, "type a token"},
		{"a password, which browsers send by themselves", strings.Replace(form, rightToken, "", 1), func(r *http.Request) { r.SetBasicAuth("x", rightToken) }, true, 401, "type a token"},
		{"a wrong password", form, func(r *http.Request) { r.SetBasicAuth("x", wrongToken) }, true, 401, "the token is not one"},
		{"it was not shown", form, nil, false, 409, "nothing was done yet"},
		{"something else was shown", form + "&seen=0123456789abcdef", nil, false, 409, "nothing was done yet"},
		{"another site", form, header("Origin", "https://evil.example"), true, 403, "another web site"},
		{"a site of the same domain", form, header("Sec-Fetch-Site", "same-site"), true, 403, "another web site"},
		{"a sandboxed frame", form, header("Origin", "null"), true, 403, "another web site"},
		{"a foreign name", form, func(r *http.Request) { r.Host = "evil.example" }, true, 421, "not called"},
		{"JSON", `{"do":"drain"}`, header("Content-Type", "application/json"), false, 415, "must be a form"},
		{"no type", form, header("Content-Type", ""), false, 415, "must be a form"},
		{"a token in the address", "", func(r *http.Request) { r.URL.RawQuery = form }, false, 400, "not in the address"},
		{"a large form", form + "&x=" + strings.Repeat("x", formMost), nil, false, 413, "more than"},
		{"a long field", "do=drain&pool=" + strings.Repeat("x", longestFilter+1), nil, false, 400, "at most"},
		{"an unknown field", form + "&what=1", nil, false, 400, "not a field"},
		{"a field twice", form + "&pool=ams", nil, false, 400, "want once"},
		{"no pool", "do=drain&step=preview", nil, false, 400, "pool: it is missing"},
		{"an unknown thing to do", "do=apply&step=preview", nil, false, 400, "is not one of drain"},
		{"an unknown kind of override", "do=end&id=x/nyc&step=preview", nil, false, 400, "id: it is missing"},
		{"an unknown length", "do=drain&pool=nyc&for=1y&step=preview", nil, false, 400, "is not one of 15m"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, f, post := acting(t)
			form := test.form
			if test.seen {
				form += seen(t, post("do=drain&pool=nyc&for=2h&reason=x&step=preview", nil))
			}
			got := post(form, test.change)
			if got.Code != test.status || !strings.Contains(got.Body.String(), test.says) {
				t.Errorf("status %d, want %d: %s", got.Code, test.status, got.Body)
			}
			if strings.Contains(strings.Join(f.calls, ";"), "put") || strings.Contains(strings.Join(f.calls, ";"), "switch by") {
				t.Errorf("it was done: %v", f.calls)
			}
		})
	}
	s, _, _ := acting(t)
	if got := get(t, s, actPath+"?do=drain&pool=nyc&token="+rightToken); got.Code != 400 || strings.Contains(got.Body.String(), rightToken) {
		t.Errorf("a link with a token: status %d: %s", got.Code, got.Body)
	}
	if got := get(t, s, actPath); got.Code != 400 || !strings.Contains(got.Body.String(), "begin with a link on the page") {
		t.Errorf("no action: status %d: %s", got.Code, got.Body)
	}
}

// A refusal of the Operator is shown with what was shown before; one that force would lift offers to.
func TestActAnyway(t *testing.T) {
	_, f, post := acting(t)
	const form = "do=drain&pool=nyc&for=2h&reason=x"
	f.err = api.NewProblem(api.LeavesNothing, "without nyc, 1 name would be left with nothing")
	got := post(form+"&step=preview", nil)
	if got.Code != http.StatusConflict {
		t.Errorf("status %d", got.Code)
	}
	wantText(t, "the form", got.Body.String(), "1 name would be left with nothing", "Tick the box", `name="force" value="true"`, `name="reason" value="x"`)
}

// What a form is sent is on the preview: all of it, so that what is done is what was asked for.
func TestActKeeps(t *testing.T) {
	_, _, post := acting(t)
	got := post("do=move&name=app.gslb.example.com&pool=ams&reason=x&force=true&accept_loss=true&wait=90s&step=preview", nil).Body.String()
	wantText(t, "the preview", got, `name="wait" value="90s"`, `name="accept_loss" value="true"`, `name="force" value="true"`, `name="pool" value="ams"`, "<li>First the TTL.</li><li>Then the answer.</li>")
}

// A move that is refused since data is behind, or the pool is not usable, can be asked for nevertheless.
func TestActMoveAnyway(t *testing.T) {
	for kind, box := range map[string]string{api.NotUsable: `name="force" value="true"`, api.DataBehind: `name="accept_loss" value="true"`} {
		_, f, post := acting(t)
		f.err = api.NewProblem(kind, "it is so")
		got := post("do=move&name=app.gslb.example.com&pool=ams&step=preview", nil)
		if wantText(t, kind, got.Body.String(), "it is so", "Tick the box", box); got.Code != http.StatusConflict {
			t.Errorf("%s: status %d", kind, got.Code)
		}
	}
}

// A certificate counts only on a form that the browser says is the page's own.
func TestActByCertificate(t *testing.T) {
	authority := newAuthority(t)
	for name, test := range map[string]struct {
		header http.Header
		status int
	}{
		"its own page":                 {http.Header{"Origin": {"https://example.com"}}, 303},
		"its own page, without origin": {http.Header{"Sec-Fetch-Site": {"same-origin"}}, 303},
		"a browser that does not say":  {nil, 401},
		"another site":                 {http.Header{"Origin": {"https://evil.example"}}, 403},
	} {
		w := newWorld(time.Now())
		w.publish(time.Now())
		w.admin.ClientCAs = authority.pool
		s, f := operated(w)
		post := func(form string, header http.Header) *httptest.ResponseRecorder {
			r := httptest.NewRequest(http.MethodPost, actPath, strings.NewReader(form))
			r.TLS = &tls.ConnectionState{PeerCertificates: newPeer(t, authority)}
			for key, values := range header {
				r.Header[key] = values
			}
			r.Header.Set("Content-Type", formType)
			got := httptest.NewRecorder()
			s.Handler().ServeHTTP(got, r)
			return got
		}
		const form = "do=drain&pool=nyc&for=2h&reason=x"
		shown := post(form+"&step=preview", http.Header{"Origin": {"https://example.com"}})
		if strings.Contains(shown.Body.String(), `type="password"`) || !strings.Contains(shown.Body.String(), "You are ops (certificate)") {
			t.Errorf("%s: a token is asked for: %s", name, shown.Body)
		}
		f.calls = nil
		got := post(form+"&step=do"+seen(t, shown), test.header)
		if did := strings.Contains(strings.Join(f.calls, ";"), "put by ops (certificate)"); got.Code != test.status || did != (got.Code == 303) {
			t.Errorf("%s: status %d, want %d; it was done: %t", name, got.Code, test.status, did)
		}
	}
}

// Who guesses tokens on forms has to wait, as elsewhere; and those who are not known get some previews only.
// A form that comes again at once was sent twice; later it is another wish.
func TestFormThatComesAgain(t *testing.T) {
	var d deeds
	id := d.add("x", &effect{})
	now := time.Now()
	if got := d.again("x", now); got != id {
		t.Errorf("at once: %q, want %q", got, id)
	}
	if d.again("y", now) != "" || d.again("", now) != "" || d.again("x", now.Add(twiceWithin)) != "" {
		t.Error("another form, one without a value, or an old one is taken for it")
	}
}

func TestActIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f, post := acting(t)
		const form = "do=drain&pool=nyc&for=2h&reason=x"
		step := "&step=do" + seen(t, post(form+"&step=preview", nil)) + "&token="
		for i := range mostGuesses {
			time.Sleep(time.Second)
			if got := post(form+step+wrongToken, nil); got.Code != 401 {
				t.Fatalf("wrong token %d: status %d", i, got.Code)
			}
		}
		time.Sleep(time.Second)
		got := post(form+step+rightToken, nil)
		if got.Code != 429 || got.Header().Get("Retry-After") == "" || !strings.Contains(got.Body.String(), "too many wrong tokens") {
			t.Errorf("status %d, %v: %s", got.Code, got.Header(), got.Body)
		}
		time.Sleep(time.Minute)
		if got := post(form+step+rightToken, nil); got.Code != 303 {
			t.Errorf("after the wait: status %d: %s", got.Code, got.Body)
		}
		f.calls = nil
		for range 3 * previewsAtOnce {
			got = post(form+"&step=preview", nil)
		}
		if len(f.calls) > previewsAtOnce || got.Code != 429 {
			t.Errorf("%d previews were made, the last with status %d", len(f.calls), got.Code)
		}
		if got := post(form+step+rightToken, nil); got.Code != 303 {
			t.Errorf("with a token while others ask for previews: status %d", got.Code)
		}

		id := s.deeds.add("", &effect{})
		for range deedsKept - 1 {
			s.deeds.add("", &effect{})
		}
		if s.deeds.of(id, time.Now()) == nil || s.deeds.of(id, time.Now().Add(deedsLast)) != nil || s.deeds.of("", time.Now()) != nil {
			t.Error("a deed is forgotten too early, or too late")
		}
		if s.deeds.add("", &effect{}); s.deeds.of(id, time.Now()) != nil || len(s.deeds.list) > deedsKept {
			t.Error("too many deeds are remembered")
		}
	})
}

// With read_token only those who are known see forms and previews: by the password that the browser has.
func TestActWithReadToken(t *testing.T) {
	w := newWorld(time.Now())
	w.admin.Tokens, w.admin.ReadToken = digests(rightToken), true
	s, f := operated(w)
	for name, test := range map[string]struct {
		password string
		status   int
	}{"nobody": {"", 401}, "a password": {rightToken, 200}, "a wrong one": {wrongToken, 401}} {
		r := httptest.NewRequest(http.MethodPost, actPath, strings.NewReader("do=drain&pool=nyc&reason=x&step=preview"))
		r.Header.Set("Content-Type", formType)
		if test.password != "" {
			r.SetBasicAuth("ada", test.password)
		}
		f.calls = nil
		got := httptest.NewRecorder()
		if s.Handler().ServeHTTP(got, r); got.Code != test.status || (len(f.calls) > 0) != (got.Code == 200) {
			t.Errorf("%s: status %d, want %d, after %v", name, got.Code, test.status, f.calls)
		}
	}
}

func newPeer(t *testing.T, a *authority) []*x509.Certificate {
	return []*x509.Certificate{a.issue(t, "ops", time.Now().Add(time.Hour)).Leaf}
}
