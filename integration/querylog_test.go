//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"gslb/integration/parts"
)

// TestQueryLog has a real collector, fstrm_capture, take the query log of a server under load. It is not
// there at the start, and hangs in between: every query is answered all the while, and each message is in
// the collector's file or counted as dropped. Reloads turn the log to a file of the server's own, and
// off. BIND's dnstap-read reads both files.
func TestQueryLog(t *testing.T) {
	ctx := beside(t)
	dir := t.TempDir()
	socket, captured, own := filepath.Join(dir, "tap.sock"), filepath.Join(dir, "captured"), filepath.Join(dir, "own")
	config := setup{Zone: editions()[0].zone(), Server: fmt.Sprintf("id = \"ns1.test\"\ndnstap = { socket = %q }", socket)}
	s := config.serve(t, ctx)
	s.awaitLines(t, ctx, 0, line{"the query log can't be written and is tried again; answers are not affected, and messages that find no room are dropped",
		map[string]string{"level": "WARN", "to": socket, "error": "no such file"}})
	collector, err := parts.ForTest(t).StartProgram(ctx, parts.Program{
		Name: "collector", Path: "fstrm_capture",
		Args: []string{"-t", "protobuf:dnstap.Dnstap", "-u", socket, "-w", captured},
		Ready: func(context.Context) error {
			_, err := os.Stat(socket)
			return err
		},
	})
	must(t, err)
	s.awaitMetric(t, ctx, "gslb_dnstap_connected", 1)

	load := startLoad(t, s)
	s.awaitMetric(t, ctx, "gslb_dnstap_messages_total", 2000)
	must(t, collector.Hang(ctx))
	s.awaitMetric(t, ctx, full, 1000)
	collector.Resume()
	at := s.metric(t, ctx, "gslb_dnstap_messages_total")
	s.awaitMetric(t, ctx, "gslb_dnstap_messages_total", at+2000)
	load.end(t)
	must(t, parts.Until(ctx, "every message is written, or counted as dropped", func(ctx context.Context) error {
		series, err := s.Metrics(ctx)
		if err != nil {
			return err
		}
		queries := 0.0
		for name, value := range series {
			if strings.HasPrefix(name, "gslb_dns_requests_total{") {
				queries += value
			}
		}
		if known := series["gslb_dnstap_messages_total"] + series[full] + series[lost]; known != 2*queries {
			return fmt.Errorf("%v messages of %v queries", known, queries)
		}
		return nil
	}))
	written := s.metric(t, ctx, "gslb_dnstap_messages_total")

	next := s.setup
	next.Server = fmt.Sprintf("dnstap = { file = %q, messages = [\"responses\"], identity = \"ns1.file\" }", own)
	parts.Replace(t, s.path, next.text(t))
	must(t, parts.Until(ctx, "the server writes to a file", func(context.Context) error {
		_, err := os.Stat(own)
		return err
	}))
	must(t, collector.Stop(ctx))
	lines := readTap(t, ctx, captured)
	if len(lines) != int(written) {
		t.Errorf("the collector has %d messages, and %v were written", len(lines), written)
	}
	for _, want := range []string{"AQ 127.0.0.1:", "AR 127.0.0.1:", " UDP ", " TCP ", "app.gslb.example.com/IN/A", "none.gslb.example.com/IN/A"} {
		if !strings.Contains(strings.Join(lines, "\n"), want) {
			t.Errorf("the collector has nothing with %q; the last line is %s", want, lines[len(lines)-1])
		}
	}

	_, err = parts.Ask(ctx, s.Listen, app, dns.TypeAAAA)
	must(t, err)
	s.awaitMetric(t, ctx, "gslb_dnstap_messages_total", written+1)
	next.Server = ""
	parts.Replace(t, s.path, next.text(t))
	must(t, parts.Until(ctx, "there is no query log any more", func(ctx context.Context) error {
		if s.metric(t, ctx, "gslb_dnstap_connected") != 0 {
			return errors.New("it is still written")
		}
		return nil
	}))
	lines = readTap(t, ctx, own)
	if len(lines) != 1 || !strings.Contains(lines[0], "AR 127.0.0.1") || !strings.Contains(lines[0], "app.gslb.example.com/IN/AAAA") {
		t.Errorf("the file has %q, want the one reply", lines)
	}
}

// The counters of messages that were dropped.
const (
	full = `gslb_dnstap_dropped_total{reason="full"}`
	lost = `gslb_dnstap_dropped_total{reason="collector"}`
)

// readTap is a file of dnstap as BIND's tool has it, a line each message.
func readTap(t *testing.T, ctx context.Context, path string) []string {
	t.Helper()
	out, err := parts.Output(ctx, "dnstap-read", path)
	must(t, err)
	return strings.Split(strings.TrimSpace(out), "\n")
}
