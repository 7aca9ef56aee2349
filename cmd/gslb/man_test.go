package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Every command that the help shows has a page, with all of its flags; zones.toml(5) has all keys of the
// documentation.
func TestManualPages(t *testing.T) {
	dir := t.TempDir()
	root := newCommand()
	root.SetArgs([]string{"man", dir, "--configuration", "../../docs/configuration.md"})
	must(t, root.Execute())
	page := func(name string) string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(dir, name))
		must(t, err)
		return string(text)
	}
	// As text, without the marks and escapes of troff.
	plain := func(text string) string {
		return regexp.MustCompile(`\\f.|\\&`).ReplaceAllString(strings.ReplaceAll(text, `\-`, "-"), "")
	}
	pages := 0
	var verify func(*cobra.Command)
	verify = func(cmd *cobra.Command) {
		if cmd.Hidden {
			return
		}
		pages++
		text := plain(page(strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"))
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden && !strings.Contains(text, "--"+f.Name) {
				t.Errorf("the page of %s does not have --%s", cmd.CommandPath(), f.Name)
			}
		})
		if strings.Contains(text, "[=false]") || !strings.Contains(text, cmd.Short) {
			t.Errorf("the page of %s is not as it should be:\n%s", cmd.CommandPath(), text)
		}
		for _, sub := range cmd.Commands() {
			if name := strings.ReplaceAll(sub.CommandPath(), " ", "-"); !sub.Hidden && !strings.Contains(text, name+"(1)\n"+sub.Short) {
				t.Errorf("the page of %s does not say what %s is for:\n%s", cmd.CommandPath(), name, text)
			}
			verify(sub)
		}
	}
	verify(newCommand())
	if all, _ := filepath.Glob(filepath.Join(dir, "*.1")); len(all) != pages {
		t.Errorf("there are %d pages for %d commands: %v", len(all), pages, all)
	}
	if text := plain(page("gslb-drain.1")); !strings.Contains(text, "--for=VALUE") || !strings.Contains(text, "--yes\n") {
		t.Errorf("it is not said which flags take a value:\n%s", text)
	}
	if text := plain(page("gslb-status.1")); !strings.Contains(text, "\n  3   no server was reached\n") {
		t.Errorf("a list does not stay lines:\n%s", text)
	}

	source, err := os.ReadFile("../../docs/configuration.md")
	must(t, err)
	configuration := page("zones.toml.5")
	plainConfiguration := plain(configuration)
	rows := regexp.MustCompile("(?m)^\\| `([a-z0-9_]+)`").FindAllStringSubmatch(string(source), -1)
	if len(rows) < 100 {
		t.Fatalf("only %d keys were found in the documentation", len(rows))
	}
	for _, row := range rows {
		if !strings.Contains(plainConfiguration, row[1]) {
			t.Errorf("zones.toml(5) does not have %s", row[1])
		}
	}
	for _, wrong := range []string{"](", "\n.TS\nallbox;\nl l l \nl l l .\nT{\nkey", "---"} {
		if strings.Contains(configuration, wrong) {
			t.Errorf("zones.toml(5) holds %q", wrong)
		}
	}
	if !strings.Contains(plainConfiguration, "members_file") || !strings.Contains(plainConfiguration, "a file of addresses, one a line") {
		t.Error("a key without a default is missing in zones.toml(5)")
	}
}
