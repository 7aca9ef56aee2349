package config

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"gslb/internal/files"
	"gslb/zones"
	"gslb/zones/problem"
)

// socketName is the admin socket in the state directory, where nothing else is configured.
const socketName = "gslb.sock"

// Limits of the [admin] table.
const (
	longestSocket = 107 // bytes of a path: sun_path in unix(7), with a zero byte at its end
	mostTokens    = 1000
)

// admin fills in what [admin] says. Without the table there may be a socket all the same.
func (l *loader) admin(raw *rawAdmin) {
	at, a := problem.Top("admin"), &l.set.Admin
	if l.set.Server.StateDir != "" {
		a.Socket = filepath.Join(l.set.Server.StateDir, socketName)
	}
	if raw == nil {
		return
	}
	if raw.Socket != nil {
		a.Socket, a.Explicit = l.socket(at.Key("socket"), *raw.Socket), *raw.Socket != ""
	}
	if raw.Listen == nil {
		if a.Socket == "" {
			l.Add(at.Key("listen"), `missing; expected an address and port, such as "127.0.0.1:8053", or a socket: the key socket, or server.state_dir, which is where it lies by default`)
		}
		l.needsListen(at, raw)
		return
	}
	l.adminListen(at.Key("listen"), *raw.Listen)
	l.adminHosts(at.Key("hosts"), raw.Hosts)
	if raw.TokensFile != nil {
		a.Tokens, a.Files.Tokens = l.tokens(at.Key("tokens_file"), *raw.TokensFile), l.files.path(*raw.TokensFile)
	}
	if a.Certificate = l.certificate(at, adminPair(raw.Cert, raw.Key)); a.Certificate != nil {
		a.Files.Cert, a.Files.Key = l.files.path(*raw.Cert), l.files.path(*raw.Key)
	}
	if raw.ClientCA != nil {
		if raw.Cert == nil && raw.Key == nil {
			l.Add(at.Key("client_ca"), "clients only have certificates over TLS; set cert and key, or remove this")
		}
		a.ClientCAs, a.Files.ClientCA = l.clientCA(at.Key("client_ca"), *raw.ClientCA), l.files.path(*raw.ClientCA)
	}
	a.ReadToken = raw.ReadToken
	if a.ReadToken && raw.TokensFile == nil && raw.ClientCA == nil {
		l.Add(at.Key("read_token"), "there are no tokens, so that nobody could read anything; set tokens_file or client_ca, or remove this")
	}
	l.warnOpen(at.Key("listen"), raw)
}

// socket reads the path of the admin socket.
func (l *loader) socket(at *problem.Place, text string) string {
	if text == "" {
		return ""
	}
	path := l.files.path(text)
	switch {
	case strings.ContainsRune(text, 0):
		l.Add(at, "found %q; expected a path", text)
	case len(path) > longestSocket:
		l.Add(at, "found a path of %d bytes; expected at most %d, the most that a socket can have", len(path), longestSocket)
	}
	return path
}

// needsListen reports what only matters to those who come over TCP.
func (l *loader) needsListen(at *problem.Place, raw *rawAdmin) {
	for key, given := range map[string]bool{
		"hosts": raw.Hosts != nil, "tokens_file": raw.TokensFile != nil, "cert": raw.Cert != nil,
		"key": raw.Key != nil, "client_ca": raw.ClientCA != nil, "read_token": raw.ReadToken,
	} {
		if given {
			l.Add(at.Key(key), "is for admin.listen, which is not set; set it, or remove this")
		}
	}
}

func (l *loader) adminListen(at *problem.Place, text string) {
	addr, err := listenAddress(text)
	if err != nil {
		l.Add(at, "%v", err)
		return
	}
	for i, dns := range l.set.Server.Listen {
		if addr == dns && addr.Port() != 0 || covers(dns, addr) || covers(addr, dns) {
			l.Add(at, "%q serves DNS already (server.listen[%d]); expected another address or port", text, i)
		}
	}
	l.set.Admin.Listen = addr
}

// adminHosts reads the names and addresses that the admin server may be asked by.
func (l *loader) adminHosts(at *problem.Place, list []string) {
	l.set.Admin.Hosts = distinct(l, at, list, func(at *problem.Place, text string) (string, bool) {
		if addr, err := netip.ParseAddr(text); err == nil {
			return addr.Unmap().String(), true
		}
		name, err := domainName(text)
		if err != nil {
			l.Add(at, "%v, without a port", err)
		}
		return strings.TrimSuffix(name, "."), err == nil
	})
}

