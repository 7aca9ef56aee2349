package journal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gslb/internal/files"
)

// The log is a file of JSON lines, an event each, and so many older ones: events.log.1 is the youngest
// of these. Events of one publication may be more than a file takes, so that it is also looked at
// between them.
const (
	logName    = "events.log"
	rotateAt   = 16 << 20 // bytes
	keptFiles  = 8
	writeSize  = 256 << 10 // bytes that are written at once
	mostQueued = 10_000
	retryAfter = time.Second
	lateAfter  = 30 * time.Second
	mostLine   = 16 << 20 // bytes of an event
)

// Log writes events to a directory. It never holds up the caller of Write: if the disk is full or does
// not respond, events wait, and when too many wait, those that come are lost. That is said.
type Log struct {
	path     string
	logger   *slog.Logger
	lost     prometheus.Counter
	failures prometheus.Counter
	rotateAt int64
	add      func(*os.File, []byte) (int, error) // os.File.Write

	mu      sync.Mutex
	waiting []Event
	missed  []Event       // the first and the last of those that were lost since the last line was written
	missing int           // how many those are
	failing error         // why events are not written; nil: they are
	ready   chan struct{} // capacity 1: there is something waiting

	reading chan struct{} // a token for each reader
	files   sync.RWMutex  // held for writing while files get other names

	// Of the goroutine of Run:
	file *os.File
	size int64
}

// NewLog makes a log in a directory that exists, or will. Nothing is opened before Run.
func NewLog(dir string, logger *slog.Logger, r prometheus.Registerer) *Log {
	l := &Log{
		path: filepath.Join(dir, logName), logger: logger, rotateAt: rotateAt, add: (*os.File).Write,
		ready: make(chan struct{}, 1), reading: make(chan struct{}, mostReaders),
		lost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gslb_events_lost_total",
			Help: "How many events are missing in events.log, because the disk was full or did not respond.",
		}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gslb_events_log_failures_total",
			Help: "How often events could not be written to events.log in state_dir.",
		}),
	}
	r.MustRegister(l.lost, l.failures)
	return l
}

// Write takes events to be written. It never blocks. A batch is taken whole or not at all.
func (l *Log) Write(events []Event) {
	if len(events) == 0 {
		return
	}
	l.mu.Lock()
	if len(l.waiting) >= mostQueued {
		if l.missing == 0 {
			l.missed = []Event{events[0], {}}
		}
		l.missed[1] = events[len(events)-1]
		l.missing += len(events)
		l.lost.Add(float64(len(events)))
	} else {
		l.waiting = append(l.waiting, events...)
	}
	l.mu.Unlock()
	select {
	case l.ready <- struct{}{}:
	default:
	}
}

// take returns what waits. After those that waited comes one that tells of those that were lost.
func (l *Log) take() []Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	events := l.waiting
	if l.missing > 0 {
		from, to := l.missed[0], l.missed[1]
		events = append(events, Event{
			ID: to.ID, At: to.At, Kind: Lost, Since: from.At,
			Why: fmt.Sprintf("%d events were not kept, because the disk was full or did not respond", l.missing),
		})
	}
	l.waiting, l.missed, l.missing = nil, nil, 0
	return events
}

// Run writes until ctx ends, and then what still waits, unless writing fails at that time.
func (l *Log) Run(ctx context.Context) error {
	defer l.close()
	for {
		select {
		case <-ctx.Done():
			l.write(l.take())
			return nil
		case <-l.ready:
		}
		for events := l.write(l.take()); len(events) > 0; events = l.write(events) {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(retryAfter):
			}
		}
	}
}

// write writes events, and returns those that could not be written. It logs once when writing begins
// to fail, and once when it works again.
func (l *Log) write(events []Event) (left []Event) {
	defer time.AfterFunc(lateAfter, func() {
		l.failures.Inc()
		l.fail(errors.New("the file system does not respond"))
		l.logger.Error("writing events takes long, as a file system that does not respond may make it: events may be lost, answers are not affected", "file", l.path)
	}).Stop()
	for left = events; len(left) > 0; {
		text, n := lines(left)
		if err := l.append(text); err != nil {
			l.failures.Inc()
			if l.fail(err) == nil {
				l.logger.Error("events are not written, and wait: make room, or make the file writable; answers are not affected", "file", l.path, "waiting", len(left), "error", err)
			}
			return left
		}
		left = left[n:]
	}
	if l.fail(nil) != nil {
		l.logger.Info("events are written again", "file", l.path)
	}
	return nil
}

// fail notes why events are not written, or that they are, and returns what was known before.
func (l *Log) fail(err error) (before error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before, l.failing = l.failing, err
	return before
}

// Err is why events are not written; nil: they are.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failing
}

// lines encodes the first of some events, one at least, and returns how many.
func lines(events []Event) (text []byte, n int) {
	var out bytes.Buffer
	for n < len(events) && out.Len() < writeSize {
		line, err := json.Marshal(&events[n])
		if err != nil || len(line) >= mostLine {
			short := events[n].Short() // a census of a million targets
			if line, err = json.Marshal(&short); err != nil {
				line = nil // JSON can't have years of five digits
			}
		}
		if n++; line != nil {
			out.Write(line)
			out.WriteByte('\n')
		}
	}
	return out.Bytes(), n
}

// append adds whole lines to the file, in the place of which it puts a new one if it is full. If it
// fails, nothing of the lines stays.
func (l *Log) append(text []byte) (err error) {
	if l.file != nil && !l.intact() {
		l.close() // somebody removed or renamed it
	}
	if l.file != nil && l.size > 0 && l.size+int64(len(text)) > l.rotateAt {
		l.close()
		if err := l.rotate(); err != nil {
			return err
		}
	}
	if l.file == nil {
		if err := l.open(); err != nil {
			return err
		}
	}
	n, err := l.add(l.file, text)
	if err != nil {
		if n > 0 {
			_ = l.file.Truncate(l.size) // otherwise open ends the torn line
		}
		l.close()
		return err
	}
	l.size += int64(n)
	return nil
}

// intact reports whether the open file is the one that has the name.
func (l *Log) intact() bool {
	open, err := l.file.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(l.path)
	return err == nil && os.SameFile(open, named)
}

// open opens the file to add to it. A line that a crash has torn gets its end, so that it spoils no
// other.
func (l *Log) open() error {
	if err := os.MkdirAll(filepath.Dir(l.path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(l.path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	size, err := endLine(f)
	if err != nil {
		return errors.Join(fmt.Errorf("%s: %w", l.path, err), f.Close())
	}
	l.file, l.size = f, size
	return nil
}

// endLine ends the last line of a file, and returns the size of the file.
func endLine(f *os.File) (size int64, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, errors.New("is not a regular file: remove it")
	}
	if size = info.Size(); size == 0 {
		return 0, nil
	}
	last := make([]byte, 1)
	if _, err := f.ReadAt(last, size-1); err != nil {
		return 0, err
	}
	if last[0] == '\n' {
		return size, nil
	}
	n, err := f.Write([]byte{'\n'})
	return size + int64(n), err
}

func (l *Log) close() {
	if l.file != nil {
		_ = l.file.Close()
		l.file = nil
	}
}

// rotate puts the file among the older ones.
func (l *Log) rotate() error {
	l.files.Lock()
	defer l.files.Unlock()
	return files.Rotate(l.path, keptFiles)
}
