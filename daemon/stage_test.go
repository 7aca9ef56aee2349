package daemon

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"gslb/daemon/daemontest"
)

// stage is a world, and a program that serves it.
type stage struct {
	*daemontest.Stage

	confirmOver int            // percent, as of serve
	adjust      func(*program) // before it runs; nil: nothing

	*program
	stop func()
}

// Where the regions are.
const first, second = daemontest.First, daemontest.Second

func newStage(t *testing.T) *stage { return &stage{Stage: daemontest.New(t)} }

// start runs a program until the test ends or stop is called.
func (s *stage) start() {
	s.T.Helper()
	s.Log = new(daemontest.Log)
	p, err := newProgram(s.options(), nil)
	if err != nil {
		s.T.Fatal(err)
	}
	s.program = p
	p.watcher.settle = quick
	p.config.postpone = func(uint64) func() { return func() {} } // it is of the process, where others run
	if s.adjust != nil {
		s.adjust(p)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.run(ctx) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			s.T.Errorf("run: %v", err)
		}
		if s.T.Failed() {
			s.T.Log(s.Log)
		}
	})
	s.T.Cleanup(s.stop)
}

// options are those that the stage's program is started with.
func (s *stage) options() Options {
	return Options{Config: s.Config(), ConfirmOver: s.confirmOver, Version: "test", Logger: slog.New(slog.NewTextHandler(s.Log, nil))}
}

// begin starts a program that prefers the first region, and has it answered, and the program ready.
func (s *stage) begin() {
	s.T.Helper()
	s.Write(`"nyc", "ams"`)
	s.start()
	s.expect(first)
	select {
	case <-s.serving:
	case <-time.After(patience):
		s.T.Fatal("it does not get ready")
	}
}

// outage has the first region fail over to the second, and recover.
func (s *stage) outage() {
	s.T.Helper()
	s.NYC.Stop()
	s.eventuallyAnswers(second)
	s.NYC.Start()
	s.Eventually("the recovery", s.Logged(`msg="pool up"`, "pool=nyc", "from=down"))
}

// ask returns the first address that is answered for app; "" if there is no answer in time.
func (s *stage) ask() string { return daemontest.AskAt(s.program.server.Addrs()[0]) }

func (s *stage) expect(address string) {
	s.T.Helper()
	s.WantAnswer(s.program.server.Addrs()[0], address)
}

func (s *stage) eventuallyAnswers(address string) {
	s.T.Helper()
	s.Eventually("the answer "+address, func() bool { return s.ask() == address })
}

func (s *stage) get(path string) (status int, body string) {
	s.T.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := client.Get("http://" + s.adminAddr + path)
	if err != nil {
		s.T.Fatal(err)
	}
	defer r.Body.Close()
	content, err := io.ReadAll(r.Body)
	if err != nil {
		s.T.Fatal(err)
	}
	return r.StatusCode, string(content)
}

const patience = daemontest.Patience

// quick is how long the files of a stage must rest to be read.
const quick = 200 * time.Millisecond

// addSlowPool adds a pool whose probe takes until it is released, and then fails.
func (s *stage) addSlowPool() (release func()) {
	s.T.Helper()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // connects, by its backlog, and never says a word
	if err != nil {
		s.T.Fatal(err)
	}
	s.T.Cleanup(func() { silent.Close() })
	s.More = fmt.Sprintf(`
[checks.slow]
type = "http"
url = "http://{address}:%d/"
interval = "5m"
timeout = "4m"
[pools.slow]
members = ["127.0.0.1"]
checks = ["slow"]
[zones."gslb.example.com".names.slow]
pools = ["slow"]
`, silent.Addr().(*net.TCPAddr).Port)
	return func() { silent.Close() } // which resets what is in its backlog
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