var tokenName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$`)

// tokens reads the file of tokens: a line each, of a name and the SHA-256 of the token. No message quotes
// what may be a token.
func (l *loader) tokens(at *problem.Place, name string) []zones.Token {
	data, err := l.files.readSmall(l.files.path(name))
	if err != nil {
		l.Add(at, "found %q; expected a readable file of tokens: %v", name, err)
		return nil
	}
	var tokens []zones.Token
	named, faults := make(map[string]int), l.Len()
	number := 0
	for line := range strings.Lines(string(data)) {
		number++
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		token, err := parseToken(fields)
		switch first, twice := named[token.Name]; {
		case err != nil:
			l.Add(at, "%s:%d: %v", name, number, err)
		case twice:
			l.Add(at, "%s:%d: the name %q is given on line %d already; expected another name", name, number, token.Name, first)
		case len(tokens) == mostTokens:
			l.Add(at, "%s:%d: there are more than %d tokens", name, number, mostTokens)
			return tokens
		default:
			named[token.Name] = number
			tokens = append(tokens, token)
		}
	}
	if len(tokens) == 0 && l.Len() == faults {
		l.Add(at, "%q has no token; add the line that `gslb token NAME` prints, or remove the key", name)
	}
	return tokens
}

// VerifyTokenName reports a name that no token can have.
func VerifyTokenName(name string) error {
	if !tokenName.MatchString(name) {
		return errors.New(`the name has other characters than letters, digits, ".", "_", "@" and "-", or more than 64`)
	}
	return nil
}

func parseToken(fields []string) (zones.Token, error) {
	var token zones.Token
	const expected = "expected a name and the SHA-256 of a token in hexadecimal, as `gslb token NAME` prints them"
	if len(fields) != 2 {
		return token, fmt.Errorf("found other than two words; %s", expected)
	}
	if err := VerifyTokenName(fields[0]); err != nil {
		return token, fmt.Errorf("%w; %s", err, expected)
	}
	sum, err := hex.DecodeString(fields[1])
	if err != nil || len(sum) != len(token.Sum) {
		return token, fmt.Errorf("the second word is not 64 hexadecimal digits; %s", expected)
	}
	token.Name = fields[0]
	copy(token.Sum[:], sum)
	return token, nil
}

// keyPair is a certificate and its private key, by the names of their files, or of none.
type keyPair struct {
	certKey, keyKey string // of the configuration
	cert, key       *string
	late            string // what happens to a certificate that is not valid at its time
}

func adminPair(cert, key *string) keyPair {
	return keyPair{"cert", "key", cert, key, "clients refuse it"}
}

// certificate reads what is shown of this side over TLS.
func (l *loader) certificate(at *problem.Place, p keyPair) *tls.Certificate {
	switch {
	case p.cert == nil && p.key == nil:
		return nil
	case p.cert == nil:
		l.Add(at.Key(p.certKey), "missing; expected the certificate of %s", p.keyKey)
		return nil
	case p.key == nil:
		l.Add(at.Key(p.keyKey), "missing; expected the private key of %s", p.certKey)
		return nil
	}
	chain, certErr := l.files.readSmall(l.files.path(*p.cert))
	if certErr != nil {
		l.Add(at.Key(p.certKey), "found %q; expected a readable PEM file: %v", *p.cert, certErr)
	}
	secret, keyErr := l.files.readSmall(l.files.path(*p.key))
	if keyErr != nil {
		l.Add(at.Key(p.keyKey), "found %q; expected a readable PEM file: %v", *p.key, keyErr)
	}
	if certErr != nil || keyErr != nil {
		return nil
	}
	pair, err := tls.X509KeyPair(chain, secret)
	if err != nil {
		l.Add(at.Key(p.certKey), "%q and the key %q are not a certificate and its key in PEM: %v", *p.cert, *p.key, strings.TrimPrefix(err.Error(), "tls: "))
		return nil
	}
	l.validity(at.Key(p.certKey), p, pair.Leaf)
	return &pair
}

// validity warns of a certificate that is refused now. The server must be able to start with it.
func (l *loader) validity(at *problem.Place, p keyPair, leaf *x509.Certificate) {
	const form = "2006-01-02 15:04 UTC"
	switch now := l.options.Now; {
	case now.IsZero():
	case now.After(leaf.NotAfter):
		l.warnings.Add(at, "%q has expired at %s: %s; renew it", *p.cert, leaf.NotAfter.UTC().Format(form), p.late)
	case now.Before(leaf.NotBefore):
		l.warnings.Add(at, "%q is not valid before %s: %s until then", *p.cert, leaf.NotBefore.UTC().Format(form), p.late)
	}
}

// clientCA reads the authorities whose certificates make clients known.
func (l *loader) clientCA(at *problem.Place, name string) *x509.CertPool {
	data, err := l.files.readSmall(l.files.path(name))
	if err != nil {
		l.Add(at, "found %q; expected a readable PEM file: %v", name, err)
		return nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		l.Add(at, "%q has no certificate in PEM", name)
		return nil
	}
	return pool
}

// RenewAdmin reads the files again that make clients of the admin server known, so that what is revoked
// does not count while zones.toml cannot be taken into use. What is not valid stays as it was, and is in
// the error.
func RenewAdmin(old *zones.Admin, now time.Time) (*zones.Admin, error) {
	l := newLoader("", newReader(""), LoadOptions{Now: now})
	at, renewed, f := problem.Top("admin"), *old, &old.Files
	if f.Tokens != "" {
		before := l.Len()
		if tokens := l.tokens(at.Key("tokens_file"), f.Tokens); l.Len() == before {
			renewed.Tokens = tokens
		}
	}
	if f.Cert != "" {
		if pair := l.certificate(at, adminPair(&f.Cert, &f.Key)); pair != nil {
			renewed.Certificate = pair
		}
	}
	if f.ClientCA != "" {
		if pool := l.clientCA(at.Key("client_ca"), f.ClientCA); pool != nil {
			renewed.ClientCAs = pool
		}
	}
	nowhere := func(spots []problem.Spot) []problem.Position { return make([]problem.Position, len(spots)) }
	if errs := l.Errors("", nowhere); errs != nil {
		return &renewed, errs
	}
	return &renewed, nil
}

// warnOpen warns of an admin server that others than this machine reach, and are not kept out of.
func (l *loader) warnOpen(at *problem.Place, raw *rawAdmin) {
	listen := l.set.Admin.Listen
	if !listen.IsValid() || listen.Addr().IsLoopback() {
		return
	}
	secure, knows := raw.Cert != nil, raw.TokensFile != nil || raw.ClientCA != nil
	switch {
	case !secure && !knows:
		l.warnings.Add(at, "%s is reached from other machines, without TLS and tokens: whoever reaches it reads everything, and what it says can be forged on the way; set cert, key and tokens_file, or listen on a loopback address", listen)
	case !secure:
		l.warnings.Add(at, "%s is reached from other machines, without TLS: whoever is on the way reads the tokens, and can use them; set cert and key, or listen on a loopback address", listen)
	case !knows:
		l.warnings.Add(at, "%s is reached from other machines, without tokens: whoever reaches it reads everything; set tokens_file, or listen on a loopback address", listen)
	}
}

// AdminSocket is where the admin socket of a configuration lies, for those who want to reach the server;
// empty: it has none. Nothing else of the file is looked at, so that an operator who is in the middle of
// editing it can still reach the server.
func AdminSocket(path string) (string, error) {
	socket, dir, err := places(path)
	switch {
	case err != nil:
		return "", err
	case socket == nil && dir != "":
		return filepath.Join(dir, socketName), nil
	case socket == nil || *socket == "" || filepath.IsAbs(*socket):
		return value(socket), nil
	}
	return filepath.Join(filepath.Dir(path), *socket), nil
}

// StateDir is server.state_dir of a configuration, of which nothing else is looked at.
func StateDir(path string) (string, error) {
	_, dir, err := places(path)
	return dir, err
}

// places is where a configuration has its socket, if it says so, and its state.
func places(path string) (socket *string, stateDir string, err error) {
	data, err := files.Read(path, maxConfiguration)
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	if line, fault := bounded(data); line > 0 {
		return nil, "", syntaxError(path, line, 0, fault)
	}
	var file struct {
		Server struct {
			StateDir any `toml:"state_dir"`
		} `toml:"server"`
		Admin struct {
			Socket any `toml:"socket"`
		} `toml:"admin"`
	}
	if _, err := toml.Decode(string(data), &file); err != nil {
		return nil, "", parseError(data, path, err)
	}
	if text, ok := file.Admin.Socket.(string); ok {
		socket = &text
	}
	stateDir, _ = file.Server.StateDir.(string)
	return socket, stateDir, nil
}

// value is what a pointer points to; empty for none.
func value(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}
