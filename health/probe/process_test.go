package probe

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"gslb/health"
	"gslb/internal/command"
)

// TestCredentialProcess has a profile's program write credentials, or fail at it. What it says reaches whoever reads
// the result.
func TestCredentialProcess(t *testing.T) {
	const written = `'{"Version": 1, "AccessKeyId": "AKIDPROCESS", "SecretAccessKey": "s", "SessionToken": "`
	server := newStandIn(t, replying(200, `{}`))
	for name, test := range map[string]struct {
		line string
		want want
	}{
		"credentials":    {"echo " + written + `t"}'`, want{health.Pass, "ok", ""}},
		"a long token":   {"printf '%s' " + written + strings.Repeat("t", 8000) + `"}'`, want{health.Pass, "ok", ""}},
		"fails":          {`sh -c 'echo log in first >&2; exit 3'`, want{health.Indeterminate, "credentials", "credentials: credential_process ended with status 3: log in first; set"}},
		"is not there":   {"/nowhere/helper", want{health.Indeterminate, "credentials", "/nowhere/helper"}},
		"no JSON":        {"echo hunter2", want{health.Indeterminate, "credentials", "it wrote 8 bytes"}},
		"no credentials": {`echo '{"Version": 2}'`, want{health.Indeterminate, "credentials", "want Version 1"}},
		"floods":         {"yes", want{health.Indeterminate, "credentials", "bytes, and was killed"}},
	} {
		t.Run(name, func(t *testing.T) {
			isolate(t)
			t.Setenv("AWS_CONFIG_FILE", write(t, "config", "[default]\ncredential_process = "+test.line+"\n"))
			test.want.check(t, runPromptly(t, mustMake(t, Options{}, specItem(server.URL))))
			if authorization := server.last.Load(); test.want.verdict == health.Pass && !strings.Contains(authorization.Header.Get("Authorization"), "AKIDPROCESS") {
				t.Errorf("signed with %q", authorization.Header.Get("Authorization"))
			}
		})
	}
}

// A program that hangs leaves nothing behind: neither itself nor what it has started.
func TestCredentialProcessThatHangs(t *testing.T) {
	isolate(t)
	file := filepath.Join(t.TempDir(), "id")
	t.Setenv("AWS_CONFIG_FILE", write(t, "config", "[default]\ncredential_process = sleep 1000 & echo $! > "+file+"; wait\n"))
	config, err := defaultChain(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if cache := config.Credentials.(explained).CredentialsProvider; !aws.IsCredentialsProvider(cache, new(process)) {
		t.Fatal("the program is run by the SDK, which waits for all that it starts")
	}
	program := &process{sharedOf(config).CredentialProcess, new(command.Runner)}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := program.Retrieve(ctx)
		ended <- err
	}()
	var pid int
	for deadline := time.Now().Add(patience); pid == 0; time.Sleep(time.Millisecond) {
		text, _ := os.ReadFile(file)
		pid, _ = strconv.Atoi(strings.TrimSpace(string(text)))
		if time.Now().After(deadline) {
			t.Fatal("the program was not run")
		}
	}
	cancel()
	if err := <-ended; err == nil {
		t.Error("it gave credentials")
	}
	for deadline := time.Now().Add(patience); isRunning(pid); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("process %d still runs", pid)
		}
	}
}

// isRunning says whether there is a process, other than a zombie.
func isRunning(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(stat), ") ")
	return err == nil && !strings.HasPrefix(rest, "Z")
}

// TestRoleByCredentialProcess has a role assumed with what a program wrote.
func TestRoleByCredentialProcess(t *testing.T) {
	for by, keys := range map[string]string{
		"AKIDPROCESS": "",
		"AKIDKEYS":    "aws_access_key_id = AKIDKEYS\naws_secret_access_key = s\n", // which come first
	} {
		t.Run(by, func(t *testing.T) { testRole(t, by, keys) })
	}
}

// testRole has a role assumed with the credentials of another profile, which has these lines and a program.
func testRole(t *testing.T, by, keys string) {
	isolate(t)
	var asked *http.Request
	sts := newStandIn(t, func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		asked = r
		w.Header().Set("Content-Type", "text/xml")
		_, _ = w.Write([]byte(`<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>` +
			`<AccessKeyId>AKIDROLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>` +
			`</Credentials></AssumeRoleResult></AssumeRoleResponse>`))
	})
	t.Setenv("AWS_ENDPOINT_URL_STS", sts.URL)
	t.Setenv("AWS_CONFIG_FILE", write(t, "config", `
[default]
region = eu-west-1
role_arn = arn:aws:iam::123456789012:role/probes
role_session_name = gslb
external_id = ours
source_profile = base
[profile base]
credential_process = echo '{"Version": 1, "AccessKeyId": "AKIDPROCESS", "SecretAccessKey": "s"}'
`+keys))
	server := newStandIn(t, replying(200, `{}`))
	want{health.Pass, "ok", ""}.check(t, runPromptly(t, mustMake(t, Options{}, specItem(server.URL))))
	if by := server.last.Load().Header.Get("Authorization"); !strings.Contains(by, "AKIDROLE") {
		t.Errorf("signed with %q", by)
	}
	if asked == nil || !strings.Contains(asked.Header.Get("Authorization"), by) || asked.Form.Get("ExternalId") != "ours" ||
		asked.Form.Get("RoleSessionName") != "gslb" || asked.Form.Get("RoleArn") != "arn:aws:iam::123456789012:role/probes" {
		t.Errorf("the role was asked for by %v", asked)
	}
}

// Files that are there, but can't be read, are named where credentials are missing. Credentials that no request can
// carry are not sent.
func TestCredentialsThatCannotBeUsed(t *testing.T) {
	server := newStandIn(t, replying(200, `{}`))
	isolate(t)
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/nowhere/credentials", "/dev/zero", pipe, t.TempDir()} {
		t.Setenv("AWS_SHARED_CREDENTIALS_FILE", path)
		got := runPromptly(t, mustMake(t, Options{}, specItem(server.URL)))
		want{health.Indeterminate, "credentials", path}.check(t, got)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret\n")
	got := runPromptly(t, mustMake(t, Options{}, specItem(server.URL)))
	want{health.Indeterminate, "credentials", `the secret access key has "\n" at byte 7 of 7`}.check(t, got)
	if strings.Contains(got.Detail, "secret\n") || server.requests.Load() > 0 {
		t.Errorf("%d requests, and %s", server.requests.Load(), got.Detail)
	}
}
