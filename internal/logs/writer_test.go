package logs

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// hanging is a writer that writes nothing until it is let go.
type hanging struct {
	letGo chan struct{}

	mu  sync.Mutex
	buf bytes.Buffer
}

func (h *hanging) Write(p []byte) (int, error) {
	<-h.letGo
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.buf.Write(p)
}

func TestLogWriterNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hanging{letGo: make(chan struct{})}
		l := NewWriter(h, true)
		defer close(l.lines)
		const lines = linesWaiting + 10
		for i := range lines {
			fmt.Fprintf(l, "line %d\n", i)
		}
		synctest.Wait()
		began := time.Now()
		l.Flush()
		if took := time.Since(began); took > FlushWait {
			t.Errorf("flush took %s, want at most %s", took, FlushWait)
		}
		close(h.letGo)
		synctest.Wait()
		fmt.Fprintln(l, "again")
		l.Flush()
		text := h.buf.String()
		// The first line was under way, or was one of those that waited.
		end := regexp.MustCompile(`line 409[56]\n<4>gslb: (9|10) log lines were lost here: they could not be written in time\nagain\n$`)
		if !strings.HasPrefix(text, "line 0\nline 1\n") || !end.MatchString(text) {
			t.Errorf("%d bytes: %.60s … %s", len(text), text, text[max(0, len(text)-120):])
		}
	})
}

// full is a writer on a disk that is full until there is room.
type full struct {
	room bool
	buf  bytes.Buffer
}

func (f *full) Write(p []byte) (int, error) {
	if !f.room {
		return 0, syscall.ENOSPC
	}
	return f.buf.Write(p)
}

// Lines that could not be written are counted, and that is said when it can be.
func TestLogWriterCountsWhatCannotBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &full{}
		l := NewWriter(f, false)
		defer close(l.lines)
		for i := range 10 {
			fmt.Fprintf(l, "line %d\n", i)
			synctest.Wait()
		}
		f.room = true
		fmt.Fprintln(l, "again")
		l.Flush()
		if want := "gslb: 10 log lines were lost here: they could not be written in time\nagain\n"; f.buf.String() != want {
			t.Errorf("written: %q, want %q", f.buf.String(), want)
		}
	})
}
