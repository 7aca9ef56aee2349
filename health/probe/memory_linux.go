package probe

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// inMemory makes a file in memory, since data may hold secrets that must not be on disk. It returns
// a path by which this process can open it until release is called.
func inMemory(data []byte) (path string, release func(), err error) {
	fd, err := unix.MemfdCreate("profiles", unix.MFD_CLOEXEC)
	if err != nil {
		return "", nil, os.NewSyscallError("memfd_create", err)
	}
	file := os.NewFile(uintptr(fd), "profiles")
	if _, err := file.Write(data); err != nil {
		file.Close()
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d", fd), func() { file.Close() }, nil
}
