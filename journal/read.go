package journal

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"gslb/internal/files"
)

// Latest returns the last n events before an ID, the latest first; before 0 the last of all.
func (l *Log) Latest(ctx context.Context, before uint64, n int) ([]Event, error) {
	if before == 0 {
		before = math.MaxUint64
	}
	return l.read(ctx, func(files []*section) ([]Event, error) { return latest(files, before, n) })
}

func latest(files []*section, before uint64, n int) ([]Event, error) {
	var list []Event
	for _, s := range slices.Backward(files) {
		end, err := s.after(before - 1)
		if err != nil {
			return nil, err
		}
		if err := s.backward(end, func(e Event) bool {
			list = append(list, e)
			return len(list) < n
		}); err != nil || len(list) >= n {
			return list, err
		}
	}
	return list, nil
}

// After returns the first n events after an ID, the oldest first.
func (l *Log) After(ctx context.Context, id uint64, n int) ([]Event, error) {
	return l.read(ctx, func(files []*section) ([]Event, error) {
		var list []Event
		for _, s := range files {
			from, err := s.after(id)
			if err != nil {
				return nil, err
			}
			if _, err := Decode(s.from(from), func(e Event) bool {
				list = append(list, e)
				return len(list) < n
			}); err != nil || len(list) >= n {
				return list, err
			}
		}
		return list, nil
	})
}

// mostReaders bounds how many read at once: each may hang if the disk does not respond.
const mostReaders = 2

// read opens the files, the oldest first, and hands them to f. It waits until ctx ends at most.
func (l *Log) read(ctx context.Context, f func([]*section) ([]Event, error)) ([]Event, error) {
	type result struct {
		events []Event
		err    error
	}
	select {
	case l.reading <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("the event log %s does not respond: %w", l.path, ctx.Err())
	}
	done := make(chan result, 1)
	go func() {
		defer func() { <-l.reading }()
		l.files.RLock()
		files, err := openAll(l.path)
		l.files.RUnlock()
		defer closeAll(files)
		if err != nil {
			done <- result{err: err}
			return
		}
		events, err := f(files)
		done <- result{events, err}
	}()
	select {
	case r := <-done:
		return r.events, r.err
	case <-ctx.Done():
		return nil, fmt.Errorf("the event log %s does not respond: %w", l.path, ctx.Err())
	}
}

// Read calls each for the events of a file, or of the log in a directory, the oldest first, until it
// returns false. It returns how many lines were no events, such as one that a crash has torn.
func Read(path string, each func(Event) bool) (damaged int, err error) {
	var files []*section
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		if files, err = openAll(filepath.Join(path, logName)); err != nil {
			return 0, err
		}
		if len(files) == 0 {
			return 0, fmt.Errorf("%s has no %s: give the state_dir of a server, or a file", path, logName)
		}
	} else {
		s, err := openSection(path)
		if err != nil {
			return 0, err
		}
		files = []*section{s}
	}
	defer closeAll(files)
	more := true
	for _, s := range files {
		n, err := Decode(s.from(0), func(e Event) bool {
			more = each(e)
			return more
		})
		damaged += n
		if err != nil || !more {
			return damaged, err
		}
	}
	return damaged, nil
}

// Tail is the last n events of the log in a directory, in the order in which they happened.
func Tail(dir string, n int) ([]Event, error) {
	files, err := openAll(filepath.Join(dir, logName))
	if err != nil {
		return nil, err
	}
	defer closeAll(files)
	list, err := latest(files, math.MaxUint64, n)
	slices.Reverse(list)
	return list, err
}

// section is a file as long as it was when it was opened. It may grow meanwhile.
type section struct {
	*os.File
	size int64
}

// openAll opens the files of a log that there are, the oldest first.
func openAll(path string) ([]*section, error) {
	var all []*section
	for n := keptFiles; n >= 0; n-- {
		s, err := openSection(files.Older(path, n))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			closeAll(all)
			return nil, err
		default:
			all = append(all, s)
		}
	}
	return all, nil
}

// openSection opens a regular file. It does not wait for the writer of a pipe.
func openSection(path string) (*section, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", path)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &section{f, info.Size()}, nil
}

func closeAll(files []*section) {
	for _, s := range files {
		_ = s.Close()
	}
}

func (s *section) from(offset int64) io.Reader { return io.NewSectionReader(s, offset, s.size-offset) }

// after is where the first line begins whose event has a greater ID, found by halving. IDs rise from
// line to line.
func (s *section) after(id uint64) (int64, error) {
	low, high := int64(0), s.size // lines that begin before low do not have one, those from high on do
	for low < high {
		middle := low + (high-low)/2
		start, end, e, err := s.eventFrom(middle, high)
		switch {
		case err != nil:
			return 0, err
		case start >= high || e.ID > id:
			high = middle
		default:
			low = end
		}
	}
	return low, nil
}

// eventFrom finds the first event in a line that begins in [offset, limit). Without any, start is
// limit.
func (s *section) eventFrom(offset, limit int64) (start, end int64, e Event, err error) {
	r := bufio.NewReader(s.from(max(0, offset-1)))
	start = offset
	if offset > 0 {
		rest, err := readLine(r)
		if err != nil {
			return limit, limit, e, ignoreEOF(err)
		}
		start = offset - 1 + int64(len(rest))
	}
	for start < limit {
		line, err := readLine(r)
		if err != nil {
			return limit, limit, e, ignoreEOF(err)
		}
		end = start + int64(len(line))
		if json.Unmarshal(line, &e) == nil && e.ID > 0 {
			return start, end, e, nil
		}
		start = end
	}
	return limit, limit, e, nil
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// backward calls each for the events in lines that end at or before an offset, the last first, until
// it returns false.
func (s *section) backward(end int64, each func(Event) bool) error {
	const step = 64 << 10
	var rest []byte // the beginning of the first line that was read is still missing
	for end > 0 {
		n := min(step, end)
		block := make([]byte, n, int(n)+len(rest))
		if _, err := s.ReadAt(block, end-n); err != nil {
			return err
		}
		end -= n
		rest = append(block, rest...)
		for {
			at := bytes.LastIndexByte(bytes.TrimSuffix(rest, []byte{'\n'}), '\n')
			if at < 0 && end > 0 {
				break
			}
			var e Event
			if json.Unmarshal(rest[at+1:], &e) == nil && e.ID > 0 && !each(e) {
				return nil
			}
			rest = rest[:at+1]
			if len(rest) == 0 {
				break
			}
		}
		if len(rest) > mostLine {
			return fmt.Errorf("%s has a line of more than %d bytes", s.Name(), mostLine)
		}
	}
	return nil
}

// Decode calls each for the events in lines, until it returns false, and returns how many lines were
// none.
func Decode(in io.Reader, each func(Event) bool) (damaged int, err error) {
	r := bufio.NewReaderSize(in, 64<<10)
	for {
		line, err := readLine(r)
		var e Event
		switch {
		case len(bytes.TrimSpace(line)) == 0:
		case json.Unmarshal(line, &e) != nil || e.Kind == "":
			damaged++
		case !each(e):
			return damaged, nil
		}
		if err != nil {
			return damaged, ignoreEOF(err)
		}
	}
}

// errLongLine is a file that is no log.
var errLongLine = fmt.Errorf("a line has more than %d bytes: this is no log of events", mostLine)

// readLine reads a line with its end. At the end of the file it returns what is left, and io.EOF.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > mostLine {
			return nil, errLongLine
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}
