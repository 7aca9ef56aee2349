package alias

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// stage is a watcher whose resolver says what the test wants.
type stage struct {
	t *testing.T
	*Watcher
	log bytes.Buffer

	mu    sync.Mutex
	says  map[string]string // by "name type": records, or the name of a response code, or "hang"
	asked map[string]int    // the same, how often
}

// start makes a watcher of some names and runs it to the end of the test's bubble.
func start(t *testing.T, o Options, says map[string]string) *stage {
	s := &stage{t: t, says: says, asked: map[string]int{}}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(&s.log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}}))
	}
	if o.Resolvers == nil {
		o.Resolvers = []netip.AddrPort{server1}
	}
	s.Watcher = New(o)
	s.resolvers.exchange = s.exchange
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *stage) exchange(ctx context.Context, _ netip.AddrPort, q dns.Question) (*dns.Msg, error) {
	s.mu.Lock()
	key := q.Name + " " + dns.TypeToString[q.Qtype]
	says := s.says[key]
	s.asked[key]++
	s.mu.Unlock()
	if says == "hang" {
		return hang(ctx)
	}
	if says == "panic" {
		panic("a fault")
	}
	if rcode, ok := dns.StringToRcode[says]; ok {
		return reply(s.t, q, rcode, ""), nil
	}
	return reply(s.t, q, dns.RcodeSuccess, says), nil
}

// say changes what is said.
func (s *stage) say(key, says string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.says[key] = says
}

// times is how often something was asked.
func (s *stage) times(key string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[key]
}

// expect compares what is known of a name, once nothing moves any longer.
func (s *stage) expect(name, want string) {
	s.t.Helper()
	synctest.Wait()
	h := s.Take().Of(name)
	got := h.Status.String()
	if h.Awaited {
		got += " awaited"
	}
	for _, addr := range h.Addresses {
		got += " " + addr.String()
	}
	if got != want {
		s.t.Errorf("at %s: %s (%s), want %s", time.Now().Format("04:05"), got, h.Why, want)
	}
	if (h.Status == Resolved) != (h.Why == "") {
		s.t.Errorf("%s: why %q", h.Status, h.Why)
	}
}

const (
	a    = "lb.example.net. A"
	aaaa = "lb.example.net. AAAA"
)

func records(ttl int, addrs ...string) string {
	var lines []string
	for _, addr := range addrs {
		qtype := "A"
		if strings.Contains(addr, ":") {
			qtype = "AAAA"
		}
		lines = append(lines, fmt.Sprintf("%s %d IN %s %s", lb, ttl, qtype, addr))
	}
	return strings.Join(lines, "\n")
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, Options{Names: []string{lb}}, map[string]string{a: records(60, "192.0.2.2", "192.0.2.1"), aaaa: records(20, "2001:db8::1")})
		s.expect(lb, "resolved 192.0.2.1 192.0.2.2 2001:db8::1")
		first := s.Take()

		// Nothing changes, though a resolver rotates them.
		s.say(a, records(60, "192.0.2.1", "192.0.2.2"))
		time.Sleep(67 * time.Second)
		if synctest.Wait(); s.Take() != first || s.times(a) != 2 || s.times(aaaa) != 4 {
			t.Errorf("%d and %d look-ups, another picture: %t", s.times(a), s.times(aaaa), s.Take() != first)
		}
		select {
		case <-s.Changed():
			t.Error("it has changed")
		default:
		}

		// It is asked again when its TTL has passed, not before.
		s.say(a, records(10, "192.0.2.9"))
		time.Sleep(45 * time.Second)
		s.expect(lb, "resolved 192.0.2.1 192.0.2.2 2001:db8::1")
		time.Sleep(30 * time.Second)
		s.expect(lb, "resolved 192.0.2.9 2001:db8::1")
		if changed := s.Take().ChangedSince(first); !slices.Equal(changed, []string{lb}) {
			t.Errorf("changed: %v", changed)
		}
		s.say(a, records(0, "192.0.2.8")) // not all the time
		before := s.times(a)
		time.Sleep(time.Minute)
		s.expect(lb, "resolved 192.0.2.8 2001:db8::1")
		if n := s.times(a) - before; n < 9 || n > 13 {
			t.Errorf("%d look-ups within a minute", n)
		}
	})
}

