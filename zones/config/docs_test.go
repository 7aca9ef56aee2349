package config

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"gslb/geo/geotest"
)

// Every configuration that the documentation shows must be one. A block without [server] goes on from
// the first block of its page.
func TestDocumentedConfigurations(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "zones.toml")
	writeDatabases(t, filepath.Dir(path))
	writeAdminFiles(t, filepath.Dir(path))
	writeNotifyFiles(t, filepath.Dir(path))
	block := regexp.MustCompile("(?ms)^( *)```toml\n(.*?)^ *```")
	found := 0
	for _, page := range append(pages, "../../README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		first := ""
		for _, match := range block.FindAllStringSubmatch(string(text), -1) {
			found++
			indent, config := match[1], match[2]
			config = strings.ReplaceAll("\n"+config, "\n"+indent, "\n")
			if first == "" {
				first = config
			} else if !strings.Contains(config, "[server]") {
				config = first + config
			}
			if _, err := Parse([]byte(config), path, LoadOptions{}); err != nil {
				t.Errorf("%s: %s\n%v", page, config, err)
			}
		}
	}
	if found < 3 {
		t.Errorf("only %d configurations were found in the documentation", found)
	}
}

// Every key has a row in a table of the page, under the head of its own table.
func TestEveryKeyIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	section := func(head string) string {
		_, rest, _ := strings.Cut(string(page), "\n"+head+"\n")
		level, _, _ := strings.Cut(head, " ")
		text, _, _ := strings.Cut(rest, "\n"+level+" ")
		return text
	}
	for head, raw := range map[string]any{
		"## [server]":                  rawServer{},
		"### [server.rate_limit]":      rawRateLimit{},
		"### [server.tcp]":             rawTCPLimits{},
		"### [server.dnstap]":          rawDnstap{},
		"## [admin]":                   rawAdmin{},
		"## [safety]":                  rawSafety{},
		"## [notify]":                  rawNotify{},
		"### [notify.targets.NAME]":    rawNotifyTarget{},
		"## [checks.NAME]":             rawCheck{},
		"### How a check connects":     rawLink{},
		`### type = "http"`:            rawHTTP{},
		"### Weight and load":          rawLoad{},
		"#### shed":                    rawShed{},
		`### type = "tcp"`:             rawTCP{},
		`### type = "tls"`:             rawTLS{},
		`### type = "dynamodb"`:        rawDynamoDB{},
		`### type = "dns"`:             rawDNS{},
		`### type = "grpc"`:            rawGRPC{},
		`### type = "haproxy"`:         rawHAProxy{},
		`### type = "prometheus"`:      rawPrometheus{},
		`### type = "exec"`:            rawExec{},
		`### type = "push"`:            rawPush{},
		`### type = "all" or "any"`:    rawCalculated{},
		`### type = "at_least"`:        rawAtLeast{},
		`### type = "not"`:             rawNot{},
		"## [replication.NAME]":        rawReplication{},
		"### Hooks of a move":          rawHook{},
		"## [pools.NAME]":              rawPool{},
		`## [zones."NAME"]`:            rawZone{},
		`## [zones."NAME".names.NAME]`: rawName{},
	} {
		text := section(head)
		for _, f := range reflect.VisibleFields(reflect.TypeOf(raw)) {
			key, _, _ := strings.Cut(f.Tag.Get("toml"), ",")
			table := f.Type.Kind() == reflect.Struct && f.Type != durationType || f.Type == reflect.TypeFor[*rawDnstap]()
			if key == "" || len(f.Index) > 1 || table || key == "names" {
				continue // of another table
			}
			row := regexp.MustCompile("(?m)^\\|[^|]*`" + key + "`")
			if !row.MatchString(text) {
				t.Errorf("%s has no row for %s", head, key)
			}
		}
	}
}

// writeNotifyFiles makes the secrets of those who are told of incidents.
func writeNotifyFiles(t *testing.T, dir string) {
	t.Helper()
	for name, content := range map[string]string{
		"slack.url":     "slack://hook:AAAAAAAAA-BBBBBBBBB-123456789123456789123456@webhook",
		"pagerduty.url": "pagerduty:///0123456789abcdef0123456789abcdef",
		"mail.url":      "smtp://gslb:secret@mail.example.com:587/?from=gslb@example.com&to=ops@example.com",
		"hook.key":      "0123456789abcdef",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// writeDatabases makes the databases that the documentation names. They can tell views of every kind.
func writeDatabases(t *testing.T, dir string) {
	t.Helper()
	for name, table := range map[string]string{
		"City.mmdb": "192.0.2.0/24 country=US continent=NA subdivision=CA at=37.8,-122.4\n198.51.100.0/24 country=NL continent=EU subdivision=NH at=52.4,4.9",
		"ASN.mmdb":  "192.0.2.0/24 asn=64500",
	} {
		database, err := geotest.Parse(name, table)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), database, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWorkedExample(t *testing.T) {
	set, err := Load("../../zones.toml", LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(set.Pools) != 2 || len(set.Targets) != 6 {
		t.Errorf("%d pools and %d targets, want 2 and 6", len(set.Pools), len(set.Targets))
	}
}
