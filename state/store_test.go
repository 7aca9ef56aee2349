package state

import (
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gslb/health"
	"gslb/steer"
	"gslb/zones"
)

// draft is what has a state saved.
func draft(s State, r Revision) Draft {
	return Draft{
		Targets:  s.Targets,
		Hosts:    s.Hosts,
		Decided:  func() Decided { return Decided{s.Memory, s.Safety, s.Copies, s.Serials} },
		Revision: r,
	}
}

func save(t testing.TB, store *Store, s State, r Revision) {
	t.Helper()
	if err := store.Save(draft(s, r)); err != nil {
		t.Fatal(err)
	}
}

// written are the files that f puts others in the place of.
func written(t testing.TB, dir string, f func()) []string {
	t.Helper()
	look := func(name string) fs.FileInfo {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			return nil
		}
		return info
	}
	names := []string{stateName, verdictsName}
	before := map[string]fs.FileInfo{}
	for _, name := range names {
		before[name] = look(name)
	}
	f()
	var list []string
	for _, name := range names {
		was, is := before[name], look(name)
		if is != nil && (was == nil || !os.SameFile(was, is)) {
			list = append(list, name)
		}
	}
	return list
}

func TestOnlyWhatIsAnotherIsWritten(t *testing.T) {
	dir := t.TempDir()
	store, s, revision := NewStore(dir), example(), Revision{Memory: 1, Config: "a"}
	for _, step := range []struct {
		name   string
		change func()
		want   []string
	}{
		{"the first time", func() {}, []string{stateName, verdictsName}},
		{"nothing", func() {}, nil},
		{"a target is judged again", func() { s.Targets[0].Judged = noon }, []string{verdictsName}},
		{"nothing again", func() {}, nil},
		{"an address is confirmed", func() { s.Hosts[0].Confirmed = noon.Add(time.Second) }, []string{verdictsName}},
		{"a verdict", func() { s.Targets[0].Status = health.Down }, []string{verdictsName}},
		{"what is remembered", func() {
			s.Memory.Pools["nyc"] = steer.PoolMemory{Status: health.Down, Since: noon}
			revision.Memory++
		}, []string{stateName}},
		{"a zone", func() {
			s.Serials["gslb.example.com."] = zones.Serial{Hash: "i", Serial: 8}
			revision.Config = "b"
		}, []string{stateName}},
		{"a revision that comes to the same", func() { revision.Config = "c" }, nil},
		{"somebody removed all", func() {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
		}, []string{stateName, verdictsName}},
		{"somebody wrote into a file", func() { spoil(t, filepath.Join(dir, stateName)) }, []string{stateName}},
		{"and into the other", func() { spoil(t, filepath.Join(dir, verdictsName)) }, []string{verdictsName}},
		{"nothing in the end", func() {}, nil},
	} {
		step.change()
		got := written(t, dir, func() { save(t, store, s, revision) })
		if fmt.Sprint(got) != fmt.Sprint(step.want) {
			t.Errorf("%s: wrote %v, want %v", step.name, got, step.want)
		}
	}
	if loaded, err := Load(dir); err != nil || loaded.Serials["gslb.example.com."].Serial != 8 || loaded.Targets[0].Status != health.Down {
		t.Errorf("loaded %v, %v", loaded, err)
	}
}

// spoil changes a file in place, and not its length.
func spoil(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[0] = '['
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	// However coarse the clock of the file system is.
	if err := os.Chtimes(path, time.Time{}, time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
}

// What could not be written is not believed to be there.
func TestFailedSaveIsDoneAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	store := NewStore(dir)
	if err := os.WriteFile(dir, nil, 0o644); err != nil { // in the directory's place
		t.Fatal(err)
	}
	if err := store.Save(draft(example(), Revision{Memory: 1})); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("saved into a file: %v, want an error that names it", err)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	got := written(t, dir, func() { save(t, store, example(), Revision{Memory: 1}) })
	if len(got) != 2 {
		t.Errorf("wrote %v, want both files", got)
	}
}

