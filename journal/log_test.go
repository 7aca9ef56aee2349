package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"pgregory.net/rapid"

	"gslb/internal/files"
)

// running is a log that is written, until the function that is returned ends it.
func running(l *Log) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = l.Run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

// said is what is logged.
type said struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func newTestLog(dir string) (*Log, *said) {
	said := new(said)
	return NewLog(dir, slog.New(slog.NewTextHandler(said, nil)), prometheus.NewRegistry()), said
}

// numbered is events with IDs from first on.
func numbered(first, n int) []Event {
	events := make([]Event, n)
	for i := range events {
		events[i] = Event{ID: uint64(first + i), Kind: Pool, Subject: fmt.Sprintf("pool-%d", first+i), From: "up", To: "down", Why: strings.Repeat("x", (first+i)%50)}
	}
	return events
}

func ids(events []Event) []uint64 {
	list := make([]uint64, len(events))
	for i := range events {
		list[i] = events[i].ID
	}
	return list
}

func all(t *testing.T, path string) (list []uint64, damaged int) {
	t.Helper()
	damaged, err := Read(path, func(e Event) bool {
		list = append(list, e.ID)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return list, damaged
}

// numbers is those from one to another.
func numbers(from, to int) []uint64 {
	var list []uint64
	for i := from; i <= to; i++ {
		list = append(list, uint64(i))
	}
	return list
}

func TestLogIsRotatedAndBounded(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "here")
	l, _ := newTestLog(dir)
	l.rotateAt = 20_000
	end := running(l)
	const batch = 100
	written := 0
	for range 40 {
		l.Write(numbered(written+1, batch))
		written += batch
	}
	end()
	// What Run took at once may be more than a file has; the batches that follow are smaller.
	end = running(l)
	for range 400 {
		l.Write(numbered(written+1, batch))
		written += batch
		waitUntilWritten(t, l)
	}
	end()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
		if info, _ := e.Info(); info.Size() > 20_000 {
			t.Errorf("%s has %d bytes, more than it may", e.Name(), info.Size())
		}
	}
	want := []string{"events.log", "events.log.1", "events.log.2", "events.log.3", "events.log.4", "events.log.5", "events.log.6", "events.log.7", "events.log.8"}
	if !slices.Equal(names, want) {
		t.Errorf("files %v, want %v", names, want)
	}
	list, damaged := all(t, dir)
	if damaged > 0 || len(list) == 0 || !slices.Equal(list, numbers(int(list[0]), written)) {
		t.Errorf("the log has %d events, %d damaged, not all from the first to %d", len(list), damaged, written)
	}
	tail, err := Tail(dir, 500)
	if want := numbers(written-499, written); err != nil || !slices.Equal(ids(tail), want) {
		t.Errorf("the tail has %d events (%v), want the last 500", len(tail), err)
	}
}

func waitUntilWritten(t *testing.T, l *Log) {
	t.Helper()
	for until := time.Now().Add(10 * time.Second); time.Now().Before(until); time.Sleep(100 * time.Microsecond) {
		l.mu.Lock()
		empty := len(l.waiting) == 0
		l.mu.Unlock()
		if empty {
			return
		}
	}
	t.Fatal("the log is not written")
}

// A crash may tear the last line. It is ended, so that the next one is whole.
func TestTornLineSpoilsNoOther(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, logName)
	l, _ := newTestLog(dir)
	end := running(l)
	l.Write(numbered(1, 3))
	end()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := range 40 {
		if err := os.Truncate(path, info.Size()-int64(cut)); err != nil {
			t.Fatal(err)
		}
		before, damaged := all(t, dir)
		if len(before) < 2 || damaged > 1 {
			t.Fatalf("cut by %d: %v and %d damaged", cut, before, damaged)
		}
		l, _ := newTestLog(dir)
		end := running(l)
		l.Write(numbered(4, 1))
		end()
		after, _ := all(t, dir)
		if want := append(before, 4); !slices.Equal(after, want) {
			t.Errorf("cut by %d: %v, want %v", cut, after, want)
		}
		latest, err := l.Latest(t.Context(), 0, 2)
		if want := []uint64{4, before[len(before)-1]}; err != nil || !slices.Equal(ids(latest), want) {
			t.Errorf("cut by %d: the latest are %v (%v), want %v", cut, ids(latest), err, want)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		l, _ = newTestLog(dir)
		end = running(l)
		l.Write(numbered(1, 3))
		end()
	}
}

