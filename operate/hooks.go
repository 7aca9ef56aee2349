package operate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"strconv"
	"strings"

	"gslb/internal/command"
	"gslb/replication"
)

// Hooks runs what a configuration has run around a fenced move.
type Hooks interface {
	// Run ends within the time of the hook. Its error says in one line what failed.
	Run(ctx context.Context, hook *replication.Hook, call HookCall) error
	// Check says why a hook cannot be run; nil: it can be tried.
	Check(hook *replication.Hook) error
}

// HookCall is what a hook is told.
type HookCall struct {
	Hook        string   `json:"hook"` // stop_writes, accept_writes or resume_writes
	Name        string   `json:"name"` // that is moved
	From        string   `json:"from"` // what was answered before
	To          string   `json:"to"`   // the pool that is moved to
	FromRegions []string `json:"from_regions"`
	ToRegion    string   `json:"to_region"`
	Replication string   `json:"replication"`
	Table       string   `json:"table"`
	By          string   `json:"by"`
	Reason      string   `json:"reason"`
}

// The names of hooks.
const (
	stopWrites   = "stop_writes"
	acceptWrites = "accept_writes"
	resumeWrites = "resume_writes"
)

// HookRunner runs hooks. It is safe for concurrent use.
type HookRunner struct {
	programs command.Runner
	client   *http.Client
}

// NewHookRunner makes one. Its webhooks make no use of a proxy, and none of a connection twice: hooks are rare.
func NewHookRunner() *HookRunner {
	return &HookRunner{client: &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Run implements Hooks.
//
//	the hook is │ it has succeeded when it
//	────────────┼───────────────────────────────────────────────
//	a program   │ ends with exit status 0 within its time
//	a webhook   │ answers with a status of 2xx within its time
func (r *HookRunner) Run(ctx context.Context, hook *replication.Hook, call HookCall) error {
	ctx, cancel := context.WithTimeout(ctx, hook.Timeout)
	defer cancel()
	var err error
	if len(hook.Command) > 0 {
		err = r.program(ctx, hook, call)
	} else {
		err = r.post(ctx, hook, call)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("it did not end within %s", hook.Timeout)
	}
	return err
}

// Check implements Hooks.
func (r *HookRunner) Check(hook *replication.Hook) error {
	if len(hook.Command) == 0 {
		return nil
	}
	_, err := exec.LookPath(hook.Command[0])
	return err
}

// program runs a program that is told in its environment what it is about.
func (r *HookRunner) program(ctx context.Context, hook *replication.Hook, call HookCall) error {
	end, err := r.programs.Run(ctx, command.Command{Args: hook.Command, Env: []string{
		command.Path,
		"GSLB_HOOK=" + call.Hook, "GSLB_NAME=" + call.Name, "GSLB_FROM=" + call.From, "GSLB_TO=" + call.To,
		"GSLB_FROM_REGIONS=" + strings.Join(call.FromRegions, " "), "GSLB_TO_REGION=" + call.ToRegion,
		"GSLB_REPLICATION=" + call.Replication, "GSLB_TABLE=" + call.Table, "GSLB_BY=" + call.By, "GSLB_REASON=" + call.Reason,
		"GSLB_TIMEOUT=" + strconv.FormatFloat(hook.Timeout.Seconds(), 'f', -1, 64),
	}})
	switch {
	case err != nil:
		return err
	case end.Signal != 0:
		return fmt.Errorf("it was ended by a signal: %v%s", end.Signal, said(end.Stderr, end.Stdout))
	case end.Code != 0:
		return fmt.Errorf("exit status %d%s", end.Code, said(end.Stderr, end.Stdout))
	}
	return nil
}

// post calls a webhook with what it is about as JSON.
func (r *HookRunner) post(ctx context.Context, hook *replication.Hook, call HookCall) error {
	body, err := json.Marshal(call)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, hook.URL, bytes.NewReader(body))
	if err != nil {
		return withoutURL(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "gslb")
	response, err := r.client.Do(request)
	if err != nil {
		return withoutURL(err)
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(response.Body, command.Kept)) // of what it says only a line is needed
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("it answered with status %d%s", response.StatusCode, said(text))
	}
	return nil
}

// withoutURL is an error without the URL of a webhook, which may have a secret in it.
func withoutURL(err error) error {
	var about *url.Error
	if errors.As(err, &about) {
		return about.Err
	}
	return err
}

// said is the first line of the first text that has one, as the end of an error.
func said(texts ...[]byte) string {
	for _, text := range texts {
		line, _, _ := bytes.Cut(bytes.TrimSpace(text), []byte("\n"))
		if line = bytes.TrimSpace(line); len(line) > 0 {
			const most = 200
			return ": " + strings.ToValidUTF8(string(line[:min(len(line), most)]), "?")
		}
	}
	return ""
}
