package probe

import (
	"context"
	"net"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"gslb/health"
)

func TestOneLine(t *testing.T) {
	long := strings.Repeat("é", shownText)
	tests := []struct{ in, want string }{
		{"", ""},
		{"status 200", "status 200"},
		{"  two \r\n\tlines \n", "two lines"},
		{"\x1b[31mred\x00", `\x1b[31mred\x00`},
		{"left\u202eright", `left\u202eright`},
		{"Latin-1 \xe9t\xe9", `Latin-1 \xe9t\xe9`},
		{"größer – 漢字", "größer – 漢字"},
		{long, long},
		{long + "é", long + "…"},
		{long + " é", long + " …"},
	}
	for _, test := range tests {
		if got := oneLine(test.in); got != test.want {
			t.Errorf("%q: got %q, want %q", test.in, got, test.want)
		}
	}
}

func TestOneLineIsOneLine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")) + rapid.StringN(0, 400, -1).Draw(t, "text")
		got := oneLine(in)
		// An escape that has begun is written to its end.
		if n := utf8.RuneCountInString(got); n > shownText+len(`\u{10ffff}`) {
			t.Fatalf("%d characters", n)
		}
		if !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Fatalf("not printable: %q", got)
		}
		if again := oneLine(got); utf8.RuneCountInString(got) <= shownText && again != got {
			t.Fatalf("%q becomes %q", got, again)
		}
	})
}

// TestDetailsAreShort has servers say long and unfit things wherever a detail shows what
// they say.
func TestDetailsAreShort(t *testing.T) {
	long := strings.Repeat("A", 60_000)
	following := spec200("")
	following.FollowRedirects = true
	pattern := specBody("", strings.Repeat("(no)?", 200)+"never")
	tests := []struct {
		name   string
		server func(net.Conn)
		spec   *health.HTTP
	}{
		{"location", answer("HTTP/1.1 302 Found\r\nLocation: http://other/" + long + "\r\nContent-Length: 0\r\n\r\n"), following},
		{"location that is no URL", answer("HTTP/1.1 302 Found\r\nLocation: http://[" + long + "\r\n\r\n"), following},
		{"scheme", answer("HTTP/1.1 302 Found\r\nLocation: " + long + ":x\r\n\r\n"), following},
		{"status line", answer("HTTP/1.1 " + long + "\r\n\r\n"), spec200("")},
		{"header", answer("HTTP/1.1 200 OK\r\n" + long + "\x1b[31m\r\n\r\n"), spec200("")},
		{"control characters", answer("\x1b]0;title\x07\x1b[31m\r\n\r\n"), spec200("")},
		{"body", answer("HTTP/1.1 200 OK\r\n\r\n\x1b[31m" + long), pattern},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			spec := *test.spec
			spec.URL = "http://" + serve(t, "127.0.0.1", test.server)
			got := runPromptly(t, mustMake(t, Options{}, &spec))
			if n := utf8.RuneCountInString(got.Detail); n > shownText+1 || n == 0 {
				t.Errorf("the detail has %d characters: %.400s", n, got.Detail)
			}
			if strings.ContainsFunc(got.Detail, unicode.IsControl) {
				t.Errorf("the detail is not fit for a log: %q", got.Detail)
			}
		})
	}
	greeting := &health.TCP{Address: serve(t, "127.0.0.1", answer(long)), Send: "GET / HTTP/1.0\r\n\r\n", Pattern: pattern.Pattern}
	if got := runPromptly(t, mustMake(t, Options{}, greeting)); utf8.RuneCountInString(got.Detail) > shownText+1 {
		t.Errorf("tcp: the detail has %d bytes", len(got.Detail))
	}
}

func TestPresentable(t *testing.T) {
	odd := presentable(func(context.Context) health.Result {
		return health.Result{Verdict: health.Fail, Reason: "odd", Detail: "a\nb\x07"}
	})
	if got, want := odd(t.Context()), (health.Result{Verdict: health.Fail, Reason: "odd", Detail: `a b\x07`}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
