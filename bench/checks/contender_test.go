package checks

import (
	"bytes"
	"os"
	"strings"
	"testing"
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
