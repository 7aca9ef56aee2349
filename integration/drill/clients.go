package main

import (
	"context"
	"embed"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"gslb/integration/parts"
)

// What all clients do.
const (
	clientEvery   = time.Second     // from the start of one request to that of the next
	clientTimeout = 2 * time.Second // of one request
)

// clientKind is a way in which programs make requests, with its defaults.
type clientKind struct {
	name  string
	what  string
	files []string // of the folder clients, that it takes
	make  []string // the command that makes a program of them, in the folder of the files
	run   []string // the command line, before the URL and the timeout in milliseconds
	after []string // the same, after them
	// version is the command that says which program makes the requests.
	version []string
	// keeps is for how long it keeps an address by itself, whatever the TTL is.
	keeps time.Duration
	// connection says that it makes further requests over a connection that is open.
	connection bool
	advice     string // what to set where it is the slowest
}

func clientKinds() []clientKind {
	return []clientKind{
		{
			name: "getaddrinfo", what: "C, getaddrinfo (glibc)", files: []string{"getaddrinfo.c"},
			make: []string{"gcc", "-O2", "-o", "getaddrinfo", "getaddrinfo.c"}, run: []string{"{dir}/getaddrinfo"},
			version: []string{"getconf", "GNU_LIBC_VERSION"},
			advice:  "Nothing: the C library keeps no address. Don't run nscd with a cache of hosts.",
		},
		{
			name: "curl", what: "curl", files: []string{"curl.sh"}, run: []string{"sh", "{dir}/curl.sh"},
			version: []string{"curl", "--version"},
			advice:  "Nothing: each run of curl looks the name up anew.",
		},
		{
			name: "php", what: "PHP, a curl handle a request", files: []string{"client.php"}, run: []string{"php", "{dir}/client.php"}, after: []string{"fresh"},
			version: []string{"php", "--version"},
			advice:  "Nothing: a curl handle that lives for one request keeps no address for the next.",
		},
		{
			name: "php-kept", what: "PHP, one curl handle kept", files: []string{"client.php"}, run: []string{"php", "{dir}/client.php"}, after: []string{"kept"},
			version: []string{"php", "--version"},
			keeps:   2 * time.Minute, connection: true,
			advice: "curl_setopt($handle, CURLOPT_DNS_CACHE_TIMEOUT, 1): PHP has curl keep an address for 120 s by default. Or make a new handle after a request that failed.",
		},
		{
			name: "go", what: "Go, net/http", run: []string{"{self}", clientCommand},
			version:    []string{"go", "version"},
			connection: true,
			advice:     "Nothing: Go keeps no address. A transport keeps connections: CloseIdleConnections after an error.",
		},
		{
			name: "java", what: "Java, default cache", files: []string{"Client.java"},
			make:    []string{"javac", "Client.java"},
			run:     []string{"java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx48m", "-cp", "{dir}", "Client"},
			version: []string{"java", "-version"},
			keeps:   30 * time.Second, connection: true,
			advice: "networkaddress.cache.ttl=1 in the JRE's conf/security/java.security, or -Dsun.net.inetaddr.ttl=1 on the command line: Java keeps an address for 30 s by default.",
		},
		{
			name: "java-tuned", what: "Java, cache of 1 s", files: []string{"Client.java"},
			make:    []string{"javac", "Client.java"},
			run:     []string{"java", "-Dsun.net.inetaddr.ttl=1", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx48m", "-cp", "{dir}", "Client"},
			version: []string{"java", "-version"},
			keeps:   time.Second, connection: true,
			advice: "Nothing more: networkaddress.cache.ttl is 1 s already.",
		},
		{
			name: "node", what: "Node, http", files: []string{"client.js"}, run: []string{"node", "{dir}/client.js"},
			version:    []string{"node", "--version"},
			connection: true,
			advice:     "Nothing: Node keeps no address. An agent keeps connections: destroy it after an error.",
		},
		{
			name: "chromium", what: "Chromium", files: []string{"page.html"},
			run:     nil, // see command
			version: []string{"sh", "-c", "chromium --version 2>/dev/null"},
			keeps:   time.Minute, connection: true,
			advice: "Browsers keep an address for 60 s at least, and no site can set that. Answer with several addresses (policy \"all\"): a browser then tries the next one by itself.",
		},
	}
}

//go:embed clients
var clientFiles embed.FS

// client is one that runs, on one resolver.
type client struct {
	clientKind
	*parts.Part
	resolver string
	version  string
	lines    tail
	track    track
}

// prepare writes the files of a client, and makes its program.
func (s *stack) prepare(ctx context.Context, kind clientKind) error {
	dir := s.clientDir(kind)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, name := range kind.files {
		text, err := clientFiles.ReadFile("clients/" + name)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), text, 0o644)
		}
		if err != nil {
			return err
		}
	}
	if len(kind.make) == 0 {
		return nil
	}
	if out, err := parts.Output(ctx, "sh", append([]string{"-c", `cd "$0" && exec "$@"`, dir}, kind.make...)...); err != nil {
		return fmt.Errorf("client %s: %w: %s", kind.name, err, out)
	}
	return nil
}

func (s *stack) clientDir(kind clientKind) string { return filepath.Join(s.dir, "client-"+kind.name) }

