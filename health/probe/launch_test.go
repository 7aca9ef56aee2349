//go:build linux

package probe

import (
	"context"
	"fmt"
	"io"
	"net"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"gslb/health"
	"gslb/health/probe/loop"
)

// landing is where a launched probe of a test ends.
type landing struct {
	deadline time.Time
	results  chan health.Result
	resumed  bool          // written before the result is sent, as what follows
	waited   time.Duration // for others
}

func (l *landing) Land(r health.Result, waited time.Duration) {
	l.waited = waited
	l.results <- r
}

func (l *landing) Resume(rest health.Probe, waited time.Duration) {
	l.resumed, l.waited = true, waited
	go func() {
		ctx, cancel := context.WithDeadline(context.Background(), l.deadline)
		defer cancel()
		l.results <- rest(ctx)
	}()
}

// bothWays probes a target in the general way, and as it is launched, and says whether the loop was all it took.
func bothWays(t *testing.T, m *makers, spec health.Spec, timeout time.Duration) (general, launched health.Result, alone bool) {
	t.Helper()
	target := health.Target{ID: "test", Spec: spec}
	probe, err := m.probe(target)
	if err != nil {
		t.Error(err)
		return general, launched, false
	}
	launcher, err := m.launcher(target)
	if err != nil || launcher == nil {
		t.Errorf("no launcher: %v", err)
		return general, launched, false
	}
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	general = probe(ctx)
	to := &landing{deadline: time.Now().Add(timeout), results: make(chan health.Result, 1)}
	launcher.Launch(to.deadline, to)
	select {
	case launched = <-to.results:
	case <-time.After(2 * patience):
		t.Error("it does not land")
		return general, launched, false
	}
	return general, launched, !to.resumed
}

