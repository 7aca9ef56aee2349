package tap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dnstap/golang-dnstap"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"gslb/server/dnstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// running is a tap that runs, with its log.
type running struct {
	*Tap
	log   *lines
	ended chan struct{}
	stop  func()
}

// lines is a log that is written and read by different goroutines.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func start(t *testing.T, s Settings) *running {
	t.Helper()
	log := new(lines)
	taps := New(Options{Logger: slog.New(slog.NewTextHandler(log, nil)), Registerer: prometheus.NewPedanticRegistry()})
	taps.Use(s)
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{Tap: taps, log: log, ended: make(chan struct{})}
	go func() {
		defer close(r.ended)
		_ = taps.Run(ctx)
	}()
	r.stop = func() {
		cancel()
		<-r.ended
	}
	t.Cleanup(r.stop)
	return r
}

func all(network, address string) Settings {
	return Settings{To: Destination{Network: network, Address: address}, Share: 1, Queries: true, Responses: true, Identity: "ns1", Version: "gslb 1"}
}

func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited for %s", what)
		}
	}
}

// take takes messages n to m, which are told apart by their time.
func take(r *Recorder, n, m int) {
	for ; n < m; n++ {
		if s := r.Sample(); s != nil && s.Next() {
			s.Take(message(n, 40, 100))
		}
	}
}

func counted(n int) func([]*dnstap.Dnstap, int) bool {
	return func(messages []*dnstap.Dnstap, _ int) bool { return len(messages) >= n }
}

// A collector gets all that dnstap says of a query and of its reply, over both kinds of sockets. At the
// end it gets what is left in the queues, and is told that this is the end.
func TestCollectorGetsAll(t *testing.T) {
	for network, address := range map[string]string{"unix": filepath.Join(t.TempDir(), "tap.sock"), "tcp": "127.0.0.1:0"} {
		c := dnstest.NewCollector(t, network, address)
		r := start(t, all(network, c.Address))
		overUDP, overTCP := r.Recorder(here, false), r.Recorder(here, true)
		overUDP.Sample().Take(message(1, 2, 3))
		c.Wait(t, "a query and its reply", counted(2))
		overTCP.Sample().Take(message(2, 2, -1))
		r.stop()
		messages := c.Wait(t, "all, and the end", func(m []*dnstap.Dnstap, ended int) bool { return len(m) == 3 && ended == 1 })
		var got []string
		for _, m := range messages {
			got = append(got, fmt.Sprintf("%s %s %s", m.Identity, m.Version, say(m)))
		}
		want := []string{
			"ns1 gslb 1 AUTH_QUERY INET UDP 192.0.2.1 53001 2001:db8::53 53 0101 1700000000.000000001",
			"ns1 gslb 1 AUTH_RESPONSE INET UDP 192.0.2.1 53001 2001:db8::53 53 020202 1700000000.000000001 1700000001.000000001 \"\\aexample\\x03org\\x00\"",
			"ns1 gslb 1 AUTH_QUERY INET TCP 192.0.2.1 53001 2001:db8::53 53 0202 1700000000.000000002",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", network, diff)
		}
		if n := testutil.ToFloat64(r.written); n != 3 {
			t.Errorf("%s: %v messages are counted as written", network, n)
		}
		if n := testutil.ToFloat64(r.connected); n != 0 {
			t.Errorf("%s: connected after the end", network)
		}
	}
}

func say(d *dnstap.Dnstap) string {
	m := d.Message
	text := fmt.Sprintf("%v %v %v %v %d %v %d %x%x %d.%09d", m.Type, m.SocketFamily, m.SocketProtocol, net.IP(m.QueryAddress), m.GetQueryPort(),
		net.IP(m.ResponseAddress), m.GetResponsePort(), m.QueryMessage, m.ResponseMessage, m.GetQueryTimeSec(), m.GetQueryTimeNsec())
	if m.ResponseTimeSec != nil {
		text += fmt.Sprintf(" %d.%09d %q", m.GetResponseTimeSec(), m.GetResponseTimeNsec(), m.QueryZone)
	}
	return text
}

// What is taken while a collector is away waits for it, as far as there is room. The log says once that
// it is away.
func TestCollectorComesBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tap.sock")
	r := start(t, all("unix", path))
	recorder := r.Recorder(here, false)
	take(recorder, 0, 10)
	until(t, "the log to say that there is no collector", func() bool { return strings.Contains(r.log.String(), "can't be written") })
	c := dnstest.NewCollector(t, "unix", path)
	c.Wait(t, "what has waited", counted(20))
	c.Close()
	until(t, "the loss to be noticed", func() bool {
		take(recorder, 10, 11) // otherwise there is nothing to write
		return testutil.ToFloat64(r.connected) == 0
	})
	take(recorder, 11, 20)
	c = dnstest.NewCollector(t, "unix", path)
	c.Wait(t, "what has waited the second time", counted(18))
	if n := strings.Count(r.log.String(), "can't be written"); n != 1 {
		t.Errorf("the log says %d times that the collector is away:\n%s", n, r.log)
	}
	if n := r.full(); n != 0 {
		t.Errorf("%v messages found no room", n)
	}
}

