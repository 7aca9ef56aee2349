package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"gslb/integration/parts"
)

// recorder is a region that remembers what was done to it.
type recorder struct{ done []string }

func (r *recorder) Inflict(_ context.Context, fault parts.Fault) error {
	if fault == "flood" {
		return errors.New("no flood here")
	}
	r.done = append(r.done, "inflict "+string(fault))
	return nil
}

func (r *recorder) Heal(context.Context) error {
	r.done = append(r.done, "heal")
	return nil
}

func TestControl(t *testing.T) {
	defer goleak.VerifyNone(t)
	t.Chdir(t.TempDir()) // socketFile is relative
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	ask := func(path, region, fault string) string {
		var out bytes.Buffer
		if err := request(t.Context(), &out, path, region, fault); err != nil {
			return "error: " + err.Error()
		}
		return out.String()
	}

	if got, want := ask("/heal", "nyc", ""), "error: no demonstration is running; start one with make run"; got != want {
		t.Errorf("nothing runs: %q, want %q", got, want)
	}
	if running(t.Context()) {
		t.Error("running() = true before the start")
	}

	nyc := &recorder{}
	var said []string
	say := func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }
	// nyc is down and passed over, and ams is up and answered.
	looks := 0
	look := func(context.Context) (view, error) {
		var v view
		pool := "nyc"
		if looks++; looks > 1 {
			pool = "ams"
		}
		err := json.Unmarshal(fmt.Appendf(nil, `{
			"names": [{"name": "app.example.", "pool": %q, "preferred_pool": "ams", "mode": "normal"}],
			"pools": [{"name": "ams", "status": "up"}, {"name": "nyc", "status": "down"}]}`, pool), &v.status)
		v.answers = []reply{{name: "app.example."}}
		return v, err
	}
	c, err := startControl(socketFile, map[string]faultyRegion{"nyc": nyc, "ams": &recorder{}}, look, say)
	if err != nil {
		t.Fatal(err)
	}
	if !running(t.Context()) {
		t.Error("running() = false after the start")
	}
	for _, test := range []struct{ path, region, fault, want string }{
		{"/fail", "nyc", "lb-kill", `^failing nyc lb-kill: done, after \d+\.\d s\n$`},
		{"/heal", "nyc", "", `^healing nyc: done, after \d+\.\d s\n$`},
		{"/fail", "nyc", "flood", `^error: no flood here$`},
		{"/fail", "sfo", "lb-kill", `^error: region "sfo" is not one of ams, nyc$`},
		{"/drown", "nyc", "", `^error: 404 page not found$`},
		{"/fail/done", "nyc", "lb-kill", `^nyc is down, and nobody is sent there, after another \d+\.\d s:\n  app.example → no reply\n$`},
		{"/heal/done", "ams", "", `^ams is as it was, after another \d+\.\d s:\n  app.example → no reply\n$`},
		{"/heal/done", "sfo", "", `^error: region "sfo" is not one of ams, nyc$`},
	} {
		if got := ask(test.path, test.region, test.fault); !regexp.MustCompile(test.want).MatchString(got) {
			t.Errorf("%s %s %s: %q, want %s", test.path, test.region, test.fault, got, test.want)
		}
	}
	if looks < 3 {
		t.Errorf("%d looks: it did not wait until the answer had moved", looks)
	}
	c.close()
	if diff := cmp.Diff([]string{"inflict lb-kill", "heal"}, nyc.done); diff != "" {
		t.Errorf("done (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"failing nyc lb-kill", "healing nyc", "failing nyc flood", "failing nyc flood: no flood here"}, said); diff != "" {
		t.Errorf("said (-want +got):\n%s", diff)
	}
	if _, err := os.Stat(socketFile); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after close the socket is there still: %v", err)
	}
}
