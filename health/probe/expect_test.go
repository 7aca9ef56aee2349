package probe

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gslb/health"
)

func number(f float64) *float64 { return &f }

func TestJudgeJSON(t *testing.T) {
	matches := func(pattern string) *health.JSONValue { return &health.JSONValue{Pattern: regexp.MustCompile(pattern)} }
	equals := func(value any) *health.JSONValue { return &health.JSONValue{Equals: value} }
	for _, test := range []struct {
		want  *health.JSONValue
		value any
		fault string
	}{
		{equals("ok"), "ok", ""},
		{equals("ok"), "OK", `v is "OK", want "ok"`},
		{equals("5"), json.Number("5"), `v is 5, want "5"`},
		{equals("true"), true, `v is true, want "true"`},
		{equals(int64(5)), json.Number("5"), ""},
		{equals(int64(5)), json.Number("5.0"), ""},
		{equals(int64(5)), json.Number("50e-1"), ""},
		{equals(int64(5)), "5", `v is "5", want 5`},
		{equals(int64(9007199254740993)), json.Number("9007199254740992"), "v is 9007199254740992, want 9007199254740993"},
		{equals(0.5), json.Number("0.50"), ""},
		{equals(0.5), json.Number("1"), "v is 1, want 0.5"},
		{equals(true), true, ""},
		{equals(true), false, "v is false, want true"},
		{equals(true), nil, "v is null, want true"},
		{equals("ok"), map[string]any{}, `v is an object, want "ok"`},

		{matches("^up|ready$"), "ready", ""},
		{matches("^up$"), "down", `v is "down", which does not match "^up$"`},
		{matches("^1[0-9]$"), json.Number("12"), ""},
		{matches("t|f"), true, ""},
		{matches("."), nil, `v is null, which does not match "."`},
		{matches("."), []any{"x"}, `v is a list, which does not match "."`},

		{&health.JSONValue{Min: number(1), Max: number(5)}, json.Number("5"), ""},
		{&health.JSONValue{Min: number(1)}, json.Number("0.5"), "v is 0.5, want at least 1"},
		{&health.JSONValue{Max: number(5)}, json.Number("5.01"), "v is 5.01, want at most 5"},
		{&health.JSONValue{Max: number(5)}, json.Number("1e999"), "v is 1e999, want a number"},
		{&health.JSONValue{Max: number(5)}, "3", `v is "3", want a number`},
		{&health.JSONValue{Equals: "ok", Pattern: regexp.MustCompile("^o")}, "ok", ""},
		{&health.JSONValue{Equals: "ok", Pattern: regexp.MustCompile("^k")}, "ok", `v is "ok", which does not match "^k"`},
	} {
		test.want.Path = "v"
		if fault := judgeJSON(test.want, test.value); fault != test.fault {
			t.Errorf("%s, %v: %q, want %q", test.want, test.value, fault, test.fault)
		}
	}
}

