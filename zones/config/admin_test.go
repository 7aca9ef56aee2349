package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gslb/zones"
)

// writeAdminFiles makes files for [admin]: a certificate, its key, a file of tokens.
func writeAdminFiles(t *testing.T, dir string) {
	t.Helper()
	cert, key := selfSigned(t, noon.Add(-time.Hour), noon.Add(time.Hour))
	for name, content := range map[string][]byte{
		"admin.crt": cert, "admin.key": key, "tokens": fmt.Appendf(nil, "deploy %x\n", sha256.Sum256([]byte("a"))),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func selfSigned(t *testing.T, from, until time.Time) (cert, key []byte) {
	t.Helper()
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ns1.example"}, NotBefore: from, NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, template, template, secret.Public(), secret)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
}

// loadAdmin loads a configuration with some keys of [server] and [admin], at noon.
func loadAdmin(t *testing.T, dir, server, admin string) (*zones.Set, error) {
	t.Helper()
	path := filepath.Join(dir, "zones.toml")
	text := fmt.Sprintf(`
[server]
listen = ["127.0.0.1:0"]
%s
[admin]
%s
[pools.nyc]
members = ["203.0.113.10"]
[zones."gslb.example.com"]
nameservers = { ns1 = ["192.0.2.53"] }
names.app   = { pools = ["nyc"] }
`, server, admin)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(path, LoadOptions{Now: noon})
}

func TestAdmin(t *testing.T) {
	dir := t.TempDir()
	writeAdminFiles(t, dir)
	set, err := loadAdmin(t, dir, "", `
listen = "192.0.2.1:8053"
socket = "run/gslb.sock"
tokens_file = "tokens"
read_token = true
cert = "admin.crt"
key = "admin.key"
client_ca = "admin.crt"`)
	if err != nil {
		t.Fatal(err)
	}
	a := set.Admin
	if a.Socket != filepath.Join(dir, "run/gslb.sock") || !a.Explicit || !a.ReadToken || a.Certificate == nil || a.Certificate.Leaf.Subject.CommonName != "ns1.example" || a.ClientCAs == nil {
		t.Errorf("%+v", a)
	}
	if want := []zones.Token{{Name: "deploy", Sum: sha256.Sum256([]byte("a"))}}; !slices.Equal(a.Tokens, want) {
		t.Errorf("tokens %v", a.Tokens)
	}
	// They are watched, so that changing one is a reload.
	for _, name := range []string{"tokens", "admin.crt", "admin.key"} {
		if !slices.Contains(set.Files, filepath.Join(dir, name)) {
			t.Errorf("%s is not among the files %v", name, set.Files)
		}
	}
	if len(set.Warnings) > 0 {
		t.Errorf("warnings: %v", set.Warnings)
	}
}

// What is not right with the certificate is said, and nothing of a file that may be secret.
func TestAdminFilesThatAreWrong(t *testing.T) {
	const secret = "gslb_9xQ4mW"
	good, wrongKey := selfSigned(t, noon, noon.Add(time.Hour))
	_, key := selfSigned(t, noon, noon.Add(time.Hour))
	hash := strings.Repeat("ab", sha256.Size)
	for name, test := range map[string]struct {
		files map[string]string
		want  string
	}{
		"a key of another certificate":     {map[string]string{"admin.crt": string(good), "admin.key": string(key)}, `admin.cert: "admin.crt" and the key "admin.key" are not a certificate and its key in PEM: private key does not match public key`},
		"no certificate":                   {map[string]string{"admin.crt": secret}, `admin.cert: "admin.crt" and the key "admin.key" are not a certificate and its key in PEM: failed to find any PEM data in certificate input`},
		"an empty key":                     {map[string]string{"admin.key": ""}, "failed to find any PEM data in key input"},
		"key and certificate swapped":      {map[string]string{"admin.crt": string(wrongKey), "admin.key": string(good)}, "admin.cert: "},
		"no authority":                     {map[string]string{"ca.crt": secret}, `admin.client_ca: "ca.crt" has no certificate in PEM`},
		"the token itself":                 {map[string]string{"tokens": secret + "\n"}, "admin.tokens_file: tokens:1: found other than two words; expected a name and the SHA-256 of a token in hexadecimal"},
		"the token in place of its digest": {map[string]string{"tokens": "# mine\ndeploy " + secret + "\n"}, "admin.tokens_file: tokens:2: the second word is not 64 hexadecimal digits"},
		"the name of the token last":       {map[string]string{"tokens": hash + " " + secret}, "admin.tokens_file: tokens:1: "},
		"too short a digest":               {map[string]string{"tokens": "deploy " + hash[2:]}, "tokens:1: the second word is not 64"},
		"a name with a space":              {map[string]string{"tokens": "the deployer " + hash}, "tokens:1: found other than two words"},
		"a name with a control character":  {map[string]string{"tokens": "a\x1b[2J " + hash}, "tokens:1: the name has other characters"},
		"a name twice":                     {map[string]string{"tokens": "a " + hash + "\n\na " + hash}, `tokens:3: the name "a" is given on line 1 already`},
		"no token":                         {map[string]string{"tokens": "# none yet\n\n"}, `admin.tokens_file: "tokens" has no token; add the line that`},
		"too many tokens":                  {map[string]string{"tokens": manyTokens(mostTokens + 1)}, "tokens:1001: there are more than 1000 tokens"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			writeAdminFiles(t, dir)
			if err := os.WriteFile(filepath.Join(dir, "ca.crt"), good, 0o600); err != nil {
				t.Fatal(err)
			}
			for name, content := range test.files {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, err := loadAdmin(t, dir, "", "listen = \"127.0.0.1:0\"\ncert = \"admin.crt\"\nkey = \"admin.key\"\ntokens_file = \"tokens\"\nclient_ca = \"ca.crt\"")
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v\nwant one problem, with %s", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("it quotes a secret: %v", err)
			}
		})
	}
}

func manyTokens(n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "t%d %x\n", i, sha256.Sum256([]byte{byte(i), byte(i >> 8)}))
	}
	return text.String()
}

