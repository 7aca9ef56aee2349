// Probes take certificates with a serial number below zero: that is wrong, but no reason to
// call a healthy target down (RFC 5280, section 4.1.2.2: "gracefully handle such certificates").
//
//go:debug x509negativeserial=1

// Command gslb is an authoritative DNS server for global server load balancing.
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
)

// version is set by the linker.
var version = "unknown"

func main() {
	if err := newCommand().Execute(); err != nil {
		complain(err)
		os.Exit(1)
	}
}

// complain says on the standard error why the program ends. It does not wait for a reader that
// does not read.
func complain(err error) {
	written := make(chan struct{})
	go func() {
		defer close(written)
		fmt.Fprintln(os.Stderr, "gslb:", err)
	}()
	select {
	case <-written:
	case <-time.After(flushWait):
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
