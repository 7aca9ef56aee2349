package admin

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"gslb/docs"
)

func TestParseText(t *testing.T) {
	const text = "# Runbook\nfirst **line**\nsecond `li\nne`\n\n## All down\n- one [two](#all-down)\n  more\n- three\n\n```\na  <b>\n\n# c\n```\nend [away](steering.md#x)\n"
	want := []block{
		{Kind: "h1", ID: "runbook", Items: [][]span{{{Text: "Runbook"}}}},
		{Kind: "p", Items: [][]span{{{Text: "first "}, {Kind: "strong", Text: "line"}, {Text: " second "}, {Kind: "code", Text: "li ne"}}}},
		{Kind: "h2", ID: "all-down", Items: [][]span{{{Text: "All down"}}}},
		{Kind: "ul", Items: [][]span{{{Text: "one "}, {Kind: "a", Text: "two", Link: "#all-down"}, {Text: " more"}}, {{Text: "three"}}}},
		{Kind: "pre", Text: "a  <b>\n\n# c\n"},
		{Kind: "p", Items: [][]span{{{Text: "end "}, {Text: "away"}}}},
	}
	if diff := cmp.Diff(want, parseText(text)); diff != "" {
		t.Errorf("blocks (-want +got):\n%s", diff)
	}
}

// TestRunbook: every word of the legend that leads to the runbook has a section there.
func TestRunbook(t *testing.T) {
	w := newWorld(time.Now())
	s, _ := w.server()
	answer := get(t, s, "/runbook")
	if answer.Code != http.StatusOK || !strings.HasPrefix(answer.Header().Get("Content-Type"), "text/html") {
		t.Fatalf("status %d, type %s", answer.Code, answer.Header().Get("Content-Type"))
	}
	body := answer.Body.String()
	for _, line := range (page{}).Legend() {
		if line.Kind != "" && !strings.Contains(body, `id="`+string(line.Kind)+`"`) {
			t.Errorf("%q leads to section %s of the runbook, which it does not have", line.Word, line.Kind)
		}
	}
	if sections := strings.Count(docs.Runbook, "\n## "); strings.Count(body, "<h2 ") != sections {
		t.Errorf("%d of %d sections", strings.Count(body, "<h2 "), sections)
	}
	if strings.ContainsAny(textIn(t, body), "`*") {
		t.Error("marks of the text are left")
	}
}

// textIn is the text of a page.
func textIn(t *testing.T, body string) string {
	t.Helper()
	root, err := html.Parse(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return textOf(root)
}
