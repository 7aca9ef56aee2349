package main

import (
	"bytes"
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// logWriter writes log lines in the background. If they cannot be written in time, for example
// because the reader of a pipe hangs, they are dropped and counted. So no probe, no answer and no
// exit ever waits for a log line. It is safe for concurrent use.
type logWriter struct {
	lines chan logLine
	lost  atomic.Uint64
}

// logLine is a line to be written. One without text asks whether all lines before it are written.
type logLine struct {
	lost    uint64 // how many were dropped before it
	text    []byte
	written chan<- struct{}
}

const (
	linesWaiting = 4096
	flushWait    = time.Second
)

// newLogWriter writes to w from a goroutine that ends with the process: a write that hangs cannot
// be interrupted.
func newLogWriter(w io.Writer) *logWriter {
	l := &logWriter{lines: make(chan logLine, linesWaiting)}
	go l.run(w)
	return l
}

func (l *logWriter) run(w io.Writer) {
	for line := range l.lines {
		if line.lost > 0 {
			if _, err := fmt.Fprintf(w, "gslb: %d log lines were lost here: they could not be written in time\n", line.lost); err != nil {
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
func (l *logWriter) Write(text []byte) (int, error) {
	if !l.put(logLine{text: bytes.Clone(text)}) { // the caller uses text again
		l.lost.Add(1)
	}
	return len(text), nil
}

// put queues a line, with the number of lines lost before it.
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

// flush waits, for a bounded time, until all is written.
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
