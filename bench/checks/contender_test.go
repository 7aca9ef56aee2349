package checks

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestCrowd renders the configurations of scale and counts the targets in them.
func TestCrowd(t *testing.T) {
	b := &bench{dir: t.TempDir()}
	crowd := b.newCrowd(&targets{count: 6, port: 9000})
	for template, line := range map[string]string{
		"scale.toml":    "members = [",
		"scale.haproxy": "    server ",
		"scale.gdnsd":   "primary => ", // one a name
		"scale.zone":    " DYNA ",
	} {
		file, err := b.render(template, crowd)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want := 6
		if strings.HasSuffix(template, "gdnsd") || strings.HasSuffix(template, "zone") {
			want = 3
		}
		if got := bytes.Count(text, []byte(line)); got != want {
			t.Errorf("%s: %d lines with %q, want %d:\n%s", template, got, line, want, text)
		}
	}
}

func TestRenderUnknown(t *testing.T) {
	if _, err := (&bench{dir: t.TempDir()}).render("nothing", nil); err == nil {
		t.Error("a template that is not there was rendered")
	}
}

// TestBound compares the bound with the latest end of a schedule, acted out.
func TestBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		duration := func(name string) time.Duration {
			return time.Duration(rapid.IntRange(0, 5000).Draw(t, name)) * time.Millisecond
		}
		s := settings{Interval: duration("interval"), Fast: duration("fast"), Fall: rapid.IntRange(1, 5).Draw(t, "fall")}
		failing := duration("failing")

		now := s.Interval // a probe has passed at 0, just before the fault
		for fails := 0; ; {
			started := now
			now = now + failing
			if fails++; fails == s.Fall {
				break
			}
			now = max(now, started+s.Fast)
		}
		if got := s.bound(failing); got != now {
			t.Errorf("bound = %v, acted out %v", got, now)
		}
	})
}
