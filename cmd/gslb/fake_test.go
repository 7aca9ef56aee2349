package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/testscript"
)

// fake starts a server that stands in for a gslb, until the end of the script:
//
//	fake SOCKET DIR     answers GET /api/v1/a/b with the file DIR/GET-a_b.json, with the status in it if it
//	                    is a problem, and writes down the requests in DIR/requests
//	fake SOCKET MODE    hang: never answers; page: answers with a page of HTML; noise: does not speak HTTP;
//	                    close: hangs up; half: sends half of a reply; old: has no API; huge: answers without end
func fake(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: fake socket dir|mode")
	}
	listener, err := net.Listen("unix", ts.MkAbs(args[0]))
	ts.Check(err)
	ended := make(chan struct{})
	ts.Defer(func() { listener.Close(); <-ended })
	if handler := fakeHandler(ts, args[1]); handler != nil {
		server := &http.Server{Handler: handler}
		ts.Defer(func() { server.Close() })
		go func() { defer close(ended); server.Serve(listener) }()
		return
	}
	go func() { defer close(ended); fakeRaw(listener, args[1]) }()
}

// fakeHandler is what speaks HTTP; nil: the mode does not.
func fakeHandler(ts *testscript.TestScript, mode string) http.Handler {
	switch mode {
	case "hang", "noise", "close", "half":
		return nil
	case "page":
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>welcome") })
	case "old":
		return http.NotFoundHandler()
	case "huge":
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			for line := []byte(strings.Repeat(" ", 1<<20)); ; {
				if _, err := w.Write(line); err != nil {
					return
				}
			}
		})
	}
	dir := ts.MkAbs(mode)
	var mu sync.Mutex
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		body, _ := io.ReadAll(r.Body)
		if f, err := os.OpenFile(filepath.Join(dir, "requests"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644); err == nil {
			fmt.Fprintln(f, strings.TrimSpace(fmt.Sprintf("%s %s %s", r.Method, r.RequestURI, body)))
			f.Close()
		}
		name := r.Method + "-" + strings.ReplaceAll(strings.TrimPrefix(r.URL.Path, "/api/v1/"), "/", "_")
		if stream, err := os.ReadFile(filepath.Join(dir, name+".stream")); err == nil {
			w.Header().Set("Content-Type", "text/event-stream")
			w.Write(stream)
			return
		}
		document, err := os.ReadFile(filepath.Join(dir, name+".json"))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		var p struct {
			Type   string
			Status int
		}
		kind, status := "application/json", http.StatusOK
		if json.Unmarshal(document, &p) == nil && strings.HasPrefix(p.Type, "urn:gslb:problem:") {
			kind, status = "application/problem+json", p.Status
		}
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		w.Write(document)
	})
}

func fakeRaw(listener net.Listener, mode string) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			request := make([]byte, 64<<10)
			conn.SetDeadline(time.Now().Add(time.Minute))
			conn.Read(request)
			switch mode {
			case "hang":
				io.Copy(io.Discard, conn)
			case "noise":
				io.WriteString(conn, "220 mail.example.com ESMTP\r\n")
			case "half":
				io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n{\"version\":")
			}
		}()
	}
}

// forEachCommand runs every command that speaks to a server. Each must exit with a status, say something that
// matches on standard error, and nothing on standard output: for-each-command STATUS SOCKET PATTERN. They run in
// this process, since each process of its own would take as long as all of them do.
func forEachCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: for-each-command status socket pattern")
	}
	want, socket, said := args[0], ts.MkAbs(args[1]), regexp.MustCompile("(?m)"+args[2])
	empty := ts.MkAbs("any.toml")
	ts.Check(os.WriteFile(empty, nil, 0o644))
	for _, line := range []string{
		"status", "incidents", "events", "history", "history nyc", "overrides", "notify list", "notify test", "healthcheck", "explain app", "plan " + empty, "apply", "failback app", "switch app", "switch app --abort", "clear --all",
		"drain nyc --reason x", "undrain nyc", "force up nyc --reason x", "unforce nyc/192.0.2.1", "pin app nyc --reason x", "unpin app",
	} {
		var stdout, stderr bytes.Buffer
		cmd := newCommand()
		cmd.SetArgs(append(strings.Fields(line), "--socket", socket))
		cmd.SetIn(strings.NewReader(""))
		cmd.SetOut(&stdout)
		cmd.SetErr(&stderr)
		err := cmd.Execute()
		if err == nil {
			ts.Fatalf("gslb %s: exit status 0, want %s", line, want)
		}
		fmt.Fprintln(&stderr, err)
		if status := fmt.Sprint(exitStatus(true, err)); status != want || !said.Match(stderr.Bytes()) || stdout.Len() > 0 {
			ts.Fatalf("gslb %s: exit status %s, want %s and %q on standard error, which has\n%s\nand nothing on standard output, which has\n%s", line, status, want, args[2], &stderr, &stdout)
		}
	}
}

// narrow verifies that no line is wider than a terminal of 80 columns: narrow stdout.
func narrow(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: narrow file")
	}
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		line = strings.TrimRight(line, "\n")
		if n := utf8.RuneCountInString(line); n > plainWidth {
			ts.Fatalf("a line has %d columns: %s", n, line)
		}
		if strings.HasSuffix(line, " ") {
			ts.Fatalf("a line ends in spaces: %q", line)
		}
	}
}

// eventually runs a command until it succeeds: eventually COMMAND….
func eventually(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: eventually command…")
	}
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if err = ts.Exec(args[0], args[1:]...); err == nil {
			return
		}
	}
	ts.Fatalf("%v: %v", args, err)
}

// stale leaves a socket behind that nobody listens on, as a program that is killed does: stale SOCKET.
func stale(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: stale socket")
	}
	listener, err := net.Listen("unix", ts.MkAbs(args[0]))
	ts.Check(err)
	listener.(*net.UnixListener).SetUnlinkOnClose(false)
	ts.Check(listener.Close())
}
