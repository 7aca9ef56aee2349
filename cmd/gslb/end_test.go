package main

import (
	"context"
	"errors"
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

// run is the program as a process of its own. It ends with the test.
func run(t *testing.T, path string, env ...string) (process *exec.Cmd, ended <-chan error) {
	t.Helper()
	cmd := exec.Command("gslb", "serve", path)
	cmd.Env = append(os.Environ(), env...)
	return cmd, begin(t, cmd)
}

// begin starts a process, which ends with the test.
func begin(t *testing.T, cmd *exec.Cmd) (ended <-chan error) {
	t.Helper()
	must(t, cmd.Start())
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return done
}

func expectEnd(t *testing.T, ended <-chan error) {
	t.Helper()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("the program ended with %v, want status 0", err)
		}
	case <-time.After(patience):
		t.Error("the program does not end")
	}
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
			address := freeAddress(t)
			s.listen = address.String()
			s.write(`"nyc", "ams"`)
			process, ended := run(t, filepath.Join(s.dir, "zones.toml"))
			s.log = &logBuffer{}
			s.eventually("the first answer", func() bool { return askAt(address) == first })
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
			expectEnd(t, ended)
			if _, err := os.Stat(filepath.Join(s.dir, "state", "state.json")); err != nil {
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
	address := freeAddress(t)
	s.listen = address.String()
	s.write(`"nyc", "ams"`)
	s.log = &logBuffer{}
	start := func() (*exec.Cmd, <-chan error) {
		process, ended := run(t, filepath.Join(s.dir, "zones.toml"), "NOTIFY_SOCKET="+path)
		s.eventually("the first answer", func() bool { return askAt(address) == first })
		return process, ended
	}
	process, ended := start()
	must(t, process.Process.Signal(syscall.SIGTERM))
	expectEnd(t, ended)

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
	expectEnd(t, ended)
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
	address := freeAddress(t)
	s.listen = address.String()
	s.write(`"nyc", "ams"`)
	s.log = &logBuffer{}
	cmd := exec.Command("gslb", "serve", filepath.Join(s.dir, "zones.toml"))
	cmd.Stderr = s.log
	ended := begin(t, cmd)
	s.eventually("the first answer", func() bool { return askAt(address) == first })

	must(t, cmd.Process.Signal(syscall.SIGSTOP))
	s.write(`"ams", "nyc"`)
	time.Sleep(2 * time.Second) // ten times what a probe may take
	must(t, cmd.Process.Signal(syscall.SIGCONT))
	s.eventually("the reload", func() bool { return askAt(address) == second })
	s.ams.stop()
	s.eventually("the failover", func() bool { return askAt(address) == first })
	if down := s.lines(`msg="target down"`, "port@127.0.0.1 "); len(down) > 0 {
		t.Errorf("the pause counted against a target: %s", down)
	}
	must(t, cmd.Process.Signal(syscall.SIGTERM))
	expectEnd(t, ended)
}
