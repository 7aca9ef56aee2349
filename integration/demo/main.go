// Command demo runs the worked example. It starts the regions of zones.toml on this machine, made
// of real parts, and a gslb that serves the file, and shows what is up and what is answered. Its
// other commands make a region fail, and bring it back; they end when the answers have changed
// accordingly.
//
//	demo run
//	demo fail nyc lb-kill
//	demo heal nyc
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"gslb/integration/parts"
)

// What the demonstration uses of the checkout, from its root.
const (
	zonesFile = "zones.toml"
	folder    = ".cache/demo" // configurations and logs; emptied at each start
	// A relative path, since that of a socket must be short: unix(7).
	socketFile = folder + "/control.sock"
)

func main() {
	// The first signal has everything stopped in order. A second one ends this program at
	// once, and the lab's reaper the rest.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, stop)
	if err := command(ctx, os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func command(ctx context.Context, out io.Writer, args []string) error {
	root, err := parts.Root()
	if err != nil {
		return err
	}
	if err := os.Chdir(root); err != nil {
		return err
	}
	switch {
	case len(args) == 1 && args[0] == "run":
		return run(ctx, out)
	case len(args) == 3 && args[0] == "fail":
		return carryOut(ctx, out, "/fail", args[1], args[2])
	case len(args) == 2 && args[0] == "heal":
		return carryOut(ctx, out, "/heal", args[1], "")
	}
	return errors.New("usage: demo run, demo fail REGION FAULT, demo heal REGION")
}
