package geodb

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestMake makes small databases, which are wide: of the lengths, only the shape is the same.
func TestMake(t *testing.T) {
	dir := t.TempDir()
	const count = 4000
	files, err := Make(dir, count)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Open(files)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()

	networks, v6, changes := 0, 0, 0
	country := ""
	for result := range r.city.Networks() {
		if result.Prefix().Contains(Moved.Addr()) {
			continue
		}
		var code string
		if err := result.DecodePath(&code, "country", "iso_code"); err != nil || code == "" {
			t.Fatalf("%v: country %q, %v", result.Prefix(), code, err)
		}
		networks++
		if result.Prefix().Addr().Is6() {
			v6++
		}
		if code != country {
			changes++
		}
		country = code
	}
	if networks < count*3/4 || networks > 2*count {
		t.Errorf("%d networks, want about %d", networks, count)
	}
	if most := count * 3 / 10; v6 < most*95/100 || v6 > most {
		t.Errorf("%d networks of IPv6, want %d but for a few that are one", v6, most)
	}
	if changes < networks/20 || changes > networks/5 {
		t.Errorf("%d changes of country among %d networks, want about a tenth", changes, networks)
	}

	place, err := r.Place(Moved.Addr())
	if want := (Place{"NA", "US", "US-CA", place.ASN}); err != nil || place != want || place.ASN < FirstASN {
		t.Errorf("%v is in %+v, %v; want %+v", Moved, place, err, want)
	}
	changed, err := Open(Files{City: files.Changed, ASN: files.ASN})
	if err != nil {
		t.Fatal(err)
	}
	defer changed.Close()
	place, err = changed.Place(Moved.Addr())
	if err != nil || place.Country != "DE" || place.Continent != "EU" {
		t.Errorf("after the change, %v is in %+v, %v; want DE", Moved, place, err)
	}
	if place, err := r.Place(netip.MustParseAddr("10.0.0.1")); err != nil || place != (Place{}) {
		t.Errorf("a private address is in %+v, %v; want nowhere", place, err)
	}

	found, err := r.Networks(FirstASN)
	if err != nil || len(found) == 0 {
		t.Fatalf("networks of AS%d: %v, %v", FirstASN, found, err)
	}
	for _, network := range found {
		if place, err := r.Place(network.Addr()); err != nil || place.ASN != FirstASN {
			t.Errorf("%v is of AS%d, %v; want AS%d", network, place.ASN, err, FirstASN)
		}
	}
}

// TestMakeAgain has all that is there kept, and made alike elsewhere.
func TestMakeAgain(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	first, err := Make(dir, 500)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Make(other, 500)
	if err != nil {
		t.Fatal(err)
	}
	for _, pair := range [][2]string{{first.City, second.City}, {first.Changed, second.Changed}, {first.ASN, second.ASN}} {
		if diff := cmp.Diff(read(t, pair[0]), read(t, pair[1])); diff != "" {
			t.Errorf("%s is another one when it is made again", filepath.Base(pair[0]))
		}
	}
	if err := os.WriteFile(first.City, []byte("kept"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Make(dir, 500); err != nil || string(read(t, first.City)) != "kept" {
		t.Errorf("a database that is there was made again: %v", err)
	}
	if _, err := Make(filepath.Join(first.ASN, "below"), 500); err == nil {
		t.Error("databases were made in a folder that cannot be")
	}
	if _, err := Open(Files{City: first.ASN, ASN: filepath.Join(dir, "none")}); err == nil {
		t.Error("a database that is not there was opened")
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
