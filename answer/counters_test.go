package answer

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"gslb/health"
	"gslb/internal/wire"
)

// counterOf asks once, and returns what the answer is counted as.
func counterOf(t *testing.T, table *Table, ask string) Counter {
	t.Helper()
	name, qtype, _ := strings.Cut(ask, " ")
	q := newPackedQuestion(t, name, dns.StringToType[qtype])
	q.run(t, table)
	counters, at := q.lookup.Counter()
	if counters != table.Counters() || at < 0 || at >= counters.Len() {
		t.Fatalf("%s: counter %d of %d", ask, at, counters.Len())
	}
	for i, c := range counters.All {
		if i == at {
			return c
		}
	}
	return Counter{}
}

func TestAnswersCounted(t *testing.T) {
	set := parse(t, steeredText)
	const zone = ".gslb.example.com."
	for _, test := range []struct {
		down string
		ask  string
		want Counter
	}{
		{"", "failover A", Counter{"failover", "four"}},
		{"", "failover AAAA", Counter{"failover", ""}},
		{"", "failover TXT", Counter{}}, // is not steered
		{"", "static A", Counter{}},
		{"", "gone A", Counter{}},
		{"four", "failover AAAA", Counter{"failover", "both"}},
		{"", "everything A", Counter{"everything", "+"}},
		{"four six twin", "everything A", Counter{"everything", "both"}},
		{"", "onlyfour AAAA", Counter{"onlyfour", ""}},
		{"six both", "sticky A", Counter{"sticky", "four"}},
		{"", "tostatic A", Counter{"tostatic", "in"}},
		{"", "tostatic TXT", Counter{"tostatic", "in"}},
		{"", "alias A", Counter{"tostatic", "in"}},
		{"", "hop A", Counter{"hop", "hop"}}, // and not what it leads to
		{"", "x.wild A", Counter{"*.wild", "in"}},
		{"four", "loud A", Counter{"loud", ""}},
		{"four", "quiet A", Counter{"quiet", ""}},
		{"four both", "desperate A", Counter{"desperate", "+"}},
	} {
		var down []health.TargetID
		for _, pool := range strings.Fields(test.down) {
			down = append(down, health.TargetID("web@"+pool))
		}
		name, qtype, _ := strings.Cut(test.ask, " ")
		if test.want.Name != "" {
			test.want.Name += zone
		}
		if got := counterOf(t, compile(set, down...), name+zone+" "+qtype); got != test.want {
			t.Errorf("%s with %q down: counted as %+v, want %+v", test.ask, test.down, got, test.want)
		}
	}
}

// What is answered of a name that all clients draw anew is counted with the pool that was drawn.
func TestDrawnAnswersCounted(t *testing.T) {
	table := compile(parse(t, steeredText))
	addresses := map[string]string{"192.0.2.4": "four", "192.0.2.46": "both"}
	q := newPackedQuestion(t, "families.gslb.example.com.", dns.TypeA)
	seen := make(map[string]bool)
	for range 100 {
		clear(q.msg[wire.OffANCount:wire.HeaderSize])
		var reply dns.Msg
		if err := reply.Unpack(q.run(t, table)); err != nil {
			t.Fatal(err)
		}
		_, at := q.lookup.Counter()
		pool := addresses[reply.Answer[0].(*dns.A).A.String()]
		seen[pool] = true
		for i, c := range table.Counters().All {
			if i == at && c.Pool != pool {
				t.Fatalf("an address of %s is counted as %+v", pool, c)
			}
		}
	}
	if len(seen) != len(addresses) {
		t.Errorf("only %v were drawn", seen)
	}
}

// Names for which no counters are left count together, and the others keep theirs.
func TestTooManyNamesToCount(t *testing.T) {
	const own, names = mostCounters / 3, mostCounters/3 + 50
	var text strings.Builder
	text.WriteString("[server]\nlisten = [\"127.0.0.1:0\"]\n[pools.nyc]\nmembers = [\"192.0.2.1\"]\n[pools.ams]\nmembers = [\"192.0.2.2\"]\n" +
		"[zones.\"gslb.example.com\"]\nnameservers = { ns1 = [\"192.0.2.53\"] }\n[zones.\"gslb.example.com\".names]\n")
	fmt.Fprintln(&text, `spare = { pools = ["nyc", "ams"] }`)
	for i := range names {
		fmt.Fprintf(&text, "n%06d = { pools = [\"nyc\"] }\n", i)
	}
	table := compile(parse(t, text.String()))
	counters := table.Counters()
	if most := 1 + mostCounters + 4; counters.Len() > most {
		t.Errorf("%d counters, want at most %d", counters.Len(), most)
	}
	for i, want := range map[int]Counter{
		0:         {"n000000.gslb.example.com.", "nyc"},
		own - 1:   {fmt.Sprintf("n%06d.gslb.example.com.", own-1), "nyc"},
		own:       {OtherNames, "nyc"},
		names - 1: {OtherNames, "nyc"},
	} {
		if got := counterOf(t, table, fmt.Sprintf("n%06d.gslb.example.com. A", i)); got != want {
			t.Errorf("name %d is counted as %+v, want %+v", i, got, want)
		}
	}
	if got := counterOf(t, table, fmt.Sprintf("n%06d.gslb.example.com. AAAA", names-1)); got != (Counter{OtherNames, ""}) {
		t.Errorf("no address of the last name is counted as %+v", got)
	}
}

// Every counter has a number of its own, and those of a name are what Of says.
func TestCountersAreNumbered(t *testing.T) {
	counters := compile(parse(t, steeredText)).Counters()
	next := 1
	by := make(map[string][]int)
	for at, c := range counters.All {
		if at != next {
			t.Fatalf("%d follows %d", at, next-1)
		}
		next++
		by[c.Name] = append(by[c.Name], at)
	}
	if next != counters.Len() {
		t.Errorf("%d are listed, want %d", next-1, counters.Len()-1)
	}
	for name, want := range by {
		first, end := counters.Of(name)
		if first != want[0] || end != want[len(want)-1]+1 || !slices.IsSorted(want) {
			t.Errorf("%s has %d up to %d, want %v", name, first, end, want)
		}
	}
	if first, end := counters.Of("nobody."); first != 0 || end != 0 {
		t.Errorf("a name that there is not has %d up to %d", first, end)
	}
}
