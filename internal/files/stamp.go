package files

import (
	"time"

	"golang.org/x/sys/unix"
)

// Stamp changes when the content of a file does, and is found without reading the file. Stamps can be
// compared.
type Stamp struct {
	Device, Inode     uint64
	Size              int64
	Modified, Changed int64 // nanoseconds of Unix time
	Err               error // of the system, such as that there is no such file
}

// StampOf returns the stamp of the file that a path leads to through all links, so that a changed
// link gives another one.
func StampOf(path string) Stamp {
	var s unix.Stat_t
	err := unix.Stat(path, &s)
	for err == unix.EINTR {
		err = unix.Stat(path, &s)
	}
	if err != nil {
		return Stamp{Err: err}
	}
	return Stamp{
		Device: uint64(s.Dev), Inode: s.Ino, Size: s.Size, // Dev has 32 bits elsewhere
		Modified: s.Mtim.Nano(), Changed: s.Ctim.Nano(),
	}
}

// settled is how long ago a file must have been changed for every further change to give it another
// stamp: the clocks of file systems are coarse, and may differ from ours.
const settled = 2 * time.Second

// IsSettled reports whether every change from now on gives a file another stamp.
func (s Stamp) IsSettled(now time.Time) bool {
	return s.Err == nil && now.Sub(time.Unix(0, max(s.Modified, s.Changed))) > settled
}
