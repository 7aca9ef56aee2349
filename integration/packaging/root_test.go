//go:build integration

package packaging

import (
	"bufio"
	"bytes"
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
	t    testing.TB
	pid  int    // of a process in its mount namespace
	dir  string // of its root, in that namespace
	logs string // what the commands in it have said
}

// newMachine makes a machine whose systemctl only writes down what it is told, since no systemd runs there. It does
// not index the manual pages of this machine after each step, which takes seconds.
func newMachine(t testing.TB) *machine {
	t.Helper()
	m := &machine{t: t, dir: filepath.Join(t.TempDir(), "m")}
	// The process that holds the namespace waits for the end of its input, which comes with the test's.
	script := `set -eu
		base=$(dirname "$1") && mount -t tmpfs none "$base" && mkdir "$base/m" "$base/upper" "$base/work"
		mount -t overlay none -o lowerdir=/,upperdir="$base/upper",workdir="$base/work" "$1"
		mount --rbind /dev "$1/dev" && mount --rbind /proc "$1/proc" && mount -t tmpfs none "$1/run" && mount -t tmpfs none "$1/tmp"
		echo ready && exec cat`
	hold := exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", m.dir)
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
		if t.Failed() {
			t.Logf("what was done:\n%s", m.logs)
		}
	})
	if line, err := bufio.NewReader(output).ReadString('\n'); err != nil || line != "ready\n" {
		_ = hold.Wait()
		t.Fatalf("make a copy of the file system: %v\n%s", err, &complaint)
	}
	m.pid = hold.Process.Pid
	m.do(`mkdir -p /run/systemd/system
printf '#!/bin/sh\necho "$@" >>/run/told\n' >/usr/bin/systemctl.fake
chmod 755 /usr/bin/systemctl.fake && mv /usr/bin/systemctl.fake /usr/bin/systemctl
ln -sf true /usr/bin/mandb`)
	return m
}

// try runs a shell script in the machine, and returns what it says.
func (m *machine) try(script string) (string, error) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(m.t.Context()), time.Minute) // cleaning up comes last
	defer cancel()
	command := exec.CommandContext(ctx, "nsenter", "--target", strconv.Itoa(m.pid), "--mount", "chroot", m.dir, "/bin/sh", "-euc", script)
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
	out, err := exec.CommandContext(m.t.Context(), "nsenter", "--target", strconv.Itoa(m.pid), "--mount", "cp", path, m.dir+inside).CombinedOutput()
	if err != nil {
		m.t.Fatalf("%v: %s", err, out)
	}
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
