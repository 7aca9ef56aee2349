package gdnsd

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"gslb/zones/config"
	"gslb/zones/problem"
)

var update = flag.Bool("update", false, "write what is wanted anew")

// imported imports an archive, and returns the text and the notes with the folder's name replaced.
func imported(t testing.TB, archive *txtar.Archive) (dir, text, notes string, err error) {
	t.Helper()
	dir = unpack(t, archive)
	result, err := Import(dir)
	var b strings.Builder
	if result != nil {
		text = strings.ReplaceAll(string(result.Text), dir, "/etc/gdnsd")
		for _, n := range result.Notes {
			b.WriteString(n.String() + "\n")
		}
	}
	return dir, text, strings.ReplaceAll(b.String(), dir, "/etc/gdnsd"), err
}

// Each folder in testdata/import makes the zones.toml and the notes that stand behind it.
func TestImport(t *testing.T) {
	paths, err := filepath.Glob("testdata/import/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("%d archives: %v", len(paths), err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			input := &txtar.Archive{Comment: archive.Comment}
			var wantText, wantNotes string
			for _, f := range archive.Files {
				switch f.Name {
				case "want.toml":
					wantText = string(f.Data)
				case "want.notes":
					wantNotes = string(f.Data)
				default:
					input.Files = append(input.Files, f)
				}
			}
			dir, text, notes, err := imported(t, input)
			if err != nil {
				t.Fatalf("%v\n%s", err, notes)
			}
			if _, again, _, _ := imported(t, input); again != text {
				t.Errorf("the same input makes another text:\n%s", cmp.Diff(text, again))
			}
			isValid(t, dir, text)
			if *update {
				input.Files = append(input.Files, txtar.File{Name: "want.notes", Data: []byte(notes)}, txtar.File{Name: "want.toml", Data: []byte(text)})
				if err := os.WriteFile(path, txtar.Format(input), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(wantText, text); diff != "" {
				t.Errorf("the text (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(wantNotes, notes); diff != "" {
				t.Errorf("the notes (-want +got):\n%s", diff)
			}
		})
	}
}

// isValid checks what is made of a folder as gslb does.
func isValid(t *testing.T, dir, text string) {
	t.Helper()
	path := filepath.Join(dir, "zones.toml")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "/etc/gdnsd", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	set, err := config.Load(path, config.LoadOptions{Now: time.Unix(1, 0)})
	if err != nil {
		t.Errorf("it is not valid: %v", err)
		return
	}
	for _, warning := range set.Warnings {
		if !strings.Contains(warning.Error(), "there is no default") { // which is meant, and commented on
			t.Errorf("warning: %v", warning)
		}
	}
}

func TestNothingToImport(t *testing.T) {
	for _, test := range []struct {
		files, want string
		nothing     bool
	}{
		{files: "-- config --\n", want: "there is no zone", nothing: true},
		{files: "-- config --\n-- zones/example.com --\nwww A 192.0.2.1\n", want: "there is no zone", nothing: true},
		{files: "-- config --\noptions = {\n", want: "config:1: the table is not closed"},
		{files: "-- config --\n[ a ]\n", want: "config:1: the configuration is a list; expected options, service_types and plugins"},
	} {
		_, text, _, err := imported(t, txtar.Parse([]byte(test.files)))
		if err == nil || !strings.Contains(err.Error(), test.want) || errors.Is(err, ErrNothing) != test.nothing || text != "" {
			t.Errorf("%s%v, %q; want %s", test.files, err, text, test.want)
		}
	}
	if _, err := Import(filepath.Join(t.TempDir(), "absent")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
}

// Views that cannot be judged, since the database is somewhere else, are kept.
func TestDatabaseElsewhere(t *testing.T) {
	_, text, notes, err := imported(t, txtar.Parse([]byte(`
-- config --
plugins => { geoip => {
  maps => { m => { geoip2_db => absent.mmdb, datacenters => [ us, de ], map => { EU => de } } }
  resources => { www => { map => m, dcmap => { us => 192.0.2.1, de => 192.0.2.2 } } }
} }
-- zones/example.com --
@ SOA ns1 dns 1 2 3 4 60
@ NS ns1
ns1 A 192.0.2.53
www DYNA geoip!www
`)))
	if err != nil || !strings.Contains(text, `"continent:EU" = ["www-de"]`) {
		t.Errorf("%v\n%s", err, text)
	}
	const want = "config:2: map m: its views are kept without a look at whether its database knows of them: open /etc/gdnsd/geoip/absent.mmdb: no such file or directory\n"
	if notes != want {
		t.Errorf("notes:\n%s", notes)
	}
}

// Whatever stands in the files, an import ends without a panic, and what it makes is TOML.
func FuzzImport(f *testing.F) {
	paths, err := filepath.Glob("testdata/import/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		var text, zone []byte
		for _, file := range archive.Files {
			switch file.Name {
			case configName:
				text = file.Data
			case "zones/example.com":
				zone = file.Data
			}
		}
		f.Add(text, zone)
	}
	dir := f.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "zones"), 0o700); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text, zone []byte) {
		for name, data := range map[string][]byte{configName: text, "zones/example.com": zone} {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		result, err := Import(dir)
		if err != nil {
			return
		}
		path := filepath.Join(dir, "zones.toml")
		if err := os.WriteFile(path, result.Text, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err = config.Load(path, config.LoadOptions{Now: time.Unix(1, 0)})
		if p := (*problem.Problem)(nil); errors.As(err, &p) && p.Column > 0 {
			t.Errorf("the text is no TOML: %v\n%s", p, result.Text)
		}
	})
}
