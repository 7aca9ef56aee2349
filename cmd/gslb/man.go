package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/cpuguy83/go-md2man/v2/md2man"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"gslb/internal/files"
)

// maxManual is how many bytes a page of the documentation may have.
const maxManual = 4 << 20

// manCommand is for those who make packages.
func manCommand() *cobra.Command {
	var configuration string
	cmd := &cobra.Command{
		Use:    "man DIR",
		Short:  "write the manual pages of all commands into a folder",
		Hidden: true,
		Long: `man writes a page of section 1 for each command into a folder, and with --configuration
zones.toml.5. The pages are dated by SOURCE_DATE_EPOCH, if it is set.`,
		Example: `  gslb man --configuration docs/configuration.md bin/man`,
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			if configuration != "" {
				text, err := files.Read(configuration, maxManual)
				if err != nil {
					return err
				}
				if err := os.WriteFile(filepath.Join(args[0], "zones.toml.5"), configurationPage(string(text)), 0o644); err != nil {
					return err
				}
			}
			return commandPages(args[0])
		},
	}
	cmd.Flags().StringVar(&configuration, "configuration", "", "docs/configuration.md, to make zones.toml.5 of it")
	return cmd
}

// commandPages writes a page for each command.
func commandPages(dir string) error {
	root := newCommand()
	root.DisableAutoGenTag = true // the pages of one version are the same, whenever they are made
	forManual(root)
	return writePages(root, dir)
}

func writePages(cmd *cobra.Command, dir string) error {
	var page bytes.Buffer
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
	header := doc.GenManHeader{Title: strings.ToUpper(name), Section: "1", Source: "gslb " + version, Manual: "gslb"}
	if err := doc.GenMan(cmd, &header, &page); err != nil {
		return err
	}
	text := bytes.ReplaceAll(bytes.ReplaceAll(page.Bytes(), []byte("[=false]"), nil), []byte(`=""`), []byte("=VALUE"))
	if err := os.WriteFile(filepath.Join(dir, name+".1"), text, 0o644); err != nil {
		return err
	}
	for _, sub := range cmd.Commands() {
		if !sub.IsAvailableCommand() {
			continue
		}
		if err := writePages(sub, dir); err != nil {
			return err
		}
	}
	return nil
}

// forManual makes Markdown of the help of a command and of those below it, which it lists.
func forManual(cmd *cobra.Command) {
	var b strings.Builder
	for line := range strings.Lines(cmd.Long) {
		if strings.HasPrefix(line, "  ") {
			line = "    " + line // lines that are set in stay lines
		} else {
			line = markup.Replace(line)
		}
		b.WriteString(line)
	}
	if cmd.HasAvailableSubCommands() {
		if cmd.Long == "" { // otherwise the generator would take it for there being nothing else to say
			b.WriteString(markup.Replace(cmd.Short))
		}
		b.WriteString("\n\n# COMMANDS\n\n")
	}
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			fmt.Fprintf(&b, "%s(1)\n: %s\n\n", strings.ReplaceAll(sub.CommandPath(), " ", "-"), markup.Replace(sub.Short))
		}
	}
	cmd.Long = b.String()
	for _, sub := range cmd.Commands() {
		forManual(sub)
	}
}

// markup is the characters that mean something in Markdown.
var markup = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `_`, `\_`, "<", `\<`, "[", `\[`, "`", "\\`")

var (
	markdownLink = regexp.MustCompile(`\[([^\]\n]+)\]\([^)\s]+\)`)
	codeBlock    = regexp.MustCompile("(?ms)^```.*?^```$")
)

// configurationPage makes zones.toml(5) of docs/configuration.md. What it links to is not on this machine.
func configurationPage(text string) []byte {
	_, text, _ = strings.Cut(text, "\n") // the page's own title
	var b strings.Builder
	fmt.Fprintf(&b, "%% ZONES.TOML 5 \"\" \"gslb %s\" \"gslb\"\n# NAME\n\nzones.toml - the configuration of gslb(1)\n\n# DESCRIPTION\n\n", version)
	at := 0
	for _, block := range codeBlock.FindAllStringIndex(text, -1) {
		prose(&b, text[at:block[0]])
		b.WriteString(text[block[0]:block[1]])
		at = block[1]
	}
	prose(&b, text[at:])
	return md2man.Render([]byte(b.String()))
}

// prose writes what is no example. A table of keys becomes a list, since it would be wider than a terminal.
func prose(b *strings.Builder, text string) {
	inKeys := false
	for line := range strings.Lines(markdownLink.ReplaceAllString(text, "$1")) {
		cells := strings.SplitN(strings.Trim(strings.TrimSpace(line), "|"), "|", 3)
		switch {
		case strings.HasPrefix(line, "| key | default |"):
			inKeys = true
		case !strings.HasPrefix(line, "|"):
			inKeys = false
			b.WriteString(line)
		case !inKeys:
			b.WriteString(line)
		case len(cells) == 3 && !strings.HasPrefix(line, "|---"):
			key, value, about := strings.TrimSpace(cells[0]), strings.TrimSpace(cells[1]), strings.TrimSpace(cells[2])
			if value != "" {
				key += ": " + value
			}
			if about != "" {
				key += "\n: " + about
			}
			fmt.Fprintf(b, "%s\n\n", key)
		}
	}
}
