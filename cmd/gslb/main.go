// Probes take certificates with a serial number below zero: that is wrong, but no reason to
// call a healthy target down (RFC 5280, section 4.1.2.2: "gracefully handle such certificates").
//
//go:debug x509negativeserial=1

// Command gslb is an authoritative DNS server for global server load balancing.
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
	_ "time/tzdata" // for the time zones of [notify], which a container may not have

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"gslb/internal/logs"
	"gslb/zones/config"
)

// version is set by the linker.
var version = "unknown"

func main() {
	began := false
	root := newCommand()
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if err := cmd.ValidateFlagGroups(); err != nil { // which cobra does later
			return cmd.FlagErrorFunc()(cmd, err)
		}
		began = true
		return nil
	}
	if err := root.Execute(); err != nil {
		if silent := new(exit); !errors.As(err, silent) || silent.err != nil {
			complain(err)
		}
		os.Exit(exitStatus(began, err))
	}
}

// exit is an error that has an exit status of its own. With a nil err everything was said already.
type exit struct {
	status int
	err    error
}

func (e exit) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.status)
	}
	return e.err.Error()
}

func (e exit) Unwrap() error { return e.err }

// exitStatus tells a script what a person reads in the error.
//
//	an exit                                                as it says
//	the command line is wrong, so that no command began    2
//	zones.toml can't be read                               2
//	anything else: it is refused, an address is taken, …   1
func exitStatus(began bool, err error) int {
	var own exit
	if errors.As(err, &own) {
		return own.status
	}
	if !began || errors.Is(err, config.ErrUnreadable) {
		return 2
	}
	return 1
}

// complain writes to standard error why the program ends. It does not wait for a reader that hangs.
func complain(err error) {
	written := make(chan struct{})
	go func() {
		defer close(written)
		fmt.Fprintln(logs.ErrorsTo(os.Stderr), "gslb:", err)
	}()
	select {
	case <-written:
	case <-time.After(logs.FlushWait):
	}
}

// The groups of the commands in the help.
const (
	running = "running"
	hand    = "hand"
	offline = "offline"
)

func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "gslb",
		Short: "authoritative DNS that answers with the regions that are healthy now",
		Long: `gslb is an authoritative DNS server for global server load balancing.

A subdomain is delegated to it. It probes the load balancers and the DynamoDB
replicas of every region, and answers with the addresses of the best region that is
healthy now. Everything it does is said in one file, zones.toml.

It exits with status 2 if the command line is wrong or zones.toml can't be read, and with
1 if anything else fails.`,
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetVersionTemplate(versionLine())
	root.AddGroup(&cobra.Group{ID: running, Title: "Look at a running server:"}, &cobra.Group{ID: hand, Title: "Change what is answered:"}, &cobra.Group{ID: offline, Title: "Serve, and work on configurations:"})
	add := func(group string, commands ...*cobra.Command) {
		for _, cmd := range commands {
			cmd.GroupID = group
		}
		root.AddCommand(commands...)
	}
	add(running, statusCommand(), incidentsCommand(), eventsCommand(), historyCommand(), explainCommand(), overridesCommand(), notifyCommand())
	add(running, healthcheckCommand())
	add(hand, drainCommand(), forceCommand(), pinCommand(), clearCommand(), failbackCommand(), switchCommand(), drillCommand(), pushCommand(), planCommand(), applyCommand())
	add(hand, endCommands()...)
	add(offline, serveCommand(), upgradeCommand(), checkCommand(), probeCommand(), delegationCommand(), importCommand(), discoverCommand(), tokenCommand(), replayCommand())
	root.AddCommand(versionCommand(), manCommand())
	root.InitDefaultCompletionCmd()
	root.SetFlagErrorFunc(explainFlag)
	explainUse(root)
	return root
}

// explainUse has a command whose arguments are wrong say how it is used, and one that only has commands refuse
// those that it has not, where cobra shows help and succeeds.
func explainUse(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		if sub.HasSubCommands() && !sub.Runnable() {
			sub.Args = cobra.NoArgs
			sub.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
		if valid := sub.Args; valid != nil {
			sub.Args = func(cmd *cobra.Command, args []string) error {
				if err := valid(cmd, args); err != nil {
					return fmt.Errorf("%w; usage: %s", err, usage(cmd))
				}
				return nil
			}
		}
		explainUse(sub)
	}
}

// usage is how a command is called: one that has others below it, with one of these.
func usage(cmd *cobra.Command) string {
	var names []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	if len(names) == 0 {
		return cmd.UseLine()
	}
	return cmd.CommandPath() + " " + strings.Join(names, "|")
}

// explainFlag says of a flag that is wrong what it takes, or where those are listed that there are.
func explainFlag(cmd *cobra.Command, err error) error {
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) {
		flag, wanted := invalid.GetFlag(), ""
		switch flag.Value.Type() {
		case "int":
			wanted = "a whole number"
		case "bool":
			wanted = "true or false"
		case "duration":
			wanted = "a time such as 90s or 5m"
		}
		if wanted != "" {
			return fmt.Errorf("--%s: %q is not %s", flag.Name, invalid.GetValue(), wanted)
		}
	}
	return fmt.Errorf("%w; %s --help lists the flags there are", err, cmd.CommandPath())
}

func versionLine() string {
	return fmt.Sprintf("gslb %s %s %s/%s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "print the version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(cmd.OutOrStdout(), versionLine())
			return err
		},
	}
}

// defaultPath is the configuration that a command reads when it is given none.
const defaultPath = "zones.toml"

func pathOf(args []string) string {
	if len(args) == 0 {
		return defaultPath
	}
	return args[0]
}
