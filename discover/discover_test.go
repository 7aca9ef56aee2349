package discover

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func lb(name, region string, internal bool, tags []string, addresses ...string) Balancer {
	b := Balancer{ID: "id-" + name, Name: name, Region: region, Tags: tags, Internal: internal}
	for _, text := range addresses {
		b.Addresses = append(b.Addresses, netip.MustParseAddr(text))
	}
	return b
}

func TestParseWanted(t *testing.T) {
	for text, want := range map[string]Wanted{
		"nyc=web":           {Pool: "nyc", Tag: "web"},
		"nyc_1=web@nyc3":    {Pool: "nyc_1", Tag: "web", Region: "nyc3"},
		"nyc=k8s:cluster-1": {Pool: "nyc", Tag: "k8s:cluster-1"},
	} {
		if got, err := ParseWanted(text); err != nil || got != want {
			t.Errorf("%s: got %+v and %v, want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "nyc", "nyc=", "=web", "../nyc=web", "n/yc=web", "nyc=web@", "nyc=web@NYC", "nyc=a b", "nyc=web\n"} {
		if got, err := ParseWanted(text); err == nil {
			t.Errorf("%q: got %+v, want an error", text, got)
		}
	}
}

func TestMembers(t *testing.T) {
	web := []string{"prod", "web"}
	for _, c := range []struct {
		what    string
		b       Balancer
		want    []string
		leftOut int
	}{
		{"without the tag", lb("a", "nyc3", false, []string{"web2"}, "203.0.113.10"), nil, 0},
		{"in another region", lb("a", "ams3", false, web, "203.0.113.10"), nil, 0},
		{"without a region", lb("a", "", false, web, "203.0.113.10"), nil, 0},
		{"internal", lb("a", "nyc3", true, web, "10.0.0.1"), nil, 1},
		{"new", lb("a", "nyc3", false, web), nil, 1},
		{"in service", lb("a", "nyc3", false, web, "203.0.113.10"), []string{"203.0.113.10"}, 0},
		{"of both families", lb("a", "nyc3", false, web, "203.0.113.10", "2001:db8::10"), []string{"203.0.113.10", "2001:db8::10"}, 0},
	} {
		members, leftOut := Members(Wanted{Pool: "nyc", Tag: "web", Region: "nyc3"}, []Balancer{c.b})
		var got []string
		for _, m := range members {
			got = append(got, m.Address.String())
		}
		if diff := cmp.Diff(c.want, got); diff != "" || len(leftOut) != c.leftOut {
			t.Errorf("a balancer %s: (-want +got)\n%s%q is left out, want %d", c.what, diff, leftOut, c.leftOut)
		}
	}
	if got, _ := Members(Wanted{Pool: "nyc", Tag: "web"}, []Balancer{lb("a", "ams3", false, web, "203.0.113.10")}); len(got) != 1 {
		t.Errorf("got %v of any region, want one member", got)
	}
}

// What is written depends on what there is, not on the order in which the cloud lists it.
func TestOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Balancer {
			n := byte(rapid.IntRange(1, 20).Draw(t, "address"))
			return Balancer{Name: "lb", Tags: []string{"web"}, Addresses: []netip.Addr{netip.AddrFrom4([4]byte{203, 0, 113, n})}}
		}), 1, 10).Draw(t, "balancers")
		w := Wanted{Pool: "nyc", Tag: "web"}
		first, _ := Members(w, all)
		second, _ := Members(w, rapid.Permutation(all).Draw(t, "shuffled"))
		if diff := cmp.Diff(string(text(w, first)), string(text(w, second))); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestPlan(t *testing.T) {
	w := Wanted{Pool: "nyc", Tag: "web", Region: "nyc3"}
	found := []Balancer{lb("lb-2", "nyc3", false, []string{"web"}, "203.0.113.11"), lb("lb-1\n9.9.9.9", "nyc3", false, []string{"web"}, "203.0.113.10")}
	const written = "# The load balancers with tag web in nyc3. gslb discover writes this file: changes by hand are lost.\n" +
		"203.0.113.10 # lb-1?9.9.9.9\n203.0.113.11 # lb-2\n"
	for _, c := range []struct {
		what    string
		before  string // empty: no file
		all     []Balancer
		err     error
		changed bool
		added   int
		removed int
		after   string
	}{
		{"the cloud knows none, and there is no file", "", nil, ErrNone, false, 0, 0, ""},
		{"the cloud knows none", "203.0.113.10\n", nil, ErrNone, false, 0, 0, "203.0.113.10\n"},
		{"the cloud knows some, and there is no file", "", found, nil, true, 2, 0, written},
		{"one has come and one has gone", "203.0.113.10 # by hand\n203.0.113.9\n", found, nil, true, 1, 1, written},
		{"nothing has changed", written, found, nil, false, 0, 0, written},
		{"only a comment has changed", "203.0.113.11\n203.0.113.10\n", found, nil, true, 0, 0, written},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "nyc.members")
		if c.before != "" {
			if err := os.WriteFile(path, []byte(c.before), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		change := Plan(w, dir, c.all)
		change.Apply()
		after, _ := os.ReadFile(path)
		if !errors.Is(change.Err, c.err) || change.Changed() != c.changed || len(change.Added) != c.added || len(change.Removed) != c.removed || string(after) != c.after {
			t.Errorf("%s: %+v, and the file is now\n%s", c.what, change, after)
		}
		if info, err := os.Stat(path); c.changed && (err != nil || info.Mode().Perm() != 0o644) {
			t.Errorf("%s: %v and %v, want a file that every user can read", c.what, info, err)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 1 {
			t.Errorf("%s: %v is left", c.what, left)
		}
	}
}

func TestFileThatCannotBeReplaced(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "nyc.members"), 0o700); err != nil {
		t.Fatal(err)
	}
	c := Plan(Wanted{Pool: "nyc", Tag: "web"}, dir, []Balancer{lb("a", "", false, []string{"web"}, "203.0.113.10")})
	c.Apply()
	if c.Err == nil {
		t.Error("got no error for a folder in place of the file")
	}
}

// What a process left behind that was killed while it wrote goes; what another one may be writing stays.
func TestLeftoversGo(t *testing.T) {
	dir := t.TempDir()
	old, young := filepath.Join(dir, "nyc.members.1"), filepath.Join(dir, "nyc.members.2")
	for _, path := range []string{old, young} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	before := time.Now().Add(-2 * leftAfter)
	if err := os.Chtimes(old, before, before); err != nil {
		t.Fatal(err)
	}
	(&Change{Path: filepath.Join(dir, "nyc.members"), Err: ErrNone}).Apply()
	if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || !slices.Equal(left, []string{young}) {
		t.Errorf("left are %q, %v", left, err)
	}
}
