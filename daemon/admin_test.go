package daemon

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gslb/admin/api"
	"gslb/daemon/daemontest"
)

// ready asks over a socket whether the program is ready.
func ready(t *testing.T, path string) error {
	response, err := overSocket(t, path).http.Get("http://gslb/readyz")
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	return nil
}

func TestSocketInTheStateDirectory(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.begin()
	if err := ready(t, s.Socket()); err != nil {
		t.Error(err)
	}
	info, err := os.Lstat(s.Socket())
	must(t, err)
	if info.Mode() != fs.ModeSocket|0o660 {
		t.Errorf("its mode is %v", info.Mode())
	}
	// Somebody cleans up.
	must(t, os.Remove(s.Socket()))
	s.Eventually("the socket is back", func() bool { return ready(t, s.Socket()) == nil })
	if len(s.Lines("level=WARN", "the admin socket was removed, and is made again", s.Socket())) != 1 {
		t.Errorf("nothing is said of it:\n%s", s.Log)
	}
	s.stop()
	if _, err := os.Lstat(s.Socket()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after the end: %v", err)
	}
}

// Without a port the program can be asked over its socket alone.
func TestSocketAlone(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.Write(`"nyc", "ams"`)
	path := s.Config()
	text, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(path, []byte(strings.Replace(string(text), "[admin]\nlisten = \"127.0.0.1:0\"", "", 1)), 0o644))
	s.start()
	s.expect(first)
	if err := ready(t, s.Socket()); err != nil {
		t.Error(err)
	}
	if s.adminAddr != "" {
		t.Errorf("it listens on %s", s.adminAddr)
	}
}

// Queries are answered even where the socket cannot be, which is said aloud.
func TestStartWithoutASocket(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spoil func(*testing.T, *stage)
		want  string
	}{
		"the state directory cannot be made": {func(t *testing.T, s *stage) {
			must(t, os.WriteFile(s.State(), nil, 0o600))
		}, "not a directory"},
		"another file is there": {func(t *testing.T, s *stage) {
			must(t, os.Mkdir(s.State(), 0o755))
			must(t, os.WriteFile(s.Socket(), []byte("mine"), 0o600))
		}, "is no socket"},
		"another process listens there": {func(t *testing.T, s *stage) {
			must(t, os.Mkdir(s.State(), 0o755))
			other, err := net.Listen("unix", s.Socket())
			must(t, err)
			t.Cleanup(func() { other.Close() })
		}, "another process listens on"},
		"the path is too long": {func(t *testing.T, s *stage) {
			s.Dir = filepath.Join(s.Dir, strings.Repeat("d", 100))
			must(t, os.Mkdir(s.Dir, 0o755))
		}, "at most 107 are possible"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			test.spoil(t, s)
			s.begin()
			if len(s.Lines("level=ERROR", "there is no admin socket", test.want)) != 1 {
				t.Errorf("it is not said:\n%s", s.Log)
			}
			if status, _ := s.get("/readyz"); status != http.StatusOK {
				t.Errorf("over TCP: status %d", status)
			}
		})
	}
}

