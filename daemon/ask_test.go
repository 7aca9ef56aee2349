package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"gslb/admin/api"
)

// asker is somebody who uses the API of a program.
type asker struct {
	t     *testing.T
	http  *http.Client
	base  string
	token string // empty: none is shown
}

// overSocket is one who may do everything.
func (s *stage) overSocket() asker { return overSocket(s.T, s.Socket()) }

func overSocket(t *testing.T, path string) asker {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
	return asker{t: t, http: newAskersClient(&http.Transport{DialContext: dial}), base: "http://gslb"}
}

// overTCP is one who shows a token.
func (s *stage) overTCP(token string) asker {
	return asker{t: s.T, http: newAskersClient(&http.Transport{}), base: "http://" + s.adminAddr, token: token}
}

func newAskersClient(transport *http.Transport) *http.Client {
	transport.DisableKeepAlives = true
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

// do makes a call, whose body and reply may be nil. A refusal is an *api.Problem.
func (a asker) do(method, path string, body, reply any) error {
	a.t.Helper()
	text, err := json.Marshal(body)
	must(a.t, err)
	r, err := http.NewRequestWithContext(a.t.Context(), method, a.base+"/api/v1/"+path, bytes.NewReader(text))
	must(a.t, err)
	r.Header.Set("Content-Type", "application/json")
	if a.token != "" {
		r.Header.Set("Authorization", "Bearer "+a.token)
	}
	response, err := a.http.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	document, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode >= 400 {
		problem := new(api.Problem)
		if err := json.Unmarshal(document, problem); err != nil {
			return fmt.Errorf("status %d, and %w: %s", response.StatusCode, err, document)
		}
		return problem
	}
	if reply == nil {
		return nil
	}
	return json.Unmarshal(document, reply)
}

// drain drains a pool.
func (a asker) drain(pool, reason string) (result api.OverrideResult, err error) {
	a.t.Helper()
	err = a.do(http.MethodPost, "overrides", api.OverrideRequest{Kind: "drain", Pool: pool, Reason: reason, For: "2h"}, &result)
	return result, err
}

// undrain ends that.
func (a asker) undrain(pool string) error {
	a.t.Helper()
	return a.do(http.MethodDelete, "overrides/drain/"+pool, api.RemoveRequest{}, nil)
}

// failback has the name of the stage return to its preferred pool.
func (a asker) failback() error {
	a.t.Helper()
	return a.do(http.MethodPost, "names/app.gslb.example.com/failback", struct{}{}, nil)
}

// push says of a push check's subject that it works or, for a reason, that it does not.
func (a asker) push(check, subject, fails string) error {
	a.t.Helper()
	said := api.PushRequest{Reason: fails}
	if fails != "" {
		said.Status = "fail"
	}
	return a.do(http.MethodPost, "push/"+check+"/"+subject, said, nil)
}
