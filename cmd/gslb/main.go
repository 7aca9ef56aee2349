// Command gslb is an authoritative DNS server for global server load balancing.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// version is set by the linker.
var version = "unknown"

func main() {
	// A second signal finds no handler any more and ends the program at once.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	if err := newCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "gslb:", err)
		os.Exit(1)
	}
}

func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "gslb",
		Short: "authoritative DNS that answers with the regions that are healthy now",
		Long: `gslb is an authoritative DNS server for global server load balancing.

A subdomain is delegated to it. It probes the load balancers and the DynamoDB
replicas of every region, and answers with the addresses of the best region that is
healthy now. Everything it does is said in one file, zones.toml.`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(serveCommand(), checkCommand(), delegationCommand(), versionCommand())
	return root
}

// defaultPath is the configuration that a command reads when it is given none.
const defaultPath = "zones.toml"

func pathOf(args []string) string {
	if len(args) == 0 {
		return defaultPath
	}
	return args[0]
}
