package queries

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gslb/integration/figures"
	"gslb/integration/parts"
)

func TestTallyAdd(t *testing.T) {
	found := traffic{sent: 1000, answered: 800, took: 2 * time.Second, latency: 3 * time.Millisecond, replyBytes: 64}
	before := reading{parts.Usage{User: 1 * time.Second, System: 5 * time.Second}, 10 << 20, 7 * time.Second}
	after := reading{parts.Usage{User: 1*time.Second + 80*time.Millisecond, System: 5*time.Second + 720*time.Millisecond}, 14 << 20, 7*time.Second + 900*time.Millisecond}
	var got tally
	got.add(found, before, after)
	want := tally{
		rate: figures.Sample{400}, lost: figures.Sample{0.2}, user: figures.Sample{100e-6}, system: figures.Sample{900e-6},
		cpu: figures.Sample{1e-3}, busy: figures.Sample{0.4}, others: figures.Sample{0.05}, latency: figures.Sample{3e-3}, replyBytes: figures.Sample{64},
		memory: figures.Sample{14 << 20}, growth: figures.Sample{4 << 20},
	}
	close := cmp.Comparer(func(a, b float64) bool { return a-b < 1e-9 && b-a < 1e-9 })
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(tally{}), close); diff != "" {
		t.Errorf("tally (-want +got):\n%s", diff)
	}
}

func TestTrafficCheck(t *testing.T) {
	for _, test := range []struct {
		name     string
		rcodes   map[string]int64
		negative float64
		right    bool
	}{
		{"the mix", map[string]int64{"NOERROR": 949, "NXDOMAIN": 51}, 0.05, true},
		{"no such name at all", map[string]int64{"NXDOMAIN": 1000}, 1, true},
		{"refused", map[string]int64{"REFUSED": 1000}, 0.05, false},
		{"some refused", map[string]int64{"NOERROR": 948, "NXDOMAIN": 51, "REFUSED": 1}, 0.05, false},
		{"names that it does not know", map[string]int64{"NOERROR": 900, "NXDOMAIN": 100}, 0.05, false},
		{"names that should not exist", map[string]int64{"NOERROR": 1000}, 0.05, false},
		{"nothing", nil, 0, false},
	} {
		found := traffic{rcodes: test.rcodes}
		for _, count := range test.rcodes {
			found.answered += count
		}
		if err := found.check(test.negative); (err == nil) != test.right {
			t.Errorf("%s: check = %v", test.name, err)
		}
	}
}

func TestByName(t *testing.T) {
	want := map[string]int64{"NOERROR": 7, "NXDOMAIN": 2, "REFUSED": 1}
	if diff := cmp.Diff(want, byName([16]int{0: 7, 3: 2, 5: 1})); diff != "" {
		t.Errorf("response codes (-want +got):\n%s", diff)
	}
}

// measured is an entry with the same figures in all of three rounds, but for an outlier.
func measured(name string, peer bool, microseconds, rate float64) *entry {
	around := func(value float64) figures.Sample { return figures.Sample{value, 9 * value, value} }
	return &entry{contender{name: name, peer: peer}, tally{
		rate: around(rate), lost: around(0), user: around(microseconds / 4e6), system: around(microseconds * 3 / 4e6),
		cpu: around(microseconds / 1e6), busy: around(0.5), others: around(0.01), latency: around(1e-3), replyBytes: around(64),
		memory: around(1 << 20), growth: around(0),
	}}
}

func TestReport(t *testing.T) {
	r := results{
		measured("gslb", false, 6, 90_000), measured("Knot", true, 4, 100_000),
		measured("NSD", true, 5, 120_000), measured("CoreDNS", false, 1, 1_000_000),
	}
	var out strings.Builder
	r.report(&bench{Report: &figures.Report{Out: &out}, rounds: 3, duration: time.Second}, "steered, saturation")
	want := `
**steered, saturation.** Medians of 3 rounds of 1s.

| server  | queries/s |    lost | CPU a query |    user |  system | busy | others | latency | reply | resident | CPU: gslb/it | queries/s: gslb/it |
| ------- | --------: | ------: | ----------: | ------: | ------: | ---: | -----: | ------: | ----: | -------: | -----------: | -----------------: |
| gslb    |     90000 | 0.000 % |     6.00 µs | 1.50 µs | 4.50 µs | 50 % |    1 % | 1.00 ms |  64 B |  1.0 MiB |         1.00 |               1.00 |
| Knot    |    100000 | 0.000 % |     4.00 µs | 1.00 µs | 3.00 µs | 50 % |    1 % | 1.00 ms |  64 B |  1.0 MiB |         1.50 |               0.90 |
| NSD     |    120000 | 0.000 % |     5.00 µs | 1.25 µs | 3.75 µs | 50 % |    1 % | 1.00 ms |  64 B |  1.0 MiB |         1.20 |               0.75 |
| CoreDNS |   1000000 | 0.000 % |     1.00 µs | 0.25 µs | 0.75 µs | 50 % |    1 % | 1.00 ms |  64 B |  1.0 MiB |         6.00 |               0.09 |

gslb beside the best of gdnsd, Knot and NSD: 1.50 of the CPU a query (Knot), 0.75 of the queries/s (NSD).

`
	if diff := cmp.Diff(strings.TrimPrefix(want, "\n"), out.String()); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

// TestReportAlone has nobody to compare with.
func TestReportAlone(t *testing.T) {
	for _, r := range []results{{measured("NSD", true, 5, 120_000)}, {measured("gslb", false, 5, 120_000)}} {
		var out strings.Builder
		r.report(&bench{Report: &figures.Report{Out: &out}}, "steered")
		if text := out.String(); strings.Contains(text, "beside") || !strings.Contains(text, r[0].name) {
			t.Errorf("report:\n%s", text)
		}
	}
}

func TestGoals(t *testing.T) {
	var out strings.Builder
	b := &bench{Report: &figures.Report{Out: &out}}
	b.reportGoals()
	if out.Len() > 0 {
		t.Errorf("without a goal: %s", out.String())
	}
	b.goalRatio("CPU", atMost(1.05), 1.05)
	b.goalRatio("queries", atLeast(0.95), 0.94)
	b.goalTime("user mode", atMost(0.4e-6), 0.5e-6)
	b.goalCount("lost", atMost(0), 0)
	b.goalMemory("added", atMost(1<<20), 1<<19)
	b.reportGoals()
	want := `
**Goals.**

| goal      |     bound |   found | verdict |
| --------- | --------: | ------: | ------: |
| CPU       |    ≤ 1.05 |    1.05 |     met |
| queries   |    ≥ 0.95 |    0.94 |  MISSED |
| user mode | ≤ 0.40 µs | 0.50 µs |  MISSED |
| lost      |       ≤ 0 |       0 |     met |
| added     | ≤ 1.0 MiB | 0.5 MiB |     met |

`
	if diff := cmp.Diff(strings.TrimPrefix(want, "\n"), out.String()); diff != "" {
		t.Errorf("goals (-want +got):\n%s", diff)
	}
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0.00 µs", 160 * time.Nanosecond: "0.16 µs", 99 * time.Microsecond: "99.00 µs",
		1500 * time.Microsecond: "1.50 ms", 2 * time.Second: "2.00 s",
	} {
		if got := short(d); got != want {
			t.Errorf("short(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestRatios(t *testing.T) {
	got := ratios(figures.Sample{2, 6, 5}, figures.Sample{1, 2})
	if diff := cmp.Diff(figures.Sample{2, 3}, got); diff != "" {
		t.Errorf("ratios (-want +got):\n%s", diff)
	}
}
