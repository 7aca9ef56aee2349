package state

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gslb/alias"
	"gslb/health"
	"gslb/replication"
	"gslb/steer"
	"gslb/zones"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// compareStates compares what files keep.
var compareStates = cmp.Options{cmpopts.EquateComparable(netip.Addr{}), cmpopts.IgnoreUnexported(steer.Memory{})}

func example() State {
	return State{
		Targets: []health.Record{
			{ID: "web@192.0.2.1", Fingerprint: "f1", Status: health.Up, Since: noon.Add(-time.Hour), Judged: noon.Add(-time.Minute), Reason: "ok"},
			{ID: "web@192.0.2.2", Fingerprint: "f2", Status: health.Down, Judged: noon.Add(-time.Hour), Reason: "status", Detail: "status 503"},
			{ID: "web@192.0.2.3", Status: health.Up, Judged: noon.Add(time.Minute)},
		},
		Hosts: []alias.Record{{Name: "lb.example.net.", Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.9")}, Confirmed: noon}},
		Memory: steer.Memory{
			Pools:  map[string]steer.PoolMemory{"nyc": {Status: health.Up, Since: noon, Recovered: noon}},
			Routes: map[string]steer.RouteMemory{"k": {Pools: []string{"nyc"}, Good: []netip.Addr{netip.MustParseAddr("192.0.2.1")}}},
		},
		Copies: replication.Memory{"orders": {"eu-west-1": {
			Condition: replication.Behind, Degraded: true, Proven: true, Since: noon, Why: "late",
		}, "us-east-1": {Condition: replication.Current, Since: noon, Good: noon}}},
		Serials: map[string]zones.Serial{"gslb.example.com.": {Hash: "h", Serial: 7}},
	}
}

func TestSavedStateIsLoadedAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "here")
	store := NewStore(dir)
	save(t, store, State{}, Revision{})
	save(t, store, example(), Revision{Memory: 1})
	got, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(example(), got, compareStates); diff != "" {
		t.Error(diff)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 3 || left[0].Name() != lockName || left[1].Name() != stateName || left[2].Name() != verdictsName {
		t.Errorf("the directory holds %v (%v), want the two files and the lock", left, err)
	}
}

func TestLoadWithoutState(t *testing.T) {
	for _, dir := range []string{"", t.TempDir(), filepath.Join(t.TempDir(), "absent")} {
		got, err := Load(dir)
		if err != nil || got.Targets != nil {
			t.Errorf("Load(%q) = %v, %v; want nothing", dir, got, err)
		}
	}
}

func TestDamagedStateIsAnErrorAndNothingElse(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, stateName), []byte(`{"saved": "2026-01-02T12:00:00Z", "targets": [{"status"`), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := Load(dir)
	if err == nil || !strings.Contains(err.Error(), "can't be used") {
		t.Errorf("error %v", err)
	}
	if diff := cmp.Diff(State{}, got, compareStates); diff != "" {
		t.Error(diff)
	}
}

// Of a state that is damaged in one file, the other is still good for a start.
func TestDamageOfOneFileLeavesTheOther(t *testing.T) {
	for _, name := range []string{stateName, verdictsName} {
		dir := t.TempDir()
		store := NewStore(dir)
		save(t, store, example(), Revision{})
		want := example()
		if name == stateName {
			want.Memory, want.Copies, want.Serials = steer.Memory{}, nil, nil
		} else {
			want.Targets, want.Hosts = nil, nil
		}
		if err := os.Truncate(filepath.Join(dir, name), 20); err != nil {
			t.Fatal(err)
		}
		for _, reader := range []struct {
			what string
			load func() (State, error)
			says string
		}{
			{"one who may not write", func() (State, error) { return Load(dir) }, name + " can't be used: "},
			{"the store of another process", NewStore(dir).Load, name + " can't be used: "},
			{"the store whose the directory is", store.Load, name + " can't be used, and is kept as " + filepath.Join(dir, name) + ".damaged: "},
		} {
			got, err := reader.load()
			if err == nil || !strings.Contains(err.Error(), reader.says) {
				t.Errorf("%s, %s: error %v, want %q", name, reader.what, err, reader.says)
			}
			if diff := cmp.Diff(want, got, compareStates); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", name, reader.what, diff)
			}
		}
		save(t, store, example(), Revision{Memory: 1})
		if info, err := os.Stat(filepath.Join(dir, name+".damaged")); err != nil || info.Size() != 20 {
			t.Errorf("%s after a save: %v, want it set aside as it was", name, err)
		}
		if got, err := store.Load(); err != nil || !cmp.Equal(example(), got, compareStates) {
			t.Errorf("%s after a save: %v, %v", name, got, err)
		}
	}
}

// An earlier version had all in one file.
func TestLoadOfAnEarlierVersion(t *testing.T) {
	dir := t.TempDir()
	data, err := json.Marshal(example())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, stateName), data, 0o644); err != nil {
		t.Fatal(err)
	}
	want := example()
	want.Hosts = nil
	if got, err := Load(dir); err != nil || !cmp.Equal(want, got, compareStates) {
		t.Fatalf("Load: %v, %v", got, err)
	}
	want.Targets = want.Targets[:1]
	save(t, NewStore(dir), want, Revision{})
	if got, err := Load(dir); err != nil || !cmp.Equal(want, got, compareStates) {
		t.Errorf("Load after a save: %v, %v", got, err)
	}
}

// One before that remembered what a name answers under another key. That is forgotten, and the rest is
// not.
func TestLoadOfAVersionWithoutRoutes(t *testing.T) {
	dir := t.TempDir()
	data := `{"memory": {"pools": {"nyc": {"status": "down", "since": "2026-01-02T12:00:00Z", "down": true}},
		"steerings": {"failover pools=nyc,ams": {"order": "nyc,ams", "pool": "ams", "good_addresses": ["192.0.2.1"]}}},
		"serials": {"example.com.": {"Hash": "abc", "Serial": 7}}}`
	if err := os.WriteFile(filepath.Join(dir, stateName), []byte(data), 0o644); err != nil {
		t.Fatal(err)
	}
	want := State{
		Memory:  steer.Memory{Pools: map[string]steer.PoolMemory{"nyc": {Status: health.Down, Since: noon, Down: true}}},
		Serials: map[string]zones.Serial{"example.com.": {Hash: "abc", Serial: 7}},
	}
	got, err := Load(dir)
	if diff := cmp.Diff(want, got, compareStates); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestFresh(t *testing.T) {
	fresh := example().Fresh(noon, 5*time.Minute)
	if _, ok := fresh["web@192.0.2.1"]; !ok || len(fresh) != 1 {
		t.Errorf("fresh: %v, want web@192.0.2.1 alone: the second is old, the third from the future", fresh)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(`{"targets":[{"id":"a","status":"up"}],"memory":{"pools":{"p":{"status":"down"}}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		for _, name := range []string{stateName, verdictsName} {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		s, err := Load(dir)
		if err != nil {
			return
		}
		s.Fresh(noon, time.Hour)
	})
}
