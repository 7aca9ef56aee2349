package admin

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gslb/zones"
)

// shortDir is a folder whose path leaves room for a socket, which that of t.TempDir need not.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "gslb")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// run runs a server until the test ends or stop is called.
func run(t *testing.T, s *Server) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// overUnix is a client of a socket.
func overUnix(path string) *http.Client {
	return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
	}}
}

// ask sends a request and returns the status and the body.
func ask(t *testing.T, client *http.Client, method, url string, header http.Header) (int, string) {
	t.Helper()
	r, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		r.Header = header
	}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// Whatever the umask, the socket is for its user and group alone.
func TestModeOfTheSocket(t *testing.T) {
	for _, mask := range []int{0, 0o022, 0o077, 0o777} {
		path := filepath.Join(shortDir(t), "s")
		before := syscall.Umask(mask)
		socket, err := ListenSocket(path)
		syscall.Umask(before)
		if err != nil {
			t.Fatalf("umask %o: %v", mask, err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode() != fs.ModeSocket|0o660 {
			t.Errorf("umask %o: mode %v (%v)", mask, info.Mode(), err)
		}
		if err := socket.Close(); err != nil {
			t.Error(err)
		}
		if err := socket.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("closed again: %v", err)
		}
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("umask %o: it is still there: %v", mask, err)
		}
	}
}

