package config

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every configuration that the documentation shows must be one.
func TestDocumentedConfigurations(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?ms)^( *)```toml\n(.*?)^ *```")
	found := 0
	for _, page := range append(pages, "../../README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range block.FindAllStringSubmatch(string(text), -1) {
			found++
			indent, config := match[1], match[2]
			config = strings.ReplaceAll("\n"+config, "\n"+indent, "\n")
			if _, err := Parse([]byte(config), "zones.toml", LoadOptions{}); err != nil {
				t.Errorf("%s: %s\n%v", page, config, err)
			}
		}
	}
	if found < 3 {
		t.Errorf("only %d configurations were found in the documentation", found)
	}
}

func TestWorkedExample(t *testing.T) {
	set, err := Load("../../zones.toml", LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(set.Pools) != 2 || len(set.Targets) != 4 {
		t.Errorf("%d pools and %d targets, want 2 and 4", len(set.Pools), len(set.Targets))
	}
}
