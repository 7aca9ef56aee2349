package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"gslb/admin/api"
	"gslb/internal/files"
	"gslb/zones/config"
)

// Bounds of what a command waits for and reads of a server.
const (
	callWait     = 10 * time.Second
	planWait     = time.Minute // new targets are probed for it
	maxAPIReply  = 64 << 20
	maxTokenFile = 64 << 10
)

// Where a socket is looked for that no flag names.
const (
	socketVar     = "GSLB_SOCKET"
	installedPath = "/etc/gslb/zones.toml"
)

// statusUnreachable is the exit status of a command that found no server.
const statusUnreachable = 3

// connection is how a command reaches the server: what its flags say. All commands that speak to a server
// have the same ones.
type connection struct {
	socket, server string
	tokenFile      string
	ca, cert, key  string
}

// reachHelp ends the help of each command that speaks to a server.
const reachHelp = `

The server is reached by its admin socket: that of --socket, else of GSLB_SOCKET, else the one
that zones.toml in the working directory names, else /etc/gslb/zones.toml. Whoever may open
the socket may do everything. With --server it is reached over TCP, where changes need a token.
The exit status is 3 if no server is reached.`

// addConnection adds the flags to a command.
func addConnection(cmd *cobra.Command) *connection {
	c := &connection{}
	flags := cmd.Flags()
	flags.StringVar(&c.socket, "socket", "", "admin socket of the server")
	flags.StringVar(&c.server, "server", "", "server to reach over TCP instead: http(s)://HOST:PORT")
	flags.StringVar(&c.tokenFile, "token-file", "", "file with the token to show to --server")
	flags.StringVar(&c.ca, "ca", "", "PEM file of the authorities to verify --server by (default: the system's)")
	flags.StringVar(&c.cert, "cert", "", "PEM file of a certificate to show to --server")
	flags.StringVar(&c.key, "key", "", "PEM file of the key of --cert")
	cmd.MarkFlagsMutuallyExclusive("socket", "server")
	cmd.MarkFlagsRequiredTogether("cert", "key")
	cmd.Long += reachHelp
	return c
}

// client makes calls of the API.
type client struct {
	base  *url.URL
	where string // for messages: a path or a URL
	token string
	http  *http.Client
}

// connect finds out where the server is. It sends nothing.
func (c *connection) connect() (*client, error) {
	if c.server != "" {
		return c.overTCP()
	}
	for flag, value := range map[string]string{"token-file": c.tokenFile, "ca": c.ca, "cert": c.cert} {
		if value != "" {
			return nil, exit{2, fmt.Errorf("--%s is for --server, which is not given", flag)}
		}
	}
	path, err := c.socketPath()
	if err != nil {
		return nil, exit{statusUnreachable, err}
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
	return newClient(&url.URL{Scheme: "http", Host: "localhost"}, path, "", &http.Transport{DialContext: dial}), nil
}

// socketPath is the admin socket that is meant.
func (c *connection) socketPath() (string, error) {
	if c.socket != "" {
		return c.socket, nil
	}
	if path := os.Getenv(socketVar); path != "" {
		return path, nil
	}
	for _, path := range []string{defaultPath, installedPath} {
		socket, err := config.AdminSocket(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return "", fmt.Errorf("find the admin socket: %w; name it by --socket or %s", err, socketVar)
		case socket == "":
			return "", fmt.Errorf("%s has no admin socket: set server.state_dir or admin.socket, or reach the server by --server", path)
		}
		return socket, nil
	}
	return "", fmt.Errorf("it is not known which server is meant: there is neither %s here nor %s; name its socket by --socket or %s, or its address by --server",
		defaultPath, installedPath, socketVar)
}

// overTCP is a client of the server at a URL.
func (c *connection) overTCP() (*client, error) {
	base, err := url.Parse(c.server)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" || base.RawQuery != "" || base.User != nil {
		return nil, exit{2, fmt.Errorf("--server: %q is not of the form https://HOST:PORT", c.server)}
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
	if c.ca != "" {
		pem, err := files.Read(c.ca, maxAPIReply)
		if err != nil {
			return nil, exit{2, fmt.Errorf("--ca: %w", err)}
		}
		transport.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !transport.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem) {
			return nil, exit{2, fmt.Errorf("--ca: %s holds no certificate in PEM form", c.ca)}
		}
	}
	if c.cert != "" {
		pair, err := tls.LoadX509KeyPair(c.cert, c.key)
		if err != nil {
			return nil, exit{2, fmt.Errorf("--cert and --key: %w", err)}
		}
		transport.TLSClientConfig.Certificates = []tls.Certificate{pair}
	}
	token := ""
	if c.tokenFile != "" {
		if token, err = readToken(c.tokenFile); err != nil {
			return nil, exit{2, err}
		}
	}
	return newClient(base, c.server, token, transport), nil
}

