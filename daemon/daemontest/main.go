package daemontest

import (
	"errors"
	"flag"
	"os"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// Main runs the tests of a package, several at a time, and lets them start program by the name of gslb.
func Main(m *testing.M, program func()) {
	testscript.Main(leakFree{m}, map[string]func(){"gslb": func() {
		endWithTests()
		program()
	}})
}

// testsVar has the process of the tests, in the environment of the programs that it starts, and of those that they
// start in turn.
const testsVar = "GSLB_TESTS_PID"

// endWithTests has this process end with that of the tests: one that an upgrade has started is a child of nobody by
// then, and would stay if the tests were killed, or failed before they knew of it.
func endWithTests() {
	tests, err := strconv.Atoi(os.Getenv(testsVar))
	if err != nil {
		return // a script has started it, and ends it
	}
	go func() {
		fd, err := unix.PidfdOpen(tests, 0)
		for err == nil || errors.Is(err, unix.EINTR) {
			var n int
			if n, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1); n > 0 {
				break
			}
		}
		if err == nil || errors.Is(err, unix.ESRCH) {
			os.Exit(1)
		}
	}()
}

// leakFree fails the run if a goroutine outlives the tests.
type leakFree struct{ m *testing.M }

// Run implements testscript.TestingM.
func (l leakFree) Run() int {
	// Most tests wait most of the time, and would wait one after another on a machine of two processors.
	if err := flag.Set("test.parallel", "4"); err != nil {
		panic(err)
	}
	if err := os.Setenv(testsVar, strconv.Itoa(os.Getpid())); err != nil {
		panic(err)
	}
	code := l.m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		println("goroutines were left:", err.Error())
		return 1
	}
	return code
}
