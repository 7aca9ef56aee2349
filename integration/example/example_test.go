package example

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gslb/integration/parts"
)

const zonesFile = "zones.toml"

// TestRead reads the root zones.toml, which make run serves.
func TestRead(t *testing.T) {
	got, err := Read(filepath.Join("..", "..", zonesFile))
	if err != nil {
		t.Fatal(err)
	}
	region := func(name, aws, listen, dynamodb string) parts.RegionConfig {
		return parts.RegionConfig{
			Name: name, AWSRegion: aws,
			Listen: netip.MustParseAddrPort(listen), DynamoDB: netip.MustParseAddrPort(dynamodb),
			Table: "YourAppTable", Key: map[string]string{"id": "123"},
		}
	}
	want := &Example{
		DNS:   netip.MustParseAddrPort("127.0.0.1:5300"),
		Admin: netip.MustParseAddrPort("127.0.0.1:8053"),
		Regions: []parts.RegionConfig{
			region("ams", "eu-west-1", "127.0.0.12:8080", "127.0.0.1:8102"),
			region("nyc", "us-east-1", "127.0.0.11:8080", "127.0.0.1:8101"),
		},
		Zone:    "gslb.example.com.",
		Servers: []netip.Addr{netip.MustParseAddr("192.0.2.53"), netip.MustParseAddr("198.51.100.53")},
		Names:   []string{"app.gslb.example.com.", "www.gslb.example.com."},
		Steered: map[string]Name{
			"app.gslb.example.com.": {[]string{"nyc", "ams"}, 5 * time.Second},
			"www.gslb.example.com.": {[]string{"ams", "nyc"}, 20 * time.Second}, // the zone's
		},
		Checks: []Check{
			{"dynamodb", 2 * time.Second, 500 * time.Millisecond, time.Second, 2},
			{"http", 2 * time.Second, 500 * time.Millisecond, time.Second, 2},
		},
		Copied: true,
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.AddrPort{}, netip.Addr{})); diff != "" {
		t.Errorf("Read (-want +got):\n%s", diff)
	}
}

func TestReadRefuses(t *testing.T) {
	whole, err := os.ReadFile(filepath.Join("..", "..", zonesFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, old, new, want string }{
		{"no TOML", "[server]", "[server", "zones.toml"},
		{"no admin", "[admin]", "[another]", "admin.listen: the demonstration needs"},
		{"two members", `["127.0.0.12"]`, `["127.0.0.12", "127.0.0.13"]`, "pools.ams: members: the demonstration has one load balancer in a pool, not 2"},
		{"no table", `type          = "dynamodb"`, `type = "tcp"`, "pools.ams: the demonstration needs"},
		{"no port", "{address}:8080", "{address}", "pools.ams: checks: the address of the load balancer"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), zonesFile)
			if err := os.WriteFile(path, []byte(strings.Replace(string(whole), test.old, test.new, 1)), 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := Read(path); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Read() = %v, want %q", err, test.want)
			}
		})
	}
}

// A server's own copy differs by its place alone.
func TestWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), zonesFile)
	at := func(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }
	place := Place{Listen: []netip.AddrPort{at("127.0.0.1:5301"), at("198.51.100.53:53")}, Admin: at("127.0.0.1:8054"), State: "var/ns2", ID: "ns2"}
	if err := Write(path, filepath.Join("..", "..", zonesFile), place); err != nil {
		t.Fatal(err)
	}
	got, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	want, err := Read(filepath.Join("..", "..", zonesFile))
	if err != nil {
		t.Fatal(err)
	}
	want.DNS, want.Admin = place.Listen[0], place.Admin
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.AddrPort{}, netip.Addr{})); diff != "" {
		t.Errorf("the copy (-want +got):\n%s", diff)
	}
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), `state_dir = "var/ns2"`) || !strings.Contains(string(text), `id = "ns2"`) {
		t.Errorf("no state or id of its own: %v, %s", err, text)
	}
}
