//go:build integration

package probing

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"text/template"

	"gslb/integration/parts"
)

// verdict is "pass" or "fail".
type verdict string

const (
	pass verdict = "pass"
	fail verdict = "fail"
)

// verdictOf makes a verdict.
func verdictOf(passes bool) verdict {
	if passes {
		return pass
	}
	return fail
}

// probeTimeout is what each of the three has for one probe.
const probeTimeout = "1s"

// curl asks one server as curl does. A server passes that answers 200 with a whole header
// and, where its body counts, has "OK" in it: what becomes of the rest does not matter, as
// it does not to a check.
func curl(ctx context.Context, at netip.AddrPort, body bool) (verdict, string) {
	cmd := exec.CommandContext(ctx, "curl", "--silent", "--show-error", "--http1.1", "--max-time", "1", "--output", "-", "--include",
		"--header", "Connection: close", "--write-out", `%{stderr}%{http_code}`, "http://"+at.String()+"/")
	var out, code bytes.Buffer
	cmd.Stdout, cmd.Stderr = &limitedBuffer{&out, 1 << 20}, &code
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return fail, err.Error()
	}
	header, content := finalHeader(out.Bytes())
	switch cmd.ProcessState.ExitCode() {
	case 0, 18, 23, 28, 56, 61: // whole, in part, not taken, not ended, reset, coded in another way
		header = header && strings.HasSuffix(code.String(), "200")
	default:
		header = false
	}
	return verdictOf(header && (!body || bytes.Contains(content, []byte("OK")))),
		fmt.Sprintf("exit status %d: %s", cmd.ProcessState.ExitCode(), strings.TrimSpace(code.String()))
}

// finalHeader looks for the end of the last header in what curl includes, and returns what
// comes after it.
func finalHeader(out []byte) (whole bool, content []byte) {
	_, out, _ = bytes.Cut(out[max(0, bytes.LastIndex(bytes.ToUpper(out), []byte("HTTP/"))):], []byte("\n"))
	for {
		line, rest, ended := bytes.Cut(out, []byte("\n"))
		switch {
		case !ended:
			return false, nil
		case len(bytes.TrimSpace(line)) == 0:
			return true, rest
		}
		out = rest
	}
}

// limitedBuffer refuses what is beyond its limit.
type limitedBuffer struct {
	*bytes.Buffer
	limit int
}

func (b *limitedBuffer) Write(p []byte) (int, error) {
	if b.Len()+len(p) > b.limit {
		return 0, errors.New("full")
	}
	return b.Buffer.Write(p)
}

// target is an odd server that runs.
type target struct {
	oddServer
	at netip.AddrPort
}

// ID names a target in the configurations.
func (t target) ID() string { return fmt.Sprintf("s%d", t.at.Port()) }

// Backend is HAProxy's backend that the target is checked in.
func (t target) Backend() string {
	if t.body {
		return "body"
	}
	return "status"
}

// Body says whether its body counts.
func (t target) Body() bool { return t.body }

// At is where it listens.
func (t target) At() string { return t.at.String() }

// haproxyConfig checks every target once a second, as options httpchk and http-check do.
var haproxyConfig = template.Must(template.New("haproxy.cfg").Parse(`
defaults
    mode http
    timeout connect 1s
    timeout client  5s
    timeout server  5s
    timeout check   {{.Timeout}}

frontend results
    bind {{.Listen}}
    stats enable
    stats uri /

backend status
    option httpchk
    http-check send meth GET uri / ver HTTP/1.1 hdr Host odd.example.com hdr Connection close
    http-check expect status 200
    default-server check inter 1100ms fall 1 rise 1
{{- range .Targets}}{{if eq .Backend "status"}}
    server {{.ID}} {{.At}}{{end}}{{end}}

backend body
    option httpchk
    http-check send meth GET uri / ver HTTP/1.1 hdr Host odd.example.com hdr Connection close
    http-check expect status 200
    http-check expect string OK
    default-server check inter 1100ms fall 1 rise 1
{{- range .Targets}}{{if eq .Backend "body"}}
    server {{.ID}} {{.At}}{{end}}{{end}}
`))

// haproxy returns what HAProxy's health checks make of the targets, by their IDs.
func haproxy(t *testing.T, ctx context.Context, lab *parts.Lab, targets []target) (map[string]verdict, map[string]string) {
	t.Helper()
	return runHAProxy(t, ctx, lab, haproxyConfig, map[string]any{"Timeout": probeTimeout, "Targets": targets}, len(targets))
}

// runHAProxy runs it with a configuration, and returns what its checks of so many servers
// say, by their names.
func runHAProxy(t *testing.T, ctx context.Context, lab *parts.Lab, config *template.Template, values map[string]any, count int) (map[string]verdict, map[string]string) {
	t.Helper()
	listen, err := lab.FreePort(netip.MustParseAddr("127.0.0.1"))
	must(t, err)
	values["Listen"] = listen
	file := render(t, "haproxy.cfg", config, values)
	verdicts, said := make(map[string]verdict), make(map[string]string)
	_, err = lab.StartProgram(ctx, parts.Program{
		Name: "haproxy", Path: "haproxy", Args: []string{"-db", "-f", file},
		Ready: func(ctx context.Context) error {
			_, page, err := parts.Get(ctx, "http://"+listen.String()+"/;csv")
			if err != nil {
				return err
			}
			clear(verdicts)
			return readResults(page, count, verdicts, said)
		},
	})
	must(t, err)
	return verdicts, said
}

// render writes a configuration file.
func render(t *testing.T, name string, config *template.Template, values any) string {
	t.Helper()
	var text bytes.Buffer
	must(t, config.Execute(&text, values))
	file := filepath.Join(t.TempDir(), name)
	must(t, os.WriteFile(file, text.Bytes(), 0o644))
	return file
}

// readResults reads HAProxy's table of results. It is an error that some check has not
// ended yet.
func readResults(page []byte, count int, verdicts map[string]verdict, said map[string]string) error {
	rows, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(page, []byte("# ")))).ReadAll()
	if err != nil {
		return err
	}
	column := make(map[string]int)
	for i, name := range rows[0] {
		column[name] = i
	}
	for _, row := range rows[1:] {
		name, result := row[column["svname"]], strings.TrimPrefix(row[column["check_status"]], "* ")
		switch {
		case name == "FRONTEND" || name == "BACKEND":
		case result == "" || result == "INI":
			return fmt.Errorf("%s has not been checked yet", name)
		default:
			verdicts[name] = verdictOf(strings.HasPrefix(result, "L7OK"))
			said[name] = result + " " + row[column["last_chk"]]
		}
	}
	if len(verdicts) != count {
		return fmt.Errorf("%d of %d are in the table", len(verdicts), count)
	}
	return nil
}
