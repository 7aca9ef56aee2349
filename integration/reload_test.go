//go:build integration

package integration

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"gslb/integration/parts"
)

// edition is one of two configurations that a reload changes between. Nothing that it has
// in a reply is the same in the other.
type edition struct {
	region      string // whose addresses are answered
	pools       string
	ttl         uint32 // of steered answers
	recordTTL   uint32 // of static records
	negativeTTL uint32
}

func (e edition) zone() string {
	return fmt.Sprintf(`
[zones."gslb.example.com"]
nameservers  = { ns1 = ["127.0.0.53"] }
ttl          = "%ds"
negative_ttl = "%ds"
records      = "www CNAME app"

[zones."gslb.example.com".names.app]
pools   = [%s]
ttl     = "%ds"
ttl_min = "%ds"
`, e.recordTTL, e.negativeTTL, e.pools, e.ttl, e.ttl)
}

// editions returns the two.
func editions() [2]edition {
	return [2]edition{
		{region: "nyc", pools: `"nyc", "ams"`, ttl: 71, recordTTL: 701, negativeTTL: 31},
		{region: "ams", pools: `"ams", "nyc"`, ttl: 72, recordTTL: 702, negativeTTL: 32},
	}
}

// reloadQuestions are asked in turn. Each reply tells its edition by everything in it.
var reloadQuestions = []struct {
	name  string
	qtype uint16
}{
	{app, dns.TypeA},
	{app, dns.TypeAAAA},
	{"www.gslb.example.com.", dns.TypeA},
	{"www.gslb.example.com.", dns.TypeAAAA},
	{"none.gslb.example.com.", dns.TypeA},
}

// TestReload rewrites zones.toml again and again, and breaks it now and then, while clients
// ask at a steady rate: each query is answered, and each answer is wholly of one edition.
func TestReload(t *testing.T) {
	ctx := beside(t)
	s := setup{Zone: editions()[0].zone()}.serve(t, ctx)
	load := startLoad(t, s)

	const rewrites, brokenEvery = 20, 5
	for i := 1; i <= rewrites; i++ {
		if i%brokenEvery == 0 {
			breakConfiguration(t, ctx, s)
		}
		next := s.setup
		next.Zone = editions()[i%2].zone()
		parts.Replace(t, s.path, next.text(t))
		if i%4 < 2 { // half of them by the signal, half by the watch for changed files
			s.Signal(syscall.SIGHUP)
		}
		must(t, parts.Until(ctx, fmt.Sprintf("rewrite %d is in use", i), func(ctx context.Context) error {
			reply, err := parts.Ask(ctx, s.Listen, app, dns.TypeA)
			if err != nil {
				return err
			}
			if got, _, err := editionOf(reply); err != nil || got != editions()[i%2].region {
				return fmt.Errorf("it answers %s, %v", got, err)
			}
			return nil
		}))
	}
	load.end(t)
	// Answers are served a moment before the reload that brought them is over.
	s.awaitMetric(t, ctx, `gslb_config_last_reload_successful`, 1)
	s.checkMetrics(t, ctx, map[string]float64{`gslb_config_reload_failures_total`: rewrites / brokenEvery})
	if st := s.status(t, ctx); st.Config.LastReloadError != "" {
		t.Errorf("/api/status: the last reload failed: %s", st.Config.LastReloadError)
	}
}

// breakConfiguration writes a file with an error, and checks that it is refused loudly.
func breakConfiguration(t *testing.T, ctx context.Context, s *server) {
	t.Helper()
	const failures = "gslb_config_reload_failures_total"
	before, live, logged := s.metric(t, ctx, failures), s.status(t, ctx).Config.Hash, s.logged(t)
	text, err := os.ReadFile(s.path)
	must(t, err)
	parts.Replace(t, s.path, strings.Replace(string(text), `pools   = ["`, `pools   = ["nowhere", "`, 1))
	s.awaitMetric(t, ctx, failures, before+1)
	s.checkMetrics(t, ctx, map[string]float64{`gslb_config_last_reload_successful`: 0})
	s.awaitLines(t, ctx, logged,
		line{"the configuration was not reloaded: the one before it goes on serving", map[string]string{"level": "ERROR", "live": live}},
		line{"the configuration was not reloaded", map[string]string{"level": "ERROR", "problem": "nowhere"}})
	st := s.status(t, ctx)
	if !strings.Contains(st.Config.LastReloadError, "nowhere") || st.Config.Hash != live {
		t.Errorf("/api/status: configuration %+v, want %s live, and an error that names nowhere", st.Config, live)
	}
	checkPage(t, s, "The last reload of the configuration failed")
}

