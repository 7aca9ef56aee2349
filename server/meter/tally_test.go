package meter

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gslb/answer"
	"gslb/server/dnstest"
	"gslb/zones/config"
)

// countersOf is those of a configuration of names, each with the pools nyc and ams.
func countersOf(t testing.TB, names ...string) *answer.Counters {
	t.Helper()
	text := `server.listen = ["127.0.0.1:0"]
pools.nyc.members = ["192.0.2.1"]
pools.ams.members = ["192.0.2.2"]
zones."example.com".nameservers.ns1 = ["192.0.2.53"]
[zones."example.com".names]
spare.pools = ["nyc", "ams"]
`
	for _, name := range names {
		text += name + ".pools = [\"nyc\", \"ams\"]\n"
	}
	set, err := config.Parse([]byte(text), "zones.toml", config.LoadOptions{Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	return answer.Compile(set, nil, nil).Counters()
}

// counterFor is the number of a counter.
func counterFor(counters *answer.Counters, c answer.Counter) int {
	for at, other := range counters.All {
		if other == c {
			return at
		}
	}
	return 0
}

// counted is the series of answers by "name pool".
func counted(t testing.TB, m *Metrics) map[string]uint64 {
	t.Helper()
	got := make(map[string]uint64)
	for _, s := range dnstest.Series(t, m, "gslb_dns_answers_total") {
		got[strings.TrimSuffix(dnstest.LabelOf(s, "name"), ".example.com.")+" "+dnstest.LabelOf(s, "pool")] = uint64(s.GetCounter().GetValue())
	}
	return got
}

// TestAnswersAreCounted counts by several responders, which take to other configurations at other times than
// those who read, and loses nothing of the names that stay.
func TestAnswersAreCounted(t *testing.T) {
	configurations := []*answer.Counters{countersOf(t, "app", "www"), countersOf(t, "new", "www"), countersOf(t, "app", "new", "www")}
	rapid.Check(t, func(rt *rapid.T) {
		m := New()
		tallies := []*Tally{m.Tally(), m.Tally(), m.Tally()}
		var now *answer.Counters
		m.CountersFrom(func() *answer.Counters { return now })
		if got := counted(t, m); len(got) > 0 {
			rt.Fatalf("before anything is served: %v", got)
		}
		want := make(map[string]uint64)
		uses := make(map[*Tally]*answer.Counters)
		for range rapid.IntRange(0, 60).Draw(rt, "steps") {
			switch rapid.SampledFrom([]string{"answer", "answer", "answer", "publish", "read"}).Draw(rt, "step") {
			case "answer":
				if now == nil {
					continue
				}
				tally := rapid.SampledFrom(tallies).Draw(rt, "by")
				if uses[tally] == nil || rapid.Bool().Draw(rt, "takes the table anew") {
					uses[tally] = now
				}
				c := answer.Counter{Name: rapid.SampledFrom([]string{"app", "new", "www"}).Draw(rt, "name") + ".example.com.", Pool: rapid.SampledFrom([]string{"", "+", "nyc", "ams"}).Draw(rt, "pool")}
				at := counterFor(uses[tally], c)
				tally.Add(uses[tally], at)
				if at > 0 && strings.HasPrefix(c.Name, "www.") {
					want["www "+c.Pool]++
				}
			case "publish":
				now = rapid.SampledFrom(configurations).Draw(rt, "configuration")
			case "read":
				got := counted(t, m)
				for series := range got {
					if !strings.HasPrefix(series, "www ") {
						delete(got, series) // it begins anew when it comes back
					}
				}
				if diff := cmp.Diff(want, got); diff != "" && now != nil {
					rt.Fatalf("(-want +got)\n%s", diff)
				}
			}
		}
	})
}

// A name that the configuration does not have any more has no series, and begins anew.
func TestForgottenNames(t *testing.T) {
	with, without := countersOf(t, "app"), countersOf(t, "www")
	m, now := New(), with
	m.CountersFrom(func() *answer.Counters { return now })
	tally := m.Tally()
	app := answer.Counter{Name: "app.example.com.", Pool: "nyc"}
	tally.Add(with, counterFor(with, app))
	if got := counted(t, m); got["app nyc"] != 1 {
		t.Errorf("%v", got)
	}
	now = without
	tally.Add(without, counterFor(without, answer.Counter{Name: "www.example.com.", Pool: "ams"}))
	if diff := cmp.Diff(map[string]uint64{"www ams": 1}, counted(t, m)); diff != "" {
		t.Errorf("without app (-want +got):\n%s", diff)
	}
	now = with
	tally.Add(with, counterFor(with, app))
	if diff := cmp.Diff(map[string]uint64{"app nyc": 1}, counted(t, m)); diff != "" {
		t.Errorf("with app again (-want +got):\n%s", diff)
	}
}

func TestRates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		counters := countersOf(t, "app", "www")
		m := New()
		var now atomic.Pointer[answer.Counters]
		now.Store(counters)
		m.CountersFrom(now.Load)
		tally := m.Tally()
		ctx, cancel := context.WithCancel(t.Context())
		var measuring sync.WaitGroup
		defer measuring.Wait()
		defer cancel()
		if got := m.Rate("app.example.com."); got >= 0 {
			t.Errorf("before it is measured: %v", got)
		}
		measuring.Go(func() { m.Measure(ctx) })
		// answers so many a second, for as long.
		run := func(each int, lasting time.Duration) {
			for range lasting / time.Second {
				for i := range each {
					pool := []string{"nyc", "ams", ""}[i%3]
					tally.Add(now.Load(), counterFor(now.Load(), answer.Counter{Name: "app.example.com.", Pool: pool}))
				}
				time.Sleep(time.Second)
			}
			time.Sleep(time.Millisecond) // after the sample
			synctest.Wait()
		}
		wants := func(name string, want float64) {
			t.Helper()
			if got := m.Rate(name + ".example.com."); fmt.Sprintf("%.2f", got) != fmt.Sprintf("%.2f", want) {
				t.Errorf("%s has %v a second, want %v", name, got, want)
			}
		}
		run(0, time.Second)
		wants("app", 0)
		run(0, 4*time.Second)
		run(3, 25*time.Second)
		wants("app", 2.5) // 75 in 30 s
		wants("www", 0)
		wants("nobody", -1)
		run(3, 60*time.Second)
		wants("app", 3)
		now.Store(countersOf(t, "app", "new")) // a reload
		run(3, 30*time.Second)
		wants("app", 3)
		wants("new", 0)
		wants("www", -1)
		run(0, 60*time.Second)
		wants("app", 0)
	})
}