// hostile are servers of all manners. Of what they send, a check may want the status, or "ok" in the body.
func hostile() map[string]func(net.Conn) {
	const ok, length, chunked = "HTTP/1.1 200 OK\r\n", "Content-Length: 2\r\n", "Transfer-Encoding: chunked\r\n\r\n"
	servers := map[string]func(net.Conn){
		"closes at once": func(net.Conn) {},
		"is silent":      hang,
		"resets before the answer": func(c net.Conn) {
			awaitRequest(c)
			c.(*net.TCPConn).SetLinger(0)
		},
		"resets in the header": func(c net.Conn) {
			answer(ok + length)(c)
			time.Sleep(20 * time.Millisecond)
			c.(*net.TCPConn).SetLinger(0)
		},
		"resets in the body": func(c net.Conn) {
			answer(ok + "Content-Length: 9\r\n\r\no")(c)
			time.Sleep(20 * time.Millisecond)
			c.(*net.TCPConn).SetLinger(0)
		},
		"answers before the request": func(c net.Conn) {
			io.WriteString(c, ok+length+"\r\nok")
			awaitRequest(c)
		},
		"ends its side": func(c net.Conn) {
			answer(ok + "\r\nok")(c)
			c.(*net.TCPConn).CloseWrite()
			hang(c)
		},
		"header without end":      endless(ok, "X-Filler: more of it\r\n"),
		"field without end":       endless(ok+"X-Filler: ", "more"),
		"status line without end": endless("HTTP/1.1 200 ", "more"),
		"interim without end":     endless("", "HTTP/1.1 100 Continue\r\n\r\n"),
		"body without end":        endless(ok+"\r\n", "filler"),
		"chunks without end":      endless(ok+chunked, "1\r\nx\r\n"),
		"extension without end":   endless(ok+chunked+"2;", "filler"),
		"reads nothing":           func(c net.Conn) { time.Sleep(50 * time.Millisecond) },
		"a byte at a time":        dripAll(ok+length+"\r\nok", 0),
		"chunks, byte by byte":    dripAll(ok+chunked+"1\r\no\r\n1\r\nk\r\n0\r\n\r\n", 0),
		"too slow":                func(c net.Conn) { dripAll(ok[:2], 50*time.Millisecond)(c); hang(c) },
		"header and body apart": func(c net.Conn) {
			answer(ok + length + "\r\n")(c)
			time.Sleep(20 * time.Millisecond)
			io.WriteString(c, "ok")
		},
	}
	for name, text := range map[string]string{
		"usual":                    ok + length + "\r\nok",
		"usual, not ok":            ok + length + "\r\nno",
		"unavailable":              "HTTP/1.1 503 Service Unavailable\r\n" + length + "\r\nno",
		"no content":               "HTTP/1.1 204 No Content\r\n\r\n",
		"not modified":             "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
		"redirect":                 "HTTP/1.1 302 Found\r\nLocation: /\r\n" + length + "\r\nok",
		"tab after the status":     "HTTP/1.1 200\tOK\r\n" + length + "\r\nok",
		"chunked, and nothing":     ok + "Transfer-Encoding: chunked, ,\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		"TLS for HTTP":             "\x15\x03\x03\x00\x02\x02\x28",
		"no header":                ok + "\r\nok",
		"HTTP/1.0":                 "HTTP/1.0 200\r\n\r\nok",
		"no status":                "HTTP/1.1 OK\r\n\r\nok",
		"status 099":               "HTTP/1.1 099 X\r\n\r\nok",
		"status 600":               "HTTP/1.1 600 X\r\n\r\nok",
		"bare line feeds":          "HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
		"line feed at the end":     ok + "Content-Length: 2\n\nok",
		"bare carriage return":     ok + "X-A: b\rc\r\n" + length + "\r\nok",
		"folded":                   ok + "X-A: b\r\n c\r\n" + length + "\r\nok",
		"folded length":            ok + "Content-Length:\r\n 2\r\n\r\nok",
		"folded first line":        ok + " X-A: b\r\n\r\nok",
		"space before the colon":   ok + "Content-Length : 1\r\n\r\nok",
		"no colon":                 ok + "nonsense\r\n\r\nok",
		"NUL in a name":            ok + "X-\x00: b\r\n\r\nok",
		"NUL in a length":          ok + "Content-Length: 2\x00\r\n\r\nok",
		"odd name":                 ok + "X(A): b\r\n" + length + "\r\nok",
		"interim":                  "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok + length + "\r\nok",
		"interim alone":            "HTTP/1.1 100 Continue\r\n\r\n",
		"101":                      "HTTP/1.1 101 Switching Protocols\r\n\r\nok",
		"length twice":             ok + length + length + "\r\nok",
		"lengths differ":           ok + length + "Content-Length: 3\r\n\r\nok",
		"length with a sign":       ok + "Content-Length: +2\r\n\r\nok",
		"length is no number":      ok + "Content-Length: two\r\n\r\nok",
		"length is huge":           ok + "Content-Length: 99999999999999999999\r\n\r\nok",
		"length 0":                 ok + "Content-Length: 0\r\n\r\nok",
		"length before the match":  ok + "Content-Length: 1\r\n\r\nok",
		"body cut, with match":     ok + "Content-Length: 9\r\n\r\nok",
		"body cut":                 ok + "Content-Length: 9\r\n\r\no",
		"chunks":                   ok + chunked + "1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
		"one chunk":                ok + chunked + "2\r\nok\r\n0\r\n\r\n",
		"chunks with trailers":     ok + chunked + "2\r\nno\r\n0\r\nX-A: ok\r\n\r\n",
		"chunks with extensions":   ok + chunked + "2;a=b\r\nok\r\n0;e\r\n\r\n",
		"chunks with zeros":        ok + chunked + "0000000002 \r\nok\r\n000\r\n\r\n",
		"chunks with line feeds":   ok + chunked + "2\nok\n0\n\n",
		"chunks cut":               ok + chunked + "2\r\nno\r\n",
		"chunk cut":                ok + chunked + "9\r\nno",
		"chunk of no size":         ok + chunked + "zz\r\nok\r\n",
		"chunk of a size with _":   ok + chunked + "0_2\r\nok\r\n",
		"chunk longer than told":   ok + chunked + "1\r\nok\r\n0\r\n\r\n",
		"chunks and a length":      ok + "Content-Length: 1\r\n" + chunked + "2\r\nok\r\n0\r\n\r\n",
		"chunks and a bad length":  ok + "Content-Length: x\r\n" + chunked + "2\r\nok\r\n0\r\n\r\n",
		"chunked twice":            ok + "Transfer-Encoding: chunked\r\n" + chunked + "2\r\nok\r\n0\r\n\r\n",
		"gzip, chunked":            ok + "Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		"unknown coding":           ok + "Transfer-Encoding: foo\r\n\r\nok",
		"date and age":             ok + "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nAge: 5\r\n" + length + "\r\nok",
		"garbage":                  "\x00\x01\x02\xff",
		"SSH":                      "SSH-2.0-OpenSSH_9.9\r\n",
		"a TLS alert":              "\x15\x03\x01\x00\x02\x02\x46",
		"cut in the status":        "HTTP/1.1 20",
		"cut in the header":        ok + "Content-Type: text/pl",
		"cut after a line":         ok + length,
		"long header":              ok + strings.Repeat("X-A: b\r\n", 5000) + length + "\r\nok",
		"header longer than read":  ok + strings.Repeat("X-A: bbbbbbbbbbbbbbbbbbbb\r\n", 5000) + length + "\r\nok",
		"long body":                ok + "Content-Length: 30002\r\n\r\n" + strings.Repeat("n", 30000) + "ok",
		"match after the limit":    ok + "Content-Length: 5002\r\n\r\n" + strings.Repeat("n", 5000) + "ok",
		"match across the limit":   ok + "Content-Length: 4097\r\n\r\n" + strings.Repeat("n", 4095) + "ok",
		"characters cut in a rune": ok + "\r\nk\xe2\x82",
		"escape sequences":         ok + "\r\n\x1b[31m\r\n",
	} {
		servers[name] = answer(text)
		switch name {
		case "usual", "no header", "no content", "bare line feeds", "line feed at the end", "folded", "interim alone", "length 0", "body cut",
			"body cut, with match", "chunks", "chunks cut", "chunk of no size", "garbage", "cut after a line", "long body":
			servers[name+", stays open"] = answerAndHang(text)
		}
	}
	return servers
}

