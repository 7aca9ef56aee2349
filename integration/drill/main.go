// Command drill measures how long a failure lasts for clients: the moved-client clock. It runs the
// worked example as two servers in front of two regions, has real resolvers find them from a root, and
// real clients on every resolver make a request a second. Then it makes the preferred region fail, in
// every way one after another, and one of the servers, and reports when the fault was detected, when the answers changed,
// when the resolvers and when the last client had moved, and when all were back.
//
//	drill
//	drill -faults lb-kill,lb-hang -resolvers unbound,bind -clients curl,java
//
// A table goes to standard output as Markdown, and progress to standard error; drill.json and
// drill.html are left in the folder of -out. It runs in a network of its own, and needs root or
// unprivileged user namespaces. What it needs is installed by integration/setup.sh drill.
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
	"strconv"
	"strings"
	"syscall"
	"time"

	"gslb/integration/parts"
)

func main() {
	if len(os.Args) == 4 && os.Args[1] == clientCommand {
		ms, err := strconv.Atoi(os.Args[3])
		if err != nil {
			fmt.Fprintln(os.Stderr, "drill client:", err)
			os.Exit(2)
		}
		runClient(os.Stdout, os.Args[2], time.Duration(ms)*time.Millisecond)
	}
	// In a network of its own it may have port 53, and the addresses of the name servers.
	os.Exit(parts.Isolated(func() int {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
		// A second signal ends this program at once, and the reaper the rest. A terminal's comes twice: to all
		// programs in the foreground, and from the one that has made this network.
		context.AfterFunc(ctx, func() { time.AfterFunc(time.Second, stop) })
		switch err := command(ctx, os.Args[1:], os.Stdout, os.Stderr); {
		case errors.Is(err, flag.ErrHelp):
			return 2
		case err != nil:
			fmt.Fprintln(os.Stderr, "drill:", err)
			return 1
		}
		return 0
	}))
}

// options are what the command line says.
type options struct {
	faults    []faultKind
	resolvers []resolverKind
	clients   []clientKind
	name      string
	out       string
	wait      time.Duration
	from      string
}

func parse(args []string, aside io.Writer) (*options, error) {
	var o options
	flags := flag.NewFlagSet("drill", flag.ContinueOnError)
	flags.SetOutput(aside)
	names := func(kinds []string) string { return "some of " + strings.Join(kinds, ", ") + " (default: all)" }
	faults := flags.String("faults", "", names(each(faultKinds(), faultKind.name)))
	resolvers := flags.String("resolvers", "", names(each(resolverKinds(), resolverName)))
	clients := flags.String("clients", "", names(each(clientKinds(), clientName)))
	flags.StringVar(&o.name, "name", "", "name that clients ask for (default: the first of "+zonesFile+")")
	flags.StringVar(&o.out, "out", ".cache/drill", "folder for drill.json, drill.html, configurations and logs")
	flags.StringVar(&o.from, "from", "", "make the tables and the page of this drill.json, and no drill")
	flags.DurationVar(&o.wait, "wait", 0, "how long to wait for the last clients at most (default: as long as their bounds say)")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("there is no argument %q; lists are written with commas", flags.Arg(0))
	}
	var errs [3]error
	o.faults, errs[0] = chosen(*faults, faultKinds(), faultKind.name)
	o.resolvers, errs[1] = chosen(*resolvers, resolverKinds(), resolverName)
	o.clients, errs[2] = chosen(*clients, clientKinds(), clientName)
	return &o, errors.Join(errs[:]...)
}

func (f faultKind) name() string         { return string(f.fault) }
func resolverName(r resolverKind) string { return r.name }
func clientName(c clientKind) string     { return c.name }

// each is what a function makes of all of a list.
func each[T, U any](all []T, of func(T) U) []U {
	made := make([]U, len(all))
	for i, t := range all {
		made[i] = of(t)
	}
	return made
}

// command is the whole program.
func command(ctx context.Context, args []string, out, aside io.Writer) (err error) {
	o, err := parse(args, aside)
	if err != nil {
		return err
	}
	root, err := parts.Root()
	if err != nil {
		return err
	}
	folder, err := filepath.Abs(o.out)
	if err != nil {
		return err
	}
	if o.from != "" {
		r, err := load(o.from)
		if err != nil {
			return err
		}
		return r.write(folder, out)
	}
	dir := filepath.Join(folder, "stack")
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	lab, err := parts.NewLab(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lab.Close()) }()
	begun := time.Now()
	say := func(format string, args ...any) {
		fmt.Fprintf(aside, "%4.0f s  %s\n", time.Since(begun).Seconds(), fmt.Sprintf(format, args...))
	}
	s, err := bringUp(ctx, lab, root, dir, plan{name: o.name, resolvers: o.resolvers, clients: o.clients}, say)
	if err != nil {
		return err
	}
	defer s.close()
	d := &drill{stack: s, say: say, wait: o.wait}
	report, err := d.run(ctx, o.faults)
	if report == nil || len(report.Faults) == 0 {
		return err
	}
	// What was measured before something went wrong is reported all the same.
	return errors.Join(err, report.write(folder, out))
}
