package config

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"gslb/zones"
)

// write makes a folder of files.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		mustDo(t, os.MkdirAll(filepath.Dir(path), 0o700))
		mustDo(t, os.WriteFile(path, []byte(text), 0o600))
	}
	return dir
}

func load(t *testing.T, dir string) *zones.Set {
	t.Helper()
	set, err := Load(filepath.Join(dir, "zones.toml"), LoadOptions{Now: noon})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

const fileSample = `
server = { listen = ["127.0.0.1:0"] }
[zones."example.com"]
file = "db.example"
hostmaster = "dns@example.com"
`

func TestHashOfOneFileIsItsDigest(t *testing.T) {
	dir := write(t, map[string]string{"zones.toml": serialSample})
	sum := sha256.Sum256([]byte(serialSample))
	if got, want := load(t, dir).Hash, hex.EncodeToString(sum[:]); got != want {
		t.Errorf("hash %s, want %s", got, want)
	}
}

// The hash changes with every file that was read, and only then; Digest agrees with it.
func TestHashFollowsIncludedFiles(t *testing.T) {
	dir := write(t, map[string]string{
		"zones.toml": fileSample,
		"db.example": "@ NS ns.example.net.\n$INCLUDE db.more\n$INCLUDE db.more two\n",
		"db.more":    "www A 192.0.2.1\n",
	})
	before := load(t, dir)
	want := []string{filepath.Join(dir, "zones.toml"), filepath.Join(dir, "db.example"), filepath.Join(dir, "db.more")}
	if !slices.Equal(before.Files, want) {
		t.Errorf("files %q, want %q", before.Files, want)
	}
	if again := load(t, dir); again.Hash != before.Hash || new(Databases).Digest(before.Files) != before.Hash {
		t.Errorf("hash %s, then %s, and digest %s, of the same files", before.Hash, again.Hash, new(Databases).Digest(before.Files))
	}

	if err := os.WriteFile(filepath.Join(dir, "db.more"), []byte("www A 192.0.2.2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	after := load(t, dir)
	if after.Hash == before.Hash || new(Databases).Digest(before.Files) != after.Hash {
		t.Errorf("hash %s, then %s, and digest %s, of another content", before.Hash, after.Hash, new(Databases).Digest(before.Files))
	}
	if err := os.Remove(filepath.Join(dir, "db.more")); err != nil {
		t.Fatal(err)
	}
	if new(Databases).Digest(before.Files) == after.Hash {
		t.Error("the digest is the same without one of the files")
	}
}

// A link that leads out of the folder is no way around the rule for $INCLUDE.
func TestIncludeDoesNotFollowLinksOutside(t *testing.T) {
	outside := write(t, map[string]string{"secret": "www A 192.0.2.1\n"})
	dir := write(t, map[string]string{"zones.toml": fileSample, "db.example": "@ NS ns.example.net.\n$INCLUDE link\n"})
	if err := os.Symlink(filepath.Join(outside, "secret"), filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	_, err := Load(filepath.Join(dir, "zones.toml"), LoadOptions{Now: noon})
	want := filepath.Join(dir, "zones.toml") + `:4: zones."example.com".file: db.example:2: found $INCLUDE link; expected a readable file in the folder of zones.toml: path escapes from parent`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// An absolute path is one way to name a file in the folder, whatever links lead there.
func TestAbsoluteInclude(t *testing.T) {
	dir := write(t, map[string]string{"zones.toml": fileSample, "db.more": "www A 192.0.2.1\n"})
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	outside := write(t, map[string]string{"db.more": "www A 192.0.2.1\n"})
	for _, test := range []struct {
		from, included string
		taken          bool
	}{
		{dir, filepath.Join(dir, "db.more"), true},
		{link, filepath.Join(link, "db.more"), true},
		{link, filepath.Join(dir, "db.more"), true},
		{dir, filepath.Join(link, "db.more"), true},
		{dir, filepath.Join(outside, "db.more"), false},
		{dir, filepath.Join(dir, "..", filepath.Base(outside), "db.more"), false},
	} {
		text := "@ NS ns.example.net.\n$INCLUDE " + test.included + "\n"
		if err := os.WriteFile(filepath.Join(dir, "db.example"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(filepath.Join(test.from, "zones.toml"), LoadOptions{Now: noon})
		if test.taken != (err == nil) {
			t.Errorf("from %s, %s: %v; want it taken: %v", test.from, test.included, err, test.taken)
		}
	}
}

// A link within the folder may name its target by an absolute path, in the last place or before.
func TestIncludeByAbsoluteLink(t *testing.T) {
	dir := write(t, map[string]string{
		"zones.toml":           fileSample,
		"db.example":           "@ NS ns.example.net.\n$INCLUDE link\n$INCLUDE current/db.more\n",
		"releases/1/db.linked": "www A 192.0.2.1\n",
		"releases/2/db.more":   "ftp A 192.0.2.2\n",
	})
	mustDo(t, os.Symlink(filepath.Join(dir, "releases", "1", "db.linked"), filepath.Join(dir, "link")))
	mustDo(t, os.Symlink(filepath.Join(dir, "releases", "2"), filepath.Join(dir, "current")))
	before := load(t, dir)
	mustDo(t, os.WriteFile(filepath.Join(dir, "releases", "1", "db.linked"), []byte("www A 192.0.2.3\n"), 0o600))
	if new(Databases).Digest(before.Files) == before.Hash {
		t.Error("that the target of the link has another content does not show")
	}
}

// Other content of a file that belongs to a check makes another fingerprint, so that no verdict by the old one
// survives, and so does another limit of what is slow.
func TestFingerprintFollowsFiles(t *testing.T) {
	roots, err := os.ReadFile("testdata/accept/db/roots.pem")
	if err != nil {
		t.Fatal(err)
	}
	cert, key := selfSigned(t, noon.Add(-time.Hour), noon.Add(time.Hour))
	other, otherKey := selfSigned(t, noon.Add(-time.Hour), noon.Add(time.Hour))
	contents := map[string]string{
		"roots.pem": string(roots), "client.pem": string(cert), "client.key": string(key), "secret": "gslb:one\n", "zones.toml": `
server = { listen = ["127.0.0.1:0"] }
pools.nyc = { members = ["203.0.113.10"], checks = ["web"] }
[zones."example.com"]
nameservers = { "ns.example.net." = [] }
names.app = { pools = ["nyc"] }
[checks.web]
type = "http"
url = "https://{address}/"
roots_file = "roots.pem"
cert_file = "client.pem"
key_file = "client.key"
auth = { basic_file = "secret" }
slow = "800ms"
`}
	dir := t.TempDir()
	fingerprint := func(change map[string]string) string {
		changed := maps.Clone(contents)
		maps.Copy(changed, change)
		for name, text := range changed {
			mustDo(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		}
		return load(t, dir).Targets[0].Fingerprint
	}
	first := fingerprint(nil)
	if again := fingerprint(nil); again != first {
		t.Errorf("fingerprint %s, then %s, with the same files", first, again)
	}
	for name, change := range map[string]map[string]string{
		"roots":       {"roots.pem": string(roots) + string(roots)},
		"certificate": {"client.pem": string(other), "client.key": string(otherKey)},
		"secret":      {"secret": "gslb:two\n"},
		"slow":        {"zones.toml": strings.ReplaceAll(contents["zones.toml"], "800ms", "900ms")},
	} {
		if fingerprint(change) == first {
			t.Errorf("the fingerprint is the same with another %s", name)
		}
	}
}

// A file that was wrong in whatever way is among those to watch, and Digest tells as soon as it
// can be read, or is wrong in another way.
func TestFilesThatCannotBeReadAreWatched(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, path string){
		"missing":  func(*testing.T, string) {},
		"a folder": func(t *testing.T, path string) { mustDo(t, os.Mkdir(path, 0o700)) },
		"a pipe":   func(t *testing.T, path string) { mustDo(t, syscall.Mkfifo(path, 0o600)) },
		"a circle": func(t *testing.T, path string) { mustDo(t, os.Symlink(path, path)) },
		"a link outside": func(t *testing.T, path string) {
			outside := filepath.Join(filepath.Dir(filepath.Dir(path)), "outside")
			mustDo(t, os.WriteFile(outside, []byte("www A 192.0.2.1\n"), 0o600))
			mustDo(t, os.Symlink(outside, path))
		},
		"a link to nothing": func(t *testing.T, path string) { mustDo(t, os.Symlink("none", path)) },
	} {
		for how, text := range map[string]string{
			"included":     "@ NS ns.example.net.\n$INCLUDE wrong\n",
			"a zone's own": "",
		} {
			t.Run(name+" "+how, func(t *testing.T) {
				main := fileSample
				if text == "" {
					main = strings.Replace(main, "db.example", "wrong", 1)
				}
				dir := write(t, map[string]string{"in/zones.toml": main, "in/db.example": text})
				path := filepath.Join(dir, "in", "wrong")
				spoil(t, path)
				var watched []string
				var tried string
				_, err := Load(filepath.Join(dir, "in", "zones.toml"), LoadOptions{Now: noon, Read: func(files []string, digest string) { watched, tried = files, digest }})
				if err == nil {
					if name == "a link outside" && text == "" {
						return // only what is included must lie inside
					}
					t.Fatal("it was taken")
				}
				if !slices.Contains(watched, path) {
					t.Errorf("watched are %q, want %s too", watched, path)
				}
				if digest := new(Databases).Digest(watched); digest != tried {
					t.Errorf("digest %s, then %s, and nothing changed", tried, digest)
				}
				mustDo(t, os.RemoveAll(path))
				mustDo(t, os.WriteFile(path, nil, 0o600))
				if new(Databases).Digest(watched) == tried {
					t.Error("that it can be read now, and is empty, does not show")
				}
			})
		}
	}
}

func mustDo(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
