package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gslb/internal/files"
)

func hold(t *testing.T, dir string) *Store {
	t.Helper()
	store := NewStore(dir)
	if err := store.Hold(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Release)
	return store
}

// A lock belongs to an open file, so that two stores are like two processes.
func TestOneProcessHoldsADirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "here")
	first := hold(t, dir)
	if err := first.Hold(); err != nil {
		t.Errorf("held already: %v", err)
	}
	second := NewStore(dir)
	err := second.Hold()
	if !errors.Is(err, ErrHeld) || !strings.Contains(err.Error(), fmt.Sprintf("process %d on ", os.Getpid())) {
		t.Errorf("got %v, want ErrHeld, and by whom", err)
	}
	if err := second.Save(draft(example(), Revision{})); !errors.Is(err, ErrHeld) {
		t.Errorf("saved into another's directory: %v", err)
	}
	first.Release()
	if err := second.Hold(); err != nil {
		t.Errorf("after its release: %v", err)
	}
	second.Release()
}

// What a process that was killed has left in the file is no lock.
func TestStaleLockFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, lockName), []byte(strings.Repeat("process 1 on elsewhere\n", 1000)), 0o444); err != nil {
		t.Fatal(err)
	}
	hold(t, dir)
	text, err := os.ReadFile(filepath.Join(dir, lockName))
	if err != nil || strings.Contains(string(text), "elsewhere") || !strings.Contains(string(text), fmt.Sprint(os.Getpid())) {
		t.Errorf("it says %.100q (%v)", text, err)
	}
}

// A directory that was removed with the lock in it, and made again by another process, is that
// one's.
func TestDirectoryThatAnotherMadeAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	first := hold(t, dir)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	save(t, first, example(), Revision{Memory: 1}) // alone, it makes and holds a new one
	if err := NewStore(dir).Hold(); !errors.Is(err, ErrHeld) {
		t.Errorf("the new directory: %v, want ErrHeld", err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	hold(t, dir)
	if err := first.Save(draft(example(), Revision{Memory: 2})); !errors.Is(err, ErrHeld) {
		t.Errorf("saved into another's directory: %v", err)
	}
}

func TestDirectoryThatCannotBeLocked(t *testing.T) {
	for name, spoil := range map[string]func(dir string) error{
		"a file in its place": func(dir string) error { return os.WriteFile(dir, nil, 0o600) },
		"a pipe for the lock": func(dir string) error {
			return errors.Join(os.Mkdir(dir, 0o700), syscall.Mkfifo(filepath.Join(dir, lockName), 0o600))
		},
		"a link into a circle": func(dir string) error { return os.Symlink(dir, dir) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "state")
			if err := spoil(dir); err != nil {
				t.Fatal(err)
			}
			if err := NewStore(dir).Hold(); !errors.Is(err, ErrNoLock) || errors.Is(err, ErrHeld) {
				t.Errorf("got %v, want ErrNoLock", err)
			}
		})
	}
	if err := NewStore("").Hold(); err != nil {
		t.Errorf("without a directory: %v", err)
	}
}

// Only files of saves are removed, whoever may have put others there.
func TestLeftoversOfKilledSavesAreRemoved(t *testing.T) {
	dir := t.TempDir()
	earlier := NewStore(dir)
	save(t, earlier, example(), Revision{})
	earlier.Release()
	others := []string{"verdicts.json.old", "state.json.1.bak", "state.json.", "verdicts.json~", "1234", "other.json.1234"}
	for _, name := range append([]string{"verdicts.json.1234", "state.json.987654321"}, others...) {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "state.json.5", "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	hold(t, dir)
	for _, name := range append(others, verdictsName, stateName) {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"verdicts.json.1234", "state.json.987654321"} {
		if _, err := os.Stat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is there still (%v)", name, err)
		}
	}
}

// What takes a file's place is neither waited for nor read whole, and the next save mends it.
func TestLoadIsBounded(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(path string) error
		want  error
	}{
		"a terabyte": {func(path string) error {
			return errors.Join(os.WriteFile(path, []byte("{"), 0o600), os.Truncate(path, 1<<40))
		}, files.ErrTooLarge},
		"a pipe":             {func(path string) error { return syscall.Mkfifo(path, 0o600) }, files.ErrNotRegular},
		"a link to a device": {func(path string) error { return os.Symlink("/dev/zero", path) }, files.ErrNotRegular},
	} {
		for _, file := range []string{verdictsName, stateName} {
			t.Run(name+" "+file, func(t *testing.T) {
				dir := t.TempDir()
				if err := test.spoil(filepath.Join(dir, file)); err != nil {
					t.Fatal(err)
				}
				loaded := make(chan error, 1)
				go func() {
					_, err := Load(dir)
					loaded <- err
				}()
				select {
				case err := <-loaded:
					if !errors.Is(err, test.want) {
						t.Errorf("got %v, want %v", err, test.want)
					}
				case <-time.After(time.Minute):
					t.Fatal("Load does not return")
				}
				save(t, NewStore(dir), example(), Revision{Memory: 1})
				if _, err := Load(dir); err != nil {
					t.Errorf("after a save: %v", err)
				}
			})
		}
	}
}
