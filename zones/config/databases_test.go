package config

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gslb/geo/geotest"
	"gslb/zones"
	"gslb/zones/problem"
)

const geographicSample = `
server = { listen = ["127.0.0.1:0"], geoip = ["City.mmdb"] }
pools.nyc.members = ["203.0.113.10"]
pools.ams.members = ["198.51.100.10"]
[zones."example.com"]
nameservers = { "ns.example.net." = [] }
[zones."example.com".names.app.views]
"country:US" = ["nyc"]
default = ["ams"]
`

// makeDatabase is a database made from a table.
func makeDatabase(t testing.TB, table string) string {
	t.Helper()
	data, err := geotest.Parse("GeoLite2-City", table)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// A database is one of the files: it is watched, and the hash is of it too.
func TestHashFollowsDatabases(t *testing.T) {
	dir := write(t, map[string]string{"zones.toml": geographicSample, "City.mmdb": makeDatabase(t, "192.0.2.0/24 country=US")})
	path := filepath.Join(dir, "City.mmdb")
	var kept Databases
	load := func() *zones.Set {
		t.Helper()
		set, err := Load(filepath.Join(dir, "zones.toml"), LoadOptions{Now: noon, Databases: &kept})
		if err != nil {
			t.Fatal(err)
		}
		return set
	}
	before := load()
	if !slices.Contains(before.Files, path) {
		t.Errorf("watched are %q, want %s too", before.Files, path)
	}
	for name, d := range map[string]*Databases{"kept": &kept, "new": new(Databases)} {
		if got := d.Digest(before.Files); got != before.Hash {
			t.Errorf("%s: digest %s, want %s", name, got, before.Hash)
		}
	}
	if again := load(); again.Steerings[0].Map != before.Steerings[0].Map {
		t.Error("the map is made again of the same database")
	}
	mustDo(t, os.WriteFile(path, []byte(makeDatabase(t, "198.51.100.0/24 country=US")), 0o600))
	after := load()
	if after.Hash == before.Hash || kept.Digest(before.Files) != after.Hash || after.Steerings[0].Map == before.Steerings[0].Map {
		t.Errorf("hash %s, then %s, and digest %s, of another database", before.Hash, after.Hash, kept.Digest(before.Files))
	}
	mustDo(t, os.Remove(path))
	if kept.Digest(before.Files) == after.Hash {
		t.Error("the digest is the same without the database")
	}
}

// A database that has rested is read once, however often it is looked at.
func TestRestedDatabaseIsReadOnce(t *testing.T) {
	const path = "testdata/accept/db/City.mmdb"
	want, err := os.ReadFile(path)
	mustDo(t, err)
	var kept Databases
	first, content, err := kept.read(path)
	if err != nil || !bytes.Equal(content, want) {
		t.Fatalf("read %d bytes: %v", len(content), err)
	}
	again, content, err := kept.read(path)
	if err != nil || again != first || content != nil {
		t.Errorf("read %d bytes again: %v", len(content), err)
	}

	// What may be written to at this moment is not taken to be as it was.
	fresh := filepath.Join(t.TempDir(), "City.mmdb")
	for _, text := range []string{"one", "two"} {
		mustDo(t, os.WriteFile(fresh, []byte(text), 0o600))
		if _, content, err := kept.read(fresh); err != nil || string(content) != text {
			t.Errorf("read %q: %v, want %q", content, err, text)
		}
	}
}

// A database that is replaced between the look at it and its use is not taken for the one before.
func TestDatabaseReplacedWhileLoading(t *testing.T) {
	l := newLoader("zones.toml", newReader("zones.toml"), LoadOptions{})
	const path = "testdata/accept/db/City.mmdb"
	for range 2 { // the second does not read
		if _, err := l.database(path); err != nil {
			t.Fatal(err)
		}
	}
	known := l.databases.known[path]
	known.digest[0]++ // of another content with this stamp
	l.databases.known[path] = known
	source, err := l.database(path)
	mustDo(t, err)
	if data, err := source.Read(); err == nil || !strings.Contains(err.Error(), "changed") {
		t.Errorf("read %d bytes: %v, want that it has changed", len(data), err)
	}
}

// Several damaged databases are reported in one go, and watched: a mended one is noticed.
func TestDamagedDatabases(t *testing.T) {
	whole := makeDatabase(t, "192.0.2.0/24 country=US")
	dir := write(t, map[string]string{
		"zones.toml": strings.Replace(geographicSample, `["City.mmdb"]`, `["City.mmdb", "ASN.mmdb", "none.mmdb"]`, 1),
		"City.mmdb":  whole[:len(whole)/2], "ASN.mmdb": "",
	})
	var kept Databases
	try := func() (files []string, digest string, err error) {
		_, err = Load(filepath.Join(dir, "zones.toml"), LoadOptions{Now: noon, Databases: &kept, Read: func(f []string, d string) { files, digest = f, d }})
		return files, digest, err
	}
	for _, step := range []struct {
		write string
		want  []string
	}{
		{"", []string{"server.geoip[2]"}},
		{"none.mmdb", []string{"City.mmdb is damaged", "ASN.mmdb is damaged"}},
		{"City.mmdb", []string{"ASN.mmdb is damaged"}},
		{"ASN.mmdb", nil},
	} {
		if step.write != "" {
			mustDo(t, os.WriteFile(filepath.Join(dir, step.write), []byte(whole), 0o600))
		}
		files, digest, err := try()
		if got := kept.Digest(files); got != digest {
			t.Errorf("%s: digest %s, then %s, and nothing changed", step.write, digest, got)
		}
		var errs *problem.Errors
		if errors.As(err, &errs) != (step.want != nil) {
			t.Fatalf("after %q: %v", step.write, err)
		}
		for _, want := range step.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("after %q: %v, want %s", step.write, err, want)
			}
		}
	}
}

// A database that is too large is refused once, and not tried again while it stays so.
func TestDatabaseThatIsTooLarge(t *testing.T) {
	dir := write(t, map[string]string{"zones.toml": geographicSample, "City.mmdb": ""})
	mustDo(t, os.Truncate(filepath.Join(dir, "City.mmdb"), maxDatabase+1))
	var kept Databases
	var files []string
	var digest string
	_, err := Load(filepath.Join(dir, "zones.toml"), LoadOptions{Now: noon, Databases: &kept, Read: func(f []string, d string) { files, digest = f, d }})
	if err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("%v; want that it is too large", err)
	}
	if got := kept.Digest(files); got != digest {
		t.Errorf("digest %s, then %s, and nothing changed", digest, got)
	}
}

// A view whose last network has gone from a database keeps no server from starting.
func TestViewWithoutClientsIsServed(t *testing.T) {
	dir := write(t, map[string]string{"zones.toml": geographicSample, "City.mmdb": makeDatabase(t, "192.0.2.0/24 country=NL")})
	path := filepath.Join(dir, "zones.toml")
	const message = "no client can match: the databases (City.mmdb) have no network of country:US"
	if _, err := Load(path, LoadOptions{Now: noon}); err == nil || !strings.Contains(err.Error(), message) {
		t.Errorf("checked: %v, want that %s", err, message)
	}
	set, err := Load(path, LoadOptions{Now: noon, Serving: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(set.Warnings) != 1 || !strings.Contains(set.Warnings[0].Error(), message) {
		t.Errorf("warnings %v, want that %s", set.Warnings, message)
	}
}
