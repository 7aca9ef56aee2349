//go:build integration && image

package packaging

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestImage builds the image of the Dockerfile by podman, and takes it through its life as the documentation has it
// run: nothing to be written but the volume, no capability, the system calls of deploy/seccomp.json alone.
func TestImage(t *testing.T) {
	m := newPodman(t)
	m.patience = 10 * time.Minute
	m.importBuilder()
	m.do("podman build --quiet --format docker --pull=never --isolation chroot --network host" +
		` -v "$(go env GOMODCACHE):/go/pkg/mod" -v "$(go env GOCACHE):/go/build" --build-arg VERSION=of-the-test --tag localhost/gslb ` + root(t))
	m.patience = 0

	config := filepath.Join(t.TempDir(), "gslb")
	if err := os.Mkdir(config, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(config, "zones.toml"), []byte(configurationOfImage), 0o644)
	began := time.Now().UTC()
	m.do("podman run --detach --name gslb --network none --read-only --cap-drop all --security-opt no-new-privileges" +
		" --security-opt seccomp=" + filepath.Join(root(t), "deploy", "seccomp.json") + " --sysctl net.ipv4.ip_unprivileged_port_start=53" +
		" -v " + config + ":/etc/gslb:ro -v gslb:/var/lib/gslb localhost/gslb")
	pid := strings.TrimSpace(m.do("podman inspect --format '{{.State.Pid}}' gslb"))
	inside := "nsenter --target " + pid + " --net "

	m.eventually("podman healthcheck run gslb")
	m.answers(inside)
	m.do("podman exec gslb /gslb status | grep -w app")
	if got := m.do("podman exec gslb /gslb version"); !strings.Contains(got, "of-the-test") {
		t.Errorf("the version is %q", got)
	}
	m.step(t, "rights", func(t *testing.T, m *machine) {
		status, err := os.ReadFile("/proc/" + pid + "/status")
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{
			"Uid: 65532 65532 65532 65532", "Gid: 65532 65532 65532 65532", "CapPrm: 0000000000000000", "CapEff: 0000000000000000",
			"CapBnd: 0000000000000000", "CapAmb: 0000000000000000", "NoNewPrivs: 1", "Seccomp: 2",
		} {
			if !strings.Contains(strings.Join(strings.Fields(string(status)), " ")+" ", want+" ") {
				t.Errorf("%s is not so:\n%s", want, status)
			}
		}
		volume := strings.TrimSpace(m.do("podman volume inspect --format '{{.Mountpoint}}' gslb"))
		if owner := m.do("stat --format %u:%g " + volume); owner != "65532:65532\n" {
			t.Errorf("the volume belongs to %s", owner)
		}
		m.eventually("test -s " + volume + "/verdicts.json")
	})
	m.step(t, "health", func(t *testing.T, m *machine) {
		if got := strings.TrimSpace(m.do("podman inspect --format '{{.State.Health.Status}}' gslb")); got != "healthy" {
			t.Errorf("the container is %s", got)
		}
		m.do("kill -STOP " + pid)
		if out, err := m.try("podman healthcheck run gslb"); err == nil {
			t.Errorf("a server that is stopped is healthy: %s", out)
		}
		m.do("kill -CONT " + pid + "; podman healthcheck run gslb")
	})
	m.step(t, "end", func(t *testing.T, m *machine) {
		stopping := time.Now()
		m.do("podman stop --time 15 gslb")
		if took := time.Since(stopping); took > 10*time.Second {
			t.Errorf("a stop took %v", took)
		}
		if got := m.do("podman inspect --format '{{.State.ExitCode}}' gslb"); got != "0\n" {
			t.Errorf("the status is %s", got)
		}
		logs := m.do("podman logs gslb 2>&1")
		for line := range strings.Lines(logs) {
			at, rest, _ := strings.Cut(strings.TrimPrefix(line, "time="), " ")
			if when, err := time.Parse(time.RFC3339, at); err != nil || when.Before(began.Add(-time.Second)) || !strings.HasPrefix(rest, "level=INFO ") {
				t.Errorf("a line of the log: %s", line)
			}
		}
		if !strings.Contains(logs, "msg=serving ") {
			t.Errorf("the log is\n%s", logs)
		}
		m.do("podman start gslb")
		m.eventually("podman healthcheck run gslb")
	})
	m.step(t, "compose", compose)
}

