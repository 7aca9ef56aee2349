package replication

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"pgregory.net/rapid"

	"gslb/health"
)

const (
	interval = 5 * time.Second
	maxLag   = 30 * time.Second
	tick     = 100 * time.Millisecond
	halted   = time.Duration(-1) // a delay that does not end
)

func groupOf(regions ...string) *Group {
	return &Group{
		Name: "orders", Table: "Orders", Key: map[string]health.KeyAttribute{"id": {Value: "gslb"}},
		Regions: regions, Writer: "ns1", Interval: interval, MaxLag: maxLag,
	}
}

// world is regions that replicate a table, and a prober. Its time is the time of a bubble of package synctest.
type world struct {
	*Book
	group  *Group
	delays [][]time.Duration // [from][to]
	queues [][][]sent        // [from][to]: on their way
	has    [][]uint64        // [region][of]: the newest counter

	dead       []bool // answers nothing, sends and receives nothing
	unwritable []bool
	refused    bool // this host's credentials are refused
	told       []Change
}

type sent struct {
	counter uint64
	at      time.Time
}

func newWorld(m Memory, regions ...string) *world {
	w := &world{group: groupOf(regions...)}
	w.Book = NewBook(Options{Groups: []*Group{w.group}, Memory: m})
	n := len(regions)
	w.dead, w.unwritable = make([]bool, n), make([]bool, n)
	for range n {
		w.delays = append(w.delays, slices.Repeat([]time.Duration{time.Second}, n))
		w.queues = append(w.queues, make([][]sent, n))
		w.has = append(w.has, make([]uint64, n))
	}
	return w
}

// restart begins a new run of the server with what the one before has kept.
func (w *world) restart() {
	w.Book = NewBook(Options{Groups: []*Group{w.group}, Memory: w.Book.Memory()})
}

// failure is the error of a call, for which a region is to blame, or not.
type failure struct{ fail bool }

func (failure) Error() string  { return "timeout" }
func (f failure) IsFail() bool { return f.fail }

// beat is one heartbeat of a region: it writes and reads.
func (w *world) beat(x int) {
	name := w.group.Regions[x]
	counter, began := w.Next("orders", name), time.Now()
	if w.dead[x] || w.refused {
		time.Sleep(10 * time.Millisecond)
		err := failure{!w.refused}
		w.Wrote("orders", name, counter, began, time.Now(), err)
		w.Unread("orders", name, began, time.Now(), err)
		return
	}
	if w.has[x][x] >= counter {
		w.Wrote("orders", name, counter, began, time.Now(), failure{})
	} else if w.unwritable[x] {
		w.Wrote("orders", name, counter, began, time.Now(), errors.New("throttled"))
	} else {
		w.has[x][x] = counter
		for to := range w.queues[x] {
			w.queues[x][to] = append(w.queues[x][to], sent{counter, time.Now()})
		}
		w.Wrote("orders", name, counter, began, time.Now(), nil)
	}
	began = time.Now()
	for from, region := range w.group.Regions {
		if from != x {
			w.Saw("orders", region, name, w.has[x][from], began, time.Now())
		}
	}
}

// run lets time pass, with a heartbeat of each region every interval, and checks what must hold always.
func (w *world) run(t interface{ Errorf(string, ...any) }, d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(tick) {
		w.copy()
		for x := range w.group.Regions {
			if phase := time.Duration(x) * interval / time.Duration(len(w.dead)); time.Now().Add(phase).Truncate(tick).UnixNano()%int64(interval) == 0 {
				w.beat(x)
			}
		}
		_, changes := w.Take()
		w.told = append(w.told, changes...)
		for _, r := range w.group.Regions {
			s := w.view.State(Region{"orders", r})
			if (s.Condition == Current) != !s.Good.IsZero() || s.Condition == Current && s.Degraded || s.Proven && !s.Degraded ||
				(s.Condition == Behind || s.Condition == CutOff) && !s.Proven || s.Condition == Unread && !s.Degraded {
				t.Errorf("%s: the state of %s contradicts itself: %+v", time.Now(), r, s)
			}
		}
	}
}

