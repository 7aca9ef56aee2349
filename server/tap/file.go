package tap

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/dnstap/golang-dnstap"
	"github.com/farsightsec/golang-framestream"

	"gslb/internal/files"
)

// file is a file of Frame Streams, in one direction. Such a file has one beginning and one end, so that
// nothing can be added to one of another run: it gets another name, as a full one does.
type file struct {
	path    string
	maxSize int64
	keep    int // older files

	add    func(*os.File, []byte) (int, error) // os.File.Write
	f      *os.File
	info   fs.FileInfo
	size   int64     // of whole frames
	torn   bool      // a write has failed: the file goes on from size when it is opened again
	looked time.Time // for the file at the path
}

// lookEvery is how often a file is looked for that was moved or removed by somebody else.
const lookEvery = time.Second

func (s *file) open(context.Context) error {
	if s.torn && s.mend() == nil {
		return nil
	}
	s.torn = false
	info, err := os.Lstat(s.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is there, and %w", s.path, files.ErrNotRegular)
	case info.Size() > 0:
		if err := files.Rotate(s.path, s.keep); err != nil {
			return err
		}
	}
	// Whoever reads it sees the addresses of clients, and what they asked for.
	if err := s.openFile(os.O_CREATE, 0o640); err != nil {
		return err
	}
	start := framestream.ControlStart
	start.SetContentType(dnstap.FSContentType)
	if err = start.EncodeFlush(bufio.NewWriter(s.f)); err == nil {
		s.size, err = s.f.Seek(0, io.SeekCurrent)
	}
	if err != nil {
		return errors.Join(err, s.f.Truncate(0), s.f.Close())
	}
	return nil
}

// mend opens the file of before after a failed write, and removes what was written of a frame.
func (s *file) mend() error {
	before := s.info
	if err := s.openFile(0, 0); err != nil {
		return err
	}
	err := fs.ErrNotExist
	if os.SameFile(before, s.info) {
		err = s.f.Truncate(s.size)
	}
	if err == nil {
		_, err = s.f.Seek(s.size, io.SeekStart)
	}
	if err != nil {
		return errors.Join(err, s.f.Close())
	}
	s.torn = false
	return nil
}

func (s *file) openFile(flags int, mode fs.FileMode) (err error) {
	if s.f, err = os.OpenFile(s.path, os.O_WRONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK|flags, mode); err != nil {
		return err
	}
	if s.info, err = s.f.Stat(); err != nil {
		return errors.Join(err, s.f.Close())
	}
	return nil
}

func (s *file) write(ctx context.Context, frames []byte) (n int, err error) {
	if s.size+int64(len(frames)) > s.maxSize || s.moved() {
		if err := s.close(); err != nil {
			return 0, err
		}
		if err := s.open(ctx); err != nil {
			return 0, err
		}
	}
	n, err = s.add(s.f, frames)
	if err != nil {
		_, _, n = countFrames(frames, n)
		s.size += int64(n)
		s.torn = true
		return n, errors.Join(err, s.f.Truncate(s.size), s.f.Close())
	}
	s.size += int64(n)
	return n, nil
}

// moved reports whether the path leads to another file by now, or to none.
func (s *file) moved() bool {
	now := time.Now()
	if now.Sub(s.looked) < lookEvery {
		return false
	}
	s.looked = now
	named, err := os.Lstat(s.path)
	return err != nil || !os.SameFile(named, s.info)
}

func (s *file) close() error {
	stop := framestream.ControlStop
	return errors.Join(stop.EncodeFlush(bufio.NewWriter(s.f)), s.f.Close())
}
