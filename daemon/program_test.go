package daemon

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

func TestFailoverAndBack(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.begin()
	s.NYC.Stop()
	s.eventuallyAnswers(second)
	s.Eventually("the target's line", s.Logged(`msg="target down"`, "target=port@127.0.0.1", "reason=refused"))
	s.Eventually("the pool's line", s.Logged(`msg="pool down"`, "pool=nyc"))
	s.Eventually("the answer's line", s.Logged(`msg="answer changed"`, "names=[app.gslb.example.com.]", "pool=ams", "from=nyc"))
	s.NYC.Start()
	s.eventuallyAnswers(first)
}

// While the first verdicts are out, the server answers what does not depend on them, leaves the
// rest without a reply rather than answer something wrong, and readiness says what it waits for.
func TestReadinessSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	release := s.addSlowPool()
	s.Write(`"nyc", "ams"`)
	s.start()
	s.Eventually("not ready, and why", func() bool {
		status, body := s.get("/readyz")
		return status == http.StatusServiceUnavailable && strings.Contains(body, "the first verdict of slow@127.0.0.1")
	})
	if status, _ := s.get("/healthz"); status != http.StatusOK {
		t.Errorf("healthz: %d", status)
	}
	s.expect(first)
	ask := func(name string, patience time.Duration) (*dns.Msg, error) {
		client := dns.Client{Timeout: patience}
		r, _, err := client.Exchange(new(dns.Msg).SetQuestion(name, dns.TypeA), s.server.Addrs()[0].String())
		return r, err
	}
	for name, rcode := range map[string]int{
		"ns1.gslb.example.com.":  dns.RcodeSuccess,
		"app.gslb.example.com.":  dns.RcodeSuccess, // of which all verdicts have come
		"gone.gslb.example.com.": dns.RcodeNameError,
		"www.example.org.":       dns.RcodeRefused,
	} {
		if r, err := ask(name, patience); err != nil || r.Rcode != rcode {
			t.Errorf("%s is answered with %v, %v", name, r, err)
		}
	}
	if r, err := ask("slow.gslb.example.com.", 400*time.Millisecond); err == nil {
		t.Errorf("a name of which nothing is known is answered with %v", r)
	}
	if status, _ := s.get("/readyz"); status != http.StatusServiceUnavailable {
		t.Fatal("it was ready while that was asked")
	}
	release()
	s.Eventually("ready", func() bool {
		status, body := s.get("/readyz")
		return status == http.StatusOK && strings.HasPrefix(body, "ready")
	})
}

func TestAddressInUse(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.Write(`"nyc", "ams"`)
	path := s.Config()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	taken := strings.Replace(string(text), `listen = "127.0.0.1:0"`, fmt.Sprintf("listen = %q", s.NYC.Address), 1)
	if err := os.WriteFile(path, []byte(taken), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = newProgram(s.options(), nil)
	if err == nil || !strings.Contains(err.Error(), "admin.listen: ") || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("got %v", err)
	}
}
