//go:build integration && systemd

package packaging

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// newBooted makes a machine with a systemd of its own, which has started nothing but what every machine needs. It has
// the network of the tests.
func newBooted(t testing.TB) *machine {
	t.Helper()
	group := ownCgroup(t)
	// As systemd-nspawn does: what belongs to the whole kernel is only to be read, which tells systemd to leave it alone.
	first := `set -eu
		mount -t proc proc "$1/proc" && mount --bind "$1/proc/sys" "$1/proc/sys" && mount -o remount,bind,ro "$1/proc/sys"
		mount -t sysfs -o ro sysfs "$1/sys" && mount -t cgroup2 cgroup2 "$1/sys/fs/cgroup"
		mount -t tmpfs -o mode=755 none "$1/dev" && mkdir "$1/dev/shm" "$1/dev/pts"
		for device in null zero full random urandom tty; do
			touch "$1/dev/$device" && mount --bind "/dev/$device" "$1/dev/$device"
		done
		ln -s /proc/self/fd "$1/dev/fd"
		mount -t tmpfs none "$1/dev/shm" && mount -t devpts -o newinstance,ptmxmode=666 none "$1/dev/pts" && ln -s pts/ptmx "$1/dev/ptmx"
		rm -rf "$1"/etc/systemd/system/*.wants "$1"/var/log/journal "$1"/usr/sbin/policy-rc.d "$1"/lib/systemd/system/getty.target.wants
		echo 0123456789abcdef0123456789abcdef >"$1/etc/machine-id"
		cd "$1" && mkdir before && pivot_root . before && umount -l /before && rmdir /before
		echo ready
		exec env -i container=other /lib/systemd/systemd --unit=multi-user.target --log-target=journal </dev/null >/dev/null 2>&1`
	script := fmt.Sprintf("echo $$ >%s/cgroup.procs\n", group) + copied +
		`exec unshare --pid --fork --kill-child --cgroup --uts --ipc sh -c '` + first + `' sh "$1"`
	hold := start(t, script, filepath.Join(t.TempDir(), "m"))
	children, err := os.ReadFile(fmt.Sprintf("/proc/%[1]d/task/%[1]d/children", hold.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(children)))
	if err != nil {
		t.Fatalf("find systemd: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) }) // and with it all that it has started
	m := &machine{t: t, enter: []string{"nsenter", "--target", strconv.Itoa(pid), "--all"}, files: fmt.Sprintf("/proc/%d/root", pid)}
	t.Cleanup(m.tell)
	m.eventually("systemctl is-system-running --wait | grep -x -e running -e degraded")
	return m
}
