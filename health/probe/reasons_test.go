package probe

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gslb/health"
)

// TestReasonsAreDocumented looks in docs/operations.md for every reason that this package
// can give.
func TestReasonsAreDocumented(t *testing.T) {
	docs, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(docs), "### What the reasons mean")
	if !found {
		t.Fatal("there is no table of reasons")
	}
	table, _, _ = strings.Cut(table, "\n## ")

	reasons := map[string]bool{"ok": true}
	for _, e := range errorReasons {
		reasons[e.reason] = true
	}
	for _, reason := range stageReasons {
		reasons[reason] = true
	}
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	given := regexp.MustCompile(`(?:fail\(|indeterminate\(|Reason: )"(\w+)"`)
	for _, path := range sources {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range given.FindAllStringSubmatch(string(source), -1) {
			reasons[match[1]] = true
		}
	}
	if len(reasons) < 20 {
		t.Errorf("only %d reasons were found", len(reasons))
	}
	for reason := range reasons {
		if !strings.Contains(table, "`"+reason+"`") {
			t.Errorf("reason %q is not in the table", reason)
		}
	}
}

// What a dead network of this host could have caused is blank, and nothing else.
func TestWhatIsBlank(t *testing.T) {
	for reason, want := range map[string]bool{
		"timeout": true, "unreachable": true, "name": true, "exit": true, "silent": true, "pushed": false,
		"refused": false, "status": false, "body": false, "tls": false, "closed": false, "protocol": false, "connect": false,
	} {
		for _, verdict := range []health.Verdict{health.Fail, health.Pass, health.Indeterminate} {
			probe := presentable(func(context.Context) health.Result { return health.Result{Verdict: verdict, Reason: reason} })
			if got := probe(t.Context()).Blank; got != (want && verdict == health.Fail) {
				t.Errorf("%s, %s: blank is %t", verdict, reason, got)
			}
		}
	}
}