// A collector that doesn't read, or doesn't even say that it takes dnstap, holds nobody up: neither who
// reports, nor the end.
func TestDeadCollectorsHoldNobodyUp(t *testing.T) {
	for name, greet := range map[string]bool{"silent": false, "never reads": true} {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("unix", filepath.Join(t.TempDir(), "tap.sock"))
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			accepted := make(chan net.Conn, 100)
			go func() {
				defer close(accepted)
				for {
					conn, err := listener.Accept()
					if err != nil {
						return
					}
					if greet {
						_, _ = dnstap.NewReader(conn, &dnstap.ReaderOptions{Bidirectional: true})
					}
					accepted <- conn
				}
			}()
			defer func() {
				listener.Close()
				for conn := range accepted {
					conn.Close()
				}
			}()
			r := start(t, all("unix", listener.Addr().String()))
			recorder := r.Recorder(here, false)
			longest := time.Duration(0)
			for began, n := time.Now(), 0; recorder.full.Load() < 1000; n++ {
				before := time.Now()
				take(recorder, n, n+1)
				longest = max(longest, time.Since(before))
				if time.Since(began) > time.Minute {
					t.Fatal("nothing is dropped although nobody reads")
				}
			}
			if longest > 4*time.Second { // a busy machine, and less than any wait for a collector
				t.Errorf("a message took %v to be taken", longest)
			}
			began := time.Now()
			r.stop()
			if took := time.Since(began); took > 2*endWait+2*time.Second {
				t.Errorf("the end took %v", took)
			}
		})
	}
}

// Everything that is taken is either written or counted, whatever the collector does.
func TestEveryMessageIsCounted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tap.sock")
	r := start(t, all("unix", path))
	recorder := r.Recorder(here, false)
	const total = 30_000
	c := dnstest.NewCollector(t, "unix", path)
	for n := 0; n < total; n += 100 {
		take(recorder, n, n+100)
		if rand.IntN(100) == 0 {
			c.Close()
			c = dnstest.NewCollector(t, "unix", path)
		}
	}
	until(t, "all to be counted", func() bool {
		return testutil.ToFloat64(r.written)+testutil.ToFloat64(r.lost)+r.full() == 2*total
	})
}

// Settings are replaced while it runs: on, another share, another collector, off.
func TestSettingsAreReplaced(t *testing.T) {
	dir := t.TempDir()
	r := start(t, Settings{})
	recorder := r.Recorder(here, false)
	if recorder.Sample() != nil {
		t.Fatal("something is reported although nothing is to be")
	}
	first := dnstest.NewCollector(t, "unix", filepath.Join(dir, "1"))
	second := dnstest.NewCollector(t, "unix", filepath.Join(dir, "2"))
	r.Use(all("unix", first.Address))
	take(recorder, 0, 1)
	first.Wait(t, "both messages", counted(2))

	onlyReplies := all("unix", first.Address)
	onlyReplies.Queries, onlyReplies.Identity = false, "ns2"
	r.Use(onlyReplies)
	take(recorder, 1, 2)
	messages := first.Wait(t, "a reply", func(m []*dnstap.Dnstap, ended int) bool { return len(m) == 3 && ended == 0 })
	if got := messages[2]; got.Message.GetType() != dnstap.Message_AUTH_RESPONSE || string(got.Identity) != "ns2" {
		t.Errorf("got %v of %s, want a reply of ns2", got.Message.GetType(), got.Identity)
	}

	r.Use(all("unix", second.Address))
	first.Wait(t, "the end", func(_ []*dnstap.Dnstap, ended int) bool { return ended == 1 })
	take(recorder, 2, 3)
	second.Wait(t, "both messages", counted(2))

	r.Use(Settings{})
	second.Wait(t, "the end", func(_ []*dnstap.Dnstap, ended int) bool { return ended == 1 })
	take(recorder, 3, 4)
	until(t, "the queues to be given up", func() bool {
		_, rings := r.current()
		return len(rings) == 0
	})
	if n := testutil.ToFloat64(r.written); n != 5 {
		t.Errorf("%v messages were written, want 5", n)
	}
}