// A disk that does not respond holds up nobody. What is too much is lost, counted and said.
func TestDiskThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		l, said := newTestLog(dir)
		release := make(chan struct{})
		l.add = func(f *os.File, text []byte) (int, error) {
			<-release
			return f.Write(text)
		}
		end := running(l)
		began := time.Now()
		for i := range 30 {
			l.Write(numbered(1+1000*i, 1000))
			synctest.Wait()
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("writing waited for %s", took)
		}
		time.Sleep(lateAfter + time.Second)
		synctest.Wait()
		if !strings.Contains(said.String(), "writing events takes long") {
			t.Errorf("nothing was said: %s", said)
		}
		close(release)
		synctest.Wait()
		l.Write(numbered(30_001, 1))
		end()
		var lost int
		var list []uint64
		if _, err := Read(dir, func(e Event) bool {
			if e.Kind == Lost {
				lost++
				if e.ID != 30_000 || !strings.HasPrefix(e.Why, "19000 events were not kept") {
					t.Errorf("said of what was lost: %+v", e)
				}
				return true
			}
			list = append(list, e.ID)
			return true
		}); err != nil {
			t.Fatal(err)
		}
		// The first batch was on its way, and ten wait.
		if want := append(numbers(1, 11_000), 30_001); lost != 1 || !slices.Equal(list, want) {
			t.Errorf("%d events are there, and %d words of others; want those to 11000, one word, and the last", len(list), lost)
		}
		if n := testutil.ToFloat64(l.lost); n != 19_000 {
			t.Errorf("%v lost are counted, want 19000", n)
		}
	})
}

// On a full disk events wait, and nothing of a line that did not fit stays.
func TestDiskThatIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		l, said := newTestLog(dir)
		var full atomic.Bool
		l.add = func(f *os.File, text []byte) (int, error) {
			if !full.Load() {
				return f.Write(text)
			}
			n, _ := f.Write(text[:len(text)/2])
			return n, syscall.ENOSPC
		}
		end := running(l)
		l.Write(numbered(1, 2))
		synctest.Wait()
		full.Store(true)
		l.Write(numbered(3, 2))
		time.Sleep(10 * time.Second)
		l.Write(numbered(5, 2))
		synctest.Wait()
		if list, damaged := all(t, dir); damaged > 0 || !slices.Equal(list, numbers(1, 2)) {
			t.Errorf("while the disk is full there are %v, and %d damaged lines", list, damaged)
		}
		full.Store(false)
		time.Sleep(2 * time.Second)
		end()
		if list, damaged := all(t, dir); damaged > 0 || !slices.Equal(list, numbers(1, 6)) {
			t.Errorf("afterwards there are %v, and %d damaged lines", list, damaged)
		}
		text := said.String()
		if strings.Count(text, "level=ERROR") != 1 || strings.Count(text, "events are written again") != 1 || testutil.ToFloat64(l.failures) < 5 {
			t.Errorf("said: %s", text)
		}
	})
}

// A log that somebody moved away or removed is begun anew, and a pipe in its place is not waited for.
func TestFileThatIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		path := filepath.Join(dir, logName)
		l, said := newTestLog(dir)
		end := running(l)
		l.Write(numbered(1, 1))
		synctest.Wait()
		if err := os.Rename(path, filepath.Join(dir, "kept")); err != nil {
			t.Fatal(err)
		}
		l.Write(numbered(2, 1))
		synctest.Wait()
		if list, _ := all(t, path); !slices.Equal(list, []uint64{2}) {
			t.Errorf("after it was moved away the file has %v, want 2 alone", list)
		}
		if err := errors.Join(os.Remove(path), syscall.Mkfifo(path, 0o600)); err != nil {
			t.Fatal(err)
		}
		l.Write(numbered(3, 1))
		time.Sleep(time.Second)
		synctest.Wait()
		if !strings.Contains(said.String(), "is not a regular file: remove it") {
			t.Errorf("said of a pipe: %s", said)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		end()
		if list, _ := all(t, path); !slices.Equal(list, []uint64{3}) {
			t.Errorf("after the pipe the file has %v, want 3 alone", list)
		}
	})
}

