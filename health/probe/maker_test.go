package probe

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gslb/health"
)

// unheardOf is a kind that there is no probe for.
type unheardOf struct{}

func (unheardOf) Kind() string    { return "icmp" }
func (unheardOf) Files() []string { return nil }
func (unheardOf) Where() string   { return "" }
func (unheardOf) Wants() []string { return nil }

// TestMakerRefuses has the Maker meet every mistake that it can find without a network.
func TestMakerRefuses(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	with := func(change func(*health.HTTP)) *health.HTTP {
		spec := spec200("http://192.0.2.1/")
		change(spec)
		return spec
	}
	headers := func(name, value string) *health.HTTP {
		return with(func(s *health.HTTP) { s.Headers = map[string]string{name: value} })
	}
	item := func(change func(*health.DynamoDB)) *health.DynamoDB {
		spec := specItem("")
		change(spec)
		return spec
	}
	beat := func(change func(*health.Heartbeat)) *health.Heartbeat {
		spec := specHeartbeat("")
		change(spec)
		return spec
	}
	tests := []struct {
		name string
		spec health.Spec
		want string
	}{
		{"no spec", nil, "target web@192.0.2.1: it has no spec"},
		{"unknown kind", unheardOf{}, `there is no probe of type "icmp"`},

		{"no host", spec200("http:///health"), `url: "http:///health" is not of the form http://host/`},
		{"other scheme", spec200("ftp://192.0.2.1/"), "is not of the form http://host/"},
		{"not a URL", spec200("http://192.0.2.1:port/"), "url: parse"},
		{"method", with(func(s *health.HTTP) { s.Method = "GE T" }), `invalid method "GE T"`},
		{"no status", with(func(s *health.HTTP) { s.Status = nil }), "status: the list is empty"},
		{"no roots file", with(func(s *health.HTTP) { s.TLS.RootsFile = "/nowhere/roots.pem" }), "roots file: open /nowhere/roots.pem"},
		{"empty roots file", with(func(s *health.HTTP) { s.TLS.RootsFile = empty }), empty + " holds no certificate"},
		{"no body looked at", with(func(s *health.HTTP) { s.Pattern = regexp.MustCompile("ok") }), "max_body: it is 0"},
		{"body of HEAD", with(func(s *health.HTTP) { s.Pattern, s.MaxBody, s.Method = regexp.MustCompile("ok"), 1, "HEAD" }), "the response to HEAD has no body"},
		{"header Host", headers("Host", "app.example.com"), `headers: "Host" cannot be set`},
		{"header Content-Length", headers("Content-Length", "7"), `headers: "Content-Length" cannot be set`},
		{"header name", headers("X Check", "1"), `headers: "X Check" cannot be set`},
		{"header smuggled in", headers("X-Check", "1\r\nX-Other: 2"), `headers: "X-Check" cannot be set`},

		{"no port", &health.TCP{Address: "192.0.2.1"}, "address: address 192.0.2.1: missing port"},

		{"no table", item(func(s *health.DynamoDB) { s.Table = "" }), "table: it is empty"},
		{"no region", item(func(s *health.DynamoDB) { s.Region = "" }), "region: it is empty"},
		{"no key", item(func(s *health.DynamoDB) { s.Key = nil }), "key: it names no attribute"},
		{"bad region", item(func(s *health.DynamoDB) { s.Region = "us east" }), `region: "us east" cannot be part of an endpoint's name`},
		{"bad endpoint", item(func(s *health.DynamoDB) { s.Endpoint = "localhost:8000" }), `endpoint: "localhost:8000" is not of the form`},

		{"dual-stack name as an endpoint", item(func(s *health.DynamoDB) { s.Endpoint = "https://dynamodb.eu-west-1.api.aws" }), "Please enable dual-stack"},
		{"account's name and FIPS", item(func(s *health.DynamoDB) { s.Names, s.FIPS = health.AccountName, true }), "region: there is no such endpoint of eu-west-1: "},
		{"account's name where there is none", item(func(s *health.DynamoDB) { s.Names, s.Region = health.BothNames, "us-iso-east-1" }), "region: there is no such endpoint of us-iso-east-1: "},

		{"heartbeat without a table", beat(func(s *health.Heartbeat) { s.Table = "" }), "table: it is empty"},
		{"heartbeat of a bad region", beat(func(s *health.Heartbeat) {
			s.Items["us east"] = s.Items[s.Region]
			s.Region = "us east"
		}), `region: "us east" cannot be part`},
		{"heartbeat of one region", beat(func(s *health.Heartbeat) { delete(s.Items, "eu-west-1"); delete(s.Items, "ap-south-1") }), "items: there is no other region"},
		{"heartbeat without its item", beat(func(s *health.Heartbeat) { delete(s.Items, "us-east-1") }), "items: there is none of region us-east-1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			probe, err := New(Options{Heartbeats: new(listener)})(health.Target{ID: "web@192.0.2.1", Spec: test.spec})
			if err == nil || probe != nil {
				t.Fatal("it was accepted")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("got  %v\nwant …%s…", err, test.want)
			}
		})
	}
}

// Heartbeats that nobody is told of are not made.
func TestMakerRefusesUntoldHeartbeats(t *testing.T) {
	_, err := New(Options{})(health.Target{ID: "orders@us-east-1", Spec: specHeartbeat("")})
	if err == nil || !strings.Contains(err.Error(), "nobody is told of heartbeats") {
		t.Error(err)
	}
}
