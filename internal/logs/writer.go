package logs

import (
	"bytes"
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// Writer writes log lines in the background. If they cannot be written in time, for example
// because the reader of a pipe hangs, they are dropped and counted. So no probe, no answer and no
// exit ever waits for a log line. It is safe for concurrent use.
type Writer struct {
	prefix string // of a line about lost ones: its priority in systemd's journal
	lines  chan line
	lost   atomic.Uint64
}

// line is a line to be written. One without text asks whether all lines before it are written.
type line struct {
	lost    uint64 // how many were dropped before it
	text    []byte
	written chan<- struct{}
}

const linesWaiting = 4096

// FlushWait is how long the end of the program waits for its log to be read.
const FlushWait = time.Second

// NewWriter writes to w from a goroutine that ends with the process: a write that hangs cannot
// be interrupted. toJournal is as in New.
func NewWriter(w io.Writer, toJournal bool) *Writer {
	l := &Writer{lines: make(chan line, linesWaiting)}
	if toJournal {
		l.prefix = warningPrefix
	}
	go l.run(w)
	return l
}

func (l *Writer) run(w io.Writer) {
	for line := range l.lines {
		if line.lost > 0 {
			if _, err := fmt.Fprintf(w, "%sgslb: %d log lines were lost here: they could not be written in time\n", l.prefix, line.lost); err != nil {
				l.lost.Add(line.lost) // for example, the disk is full: the loss is reported later
			}
		}
		if line.written != nil {
			close(line.written)
			continue
		}
		if _, err := w.Write(line.text); err != nil {
			l.lost.Add(1)
		}
	}
}

// Write never blocks and never fails.
func (l *Writer) Write(text []byte) (int, error) {
	if !l.put(line{text: bytes.Clone(text)}) { // the caller uses text again
		l.lost.Add(1)
	}
	return len(text), nil
}

// put queues a line, with the number of lines lost before it.
func (l *Writer) put(line line) bool {
	line.lost = l.lost.Swap(0)
	select {
	case l.lines <- line:
		return true
	default:
		l.lost.Add(line.lost)
		return false
	}
}

// Flush waits, for a bounded time, until all is written.
func (l *Writer) Flush() {
	written := make(chan struct{})
	if !l.put(line{written: written}) {
		return // nobody reads
	}
	select {
	case <-written:
	case <-time.After(FlushWait):
	}
}
