package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestCommandsInDocs holds the command lines of the documentation and of the help to the program: there is such
// a command, with such flags. And every command that an operator needs stands in docs/operations.md.
func TestCommandsInDocs(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	must(t, err)
	root := newCommand()
	found := map[string]string{}
	for _, page := range append(pages, "../../README.md") {
		text, err := os.ReadFile(page)
		must(t, err)
		lines := regexp.MustCompile("(?m)`gslb ([^`\n]*)`").FindAllStringSubmatch(string(text), -1)
		for _, block := range regexp.MustCompile("(?ms)^```$(.*?)^```$").FindAllString(string(text), -1) {
			lines = append(lines, regexp.MustCompile("(?m)^gslb (.*)$").FindAllStringSubmatch(block, -1)...)
		}
		for _, match := range lines {
			line := match[1]
			verifyLine(t, root, filepath.Base(page), line)
			found[strings.Fields(line)[0]] += filepath.Base(page) + " "
		}
	}
	for _, cmd := range root.Commands() {
		switch name := cmd.Name(); name {
		case "completion", "help", "version", "import", "delegation", "check", "serve":
		default:
			if !strings.Contains(found[name], "operations.md") {
				t.Errorf("docs/operations.md has no line with gslb %s", name)
			}
		}
		for line := range strings.Lines(cmd.Example) {
			if line, ours := strings.CutPrefix(strings.TrimSpace(line), "gslb "); ours {
				verifyLine(t, root, "help of "+cmd.Name(), line)
			}
		}
	}
}

func verifyLine(t *testing.T, root *cobra.Command, where, line string) {
	t.Helper()
	words := strings.Fields(line)
	if len(words) == 0 {
		t.Errorf("%s: gslb without a command", where)
		return
	}
	cmd, _, err := root.Find(words)
	if err != nil || cmd == root && !strings.HasPrefix(words[0], "-") {
		if words[0] != "completion" && words[0] != "help" {
			t.Errorf("%s: gslb %s: there is no such command", where, line)
		}
		return
	}
	for _, word := range words[1:] {
		name, isFlag := strings.CutPrefix(strings.TrimSuffix(word, ":"), "--")
		name, _, _ = strings.Cut(name, "=")
		if isFlag && cmd.Flags().Lookup(name) == nil {
			t.Errorf("%s: gslb %s: the command has no flag --%s", where, line, name)
		}
		if word == "|" {
			return
		}
	}
}

// TestHelpIsNarrow holds what help says itself to 100 columns, and to examples for all commands with arguments.
func TestHelpIsNarrow(t *testing.T) {
	for _, cmd := range newCommand().Commands() {
		for line := range strings.Lines(cmd.Long) {
			if n := len([]rune(strings.TrimRight(line, "\n"))); n > 100 {
				t.Errorf("gslb %s --help: a line has %d columns: %s", cmd.Name(), n, line)
			}
		}
		if cmd.Short == "" || strings.ToLower(cmd.Short[:1]) != cmd.Short[:1] && cmd.Name() != "completion" && cmd.Name() != "help" {
			t.Errorf("gslb %s: %q is no short description as the others are", cmd.Name(), cmd.Short)
		}
	}
}
