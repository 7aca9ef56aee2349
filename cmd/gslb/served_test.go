package main

import (
	"bytes"
	"context"
	"net/netip"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"

	"gslb/daemon/daemontest"
)

// Where the regions are.
const first, second = daemontest.First, daemontest.Second

const patience = daemontest.Patience

// served is a world, and a server of it in a process of its own.
type served struct {
	*daemontest.Stage
	process *exec.Cmd
	ended   <-chan error
}

// serve starts a server that prefers the first region, and has it answered.
func serve(s *daemontest.Stage) *served {
	s.T.Helper()
	s.Listen, s.AdminListen = daemontest.FreeAddress(s.T).String(), daemontest.FreeAddress(s.T).String()
	s.Write(`"nyc", "ams"`)
	cmd := exec.Command("gslb", "serve", s.Config())
	cmd.Stderr = s.Log
	running := &served{s, cmd, daemontest.Begin(s.T, cmd)}
	s.T.Cleanup(func() {
		if s.T.Failed() {
			s.T.Log(s.Log)
		}
	})
	running.eventuallyAnswers(first)
	return running
}

// stop ends the server as a service manager does.
func (s *served) stop() {
	s.T.Helper()
	must(s.T, s.process.Process.Signal(syscall.SIGTERM))
	daemontest.WantEnd(s.T, s.ended)
}

func (s *served) ask() string { return daemontest.AskAt(netip.MustParseAddrPort(s.Listen)) }

func (s *served) eventuallyAnswers(address string) {
	s.T.Helper()
	s.Eventually("the answer "+address, func() bool { return s.ask() == address })
}

func (s *served) expect(address string) {
	s.T.Helper()
	s.WantAnswer(netip.MustParseAddrPort(s.Listen), address)
}

// commandLine runs a command against the server, and returns what it printed.
func (s *served) commandLine(args ...string) (out string, err error) {
	s.T.Helper()
	return s.execute(s.T.Context(), newCommand(), args)
}

func (s *served) execute(ctx context.Context, cmd *cobra.Command, args []string) (out string, err error) {
	var b bytes.Buffer
	cmd.SetArgs(append(args, "--socket", s.Socket()))
	cmd.SetIn(strings.NewReader(""))
	cmd.SetOut(&b)
	cmd.SetErr(&b)
	err = cmd.ExecuteContext(ctx)
	return b.String(), err
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
