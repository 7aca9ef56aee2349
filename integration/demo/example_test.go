package main

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gslb/integration/parts"
)

// TestReadExample reads the root zones.toml, which make run serves.
func TestReadExample(t *testing.T) {
	got, err := readExample(filepath.Join("..", "..", zonesFile))
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
	want := &example{
		DNS:   netip.MustParseAddrPort("127.0.0.1:5300"),
		Admin: netip.MustParseAddrPort("127.0.0.1:8053"),
		Regions: []parts.RegionConfig{
			region("ams", "eu-west-1", "127.0.0.12:8080", "127.0.0.1:8102"),
			region("nyc", "us-east-1", "127.0.0.11:8080", "127.0.0.1:8101"),
		},
		Names:  []string{"app.gslb.example.com.", "www.gslb.example.com."},
		Copied: true,
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.AddrPort{})); diff != "" {
		t.Errorf("readExample (-want +got):\n%s", diff)
	}
}

func TestReadExampleRefuses(t *testing.T) {
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
			if _, err := readExample(path); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("readExample() = %v, want %q", err, test.want)
			}
		})
	}
}