// What a check wants of a response beside its status.
func TestExpectations(t *testing.T) {
	const text = `{"status": "ok", "lag": 3, "load": 41.5, "note": "maintenance soon"}`
	address := serve(t, "127.0.0.1", answer("HTTP/1.1 200 OK\r\nX-Role: replica\r\nX-Role: primary\r\nx-zone: b\r\n\r\n"+text))
	jsonWant := func(path string, want any) func(*health.HTTP) {
		return func(s *health.HTTP) { s.JSON = &health.JSONValue{Path: path, Equals: want} }
	}
	header := func(name, pattern string) func(*health.HTTP) {
		return func(s *health.HTTP) { s.WantHeaders = map[string]*regexp.Regexp{name: regexp.MustCompile(pattern)} }
	}
	for name, test := range map[string]struct {
		set  func(*health.HTTP)
		want want
	}{
		"json":               {jsonWant("status", "ok"), want{health.Pass, "ok", "status 200, status is as wanted"}},
		"json, another":      {jsonWant("lag", int64(2)), want{health.Fail, "body", "lag is 3, want 2"}},
		"json, nothing":      {jsonWant("db.lag", int64(2)), want{health.Fail, "body", `body: the whole has no key "db": got "{\"status\": \"ok\"`}},
		"json, too long":     {func(s *health.HTTP) { jsonWant("lag", int64(3))(s); s.MaxBody = 10 }, want{health.Fail, "body", "longer than max_body, 10 bytes"}},
		"json, exactly":      {func(s *health.HTTP) { jsonWant("lag", int64(3))(s); s.MaxBody = int64(len(text)) }, want{health.Pass, "ok", ""}},
		"json, and pattern":  {func(s *health.HTTP) { jsonWant("lag", int64(3))(s); s.Pattern = regexp.MustCompile("nowhere") }, want{health.Fail, "body", `does not match "nowhere"`}},
		"not":                {func(s *health.HTTP) { s.NotPattern = regexp.MustCompile("error") }, want{health.Pass, "ok", "status 200, body matches"}},
		"not, but there":     {func(s *health.HTTP) { s.NotPattern = regexp.MustCompile("maint[a-z]+") }, want{health.Fail, "body", `body matches "maint[a-z]+", which it must not: got "maintenance"`}},
		"not, behind limit":  {func(s *health.HTTP) { s.NotPattern, s.MaxBody = regexp.MustCompile("maint[a-z]+"), 20 }, want{health.Pass, "ok", ""}},
		"header":             {header("X-Role", "^primary$"), want{health.Pass, "ok", "status 200"}},
		"header, any case":   {header("X-Zone", "^b$"), want{health.Pass, "ok", ""}},
		"header, another":    {header("X-Zone", "^a$"), want{health.Fail, "header", `header X-Zone does not match "^a$": got "b"`}},
		"header, missing":    {header("X-Load", "."), want{health.Fail, "header", `no header X-Load, want one that matches "."`}},
		"load":               {func(s *health.HTTP) { s.Load = health.LoadFrom{Source: "json", Name: "load", Most: 1000} }, want{health.Pass, "ok", "status 200"}},
		"load, not a number": {func(s *health.HTTP) { s.Load = health.LoadFrom{Source: "json", Name: "note", Most: 1000} }, want{health.Pass, "ok", `no json:note: "maintenance soon" is not a number`}},
		"load, none":         {func(s *health.HTTP) { s.Load = health.LoadFrom{Source: "json", Name: "x", Most: 1000} }, want{health.Pass, "ok", `no json:x: the whole has no key "x"`}},
	} {
		t.Run(name, func(t *testing.T) {
			spec := spec200("http://" + address)
			spec.MaxBody = 4096
			test.set(spec)
			result := runPromptly(t, mustMake(t, Options{}, spec))
			test.want.check(t, result)
			if name == "load" && (result.Notes == nil || result.Notes.Load == nil || result.Notes.Load.Value != 41.5) {
				t.Errorf("the notes are %+v", result.Notes)
			}
		})
	}
}

// A body of JSON ends where the server says, and the whole of it counts.
func TestJSONCutShort(t *testing.T) {
	spec := spec200("http://" + serve(t, "127.0.0.1", answer("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"status\": \"ok\"}")))
	spec.JSON, spec.MaxBody = &health.JSONValue{Path: "status", Equals: "ok"}, 4096
	want{health.Fail, "closed", "reading the body from"}.check(t, runPromptly(t, mustMake(t, Options{}, spec)))
	spec = spec200("http://" + serve(t, "127.0.0.1", answer("HTTP/1.1 200 OK\r\n\r\n<html>ok</html>")))
	spec.JSON, spec.MaxBody = &health.JSONValue{Path: "status", Equals: "ok"}, 4096
	want{health.Fail, "body", `body: this is not JSON: invalid character '<' looking for beginning of value: got "<html>ok</html>"`}.check(t, runPromptly(t, mustMake(t, Options{}, spec)))
}

