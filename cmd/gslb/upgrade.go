package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"gslb/handover"
	"gslb/internal/files"
	"gslb/zones/config"
)

func upgradeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "upgrade [zones.toml]",
		Short: "replace the running server by the program that is installed now, without losing a query",
		Long: `upgrade has the server that runs on this machine start the program anew, from the path that it
was started from, and hand everything over to it: its sockets, its open TCP connections and its
state. No query is lost. If the new one does not come to serve, because its configuration
is not valid for example, the old one goes on, and upgrade says why and exits with status 1.

Only root and the user of the server may do that. The server does the same on SIGUSR2.
The exit status is 3 if no server is reached.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := stateDirOf(args)
			if err != nil {
				return err
			}
			conn, err := handover.Dial(dir)
			if err != nil {
				return exit{statusUnreachable, err}
			}
			defer conn.Close()
			if err := conn.Send(handover.Message{Kind: handover.Start, Protocol: handover.Protocol, Version: version, PID: os.Getpid()}, handover.AnswerWait); err != nil {
				return exit{statusUnreachable, err}
			}
			next, err := conn.Receive(handover.UpgradeWait, handover.Done)
			if err != nil {
				return fmt.Errorf("the server was not upgraded: %w", err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "gslb %s serves now, as process %d\n", next.Version, next.PID)
			return err
		},
	}
}

// stateDirOf is the directory of the state of the server that is meant: that of the configuration that is
// named, of the one here, or of the one that is installed.
func stateDirOf(args []string) (string, error) {
	paths := args
	if len(args) == 0 {
		paths = []string{defaultPath, installedPath}
	}
	for i, path := range paths {
		dir, err := config.StateDir(path)
		switch {
		case errors.Is(err, os.ErrNotExist) && i < len(paths)-1:
		case errors.Is(err, os.ErrNotExist) && len(args) == 0:
			return "", exit{2, fmt.Errorf("it is not known which server is meant: there is neither %s here nor %s; name its configuration", defaultPath, installedPath)}
		case err != nil:
			return "", err
		case dir == "":
			return "", fmt.Errorf("%s has no server.state_dir, which an upgrade needs", path)
		default:
			return files.Absolute(dir), nil
		}
	}
	return "", nil
}