// copy does what the replication does.
func (w *world) copy() {
	for from := range w.queues {
		for to := range w.queues[from] {
			for q := w.queues[from][to]; len(q) > 0; q = w.queues[from][to] {
				if d := w.delays[from][to]; w.dead[from] || w.dead[to] || d == halted || time.Since(q[0].at) < d {
					break
				}
				w.has[to][from] = max(w.has[to][from], q[0].counter)
				w.queues[from][to] = q[1:]
			}
		}
	}
}

// conditions is all states as text: "a current, b behind!"; "!" is for degraded.
func (w *world) conditions() string {
	view, _ := w.Take()
	var list []string
	for _, r := range w.group.Regions {
		s := view.State(Region{"orders", r})
		text := r + " " + s.Condition.String()
		if s.Degraded {
			text += "!"
		}
		list = append(list, text)
	}
	return strings.Join(list, ", ")
}

func TestBook(t *testing.T) {
	const all = time.Duration(0)
	two, three := []string{"a", "b"}, []string{"a", "b", "c"}
	way := func(from, to int, d time.Duration) func(*world) {
		return func(w *world) { w.delays[from][to] = d }
	}
	die := func(x int, dead bool) func(*world) { return func(w *world) { w.dead[x] = dead } }
	type step struct {
		do   func(*world)
		wait time.Duration
		want string // afterwards; empty: whatever
	}
	for _, test := range []struct {
		name    string
		regions []string
		steps   []step
	}{
		{"nothing is known before a heartbeat has gone around", two, []step{{nil, tick, "a unknown, b unknown"}, {nil, 2 * interval, "a current, b current"}}},
		{"a first replica that comes late", two, []step{
			{way(0, 1, 20*time.Second), 18 * time.Second, "a unknown, b unknown"}, {nil, 20 * time.Second, "a current, b current"},
		}},
		{"a replica that never comes", two, []step{
			{way(0, 1, halted), 28 * time.Second, "a unknown, b unknown"}, {nil, 15 * time.Second, "a silent, b behind!"},
		}},
		{"one way halts and goes on", two, []step{
			{nil, time.Minute, "a current, b current"}, {way(0, 1, halted), 24 * time.Second, "a current, b current"}, {nil, 20 * time.Second, "a silent, b behind!"},
			{nil, time.Hour, "a silent, b behind!"}, {way(0, 1, time.Second), 2 * interval, "a current, b current"},
		}},
		{"both ways halt", two, []step{
			{nil, time.Minute, ""}, {func(w *world) { way(0, 1, halted)(w); way(1, 0, halted)(w) }, time.Minute, "a cut off!, b cut off!"},
			{way(0, 1, time.Second), 2 * interval, "a behind!, b silent!"}, {way(1, 0, time.Second), 2 * interval, "a current, b current"},
		}},
		{"one edge of three regions", three, []step{
			{nil, time.Minute, "a current, b current, c current"}, {way(0, 1, halted), time.Minute, "a ambiguous, b ambiguous, c current"},
			{way(2, 1, halted), time.Minute, "a current, b behind!, c current"}, {way(0, 1, time.Second), 2 * interval, "a current, b ambiguous!, c ambiguous"},
			{way(2, 1, time.Second), 2 * interval, "a current, b current, c current"},
		}},
		{"a silent region", three, []step{
			{nil, time.Minute, ""}, {func(w *world) { way(0, 1, halted)(w); way(0, 2, halted)(w) }, time.Minute, "a silent, b current, c current"},
		}},
		{"a dead region is no fault of the others, and is read first when it is back", two, []step{
			{nil, time.Minute, ""}, {die(0, true), time.Second, ""}, {nil, 15 * time.Second, "a current, b current"}, {nil, 10 * time.Minute, "a unread!, b current"},
			{func(w *world) { w.dead[0] = false; w.delays[1][0] = time.Hour }, interval, "a behind!, b silent"},
			{nil, time.Minute, "a behind!, b silent"},
			{way(1, 0, time.Second), 2 * interval, "a current, b current"},
		}},
		{"and back with everything", three, []step{
			{nil, time.Minute, ""}, {die(2, true), 10 * time.Minute, "a current, b current, c unread!"}, {die(2, false), 3 * interval, "a current, b current, c current"},
		}},
		{"its last writes get their time after it is back", two, []step{
			{func(w *world) { w.delays[0][1] = 20 * time.Second }, time.Minute, "a current, b current"}, {die(0, true), 10 * time.Minute, "a unread!, b current"},
			{func(w *world) { // what was on its way has as far to go as before
				w.dead[0] = false
				for i := range w.queues[0][1] {
					w.queues[0][1][i].at = time.Now()
				}
			}, time.Minute, "a current, b current"},
		}},
		{"this host is cut off", three, []step{
			{nil, time.Minute, ""}, {way(0, 1, halted), time.Minute, "a ambiguous, b ambiguous, c current"},
			{func(w *world) { w.dead = []bool{true, true, true} }, time.Hour, "a ambiguous, b ambiguous, c current"},
		}},
		{"this host's credentials are refused", two, []step{
			{nil, time.Minute, ""}, {func(w *world) { w.refused = true }, time.Hour, "a current, b current"},
		}},
		{"a region that cannot be written", two, []step{
			{nil, time.Minute, ""}, {func(w *world) { w.unwritable[0] = true }, time.Hour, "a current, b current"},
			{way(1, 0, halted), time.Minute, "a behind!, b silent"},
		}},
		{"this host stands still", two, []step{
			{nil, time.Minute, ""}, {func(*world) { time.Sleep(10 * time.Minute) }, all, "a current, b current"}, {nil, time.Minute, "a current, b current"},
		}},
		{"a restart", two, []step{
			{nil, time.Minute, ""}, {way(0, 1, halted), time.Minute, "a silent, b behind!"},
			{(*world).restart, all, "a silent, b behind!"}, {nil, time.Minute, "a silent, b behind!"},
			{func(w *world) { w.restart(); way(0, 1, time.Second)(w) }, 3 * interval, "a current, b current"},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(nil, test.regions...)
				for i, step := range test.steps {
					if step.do != nil {
						step.do(w)
					}
					w.run(t, step.wait)
					if got := w.conditions(); step.want != "" && got != step.want {
						t.Fatalf("after step %d: %s, want %s\n%+v", i, got, step.want, w.Reports())
					}
				}
			})
		})
	}
}

