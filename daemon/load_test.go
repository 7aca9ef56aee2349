package daemon

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// loadServer says its load in a header of each response: a number, or nothing.
type loadServer struct {
	port int
	says atomic.Pointer[string]
}

func newLoadServer(t *testing.T, load string) *loadServer {
	s := &loadServer{}
	s.say(load)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if text := *s.says.Load(); text != "" {
			w.Header().Set("X-Load", text)
		}
	}))
	t.Cleanup(server.Close)
	s.port = server.Listener.Addr().(*net.TCPAddr).Port
	return s
}

func (s *loadServer) say(load string) { s.says.Store(&load) }

// parts is how many of a hundred answers each pool has that a name is answered with, as the API says it.
func (s *stage) parts(name string) string {
	s.T.Helper()
	set := s.publisher.Table().Set()
	var words []string
	for _, d := range s.publisher.Outcome().DecisionsOf(set.Name(name)) {
		for i, part := range d.Parts() {
			words = append(words, fmt.Sprintf("%s %.0f", d.Shares[i].Pool.Name, 100*part))
		}
	}
	return strings.Join(words, ", ")
}

// The load and the weight that servers say of themselves decide who gets how many clients. What is missing is held for a
// while, and then no longer counts.
func TestServersSayTheirLoad(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	busy, idle := newLoadServer(t, "90"), newLoadServer(t, "10")
	s.More = fmt.Sprintf(`
[zones."gslb.example.com".names.shared]
policy = "weighted"
pools  = ["busy", "idle"]
ttl    = "0s"
[zones."gslb.example.com".names.first]
pools  = ["busy", "idle"]
ttl    = "0s"
[zones."gslb.example.com".names.told]
policy = "weighted"
pools  = ["three", "one"]
[checks.load]
type          = "http"
url           = "http://127.0.0.1:{port}/{pool}"
interval      = "200ms"
fast_interval = "50ms"
timeout       = "150ms"
weight_from   = "header:X-Load"
shed          = { from = "70%%", to = "95%%" }
[checks.weight]
type        = "http"
url         = "http://127.0.0.1:{port}/{pool}"
interval    = "200ms"
fast_interval = "50ms"
timeout     = "150ms"
weight_from = "header:X-Load"
[pools]
busy  = { members = ["192.0.2.1"], checks = ["load"], vars = { port = "%[1]d" } }
idle  = { members = ["192.0.2.2"], checks = ["load"], vars = { port = "%[2]d" } }
three = { members = ["192.0.2.3"], checks = ["weight"], vars = { port = "%[1]d" } }
one   = { members = ["192.0.2.4"], checks = ["weight"], vars = { port = "%[2]d" } }
`, busy.port, idle.port)
	s.begin()
	is := func(name, want string) func() bool {
		return func() bool { return s.parts(name+".gslb.example.com.") == want }
	}
	// Here nothing follows what is answered, so that a sixth is reached in steps: 1 - (90 - 70) / (95 - 70) beside 1.
	s.Eventually("the weights are those that the servers say", is("told", "three 90, one 10"))
	s.Eventually("the busy pool gives up clients", func() bool {
		var part int
		_, err := fmt.Sscanf(s.parts("shared.gslb.example.com."), "busy %d,", &part)
		return err == nil && part <= 25
	})
	s.Eventually("the pool behind gets some, too", func() bool { return strings.Contains(s.parts("first.gslb.example.com."), "idle") })

	busy.say("20")
	s.Eventually("clients return", is("shared", "busy 50, idle 50"))
	s.Eventually("and to the preferred pool", is("first", "busy 100"))

	idle.say("120")
	busy.say("110")
	s.Eventually("all are loaded, and keep their own", func() bool {
		return s.publisher.Outcome().Pools[1].Load.Value == 110 && is("shared", "busy 50, idle 50")()
	})
	idle.say("10")
	s.Eventually("the busy pool gives up clients again", func() bool { return !is("shared", "busy 50, idle 50")() })
	busy.say("")
	s.Eventually("without a load it keeps its own", is("shared", "busy 50, idle 50"))
}
