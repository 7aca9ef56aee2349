package daemon

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"gslb/internal/files"
)

func TestFilesAreReadOnceTheyRest(t *testing.T) {
	a, b, c := []files.Stamp{{Inode: 1}}, []files.Stamp{{Inode: 2}}, []files.Stamp{{Inode: 3}}
	for _, test := range []struct {
		name string
		seen [][]files.Stamp // one a second
		want []restResult
	}{
		{name: "what is seen first has yet to be compared", seen: [][]files.Stamp{a, a, a, a}, want: []restResult{changing, changing, rested, same}},
		{name: "a change", seen: [][]files.Stamp{a, a, a, b, b, b, b}, want: []restResult{changing, changing, rested, changing, changing, rested, same}},
		{name: "a writer that pauses for a second", seen: [][]files.Stamp{a, a, b, b, c, c, c}, want: []restResult{changing, changing, changing, changing, changing, changing, rested}},
		{name: "there and back", seen: [][]files.Stamp{a, a, a, b, a, a}, want: []restResult{changing, changing, rested, changing, same, same}},
		{name: "a pause counts from the last change", seen: [][]files.Stamp{a, b, a, b, a, a, a}, want: []restResult{changing, changing, changing, changing, changing, changing, rested}},
		{name: "another list of files", seen: [][]files.Stamp{a, a, a, {a[0], b[0]}, {a[0], b[0]}, {a[0], b[0]}}, want: []restResult{changing, changing, rested, changing, changing, rested}},
	} {
		r := rest{settle: settle}
		now := time.Now()
		var got []restResult
		for _, seen := range test.seen {
			got = append(got, r.next(seen, now))
			now = now.Add(settle / 2)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

func TestRestlessFilesAreSaidOnce(t *testing.T) {
	r := rest{settle: settle}
	said := 0
	began := time.Now()
	for i := range 10 * uint64(restless/time.Second) {
		now := began.Add(time.Duration(i) * time.Second)
		if r.next([]files.Stamp{{Inode: i}}, now) != changing {
			t.Fatal("files that change every second have come to rest")
		}
		if r.say(now) {
			said++
			if now.Sub(began) < restless {
				t.Errorf("said after %s", now.Sub(began))
			}
		}
	}
	if said != 1 {
		t.Errorf("said %d times, want once", said)
	}
}

// Whatever is changed on the way to a file gives it another stamp.
func TestStampFollowsEveryLink(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, dir string){
		"written in place":   func(t *testing.T, dir string) { put(t, dir+"/releases/1/zones.toml", "two") },
		"a byte in its size": func(t *testing.T, dir string) { put(t, dir+"/releases/1/zones.toml", "onf") },
		"another file renamed over it": func(t *testing.T, dir string) {
			put(t, dir+"/new", "one")
			must(t, os.Rename(dir+"/new", dir+"/releases/1/zones.toml"))
		},
		"the modification time put back": func(t *testing.T, dir string) {
			path := dir + "/releases/1/zones.toml"
			info, err := os.Stat(path)
			must(t, err)
			put(t, path, "two")
			must(t, os.Chtimes(path, info.ModTime(), info.ModTime()))
		},
		"another link in the middle": func(t *testing.T, dir string) { link(t, "releases/2", dir+"/current") },
		"another link in front":      func(t *testing.T, dir string) { link(t, "releases/2", dir+"/live") },
		"the folder made again": func(t *testing.T, dir string) {
			must(t, os.RemoveAll(dir+"/releases"))
			put(t, dir+"/releases/1/zones.toml", "one")
		},
		"a folder removed":     func(t *testing.T, dir string) { must(t, os.RemoveAll(dir+"/releases/1")) },
		"a link removed":       func(t *testing.T, dir string) { must(t, os.Remove(dir+"/current")) },
		"a link into a circle": func(t *testing.T, dir string) { link(t, "live", dir+"/current") },
		"a folder in its place": func(t *testing.T, dir string) {
			must(t, os.Remove(dir+"/releases/1/zones.toml"))
			must(t, os.Mkdir(dir+"/releases/1/zones.toml", 0o755))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			put(t, dir+"/releases/1/zones.toml", "one")
			put(t, dir+"/releases/2/zones.toml", "two")
			link(t, "releases/1", dir+"/current")
			link(t, "current", dir+"/live")
			path := filepath.Join(dir, "live", "zones.toml")
			before := look([]string{path})
			if again := look([]string{path}); !slices.Equal(before, again) {
				t.Fatalf("%v, then %v, and nothing changed", before, again)
			}
			// The clock that stamps files ticks every 4 ms or so; a look is never that close to a
			// change that it may miss, since only rested files count.
			time.Sleep(10 * time.Millisecond)
			change(t, dir)
			if after := look([]string{path}); slices.Equal(before, after) {
				t.Errorf("%v before and after", after)
			}
		})
	}
}

// put writes a file, and makes the folders on the way.
func put(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte(text), 0o644))
}

// link has a link lead elsewhere, in one step.
func link(t *testing.T, to, at string) {
	t.Helper()
	must(t, os.Symlink(to, at+".new"))
	must(t, os.Rename(at+".new", at))
}

func BenchmarkLook(b *testing.B) {
	dir := b.TempDir()
	paths := make([]string, 3000)
	for i := range paths {
		paths[i] = filepath.Join(dir, "zone"+string(rune('a'+i%26))+string(rune('a'+i/26%26))+string(rune('a'+i/676)))
		if err := os.WriteFile(paths[i], nil, 0o644); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		look(paths)
	}
}