// When this host has its network back, regions are read one after the other. None is degraded since it was not the first.
func TestThisHostIsBack(t *testing.T) {
	for _, cut := range []time.Duration{interval, maxLag, maxLag + interval, maxLag + 2*interval, time.Hour} {
		for phase := time.Duration(0); phase < interval; phase += interval / 5 {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(nil, "a", "b", "c")
				w.run(t, time.Minute+phase)
				w.told = nil
				w.dead = []bool{true, true, true}
				w.run(t, cut)
				w.dead = []bool{false, false, false}
				w.run(t, time.Minute)
				for _, c := range w.told {
					t.Errorf("a cut of %s: %s is %+v", cut, c.ID(), c.To)
				}
			})
		}
	}
}

// After a restart with a clock that was set back, heartbeats are refused until their counters are large enough. That
// does not make a copy current that nothing arrives in.
func TestClockSetBackWhileBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(nil, "a", "b", "c")
		w.run(t, time.Minute)
		w.delays[0][1], w.delays[2][1] = halted, halted
		w.run(t, time.Minute)
		w.Book = NewBook(Options{Groups: []*Group{w.group}, Memory: w.Book.Memory(), Now: func() time.Time { return time.Now().Add(-time.Hour) }})
		w.told = nil
		w.run(t, 10*time.Minute)
		for _, c := range w.told {
			if c.Region.Region == "b" || c.To.Degraded {
				t.Errorf("%s is %+v", c.ID(), c.To)
			}
		}
		w.delays[0][1], w.delays[2][1] = time.Second, time.Second
		w.run(t, 3*interval)
		if got, want := w.conditions(), "a current, b current, c current"; got != want {
			t.Errorf("once all arrives: %s, want %s", got, want)
		}
	})
}

