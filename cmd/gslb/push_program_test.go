package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A pool is judged by what is calculated from a port and from what a job pushes: over the socket, and over TCP
// with the check's own token, which allows nothing else.
func TestPushMovesAnAnswer(t *testing.T) {
	t.Parallel()
	const token = "gslb_a-job-says-that-it-lives"
	s := newStage(t)
	s.checks = `"alive"`
	s.more = fmt.Sprintf(`
[checks.job]
type = "push"
subject = "{pool}"
interval = "1h"
token_sha256 = "%x"
[checks.off]
type = "push"
subject = "{pool}-is-off"
interval = "1h"
token_sha256 = "%x"
[checks.on]
type = "not"
of = "off"
[checks.alive]
type = "all"
of = ["port", "on", "job"]
`, sha256.Sum256([]byte(token)), sha256.Sum256([]byte("another")))
	s.write(`"nyc", "ams"`)
	s.start()
	for _, pool := range []string{"nyc", "ams"} {
		if out := s.carryOut("push", "job", pool); out != "job@"+pool+" passes; the next call must come within 1h0m0s\n" {
			t.Errorf("%q", out)
		}
		s.carryOut("push", "off", pool+"-is-off", "--fail", "--reason", "it is on")
	}
	s.eventually("both up", func() bool {
		return len(s.lines(`msg="pool up"`, "pool=nyc")) > 0 && len(s.lines(`msg="pool up"`, "pool=ams")) > 0
	})
	s.expect(first)

	path := filepath.Join(s.dir, "job.token")
	must(t, os.WriteFile(path, []byte(token+"\n"), 0o600))
	overTCP := []string{"--server", "http://" + s.adminAddr, "--token-file", path}
	if out, err := s.commandLine(append([]string{"push", "job", "nyc", "--fail", "--reason", "no disk"}, overTCP...)...); err != nil || !strings.HasPrefix(out, "job@nyc fails; ") {
		t.Fatalf("%v\n%s", err, out)
	}
	s.eventuallyAnswers(second)
	if out := strings.Join(strings.Fields(s.carryOut("status")), " "); !strings.Contains(out, "alive@127.0.0.1 is down: 2 of 3 up, 3 needed: job@nyc is down: it was said to fail: no disk") {
		t.Errorf("it is not said why:\n%s", out)
	}
	for name, args := range map[string][]string{
		"the token of another check": {"push", "off", "nyc-is-off"},
		"a drain by a check's token": {"drain", "ams", "--reason", "whatever", "--yes"},
	} {
		if out, err := s.commandLine(append(args, overTCP...)...); err == nil || !strings.Contains(err.Error(), "unauthorized") && !strings.Contains(err.Error(), "token") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	if out, err := s.command("push", "jobs", "nyc"); err == nil || !strings.Contains(err.Error(), `there is no check of type "push"`) {
		t.Errorf("%v\n%s", err, out)
	}
	s.carryOut("push", "job", "nyc")
	s.eventuallyAnswers(first)
	s.carryOut("push", "off", "nyc-is-off")
	s.eventuallyAnswers(second)
}
