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
		for _, block := range regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
			if kind := block[1]; kind == "" || kind == "sh" {
				lines = append(lines, regexp.MustCompile("(?m)^gslb (.*)$").FindAllStringSubmatch(block[2], -1)...)
			}
		}
		for _, match := range lines {
			line := match[1]
			verifyLine(t, root, filepath.Base(page), line)
			found[strings.Fields(line)[0]] += filepath.Base(page) + " "
		}
	}
	for _, cmd := range root.Commands() {
		switch name := cmd.Name(); name {
		case "completion", "help", "man", "version", "import", "delegation", "check", "serve":
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

// TestLinksInDocs follows the links of all pages to other files of this repository, and to headings.
func TestLinksInDocs(t *testing.T) {
	root := filepath.Join("..", "..")
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	must(t, err)
	more, err := filepath.Glob(filepath.Join(root, "*.md"))
	must(t, err)
	anchors := map[string]map[string]bool{}
	for _, page := range append(pages, more...) {
		text, err := os.ReadFile(page)
		must(t, err)
		anchors[page] = anchorsOf(string(text))
	}
	for page := range anchors {
		text, err := os.ReadFile(page)
		must(t, err)
		for _, link := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(string(text), -1) {
			path, anchor, _ := strings.Cut(link[1], "#")
			if strings.Contains(path, ":") {
				continue // of another site
			}
			to := page
			if path != "" {
				to = filepath.Join(filepath.Dir(page), path)
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s: %s leads nowhere", page, link[1])
			} else if anchor != "" && !anchors[to][anchor] {
				t.Errorf("%s: %s: there is no such heading", page, link[1])
			}
		}
	}
}

// anchorsOf is what the headings of a page are linked by: in lower case, with hyphens for spaces, and without other
// signs.
func anchorsOf(page string) map[string]bool {
	found := map[string]bool{}
	page = regexp.MustCompile("(?ms)^```.*?^```").ReplaceAllString(page, "")
	for _, heading := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(page, -1) {
		name := strings.ToLower(strings.ReplaceAll(heading[1], "`", ""))
		name = regexp.MustCompile(`[^\p{L}\p{N}\- _]`).ReplaceAllString(name, "")
		found[strings.ReplaceAll(name, " ", "-")] = true
	}
	return found
}