// A secret goes to the server, and appears nowhere, not even where the server sends it back.
func TestAuth(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const secret = "correct-horse"
	basic, bearer := file("basic", "gslb:"+secret+"\n"), file("bearer", secret+"\r\n")
	sent := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent <- r.Header.Get("Authorization")
		w.Header().Set("X-You-Sent", secret+" "+r.Header.Get("Authorization"))
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, "%s is not allowed, %s", secret, r.Header.Get("Authorization"))
	}))
	t.Cleanup(server.Close)

	for path, header := range map[string]string{basic: "Basic Z3NsYjpjb3JyZWN0LWhvcnNl", bearer: "Bearer " + secret} {
		for _, expect := range []func(*health.HTTP){
			func(*health.HTTP) {},
			func(s *health.HTTP) {
				s.Status = []health.StatusRange{{From: 403, To: 403}}
				s.Pattern = regexp.MustCompile("nothing")
			},
			func(s *health.HTTP) {
				s.Status = []health.StatusRange{{From: 403, To: 403}}
				s.NotPattern = regexp.MustCompile("^.*")
			},
			func(s *health.HTTP) {
				s.Status = []health.StatusRange{{From: 403, To: 403}}
				s.WantHeaders = map[string]*regexp.Regexp{"X-You-Sent": regexp.MustCompile("nothing")}
			},
		} {
			spec := spec200(server.URL)
			spec.MaxBody = 4096
			expect(spec)
			if path == basic {
				spec.BasicFile = basic
			} else {
				spec.BearerFile = bearer
			}
			result := runPromptly(t, mustMake(t, Options{}, spec))
			if got := <-sent; got != header {
				t.Errorf("%q was sent, want %q", got, header)
			}
			steps, traced := followed(t, Options{}, spec, patience)
			<-sent
			shown := fmt.Sprint(result, traced)
			for _, s := range steps {
				shown += fmt.Sprint(s.Text, s.Facts, string(s.Data), s.Error)
			}
			if strings.Contains(shown, secret) || strings.Contains(shown, "Z3NsYjpj") {
				t.Errorf("the secret is shown: %s", shown)
			}
		}
	}

	for name, content := range map[string]string{"empty": "\n", "two lines": "a:b\nc:d\n", "no colon": "token\n", "no user": ":secret\n", "garbage": "a:\x00\n"} {
		spec := spec200(server.URL)
		spec.BasicFile = file(name, content)
		_, err := New(Options{})(health.Target{ID: "test", Spec: spec})
		if err == nil || !strings.Contains(err.Error(), "auth: ") || strings.Contains(err.Error(), strings.TrimSpace(content)) && name != "empty" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A redirect to another host is followed if the check wants it, and takes along nothing that proves who asks.
func TestRedirectToAnotherHost(t *testing.T) {
	type visit struct{ host, auth, cookie, other string }
	visits := make(chan visit, 4)
	note := func(r *http.Request) {
		visits <- visit{r.Host, r.Header.Get("Authorization"), r.Header.Get("Cookie"), r.Header.Get("X-Probe")}
	}
	var home string
	away := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		note(r)
		http.Redirect(w, r, "http://app.example.com"+strings.TrimPrefix(home, "127.0.0.1")+"/back", http.StatusFound)
	}))
	t.Cleanup(away.Close)
	elsewhere := strings.Replace(away.URL, "127.0.0.1", "localhost", 1)
	first := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		note(r)
		if r.URL.Path != "/back" {
			http.Redirect(w, r, elsewhere, http.StatusFound)
		}
	}))
	t.Cleanup(first.Close)
	home = first.Listener.Addr().String()

	spec := spec200("http://user:word@" + home)
	spec.FollowRedirects, spec.Host = true, "app.example.com"
	spec.Headers = map[string]string{"Cookie": "a=b", "X-Probe": "gslb"}
	want{health.Fail, "redirects", "leaves 127.0.0.1"}.check(t, runPromptly(t, mustMake(t, Options{}, spec)))
	<-visits

	spec.AnyHost = true
	want{health.Pass, "ok", "status 200"}.check(t, runPromptly(t, mustMake(t, Options{}, spec)))
	const basic = "Basic dXNlcjp3b3Jk"
	_, port, _ := strings.Cut(home, ":")
	for _, want := range []visit{
		{"app.example.com", basic, "a=b", "gslb"},
		{strings.TrimPrefix(elsewhere, "http://"), "", "", "gslb"},
		{"app.example.com:" + port, basic, "a=b", "gslb"},
	} {
		if got := <-visits; got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}

// What TLS has protected is not sent again without.
func TestRedirectToPlainText(t *testing.T) {
	spec := spec200("https://app.example.com/")
	spec.Headers = map[string]string{"Cookie": "a=b"}
	config, err := tlsConfig(&spec.TLS, "", protocol)
	if err != nil {
		t.Fatal(err)
	}
	first, err := firstRequest(spec, config, "Bearer x")
	if err != nil {
		t.Fatal(err)
	}
	next, err := first.redirect(spec, 302, "http://app.example.com/")
	if err != nil {
		t.Fatal(err)
	}
	if secrets := regexp.MustCompile("Authorization|Cookie"); !secrets.Match(first.bytes) || secrets.Match(next.bytes) {
		t.Errorf("sent %q and then %q", first.bytes, next.bytes)
	}
}
