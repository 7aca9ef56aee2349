package daemon

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"gslb/daemon/daemontest"
)

// fileOf is another descriptor of a socket.
func fileOf(t *testing.T, socket interface{ File() (*os.File, error) }) *os.File {
	t.Helper()
	file, err := socket.File()
	must(t, err)
	t.Cleanup(func() { file.Close() })
	return file
}

// activate starts the program as a service manager does that has opened sockets for it.
func activate(t *testing.T, path, names string, files ...*os.File) (process *exec.Cmd, ended <-chan error, log *daemontest.Log) {
	t.Helper()
	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ exec gslb serve "$0"`, path)
	cmd.Env = append(os.Environ(), fmt.Sprintf("LISTEN_FDS=%d", len(files)), "LISTEN_FDNAMES="+names)
	cmd.ExtraFiles = files
	log = new(daemontest.Log)
	cmd.Stderr = log
	return cmd, daemontest.Begin(t, cmd), log
}

// TestSocketActivation has the sockets of DNS and of the admin server opened by somebody else. What comes while the
// program does not run is answered by the next one.
func TestSocketActivation(t *testing.T) {
	t.Parallel()
	address := daemontest.FreeAddress(t)
	overUDP, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(address))
	must(t, err)
	defer overUDP.Close()
	overTCP, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(address))
	must(t, err)
	defer overTCP.Close()
	door, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	must(t, err)
	defer door.Close()
	files := []*os.File{fileOf(t, overTCP), fileOf(t, door), fileOf(t, overUDP)}

	s := newStage(t)
	s.Listen = address.String()
	s.Write(`"nyc", "ams"`)
	path := s.Config()
	text, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(path, []byte(strings.Replace(string(text), "[admin]\nlisten = \"127.0.0.1:0\"", fmt.Sprintf("[admin]\nlisten = %q", door.Addr()), 1)), 0o644))

	var process *exec.Cmd
	var ended <-chan error
	process, ended, s.Log = activate(t, path, "dns:admin:dns", files...)
	s.Eventually("the first answer", func() bool { return daemontest.AskAt(address) == first })
	s.Eventually("the admin server", func() bool {
		reply, err := http.Get("http://" + door.Addr().String() + "/readyz")
		if err != nil {
			return false
		}
		defer reply.Body.Close()
		_, _ = io.Copy(io.Discard, reply.Body)
		return reply.StatusCode == http.StatusOK
	})
	http.DefaultClient.CloseIdleConnections()
	must(t, process.Process.Signal(syscall.SIGTERM))
	daemontest.WantEnd(t, ended)

	query := new(dns.Msg).SetQuestion("app.gslb.example.com.", dns.TypeA)
	var waiting []*dns.Conn
	for _, network := range []string{"udp", "tcp"} {
		conn, err := dns.Dial(network, address.String())
		must(t, err)
		defer conn.Close()
		must(t, conn.WriteMsg(query))
		waiting = append(waiting, conn)
	}
	process, ended, s.Log = activate(t, path, "", files...)
	for _, conn := range waiting {
		must(t, conn.SetDeadline(time.Now().Add(patience)))
		if reply, err := conn.ReadMsg(); err != nil || reply.Id != query.Id || len(reply.Answer) != 1 {
			t.Errorf("%s: what came between two runs is answered %v, %v\n%s", conn.LocalAddr().Network(), reply, err, s.Log)
		}
	}
	must(t, process.Process.Signal(syscall.SIGTERM))
	daemontest.WantEnd(t, ended)
}

// TestQueriesWaitForVerdicts has queries wait in a socket that was passed until the first verdicts come, and no longer
// than their clients wait.
func TestQueriesWaitForVerdicts(t *testing.T) {
	t.Parallel()
	t.Run("a name whose verdicts take longer than usual", func(t *testing.T) {
		t.Parallel()
		for attempt := 1; ; attempt++ {
			missing, log := queriesBefore(t, soon+soon/3, 5*time.Second, "app.gslb.example.com.", dns.TypeA)
			if len(missing) == 0 {
				return
			}
			// On a busy machine, they can come too late for any client.
			if attempt == 10 || !strings.Contains(log, "answering what depends on no verdict") {
				t.Fatalf("attempt %d: %s\n%s", attempt, strings.Join(missing, ", "), log)
			}
		}
	})
	t.Run("what needs no verdict, while the verdicts are late", func(t *testing.T) {
		t.Parallel()
		if missing, log := queriesBefore(t, never, never/2, "gslb.example.com.", dns.TypeSOA); len(missing) > 0 {
			t.Fatalf("%s\n%s", strings.Join(missing, ", "), log)
		}
	})
}

// never is when the verdict of a check comes that isn't answered: later than any test takes.
const never = 4 * time.Minute

// queriesBefore asks over UDP and TCP before the program starts, in sockets that it gets, and has a verdict take some
// time. It returns which queries were not answered within a time, and what the program said.
func queriesBefore(t *testing.T, verdict, within time.Duration, question string, of uint16) (missing []string, log string) {
	at := daemontest.FreeAddress(t)
	overUDP, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	must(t, err)
	defer overUDP.Close()
	overTCP, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
	must(t, err)
	defer overTCP.Close()
	app := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(verdict):
		case <-r.Context().Done():
		}
	}))
	app.Listener, err = net.Listen("tcp4", ":0")
	must(t, err)
	app.Start()
	defer app.Close()
	s := newStage(t)
	s.Listen, s.Checks = at.String(), `"port", "web"`
	s.More = fmt.Sprintf("[checks.web]\ntype = \"http\"\nurl = \"http://{address}:%d/\"\ninterval = \"5m\"\ntimeout = %q\n",
		app.Listener.Addr().(*net.TCPAddr).Port, never)
	s.Write(`"nyc", "ams"`)

	query := new(dns.Msg).SetQuestion(question, of)
	waiting := map[string]*dns.Conn{}
	for _, network := range []string{"udp", "tcp"} {
		conn, err := dns.Dial(network, at.String())
		must(t, err)
		defer conn.Close()
		must(t, conn.WriteMsg(query))
		waiting[network] = conn
	}
	process, ended, said := activate(t, s.Config(), "dns:dns", fileOf(t, overUDP), fileOf(t, overTCP))
	for network, conn := range waiting {
		must(t, conn.SetDeadline(time.Now().Add(within)))
		if reply, err := conn.ReadMsg(); err != nil || reply.Id != query.Id || len(reply.Answer) != 1 {
			missing = append(missing, fmt.Sprintf("%s: the reply is %v, %v", network, reply, err))
		}
	}
	must(t, process.Process.Signal(syscall.SIGTERM))
	daemontest.WantEnd(t, ended)
	return missing, said.String()
}

// TestSocketsThatNobodyWants passes sockets that the configuration knows nothing of: the program says which.
func TestSocketsThatNobodyWants(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	address := daemontest.FreeAddress(t)
	s.Listen = address.String()
	s.Write(`"nyc", "ams"`)
	open := func(network, at string) (*os.File, string) {
		if network == "udp" {
			socket, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(at)))
			must(t, err)
			defer socket.Close()
			return fileOf(t, socket), socket.LocalAddr().String()
		}
		socket, err := net.Listen(network, at)
		must(t, err)
		t.Cleanup(func() { socket.Close() })
		return fileOf(t, socket.(interface{ File() (*os.File, error) })), socket.Addr().String()
	}
	overUDP, udpAddress := open("udp", "127.0.0.1:0")
	overTCP, tcpAddress := open("tcp", "[::1]:0")
	path := filepath.Join(t.TempDir(), "socket")
	overUnix, _ := open("unix", path)
	null, err := os.Open(os.DevNull)
	must(t, err)
	defer null.Close()
	_, ended, log := activate(t, s.Config(), "one:two:three:four", overUDP, overTCP, overUnix, null)
	select {
	case err := <-ended:
		if err == nil {
			t.Error("the program ended with status 0")
		}
	case <-time.After(patience):
		t.Fatalf("the program runs:\n%s", log)
	}
	for _, want := range []string{
		"(one)", udpAddress + " over UDP: add it there", "(two)", tcpAddress + " over TCP", "(three)", "Unix socket " + path, "(four)", "getsockname",
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("%q is not said:\n%s", want, log)
		}
	}
}
