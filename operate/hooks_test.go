package operate

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gslb/replication"
)

var oneCall = HookCall{
	Hook: stopWrites, Name: "app.gslb.example.com.", From: "nyc", To: "ams", FromRegions: []string{"us", "ca"}, ToRegion: "eu",
	Replication: "orders", Table: "Orders", By: "ana (token)", Reason: "new hardware",
}

// program is a shell script, as a program.
func program(t *testing.T, script string) *replication.Hook {
	path := filepath.Join(t.TempDir(), "hook")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	return &replication.Hook{Command: []string{path, "one; two"}, Timeout: time.Minute}
}

func TestHookProgram(t *testing.T) {
	t.Setenv("GSLB_SECRET_OF_THE_SERVER", "x")
	out := filepath.Join(t.TempDir(), "out")
	hook := program(t, `echo "$1" > `+out+`; env | grep -v '^PWD\|^_\|^SHLVL\|^OLDPWD' | sort >> `+out)
	if err := NewHookRunner().Run(t.Context(), hook, oneCall); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	want := `one; two
GSLB_BY=ana (token)
GSLB_FROM=nyc
GSLB_FROM_REGIONS=us ca
GSLB_HOOK=stop_writes
GSLB_NAME=app.gslb.example.com.
GSLB_REASON=new hardware
GSLB_REPLICATION=orders
GSLB_TABLE=Orders
GSLB_TIMEOUT=60
GSLB_TO=ams
GSLB_TO_REGION=eu
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
`
	if diff := cmp.Diff(want, string(data)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestHookProgramFails(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]string{
		"echo no >&2; echo more; exit 3": "exit status 3: no",
		"exit 1":                         "exit status 1",
		"kill -9 $$":                     "it was ended by a signal: killed",
		"sleep 60":                       "it did not end within 200ms",
	} {
		hook := program(t, script)
		if strings.HasPrefix(script, "sleep") {
			hook.Timeout = 200 * time.Millisecond
		}
		if err := NewHookRunner().Run(t.Context(), hook, oneCall); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", script, err, want)
		}
	}
	runs := program(t, "exit 0")
	if err := NewHookRunner().Check(runs); err != nil {
		t.Error(err)
	}
	if err := os.Chmod(runs.Command[0], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := NewHookRunner().Check(runs); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("got %v", err)
	}
	hook := &replication.Hook{Command: []string{"/nonexistent"}, Timeout: time.Second}
	if err := NewHookRunner().Run(t.Context(), hook, oneCall); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("got %v", err)
	}
}

func TestWebhook(t *testing.T) {
	t.Parallel()
	var got HookCall
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ok":
			if err := json.NewDecoder(r.Body).Decode(&got); err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%s %v: %v", r.Method, r.Header, err)
			}
			w.WriteHeader(http.StatusAccepted)
		case "/moved":
			http.Redirect(w, r, "/ok", http.StatusTemporaryRedirect)
		case "/hangs":
			<-hang
		default:
			http.Error(w, "the app is\nnot there", http.StatusBadGateway)
		}
	}))
	defer server.Close()
	defer close(hang)
	run := func(url string, timeout time.Duration) string {
		if err := NewHookRunner().Run(t.Context(), &replication.Hook{URL: url, Timeout: timeout}, oneCall); err != nil {
			return err.Error()
		}
		return ""
	}
	if err := run(server.URL+"/ok", time.Minute); err != "" || !cmp.Equal(got, oneCall) {
		t.Errorf("it was told %+v: %s", got, err)
	}
	for path, want := range map[string]string{
		"/fails": "it answered with status 502: the app is",
		"/moved": "it answered with status 307",
	} {
		if err := run(server.URL+path, time.Minute); err != want {
			t.Errorf("%s: got %q, want %q", path, err, want)
		}
	}
	if err := run(server.URL+"/hangs", 100*time.Millisecond); err != "it did not end within 100ms" {
		t.Errorf("got %q", err)
	}
	if err := run("http://127.0.0.1:1/secret", time.Second); err == "" || strings.Contains(err, "secret") {
		t.Errorf("got %q", err)
	}
}