// A copy that is degraded has a reason, also while nothing is measured.
func TestWhyStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(nil, "a", "b")
		w.run(t, time.Minute)
		w.delays[0][1] = halted
		w.run(t, time.Minute)
		w.restart()
		w.run(t, 2*interval)
		const want = "what is written in a does not arrive here within 30s"
		if s := w.view.State(Region{"orders", "b"}); s.Condition != Behind || s.Why != want {
			t.Errorf("after a restart b is %+v, want behind: %s", s, want)
		}
	})
}

// So has one that cannot be read, also while no other region can be, and after a restart, before it is tried and after.
func TestWhyStaysUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(nil, "a", "b", "c")
		check := func(when, want string) {
			t.Helper()
			if s := w.Memory()["orders"]["b"]; s.Condition != Unread || s.Why != want {
				t.Errorf("%s b is %+v, want unread: %s", when, s, want)
			}
		}
		const unread = "nothing could be read through its endpoint for more than 30s: timeout"
		w.run(t, time.Minute)
		w.dead[1] = true
		w.run(t, 2*time.Minute)
		check("while it is dead,", unread)
		w.dead = []bool{true, true, true}
		w.run(t, time.Minute)
		check("while all are,", unread)
		w.restart()
		w.beat(0)
		check("after a restart, before it is tried,", unread)
		w.beat(1)
		check("after a restart, before another region is read,", unread)
		w.dead = []bool{false, true, false}
		w.run(t, time.Minute)
		check("while it alone is dead again,", unread)
		w.dead[1] = false
		w.Saw("orders", "a", "b", w.has[1][0], time.Now(), time.Now())
		w.Wrote("orders", "b", w.Next("orders", "b"), time.Now(), time.Now(), nil)
		check("once a part of it is read,", "it can be read again, but has not shown yet that it has what was written meanwhile")
	})
}

// A lag that stays near max_lag does not turn to and fro.
func TestNearMaxLag(t *testing.T) {
	for _, delay := range []time.Duration{-2 * interval, -interval, -interval / 2, -tick, 0, tick, interval / 2, interval, 2 * interval} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(nil, "a", "b")
			w.run(t, time.Minute)
			w.delays[0][1] = maxLag + delay
			w.told = nil
			w.run(t, 30*time.Minute)
			if len(w.told) > 2 {
				t.Errorf("a delay of max_lag and %s made %d changes", delay, len(w.told))
			}
			got := w.conditions()
			if delay > interval && got != "a silent, b behind!" || delay <= 0 && strings.Contains(got, "!") {
				t.Errorf("a delay of max_lag and %s: %s", delay, got)
			}
		})
	}
}

