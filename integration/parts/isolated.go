package parts

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// insideVar marks the copy of a test program that runs in the network of its own.
const insideVar = "GSLB_PARTS_ISOLATED"

// Isolated runs a test program's tests in a network namespace of their own, and returns
// the exit status for TestMain. In there every loopback address has every port free, 53
// too, which is the only one where a resolver looks for the servers of a delegation; other
// tests and the machine's own daemons are out of reach. The namespace has no name: it is
// gone with the last process in it, whatever ends the tests.
//
// A process that is left in the namespace when the tests are done fails them. Making a
// namespace needs root, or that the kernel lets users make user namespaces.
func Isolated(run func() int) int {
	if os.Getenv(insideVar) == "" {
		status, err := runInside()
		if err != nil {
			fmt.Fprintf(os.Stderr, "network of the tests' own: %v\n", err)
			return 1
		}
		return status
	}
	if err := loopbackUp(); err != nil {
		fmt.Fprintf(os.Stderr, "loopback interface of the tests' own network: %v\n", err)
		return 1
	}
	status := run()
	if left := leftInside(); len(left) > 0 {
		fmt.Fprintf(os.Stderr, "processes left behind by the tests: %v\n", left)
		return 1
	}
	return status
}

// runInside runs this program again in new namespaces and returns its exit status.
func runInside() (int, error) {
	runtime.LockOSThread() // the copy dies with the thread that started it
	defer runtime.UnlockOSThread()
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), insideVar+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}

	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("%w; run as root, or allow unprivileged user namespaces", err)
	}
	ended := make(chan struct{})
	go func() {
		for {
			select {
			case s := <-signals:
				_ = cmd.Process.Signal(s)
			case <-ended:
				return
			}
		}
	}()
	err := cmd.Wait()
	close(ended)
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return 0, err
	}
	if status := cmd.ProcessState.ExitCode(); status >= 0 {
		return status, nil
	}
	return 0, errors.New(cmd.ProcessState.String())
}

// loopbackUp brings up the interface lo, which is down in a new namespace.
func loopbackUp() error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(socket, unix.SIOCGIFFLAGS, request); err != nil {
		return err
	}
	request.SetUint16(request.Uint16() | unix.IFF_UP)
	return unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, request)
}

// leftInside returns the names of the other processes in this program's network namespace.
func leftInside() []string {
	namespace := func(pid string) string {
		link, _ := os.Readlink("/proc/" + pid + "/ns/net")
		return link
	}
	mine := namespace("self")
	var left []string
	for _, s := range processes() {
		if s.pid != os.Getpid() && namespace(fmt.Sprint(s.pid)) == mine {
			left = append(left, fmt.Sprintf("%s (process %d)", s.name, s.pid))
		}
	}
	return left
}