// readToken reads the file of --token-file.
func readToken(path string) (string, error) {
	text, err := files.Read(path, maxTokenFile)
	if err != nil {
		return "", fmt.Errorf("--token-file: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if !isToken(token) {
		return "", fmt.Errorf("--token-file: %s does not hold one token, which is one word", path)
	}
	return token, nil
}

func isToken(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

func newClient(base *url.URL, where, token string, transport *http.Transport) *client {
	transport.DisableKeepAlives = true
	transport.MaxResponseHeaderBytes = 64 << 10
	// No proxy, and no redirect: whoever it leads to would get the token.
	return &client{base: base, where: where, token: token, http: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// call is one request to the API.
type call struct {
	method string
	path   string // below /api/v1/, its segments escaped
	query  url.Values
	body   any // sent as JSON; nil: none
	into   any // what the reply is read into; nil: it is not read
}

// do makes a call, and returns the reply's document as it came. An error is an exit with the status of the
// command.
func (c *client) do(ctx context.Context, call call, wait time.Duration) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	r, err := c.open(ctx, call, "application/json")
	if err != nil {
		return nil, c.unreached(err, wait)
	}
	defer r.Body.Close()
	document, err := io.ReadAll(io.LimitReader(r.Body, maxAPIReply+1))
	if err != nil {
		return nil, c.unreached(err, wait)
	}
	if len(document) > maxAPIReply {
		return nil, c.foreign("a reply of more than %d MiB", maxAPIReply>>20)
	}
	if err := c.judge(r, document); err != nil {
		return nil, err
	}
	if !json.Valid(document) {
		return nil, c.foreign("a reply that is not JSON")
	}
	if call.into != nil {
		if err := json.Unmarshal(document, call.into); err != nil {
			return nil, exit{1, fmt.Errorf("the reply of the gslb at %s is of another version than this command, which does not understand it (%w); --json shows it as it is", c.where, err)}
		}
	}
	return document, nil
}

// get is do with what a question takes.
func (c *client) get(ctx context.Context, path string, query url.Values, into any) ([]byte, error) {
	return c.do(ctx, call{method: http.MethodGet, path: path, query: query, into: into}, callWait)
}

// open sends a request and returns the response, whatever it is.
func (c *client) open(ctx context.Context, call call, accept string) (*http.Response, error) {
	var body io.Reader
	if call.body != nil {
		document, err := json.Marshal(call.body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(document)
	}
	to := strings.TrimSuffix(c.base.String(), "/") + "/api/v1/" + call.path
	if len(call.query) > 0 {
		to += "?" + call.query.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, call.method, to, body)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", accept)
	r.Header.Set("User-Agent", "gslb/"+version)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	return c.http.Do(r)
}

// judge makes the error of a response.
//
//	status        content type              what it is
//	a success     application/json          a reply
//	a success     any other                 not of a gslb
//	any other     application/problem+json  a refusal, for the reason in it
//	400           none, to --server http:   perhaps of one that speaks TLS alone
//	any other     any other                 not of a gslb, or of one without this API
func (c *client) judge(r *http.Response, document []byte) error {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case r.StatusCode >= 200 && r.StatusCode <= 299 && kind == "application/json":
		return nil
	case r.StatusCode >= 400 && kind == "application/problem+json":
		var p api.Problem
		if err := json.Unmarshal(document, &p); err != nil {
			return c.foreign("status %d with a problem that can't be read", r.StatusCode)
		}
		return exit{1, refusal(&p)}
	case r.StatusCode == http.StatusBadRequest && kind == "" && c.base.Scheme == "http":
		return c.foreign("status 400; if it has a certificate, write https:// instead of http://")
	}
	return c.foreign("status %d with content of type %q", r.StatusCode, kind)
}

// foreign is the error of a reply that is not of API version 1.
func (c *client) foreign(format string, args ...any) error {
	return exit{statusUnreachable, fmt.Errorf("what answers at %s is not the API of a gslb of this version: %s", c.where, fmt.Sprintf(format, args...))}
}

// refusal is what a person reads of a problem, whose detail has the names that it concerns.
func refusal(p *api.Problem) error {
	lines := []string{visible(p.Error())}
	for _, text := range p.Errors {
		lines = append(lines, "  "+visible(text))
	}
	switch p.Type {
	case api.LeavesNothing, api.NotUsable:
		lines = append(lines, "nothing was changed; --force does it all the same")
	case api.DataBehind:
		lines = append(lines, "nothing was changed; --accept-loss does it all the same")
	case api.Unauthorized:
		lines = append(lines, "give a token by --token-file, or use the socket of the server's own machine")
	}
	return refused{p, strings.Join(lines, "\n")}
}

// refused is a refusal, and how it is shown.
type refused struct {
	*api.Problem
	text string
}

func (r refused) Error() string { return r.text }

// unreached is the error of a call that got no whole reply.
func (c *client) unreached(err error, wait time.Duration) error {
	var text string
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(err, context.Canceled):
		return exit{1, errors.New("interrupted")}
	case errors.Is(err, context.DeadlineExceeded):
		text = fmt.Sprintf("the gslb at %s has not answered within %v: it hangs, or something on the way swallows the call", c.where, wait)
	case errors.Is(err, fs.ErrNotExist):
		text = fmt.Sprintf("no gslb answers at %s: is it running? There is no such socket; --socket, %s or zones.toml say which it is", c.where, socketVar)
	case errors.Is(err, fs.ErrPermission):
		text = fmt.Sprintf("%s may not be opened by this user: be root, or a member of the group that the socket belongs to", c.where)
	case errors.Is(err, syscall.ECONNREFUSED):
		text = fmt.Sprintf("no gslb answers at %s: is it running? Nobody listens there", c.where)
	case errors.As(err, &certificate):
		text = fmt.Sprintf("the certificate of %s is not trusted: %v; name its authority by --ca", c.where, certificate.Err)
	default:
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		text = fmt.Sprintf("no gslb answers at %s: %v", c.where, err)
	}
	return exit{statusUnreachable, errors.New(text)}
}
