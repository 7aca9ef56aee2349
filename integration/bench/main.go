// Command bench takes the figures of docs/benchmarks.md: among real parts, in a network of
// its own, with other programs that do the same work beside it.
//
//	bench failover   from a fault to the first changed answer
//	bench start      from exec to the first right answer, and resident memory
//	bench scale      processor time and memory of very many targets
//
// Each prints its tables to standard output as Markdown and its progress to standard error;
// -h lists its flags. Configurations and logs are left in .cache/bench.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"gslb/integration/figures"
	"gslb/integration/parts"
)

// folder holds a folder for each command, from the root of the checkout.
const folder = ".cache/bench"

func main() {
	if len(os.Args) > 1 && os.Args[1] == respondCommand {
		os.Exit(run(os.Args[1:])) // scale has started it, in its network
	}
	// In a network of its own no port is taken, and nobody else's connections count.
	os.Exit(parts.Isolated(func() int { return run(os.Args[1:]) }))
}

func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, stop) // a second signal ends this program at once
	err := command(ctx, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 2
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

func command(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("usage: bench failover, bench start, bench scale")
	}
	name, args := args[0], args[1:]
	if name == respondCommand {
		return respond(ctx, args)
	}
	commands := map[string]func(context.Context, *bench, []string) error{
		"failover": failover, "start": start, "scale": scale,
	}
	run := commands[name]
	if run == nil {
		return fmt.Errorf("%q is not one of failover, start, scale", name)
	}
	b, err := newBench(name)
	if err != nil {
		return err
	}
	return errors.Join(run(ctx, b, args), b.lab.Close())
}

// bench is what every command works with.
type bench struct {
	name     string
	dir      string // of configurations
	lab      *parts.Lab
	out      io.Writer // tables
	progress io.Writer
}

func newBench(name string) (*bench, error) {
	root, err := parts.Root()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(root, folder, name)
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	lab, err := parts.NewLab(dir)
	if err != nil {
		return nil, err
	}
	return &bench{name: name, dir: dir, lab: lab, out: os.Stdout, progress: os.Stderr}, nil
}

// parse reads the flags that define adds.
func (b *bench) parse(args []string, define func(*flag.FlagSet)) error {
	flags := flag.NewFlagSet("bench "+b.name, flag.ContinueOnError)
	define(flags)
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%s takes no argument %q", b.name, flags.Arg(0))
	}
	return nil
}

// say reports progress.
func (b *bench) say(format string, args ...any) { fmt.Fprintf(b.progress, format+"\n", args...) }

// print writes a table under lines that say what it shows, and on what machine.
func (b *bench) print(what string, t *figures.Table) error {
	_, err := fmt.Fprintf(b.out, "%s\n%s\n\n%s\n", what, figures.Host(), t)
	return err
}
