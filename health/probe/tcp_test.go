package probe

import (
	"io"
	"net"
	"regexp"
	"strings"
	"testing"

	"gslb/health"
)

func specGreeting(address, pattern string) *health.TCP {
	return &health.TCP{Address: address, Pattern: regexp.MustCompile(pattern)}
}

func TestTCP(t *testing.T) {
	say := func(text string) func(net.Conn) {
		return func(c net.Conn) { io.WriteString(c, text); hang(c) }
	}
	echo := func(c net.Conn) { io.Copy(c, c) }
	tests := []struct {
		name          string
		server        func(net.Conn)
		send, pattern string
		want          want
	}{
		{"connects", hang, "", "", want{health.Pass, "ok", "connected"}},
		{"sends and does not wait", hang, "PING", "", want{health.Pass, "ok", ""}},
		{"greeting", say("220 mx.example.com ESMTP\r\n"), "", `^220 .*\s$`, want{health.Pass, "ok", "matches"}},
		{"exchange", echo, "PING\r\n", `^PING\r\n`, want{health.Pass, "ok", ""}},
		{"in pieces", func(c net.Conn) {
			for _, piece := range []string{"+PO", "N", "G\r\n"} {
				io.WriteString(c, piece)
			}
			hang(c)
		}, "", `^\+PONG`, want{health.Pass, "ok", ""}},
		{"closes without a word", func(net.Conn) {}, "", "^220", want{health.Fail, "closed", "reading from 127.0.0.1:"}},
		{"says something else, closes", func(c net.Conn) { io.WriteString(c, "554 go away\r\n") }, "", "^220",
			want{health.Fail, "body", `what was read does not match "^220": got "554 go away\r\n"`}},
		{"says too much", func(c net.Conn) { say(strings.Repeat("x", maxGreeting))(c) }, "", "ok",
			want{health.Fail, "body", `in its first 4096 bytes`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			spec := &health.TCP{Address: serve(t, "127.0.0.1", test.server), Send: test.send}
			if test.pattern != "" {
				spec.Pattern = regexp.MustCompile(test.pattern)
			}
			test.want.check(t, runPromptly(t, mustMake(t, Options{}, spec)))
		})
	}
}

func TestTCPRefused(t *testing.T) {
	want{health.Fail, "refused", "connection refused"}.check(t,
		runPromptly(t, mustMake(t, Options{}, &health.TCP{Address: refusing(t)})))
}

func TestTCPOverIPv6(t *testing.T) {
	want{health.Pass, "ok", ""}.check(t,
		runPromptly(t, mustMake(t, Options{}, &health.TCP{Address: serve(t, "::1", hang)})))
}
