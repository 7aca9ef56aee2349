package files

import (
	"crypto/sha256"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestRead(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	for _, size := range []int{0, 1, 511, 512, 513, 1000} {
		text := strings.Repeat("x", size)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		data, err := Read(path, int64(size))
		if err != nil || string(data) != text {
			t.Errorf("read %d bytes of %d: %v", len(data), size, err)
		}
		if size == 0 {
			continue
		}
		if _, err := Read(path, int64(size)-1); !errors.Is(err, ErrTooLarge) {
			t.Errorf("a file of %d bytes with a limit of one less: %v, want ErrTooLarge", size, err)
		}
	}
	if _, err := Read(filepath.Join(dir, "none"), 1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want ErrNotExist", err)
	}
}

// Nothing that is no regular file is read, nor waited for.
func TestReadRefusesWhatIsNoRegularFile(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "socket")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	link := filepath.Join(dir, "link")
	if err := os.Symlink(pipe, link); err != nil {
		t.Fatal(err)
	}
	tests := map[string]string{pipe: "a pipe", link: "a pipe", socket: "a socket", dir: "a folder", "/dev/zero": "a device"}
	for path, want := range tests {
		done := make(chan error, 1)
		go func() {
			_, err := Read(path, 1<<20)
			done <- err
		}()
		select {
		case err := <-done:
			if !errors.Is(err, ErrNotRegular) || !strings.Contains(err.Error(), path+" is "+want) {
				t.Errorf("%s: got %v, want that it is %s", path, err, want)
			}
		case <-time.After(time.Minute):
			t.Errorf("%s: reading it does not end", path)
		}
	}
}

// The size of a sparse file is known before it is read, that of one in /proc is not.
func TestReadIsBounded(t *testing.T) {
	sparse := filepath.Join(t.TempDir(), "sparse")
	if err := os.WriteFile(sparse, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(sparse, 1<<40); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(sparse, 1<<20); !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), "1048576") {
		t.Errorf("got %v, want ErrTooLarge with the limit", err)
	}
	if _, err := os.Stat("/proc/self/status"); err == nil {
		if _, err := Read("/proc/self/status", 16); !errors.Is(err, ErrTooLarge) {
			t.Errorf("got %v, want ErrTooLarge", err)
		}
		if data, err := Read("/proc/self/status", 1<<20); err != nil || len(data) == 0 {
			t.Errorf("got %d bytes and %v, want the whole file", len(data), err)
		}
	}
}

// The kernel's log calls itself a regular file, and whoever may read it waits for its next line.
func TestReadDoesNotWait(t *testing.T) {
	done := make(chan error, 1)
	go func() {
		_, err := Read("/proc/kmsg", 1<<30)
		done <- err
	}()
	select {
	case err := <-done:
		if err == nil {
			t.Error("it was read to its end, which it does not have")
		}
	case <-time.After(time.Minute):
		t.Error("reading it does not end")
	}
}

func TestOpenIn(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	for _, path := range []string{filepath.Join(dir, "file"), filepath.Join(outside, "file")} {
		if err := os.WriteFile(path, []byte("text"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(outside, "file"), filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if file, err := OpenIn(root, "file", 4); err != nil || string(file.Data) != "text" || file.Modified.IsZero() {
		t.Errorf("got %q and %v", file.Data, err)
	}
	if _, err := OpenIn(root, "link", 4); err == nil {
		t.Error("a link out of the folder was followed")
	}
	if _, err := OpenIn(root, "../"+filepath.Base(outside)+"/file", 4); err == nil {
		t.Error("a path out of the folder was followed")
	}
}

// Digest is of what Open reads, and refuses what Open refuses.
func TestDigest(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	for _, size := range []int{0, 1, 100_000} {
		text := []byte(strings.Repeat("x", size))
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if sum, err := Digest(path, int64(size)); err != nil || sum != sha256.Sum256(text) {
			t.Errorf("of %d bytes: %x, %v", size, sum, err)
		}
	}
	if _, err := Digest(path, 99_999); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
	if _, err := Digest("/proc/self/status", 10); !errors.Is(err, ErrTooLarge) {
		t.Errorf("of a file that lies about its size: %v, want ErrTooLarge", err)
	}
	if _, err := Digest(dir, 1); !errors.Is(err, ErrNotRegular) {
		t.Errorf("got %v, want ErrNotRegular", err)
	}
	if _, err := Digest(filepath.Join(dir, "none"), 1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want ErrNotExist", err)
	}
}

// A file that was changed a moment ago may change again without another stamp.
func TestStampIsSettled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	stamp := StampOf(path)
	changed := time.Unix(0, stamp.Changed)
	for after, want := range map[time.Duration]bool{-time.Hour: false, 0: false, settled: false, settled + 1: true, time.Hour: true} {
		if got := stamp.IsSettled(changed.Add(after)); got != want {
			t.Errorf("after %s: %v, want %v", after, got, want)
		}
	}
	if StampOf(path + ".none").IsSettled(changed.Add(time.Hour)) {
		t.Error("a file that is not there is settled")
	}
}
