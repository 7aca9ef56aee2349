//go:build integration && image

package packaging

import (
	"bytes"
	"flag"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// composer is where make check-image has put Docker Compose.
var composer = flag.String("compose", "", "path of Docker Compose")

// compose brings up the example in deploy/compose by Docker Compose, of the image that m has built, and takes it through
// what its first lines promise: two servers that answer, follow a failure and the file, and come back when they die.
func compose(t *testing.T, m *machine) {
	dir := filepath.Join(t.TempDir(), "compose")
	m.do("cp -r " + filepath.Join(root(t), "deploy", "compose") + " " + dir)
	m.importWebServer("docker.io/library/nginx:stable-alpine")
	m.do("podman tag localhost/gslb docker.io/library/gslb")
	m.serveDocker(dir + "/docker.sock")

	in := "cd " + dir + "; DOCKER_HOST=unix://" + dir + "/docker.sock " + *composer + " "
	t.Cleanup(func() {
		if _, err := m.try(in + "down --volumes --timeout 1"); err != nil {
			t.Errorf("take the example down: %v", err)
		}
	})
	m.do(in + "up --detach --no-build") // without --wait: podman's API says nothing of health
	servers := map[string]string{"ns1": "5301", "ns2": "5302"}
	answered := func(want string) {
		t.Helper()
		for _, port := range servers {
			for _, how := range []string{"+notcp", "+tcp"} {
				m.eventually(fmt.Sprintf(`test "$(dig +short +tries=1 +time=2 %s -p %s @127.0.0.1 app.gslb.example.com)" = %s`, how, port, want))
			}
		}
	}
	answered("172.30.53.11")
	for name := range servers {
		m.eventually("podman healthcheck run gslb-" + name + "-1")
		m.do(in + "exec -T " + name + " /gslb status | grep -w app")
	}
	m.do("curl --fail --silent http://127.0.0.1:8053/readyz http://127.0.0.1:8054/readyz")

	m.do(in + "stop --timeout 1 nyc")
	answered("172.30.53.12")
	m.do(in + "start nyc")
	answered("172.30.53.11")

	// As an editor saves it: another file by the same name.
	m.do("cd " + dir + `/config; sed 's/pools = \["nyc", "ams"\]/pools = ["ams", "nyc"]/; s/^serial .*/serial = 2/' zones.toml >new; mv new zones.toml`)
	answered("172.30.53.12")

	pid := func() string {
		return strings.TrimSpace(m.do("podman inspect --format '{{.State.Pid}}' gslb-ns1-1"))
	}
	before := pid()
	m.do("kill -KILL " + before)
	m.do(`test "$(dig +short +tries=3 +time=5 -p 5302 @127.0.0.1 app.gslb.example.com)" = 172.30.53.12`)
	m.eventually("podman healthcheck run gslb-ns1-1")
	answered("172.30.53.12")
	if after := pid(); after == before {
		t.Error("the killed server is the one that answers")
	}
}

// serveDocker has podman serve Docker's API at a socket, until the end of the test.
func (m *machine) serveDocker(socket string) {
	m.t.Helper()
	service := exec.Command(m.enter[0], append(m.enter[1:], "podman", "system", "service", "--time", "0", "unix://"+socket)...)
	service.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var complaint bytes.Buffer
	service.Stderr = &complaint
	if err := service.Start(); err != nil {
		m.t.Fatal(err)
	}
	t := m.t
	t.Cleanup(func() {
		_ = service.Process.Signal(syscall.SIGTERM)
		_ = service.Wait()
		if t.Failed() {
			t.Logf("podman system service:\n%s", &complaint)
		}
	})
	m.eventually("test -S " + socket)
}

// importWebServer makes an image of a web server that answers all requests by 200 on port 80, without a registry.
func (m *machine) importWebServer(name string) {
	m.t.Helper()
	dir := m.t.TempDir()
	write(m.t, filepath.Join(dir, "main.go"), []byte(`package main

import "net/http"

func main() { panic(http.ListenAndServe(":80", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))) }
`), 0o644)
	m.do("cd " + dir + "; CGO_ENABLED=0 go build -o web main.go; rm main.go; tar -c . | podman import --quiet --change 'CMD [\"/web\"]' - " + name)
}
