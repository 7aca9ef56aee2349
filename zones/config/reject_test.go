package config

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gslb/zones/problem"
)

// Each configuration in testdata/reject begins with the errors that it must give, a comment
// `# want: …` for each, in their order, without the name of the file.
func TestReject(t *testing.T) {
	for _, path := range configurations(t, "reject") {
		t.Run(path, func(t *testing.T) {
			if *update {
				rewrite(t, path)
			}
			want := wanted(t, path)
			// Tables have no order in memory, the errors must have one nevertheless.
			for range 5 {
				if diff := cmp.Diff(want, refusal(t, path)); diff != "" {
					t.Fatalf("(-want +got)\n%s", diff)
				}
			}
		})
	}
}

// refusal is the errors that a configuration gives, without the name of the file.
func refusal(t *testing.T, path string) []string {
	_, err := Load(path, LoadOptions{Now: noon})
	var errs *problem.Errors
	if !errors.As(err, &errs) {
		t.Fatalf("got %v, want Errors", err)
	}
	lines := strings.Split(errs.Error(), "\n")
	for i := range lines {
		lines[i] = strings.TrimPrefix(strings.TrimPrefix(lines[i], path+":"), " ")
	}
	return lines
}

// rewrite makes the first comments of a configuration the errors that it gives. Their number is
// that of before, or the lines that they name are wrong.
func rewrite(t *testing.T, path string) {
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	for strings.HasPrefix(text, "# want: ") {
		_, text, _ = strings.Cut(text, "\n")
	}
	var head strings.Builder
	for _, line := range refusal(t, path) {
		head.WriteString("# want: " + line + "\n")
	}
	if err := os.WriteFile(path, []byte(head.String()+text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func wanted(t *testing.T, path string) []string {
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for line := range strings.Lines(string(data)) {
		message, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "# want: ")
		if !ok {
			break
		}
		want = append(want, message)
	}
	if len(want) == 0 {
		t.Fatalf("%s does not begin with a comment `# want: …`", path)
	}
	return want
}

func TestErrors(t *testing.T) {
	_, err := Parse(nil, "zones.toml", LoadOptions{Now: noon})
	var first *problem.Problem
	if !errors.As(err, &first) || first.Path != "server" || first.Message != "missing; expected a table" || first.File != "zones.toml" {
		t.Errorf("got %v, want a problem at server first", err)
	}
	if joined, ok := err.(interface{ Unwrap() []error }); !ok || len(joined.Unwrap()) != 2 {
		t.Errorf("got %v, want two problems", err)
	}
}

func TestLoadAbsent(t *testing.T) {
	_, err := Load("testdata/none.toml", LoadOptions{Now: noon})
	var errs *problem.Errors
	if !errors.Is(err, os.ErrNotExist) || errors.As(err, &errs) {
		t.Errorf("got %v, want that the file does not exist", err)
	}
}
