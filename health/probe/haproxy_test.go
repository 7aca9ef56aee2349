package probe

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"gslb/health"
)

// haproxyStats is what HAProxy 2.6 says of a few frontends and backends.
func haproxyStats(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("testdata/haproxy.csv")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// statsOf is statistics with a backend and some servers: name, status, weight and 1 for backup each.
func statsOf(status string, servers ...string) string {
	text := "# pxname,svname,weight,bck,status,type,\nweb,FRONTEND,,,OPEN,0,\n"
	for _, server := range servers {
		f := strings.Split(server, "/")
		text += fmt.Sprintf("app,%s,%s,%s,%s,2,\n", f[0], f[2], f[3], f[1])
	}
	return text + "app,BACKEND,1,0," + status + ",1,\n"
}

func TestHAProxy(t *testing.T) {
	t.Parallel()
	real := haproxyStats(t)
	for _, test := range []struct {
		name, stats, backend string
		least                int
		want                 want
	}{
		{"enough", real, "app", 2, want{health.Pass, "ok", "2 of 5 servers of app are up (web2 DOWN, web4 has weight 0, web5 MAINT)"}},
		{"too few", real, "app", 3, want{health.Fail, "servers", "2 of 5 servers of app are up (web2 DOWN, web4 has weight 0, web5 MAINT), want 3"}},
		{"other case", real, "App", 1, want{health.Fail, "servers", "backend App is DOWN: 0 of 1 servers of App are up (a DOWN)"}},
		{"no server", real, "redirects", 1, want{health.Fail, "servers", "0 of 0 servers of redirects are up, want 1"}},
		{"both in one", real, "both", 1, want{health.Pass, "ok", "1 of 1 servers of both are up"}},
		{"a frontend is none", real, "web", 1, want{health.Fail, "backend", `it has no backend "web"; there are app, App, redirects, both`}},
		{"no such name", real, "ap", 1, want{health.Fail, "backend", `no backend "ap"`}},

		{"on the way down", statsOf("UP", "a/UP 1\\3/1/0"), "app", 1, want{health.Pass, "ok", ""}},
		{"on the way up", statsOf("UP", "a/DOWN 1\\2/1/0"), "app", 1, want{health.Fail, "servers", "0 of 1"}},
		{"drained", statsOf("UP", "a/DRAIN/1/0", "b/NOLB/1/0", "c/UP/1/0"), "app", 2, want{health.Fail, "servers", "1 of 3"}},
		{"empty slots", statsOf("UP", "a/UP/1/0", "b/MAINT (resolution)/1/0"), "app", 1, want{health.Pass, "ok", "1 of 1"}},
		{"only spares", statsOf("UP", "a/DOWN/1/0", "b/UP/1/1", "c/UP/1/1"), "app", 2, want{health.Pass, "ok", "2 of 3"}},
		{"spares are not used yet", statsOf("UP", "a/UP/1/0", "b/UP/1/1"), "app", 2, want{health.Fail, "servers", "1 of 1"}},
		{"its own word", statsOf("DOWN", "a/UP/1/0"), "app", 1, want{health.Fail, "servers", "backend app is DOWN"}},
		{"many", statsOf("UP", strings.Split(strings.Repeat("x/DOWN/1/0 ", 20), " ")[:20]...), "app", 1, want{health.Fail, "servers", "x DOWN, x DOWN and 12 more"}},

		{"nothing", "", "app", 1, want{health.Fail, "protocol", `this is not HAProxy's statistics in CSV: got ""`}},
		{"a page", "<!DOCTYPE HTML><html>", "app", 1, want{health.Fail, "protocol", `got "<!DOCTYPE HTML><html>"`}},
		{"no column", "# pxname,svname,type,\n", "app", 1, want{health.Fail, "protocol", `no column "status"`}},
		{"columns alone", "# pxname,svname,type,status", "app", 1, want{health.Fail, "backend", `there are none`}},
		{"short lines", "# pxname,svname,type,status\napp\n\n,\n", "app", 1, want{health.Fail, "backend", `there are none`}},
		{"without end", "# pxname,svname,type,status\n" + strings.Repeat("a,b,2,"+strings.Repeat("x", 994)+"\n", maxStats/1000), "app", 1, want{health.Fail, "protocol", "the statistics are longer than 8388608 bytes"}},
	} {
		test.stats = strings.ReplaceAll(test.stats, `\`, "/")
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			page := serve(t, "127.0.0.1", func(conn net.Conn) {
				answer("HTTP/1.0 200 OK\r\n\r\n" + test.stats)(conn)
			})
			runtime := serve(t, "127.0.0.1", func(conn net.Conn) {
				line := make([]byte, len("show stat\n"))
				io.ReadFull(conn, line)
				if string(line) != "show stat\n" {
					t.Errorf("it was sent %q", line)
				}
				io.WriteString(conn, test.stats)
			})
			for _, spec := range []*health.HAProxy{{Page: spec200("http://" + page + "/;csv")}, {Address: runtime}} {
				spec.Backend, spec.MinServers = test.backend, test.least
				test.want.check(t, runPromptly(t, mustMake(t, Options{}, spec)))
			}
		})
	}
}

// The share of servers that are up is told to whom asks for it, but only with a pass.
func TestHAProxyShare(t *testing.T) {
	t.Parallel()
	address := serve(t, "127.0.0.1", func(conn net.Conn) {
		io.ReadFull(conn, make([]byte, len("show stat\n")))
		io.WriteString(conn, haproxyStats(t))
	})
	for _, test := range []struct {
		backend string
		from    health.LoadFrom
		want    *health.Load
	}{
		{"app", health.LoadFrom{Source: "servers", Most: 1000}, &health.Load{Value: 40, Percent: true}},
		{"app", health.LoadFrom{}, nil},
		{"App", health.LoadFrom{Source: "servers", Most: 1000}, nil},
	} {
		spec := &health.HAProxy{Address: address, Backend: test.backend, MinServers: 1, Load: test.from}
		got := runPromptly(t, mustMake(t, Options{}, spec))
		switch notes := got.Notes; {
		case test.want == nil && (notes == nil || notes.Load == nil):
		case notes == nil || notes.Load == nil || test.want == nil || *notes.Load != *test.want:
			t.Errorf("%s: %+v, want %+v", test.backend, notes, test.want)
		}
	}
}

func TestHAProxyRefuses(t *testing.T) {
	t.Parallel()
	for status, want := range map[string]want{
		"401 Unauthorized":                      {health.Indeterminate, "credentials", "status 401"},
		"403 Forbidden":                         {health.Indeterminate, "credentials", "status 403"},
		"503 Service Unavailable":               {health.Fail, "status", "status 503, want 200"},
		"301 Moved\r\nLocation: /x":             {health.Fail, "status", "status 301"},
		"200 OK\r\nContent-Length: 500\r\nX: 1": {health.Fail, "closed", "the peer closed the connection"},
	} {
		page := serve(t, "127.0.0.1", answer("HTTP/1.1 "+status+"\r\n\r\n# pxname,svname,status,type\n"))
		spec := &health.HAProxy{Page: spec200("http://" + page + "/;csv"), Backend: "app", MinServers: 1}
		want.check(t, runPromptly(t, mustMake(t, Options{}, spec)))
	}
	want{health.Fail, "refused", ""}.check(t, runPromptly(t, mustMake(t, Options{}, &health.HAProxy{Address: refusing(t), Backend: "app"})))

	for _, spec := range []*health.HAProxy{{Address: "192.0.2.1:1"}, {Address: "192.0.2.1", Backend: "app"}, {Page: spec200("ftp://192.0.2.1/"), Backend: "app"}} {
		if _, err := New(Options{})(health.Target{Spec: spec}); err == nil {
			t.Errorf("%+v was accepted", spec)
		}
	}
}

// Whatever is in the statistics: no panic, and no pass without servers.
func FuzzHAProxyStats(f *testing.F) {
	f.Add([]byte(haproxyStats(f)))
	f.Add([]byte(statsOf("UP", "a/UP/1/0", `"b""`+"/DOWN/1/1")))
	f.Add([]byte("# pxname,svname,type,status\n\"app,x,2,UP"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p := &haproxyProbe{spec: &health.HAProxy{Backend: "app", MinServers: 1}}
		got := presentable(func(ctx context.Context) health.Result { return p.judge(ctx, strings.NewReader(string(data))) })(t.Context())
		sound(t, got)
		if got.Verdict == health.Pass && !strings.Contains(string(data), "app") {
			t.Errorf("it passed: %s", got.Detail)
		}
	})
}
