package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

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
		{"nothing changed, but the file is newer", "", "", later, uint32(later.Unix())},
		{"nothing changed", "", "", noon, first.Serial},
		{"another order, and the file is older", "www A 192.0.2.1\nftp A 192.0.2.2", "ftp A 192.0.2.2\nwww A 192.0.2.1", noon.Add(-time.Hour), first.Serial},
		{"another comment", "www A 192.0.2.1", "www A 192.0.2.1 ; comment", noon, first.Serial},
		{"a member, which no static data depends on", "203.0.113.10", "203.0.113.11", noon, first.Serial},
		{"a record", "192.0.2.1", "192.0.2.3", later, uint32(later.Unix())},
		{"a nameserver", "192.0.2.53", "192.0.2.54", later, uint32(later.Unix())},
		{"the name's steering", `pools = ["nyc"]`, "pools = [\"nyc\"]\nttl = \"1s\"", later, uint32(later.Unix())},
		{"the negative TTL", "records =", "negative_ttl = \"9s\"\nrecords =", later, uint32(later.Unix())},
		{"a name", ".names.app]", ".names.api]", later, uint32(later.Unix())},
		{"within the second", "192.0.2.1", "192.0.2.3", noon, first.Serial + 1},
		{"the file is older", "192.0.2.1", "192.0.2.3", noon.Add(-time.Hour), first.Serial + 1},
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

// Whatever the times of the files and the prior serial: with the same content a serial never
// falls, and with another it rises, in the arithmetic of RFC 1982, section 3.2.
func TestSerialRises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		prior := rapid.Uint32().Draw(t, "prior")
		at := time.Unix(int64(rapid.Uint32().Draw(t, "modified")), 0)
		changed := rapid.Bool().Draw(t, "changed")

		before, err := Parse([]byte(serialSample), "zones.toml", LoadOptions{Now: at})
		if err != nil {
			t.Fatal(err)
		}
		hash := before.Zones[0].Hash
		if changed {
			hash = "another"
		}
		set, err := Parse([]byte(serialSample), "zones.toml", LoadOptions{Now: at, Serials: func(string) map[string]zones.Serial {
			return map[string]zones.Serial{before.Zones[0].Name: {Hash: hash, Serial: prior}}
		}})
		if err != nil {
			t.Fatal(err)
		}
		ahead := set.Zones[0].Serial - prior
		if ahead >= 1<<31 || changed && ahead == 0 {
			t.Fatalf("%d comes after %d", set.Zones[0].Serial, prior)
		}
	})
}

// Two servers have the same serial for the same files, whenever they load them and whatever else
// they have served before; it is that of the newest file of each zone.
func TestSerialIsThatOfTheFiles(t *testing.T) {
	files := map[string]string{
		"zones.toml": `server = { listen = ["127.0.0.1:0"] }
[zones."a.example"]
file = "a.db"
hostmaster = "dns@example.com"
[zones."b.example"]
file = "b.db"
hostmaster = "dns@example.com"
[zones."c.example"]
nameservers = { "ns.example.net." = [] }
serial = 2026010107
`,
		"a.db":    "@ NS ns.example.net.\n$INCLUDE more.db\n",
		"more.db": "www A 192.0.2.1\n",
		"b.db":    "@ NS ns.example.net.\n",
	}
	times := map[string]time.Time{
		"zones.toml": noon, "a.db": noon.Add(-time.Hour), "more.db": noon.Add(time.Hour), "b.db": noon.Add(-time.Hour),
	}
	want := []uint32{uint32(noon.Add(time.Hour).Unix()), uint32(noon.Unix()), 2026010107}
	for server := range 2 {
		dir := write(t, files)
		for name, at := range times {
			if err := os.Chtimes(filepath.Join(dir, name), at, at); err != nil {
				t.Fatal(err)
			}
		}
		set, err := Load(filepath.Join(dir, "zones.toml"), LoadOptions{Now: noon.Add(time.Duration(server) * 24 * time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		for i, z := range set.Zones {
			if z.Serial != want[i] {
				t.Errorf("server %d has serial %d for %s, want %d", server, z.Serial, z.Name, want[i])
			}
		}
	}
}

// An operator's own serial is taken as it is; that it has to rise is said.
func TestGivenSerial(t *testing.T) {
	text := strings.Replace(serialSample, "records =", "serial = 7\nrecords =", 1)
	for _, test := range []struct {
		hash     string
		prior    uint32
		warnings int
	}{{"another", 7, 1}, {"another", 8, 1}, {"another", 6, 0}, {"", 7, 0}} {
		o := LoadOptions{Serials: func(string) map[string]zones.Serial {
			if test.hash == "" {
				return nil
			}
			return map[string]zones.Serial{"gslb.example.com.": {Hash: test.hash, Serial: test.prior}}
		}}
		set := mustParse(t, text, o)
		if set.Zones[0].Serial != 7 || len(set.Warnings) != test.warnings {
			t.Errorf("after %+v: serial %d, warnings %v", test, set.Zones[0].Serial, set.Warnings)
		}
		checkSet(t, set)
	}
}
