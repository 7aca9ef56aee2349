package answer

import (
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"gslb/health"
	"gslb/steer"
	"gslb/zones"
	"gslb/zones/config"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// parse makes a configuration from its text.
func parse(t testing.TB, text string) *zones.Set {
	t.Helper()
	set, err := config.Parse([]byte(text), "zones.toml", config.LoadOptions{Now: noon})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// snapshot is a picture in which the targets named are down and all others up.
func snapshot(set *zones.Set, down ...health.TargetID) *health.Snapshot {
	states := make(map[health.TargetID]health.State)
	for _, target := range set.Targets {
		states[target.ID] = health.State{Status: health.Up, Since: noon, Cause: health.Result{Verdict: health.Pass, Reason: "ok"}}
	}
	for _, id := range down {
		if _, known := states[id]; !known {
			panic("no such target: " + id)
		}
		states[id] = health.State{Status: health.Down, Since: noon, Cause: health.Result{Verdict: health.Fail, Reason: "status"}}
	}
	return health.NewSnapshot(noon, states)
}

func compile(set *zones.Set, down ...health.TargetID) *Table {
	out := steer.Step(set, steer.Input{Snapshot: snapshot(set, down...), Now: noon}, steer.Memory{})
	return Compile(set, out.Pools, out.Decisions)
}

// question is one row of a table: what is asked, and all that must come back.
type question struct {
	ask        string // "name TYPE"
	rcode      string // empty: NOERROR
	notAuth    bool
	answer     string // records, a line each, in any order
	authority  string
	additional string
}

func (q question) check(t *testing.T, table *Table) {
	t.Helper()
	name, qtype, _ := strings.Cut(q.ask, " ")
	r := table.Lookup(name, dns.StringToType[qtype])
	rcode := q.rcode
	if rcode == "" {
		rcode = "NOERROR"
	}
	if got := dns.RcodeToString[r.Rcode]; got != rcode {
		t.Errorf("%s: rcode %s, want %s", q.ask, got, rcode)
	}
	if r.Authoritative == q.notAuth {
		t.Errorf("%s: authoritative %t, want %t", q.ask, r.Authoritative, !q.notAuth)
	}
	for _, s := range []struct {
		name string
		got  []dns.RR
		want string
	}{{"answer", r.Answer, q.answer}, {"authority", r.Authority, q.authority}, {"additional", r.Additional, q.additional}} {
		if diff := cmp.Diff(parseRecords(t, s.want), texts(s.got)); diff != "" {
			t.Errorf("%s: %s section (-want +got):\n%s", q.ask, s.name, diff)
		}
	}
}

// parseRecords reads records, a line each, into the form of texts. A line that begins with a
// blank has the owner of the one before; the TTL may be left out for 20.
func parseRecords(t *testing.T, text string) []string {
	t.Helper()
	parser := dns.NewZoneParser(strings.NewReader(text), ".", "test")
	parser.SetDefaultTTL(20)
	var list []dns.RR
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		list = append(list, rr)
	}
	if err := parser.Err(); err != nil {
		t.Fatalf("%s\n%v", text, err)
	}
	return texts(list)
}

func texts(list []dns.RR) []string {
	lines := make([]string, 0, len(list))
	for _, rr := range list {
		lines = append(lines, strings.Join(strings.Fields(readable(rr)), " "))
	}
	sort.Strings(lines)
	return lines
}

// readable is a record as text, in that of its type where a reply only has its data.
func readable(rr dns.RR) string {
	buf := make([]byte, dns.Len(rr)+1)
	if end, err := dns.PackRR(rr, buf, 0, nil, false); err == nil {
		if unpacked, _, err := dns.UnpackRR(buf[:end], 0); err == nil {
			return unpacked.String()
		}
	}
	return rr.String()
}