// As long as everything arrives in time, no copy is degraded whose region can be read, whatever happens to the
// prober and to other regions.
func TestNobodyIsDegradedForNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(2, 4).Draw(rt, "regions")
		type fault struct {
			kind, region int
			lasts        time.Duration
			delay        time.Duration
		}
		var faults []fault
		for range rapid.IntRange(1, 6).Draw(rt, "faults") {
			faults = append(faults, fault{
				rapid.IntRange(0, 5).Draw(rt, "kind"), rapid.IntRange(1, n-1).Draw(rt, "region"),
				time.Duration(rapid.IntRange(1, 120).Draw(rt, "seconds")) * time.Second,
				time.Duration(rapid.IntRange(0, int(maxLag-2*time.Second)/int(tick)).Draw(rt, "delay")) * tick,
			})
		}
		var degraded string
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(nil, []string{"a", "b", "c", "d"}[:n]...)
			w.run(t, 2*interval)
			for _, f := range faults {
				x := f.region
				switch f.kind {
				case 0:
					w.dead[x] = true
				case 1:
					w.unwritable[x] = true
				case 2:
					w.refused = true
				case 3:
					time.Sleep(f.lasts)
				case 5: // this host has no network
					w.dead = slices.Repeat([]bool{true}, n)
				case 4:
					for to := range n {
						w.delays[x][to], w.delays[to][x] = f.delay, f.delay
					}
				}
				w.run(t, f.lasts)
				if w.dead[x] { // it goes on from where it was
					for other := range n {
						for i := range w.queues[x][other] {
							w.queues[x][other][i].at = w.queues[x][other][i].at.Add(f.lasts)
						}
					}
				}
				w.dead, w.unwritable[x], w.refused = make([]bool, n), false, false
				w.run(t, 2*interval)
			}
			for _, c := range w.told {
				if c.To.Degraded && c.Region.Region == "a" {
					degraded = fmt.Sprintf("%s %+v: %s", c.At, c.To, c.Lags)
				}
			}
		})
		if degraded != "" {
			rt.Fatalf("a, which was never dead: %s", degraded)
		}
	})
}

// What is heard of a group that the configuration no longer has, or never had, does nothing.
func TestBookOfOtherGroups(t *testing.T) {
	w := newWorld(nil, "a", "b")
	before := w.Memory()
	w.Saw("users", "a", "b", 1, time.Now(), time.Now())
	w.Saw("orders", "a", "c", 1, time.Now(), time.Now())
	w.Saw("orders", "c", "a", 1, time.Now(), time.Now())
	w.Saw("orders", "a", "a", 1, time.Now(), time.Now())
	w.Wrote("orders", "c", 1, time.Now(), time.Now(), nil)
	w.Unread("users", "a", time.Now(), time.Now(), errors.New("timeout"))
	if diff := cmp.Diff(before, w.Memory()); diff != "" {
		t.Error(diff)
	}
}

// A reload keeps what is known of the regions that stay.
func TestBookOverReloads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(nil, "a", "b", "c")
		w.delays[0][1], w.delays[2][1] = halted, halted
		w.run(t, time.Minute)
		const behind = "a current, b behind!, c current"
		if got := w.conditions(); got != behind {
			t.Fatal(got)
		}
		revision := w.Revision()
		w.Add([]*Group{{Name: "users", Regions: []string{"a", "b"}}}) // a configuration that is refused
		w.Keep([]*Group{w.group})
		slower := *w.group
		slower.MaxLag = 2 * maxLag
		w.Keep([]*Group{&slower})
		if got := w.conditions(); got != behind || w.Revision() != revision {
			t.Errorf("after reloads that change nothing of it: %s", got)
		}
		if lags := w.Reports()[0].Lags; !lags[0].Known || lags[0].Lag < maxLag {
			t.Errorf("another max_lag made it forget what was measured: %s", lags)
		}
		fewer := *groupOf("a", "b")
		w.Keep([]*Group{&fewer})
		w.group = &fewer
		if got := w.conditions(); got != "a current, b behind!" || w.Memory()["orders"]["c"] != (State{}) {
			t.Errorf("without c: %s, and it remembers %v", got, w.Memory())
		}
		w.Keep(nil)
		if m := w.Memory(); len(m) != 0 {
			t.Errorf("without the group it remembers %v", m)
		}
	})
}

// Counters grow over restarts, clocks that are set back, and what another has written.
func TestCounters(t *testing.T) {
	clock := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	b := NewBook(Options{Groups: []*Group{groupOf("a", "b")}, Now: func() time.Time { return clock }})
	first := b.Next("orders", "a")
	if second := b.Next("orders", "a"); second <= first {
		t.Errorf("%d comes after %d", second, first)
	}
	clock = clock.Add(-time.Hour)
	again := NewBook(Options{Groups: []*Group{groupOf("a", "b")}, Now: func() time.Time { return clock }})
	if got := again.Next("orders", "a"); got >= first {
		t.Errorf("a clock that was set back gives %d", got)
	}
	again.Saw("orders", "a", "b", first, time.Now(), time.Now())
	if got := again.Next("orders", "a"); got <= first {
		t.Errorf("%d comes after %d, which was read", got, first)
	}
	again.Saw("orders", "a", "b", 1<<63, time.Now(), time.Now())
	if got := again.Next("orders", "a"); got > first+10 {
		t.Errorf("%d comes after a counter that no server has written", got)
	}
}