// command is the command line of a client. Profile is a folder that no other client has.
func (s *stack) command(kind clientKind, profile string) []string {
	dir, timeout := s.clientDir(kind), strconv.FormatInt(clientTimeout.Milliseconds(), 10)
	if kind.name == "chromium" {
		page := url.URL{Scheme: "file", Path: filepath.Join(dir, "page.html"), RawQuery: url.Values{"url": {s.url}, "timeout": {timeout}}.Encode()}
		return []string{
			"chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-extensions",
			"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
			"--disable-background-timer-throttling", "--disable-renderer-backgrounding", "--disable-backgrounding-occluded-windows",
			"--disable-web-security", // the page is of no site, and reads what another one says
			"--enable-logging=stderr", "--log-level=0",
			"--remote-debugging-port=0", // without this or a task it would end
			"--user-data-dir=" + profile, page.String(),
		}
	}
	var line []string
	for _, word := range kind.run {
		line = append(line, strings.NewReplacer("{dir}", dir, "{self}", s.self).Replace(word))
	}
	return append(append(line, s.url, timeout), kind.after...)
}

// startClient starts a client on a resolver, and returns once a region has answered it.
func (s *stack) startClient(ctx context.Context, kind clientKind, r *resolver) (*client, error) {
	name := kind.name + "@" + r.name
	profile := filepath.Join(s.dir, name)
	if err := os.MkdirAll(profile, 0o755); err != nil {
		return nil, err
	}
	c := &client{clientKind: kind, resolver: r.name, version: versionOf(ctx, kind.version), lines: tail{path: filepath.Join(s.dir, name+".log")}}
	const script = `mount --bind "$1" /etc/resolv.conf && mount --bind "$2" /etc/nsswitch.conf && shift 2 && exec "$@"`
	var err error
	c.Part, err = s.lab.StartProgram(ctx, parts.Program{
		Name: name, Path: "unshare", Dir: profile,
		Args: append([]string{"--mount", "sh", "-c", script, "sh", r.resolv, s.nsswitch}, s.command(kind, profile)...),
		Env:  []string{"XDG_RUNTIME_DIR=" + profile, "HOME=" + profile},
		Ready: func(context.Context) error {
			c.read(s)
			for _, o := range c.track.all() {
				if o.Region != "" {
					return nil
				}
			}
			return fmt.Errorf("no region has answered it")
		},
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// again starts the client anew: it knows no address then. It is not asked to end, which a browser takes its time for.
func (c *client) again(ctx context.Context) error {
	c.Kill()
	c.lines.more()
	c.track.forget()
	return c.Start(ctx)
}

// read takes over what the client has written since the last time.
func (c *client) read(s *stack) {
	for line := range strings.Lines(c.lines.more()) {
		if o, ok := parseLine(line, s.regionNamed); ok {
			c.track.add(o)
		}
	}
}

// parseLine reads a line of a client. The browser writes something around it, and others write of their own.
func parseLine(line string, pool func(region string) string) (observation, bool) {
	const mark = "@ "
	at := strings.Index(line, mark)
	if at > 0 {
		at = strings.Index(line, `"`+mark) + 1 // of the browser's console
		line, _, _ = strings.Cut(line, `", source: `)
	}
	if at < 0 || at > len(line) || !strings.HasPrefix(line[at:], mark) {
		return observation{}, false
	}
	fields := strings.SplitN(strings.TrimSpace(line[at+len(mark):]), " ", 4)
	if len(fields) < 3 {
		return observation{}, false
	}
	ended, err1 := strconv.ParseInt(fields[0], 10, 64)
	took, err2 := strconv.ParseInt(fields[1], 10, 64)
	status, err3 := strconv.Atoi(fields[2])
	if err1 != nil || err2 != nil || err3 != nil {
		return observation{}, false
	}
	body := ""
	if len(fields) == 4 {
		body = fields[3]
	}
	o := observation{At: time.UnixMilli(ended), Took: time.Duration(took) * time.Millisecond}
	switch {
	case status == 0:
		o.Err = body
	case status != http.StatusOK:
		o.Err = fmt.Sprintf("status %d", status)
	default:
		_, rest, _ := strings.Cut(body, `"region":"`)
		region, _, _ := strings.Cut(rest, `"`)
		if o.Region = pool(region); o.Region == "" {
			o.Err = "no region: " + body
		}
	}
	return o, true
}

// tail is a file that grows.
type tail struct {
	path string
	at   int64
	rest string // of a line that is not whole yet
}

// more is what has been written since the last time, whole lines only.
func (t *tail) more() string {
	file, err := os.Open(t.path)
	if err != nil {
		return ""
	}
	defer file.Close()
	text, err := io.ReadAll(io.NewSectionReader(file, t.at, 1<<40))
	if err != nil {
		return ""
	}
	t.at += int64(len(text))
	whole := t.rest + string(text)
	end := strings.LastIndexByte(whole, '\n') + 1
	t.rest = whole[end:]
	return whole[:end]
}

// clientCommand has this program be the client in Go.
const clientCommand = "client"

// runClient is the client in Go, with what net/http does by default.
func runClient(out io.Writer, to string, timeout time.Duration) {
	client := &http.Client{Timeout: timeout}
	for {
		began := time.Now()
		status, body := 0, ""
		if reply, err := client.Get(to); err != nil {
			body = err.Error()
		} else {
			text, err := io.ReadAll(io.LimitReader(reply.Body, 64<<10))
			_ = reply.Body.Close()
			if status, body = reply.StatusCode, string(text); err != nil {
				status, body = 0, err.Error()
			}
		}
		ended := time.Now()
		fmt.Fprintf(out, "@ %d %d %d %s\n", ended.UnixMilli(), ended.Sub(began).Milliseconds(), status, strings.Join(strings.Fields(body), " "))
		time.Sleep(clientEvery - ended.Sub(began))
	}
}
