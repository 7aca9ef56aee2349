package probe

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"gslb/health"
	"gslb/internal/command"
)

// shell is a check by a program of the shell.
func shell(text string) *health.Exec {
	return &health.Exec{Command: []string{"/bin/sh", "-c", text}}
}

// commands is options with so many commands at once.
func commands(n int) Options { return Options{Commands: func() int { return n }} }

func TestExec(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]want{
		"exit 0":                          {health.Pass, "ok", "exit status 0"},
		"echo; echo ' all well '; echo x": {health.Pass, "ok", "exit status 0: all well"},
		"echo lag 40 s; exit 1":           {health.Fail, "exit", "exit status 1: lag 40 s"},
		"echo no route >&2; exit 1":       {health.Fail, "exit", "exit status 1: no route"},
		"echo no password; exit 2":        {health.Indeterminate, "exit", "exit status 2: no password"},
		"exit 3":                          {health.Indeterminate, "exit", "exit status 3"},
		"/nowhere/program":                {health.Indeterminate, "exit", "exit status 127"},
		"kill -KILL $$":                   {health.Indeterminate, "exit", "it was ended by a signal: killed"},
		"yes lots":                        {health.Indeterminate, "output", "wrote more than 1048576 bytes, and was killed: lots"},
		`printf '\033[31mred\000'`:        {health.Pass, "ok", `exit status 0: \x1b[31mred\x00`},
	} {
		got := runPromptly(t, mustMake(t, commands(1), shell(text)))
		want.check(t, got)
		if got.Blank != (got.Verdict == health.Fail) {
			t.Errorf("%s: blank is %t", text, got.Blank)
		}
	}
}

// What the program says may be shown anywhere, and so holds no secret that it was told.
func TestExecHidesSecrets(t *testing.T) {
	t.Parallel()
	spec := shell(`echo "login: $DB_PASSWORD of $DB_USER"; exit 1`)
	spec.Env = map[string]string{"DB_PASSWORD": "correct-horse", "DB_USER": "battery"}
	want{health.Fail, "exit", "exit status 1: login: [hidden] of battery"}.check(t, runPromptly(t, mustMake(t, commands(1), spec)))
}

// The program has its whole time from its start, and is killed then.
func TestExecTimeout(t *testing.T) {
	t.Parallel()
	runner := &command.Runner{}
	run := func(ctx context.Context) health.Result {
		// Without the meter, which would excuse a busy host.
		probe, err := newExec(runner, &health.Target{}, shell("echo begun; exec sleep 1000"))
		if err != nil {
			t.Fatal(err)
		}
		return probe(ctx)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	want{health.Fail, "timeout", "timeout: it was killed"}.check(t, run(ctx))

	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	want{health.Indeterminate, "canceled", ""}.check(t, run(ctx))
}

// Waiting for other commands is not held against the target.
func TestExecWaits(t *testing.T) {
	t.Parallel()
	maker := New(commands(1))
	began := filepath.Join(t.TempDir(), "began")
	first, err := maker(health.Target{ID: "first", Spec: shell("echo >" + began + "; sleep 1000")})
	if err != nil {
		t.Fatal(err)
	}
	second, err := maker(health.Target{ID: "second", Spec: shell("sleep 1.3; exit 1")})
	if err != nil {
		t.Fatal(err)
	}
	holding, release := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		first(holding)
	}()
	for _, err := os.Stat(began); err != nil; _, err = os.Stat(began) {
		time.Sleep(time.Millisecond)
	}
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	want{health.Indeterminate, "busy", "exec_parallel"}.check(t, second(short))

	// It gets its turn after half of the time, and needs more than what is left.
	half, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	time.AfterFunc(time.Second, release)
	want{health.Fail, "exit", "exit status 1"}.check(t, second(half))
	<-ended
}

// The environment is what is documented and nothing else, least of all this process's own.
func TestExecEnvironment(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "mine")
	probe, err := New(commands(1))(health.Target{ID: "lag@192.0.2.1", Check: "lag", Spec: &health.Exec{
		Command: []string{"/bin/sh", "-c", "env | sort | tr '\\n' ' '"}, Address: "192.0.2.1", Pool: "nyc", Region: "us-east-1",
		Env: map[string]string{"PGUSER": "probe"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	got := probe(ctx)
	// Some of it may be over already.
	if timeout := regexp.MustCompile(`GSLB_TIMEOUT=(\S+)`).FindStringSubmatch(got.Detail); timeout != nil {
		if seconds, err := strconv.ParseFloat(timeout[1], 64); err == nil && seconds > 20 && seconds <= 30 {
			got.Detail = strings.Replace(got.Detail, timeout[1]+" ", "30 ", 1)
		}
	}
	want := "exit status 0: GSLB_ADDRESS=192.0.2.1 GSLB_CHECK=lag GSLB_POOL=nyc GSLB_REGION=us-east-1 GSLB_TARGET=lag@192.0.2.1 GSLB_TIMEOUT=30 " +
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin PGUSER=probe PWD=/"
	if got.Detail != want {
		t.Errorf("got  %s\nwant %s", got.Detail, want)
	}

	own := shell("echo $PATH")
	own.Env = map[string]string{"PATH": "/opt"}
	if got := runPromptly(t, mustMake(t, commands(1), own)); got.Detail != "exit status 0: /opt" {
		t.Error(got.Detail)
	}
}

// What is no program is found at once, unless nothing may run.
func TestExecRefuses(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/nowhere/check": "command: stat /nowhere/check: no such file",
		plain:            "is not a file that can be executed",
		"/usr":           "is not a file that can be executed",
		"check.sh":       `"check.sh" is not an absolute path`,
	} {
		spec := &health.Exec{Command: []string{path}}
		if _, err := New(commands(1))(health.Target{ID: "job@nyc", Spec: spec}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want …%s…", err, want)
		}
		result := runPromptly(t, mustMake(t, Options{}, spec))
		if result.Verdict != health.Indeterminate || result.Reason != "off" {
			t.Errorf("%s: %+v", path, result)
		}
	}
	if _, err := New(commands(1))(health.Target{ID: "job@nyc", Spec: &health.Exec{}}); err == nil {
		t.Error("no command was accepted")
	}

	// It was there at first.
	gone := filepath.Join(t.TempDir(), "gone")
	if err := os.WriteFile(gone, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	probe := mustMake(t, commands(1), &health.Exec{Command: []string{gone}})
	if err := os.Remove(gone); err != nil {
		t.Fatal(err)
	}
	want{health.Indeterminate, "local", "no such file or directory"}.check(t, runPromptly(t, probe))
}

func TestExecTrace(t *testing.T) {
	var steps []Step
	spec := shell("echo token $API_TOKEN; echo oops >&2; exit 1")
	spec.Env = map[string]string{"API_TOKEN": "hush-hush"}
	probe := mustMake(t, commands(1), spec)
	result := probe(WithTrace(t.Context(), func(s Step) { steps = append(steps, s) }))
	want{health.Fail, "exit", "exit status 1: token " + placeholder}.check(t, result)
	if len(steps) != 3 || steps[0].Phase != Run || !strings.HasPrefix(steps[0].Text, `"/bin/sh" "-c" `) ||
		!strings.Contains(string(steps[1].Data), "token "+placeholder) || string(steps[2].Data) != "oops\n" {
		t.Errorf("%+v", steps)
	}
	for _, step := range steps {
		if all := step.Text + strings.Join(step.Facts, " ") + string(step.Data); strings.Contains(all, "hush-hush") {
			t.Errorf("a secret is shown: %s", all)
		}
	}
}