// What is asked for by ID is what a plain search through everything finds.
func TestAskingByID(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		var list []uint64
		id := uint64(0)
		gen := rapid.IntRange(0, 40)
		for n := gen.Draw(rt, "files") % (keptFiles + 1); n >= 0; n-- {
			var text bytes.Buffer
			for range gen.Draw(rt, "lines") {
				id += uint64(1 + gen.Draw(rt, "gap"))
				if gen.Draw(rt, "damaged") == 7 {
					text.WriteString(`{"id":` + strings.Repeat("9", gen.Draw(rt, "torn")) + "\n")
				}
				line, _ := lines([]Event{{ID: id, Kind: Pool, Why: strings.Repeat("y", 50*gen.Draw(rt, "length"))}})
				text.Write(line)
				list = append(list, id)
			}
			if err := os.WriteFile(files.Older(filepath.Join(dir, logName), n), text.Bytes(), 0o644); err != nil {
				rt.Fatal(err)
			}
		}
		l, _ := newTestLog(dir)
		n := 1 + gen.Draw(rt, "asked")
		from := uint64(rapid.IntRange(0, int(id)+2).Draw(rt, "from"))
		at, found := slices.BinarySearch(list, from)
		before := slices.Clone(list[:at])
		if from == 0 {
			before = slices.Clone(list)
		}
		slices.Reverse(before)
		if found {
			at++
		}
		after := list[at:]
		got, err := l.After(t.Context(), from, n)
		if want := after[:min(n, len(after))]; err != nil || !slices.Equal(ids(got), want) {
			rt.Fatalf("%d after %d: %v (%v), want %v", n, from, ids(got), err, want)
		}
		got, err = l.Latest(t.Context(), from, n)
		if want := before[:min(n, len(before))]; err != nil || !slices.Equal(ids(got), want) {
			rt.Fatalf("%d before %d: %v (%v), want %v", n, from, ids(got), err, want)
		}
	})
}

// A reader of a disk that does not respond is let go in time.
func TestReadersAreLetGo(t *testing.T) {
	l, _ := newTestLog(t.TempDir())
	l.files.Lock() // as while files are renamed, which hangs
	for range mostReaders + 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if _, err := l.After(ctx, 0, 10); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "does not respond") {
			t.Errorf("error %v", err)
		}
		cancel()
	}
	l.files.Unlock()
	if _, err := l.After(t.Context(), 0, 10); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestReadOfWhatIsNoLog(t *testing.T) {
	dir := t.TempDir()
	other := filepath.Join(dir, "other")
	if err := os.WriteFile(other, []byte("hello\n{}\n{\"id\":1,\"kind\":\"pool\"}"), 0o644); err != nil {
		t.Fatal(err)
	}
	if list, damaged := all(t, other); damaged != 2 || !slices.Equal(list, []uint64{1}) {
		t.Errorf("%v and %d damaged", list, damaged)
	}
	for _, path := range []string{dir, filepath.Join(dir, "absent")} {
		if _, err := Read(path, func(Event) bool { return true }); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v", path, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"id":1,"at":"2026-01-02T12:00:00Z","kind":"target","from":"up","to":"down","verdict":{"reason":"timeout"}}` + "\n"))
	f.Add([]byte(`{"id":1,"kind":"config","census":{"up":1,"down_targets":["a"]}}` + "\n\n{"))
	f.Fuzz(func(t *testing.T, data []byte) {
		count := 0
		damaged, err := Decode(bytes.NewReader(data), func(Event) bool { count++; return true })
		if err != nil || count+damaged > bytes.Count(data, []byte{'\n'})+1 {
			t.Errorf("%d events, %d damaged, %v", count, damaged, err)
		}
	})
}