// Names and digests in either case, comments, empty lines and line ends of any kind.
func TestTokensFile(t *testing.T) {
	dir := t.TempDir()
	digest := fmt.Sprintf("%x", sha256.Sum256([]byte("a")))
	text := "# all\r\n\r\n  deploy\t" + digest + "  # of the pipeline\r\nada@example.com " + strings.ToUpper(digest)
	if err := os.WriteFile(filepath.Join(dir, "tokens"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	set, err := loadAdmin(t, dir, "", "listen = \"127.0.0.1:0\"\ntokens_file = \"tokens\"")
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte("a"))
	if want := []zones.Token{{Name: "deploy", Sum: sum}, {Name: "ada@example.com", Sum: sum}}; !slices.Equal(set.Admin.Tokens, want) {
		t.Errorf("got %v", set.Admin.Tokens)
	}
}

func TestAdminWarnings(t *testing.T) {
	const tls, tokens, ca = "\ncert = \"admin.crt\"\nkey = \"admin.key\"", "\ntokens_file = \"tokens\"", "\nclient_ca = \"admin.crt\""
	for name, test := range map[string]struct{ admin, want string }{
		"loopback":                       {`listen = "127.0.0.1:0"`, ""},
		"loopback of IPv6":               {`listen = "[::1]:0"`, ""},
		"everywhere":                     {`listen = "0.0.0.0:8053"`, "0.0.0.0:8053 is reached from other machines, without TLS and tokens: whoever reaches it reads everything"},
		"everywhere of IPv6":             {`listen = "[::]:8053"`, "without TLS and tokens"},
		"everywhere with tokens":         {`listen = "[::]:8053"` + tokens, "without TLS: whoever is on the way reads the tokens"},
		"everywhere with TLS":            {`listen = "192.0.2.1:8053"` + tls, "without tokens: whoever reaches it reads everything"},
		"everywhere with both":           {`listen = "192.0.2.1:8053"` + tls + tokens, ""},
		"everywhere with certificates":   {`listen = "192.0.2.1:8053"` + tls + ca, ""},
		"a certificate that has expired": {"listen = \"127.0.0.1:0\"\ncert = \"old.crt\"\nkey = \"old.key\"", `admin.cert: "old.crt" has expired at`},
		"one of the future":              {"listen = \"127.0.0.1:0\"\ncert = \"new.crt\"\nkey = \"new.key\"", `admin.cert: "new.crt" is not valid before`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			writeAdminFiles(t, dir)
			for name, from := range map[string]time.Time{"old": noon.Add(-2 * time.Hour), "new": noon.Add(time.Hour)} {
				cert, key := selfSigned(t, from, from.Add(time.Hour))
				for ext, content := range map[string][]byte{".crt": cert, ".key": key} {
					if err := os.WriteFile(filepath.Join(dir, name+ext), content, 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			set, err := loadAdmin(t, dir, "", test.admin)
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case test.want == "" && len(set.Warnings) > 0:
				t.Errorf("warnings %v", set.Warnings)
			case test.want != "" && (len(set.Warnings) != 1 || !strings.Contains(set.Warnings[0].Error(), test.want)):
				t.Errorf("warnings %v, want %s", set.Warnings, test.want)
			}
		})
	}
}

// Where the socket is, for the server and for those who look for it. They agree, and the latter take a
// file that has errors elsewhere.
func TestAdminSocket(t *testing.T) {
	for _, test := range []struct {
		server, admin string
		want          string // %s: the folder
		explicit      bool
	}{
		{`state_dir = "/var/lib/gslb"`, `listen = "127.0.0.1:0"`, "/var/lib/gslb/gslb.sock", false},
		{`state_dir = "var"`, "", "var/gslb.sock", false},
		{"", `listen = "127.0.0.1:0"`, "", false},
		{`state_dir = "/var/lib/gslb"`, `socket = "/run/gslb.sock"`, "/run/gslb.sock", true},
		{"", `socket = "gslb.sock"`, "%s/gslb.sock", true},
		{"", "socket = \"../run/gslb.sock\"\nlisten = \"127.0.0.1:0\"", "%s/../run/gslb.sock", true},
		{`state_dir = "/var/lib/gslb"`, "socket = \"\"\nlisten = \"127.0.0.1:0\"", "", false},
	} {
		t.Run(test.server+test.admin, func(t *testing.T) {
			dir := t.TempDir()
			want := filepath.Clean(strings.Replace(test.want, "%s", dir, 1))
			if test.want == "" {
				want = ""
			}
			set, err := loadAdmin(t, dir, test.server, test.admin)
			if err != nil {
				t.Fatal(err)
			}
			if set.Admin.Socket != want || set.Admin.Explicit != test.explicit {
				t.Errorf("the server has it at %q, explicit %t, want %q", set.Admin.Socket, set.Admin.Explicit, want)
			}
			if got, err := AdminSocket(set.Path); got != want || err != nil {
				t.Errorf("others look for it at %q (%v), want %q", got, err, want)
			}
			data, _ := os.ReadFile(set.Path)
			if err := os.WriteFile(set.Path, []byte(strings.Replace(string(data), "members", "memmbers = 7 # ", 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			if got, err := AdminSocket(set.Path); got != want || err != nil {
				t.Errorf("with an error elsewhere they look for it at %q (%v), want %q", got, err, want)
			}
		})
	}
	if _, err := AdminSocket(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that is not there has a socket")
	}
	// Without the table the socket is there as well.
	set, err := Load("testdata/accept/settings.toml", LoadOptions{Now: noon})
	if err != nil || set.Admin.Socket == "" != (set.Server.StateDir == "") {
		t.Errorf("%q in %q, %v", set.Admin.Socket, set.Server.StateDir, err)
	}
}
