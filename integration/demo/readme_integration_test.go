//go:build integration

package main

import (
	"context"
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

// TestReadme types what the README has a newcomer type in the other terminal, each line once
// and right after the one before, as if it were pasted.
func TestReadme(t *testing.T) {
	root, err := parts.Root()
	if err != nil {
		t.Fatal(err)
	}
	lines := readmeCommands(t, root)
	dir := checkout(t)
	useThisProgram(t, root, dir)
	d := startDemo(t, dir, "run")
	d.awaitLine(t, "app.gslb.example.com → 127.0.0.11 (nyc)", 1)

	// What dig is to print, each time that it is asked.
	answers := []string{"127.0.0.11", "127.0.0.12", "127.0.0.11"}
	for _, line := range lines {
		want := "."
		if strings.HasPrefix(line, "dig ") {
			want, answers = "^"+regexp.QuoteMeta(answers[0])+"$", answers[1:]
		}
		enter(t, dir, line, regexp.MustCompile(want))
	}
	if len(answers) > 0 {
		t.Errorf("the README asks dig less often than it is thought to: %q", lines)
	}

	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := d.awaitEnd(t); err != nil {
		t.Errorf("the demonstration ended with %v, want success", err)
	}
}

// readmeCommands is the lines of the README's one block of shell commands.
func readmeCommands(t *testing.T, root string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) != 1 {
		t.Fatalf("the README has %d blocks of shell commands; this test knows of one", len(blocks))
	}
	return strings.Split(strings.TrimSpace(blocks[0][1]), "\n")
}

// useThisProgram has the checkout's Makefile run this test program for bin/demo.
func useThisProgram(t *testing.T, root, dir string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(dir, "bin")
	for _, step := range []error{
		os.Symlink(filepath.Join(root, "Makefile"), filepath.Join(dir, "Makefile")),
		os.Remove(bin),
		os.Mkdir(bin, 0o755),
		os.Symlink(filepath.Join(root, "bin", "gslb"), filepath.Join(bin, "gslb")),
		os.WriteFile(filepath.Join(bin, "demo"), fmt.Appendf(nil, "#!/bin/sh\n%s=1 exec %s \"$@\"\n", asDemoVar, self), 0o755),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
}

// enter runs a line and wants it to print something.
func enter(t *testing.T, dir, line string, want *regexp.Regexp) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	// make would build bin/demo anew, from a checkout that is not whole.
	line = strings.Replace(line, "make ", "make -o bin/demo ", 1)
	cmd := exec.CommandContext(ctx, "sh", "-c", line)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil || !want.MatchString(strings.TrimSpace(string(out))) {
		t.Errorf("%s: %v, printed %q, want %s", line, err, out, want)
	}
}