// A family whose look-up fails keeps what it had while the other changes.
func TestFamilies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, Options{Names: []string{lb}}, map[string]string{a: records(5, "192.0.2.1"), aaaa: records(5, "2001:db8::1")})
		s.expect(lb, "resolved 192.0.2.1 2001:db8::1")
		s.say(aaaa, "SERVFAIL")
		s.say(a, records(5, "192.0.2.2"))
		time.Sleep(time.Hour)
		s.expect(lb, "resolved 192.0.2.2 2001:db8::1")
		s.say(aaaa, "hang")
		s.say(a, records(5, "192.0.2.3"))
		time.Sleep(6 * time.Second)
		s.expect(lb, "resolved 192.0.2.3 2001:db8::1")

		// NODATA three times takes away the one, and leaves the other.
		s.say(aaaa, "NOERROR")
		for s.Reports()[0].Families[1].Denied < believed-1 {
			time.Sleep(time.Second)
		}
		s.expect(lb, "resolved 192.0.2.3 2001:db8::1")
		time.Sleep(6 * time.Second)
		s.expect(lb, "resolved 192.0.2.3")
		s.say(aaaa, records(5, "2001:db8::2"))
		time.Sleep(6 * time.Second)
		s.expect(lb, "resolved 192.0.2.3 2001:db8::2")
	})
}

func TestNameThatGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, Options{Names: []string{lb}}, map[string]string{a: records(5, "192.0.2.1"), aaaa: "NOERROR"})
		s.expect(lb, "resolved 192.0.2.1")
		for _, says := range []string{"SERVFAIL", "REFUSED", "NOTIMP", "hang", "panic", records(5, "0.0.0.0"), "---\nnet. 60 IN NS a.gtld-servers.net."} {
			s.say(a, says)
			time.Sleep(10 * time.Minute)
			s.expect(lb, "resolved 192.0.2.1")
		}
		s.say(a, "NXDOMAIN")
		s.say(aaaa, "NXDOMAIN")
		for s.Reports()[0].Families[0].Denied < believed-1 {
			time.Sleep(time.Second)
		}
		s.expect(lb, "resolved 192.0.2.1")
		time.Sleep(6 * time.Second)
		s.expect(lb, "absent")
		if why := s.Take().Of(lb).Why; why != "lb.example.net. has no addresses: A 192.0.2.53:53: NXDOMAIN, AAAA 192.0.2.53:53: NXDOMAIN" {
			t.Errorf("why: %s", why)
		}
		s.say(a, records(5, "192.0.2.2"))
		time.Sleep(6 * time.Second)
		s.expect(lb, "resolved 192.0.2.2")
		for _, line := range []string{
			`level=INFO msg="an alias has other addresses" alias=lb.example.net. type=A addresses=[192.0.2.1] before=[]`,
			`level=WARN msg="an alias cannot be looked up: the addresses that it had are kept" alias=lb.example.net. type=A error="192.0.2.53:53: SERVFAIL"`,
			`level=ERROR msg="looking up an alias failed because of a fault in this program: please report it" alias=lb.example.net. type=A panic="a fault"`,
			`level=INFO msg="an alias is looked up again" alias=lb.example.net. type=A`,
			`msg="an alias is said to have no addresses: those that it had are kept until that is said again" alias=lb.example.net. type=A said="192.0.2.53:53: NXDOMAIN" times=1 of=3`,
			`level=ERROR msg="an alias has no addresses any more" alias=lb.example.net. type=A before=[192.0.2.1]`,
		} {
			if !strings.Contains(s.log.String(), line) {
				t.Errorf("the log lacks %s", line)
			}
		}
	})
}

