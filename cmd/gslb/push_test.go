package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gslb/admin/api"
)

// push sends what it is told, with its token, and says until when that counts.
func TestPush(t *testing.T) {
	type sent struct {
		path, token string
		body        api.PushRequest
	}
	got := make(chan sent, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := sent{path: r.URL.EscapedPath(), token: r.Header.Get("Authorization")}
		if err := json.NewDecoder(r.Body).Decode(&s.body); err != nil || r.Method != http.MethodPost {
			t.Errorf("%s with %v", r.Method, err)
		}
		got <- s
		at := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(api.PushResult{Target: "job@nyc", At: at, Until: at.Add(time.Hour)})
	}))
	defer server.Close()
	token := filepath.Join(t.TempDir(), "job.token")
	must(t, os.WriteFile(token, []byte("gslb_a-token\n"), 0o600))
	for _, test := range []struct {
		args []string
		path string
		body api.PushRequest
		out  string
	}{
		{[]string{"job", "nyc"}, "job/nyc", api.PushRequest{}, "job@nyc passes; the next call must come within 1h0m0s\n"},
		{[]string{"job", "nyc", "--fail", "--reason", "no disk"}, "job/nyc", api.PushRequest{Status: "fail", Reason: "no disk"}, "job@nyc fails; the next call must come within 1h0m0s\n"},
		{[]string{"job", "a/b", "--load", "0.5"}, "job/a%2Fb", api.PushRequest{Load: 0.5}, "job@nyc passes; the next call must come within 1h0m0s\n"},
		{[]string{"job", "--load", "75%"}, "job", api.PushRequest{Load: "75%"}, "job@nyc passes; the next call must come within 1h0m0s\n"},
	} {
		var out bytes.Buffer
		cmd := newCommand()
		cmd.SetArgs(append([]string{"push", "--server", server.URL, "--token-file", token}, test.args...))
		cmd.SetOut(&out)
		cmd.SetErr(&out)
		if err := cmd.ExecuteContext(t.Context()); err != nil || out.String() != test.out {
			t.Errorf("%s: %v, and %q, want %q", strings.Join(test.args, " "), err, out.String(), test.out)
			continue
		}
		if s := <-got; s != (sent{"/api/v1/push/" + test.path, "Bearer gslb_a-token", test.body}) {
			t.Errorf("%s: sent %+v, want %s with %+v", strings.Join(test.args, " "), s, test.path, test.body)
		}
	}
}
