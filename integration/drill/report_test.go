package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func at(s float64) *secs { v := secs(s); return &v }

// sampleReport is of a drill with one resolver and two clients: with the first fault all moved in time, with the
// second one the fast client was late, and the slow one was given up before its bound.
func sampleReport() *report {
	kinds := make(map[string]clientKind)
	for _, k := range clientKinds() {
		kinds[k.name] = k
	}
	lane := []piece{{0, 1, "nyc"}, {1, 6, ""}, {6, 30, "ams"}}
	fault := func(name string, fast, slow *secs) *faultReport {
		return &faultReport{
			Fault: name, What: "what " + name + " is", DetectBound: 3, Until: 30,
			Servers:   []serverReport{{"gslb1", at(1), at(1.1), at(2), lane}, {"gslb2", at(2), at(2.1), at(2.5), lane}},
			Resolvers: []moveReport{{Name: "unbound", Bound: 9, Moved: at(5), Back: at(4), Lane: lane}},
			Clients: []moveReport{
				{Name: "curl", Resolver: "unbound", Bound: 12, Moved: fast, Failed: 5, Back: at(6), Lane: lane, kind: kinds["curl"]},
				{Name: "java", Resolver: "unbound", Bound: 42, Moved: slow, Failed: 24, Lane: lane, kind: kinds["java"]},
			},
		}
	}
	return &report{
		Began: time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC), Ended: time.Date(2026, 3, 1, 3, 2, 0, 0, time.UTC),
		Host: "2 processors.", Name: "app.gslb.example.com.", Preferred: "nyc", Other: "ams", TTL: 5, Settings: settings(checks),
		Resolvers: []program{{"unbound", "unbound", "Version 1.17.1"}},
		Clients:   []program{{"curl", "curl", "curl 7.88.1"}, {"java", "Java, default cache", "openjdk <17>"}},
		Faults: []*faultReport{
			fault("lb-kill", at(6), at(28)), fault("lb-hang", at(20), nil),
			{Fault: "replication-stop", What: "nothing is replicated", Stays: true, Until: 15, Servers: []serverReport{{Name: "gslb1", Detected: at(12)}}},
			{Fault: "server-hang", What: "one hangs", Stays: true, Server: true, Until: 15, Servers: []serverReport{{Name: "gslb1"}},
				Resolvers: []moveReport{{Name: "unbound", Bound: 6, Moved: at(0)}},
				Clients: []moveReport{
					{Name: "curl", Resolver: "unbound", Bound: 9, Moved: at(4), Failed: 2, Slowest: 0.9, kind: kinds["curl"]},
					{Name: "java", Resolver: "unbound", Bound: 9, Moved: at(0), Slowest: 0.376, kind: kinds["java"]},
				}},
		},
	}
}

func TestPrint(t *testing.T) {
	var out strings.Builder
	sampleReport().print(&out)
	for _, want := range []string{
		"| lb-kill          |    2.0 s |         2.1 s |           5.0 s |        28.0 s | 42.0 s |              29 |              2.5 s |        6.0 s |",
		"| lb-hang          |    2.0 s |         2.1 s |           5.0 s |      > 30.0 s | 42.0 s |",
		"| replication-stop |   12.0 s |         stays |            stay |          stay |",
		"| Java, default cache |  28.0 s | > 30.0 s | 42.0 s |",
		"- The slowest client is Java, default cache, on unbound: with lb-hang it had not moved after 30.0 s (bound 42.0 s). What to set there: networkaddress.cache.ttl=1",
		"- LATE: with lb-hang, curl, on unbound moved after 20.0 s (bound 12.0 s).",
		"- replication-stop (nothing is replicated): nobody was moved, and no request failed.",
		"| server-hang      |          |         stays |            stay |          stay |        |               2 |",
		"- server-hang (one hangs): nobody was moved, and 2 of the clients' requests failed; the slowest request took 0.9 s (curl, on unbound).",
		"- These stayed with ams after the fault, since their connections there were open and worked: Java, default cache.",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the tables lack %q:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "None of") {
		t.Error("it says that all were in time")
	}
}

// Of a kind that was late on several resolvers, one line names the latest.
func TestLateLines(t *testing.T) {
	f := sampleReport().Faults[0]
	slow := f.Clients[0]
	slow.Resolver, slow.Moved, slow.Reason = "knot", at(25), "status 503"
	f.Clients[0].Moved = at(20)
	f.Clients = append(f.Clients, slow)
	f.Resolvers[0].Moved = at(15)
	want := []string{
		"LATE: with lb-kill, unbound moved after 15.0 s (bound 9.0 s).",
		"LATE: with lb-kill, curl, on knot moved after 25.0 s (bound 12.0 s); it was late on 1 more too; the last request that failed: status 503.",
	}
	if diff := cmp.Diff(want, f.lateLines(f.late())); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestNever(t *testing.T) {
	r := sampleReport()
	r.Faults = r.Faults[:1]
	r.Faults[0].Clients[0].Moved = nil
	if got := r.Faults[0].lastOf(r.Faults[0].Clients); got != "never" {
		t.Errorf("the last of them moved after %q, want never", got)
	}
	if got, want := r.Faults[0].sentence(), "detected after 2.0 s, answered anew after 2.1 s, clients moved never"; got != want {
		t.Errorf("it says %q, want %q", got, want)
	}
	if late := r.Faults[0].late(); len(late) != 1 || r.Faults[0].how(late[0]) != "did not move (bound 12.0 s)" {
		t.Errorf("late are %v", late)
	}
}

// The files are whole: the document is JSON, and the page one that refers to nothing outside, with a picture of
// each fault.
func TestWrite(t *testing.T) {
	dir := t.TempDir()
	if err := sampleReport().write(dir, io.Discard); err != nil {
		t.Fatal(err)
	}
	got, err := load(filepath.Join(dir, "drill.json"))
	if err != nil || len(got.Faults) != 4 || *got.Faults[0].Clients[1].Moved != 28 || got.Faults[1].Clients[1].Moved != nil {
		t.Errorf("drill.json: %v, %+v", err, got)
	}
	var before, after strings.Builder
	sampleReport().print(&before)
	got.print(&after)
	if diff := cmp.Diff(before.String(), after.String()); diff != "" {
		t.Errorf("what was read again prints something else (-want +got):\n%s", diff)
	}
	page, err := os.ReadFile(filepath.Join(dir, "drill.html"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(page)
	for _, outside := range []string{"http://", "https://", "src=", "href=", "url(", "@import"} {
		if strings.Contains(text, outside) {
			t.Errorf("the page refers to something outside: %s", outside)
		}
	}
	if !strings.Contains(text, "openjdk &lt;17&gt;") {
		t.Error("text is not escaped")
	}
	pictures := strings.SplitAfter(text, "</svg>")
	if len(pictures) != 5 {
		t.Fatalf("%d pictures, want 4", len(pictures)-1)
	}
	for _, picture := range pictures[:4] {
		picture = picture[strings.Index(picture, "<svg"):]
		for decoder := xml.NewDecoder(strings.NewReader(picture)); ; {
			if _, err := decoder.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("a picture is not well formed: %v\n%s", err, picture)
			}
		}
	}
}
