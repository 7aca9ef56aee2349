package config

import (
	"strings"
	"testing"
	"time"

	"gslb/zones"
)

const serialSample = `
server = { listen = ["127.0.0.1:0"], state_dir = "state" }
[pools.nyc]
members = ["203.0.113.10"]
[zones."gslb.example.com"]
nameservers = { ns1 = ["192.0.2.53"] }
records = """
www A 192.0.2.1
ftp A 192.0.2.2
"""
[zones."gslb.example.com".names.app]
pools = ["nyc"]
`

func TestSerial(t *testing.T) {
	first := mustParse(t, serialSample, LoadOptions{}).Zones[0]
	if want := uint32(noon.Unix()); first.Serial != want {
		t.Fatalf("the first serial is %d, want the time, %d", first.Serial, want)
	}
	later := noon.Add(time.Hour)
	tests := []struct {
		name     string
		old, new string // replaced in the sample
		now      time.Time
		want     uint32
	}{
		{"nothing changed", "", "", later, first.Serial},
		{"another order", "www A 192.0.2.1\nftp A 192.0.2.2", "ftp A 192.0.2.2\nwww A 192.0.2.1", later, first.Serial},
		{"another comment", "www A 192.0.2.1", "www A 192.0.2.1 ; comment", later, first.Serial},
		{"a member, which no static data depends on", "203.0.113.10", "203.0.113.11", later, first.Serial},
		{"a record", "192.0.2.1", "192.0.2.3", later, uint32(later.Unix())},
		{"a nameserver", "192.0.2.53", "192.0.2.54", later, uint32(later.Unix())},
		{"the name's steering", `pools = ["nyc"]`, "pools = [\"nyc\"]\nttl = \"1s\"", later, uint32(later.Unix())},
		{"the negative TTL", "records =", "negative_ttl = \"9s\"\nrecords =", later, uint32(later.Unix())},
		{"a name", ".names.app]", ".names.api]", later, uint32(later.Unix())},
		{"within the second", "192.0.2.1", "192.0.2.3", noon, first.Serial + 1},
		{"the clock went back", "192.0.2.1", "192.0.2.3", noon.Add(-time.Hour), first.Serial + 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var asked string
			o := LoadOptions{Now: test.now, Serials: func(stateDir string) map[string]zones.Serial {
				asked = stateDir
				return map[string]zones.Serial{first.Name: {Hash: first.Hash, Serial: first.Serial}}
			}}
			text := strings.Replace(serialSample, test.old, test.new, 1)
			set := mustParse(t, text, o)
			if got := set.Zones[0].Serial; got != test.want {
				t.Errorf("serial %d, want %d", got, test.want)
			}
			if asked != "state" {
				t.Errorf("asked for the serials in %q", asked)
			}
			checkSet(t, set)
		})
	}
}

// Once a serial has wrapped around, the time is below it in RFC 1982's sense or above.
func TestNextSerialWraps(t *testing.T) {
	tests := []struct{ prior, now, want uint32 }{
		{5, 10, 10},
		{10, 10, 11},
		{10, 5, 11},
		{1<<32 - 1, 0, 0},
		{1<<32 - 1, 1<<32 - 1, 0},
		{1<<32 - 5, 3, 3},
		{3, 1<<32 - 5, 4},
	}
	for _, test := range tests {
		if got := nextSerial(test.prior, time.Unix(int64(test.now), 0)); got != test.want {
			t.Errorf("after %d at %d comes %d, want %d", test.prior, test.now, got, test.want)
		}
	}
}
