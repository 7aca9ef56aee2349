//go:build integration

package guides

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"gslb/integration/parts"
)

// command is a line that the reader types, and what the page says comes of it.
type command struct {
	line     string
	expected string // "…" stands for any text of a line, or for any lines; empty: anything
}

// TestTutorial types everything that docs/tutorial.md has the reader type, in one shell, and compares what
// comes of it. The page has one file, zones.toml.
func TestTutorial(t *testing.T) {
	root, err := parts.Root()
	must(t, err)
	page, err := os.ReadFile(filepath.Join(root, "docs", "tutorial.md"))
	must(t, err)
	dir := t.TempDir()
	var commands []command
	for _, block := range regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```").FindAllStringSubmatch(string(page), -1) {
		switch kind, content := block[1], block[2]; kind {
		case "toml":
			must(t, os.WriteFile(filepath.Join(dir, "zones.toml"), []byte(content), 0o644))
		case "console":
			commands = append(commands, dialogue(t, content)...)
		default:
			t.Fatalf("nobody tries blocks of kind %s:\n%s", kind, content)
		}
	}
	if len(commands) < 15 {
		t.Fatalf("only %d commands were found", len(commands))
	}
	outputs := typed(t, dir, filepath.Join(root, "bin"), commands)
	for i, c := range commands {
		if !likely(c.expected).MatchString(outputs[i]) {
			t.Errorf("$ %s\n%s\nthe page says:\n%s", c.line, outputs[i], c.expected)
		}
	}
}

// dialogue splits a block into commands.
func dialogue(t *testing.T, content string) []command {
	t.Helper()
	var list []command
	for line := range strings.Lines(content) {
		if typed, is := strings.CutPrefix(line, "$ "); is {
			list = append(list, command{line: strings.TrimSpace(typed)})
		} else if len(list) == 0 {
			t.Fatalf("output before any command:\n%s", content)
		} else {
			list[len(list)-1].expected += line
		}
	}
	return list
}

// typed runs commands in one shell, and returns what each has written. Whatever it starts ends with it.
func typed(t *testing.T, dir, bin string, commands []command) []string {
	t.Helper()
	const mark = "=== command "
	var script strings.Builder
	for i, c := range commands {
		fmt.Fprintf(&script, "echo '%s%d'\n%s\n", mark, i, c.line)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-euc", script.String())
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	output, err := os.Create(filepath.Join(t.TempDir(), "output")) // a pipe would be held open by what runs in the background
	must(t, err)
	defer output.Close()
	cmd.Stdout, cmd.Stderr = output, output
	failed := cmd.Run()
	must(t, parts.Until(t.Context(), "all that was started is gone", func(context.Context) error {
		if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); !errors.Is(err, syscall.ESRCH) {
			return errors.New("something still runs")
		}
		return nil
	}))
	text, err := os.ReadFile(output.Name())
	must(t, err)
	if failed != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "gslb.log"))
		t.Fatalf("%v:\n%s\nlog of gslb:\n%s", failed, text, log)
	}
	outputs := strings.Split(string(text), mark)[1:]
	if len(outputs) != len(commands) {
		t.Fatalf("%d commands, and %d outputs:\n%s", len(commands), len(outputs), text)
	}
	for i := range outputs {
		_, outputs[i], _ = strings.Cut(outputs[i], "\n")
	}
	return outputs
}

// likely is what an output has to look like.
func likely(expected string) *regexp.Regexp {
	if expected == "" {
		return regexp.MustCompile("")
	}
	pattern := regexp.QuoteMeta(expected)
	pattern = regexp.MustCompile("(?m)^…\n").ReplaceAllString(pattern, "(?s:.*)")
	pattern = strings.ReplaceAll(pattern, "…", ".*")
	return regexp.MustCompile("^" + pattern + "$")
}
