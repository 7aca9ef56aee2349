package files

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Kept is a file in which a program leaves something for its next start. The program has reserved the
// folder, and uses the file from one goroutine at a time.
//
// Whatever somebody else does to the file while the program runs, the next save mends: one that was
// removed, perhaps with its folder, or written to, is written again, and a folder that stands in its place
// is set aside.
type Kept struct {
	path string
	sum  [sha256.Size]byte
	info fs.FileInfo // of the file as it was written; nil: it was not yet
}

// Keep makes a Kept, and touches nothing.
func Keep(path string) *Kept { return &Kept{path: path} }

// Path is where the file is.
func (k *Kept) Path() string { return k.path }

// Save replaces the file as [Replace] does, unless it has this content already.
func (k *Kept) Save(data []byte) error {
	sum := sha256.Sum256(data)
	if sum == k.sum && k.Intact() {
		return nil
	}
	if there, err := os.Lstat(k.path); err == nil && there.IsDir() { // which no file can be renamed to
		if _, err := setAside(k.path); err != nil {
			return err
		}
	}
	info, err := Replace(OS{}, k.path, data)
	if err != nil {
		return err
	}
	k.sum, k.info = sum, info
	return nil
}

// Intact reports whether the file is still the one that Save has written.
func (k *Kept) Intact() bool { return k.info != nil && IsIntact(k.path, k.info) }

// IsIntact reports whether a path leads to the file that was once there, and nobody has written to it since.
func IsIntact(path string, was fs.FileInfo) bool {
	is, err := os.Stat(path)
	return err == nil && os.SameFile(is, was) && is.Size() == was.Size() && is.ModTime().Equal(was.ModTime())
}

// mostAside is how many files of one name are set aside.
const mostAside = 9

// SetAside gives a file that can't be used another name, so that a person may look at it, and returns an error that
// says so, and why it can't be used.
func SetAside(path string, why error) error {
	aside, err := setAside(path)
	if err != nil {
		return fmt.Errorf("%s can't be used, and will be replaced: %w; %w", path, why, err)
	}
	return fmt.Errorf("%s can't be used, and is kept as %s: %w", path, aside, why)
}

// setAside renames a file. The last one of many replaces the one before.
func setAside(path string) (aside string, err error) {
	for n := 1; n <= mostAside; n++ {
		if aside = path + ".damaged"; n > 1 {
			aside = fmt.Sprintf("%s-%d", aside, n)
		}
		if _, there := os.Lstat(aside); !errors.Is(there, fs.ErrNotExist) && n < mostAside {
			continue
		}
		if err = os.Rename(path, aside); err == nil {
			return aside, nil
		}
	}
	return "", fmt.Errorf("it cannot be set aside: %w", err)
}

// RemoveLeftovers removes the temporary files of calls of [Replace] for a path that a crash interrupted, if
// they are older than an age. The caller makes sure that nobody replaces the file meanwhile, or that the age is
// more than that takes. It is no error if one stays: it only takes space.
func RemoveLeftovers(path string, age time.Duration) {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return
	}
	defer folder.Close()
	names, _ := folder.Readdirnames(-1)
	for _, name := range names {
		if !IsLeftover(name, filepath.Base(path)) {
			continue
		}
		whole := filepath.Join(filepath.Dir(path), name)
		if info, err := os.Lstat(whole); err == nil && info.Mode().IsRegular() && time.Since(info.ModTime()) >= age {
			_ = os.Remove(whole)
		}
	}
}

// IsLeftover reports whether a name in a folder is that of a temporary file of [Replace] for a file there.
func IsLeftover(name, base string) bool {
	digits, is := strings.CutPrefix(name, base+".")
	return is && digits != "" && strings.Trim(digits, "0123456789") == ""
}
