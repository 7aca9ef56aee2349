package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
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
		l := newLogWriter(h)
		defer close(l.lines)
		const lines = linesWaiting + 10
		for i := range lines {
			fmt.Fprintf(l, "line %d\n", i)
		}
		synctest.Wait()
		began := time.Now()
		l.flush()
		if took := time.Since(began); took > flushWait {
			t.Errorf("flush took %s, want at most %s", took, flushWait)
		}
		close(h.letGo)
		synctest.Wait()
		fmt.Fprintln(l, "again")
		l.flush()
		text := h.buf.String()
		// The first line was under way, or was one of those that waited.
		end := regexp.MustCompile(`line 409[56]\ngslb: (9|10) log lines were lost here: they could not be written in time\nagain\n$`)
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
		l := newLogWriter(f)
		defer close(l.lines)
		for i := range 10 {
			fmt.Fprintf(l, "line %d\n", i)
			synctest.Wait()
		}
		f.room = true
		fmt.Fprintln(l, "again")
		l.flush()
		if want := "gslb: 10 log lines were lost here: they could not be written in time\nagain\n"; f.buf.String() != want {
			t.Errorf("written: %q, want %q", f.buf.String(), want)
		}
	})
}

// A program that is run with its log in a pipe goes on when the reader goes or hangs.
func TestProgramOutlivesItsLogReader(t *testing.T) {
	t.Parallel()
	for name, treat := range map[string]func(t *testing.T, r, w *os.File){
		"gone": func(t *testing.T, r, w *os.File) { r.Close() },
		"hangs": func(t *testing.T, r, w *os.File) {
			t.Cleanup(func() { r.Close() })
			if err := w.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			for _, err := w.Write(make([]byte, 4096)); err == nil; _, err = w.Write(make([]byte, 4096)) {
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			address := freeAddress(t)
			s.listen = address.String()
			s.write(`"nyc", "ams"`)
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			treat(t, r, w)
			cmd := exec.Command("gslb", "serve", "--log-level", "debug", filepath.Join(s.dir, "zones.toml"))
			cmd.Stdout, cmd.Stderr = io.Discard, w
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			w.Close()
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			s.eventually("the first answer", func() bool { return askAt(address) == first })
			s.nyc.stop()
			s.eventually("the failover", func() bool { return askAt(address) == second })
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			select {
			case err := <-ended:
				if err != nil {
					t.Errorf("the program ended with %v", err)
				}
			case <-ctx.Done():
				_ = cmd.Process.Kill()
				<-ended
				t.Error("the program does not end")
			}
		})
	}
}

// freeAddress is one that nobody uses for TCP or UDP right now.
func freeAddress(t *testing.T) netip.AddrPort {
	t.Helper()
	return reserve(t, "127.0.0.1")
}
