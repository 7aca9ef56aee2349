package parts

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const dnsperfOutput = `DNS Performance Testing Tool
Version 2.10.0

[Status] Command line: dnsperf -s 127.0.0.1 -p 5300 -d questions -l 2
[Status] Sending queries (to 127.0.0.1:5300)
[Status] Started at: Mon Nov 23 16:45:44 2026
[Status] Stopping after 2.000000 seconds
[Timeout] Query timed out: msg id 7
[Status] Testing complete (time limit)

Statistics:

  Queries sent:         131520
  Queries completed:    131510 (99.99%)
  Queries lost:         10 (0.01%)

  Response codes:       NOERROR 98632 (75.00%), NXDOMAIN 32878 (25.00%)
  Average packet size:  request 30, response 58
  Run time (s):         2.000086
  Queries per second:   65752.172657

  Average Latency (s):  0.001108 (min 0.000024, max 0.100279)
  Latency StdDev (s):   0.003518

`

func TestParseDNSPerf(t *testing.T) {
	got, err := parseDNSPerf(dnsperfOutput)
	if err != nil {
		t.Fatal(err)
	}
	want := &DNSPerfReport{
		Sent: 131520, Completed: 131510, Lost: 10,
		Rcodes:      map[string]int64{"NOERROR": 98632, "NXDOMAIN": 32878},
		RequestSize: 30, ReplySize: 58,
		Time: 2000086 * time.Microsecond, Latency: 1108 * time.Microsecond,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

// TestParseDNSPerfWithoutAnswers has nothing that could be averaged.
func TestParseDNSPerfWithoutAnswers(t *testing.T) {
	got, err := parseDNSPerf(`
Statistics:

  Queries sent:         100
  Queries completed:    0 (0.00%)
  Queries lost:         100 (100.00%)

  Response codes:
  Average packet size:  request 0, response 0
  Run time (s):         5.000000
  Queries per second:   0.000000

  Average Latency (s):  -nan (min 0.000000, max 0.000000)
`)
	if err != nil {
		t.Fatal(err)
	}
	want := &DNSPerfReport{Sent: 100, Lost: 100, Time: 5 * time.Second, Rcodes: map[string]int64{}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

func TestParseDNSPerfRefuses(t *testing.T) {
	for _, text := range []string{
		"",
		"Error: unable to open questions\n",
		strings.Replace(dnsperfOutput, "Queries lost", "Queries gone", 1),
		strings.Replace(dnsperfOutput, "131510", "many", 1),
		strings.Replace(dnsperfOutput, "response 58", "", 1),
		strings.Replace(dnsperfOutput, "0.001108", "0.00.1108", 1),
	} {
		if report, err := parseDNSPerf(text); err == nil {
			t.Errorf("parseDNSPerf(%.60q…) = %+v, want an error", text, report)
		}
	}
}

func FuzzParseDNSPerf(f *testing.F) {
	f.Add(dnsperfOutput)
	f.Add("Statistics:\nQueries sent: 9999999999999999999999\n")
	f.Fuzz(func(t *testing.T, text string) {
		report, err := parseDNSPerf(text)
		if err == nil && (report.Sent < 0 || report.Completed < 0 || report.Lost < 0 || report.Time < 0) {
			t.Errorf("parseDNSPerf(%q) = %+v", text, report)
		}
	})
}
