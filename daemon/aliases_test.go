package daemon

import (
	"fmt"
	"net"
	"testing"

	"github.com/miekg/dns"
)

// nameServer is a resolver that knows one host, lb.cloud.example, with the address of the first region.
type nameServer struct {
	address string
	stop    func()
}

func newNameServer(t *testing.T) nameServer {
	t.Helper()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	server := &dns.Server{PacketConn: socket, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, query *dns.Msg) {
		m := new(dns.Msg).SetReply(query)
		m.RecursionAvailable = true
		if q := query.Question[0]; q.Name != "lb.cloud.example." {
			m.Rcode = dns.RcodeNameError
		} else if q.Qtype == dns.TypeA {
			m.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: q.Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 5}, A: net.ParseIP(first)}}
		}
		w.WriteMsg(m)
	})}
	ended := make(chan struct{})
	go func() { defer close(ended); server.ActivateAndServe() }()
	stop := func() { socket.Close(); <-ended }
	t.Cleanup(stop)
	return nameServer{socket.LocalAddr().String(), stop}
}

// aliased adds a pool with an alias, and a name that is answered with nyc.
func (s *stage) aliased(resolver string) {
	s.Settings = fmt.Sprintf("resolvers = [%q]", resolver)
	s.More = fmt.Sprintf(`
[pools.lb]
alias = "lb.cloud.example"
vars = { port = "%d" }
checks = ["port"]
[zones."gslb.example.com".names.other]
pools = ["nyc"]
`, s.NYC.Address.Port())
}

// A pool with members is replaced by one with an alias: its addresses are known and probed before it is
// answered. They outlive a restart while no resolver replies.
func TestReloadToAnAlias(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.begin()
	server := newNameServer(t)
	s.aliased(server.address)
	old := s.config.Current()
	s.Write(`"lb", "ams"`)
	s.Eventually("the configuration with the alias", func() bool {
		s.expect(first)
		return s.config.Current() != old
	})
	if set := s.publisher.Table().Set(); len(set.Pools) != 3 {
		t.Fatalf("it has %d pools", len(set.Pools))
	}
	s.expect(first)
	if lines := s.Lines(`msg="pool `, "pool=lb"); len(lines) != 1 {
		t.Errorf("the pool is not up from the beginning: %q", lines)
	}

	server.stop()
	s.stop()
	s.start()
	s.expect(first)
	s.Eventually("a failed look-up", s.Logged("an alias cannot be looked up: the addresses that it had are kept", "lb.cloud.example."))
	s.expect(first)

	// It is the address's own check that decides.
	s.NYC.Stop()
	s.eventuallyAnswers(second)
	s.NYC.Start()
	s.eventuallyAnswers(first)

	// Without the alias nothing of it is probed or looked up.
	s.Settings, s.More = "", ""
	s.Write(`"ams", "nyc"`)
	s.eventuallyAnswers(second)
	s.Eventually("the host is forgotten", func() bool { return len(s.hosts.Reports()) == 0 && len(s.monitor.Reports()) == 2 })
}

// A start that finds no resolver answers with another pool, and with the alias as soon as it is known.
func TestStartWithoutAResolver(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	server := newNameServer(t)
	server.stop()
	s.aliased(server.address)
	s.Write(`"lb", "ams"`)
	s.start()
	s.expect(second)
	s.Eventually("it is said", s.Logged("an alias cannot be looked up, and no addresses of it are known"))

	// A configuration with a resolver that replies.
	s.aliased(newNameServer(t).address)
	s.Write(`"lb", "ams"`)
	s.eventuallyAnswers(first)
}
