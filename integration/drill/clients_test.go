package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseLine(t *testing.T) {
	pool := func(region string) string { return map[string]string{"us-east-1": "nyc"}[region] }
	at, took := time.UnixMilli(1795887403289), 12*time.Millisecond
	for _, test := range []struct {
		line string
		want observation
	}{
		{`@ 1795887403289 12 200 {"region":"us-east-1"}`, observation{At: at, Took: took, Region: "nyc"}},
		{`@ 1795887403289 12 503 <html> No server`, observation{At: at, Took: took, Err: "status 503"}},
		{`@ 1795887403289 12 0 Connection refused`, observation{At: at, Took: took, Err: "Connection refused"}},
		{`@ 1795887403289 12 0`, observation{At: at, Took: took}},
		{`@ 1795887403289 12 200 welcome`, observation{At: at, Took: took, Err: "no region: welcome"}},
		{`[1:1:1128/174217.6:INFO:CONSOLE(33)] "@ 1795887403289 12 200 {"region":"us-east-1"}", source: file:///page.html (33)`, observation{At: at, Took: took, Region: "nyc"}},
		{`PHP Warning:  who @ 1 2 3`, observation{}},
		{`@ now 12 200 x`, observation{}},
		{`@ 1`, observation{}},
		{``, observation{}},
	} {
		got, ok := parseLine(test.line, pool)
		if diff := cmp.Diff(test.want, got); diff != "" || ok == test.want.At.IsZero() {
			t.Errorf("%s: %v (-want +got):\n%s", test.line, ok, diff)
		}
	}
}

// A line that is half written is read when it is whole.
func TestTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	tail := tail{path: path}
	for _, step := range []struct{ write, want string }{{"", ""}, {"one\ntw", "one\n"}, {"", ""}, {"o\n", "two\n"}} {
		if _, err := file.WriteString(step.write); err != nil {
			t.Fatal(err)
		}
		if got := tail.more(); got != step.want {
			t.Errorf("after %q: %q, want %q", step.write, got, step.want)
		}
	}
}

// Whoever is drilled can be named, and the report says what to set.
func TestKinds(t *testing.T) {
	for _, c := range clientKinds() {
		if c.name == "" || c.what == "" || c.advice == "" || len(c.version) == 0 {
			t.Errorf("client %+v lacks something", c)
		}
		for _, file := range c.files {
			if _, err := clientFiles.ReadFile("clients/" + file); err != nil {
				t.Errorf("client %s: %v", c.name, err)
			}
		}
	}
	forwards := false
	for _, r := range resolverKinds() {
		if r.name == "" || r.advice == "" {
			t.Errorf("resolver %+v lacks something", r)
		}
		if forwards && !r.forwards {
			t.Errorf("resolver %s stands after one that forwards", r.name)
		}
		forwards = r.forwards
		if _, err := templates.ReadFile("templates/" + r.config); err != nil {
			t.Errorf("resolver %s: %v", r.name, err)
		}
	}
}