// A socket that the configuration asks for must be possible, like an address; a start that is refused
// leaves nothing behind.
func TestSocketThatIsAskedFor(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "gslb")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	s := newStage(t)
	s.Admin = fmt.Sprintf("socket = %q", filepath.Join(dir, "none", "s"))
	s.Write(`"nyc", "ams"`)
	if _, err := newProgram(s.options(), nil); err == nil || !strings.Contains(err.Error(), "admin.socket: ") {
		t.Errorf("in a folder that does not exist: %v", err)
	}
	s.Admin = fmt.Sprintf("socket = %q", path)
	s.begin()
	if err := ready(t, path); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(s.Socket()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is one in the state directory, too: %v", err)
	}
	other := newStage(t)
	other.Admin = s.Admin
	other.Write(`"nyc", "ams"`)
	if _, err := newProgram(other.options(), nil); err == nil || !strings.Contains(err.Error(), "admin.socket: ") || !strings.Contains(err.Error(), "another process listens on "+path) {
		t.Errorf("a second program: %v", err)
	}
	if err := ready(t, path); err != nil {
		t.Errorf("the first one, after that: %v", err)
	}
	// It can't be moved by a reload.
	s.Admin = fmt.Sprintf("socket = %q", path+"2")
	s.Write(`"nyc", "ams"`)
	s.Eventually("the refusal", func() bool { return s.config.Status().Err != nil })
	if got, want := s.config.Status().Err.Error(), fmt.Sprintf("admin.socket: changed from %q to %q, which needs a restart", path, path+"2"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A process that was killed leaves its socket, which the next one replaces.
func TestSocketOfAKilledProcess(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.Write(`"nyc", "ams"`)
	cmd := exec.Command("gslb", "serve", s.Config())
	cmd.Stderr = s.Log
	ended := daemontest.Begin(t, cmd)
	s.Eventually("the program is ready", func() bool { return ready(t, s.Socket()) == nil })
	must(t, cmd.Process.Signal(syscall.SIGKILL))
	<-ended
	if _, err := os.Lstat(s.Socket()); err != nil {
		t.Fatalf("the socket is gone: %v", err)
	}
	s.begin()
	if err := ready(t, s.Socket()); err != nil {
		t.Error(err)
	}
}

// writeCertificate replaces a certificate and its key, as a tool that renews them does.
func (s *stage) writeCertificate(name string) *x509.CertPool {
	s.T.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(s.T, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(s.T, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	must(s.T, err)
	chain := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	must(s.T, os.WriteFile(filepath.Join(s.Dir, "admin.crt"), chain, 0o600))
	must(s.T, os.WriteFile(filepath.Join(s.Dir, "admin.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(chain)
	return pool
}

// Certificates and tokens are renewed while the program runs. What is not valid changes nothing, and is
// said aloud, without a word of the secrets.
func TestCertificatesAndTokensAreReloaded(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.Admin = "cert = \"admin.crt\"\nkey = \"admin.key\"\ntokens_file = \"tokens\"\nread_token = true"
	old := s.writeCertificate("old")
	s.WriteTokens("first-token")
	s.begin()
	// page asks for the page: 0 if the certificate is not trusted.
	page := func(roots *x509.CertPool, token string) int {
		client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots}}}
		r, err := http.NewRequest(http.MethodGet, "https://"+s.adminAddr+"/", nil)
		must(t, err)
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		response, err := client.Do(r)
		if err != nil {
			return 0
		}
		must(t, response.Body.Close())
		return response.StatusCode
	}
	expect := func(when string, roots *x509.CertPool, token string, want int) {
		t.Helper()
		if got := page(roots, token); got != want {
			t.Errorf("%s: status %d, want %d", when, got, want)
		}
	}
	expect("with the token", old, "first-token", 200)
	expect("without a token", old, "", 401)
	expect("with another token", old, "second-token", 401)

	renewed := s.writeCertificate("new")
	s.Eventually("the new certificate", func() bool { return page(renewed, "first-token") == 200 })
	expect("the old certificate", old, "first-token", 0)

	must(t, os.WriteFile(filepath.Join(s.Dir, "admin.crt"), []byte("-----BEGIN CERTIFICATE-----\nc2VjcmV0\n-----END CERTIFICATE-----\n"), 0o600))
	s.Eventually("the refusal of a certificate", s.Logged("level=ERROR", "the configuration was not reloaded", "admin.cert"))
	expect("beside a bad certificate", renewed, "first-token", 200)
	s.WriteTokens("second-token")
	s.Eventually("other tokens beside a bad certificate", s.Logged("tokens and certificates of the admin server have changed"))
	expect("the new token", renewed, "second-token", 200)
	expect("the token that was removed", renewed, "first-token", 401)

	third := s.writeCertificate("third")
	s.Eventually("the certificate after the bad one", func() bool { return page(third, "second-token") == 200 })

	must(t, os.WriteFile(filepath.Join(s.Dir, "tokens"), []byte("somebody second-token\n"), 0o600))
	s.Eventually("the refusal of the tokens", s.Logged("level=ERROR", "the configuration was not reloaded", "admin.tokens_file", "tokens:1"))
	expect("beside bad tokens", third, "second-token", 200)
	if text := s.Log.String(); strings.Contains(text, "first-token") || strings.Contains(text, "second-token") || strings.Contains(text, "PRIVATE KEY") {
		t.Errorf("the log has a secret:\n%s", text)
	}
	s.expect(first)
}

// A token that is revoked does not count while zones.toml is not even TOML, nor while it waits for a
// person; and tokens that are not valid change nothing.
func TestTokensAreRevokedWhateverZonesTomlIs(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(s *stage){
		"not TOML": func(s *stage) {
			must(t, os.WriteFile(s.Config(), []byte("[admin"), 0o600))
			s.Eventually("the refusal", func() bool { return s.config.Status().Err != nil })
		},
		"waits": func(s *stage) {
			s.Write(`"ams", "nyc"`)
			s.Eventually("that it waits", func() bool { return s.waits() != "" })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.Admin = "tokens_file = \"tokens\"\nread_token = true"
			s.WriteTokens("first-token", "second-token")
			s.beginConfirming()
			spoil(s)
			status := func(token string) int {
				r, err := http.NewRequest(http.MethodGet, "http://"+s.adminAddr+"/", nil)
				must(t, err)
				r.Header.Set("Authorization", "Bearer "+token)
				client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
				response, err := client.Do(r)
				must(t, err)
				must(t, response.Body.Close())
				return response.StatusCode
			}
			if got := status("first-token"); got != 200 {
				t.Fatalf("before: status %d", got)
			}
			s.WriteTokens("second-token")
			s.Eventually("the end of the token", s.Logged("tokens and certificates of the admin server have changed"))
			if got := status("first-token"); got != 401 {
				t.Errorf("the token that was removed: status %d", got)
			}
			if got := status("second-token"); got != 200 {
				t.Errorf("the other token: status %d", got)
			}
			must(t, os.WriteFile(filepath.Join(s.Dir, "tokens"), []byte("first second-token\n"), 0o600))
			s.Eventually("what is wrong with the tokens", s.Logged("level=ERROR", "cannot be read again", "admin.tokens_file", "tokens:1"))
			if got := status("second-token"); got != 200 {
				t.Errorf("beside tokens that are not valid: status %d", got)
			}
			if strings.Contains(s.Log.String(), "second-token") {
				t.Errorf("the log has a token:\n%s", s.Log)
			}
			s.expect(first)
		})
	}
}

// Who sends a configuration over TCP to be planned has no file read that lies elsewhere on this machine;
// over the socket that is possible.
func TestPlanReadsNoFilesForTheNetwork(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.Admin = "tokens_file = \"tokens\""
	s.WriteTokens("a-token")
	s.begin()
	elsewhere := t.TempDir()
	must(t, os.WriteFile(filepath.Join(elsewhere, "db"), []byte("www A 192.0.2.1\n"), 0o600))
	must(t, os.Symlink(elsewhere, filepath.Join(s.Dir, "link")))
	must(t, os.WriteFile(filepath.Join(s.Dir, "db"), []byte("www A 192.0.2.1\n"), 0o600))
	for file, want := range map[string]string{
		"db":                           "",
		filepath.Join(elsewhere, "db"): "lies outside of the folder",
		"../none":                      "lies outside of the folder",
		"/etc/passwd":                  "lies outside of the folder",
		"link/db":                      "lies outside of the folder",
	} {
		text, err := os.ReadFile(s.Config())
		must(t, err)
		request := api.PlanRequest{Path: filepath.Join(s.Dir, "next.toml"), Content: string(text) + fmt.Sprintf("[zones.\"example.org\"]\nnameservers = { ns1 = [\"192.0.2.53\"] }\nfile = %q\n", file)}
		err = s.overTCP("a-token").do(http.MethodPost, "plan", request, nil)
		if refused := err != nil && strings.Contains(wholeProblem(err), want) && strings.Contains(wholeProblem(err), "not valid"); refused != (want != "") {
			t.Errorf("%s over TCP: %v", file, wholeProblem(err))
		}
		err = s.overSocket().do(http.MethodPost, "plan", request, nil)
		if err != nil && strings.Contains(wholeProblem(err), "lies outside") {
			t.Errorf("%s over the socket: %v", file, wholeProblem(err))
		}
	}
}

// wholeProblem is all that a refusal says, a line each.
func wholeProblem(err error) string {
	var p *api.Problem
	if !errors.As(err, &p) {
		return fmt.Sprint(err)
	}
	return strings.Join(append([]string{p.Error()}, p.Errors...), "\n")
}
