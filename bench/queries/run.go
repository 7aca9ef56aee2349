// Package queries compares this server with others that answer authoritatively: gdnsd, Knot,
// NSD, PowerDNS and CoreDNS.
//
// Every server has one worker, on processor 0; the load comes from processor 1. One server
// runs at a time, and the order shifts from round to round. Before it is measured, each has
// to answer a sample of the questions exactly right, and afterwards the response codes of all
// replies have to be those expected.
package queries

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"gslb/integration/figures"
	"gslb/integration/parts"
)

// Yield leaves the servers' processor to them: this program, and what it starts in a network of
// its own, keep to the other one. It is called before Run, by a program that runs nothing yet.
func Yield() error {
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

// Run takes the figures of the scenarios that args name, with files in dir.
func Run(ctx context.Context, report *figures.Report, dir string, args []string) error {
	root, err := parts.Root()
	if err != nil {
		return err
	}
	b := &bench{Report: report, dir: dir, size: full(), warmUp: time.Second, share: 0.5}
	var only, names string
	err = figures.Parse("queries", args, func(flags *flag.FlagSet) {
		flags.IntVar(&b.rounds, "rounds", 3, "how often each server is measured")
		flags.DurationVar(&b.duration, "duration", 10*time.Second, "how long each measurement takes")
		flags.IntVar(&b.rate, "rate", 50_000, "queries per second of the measurements at a fixed rate")
		flags.StringVar(&only, "only", "", "scenarios, separated by commas; empty: "+strings.Join(scenarioNames(), ","))
		flags.StringVar(&names, "contenders", "", "servers, separated by commas; empty: all")
		flags.StringVar(&b.gslb, "gslb", filepath.Join(root, "bin", "gslb"), "path of the gslb binary")
		flags.StringVar(&b.old, "old", "", "path of another gslb binary, to be measured beside it as gslb-old; empty: none")
		flags.StringVar(&b.echo, "echo", filepath.Join(root, "bin", "bench-echo"), "path of the binary of bench/echo")
		flags.StringVar(&b.coreDNS, "coredns", "coredns", "CoreDNS: a path, or the name of one that is installed")
	})
	if err != nil {
		return err
	}
	for _, path := range []*string{&b.gslb, &b.old, &b.coreDNS, &b.echo} {
		if !strings.ContainsRune(*path, filepath.Separator) {
			continue
		}
		if *path, err = filepath.Abs(*path); err != nil { // servers run in a folder of their own
			return err
		}
	}
	if b.rounds < 1 || b.rate < 1 || b.duration < time.Second {
		return errors.New("-rounds and -rate must be at least 1, -duration at least 1s")
	}
	return b.run(ctx, split(only), split(names))
}

// split splits a list at its commas.
func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}
