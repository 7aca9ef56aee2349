//go:build integration

package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"gslb/integration/parts"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == clientCommand {
		ms, _ := strconv.Atoi(os.Args[3])
		runClient(os.Stdout, os.Args[2], time.Duration(ms)*time.Millisecond)
	}
	os.Exit(parts.Isolated(m.Run))
}

// slack is what a busy machine adds to a bound.
const slack = secs(8)

// TestDrill makes one fault, before three clients on two resolvers.
func TestDrill(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var out, aside strings.Builder
	args := []string{"-faults", "app-503", "-resolvers", "unbound,bind", "-clients", "curl,php,go", "-out", dir}
	if err := command(ctx, args, &out, &aside); err != nil {
		t.Fatalf("%v\n%s", err, aside.String())
	}
	document, err := os.ReadFile(filepath.Join(dir, "drill.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r report
	if err := json.Unmarshal(document, &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Faults) != 1 || len(r.Faults[0].Servers) != 2 || len(r.Faults[0].Resolvers) != 2 || len(r.Faults[0].Clients) != 6 {
		t.Fatalf("the report is of something else:\n%s", document)
	}
	f := r.Faults[0]
	first := secs(1e9)
	for _, s := range f.Servers {
		if s.Detected == nil || s.Answered == nil || s.Back == nil {
			t.Fatalf("%s has not moved:\n%s", s.Name, document)
		}
		first = min(first, *s.Answered)
		if *s.Detected > f.DetectBound+slack || *s.Answered < *s.Detected || *s.Answered > *s.Detected+slack {
			t.Errorf("%s detected after %v (bound %v), and answered anew after %v", s.Name, *s.Detected, f.DetectBound, *s.Answered)
		}
	}
	// A client that had the other region's address already, as on a machine that is so busy that a probe failed
	// before, has nothing to leave. One at least had not.
	left := 0
	for _, m := range append(f.Resolvers, f.Clients...) {
		early := m.Resolver != "" && m.Failed == 0
		switch {
		case m.Moved == nil:
			t.Errorf("%s has not moved: %s", m.Name, m.Reason)
		case *m.Moved < first && !early || *m.Moved > m.Bound+slack:
			t.Errorf("%s has moved after %v, want from %v on and within %v", m.Name, *m.Moved, first, m.Bound)
		case m.Back == nil && m.Name != "go": // which keeps its connection to a region that works
			t.Errorf("%s has not come back", m.Name)
		}
		if m.Failed > 0 {
			left++
		}
	}
	if left == 0 {
		t.Error("no request of any client failed, before a region that says 503")
	}
	if !strings.Contains(f.Why, "web@127.0.0.11 is down") || !strings.Contains(f.Why, "503") {
		t.Errorf("the reason is %q", f.Why)
	}
	if !strings.Contains(out.String(), "| app-503 |") || !strings.Contains(out.String(), "The slowest client is") {
		t.Errorf("it printed:\n%s", out.String())
	}
}
