package parts

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// GSLB is the server under test.
type GSLB struct {
	*Part
	Listen netip.AddrPort
	Admin  netip.AddrPort
}

// GSLBConfig says how to run the server. Listen and Admin repeat what the configuration
// says, since this package reads none.
type GSLBConfig struct {
	Name   string // of the part
	Binary string // path; empty: bin/gslb in the checkout
	Zones  string // path of zones.toml
	Dir    string // working directory; empty: the lab's folder
	Listen netip.AddrPort
	Admin  netip.AddrPort
	Env    []string // see [Credentials]
	Args   []string // besides those for serve and for JSON logs

	// Replaced says that other processes will take the place of the one that is started: upgrades.
	Replaced bool
}

// StartGSLB starts the server and returns once it is ready: /readyz says so.
func (l *Lab) StartGSLB(ctx context.Context, config GSLBConfig) (*GSLB, error) {
	if config.Binary == "" {
		root, err := Root()
		if err != nil {
			return nil, err
		}
		config.Binary = filepath.Join(root, "bin", "gslb")
	}
	g := &GSLB{Listen: config.Listen, Admin: config.Admin}
	var err error
	p := program{
		name: config.Name,
		path: config.Binary,
		args: append([]string{"serve", "--log-format=json", config.Zones}, config.Args...),
		dir:  config.Dir,
		env:  config.Env,
		ready: func(ctx context.Context) error {
			return getsStatus(ctx, g.URL("/readyz"), http.StatusOK)
		},
	}
	if config.Replaced {
		p = p.replaced()
	}
	g.Part, err = l.start(ctx, p)
	return g, err
}

// URL is the admin server's, for a path that begins with a slash.
func (g *GSLB) URL(path string) string { return "http://" + g.Admin.String() + path }

// Status decodes the reply of /api/status into value.
func (g *GSLB) Status(ctx context.Context, value any) error { return g.JSON(ctx, "/api/status", value) }

// JSON decodes the reply of a path into value.
func (g *GSLB) JSON(ctx context.Context, path string, value any) error {
	status, body, err := Get(ctx, g.URL(path))
	switch {
	case err != nil:
		return err
	case status != http.StatusOK:
		return fmt.Errorf("%s: %s: status %d: %.200s", g.Name(), path, status, body)
	}
	if err := json.Unmarshal(body, value); err != nil {
		return fmt.Errorf("%s: %s: %w", g.Name(), path, err)
	}
	return nil
}

// metricsWait is how long a scrape may take, of very many targets on a busy machine.
const metricsWait = 10 * time.Second

// Metrics returns the present value of every series of /metrics, by its text there:
// `gslb_dns_requests_total{proto="udp"}`.
func (g *GSLB) Metrics(ctx context.Context) (map[string]float64, error) {
	_, body, err := getWithin(ctx, metricsWait, g.URL("/metrics"))
	if err != nil {
		return nil, err
	}
	series := make(map[string]float64)
	for line := range strings.Lines(string(body)) {
		line = strings.TrimSpace(line)
		space := strings.LastIndexByte(line, ' ')
		if strings.HasPrefix(line, "#") || space < 0 {
			continue
		}
		value, err := strconv.ParseFloat(line[space+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("%s: /metrics: %q: %w", g.Name(), line, err)
		}
		series[line[:space]] = value
	}
	return series, nil
}

// LogLine is one structured line of the log: "msg", "level", "time" and the attributes.
type LogLine map[string]any

// Text returns an attribute's value as text, empty where the line has none.
func (l LogLine) Text(key string) string {
	if value, ok := l[key]; ok {
		return fmt.Sprint(value)
	}
	return ""
}

// LogLines returns the structured lines that the server has logged, over all its starts.
func (g *GSLB) LogLines() ([]LogLine, error) {
	log, err := g.Log()
	if err != nil {
		return nil, err
	}
	var lines []LogLine
	for text := range strings.Lines(log) {
		var line LogLine
		// A message of a crash is not JSON, and a line may be half written.
		if json.Unmarshal([]byte(text), &line) == nil {
			lines = append(lines, line)
		}
	}
	return lines, nil
}

// AwaitLog waits for a structured line that matches and returns the first such.
func (g *GSLB) AwaitLog(ctx context.Context, what string, matches func(LogLine) bool) (LogLine, error) {
	var found LogLine
	err := Until(ctx, g.Name()+" logs "+what, func(context.Context) error {
		lines, err := g.LogLines()
		if err != nil {
			return err
		}
		for _, line := range lines {
			if matches(line) {
				found = line
				return nil
			}
		}
		return fmt.Errorf("none of %d lines matches", len(lines))
	})
	return found, err
}
