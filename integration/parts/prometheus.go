package parts

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
)

// Prometheus scrapes one server and answers queries about it.
type Prometheus struct {
	*Part
	Listen netip.AddrPort
}

// PrometheusConfig says how to run a Prometheus.
type PrometheusConfig struct {
	Name   string // of the part
	Listen netip.AddrPort
	Target netip.AddrPort // whose /metrics is scraped
	Rules  []string       // paths of files with alerts
	Alerts netip.AddrPort // the Alertmanager that is told; the zero value: none is
}

// StartPrometheus starts a Prometheus and returns once it answers queries, which is before
// its first scrape.
func (l *Lab) StartPrometheus(ctx context.Context, config PrometheusConfig) (*Prometheus, error) {
	prometheus, err := find("prometheus")
	if err != nil {
		return nil, err
	}
	dir, err := l.folder(config.Name)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "prometheus.yml")
	if err := render(file, "prometheus.yml", config); err != nil {
		return nil, err
	}
	p := &Prometheus{Listen: config.Listen}
	p.Part, err = l.start(ctx, program{
		name: config.Name,
		path: prometheus,
		args: []string{
			"--config.file=" + file,
			"--storage.tsdb.path=" + filepath.Join(dir, "data"),
			"--web.listen-address=" + config.Listen.String(),
		},
		ready: func(ctx context.Context) error {
			return getsStatus(ctx, "http://"+config.Listen.String()+"/-/ready", http.StatusOK)
		},
	})
	return p, err
}

// Query returns the labels of every series that an instant query finds.
func (p *Prometheus) Query(ctx context.Context, query string) ([]map[string]string, error) {
	at := "http://" + p.Listen.String() + "/api/v1/query?query=" + url.QueryEscape(query)
	status, body, err := Get(ctx, at)
	if err != nil {
		return nil, err
	}
	var reply struct {
		Data struct {
			Result []struct{ Metric map[string]string }
		}
	}
	if err := json.Unmarshal(body, &reply); err != nil || status != http.StatusOK {
		return nil, fmt.Errorf("%s: query %s: status %d: %.200s", p.Name(), query, status, body)
	}
	series := make([]map[string]string, len(reply.Data.Result))
	for i, result := range reply.Data.Result {
		series[i] = result.Metric
	}
	return series, nil
}

// CheckMetrics has promtool look over a text of /metrics. The error is its complaint.
func CheckMetrics(ctx context.Context, text string) error {
	promtool, err := find("promtool")
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, promtool, "check", "metrics")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("promtool check metrics: %w: %s", err, out)
	}
	return nil
}