// fileMessages reads a file as other programs do. whole: it has an end.
func fileMessages(t *testing.T, path string) (messages []*dnstap.Dnstap, whole bool) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	reader, err := dnstap.NewReader(f, nil)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	buf := make([]byte, 1<<20)
	for {
		n, err := reader.ReadFrame(buf)
		if errors.Is(err, io.EOF) {
			// The reader says the same at the end of the file.
			end, err := f.Seek(0, io.SeekCurrent)
			if err != nil {
				t.Fatal(err)
			}
			tail := make([]byte, 12)
			_, err = f.ReadAt(tail, end-12)
			return messages, err == nil && bytes.Equal(tail, []byte{0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 3})
		}
		m := new(dnstap.Dnstap)
		if err == nil {
			err = proto.Unmarshal(buf[:n], m)
		}
		if err != nil {
			t.Fatalf("%s: message %d: %v", path, len(messages), err)
		}
		messages = append(messages, m)
	}
}

// A file that is full, or of another run, or was moved by somebody else, is followed by a new one, and
// each can be read from its beginning to its end.
func TestFilesFollowEachOther(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tap")
	s := all("file", path)
	s.To.MaxSize, s.To.Keep = 200_000, 3
	r := start(t, s)
	recorder := r.Recorder(here, false)
	size := func() int64 {
		info, err := os.Stat(path)
		if err != nil {
			return -1
		}
		return info.Size()
	}
	for n := 0; n < 2500; n += 250 { // some 500 bytes each
		take(recorder, n, n+250)
		until(t, "the messages to be written", func() bool { return testutil.ToFloat64(r.written) == float64(2*n+500) })
	}
	if err := os.Rename(path, path+".mine"); err != nil {
		t.Fatal(err)
	}
	until(t, "a new file", func() bool {
		take(recorder, 2500, 2501)
		return size() > 0
	})
	r.stop()
	written := int(testutil.ToFloat64(r.written))

	found, last := 0, uint32(0)
	for _, name := range []string{path + ".3", path + ".2", path + ".1", path + ".mine", path} {
		messages, whole := fileMessages(t, name)
		info, err := os.Stat(name)
		if err != nil || !whole || info.Size() > s.To.MaxSize+100 {
			t.Errorf("%s: %d bytes, %d messages, with an end: %v, %v", name, info.Size(), len(messages), whole, err)
		}
		for _, m := range messages {
			if n := m.Message.GetQueryTimeNsec(); n < last {
				t.Errorf("%s: message %d comes after %d", name, n, last)
			} else {
				last = n
			}
		}
		found += len(messages)
	}
	if _, err := os.Stat(path + ".4"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("more older files stay than should: %v", err)
	}
	if found < 2000 || found > written {
		t.Errorf("%d of %d messages are in the files that stay", found, written)
	}

	again := start(t, s)
	take(again.Recorder(here, false), 0, 1)
	until(t, "the messages to be written", func() bool { return testutil.ToFloat64(again.written) == 2 })
	again.stop()
	if messages, whole := fileMessages(t, path); len(messages) != 2 || !whole {
		t.Errorf("the file of another run has %d messages, with an end: %v", len(messages), whole)
	}
}

// What a write has left of a message when the disk was full is removed, and the file goes on.
func TestFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tap")
	s := all("file", path)
	s.To.MaxSize, s.To.Keep = 1_000_000, 3
	sink := newSink(s.To).(*file)
	full := false
	sink.add = func(f *os.File, data []byte) (int, error) {
		if !full {
			return f.Write(data)
		}
		n, err := f.Write(data[:len(data)/2])
		return n, errors.Join(err, syscall.ENOSPC)
	}
	r, pack := newRing(10_000, nil), newPacker("ns1", "1")
	frames := func(n int) (out []byte) {
		for range 3 {
			r.put(message(n, 40, 100), true, false, &Recorder{at: here})
			rec, _ := r.next()
			out, _ = pack.append(out, &rec)
			r.done(rec)
			n++
		}
		return out
	}
	if err := sink.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	for step := range 6 {
		data := frames(3 * step)
		full = step%2 == 1
		n, err := sink.write(t.Context(), data)
		switch {
		case !full && (err != nil || n != len(data)):
			t.Fatalf("step %d: %d bytes, %v", step, n, err)
		case full && (!errors.Is(err, syscall.ENOSPC) || n != len(data)/3):
			t.Fatalf("step %d: %d bytes of %d and %v, want one message and ENOSPC", step, n, len(data), err)
		case full:
			if err := sink.open(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := sink.close(); err != nil {
		t.Fatal(err)
	}
	var got []uint32
	messages, whole := fileMessages(t, path)
	for _, m := range messages {
		got = append(got, m.Message.GetQueryTimeNsec())
	}
	if diff := cmp.Diff([]uint32{0, 1, 2, 3, 6, 7, 8, 9, 12, 13, 14, 15}, got); diff != "" || !whole {
		t.Errorf("with an end: %v, %s", whole, diff)
	}
	if _, err := os.Stat(path + ".1"); err == nil {
		t.Error("the file was put aside although it could go on")
	}
}

// What is at the path and no file is left alone.
func TestFileRefusesOthers(t *testing.T) {
	dir := t.TempDir()
	pipe, link := filepath.Join(dir, "pipe"), filepath.Join(dir, "link")
	if err := errors.Join(syscall.Mkfifo(pipe, 0o600), os.Symlink(filepath.Join(dir, "elsewhere"), link)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, pipe, link, filepath.Join(dir, "none", "tap")} {
		if err := newSink(Destination{Network: "file", Address: path, MaxSize: 1e6, Keep: 1}).open(t.Context()); err == nil {
			t.Errorf("%s is written to", path)
		}
	}
}

// steady is a collector that takes everything.
type steady struct{ written int }

func (s *steady) open(context.Context) error { return nil }
func (s *steady) close() error               { return nil }
func (s *steady) write(_ context.Context, frames []byte) (int, error) {
	s.written += len(frames)
	return len(frames), nil
}

// A queue that is half full is emptied at once, and one with less in it within drainEvery.
func TestHalfFullQueueIsEmptied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		collector := new(steady)
		taps := New(Options{})
		taps.newSink = func(Destination) sink { return collector }
		taps.Use(all("unix", "path"))
		recorder := taps.Recorder(here, false)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- taps.Run(ctx) }()
		synctest.Wait()
		began, n := time.Now(), 0
		for range 5 {
			before := collector.written
			for waiting := 0; waiting <= ringSize/2; waiting += headerSize + 140 {
				take(recorder, n, n+1)
				n++
			}
			synctest.Wait()
			if collector.written == before || time.Since(began) > 0 {
				t.Fatalf("nothing is written although half of the queue is full, after %v", time.Since(began))
			}
		}
		before := collector.written
		take(recorder, 0, 1)
		time.Sleep(drainEvery)
		synctest.Wait()
		if collector.written == before {
			t.Error("what is in a queue stays there")
		}
		cancel()
		<-ended
	})
}

