package main

import (
	"bytes"
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"strings"
	"testing"
)

// Who writes http where there is a certificate is told to write https.
func TestServerSpeaksTLSAlone(t *testing.T) {
	server := httptest.NewUnstartedServer(nil)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	cmd := newCommand()
	cmd.SetArgs([]string{"status", "--server", strings.Replace(server.URL, "https:", "http:", 1)})
	cmd.SetOut(new(bytes.Buffer))
	cmd.SetErr(new(bytes.Buffer))
	err := cmd.ExecuteContext(t.Context())
	var status exit
	if !errors.As(err, &status) || !strings.Contains(err.Error(), "write https:// instead of http://") {
		t.Errorf("got %v", err)
	}
}
