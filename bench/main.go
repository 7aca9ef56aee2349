// Command bench measures: answering beside other name servers, health beside other
// checkers, the page beside another one, upgrades, and whether anything grows in the long run. It takes the figures of docs/benchmarks.md.
//
//	bench queries -only steered,random -rounds 5 -duration 20s
//	bench failover -runs 5
//	bench start
//	bench scale -targets 1000
//	bench loss -percent 15
//	bench page -targets 2000 -rounds 1
//	bench upgrade -time 30s -upgrades 10
//	bench soak -time 10m
//
// Tables go to standard output as Markdown and progress to standard error; -h after a command
// lists its flags. Configurations and logs are left in .cache/bench. It needs two processors,
// and root or unprivileged user namespaces.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"gslb/bench/checks"
	"gslb/bench/page"
	"gslb/bench/queries"
	"gslb/bench/soak"
	"gslb/bench/upgrade"
	"gslb/integration/figures"
	"gslb/integration/parts"
)

// folder holds a folder for each command, from the root of the checkout.
const folder = ".cache/bench"

// command is one thing to measure, with files of its own in dir.
type command struct {
	name string
	run  func(ctx context.Context, report *figures.Report, dir string, args []string) error
}

func commands() []command {
	return []command{
		{"queries", queries.Run},
		{"failover", checks.Failover},
		{"start", checks.Start},
		{"scale", checks.Scale},
		{"loss", checks.Loss},
		{"page", page.Run},
		{"upgrade", upgrade.Run},
		{"soak", soak.Run},
	}
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == checks.RespondCommand {
		os.Exit(exit(interruptible(func(ctx context.Context) error { // in the network of who started it
			return checks.Respond(ctx, os.Args[2:])
		})))
	}
	if len(os.Args) > 1 && os.Args[1] == "queries" {
		if err := queries.Yield(); err != nil { // before this program starts itself again
			os.Exit(exit(err))
		}
	}
	// In a network of its own no port is taken, and nobody else's traffic counts.
	os.Exit(parts.Isolated(func() int {
		return exit(interruptible(func(ctx context.Context) error { return run(ctx, os.Args[1:]) }))
	}))
}

// interruptible has a signal end the context of f; a second one ends this program at once.
func interruptible(f func(context.Context) error) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, stop)
	return f(ctx)
}

// exit says what went wrong and returns the exit status.
func exit(err error) int {
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 2
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

func run(ctx context.Context, args []string) error {
	var names []string
	for _, c := range commands() {
		names = append(names, c.name)
	}
	if len(args) == 0 {
		return fmt.Errorf("usage: bench %s", strings.Join(names, ", bench "))
	}
	for _, c := range commands() {
		if c.name != args[0] {
			continue
		}
		root, err := parts.Root()
		if err != nil {
			return err
		}
		dir := filepath.Join(root, folder)
		held, err := figures.Lock(dir)
		if err != nil {
			return err
		}
		report := &figures.Report{Out: os.Stdout, Progress: os.Stderr}
		return errors.Join(c.run(ctx, report, filepath.Join(dir, c.name), args[1:]), held.Close())
	}
	return fmt.Errorf("%q is not one of %s", args[0], strings.Join(names, ", "))
}