// A name's memory is a line of some 200 bytes, which is written only if something was decided.
func TestManySteeringsAreNotWrittenAgain(t *testing.T) {
	dir := t.TempDir()
	store, s := NewStore(dir), large()
	save(t, store, s, Revision{Memory: 1})
	if info, err := os.Stat(filepath.Join(dir, stateName)); err != nil || info.Size() < 100*manySteerings {
		t.Fatalf("state of %d steerings: %v, %v", manySteerings, info, err)
	}
	for i := range 3 {
		judge(s, noon.Add(time.Duration(i+1)*time.Second))
		d := draft(s, Revision{Memory: 1})
		d.Decided = func() Decided {
			t.Error("what was decided is worked out again, and nothing was")
			return Decided{s.Memory, s.Safety, s.Copies, s.Serials}
		}
		got := written(t, dir, func() {
			if err := store.Save(d); err != nil {
				t.Fatal(err)
			}
		})
		if len(got) != 1 || got[0] != verdictsName {
			t.Errorf("wrote %v, want the verdicts alone", got)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, verdictsName)); err != nil || info.Size() > 2000 {
		t.Errorf("verdicts of %d targets: %v, %v; want not much", len(s.Targets), info, err)
	}
}

const manySteerings = 100_000

// large is the state of two pools of two members for very many steerings.
func large() State {
	s := State{
		Memory:  steer.Memory{Pools: map[string]steer.PoolMemory{}, Routes: make(map[string]steer.RouteMemory, manySteerings)},
		Serials: map[string]zones.Serial{"gslb.example.com.": {Hash: strings.Repeat("h", 64), Serial: 7}},
	}
	for _, pool := range []string{"ams", "nyc"} {
		s.Memory.Pools[pool] = steer.PoolMemory{Status: health.Up, Since: noon}
	}
	for i := range 4 {
		s.Targets = append(s.Targets, health.Record{
			ID: health.TargetID(fmt.Sprintf("web@192.0.2.%d", i)), Fingerprint: strings.Repeat("f", 64),
			Status: health.Up, Since: noon, Judged: noon, Reason: "ok", Detail: "status 200",
		})
	}
	addrs := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")}
	for i := range manySteerings {
		key := fmt.Sprintf("failover pools=nyc,ams ttl=20s ttl_min=5s when_all_down=assume_up failback_after=%ds", i)
		s.Memory.Routes[key] = steer.RouteMemory{Order: "nyc|ams", Pools: []string{"nyc"}, Good: addrs}
	}
	return s
}

// judge makes every verdict as young as can be.
func judge(s State, now time.Time) {
	for i := range s.Targets {
		s.Targets[i].Judged = now
	}
}

// BenchmarkSave is a save of 100,000 steerings: after a decision, which is what every save
// cost when all was in one file, and when targets were only judged again.
func BenchmarkSave(b *testing.B) {
	for _, what := range []string{"decided", "judged"} {
		b.Run(what, func(b *testing.B) {
			dir := b.TempDir()
			store, s, revision := NewStore(dir), large(), Revision{}
			save(b, store, s, revision)
			bytes, n := int64(0), 0
			b.ReportAllocs()
			for b.Loop() {
				n++
				judge(s, noon.Add(time.Duration(n)*time.Second))
				if what == "decided" {
					revision.Memory++
					s.Memory.Pools["nyc"] = steer.PoolMemory{Status: health.Up, Since: noon.Add(time.Duration(n) * time.Second)}
				}
				for _, name := range written(b, dir, func() { save(b, store, s, revision) }) {
					info, err := os.Stat(filepath.Join(dir, name))
					if err != nil {
						b.Fatal(err)
					}
					bytes += info.Size()
				}
			}
			b.ReportMetric(float64(bytes)/float64(n), "written-B/op")
		})
	}
}
