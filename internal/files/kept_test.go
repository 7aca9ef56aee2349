package files

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Whatever somebody does to the file, the next save mends it; and a file that has the content already is not
// written.
func TestKeptIsMended(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	path := filepath.Join(dir, "kept.json")
	k := Keep(path)
	inode := func() fs.FileInfo { info, _ := os.Lstat(path); return info }
	for _, step := range []struct {
		name    string
		harm    func() error
		written bool
	}{
		{"nothing is there", func() error { return nil }, true},
		{"nothing", func() error { return nil }, false},
		{"the file is removed", func() error { return os.Remove(path) }, true},
		{"the folder is removed", func() error { return os.RemoveAll(dir) }, true},
		{"the file is cut", func() error { return os.Truncate(path, 1) }, true},
		{"another file is put in its place", func() error {
			return errors.Join(os.WriteFile(path+".n", []byte("hello"), 0o600), os.Rename(path+".n", path))
		}, true},
		{"a folder is put in its place", func() error { return errors.Join(os.Remove(path), os.MkdirAll(path+"/full", 0o700)) }, true},
		{"a link to nothing is", func() error { return errors.Join(os.Remove(path), os.Symlink("nothing", path)) }, true},
		{"nothing in the end", func() error { return nil }, false},
	} {
		if err := step.harm(); err != nil {
			t.Fatal(step.name, err)
		}
		before := inode()
		if err := k.Save([]byte("hello")); err != nil {
			t.Errorf("%s: %v", step.name, err)
			continue
		}
		if data, err := os.ReadFile(path); err != nil || string(data) != "hello" {
			t.Errorf("%s: the file has %q, %v", step.name, data, err)
		}
		if written := before == nil || !os.SameFile(before, inode()); written != step.written {
			t.Errorf("%s: written is %v, want %v", step.name, written, step.written)
		}
	}
	if left, err := filepath.Glob(path + ".*"); err != nil || !slices.Equal(left, []string{path + ".damaged"}) {
		t.Errorf("beside the file there are %q, %v; want the folder that was in its place", left, err)
	}
}

// What could not be written is written by the next save, and the error names the file, not the one that was to
// become it.
func TestKeptFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "below", "kept.json")
	k := Keep(path)
	if err := os.WriteFile(filepath.Dir(path), nil, 0o600); err != nil { // in the folder's place
		t.Fatal(err)
	}
	if err := k.Save([]byte("x")); err == nil {
		t.Fatal("saved below a file")
	}
	if err := os.Remove(filepath.Dir(path)); err != nil {
		t.Fatal(err)
	}
	if err := k.Save([]byte("x")); err != nil || !k.Intact() {
		t.Errorf("afterwards: %v", err)
	}
	_, err := Replace(noRename{}, path, []byte("y"))
	if err == nil || err.Error() != "write "+path+": no renames here" {
		t.Errorf("got %v, want the path of the file alone", err)
	}
	if left, _ := filepath.Glob(path + ".*"); len(left) > 0 {
		t.Errorf("a write that failed has left %q", left)
	}
}

type noRename struct{ OS }

func (noRename) Rename(from, to string) error {
	return &os.LinkError{Op: "rename", Old: from, New: to, Err: errors.New("no renames here")}
}

// What was set aside before is overwritten only when there is too much of it.
func TestSetAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kept.json")
	for n := range mostAside + 2 {
		if err := os.WriteFile(path, []byte(strings.Repeat("x", n)), 0o600); err != nil {
			t.Fatal(err)
		}
		aside, err := setAside(path)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(aside); err != nil || info.Size() != int64(n) {
			t.Errorf("number %d: %v, %v", n, info, err)
		}
	}
	if all, err := filepath.Glob(path + ".damaged*"); err != nil || len(all) != mostAside {
		t.Errorf("there are %q, %v", all, err)
	}
	if first, err := os.Stat(path + ".damaged"); err != nil || first.Size() != 0 {
		t.Errorf("the first is gone: %v, %v", first, err)
	}
	why := errors.New("it is empty")
	if err := SetAside(path, why); !errors.Is(err, fs.ErrNotExist) || !errors.Is(err, why) || !strings.Contains(err.Error(), "will be replaced") {
		t.Errorf("of nothing: %v", err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := SetAside(path, why); !errors.Is(err, why) || !strings.Contains(err.Error(), "is kept as "+path+".damaged-9: ") {
		t.Errorf("the error is %v", err)
	}
}

func TestRemoveLeftovers(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "kept.json")
	for _, name := range []string{"kept.json", "kept.json.1", "kept.json.4294967295", "kept.json.damaged", "kept.json.1a", "kept.json.", "other.json.1"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(path+".2", 0o700); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path+".1", old, old); err != nil {
		t.Fatal(err)
	}
	names := func() (names []string) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names
	}
	RemoveLeftovers(path, time.Minute)
	if got := names(); slices.Contains(got, "kept.json.1") || !slices.Contains(got, "kept.json.4294967295") {
		t.Errorf("with an age there are %q", got)
	}
	RemoveLeftovers(path, 0)
	if got, want := names(), []string{"kept.json", "kept.json.", "kept.json.1a", "kept.json.2", "kept.json.damaged", "other.json.1"}; !slices.Equal(got, want) {
		t.Errorf("there are %q, want %q", got, want)
	}
}