// What fails for long is not logged each time.
func TestFewLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, Options{Names: []string{lb}}, map[string]string{a: "SERVFAIL", aaaa: "NOERROR"})
		time.Sleep(time.Hour)
		s.expect(lb, "unknown")
		if why := s.Take().Of(lb).Why; why != "no addresses of lb.example.net. are known: A 192.0.2.53:53: SERVFAIL, AAAA 192.0.2.53:53: NODATA" {
			t.Errorf("why: %s", why)
		}
		if n := strings.Count(s.log.String(), "and no addresses of it are known"); n < 11 || n > 13 || s.times(a) < 100 {
			t.Errorf("%d lines of %d look-ups in an hour", n, s.times(a))
		}
	})
}

// A reply that is lost is no warning about the family of which an alias has no addresses anyway.
func TestLostReplyOfAFamilyWithoutAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, Options{Names: []string{lb}}, map[string]string{a: records(5, "192.0.2.1"), aaaa: "NOERROR"})
		time.Sleep(time.Hour)
		s.say(aaaa, "SERVFAIL")
		time.Sleep(time.Hour)
		s.expect(lb, "resolved 192.0.2.1")
		if log := s.log.String(); strings.Contains(log, "level=WARN") || !strings.Contains(log, `level=INFO msg="an alias cannot be looked up; it had no addresses of this type" alias=lb.example.net. type=AAAA`) {
			t.Errorf("the log is\n%s", log)
		}
	})
}

// A new name is awaited until both families were asked, so that it never begins with only one.
func TestAwaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		says := map[string]string{a: records(60, "192.0.2.1"), aaaa: "hang"}
		s := start(t, Options{Names: []string{lb}}, says)
		s.expect(lb, "unknown awaited")
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if missing := s.Wait(short, []string{lb, "other."}); !slices.Equal(missing, []string{lb}) {
			t.Errorf("missing: %v", missing)
		}
		if missing := s.Wait(t.Context(), []string{lb}); missing != nil {
			t.Errorf("missing: %v", missing)
		}
		s.expect(lb, "resolved 192.0.2.1")
	})
	synctest.Test(t, func(t *testing.T) {
		s := start(t, Options{Names: []string{lb}}, map[string]string{a: records(60, "192.0.2.1"), aaaa: "hang"})
		s.expect(lb, "unknown awaited")
		s.Settle() // nobody waits any longer
		s.expect(lb, "resolved 192.0.2.1")
	})
}

// One name that hangs delays no other, and neither does a hundred.
func TestHangingNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		says := map[string]string{a: records(5, "192.0.2.1"), aaaa: "NOERROR"}
		names := []string{lb}
		for i := range atOnce / 4 {
			name := fmt.Sprintf("dead%d.example.", i)
			names = append(names, name)
			says[name+" A"], says[name+" AAAA"] = "hang", "hang"
		}
		s := start(t, Options{Names: names}, says)
		time.Sleep(time.Hour)
		if n := s.times(a); n < 600 {
			t.Errorf("%d look-ups in an hour", n)
		}
		if n := s.times("dead0.example. A"); n < 100 {
			t.Errorf("what hangs was asked for %d times", n)
		}
	})
}

func TestReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const other = "other.example."
		s := start(t, Options{Names: []string{lb}}, map[string]string{
			a: records(300, "192.0.2.1"), aaaa: "NOERROR", other + " A": other + " 60 IN A 192.0.2.7", other + " AAAA": "hang",
		})
		s.expect(lb, "resolved 192.0.2.1")
		first := s.Take()
		s.Add([]string{lb, other, other})
		s.expect(other, "unknown awaited")
		if changed := s.Take().ChangedSince(first); !slices.Equal(changed, []string{other}) {
			t.Errorf("changed: %v", changed)
		}
		s.Retain([]string{other})
		if h := s.Take().Of(lb); h.Status != Unknown || h.Why != "" {
			t.Errorf("a name that is gone: %+v", h)
		}
		s.expect(other, "unknown awaited")
		time.Sleep(exchangeWait)
		s.expect(other, "resolved 192.0.2.7")
		if s.times(a) != 1 {
			t.Errorf("what stayed was asked for anew")
		}
		time.Sleep(time.Hour)
		if s.times(a) != 1 {
			t.Errorf("what is gone was asked for")
		}

		// Other resolvers may say something else, and are asked at once.
		s.say(other+" A", other+" 60 IN A 192.0.2.8")
		s.Ask([]netip.AddrPort{server1})
		s.expect(other, "resolved 192.0.2.7")
		s.Ask([]netip.AddrPort{server2})
		s.expect(other, "resolved 192.0.2.8")
	})
}

// A run that begins while no resolver replies serves what the one before has found.
func TestRecords(t *testing.T) {
	var data []byte
	synctest.Test(t, func(t *testing.T) {
		s := start(t, Options{Names: []string{lb, "none.example."}}, map[string]string{a: records(5, "192.0.2.1", "192.0.2.2"), aaaa: records(60, "2001:db8::1")})
		s.expect(lb, "resolved 192.0.2.1 192.0.2.2 2001:db8::1")
		asked := time.Now()
		time.Sleep(32 * time.Second)
		kept := s.Records()
		if len(kept) != 1 || !kept[0].Confirmed.Equal(asked) {
			t.Errorf("%+v", kept)
		}
		var err error
		if data, err = json.Marshal(kept); err != nil {
			t.Error(err)
		}
	})
	var known []Record
	if err := json.Unmarshal(data, &known); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		s := start(t, Options{Names: []string{lb}, Known: known}, map[string]string{a: "hang", aaaa: "hang"})
		s.expect(lb, "resolved awaited 192.0.2.1 192.0.2.2 2001:db8::1")
		time.Sleep(time.Hour)
		s.expect(lb, "resolved 192.0.2.1 192.0.2.2 2001:db8::1")
		if kept := s.Records(); len(kept) != 1 || !kept[0].Confirmed.Equal(known[0].Confirmed) {
			t.Errorf("kept as %+v", kept)
		}
		s.say(a, records(5, "192.0.2.9"))
		time.Sleep(retryMost + retryMost/10 + exchangeWait)
		s.expect(lb, "resolved 192.0.2.9 2001:db8::1")
	})
	// What could never be a member is not taken from a file either.
	synctest.Test(t, func(t *testing.T) {
		bad := []Record{{Name: lb, Addresses: append(addresses("0.0.0.0", "192.0.2.1", "192.0.2.1", "ff02::1", "::ffff:192.0.2.1", "fe80::1%eth0"), netip.Addr{})}}
		s := start(t, Options{Names: []string{lb}, Known: bad}, map[string]string{a: "SERVFAIL", aaaa: "SERVFAIL"})
		s.expect(lb, "resolved 192.0.2.1")
	})
}

func TestReportsAndMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := prometheus.NewRegistry()
		s := start(t, Options{Names: []string{lb}, Registerer: registry}, map[string]string{a: records(60, "192.0.2.1"), aaaa: "NOERROR"})
		s.expect(lb, "resolved 192.0.2.1")
		began := time.Now()
		s.say(a, "SERVFAIL")
		time.Sleep(70 * time.Second)
		synctest.Wait()
		r := s.Reports()[0]
		if got := r.Families[0]; r.Name != lb || got.Type != "A" || !got.Failing || !got.Confirmed.Equal(began) || got.Said != "192.0.2.53:53: SERVFAIL" ||
			len(got.Addresses) != 1 || !got.Asked.After(began) || !got.Next.After(got.Asked) || !r.Confirmed().Equal(began) {
			t.Errorf("%+v", r)
		}
		if got := r.Families[1]; got.Type != "AAAA" || got.Failing || got.Denied < 10 || len(got.Addresses) > 0 {
			t.Errorf("%+v", got)
		}
		expected := `
			# HELP gslb_alias_addresses Addresses that are known of the name of an alias pool.
			# TYPE gslb_alias_addresses gauge
			gslb_alias_addresses{alias="lb.example.net.",type="A"} 1
			gslb_alias_addresses{alias="lb.example.net.",type="AAAA"} 0
			# HELP gslb_alias_age_seconds Time since a resolver last named the addresses that are known of the name; absent without any. Alert on more than 15 minutes: the name cannot be looked up, and its addresses may be out of date.
			# TYPE gslb_alias_age_seconds gauge
			gslb_alias_age_seconds{alias="lb.example.net.",type="A"} 70
		`
		if err := testutil.GatherAndCompare(registry, strings.NewReader(expected), "gslb_alias_addresses", "gslb_alias_age_seconds"); err != nil {
			t.Error(err)
		}
		if got := testutil.ToFloat64(s.metrics.lookups.WithLabelValues(lb, "A", "addresses")); got != 1 {
			t.Errorf("%g look-ups with addresses", got)
		}
		s.Retain(nil)
		if n := testutil.CollectAndCount(s.metrics.lookups); n != 0 {
			t.Errorf("%d series of a name that is gone", n)
		}
	})
}

func TestRunTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, Options{}, nil)
		synctest.Wait()
		if err := s.Run(t.Context()); err == nil {
			t.Error("it ran twice")
		}
	})
}

func TestAddresses(t *testing.T) {
	var none *Addresses
	some := NewAddresses(map[string]Host{"a.": {Status: Resolved, Addresses: addresses("192.0.2.1")}, "b.": {Why: "not yet"}})
	same := NewAddresses(map[string]Host{"a.": {Status: Resolved, Addresses: addresses("192.0.2.1")}, "b.": {Why: "not yet"}, "c.": {}})
	other := NewAddresses(map[string]Host{"a.": {Status: Resolved, Addresses: addresses("192.0.2.2")}})
	for _, test := range []struct {
		to, from *Addresses
		want     string
	}{
		{none, none, "[]"}, {some, some, "[]"}, {some, none, "[a. b.]"}, {none, some, "[a. b.]"}, {same, some, "[]"}, {other, some, "[a. b.]"},
	} {
		if got := fmt.Sprint(test.to.ChangedSince(test.from)); got != test.want {
			t.Errorf("%s, want %s", got, test.want)
		}
	}
}

// Names whose last look-up failed get half of the turns, so that names that are answered never wait
// for hundreds of look-ups that may each take all of their time.
func TestNamesThatAreNotAnsweredDelayNoOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := New(Options{})
		ctx, cancel := context.WithCancel(t.Context())
		var retrying, gaveUp atomic.Int32
		for range 10 * atOnce {
			go func() {
				if w.enter(ctx, true) {
					retrying.Add(1)
				} else {
					gaveUp.Add(1)
				}
			}()
		}
		synctest.Wait()
		for range atOnce - retriesAtOnce {
			go w.enter(ctx, false)
		}
		synctest.Wait()
		if n := len(w.slots); retrying.Load() != retriesAtOnce || n != atOnce {
			t.Errorf("%d retries of %d look-ups, want %d of %d", retrying.Load(), n, retriesAtOnce, atOnce)
		}
		w.leave(true)
		synctest.Wait()
		if n := retrying.Load(); n != retriesAtOnce+1 {
			t.Errorf("%d retries had their turn after one has ended, want %d", n, retriesAtOnce+1)
		}
		cancel()
		synctest.Wait()
		if n := gaveUp.Load(); n != 10*atOnce-retriesAtOnce-1 {
			t.Errorf("%d retries gave up at the end", n)
		}
		if n := len(w.retries); n != retriesAtOnce {
			t.Errorf("%d turns of retries are taken, want %d", n, retriesAtOnce)
		}
	})
}