// A region that takes nothing in for days does not fill the memory, and what it lacks is told nearly exactly.
func TestLongHalt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(nil, "a", "b")
		w.run(t, time.Minute)
		began := time.Now()
		w.delays[0][1] = halted
		for range 12 * 60 * 24 { // a day
			time.Sleep(interval)
			w.beat(0)
			w.beat(1)
		}
		if n := len(w.groups["orders"].regions[0].writes); n > mostWrites {
			t.Errorf("it keeps %d writes", n)
		}
		lag := w.Reports()[0].Lags[0]
		if off := time.Since(began) - lag.Lag; !lag.Known || off < -2*interval || off > 2*interval {
			t.Errorf("after %s, the lag is %s", time.Since(began), lag.Text())
		}
	})
}

// Lags grow between heartbeats, and end where nothing is known.
func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := prometheus.NewPedanticRegistry()
		w := newWorld(nil, "a", "b")
		registry.MustRegister(collector{w.Book})
		expect := func(want string) {
			t.Helper()
			if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "gslb_replication_lag_seconds", "gslb_replication_degraded"); err != nil {
				t.Error(err)
			}
		}
		const head = `# HELP gslb_replication_degraded Whether the copy of a region is degraded, so that no clients are moved to it: 1 or 0.
# TYPE gslb_replication_degraded gauge
`
		const lags = `# HELP gslb_replication_lag_seconds By how much the writes of one region are late in another; none where it is not known.
# TYPE gslb_replication_lag_seconds gauge
`
		expect(head + `gslb_replication_degraded{region="a",replication="orders"} 0
gslb_replication_degraded{region="b",replication="orders"} 0
`)
		w.run(t, time.Minute)
		w.delays[0][1] = halted
		w.run(t, 45*time.Second)
		expect(head + `gslb_replication_degraded{region="a",replication="orders"} 0
gslb_replication_degraded{region="b",replication="orders"} 1
` + lags + `gslb_replication_lag_seconds{from="a",replication="orders",to="b"} 45
gslb_replication_lag_seconds{from="b",replication="orders",to="a"} 0
`)
		time.Sleep(10 * time.Second)
		expect(head + `gslb_replication_degraded{region="a",replication="orders"} 0
gslb_replication_degraded{region="b",replication="orders"} 1
` + lags + `gslb_replication_lag_seconds{from="a",replication="orders",to="b"} 55
gslb_replication_lag_seconds{from="b",replication="orders",to="a"} 0
`)
		time.Sleep(maxLag)
		expect(head + `gslb_replication_degraded{region="a",replication="orders"} 0
gslb_replication_degraded{region="b",replication="orders"} 1
`)
	})
}

// Each writer has items of its own, and a group's name is no part of them.
func TestKeys(t *testing.T) {
	g := groupOf("a", "b")
	g.Key = map[string]health.KeyAttribute{"pk": {Value: "gslb"}, "id": {Value: "7", Number: true}}
	want := map[string]health.KeyAttribute{"pk": {Value: "gslb/a/ns1"}, "id": {Value: "7", Number: true}}
	if diff := cmp.Diff(want, g.Item("a")); diff != "" {
		t.Error(diff)
	}
	h := g.Heartbeat("b")
	if h.Region != "b" || !cmp.Equal(h.Others(), []string{"a"}) || !cmp.Equal(h.Items["a"], want) {
		t.Errorf("the heartbeat is %+v", h)
	}
	if g.Key["pk"].Value != "gslb" {
		t.Error("the group's key was changed")
	}
}