// endless goes on with more as long as somebody reads.
func endless(text, more string) func(net.Conn) {
	return func(c net.Conn) {
		answer(text)(c)
		for more := strings.Repeat(more, 100); ; {
			if _, err := io.WriteString(c, more); err != nil {
				return
			}
		}
	}
}

// dripAll sends a byte at a time.
func dripAll(text string, every time.Duration) func(net.Conn) {
	return func(c net.Conn) {
		awaitRequest(c)
		for i := range len(text) {
			if _, err := io.WriteString(c, text[i:i+1]); err != nil {
				return
			}
			if every > 0 {
				time.Sleep(every)
			}
		}
	}
}

// TestLaunchedAlike holds launched probes to what the general form says of the same servers, word for word.
func TestLaunchedAlike(t *testing.T) {
	const timeout = 300 * time.Millisecond
	slow := func(r health.Result) bool { return r.Reason == "timeout" || r.Reason == "late" }
	same := func(t *testing.T, specs []health.Spec) {
		m := newMakers(Options{})
		m.meter = unmetered()
		var all sync.WaitGroup
		for _, spec := range specs {
			all.Go(func() {
				general, launched, _ := bothWays(t, m, spec, timeout)
				if !reflect.DeepEqual(general, launched) && (slow(general) || slow(launched)) {
					// On a busy machine one may be in time alone. With ample time, neither is late.
					general, launched, _ = bothWays(t, m, spec, patience/4)
				}
				if !reflect.DeepEqual(general, launched) {
					t.Errorf("%s %+v:\ngeneral  %+v\nlaunched %+v", spec.Kind(), spec, general, launched)
				}
			})
		}
		all.Wait()
	}
	kinds := func(at string) []health.Spec {
		url := "http://" + at + "/health"
		head := spec200(url)
		head.Method = "HEAD"
		posts := specBody(url, "ok$")
		posts.Method, posts.Body = "POST", "please"
		empty := specBody(url, "^$")
		empty.Status = []health.StatusRange{{From: 200, To: 599}}
		return []health.Spec{
			spec200(url), head, specBody(url, "ok"), specBody(url, "."), posts, empty,
			&health.TCP{Address: at},
			&health.TCP{Address: at, Send: "GET / HTTP/1.1\r\nHost: x\r\n\r\n"},
			&health.TCP{Address: at, Send: "GET / HTTP/1.1\r\nHost: x\r\n\r\n", Pattern: regexp.MustCompile("ok$")},
		}
	}
	for name, handle := range hostile() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := serve(t, "127.0.0.1", handle)
			specs := kinds(at)
			switch name {
			case "answers before the request", "closes at once", "is silent", "reads nothing":
				specs = append(specs, &health.TCP{Address: at, Pattern: regexp.MustCompile("^HTTP")})
			}
			same(t, specs)
		})
	}
	for name, at := range map[string]string{
		"refused":           refusing(t),
		"refused, IPv6":     "[::1]:1",
		"no route":          "240.0.0.1:80", // reserved
		"broadcast":         "255.255.255.255:80",
		"own link, no zone": "[fe80::1]:80",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			same(t, kinds(at))
		})
	}
	t.Run("IPv6", func(t *testing.T) {
		same(t, kinds(serve(t, "::1", answer("HTTP/1.1 200 OK\r\n\r\nok"))))
	})
}