// flapping is a collector that is lost with every second write.
type flapping struct {
	opened  atomic.Int64
	stable  atomic.Bool
	written int
}

func (f *flapping) open(context.Context) error { f.opened.Add(1); return nil }
func (f *flapping) close() error               { return nil }
func (f *flapping) write(_ context.Context, frames []byte) (int, error) {
	if f.written++; f.written%2 == 0 && !f.stable.Load() {
		return 0, errGone
	}
	return len(frames), nil
}

// A collector that comes and goes is one fault in the log, which is over once the collector has stayed for a
// while, and it is not connected to all the time.
func TestFlappingCollectorIsOneFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, collector := new(lines), new(flapping)
		taps := New(Options{Logger: slog.New(slog.NewTextHandler(log, nil))})
		taps.newSink = func(Destination) sink { return collector }
		taps.Use(all("unix", "path"))
		recorder := taps.Recorder(here, false)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- taps.Run(ctx) }()
		for n := range 60 * 50 {
			take(recorder, n, n+1)
			time.Sleep(20 * time.Millisecond)
		}
		synctest.Wait()
		if opened := collector.opened.Load(); opened > 70 {
			t.Errorf("it was connected to %d times in a minute", opened)
		}
		collector.stable.Store(true)
		time.Sleep(settled + 2*time.Second)
		synctest.Wait()
		cancel()
		<-ended
		again, lost := strings.Count(log.String(), "is written again"), strings.Count(log.String(), "can't be written")
		if lost != 1 || again != 1 {
			t.Errorf("the log says %d times that it is lost, and %d times that it is back:\n%s", lost, again, log)
		}
	})
}

// prompting is a collector that has a worker take two messages for each that it is given.
type prompting struct {
	steady
	recorder *Recorder
	left     int // how often it does
}

func (p *prompting) write(ctx context.Context, frames []byte) (int, error) {
	if messages, _, _ := countFrames(frames, len(frames)); p.left > 0 {
		p.left--
		take(p.recorder, 0, messages)
	}
	return p.steady.write(ctx, frames)
}

// Settings with another destination are taken although the queues never get empty.
func TestBusyQueuesFollowTheSettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const enough = 1000 // writes, so that a writer that waits for an empty queue fails and does not hang
		before, after := &prompting{left: enough}, new(steady)
		taps := New(Options{})
		taps.newSink = func(d Destination) sink {
			if d.Address == "before" {
				return before
			}
			return after
		}
		taps.Use(all("unix", "before"))
		before.recorder = taps.Recorder(here, false)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- taps.Run(ctx) }()
		synctest.Wait()
		take(before.recorder, 0, 1000)
		taps.Use(all("unix", "after"))
		synctest.Wait()
		time.Sleep(2 * drainEvery)
		synctest.Wait()
		if after.written == 0 || before.left == 0 {
			t.Errorf("%d bytes went to the new destination, after %d writes to the old one", after.written, enough-before.left)
		}
		cancel()
		<-ended
	})
}
