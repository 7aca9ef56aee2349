//go:build integration

package packaging

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gslb/integration/parts"
)

func TestMain(m *testing.M) { os.Exit(parts.Isolated(m.Run)) }

// machine is a copy of this machine's file system: what is changed in it is seen nowhere else. Processes in it
// see the others, and have the network of the tests.
type machine struct {
	t     testing.TB
	enter []string // runs the command that follows in it
	files string   // its root, as this process sees it
	logs  string   // what the commands in it have said

	patience time.Duration // how long a command may take; 0: a minute
}

// copied mounts, at $1, a copy of the file system whose changes are in memory.
const copied = `set -eu
	base=$(dirname "$1") && mount -t tmpfs none "$base" && mkdir "$base/m" "$base/upper" "$base/work"
	mount -t overlay none -o lowerdir=/,upperdir="$base/upper",workdir="$base/work" "$1"
	mount -t tmpfs -o mode=755 none "$1/run" && mount -t tmpfs none "$1/tmp"
`

// newMachine makes a machine whose systemctl only writes down what it is told, since no systemd runs there. It does
// not index the manual pages of this machine after each step, which takes seconds.
func newMachine(t testing.TB) *machine {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "m")
	// The process that holds the namespace waits for the end of its input, which comes with the test's.
	hold := start(t, copied+`mount --rbind /dev "$1/dev" && mount --rbind /proc "$1/proc"
		echo ready && exec cat`, dir)
	pid := strconv.Itoa(hold.Process.Pid)
	m := &machine{t: t, enter: []string{"nsenter", "--target", pid, "--mount", "chroot", dir}, files: "/proc/" + pid + "/root" + dir}
	t.Cleanup(m.tell)
	m.do(`mkdir -p /run/systemd/system
printf '#!/bin/sh\necho "$@" >>/run/told\n' >/usr/bin/systemctl.fake
chmod 755 /usr/bin/systemctl.fake && mv /usr/bin/systemctl.fake /usr/bin/systemctl
ln -sf true /usr/bin/mandb`)
	return m
}

// start runs a script, which gets the folder of a machine and says when it is ready, in a mount namespace of its
// own, and in others that options of unshare name. It ends with the test.
func start(t testing.TB, script, dir string, options ...string) *exec.Cmd {
	t.Helper()
	args := append([]string{"--mount", "--propagation", "private"}, options...)
	hold := exec.Command("unshare", append(args, "sh", "-c", script, "sh", dir)...)
	hold.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var complaint bytes.Buffer
	hold.Stderr = &complaint
	input, err := hold.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := hold.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := hold.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		input.Close()
		_ = hold.Wait()
	})
	if line, err := bufio.NewReader(output).ReadString('\n'); err != nil || line != "ready\n" {
		_ = hold.Wait()
		t.Fatalf("make a copy of the file system: %v\n%s", err, &complaint)
	}
	return hold
}

// tell shows what was done in the machine, if the test has failed.
func (m *machine) tell() {
	if m.t.Failed() {
		m.t.Logf("what was done:\n%s", m.logs)
	}
}

// try runs a shell script in the machine, and returns what it says.
func (m *machine) try(script string) (string, error) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(m.t.Context()), cmp.Or(m.patience, time.Minute)) // cleaning up comes last
	defer cancel()
	command := exec.CommandContext(ctx, m.enter[0], append(m.enter[1:], "/bin/sh", "-euc", script)...)
	command.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", "HOME=/root", "LC_ALL=C"}
	command.WaitDelay = time.Second
	began := time.Now()
	out, err := command.CombinedOutput()
	m.logs += fmt.Sprintf("$ %s\n%s(%v)\n", script, out, time.Since(began).Round(time.Millisecond))
	return string(out), err
}

// do is try for a script that must succeed.
func (m *machine) do(script string) string {
	m.t.Helper()
	out, err := m.try(script)
	if err != nil {
		m.t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return out
}

// copyIn puts a file of this machine into the copy.
func (m *machine) copyIn(path string) (inside string) {
	m.t.Helper()
	inside = "/tmp/" + filepath.Base(path)
	copyFile(m.t, path, m.files+inside, 0o644)
	return inside
}

// told is what systemctl was told since it was last asked, a line each.
func (m *machine) told() []string {
	m.t.Helper()
	return strings.Split(strings.TrimSpace(m.do("touch /run/told; cat /run/told; rm /run/told")), "\n")
}

// there reports which of some paths exist.
func (m *machine) there(paths ...string) (list []string) {
	m.t.Helper()
	for _, path := range paths {
		if _, err := m.try("test -e " + path); err == nil {
			list = append(list, path)
		}
	}
	return list
}
