package daemon

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"gslb/daemon/daemontest"
)

func TestPartsThatHangAreLeftBehind(t *testing.T) {
	broken := errors.New("broken")
	for _, test := range []struct {
		name  string
		fails error // of the part that does not hang
		want  error
	}{
		{"told to end", nil, errLeftBehind},
		{"another has failed", broken, broken},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancel(t.Context())
				hang := make(chan struct{})
				p := newParts(ctx)
				p.start("hanging", func(context.Context) error { <-hang; return nil })
				p.start("ending", func(ctx context.Context) error {
					if test.fails == nil {
						<-ctx.Done()
					}
					return test.fails
				})
				synctest.Wait()
				stop()
				began := time.Now()
				err := p.wait(endWait)
				if !errors.Is(err, test.want) || time.Since(began) != endWait {
					t.Errorf("%v after %s, want %v after %s", err, time.Since(began), test.want, endWait)
				}
				if errors.Is(err, errLeftBehind) && (!strings.Contains(err.Error(), "hanging") || strings.Contains(err.Error(), "ending")) {
					t.Errorf("%v, want the part that hangs", err)
				}
				close(hang)
			})
		})
	}
}

// One part does not come to a pause: the others go on without it, and it does when it can.
func TestPauseThatIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		hang := make(chan struct{})
		var hung, ended atomic.Int32
		p := &pausing{life: ctx, failed: func() { t.Error("a part failed") }}
		p.add("hanging", func(ctx context.Context) error {
			hung.Add(1)
			<-ctx.Done()
			<-hang
			return nil
		})
		p.add("ending", func(ctx context.Context) error {
			ended.Add(1)
			<-ctx.Done()
			return nil
		})
		p.resume()
		synctest.Wait()
		if err := p.pause(time.Second); !errors.Is(err, errLeftBehind) || !strings.Contains(err.Error(), "hanging") {
			t.Errorf("the pause: %v", err)
		}
		p.resume()
		synctest.Wait()
		if hung.Load() != 1 || ended.Load() != 2 {
			t.Errorf("the part that hangs has begun %d times, and the other one %d times", hung.Load(), ended.Load())
		}
		close(hang)
		synctest.Wait()
		if hung.Load() != 2 {
			t.Error("the part that hung does not go on")
		}
		stop()
		if err := p.wait(time.Second); err != nil {
			t.Error(err)
		}
	})
}

// However many signals ask for the end, of whatever kind: the state is saved, and the status is 0.
func TestFurtherSignalsDoNotHastenTheEnd(t *testing.T) {
	t.Parallel()
	for name, signals := range map[string][]syscall.Signal{
		"another kind":  {syscall.SIGTERM, syscall.SIGINT},
		"the other way": {syscall.SIGINT, syscall.SIGTERM},
		"twice":         {syscall.SIGINT, syscall.SIGINT},
		"many":          {syscall.SIGTERM, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM, syscall.SIGINT},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			address := daemontest.FreeAddress(t)
			s.Listen = address.String()
			s.Write(`"nyc", "ams"`)
			process, ended := daemontest.Serve(t, s.Config())
			s.Eventually("the first answer", func() bool { return daemontest.AskAt(address) == first })
			// A client that has sent half a query keeps the server for as long as it may take.
			conn, err := net.Dial("tcp", address.String())
			must(t, err)
			defer conn.Close()
			_, err = conn.Write([]byte{0})
			must(t, err)
			for _, signal := range signals {
				if err := process.Process.Signal(signal); !errors.Is(err, os.ErrProcessDone) {
					must(t, err)
				}
				time.Sleep(10 * time.Millisecond) // or the kernel makes one of two that are alike
			}
			daemontest.WantEnd(t, ended)
			if _, err := os.Stat(filepath.Join(s.State(), "state.json")); err != nil {
				t.Error(err)
			}
		})
	}
}

// A service manager that does not read holds up neither the first answer nor the end, and is
// told when it reads.
func TestServiceManagerThatDoesNotRead(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "gslb") // the names of sockets must be short
	must(t, err)
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	must(t, err)
	defer manager.Close()
	fill(t, path)

	s := newStage(t)
	address := daemontest.FreeAddress(t)
	s.Listen = address.String()
	s.Write(`"nyc", "ams"`)
	start := func() (*exec.Cmd, <-chan error) {
		process, ended := daemontest.Serve(t, s.Config(), "NOTIFY_SOCKET="+path)
		s.Eventually("the first answer", func() bool { return daemontest.AskAt(address) == first })
		return process, ended
	}
	process, ended := start()
	must(t, process.Process.Signal(syscall.SIGTERM))
	daemontest.WantEnd(t, ended)

	process, ended = start()
	must(t, manager.SetReadDeadline(time.Now().Add(patience)))
	expect := func(want string) {
		t.Helper()
		for buf := make([]byte, 100); ; {
			n, err := manager.Read(buf)
			if err != nil {
				t.Fatalf("waiting for %s: %v", want, err)
			}
			if string(buf[:n]) == want {
				return
			}
		}
	}
	expect("READY=1")
	must(t, process.Process.Signal(syscall.SIGTERM))
	expect("STOPPING=1")
	daemontest.WantEnd(t, ended)
}

// fill leaves no room in the queue of a socket.
func fill(t *testing.T, path string) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_DGRAM|syscall.SOCK_NONBLOCK, 0)
	must(t, err)
	defer syscall.Close(fd)
	for range 10000 {
		if err := syscall.Sendto(fd, []byte("x"), 0, &syscall.SockaddrUnix{Name: path}); err != nil {
			if err != syscall.EAGAIN {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatal("the queue does not get full")
}

// A host may be paused as a whole, for a backup, say, and go on later. What ran out meanwhile is no
// failure of anybody else.
func TestPausedProcessGoesOn(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	address := daemontest.FreeAddress(t)
	s.Listen = address.String()
	s.Write(`"nyc", "ams"`)
	cmd := exec.Command("gslb", "serve", s.Config())
	cmd.Stderr = s.Log
	ended := daemontest.Begin(t, cmd)
	s.Eventually("the first answer", func() bool { return daemontest.AskAt(address) == first })

	must(t, cmd.Process.Signal(syscall.SIGSTOP))
	s.Write(`"ams", "nyc"`)
	time.Sleep(2 * time.Second) // ten times what a probe may take
	must(t, cmd.Process.Signal(syscall.SIGCONT))
	s.Eventually("the reload", func() bool { return daemontest.AskAt(address) == second })
	s.AMS.Stop()
	s.Eventually("the failover", func() bool { return daemontest.AskAt(address) == first })
	if down := s.Lines(`msg="target down"`, "port@127.0.0.1 "); len(down) > 0 {
		t.Errorf("the pause counted against a target: %s", down)
	}
	must(t, cmd.Process.Signal(syscall.SIGTERM))
	daemontest.WantEnd(t, ended)
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
			address := daemontest.FreeAddress(t)
			s.Listen = address.String()
			s.Write(`"nyc", "ams"`)
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			treat(t, r, w)
			cmd := exec.Command("gslb", "serve", s.Config())
			cmd.Stdout, cmd.Stderr = io.Discard, w
			ended := daemontest.Begin(t, cmd)
			w.Close()
			s.Eventually("the first answer", func() bool { return daemontest.AskAt(address) == first })
			s.NYC.Stop()
			s.Eventually("the failover", func() bool { return daemontest.AskAt(address) == second })
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			daemontest.WantEnd(t, ended)
		})
	}
}
