package daemon

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"gslb/admin/api"
)

// A pool is judged by what is calculated from a port and from what a job pushes: over the socket, and over TCP
// with the check's own token, which allows nothing else.
func TestPushMovesAnAnswer(t *testing.T) {
	t.Parallel()
	const token = "gslb_a-job-says-that-it-lives"
	s := newStage(t)
	s.Checks = `"alive"`
	s.More = fmt.Sprintf(`
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
	s.Write(`"nyc", "ams"`)
	s.start()
	for _, pool := range []string{"nyc", "ams"} {
		must(t, s.overSocket().push("job", pool, ""))
		must(t, s.overSocket().push("off", pool+"-is-off", "it is on"))
	}
	s.Eventually("both up", func() bool {
		return len(s.Lines(`msg="pool up"`, "pool=nyc")) > 0 && len(s.Lines(`msg="pool up"`, "pool=ams")) > 0
	})
	s.expect(first)

	overTCP := s.overTCP(token)
	must(t, overTCP.push("job", "nyc", "no disk"))
	s.eventuallyAnswers(second)
	if _, pools := s.get("/api/v1/pools"); !strings.Contains(pools, "2 of 3 up, 3 needed: job@nyc is down: it was said to fail: no disk") {
		t.Errorf("it is not said why:\n%s", pools)
	}
	if err := overTCP.push("off", "nyc-is-off", ""); problemOf(t, err) != api.Unauthorized {
		t.Errorf("with the token of another check: %v", err)
	}
	if _, err := overTCP.drain("ams", "whatever"); problemOf(t, err) != api.Unauthorized {
		t.Errorf("a drain by a check's token: %v", err)
	}
	if err := s.overSocket().push("jobs", "nyc", ""); err == nil || !strings.Contains(err.Error(), `there is no check of type "push"`) {
		t.Errorf("a check that is not there: %v", err)
	}
	must(t, s.overSocket().push("job", "nyc", ""))
	s.eventuallyAnswers(first)
	must(t, s.overSocket().push("off", "nyc-is-off", ""))
	s.eventuallyAnswers(second)
}