// TestWaitingForOthersExcuses has a fail not count that may come of the loop's own work.
func TestWaitingForOthersExcuses(t *testing.T) {
	const timeout = time.Second
	silent := func(context.Context) health.Result { return fail("timeout", "timeout") }
	for waited, want := range map[time.Duration]string{timeout / 4: "timeout", timeout * 3 / 4: "late"} {
		began := time.Now().Add(-timeout)
		ctx, cancel := context.WithDeadline(t.Context(), began.Add(timeout))
		if got := new(meter).since(began, waited, silent)(ctx); got.Reason != want {
			t.Errorf("after %v: %+v, want %s", waited, got, want)
		}
		cancel()
	}
}

// busy is a plain probe that keeps the loop from others.
type busy struct {
	plain
	hears func()
}

func (b *busy) hear(data []byte) (health.Result, loop.Answer) {
	b.hears()
	return b.plain.hear(data)
}

// TestWaitingIsNotSlow has a probe wait for another one for longer than its target may take.
func TestWaitingIsNotSlow(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	for name, test := range map[string]struct {
		text    string
		resumes bool
	}{
		"in the loop": {ok + "Content-Length: 2\r\n\r\nok", false},
		"resumed":     {"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok + "Content-Length: 2\r\n\r\nok", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMakers(Options{})
			launcherOf := func(text string, slow health.Slow) *launcher {
				l, err := m.launcher(health.Target{ID: "test", Spec: spec200("http://" + serve(t, "127.0.0.1", answer(text))), Slow: slow})
				if err != nil {
					t.Fatal(err)
				}
				return l.(*launcher)
			}
			newLanding := func() *landing {
				return &landing{deadline: time.Now().Add(patience), results: make(chan health.Result, 1)}
			}
			for wait := 50 * time.Millisecond; ; wait *= 4 { // a busy machine may take as long by itself
				first := launcherOf(ok+"Content-Length: 2\r\n\r\nok", health.Slow{})
				second := launcherOf(test.text, health.Slow{After: wait * 4 / 5, Fails: true})
				one, two := newLanding(), newLanding()
				first.plain = &busy{plain: first.plain, hears: sync.OnceFunc(func() {
					second.Launch(two.deadline, two)
					time.Sleep(wait)
				})}
				first.Launch(one.deadline, one)
				<-one.results
				got := <-two.results
				if two.resumed != test.resumes || two.waited < wait {
					t.Fatalf("resumed: %v; it waited for %v, want %v", two.resumed, two.waited, wait)
				}
				if got.Verdict == health.Pass {
					return
				}
				if wait > 2*time.Second {
					t.Fatalf("%+v", got)
				}
			}
		})
	}
}