// editionOf returns the region of the edition that a reply is of, and the zone's serial
// where the reply has it. A reply that fits neither edition is an error.
func editionOf(reply *dns.Msg) (region string, serial uint32, err error) {
	for _, e := range editions() {
		if serial, fits := e.fits(reply); fits {
			return e.region, serial, nil
		}
	}
	return "", 0, fmt.Errorf("a mixture, or neither:\n%v", reply)
}

func (e edition) fits(reply *dns.Msg) (serial uint32, fits bool) {
	if reply.Question[0].Name == "none.gslb.example.com." {
		if reply.Rcode != dns.RcodeNameError || len(reply.Answer) != 0 || len(reply.Ns) != 1 {
			return 0, false
		}
		soa, ok := reply.Ns[0].(*dns.SOA)
		if !ok {
			return 0, false
		}
		return soa.Serial, soa.Hdr.Ttl == e.negativeTTL && soa.Minttl == e.negativeTTL
	}
	answer := reply.Answer
	if reply.Question[0].Name != app && len(answer) > 0 {
		if cname, ok := answer[0].(*dns.CNAME); !ok || cname.Target != app || cname.Hdr.Ttl != e.recordTTL {
			return 0, false
		}
		answer = answer[1:]
	}
	steered := *reply
	steered.Answer = answer
	region, ttl, err := regionIn(&steered, reply.Question[0].Qtype)
	return 0, err == nil && region == e.region && ttl == e.ttl
}

// load is clients that ask at a steady rate, over both transports.
type load struct {
	stop    context.CancelFunc
	clients sync.WaitGroup
	mu      sync.Mutex
	wrong   []string
	replies map[string]*atomic.Int64 // by network
}

// Each client asks once a millisecond, or as often as it gets answers.
const (
	loadUDP, loadTCP = 4, 2
	loadPause        = time.Millisecond
	loadWait         = 5 * time.Second // after which a query is lost
)

func startLoad(t *testing.T, s *server) *load {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	l := &load{stop: stop, replies: map[string]*atomic.Int64{"udp": new(atomic.Int64), "tcp": new(atomic.Int64)}}
	for network, count := range map[string]int{"udp": loadUDP, "tcp": loadTCP} {
		for range count {
			conn, err := net.Dial(network, s.Listen.String())
			must(t, err)
			l.clients.Go(func() {
				defer conn.Close()
				if err := l.ask(ctx, &dns.Conn{Conn: conn}, l.replies[network]); err != nil {
					l.mu.Lock()
					defer l.mu.Unlock()
					l.wrong = append(l.wrong, network+": "+err.Error())
				}
			})
		}
	}
	t.Cleanup(func() {
		stop()
		l.clients.Wait()
	})
	return l
}

// ask asks on one connection until ctx ends, or something is wrong.
func (l *load) ask(ctx context.Context, conn *dns.Conn, replies *atomic.Int64) error {
	ticker := time.NewTicker(loadPause)
	defer ticker.Stop()
	var serial uint32
	for i := 0; ctx.Err() == nil; i++ {
		question := reloadQuestions[i%len(reloadQuestions)]
		reply, err := exchange(conn, new(dns.Msg).SetQuestion(question.name, question.qtype))
		if err != nil {
			return fmt.Errorf("query %d is lost: %w", i, err)
		}
		_, now, err := editionOf(reply)
		if err != nil {
			return err
		}
		if now != 0 {
			if now < serial {
				return fmt.Errorf("the serial went back from %d to %d", serial, now)
			}
			serial = now
		}
		replies.Add(1)
		<-ticker.C
	}
	return nil
}

// exchange sends one query and waits for its reply.
func exchange(conn *dns.Conn, query *dns.Msg) (*dns.Msg, error) {
	if err := conn.SetDeadline(time.Now().Add(loadWait)); err != nil {
		return nil, err
	}
	if err := conn.WriteMsg(query); err != nil {
		return nil, err
	}
	reply, err := conn.ReadMsg()
	if err == nil && (reply.Id != query.Id || len(reply.Question) != 1 || reply.Question[0] != query.Question[0]) {
		err = fmt.Errorf("not a reply to %v:\n%v", query, reply)
	}
	return reply, err
}

// end stops the clients and reports what was wrong.
func (l *load) end(t *testing.T) {
	t.Helper()
	l.stop()
	l.clients.Wait()
	for _, wrong := range l.wrong {
		t.Error(wrong)
	}
	for network, replies := range l.replies {
		const few = 1000
		t.Logf("%d replies over %s", replies.Load(), network)
		if replies.Load() < few {
			t.Errorf("%d replies over %s, want %d at least: this was no load", replies.Load(), network, few)
		}
	}
}
