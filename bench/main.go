// Command bench compares this server with others that answer authoritatively: gdnsd, Knot,
// NSD, PowerDNS and CoreDNS. It takes the figures of docs/benchmarks.md that are about
// answering.
//
//	bench -only steered,random -rounds 5 -duration 20s
//
// Every server has one worker, on processor 0; the load comes from processor 1. One server
// runs at a time, and the order shifts from round to round. Before it is measured, each has
// to answer a sample of the questions exactly right, and afterwards the response codes of all
// replies have to be those expected.
//
// Tables go to standard output as Markdown and progress to standard error; -h lists the
// flags. Configurations and logs are left in .cache/bench/peers. It needs two processors, and root or
// unprivileged user namespaces.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"gslb/integration/parts"
)

// folder holds a folder for each scenario, from the root of the checkout.
const folder = ".cache/bench/peers"

func main() {
	if err := yield(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	// In a network of its own no port is taken, and nobody else's traffic counts.
	os.Exit(parts.Isolated(func() int { return run(os.Args[1:]) }))
}

// yield leaves the servers' processor to them: this program, and what it starts in a network of
// its own, keep to the other one.
func yield() error {
	runtime.LockOSThread()
	var set unix.CPUSet
	set.Set(loadProcessor)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("bind to processor %d, of which there must be two at least: %w", loadProcessor, err)
	}
	// A load has a thread that must not wait for what else goes on here, on the same processor.
	runtime.GOMAXPROCS(4)
	return nil
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
	root, err := parts.Root()
	if err != nil {
		return err
	}
	b := &bench{dir: filepath.Join(root, folder), out: os.Stdout, progress: os.Stderr, size: full()}
	var only, names string
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.IntVar(&b.rounds, "rounds", 3, "how often each server is measured")
	flags.DurationVar(&b.duration, "duration", 10*time.Second, "how long each measurement takes")
	flags.IntVar(&b.rate, "rate", 50_000, "queries per second of the measurements at a fixed rate")
	flags.StringVar(&only, "only", "", "scenarios, separated by commas; empty: "+strings.Join(scenarioNames(), ","))
	flags.StringVar(&names, "contenders", "", "servers, separated by commas; empty: all")
	flags.StringVar(&b.gslb, "gslb", filepath.Join(root, "bin", "gslb"), "path of the gslb binary")
	flags.StringVar(&b.echo, "echo", filepath.Join(root, "bin", "bench-echo"), "path of the binary of bench/echo")
	flags.StringVar(&b.coreDNS, "coredns", "coredns", "CoreDNS: a path, or the name of one that is installed")
	if err := flags.Parse(args); err != nil {
		return err
	}
	for _, path := range []*string{&b.gslb, &b.coreDNS, &b.echo} {
		if !strings.ContainsRune(*path, filepath.Separator) {
			continue
		}
		if *path, err = filepath.Abs(*path); err != nil { // servers run in a folder of their own
			return err
		}
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("it takes no argument %q", flags.Arg(0))
	}
	if b.rounds < 1 || b.rate < 1 || b.duration < time.Second {
		return errors.New("-rounds and -rate must be at least 1, -duration at least 1s")
	}
	held, err := lock(b.dir)
	if err != nil {
		return err
	}
	return errors.Join(b.run(ctx, split(only), split(names)), held.Close())
}

// split splits a list at its commas.
func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}