// TestUsualNeedsNoGoroutine holds what is usual to be judged in the loop.
func TestUsualNeedsNoGoroutine(t *testing.T) {
	for name, text := range map[string]string{
		"length":   "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 2\r\n\r\nok",
		"chunked":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
		"HTTP/1.0": "HTTP/1.0 200 OK\r\n\r\nok",
	} {
		at := serve(t, "127.0.0.1", answer(text))
		for _, spec := range []health.Spec{
			spec200("http://" + at), specBody("http://"+at, "ok"),
			&health.TCP{Address: at}, &health.TCP{Address: at, Send: "GET / HTTP/1.1\r\nHost: x\r\n\r\n", Pattern: regexp.MustCompile("200")},
		} {
			if _, launched, alone := bothWays(t, newMakers(Options{}), spec, patience); !alone || launched.Verdict != health.Pass {
				t.Errorf("%s, %+v: alone %v, %+v", name, spec, alone, launched)
			}
		}
	}
}

// TestOnlyPlainIsLaunched has a spec of each kind with one thing more than plain probes do.
func TestOnlyPlainIsLaunched(t *testing.T) {
	m := newMakers(Options{})
	launches := func(spec health.Spec) bool {
		launcher, err := m.launcher(health.Target{ID: "test", Spec: spec})
		return launcher != nil && err == nil
	}
	for _, address := range []string{"127.0.0.1:80", "[::1]:80"} {
		if !launches(spec200("http://"+address)) || !launches(&health.TCP{Address: address}) {
			t.Errorf("%s is not launched", address)
		}
	}
	for _, address := range []string{"app.example.com:80", "0.0.0.0:80", "[::]:80", "[::ffff:192.0.2.1]:80", "[fe80::1%25lo]:80"} {
		if launches(spec200("http://"+address)) || launches(&health.TCP{Address: strings.Replace(address, "%25", "%", 1)}) {
			t.Errorf("%s is launched", address)
		}
	}
	plain := map[string]bool{
		"URL": true, "Method": true, "Host": true, "Headers": true, "Body": true, "Status": true, "Pattern": true, "MaxBody": true,
		"Address": true, "Send": true,
	}
	for _, fresh := range []func() health.Spec{
		func() health.Spec { return spec200("http://127.0.0.1:80") },
		func() health.Spec { return &health.TCP{Address: "127.0.0.1:80"} },
	} {
		fields := reflect.VisibleFields(reflect.TypeOf(fresh()).Elem())
		for _, field := range fields {
			if plain[field.Name] || field.Name == "Target" || field.Anonymous {
				continue
			}
			spec := fresh()
			fill(reflect.ValueOf(spec).Elem().FieldByIndex(field.Index))
			if launches(spec) {
				t.Errorf("%s with %s is launched", spec.Kind(), field.Name)
			}
		}
	}
	long := spec200("http://127.0.0.1")
	long.Body = strings.Repeat("x", longestPlain)
	if launches(long) {
		t.Error("a long request is launched")
	}
}

// fill makes a value other than zero.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		v.SetString("x")
	case reflect.Int, reflect.Int64, reflect.Int32:
		v.SetInt(1)
	case reflect.Uint8, reflect.Uint16:
		v.SetUint(1)
	case reflect.Struct:
		fill(v.Field(0))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
	default:
		panic(fmt.Sprintf("fill in %v too", v.Type()))
	}
}

// FuzzHear holds what is judged in the loop, after any part of a response, to what the general form says of all.
func FuzzHear(f *testing.F) {
	for _, raw := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.1 503 X\r\n\r\n", "HTTP/1.0 204\r\nDate: x\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n00000001\r\nk\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nok\r\n",
	} {
		for _, pattern := range []string{"", "ok", "ok$", "^$"} {
			f.Add([]byte(raw), len(raw), pattern)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte, part int, pattern string) {
		spec := spec200("http://192.0.2.1/health")
		if pattern != "" {
			compiled, err := regexp.Compile(pattern)
			if err != nil {
				return
			}
			spec.Pattern, spec.MaxBody = compiled, 64
		}
		m := newMakers(Options{Dial: replyWith(raw), NameServers: noNameServers})
		made, err := newHTTP(m.network, spec)
		if err != nil {
			t.Fatal(err)
		}
		heard, answer := (&plainHTTP{httpProbe: made}).hear(raw[:max(0, min(part, len(raw)))])
		if answer != loop.Enough {
			return
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		general := presentable(made.probe)(ctx)
		if heard = presented(nil, heard); !reflect.DeepEqual(heard, general) {
			t.Errorf("general  %+v\nlaunched %+v", general, heard)
		}
	})
}