// configurationOfImage needs no network: what is up is a port of the server itself.
const configurationOfImage = `[server]
listen = ["0.0.0.0:53", "[::]:53"]
state_dir = "/var/lib/gslb"

[checks.port]
type = "tcp"
address = "{address}:53"
interval = "1s"
timeout = "900ms"

[pools.nyc]
members = ["127.0.0.11"]
checks = ["port"]

[zones."gslb.example.com"]
nameservers = { ns1 = ["192.0.2.53"] }
names.app = { pools = ["nyc"] }
`

// newPodman makes a machine that has a podman with containers and images of its own. It has no systemd, which would run
// the health checks, and a cgroup2 alone at /sys/fs/cgroup, which runtimes need: runc, since crun needs
// CAP_SYS_RESOURCE there.
func newPodman(t testing.TB) *machine {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "storage.conf"), fmt.Appendf(nil, "[storage]\ndriver = \"overlay\"\nrunroot = \"%[1]s/run\"\ngraphroot = \"%[1]s/storage\"\n", dir), 0o644)
	// A root without CAP_SYS_RESOURCE may give no higher limits, and a cgroup2 beside a cgroup1 has no controllers. What
	// is executed in a container by Docker's API would otherwise be remembered for five minutes.
	write(t, filepath.Join(dir, "containers.conf"), []byte(`[containers]
default_ulimits = ["nofile=20000:20000", "nproc=20000:20000"]
pids_limit = 0
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
exit_command_delay = 0
`), 0o644)
	hold := start(t, "echo $$ >"+ownCgroup(t)+`/cgroup.procs
		exec unshare --cgroup sh -euc "umount -R /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup; echo ready; exec cat"`, dir)
	m := &machine{t: t, files: "/", enter: []string{
		"nsenter", "--target", strconv.Itoa(hold.Process.Pid), "--mount", "--cgroup",
		"sh", "-c", `echo $$ >/sys/fs/cgroup/cgroup.procs && exec "$@"`, "sh",
		"env", "CONTAINERS_STORAGE_CONF=" + dir + "/storage.conf", "CONTAINERS_CONF=" + dir + "/containers.conf", "DISABLE_HC_SYSTEMD=true",
		"PATH=" + filepath.Join(goRoot(t), "bin") + ":/usr/sbin:/usr/bin:/sbin:/bin",
	}}
	t.Cleanup(m.tell)
	t.Cleanup(func() {
		if _, err := m.try("podman rm --all --force --time 0"); err != nil {
			t.Errorf("remove the containers: %v", err)
		}
	})
	return m
}

// importBuilder makes the image that the Dockerfile builds in of what this machine has, without a registry.
func (m *machine) importBuilder() {
	m.t.Helper()
	dir := m.t.TempDir()
	m.do(fmt.Sprintf(`cd %s
mkdir -p bin etc/ssl/certs tmp root usr/local
for program in sh mkdir; do
	cp -L /bin/$program bin/
	ldd /bin/$program | grep -o '/[^ ]*' | while read -r library; do mkdir -p ".${library%%/*}"; cp -L "$library" ".$library"; done
done
cp -L /etc/ssl/certs/ca-certificates.crt etc/ssl/certs/
cp -r %s usr/local/go
tar -c . | podman import --quiet --change 'ENV GOPATH=/go' --change 'ENV GOTOOLCHAIN=local' --change 'ENV GOPROXY=off' --change 'ENV GOCACHE=/go/build' --change 'ENV PATH=/usr/local/go/bin:/usr/bin:/bin' - docker.io/library/golang:1.26
rm -r bin etc tmp root usr lib*`, dir, goRoot(m.t)))
}

func goRoot(t testing.TB) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
