package jsonpath

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const text = `{"status": "ok", "load": 12.50, "$": 1, "ready": true, "note": null,
	"checks": {"db": {"state": "up"}, "a.b": [1], "with \"": 2}, "replicas": [{"role": "primary"}, {"role": "replica"}], "": 3}`

func TestFind(t *testing.T) {
	root, err := Read([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]any{
		"status": "ok", "$.status": "ok", `["status"]`: "ok", `$["status"]`: "ok",
		"load": json.Number("12.50"), "ready": true, "note": nil,
		"checks.db.state": "up", `checks["a.b"][0]`: json.Number("1"), `checks["with \""]`: json.Number("2"),
		"replicas[1].role": "replica", `[""]`: json.Number("3"), `["$"]`: json.Number("1"),
	} {
		p, err := Parse(path)
		if err != nil {
			t.Error(err)
			continue
		}
		got, err := p.Find(root)
		if err != nil || !cmp.Equal(got, want) {
			t.Errorf("%s is %v, %v; want %v", path, got, err, want)
		}
	}
	for path, want := range map[string]string{
		"stat":             `the whole has no key "stat"`,
		"[0]":              "the whole is an object, not a list",
		"status.ok":        "status is a string, not an object",
		"load.x":           "load is a number, not an object",
		"ready[0]":         "ready is a boolean, not a list",
		"note.x":           "note is null, not an object",
		"replicas.role":    "replicas is a list, not an object",
		"replicas[2].role": "replicas has 2 items, so that there is no [2]",
		`checks["a.b"].x`:  `checks["a.b"] is a list, not an object`,
	} {
		p, err := Parse(path)
		if err != nil {
			t.Error(err)
			continue
		}
		if _, err := p.Find(root); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", path, err, want)
		}
	}
}

func TestParse(t *testing.T) {
	for _, path := range []string{"", ".", "a.", ".a", "a..b", "a[", "a[]", "a[-1]", "a[1", "a[x]", "a b", `a["`, `["\x"]`, "a]b", "$a.", "$.", "a[0]b"} {
		if p, err := Parse(path); err == nil || !strings.Contains(err.Error(), "expected a path such as") {
			t.Errorf("%q is the path %s, %v", path, p, err)
		}
	}
	if p, err := Parse("$"); err != nil || p.String() != "the whole" {
		t.Errorf("$ is %s, %v", p, err)
	}
}

func TestRead(t *testing.T) {
	for text, want := range map[string]string{
		"": "it is empty", "  ": "it is empty", "{} x": "something follows its end", "{}{}": "something follows its end", "{": "unexpected EOF",
		"<html>": "invalid character '<'",
	} {
		if root, err := Read([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is %v, %v; want %s", text, root, err, want)
		}
	}
	if root, err := Read([]byte(" 5\r\n")); err != nil || root != json.Number("5") {
		t.Errorf("5 is %v, %v", root, err)
	}
}

// A path that is written as it reads leads to the same place.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{"status", "$", "checks.db.state", `checks["a.b"][0]`, "replicas[1].role", `["\u00e4"]`, "a[", "$.x"} {
		f.Add(seed, text)
	}
	f.Fuzz(func(t *testing.T, path, text string) {
		root, readErr := Read([]byte(text))
		p, err := Parse(path)
		if err != nil {
			return
		}
		if readErr == nil {
			p.Find(root)
		}
		if len(p.steps) == 0 {
			return
		}
		again, err := Parse(p.String())
		if err != nil || again.String() != p.String() {
			t.Errorf("%q reads %s, which reads %s, %v", path, p, again, err)
		}
	})
}
