package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Rotate gives a file and the older ones of it the next name each: path becomes path.1, that becomes
// path.2, and so on. At most keep older files stay, of which the oldest goes. After a crash in the
// middle a name is missing, which the next call fills.
func Rotate(path string, keep int) error {
	free := 1
	for free < keep {
		if _, err := os.Lstat(Older(path, free)); errors.Is(err, fs.ErrNotExist) {
			break
		}
		free++
	}
	for n := free; n > 0; n-- {
		if err := os.Rename(Older(path, n-1), Older(path, n)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Older is the name of an older file that Rotate makes; 0 is the one that is written.
func Older(path string, n int) string {
	if n == 0 {
		return path
	}
	return fmt.Sprintf("%s.%d", path, n)
}