func TestWhereASocketCanBe(t *testing.T) {
	dir := shortDir(t)
	path := func(name string) string { return filepath.Join(dir, name) }
	// What a process that was killed leaves behind.
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path("stale"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	stale.Close()
	live, err := net.Listen("unix", path("live"))
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	for name, make := range map[string]func(string) error{
		"file":   func(p string) error { return os.WriteFile(p, []byte("content"), 0o600) },
		"folder": func(p string) error { return os.Mkdir(p, 0o755) },
		"link":   func(p string) error { return os.Symlink(path("stale"), p) },
		"pipe":   func(p string) error { return syscall.Mkfifo(p, 0o600) },
	} {
		if err := make(path(name)); err != nil {
			t.Fatal(err)
		}
	}
	long := path(strings.Repeat("l", longestSocket-len(dir)-1))
	for _, test := range []struct{ path, want string }{
		{path("new"), ""},
		{path("stale"), ""},
		{long, ""},
		{long + "l", "has 108 bytes, and at most 107 are possible: choose a shorter one"},
		{path("live"), "another process listens on " + path("live")},
		{path("file"), path("file") + " is there, and is no socket"},
		{path("folder"), "is no socket"},
		{path("link"), "is no socket"},
		{path("pipe"), "is no socket"},
		{path("none/s"), "no such file or directory"},
		{path("file/s"), "not a directory"},
	} {
		socket, err := ListenSocket(test.path)
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%s: %v", test.path, err)
		case test.want != "" && (!errors.Is(err, ErrSocket) || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: got %v, want %s", test.path, err, test.want)
		}
		if socket != nil {
			socket.Close()
		}
	}
	if data, err := os.ReadFile(path("file")); err != nil || string(data) != "content" {
		t.Errorf("the file of somebody else has %q (%v)", data, err)
	}
	if conn, err := net.Dial("unix", path("live")); err != nil {
		t.Errorf("the socket of somebody else: %v", err)
	} else {
		conn.Close()
	}
}

// The end of one server does not take away the socket of the next one.
func TestSocketOfTheNextServer(t *testing.T) {
	path := filepath.Join(shortDir(t), "s")
	first, err := ListenSocket(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	second, err := ListenSocket(path)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	first.Close()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

// A socket that somebody has removed, with its folder, comes back, and what is connected stays so.
func TestSocketThatWasRemoved(t *testing.T) {
	dir := filepath.Join(shortDir(t), "d")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "s")
	socket, err := ListenSocket(path)
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan net.Conn, 2)
	go func() {
		defer close(accepted)
		for {
			conn, err := socket.Accept()
			if err != nil {
				return
			}
			accepted <- conn
		}
	}()
	before, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close()
	held := <-accepted
	defer held.Close()
	if renewed, err := socket.renew(); renewed || err != nil {
		t.Errorf("nothing has happened: renewed %t, %v", renewed, err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if renewed, err := socket.renew(); renewed || err == nil {
		t.Errorf("without a folder: renewed %t, %v", renewed, err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if renewed, err := socket.renew(); !renewed || err != nil {
		t.Errorf("renewed %t, %v", renewed, err)
	}
	after, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer after.Close()
	(<-accepted).Close()
	if _, err := held.Write([]byte("x")); err != nil {
		t.Errorf("what was connected: %v", err)
	}
	if err := socket.Close(); err != nil {
		t.Error(err)
	}
	if _, more := <-accepted; more {
		t.Error("it accepts after its end")
	}
	if renewed, err := socket.renew(); renewed || err != nil {
		t.Errorf("after its end: renewed %t, %v", renewed, err)
	}
}

// TestAdoptedSocketThatWasRemoved: the same while another process hands it over.
func TestAdoptedSocketThatWasRemoved(t *testing.T) {
	path := filepath.Join(shortDir(t), "s")
	before, err := ListenSocket(path)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := before.Duplicate()
	if err := errors.Join(err, os.Remove(path)); err != nil {
		t.Fatal(err)
	}
	socket, err := AdoptSocket(path, fd)
	if err != nil {
		t.Fatal(err)
	}
	before.Leave()
	if err := before.Close(); err != nil {
		t.Error(err)
	}
	if renewed, err := socket.renew(); !renewed || err != nil {
		t.Errorf("renewed %t, %v", renewed, err)
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	socket.Own()
	if err := socket.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its file is left: %v", err)
	}
}

// TestOverTheSocket: whoever may open it may do everything, is known by the kernel's word, and may call
// the server by a name that it made up, but not by one that somebody could own.
func TestOverTheSocket(t *testing.T) {
	path := filepath.Join(shortDir(t), "s")
	socket, err := ListenSocket(path)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(time.Now())
	w.admin.ReadToken, w.admin.Tokens = true, digests(rightToken)
	s, handler := probed(w)
	s.handler, s.options.Socket, s.socket = handler, socket, newLimitedListener(socket, connections)
	stop := run(t, s)

	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	want := me.Username + " (socket)"
	client := overUnix(path)
	for _, host := range []string{"gslb", "localhost", "127.0.0.1", "example.com", "docker:80"} {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			if code, body := ask(t, client, method, "http://"+host+"/api/v1/overrides", nil); code != 200 || body != want {
				t.Errorf("%s of %s: status %d for %q, want that of %q", method, host, code, body, want)
			}
		}
	}
	// A token says nothing here, and cannot be guessed here.
	for range 2 * mostGuesses {
		if code, body := ask(t, client, "POST", "http://gslb/api/v1/overrides", http.Header{"Authorization": {"Bearer " + wrongToken}}); code != 200 || body != want {
			t.Errorf("with a token: status %d for %q", code, body)
		}
	}
	// Somebody has forwarded a port to it, and opens a web site.
	if code, _ := ask(t, client, "GET", "http://evil.example:8053/api/v1/overrides", nil); code != 421 {
		t.Errorf("by a name of another site: status %d", code)
	}
	if code, _ := ask(t, client, "POST", "http://localhost:8053/api/v1/overrides", http.Header{"Origin": {"https://evil.example"}}); code != 403 {
		t.Errorf("from another site: status %d", code)
	}
	if code, _ := ask(t, client, "POST", "http://gslb/api/v1/overrides", http.Header{"Content-Type": {"text/plain"}}); code != 415 {
		t.Errorf("with plain text: status %d", code)
	}
	stop()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after the end the socket is still there: %v", err)
	}
}

// askAsAnother is the variable that has this program ask over a socket and end, for a process of another
// user.
const askAsAnother = "GSLB_TEST_ASK"

func askOnce(path string) {
	response, err := overUnix(path).Post("http://gslb/api/v1/overrides", "application/json", nil)
	if err != nil {
		fmt.Println(errors.Is(err, fs.ErrPermission), err)
		return
	}
	body, _ := io.ReadAll(response.Body)
	fmt.Println(response.StatusCode, string(body))
}

// TestOtherUsersOfTheSocket: those in the group of the socket get in and are known by their own name; others
// do not.
func TestOtherUsersOfTheSocket(t *testing.T) {
	dir := shortDir(t)
	path := filepath.Join(dir, "s")
	socket, err := ListenSocket(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	s, handler := probed(newWorld(time.Now()))
	s.handler, s.options.Socket, s.socket = handler, socket, newLimitedListener(socket, connections)
	run(t, s)
	me, group := uint32(os.Getuid()), uint32(os.Getgid())
	asked := []struct {
		user, group uint32
		want        string
	}{{me, group, "200 " + userName(me) + " (socket)"}}
	if me == 0 { // otherwise there is nobody else that this program can be
		const another, unknown = 65534, 54321
		asked = append(asked, []struct {
			user, group uint32
			want        string
		}{
			{another, group, "200 " + userName(another) + " (socket)"},
			{unknown, group, "200 uid 54321 (socket)"},
			{another, another, "true "},
		}...)
	}
	for _, as := range asked {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env, cmd.Dir = []string{askAsAnother + "=" + path}, "/"
		if me == 0 {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: as.user, Gid: as.group}}
		}
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.HasPrefix(string(out), as.want) {
			t.Errorf("user %d of group %d got %q (%v), want %q", as.user, as.group, out, err, as.want)
		}
	}
}

// TestFloodsDoNotMeet: clients that hold all connections over TCP, in every way that there is, do not
// keep out who is on the machine; nor does another user of the socket, or the same one.
func TestFloodsDoNotMeet(t *testing.T) {
	path := filepath.Join(shortDir(t), "s")
	socket, err := ListenSocket(path)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(time.Now())
	w.publish(time.Now())
	s, _ := w.server()
	l := listen(t)
	s.tcp = newLimitedListener(l, connections)
	s.options.Socket, s.socket = socket, newLimitedListener(socket, connections)
	run(t, s)
	for i := range 200 {
		for network, address := range map[string]string{"tcp": l.Addr().String(), "unix": path} {
			conn, err := net.Dial(network, address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			slow := []string{"", "POST /api/v1/overrides HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{", "GET / HTTP/1.1\r\nHost: loc", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"}
			if _, err := io.WriteString(conn, slow[i%len(slow)]); err != nil {
				t.Fatal(err)
			}
		}
		if i%20 == 0 {
			for name, client := range map[string]*http.Client{"http://gslb": overUnix(path), "http://" + l.Addr().String(): {Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}} {
				if code, body := ask(t, client, "GET", name+"/readyz", nil); code != 200 || body != "ready\n" {
					t.Fatalf("%s beside %d slow clients: status %d, %q", name, i+1, code, body)
				}
			}
		}
	}
	if tcp, unix := s.tcp.count(), s.socket.count(); tcp > s.tcp.mostPerClient || unix > s.socket.mostPerClient {
		t.Errorf("%d connections over TCP are open, %d over the socket", tcp, unix)
	}
}

// A client that sends its request a byte at a time is cut off when its time is over, over the socket and
// over TLS too.
func TestSlowRequestsEnd(t *testing.T) {
	authority := newAuthority(t)
	path := filepath.Join(shortDir(t), "s")
	socket, err := ListenSocket(path)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(time.Now())
	w.admin.Certificate = authority.issue(t, "ns1", time.Now().Add(time.Hour))
	s, _ := w.server()
	l := listen(t)
	s.tcp = newLimitedListener(l, connections)
	s.options.Socket, s.socket = socket, newLimitedListener(socket, connections)
	run(t, s)
	var group sync.WaitGroup
	for name, dial := range map[string]func() (net.Conn, error){
		"socket":        func() (net.Conn, error) { return net.Dial("unix", path) },
		"TLS handshake": func() (net.Conn, error) { return net.Dial("tcp", l.Addr().String()) },
		"TLS": func() (net.Conn, error) {
			return tls.Dial("tcp", l.Addr().String(), &tls.Config{RootCAs: authority.pool})
		},
	} {
		group.Go(func() {
			conn, err := dial()
			if err != nil {
				t.Errorf("%s: %v", name, err)
				return
			}
			defer conn.Close()
			begun := time.Now()
			go func() {
				for text := []byte("GET /" + strings.Repeat("a", 100)); len(text) > 0; text = text[1:] {
					if _, err := conn.Write(text[:1]); err != nil {
						return
					}
					time.Sleep(200 * time.Millisecond)
				}
			}()
			conn.SetReadDeadline(begun.Add(20 * time.Second))
			_, err = io.Copy(io.Discard, conn)
			if e, ok := err.(net.Error); ok && e.Timeout() {
				t.Errorf("%s: the connection is still open", name)
			}
			if took := time.Since(begun); took >= readTimeout { // headerTimeout is shorter
				t.Errorf("%s: it was cut off after %s", name, took)
			}
		})
	}
	group.Wait()
}

// TestCertificatesOfARunningServer: a new certificate, and new authorities, count for the next
// connection, and what a client is known by must be valid at every request.
func TestCertificatesOfARunningServer(t *testing.T) {
	first, second := newAuthority(t), newAuthority(t)
	w := newWorld(time.Now())
	s, handler := probed(w)
	var settings atomic.Pointer[zones.Admin]
	use := func(a zones.Admin) { settings.Store(&a) }
	s.options.Settings, s.handler = settings.Load, handler
	log := &lockedBuffer{}
	s.options.Logger = slog.New(slog.NewTextHandler(log, nil))
	l := listen(t)
	s.tcp = newLimitedListener(l, connections)
	use(zones.Admin{})
	run(t, s)

	client := func(roots *x509.CertPool, cert *tls.Certificate) *http.Client {
		config := &tls.Config{RootCAs: roots}
		if cert != nil {
			config.Certificates = []tls.Certificate{*cert}
		}
		transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
		t.Cleanup(transport.CloseIdleConnections)
		return &http.Client{Transport: transport, Timeout: 10 * time.Second}
	}
	address := l.Addr().String()
	plain := client(nil, nil)
	if code, _ := ask(t, plain, "GET", "http://"+address+"/", nil); code != 200 {
		t.Errorf("without TLS: status %d", code)
	}

	later := time.Now().Add(time.Hour)
	use(zones.Admin{Certificate: first.issue(t, "ns1", later), ClientCAs: first.pool})
	if code, _ := ask(t, plain, "GET", "http://"+address+"/", nil); code != 200 { // on the connection from before
		t.Errorf("on a connection from before: status %d", code)
	}
	if code, body := ask(t, plain, "GET", "http://"+address+"/", nil); code != 400 || !strings.Contains(body, "HTTPS") {
		t.Errorf("without TLS where there is some: status %d, %q", code, body)
	}
	ops := client(first.pool, first.issue(t, "ops", later))
	for range 2 {
		if code, body := ask(t, ops, "POST", "https://"+address+"/api/v1/overrides", nil); code != 200 || body != "ops (certificate)" {
			t.Errorf("with a certificate: status %d, %q", code, body)
		}
	}
	if code, _ := ask(t, client(first.pool, nil), "POST", "https://"+address+"/api/v1/overrides", nil); code != 401 {
		t.Errorf("without a certificate: status %d", code)
	}
	if _, err := client(second.pool, nil).Get("https://" + address + "/"); !errors.As(err, new(x509.UnknownAuthorityError)) {
		t.Errorf("a client that trusts another authority: %v", err)
	}
	if _, err := client(first.pool, second.issue(t, "ops", later)).Get("https://" + address + "/"); err == nil {
		t.Error("a client with a certificate of another authority got an answer")
	}

	// Now that of the second authority: on the open connection the old certificate is worth nothing.
	use(zones.Admin{Certificate: second.issue(t, "ns1", later), ClientCAs: second.pool})
	if code, _ := ask(t, ops, "POST", "https://"+address+"/api/v1/overrides", nil); code != 401 {
		t.Errorf("with a certificate that is out of use: status %d", code)
	}
	if _, err := client(first.pool, nil).Get("https://" + address + "/"); !errors.As(err, new(x509.UnknownAuthorityError)) {
		t.Errorf("the old certificate is still shown: %v", err)
	}
	if code, body := ask(t, client(second.pool, second.issue(t, "new", later)), "POST", "https://"+address+"/api/v1/overrides", nil); code != 200 || body != "new (certificate)" {
		t.Errorf("with a new certificate: status %d, %q", code, body)
	}
	// Old TLS is refused, as is HTTP/2, in which a connection would count for many.
	if conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: second.pool, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil {
		conn.Close()
		t.Error("TLS 1.1 is spoken")
	}
	conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: second.pool, NextProtos: []string{"h2", "http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got := conn.ConnectionState().NegotiatedProtocol; got != "http/1.1" {
		t.Errorf("the protocol is %q", got)
	}
	if lines := strings.Count(log.String(), "a connection to the admin server failed"); lines != 1 {
		t.Errorf("%d lines of the log are of clients' handshakes, want 1 within %s:\n%s", lines, seldom, log.String())
	}
}

// TestHandshakesTakeTurns: however many clients begin TLS at the same time, the processor has time for
// queries. All get through, one after the other.
func TestHandshakesTakeTurns(t *testing.T) {
	authority := newAuthority(t)
	w := newWorld(time.Now())
	w.admin.Certificate = authority.issue(t, "ns1", time.Now().Add(time.Hour))
	s, _ := w.server()
	l := listen(t)
	s.tcp = newLimitedListener(l, 2*connections)
	run(t, s)
	const clients = handshakesAtOnce + 30
	begun := time.Now()
	var group sync.WaitGroup
	for range clients {
		group.Go(func() {
			conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{RootCAs: authority.pool})
			if err != nil {
				t.Error(err)
				return
			}
			conn.Close()
		})
	}
	group.Wait()
	if took, least := time.Since(begun), (clients-handshakesAtOnce-1)*time.Second/handshakesPerSecond; took < least {
		t.Errorf("%d handshakes took %s, want at least %s", clients, took, least)
	}
}

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}
