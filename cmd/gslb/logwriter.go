package main

import (
	"bytes"
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// logWriter stands between the log and whoever reads it: a pipe whose reader hangs, say.
// What does not get away is dropped and counted, so that no probe, no answer and no exit
// ever waits for a log line. It is safe for concurrent use.
type logWriter struct {
	lines chan logLine
	lost  atomic.Uint64
}

// logLine is a line on its way or, if it has none, the question whether all before it are
// written.
type logLine struct {
	lost    uint64 // how many were dropped before it
	text    []byte
	written chan<- struct{}
}

const (
	linesWaiting = 4096
	flushWait    = time.Second
)

// newLogWriter writes to w from a goroutine that ends with the process: a write that hangs
// cannot be called back.
func newLogWriter(w io.Writer) *logWriter {
	l := &logWriter{lines: make(chan logLine, linesWaiting)}
	go l.run(w)
	return l
}

func (l *logWriter) run(w io.Writer) {
	for line := range l.lines {
		if line.lost > 0 {
			if _, err := fmt.Fprintf(w, "gslb: %d log lines were lost here: they could not be written in time\n", line.lost); err != nil {
				l.lost.Add(line.lost) // the disk is full, say: it is said when there is room
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
func (l *logWriter) Write(text []byte) (int, error) {
	if !l.put(logLine{text: bytes.Clone(text)}) { // the caller uses text again
		l.lost.Add(1)
	}
	return len(text), nil
}

// put sends a line on its way, together with how many were lost before it.
func (l *logWriter) put(line logLine) bool {
	line.lost = l.lost.Swap(0)
	select {
	case l.lines <- line:
		return true
	default:
		l.lost.Add(line.lost)
		return false
	}
}

// flush waits until all is written, but not for ever.
func (l *logWriter) flush() {
	written := make(chan struct{})
	if !l.put(logLine{written: written}) {
		return // nobody reads
	}
	select {
	case <-written:
	case <-time.After(flushWait):
	}
}
