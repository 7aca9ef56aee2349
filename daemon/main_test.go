package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"testing"

	"gslb/daemon/daemontest"
	"gslb/internal/logs"
)

func TestMain(m *testing.M) {
	daemontest.Main(m, serve)
}

// serve is what the tests start as a process of its own: "gslb serve" without a command line to speak of.
func serve() {
	lines := logs.NewWriter(os.Stderr, false)
	o := Options{Config: os.Args[len(os.Args)-1], Version: "test", Again: []string{"serve"}, Logger: slog.New(slog.NewTextHandler(lines, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	err := Run(context.Background(), o)
	lines.Flush()
	if err != nil {
		fmt.Fprintln(os.Stderr, "gslb:", err)
		os.Exit(1)
	}
}
