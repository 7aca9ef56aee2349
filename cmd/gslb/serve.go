package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"gslb/daemon"
	"gslb/internal/logs"
)

func serveCommand() *cobra.Command {
	var format, level, confirmOver string
	var takeOver bool
	cmd := &cobra.Command{
		Use:   "serve [zones.toml]",
		Short: "answer DNS queries from live health",
		Long: `serve probes, decides and answers until it gets SIGTERM or SIGINT. It then answers what it
has received and exits with status 0, within ten seconds. Further signals do not hasten that.

A changed configuration is taken into use by itself, and on SIGHUP. If it has errors, the
one before goes on serving, and the log, a metric and the status page say so. With
--confirm-over, one that moves many names waits for "gslb apply".

On SIGUSR2 the program is started anew, and takes over without a lost query: see "gslb upgrade".
With --take-over this process takes over from the server that runs already. Under systemd,
use "gslb upgrade", so that the new process belongs to the service.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			lines := logs.NewWriter(cmd.ErrOrStderr(), logs.ToJournal())
			defer lines.Flush()
			logger, err := logs.New(lines, format, level, logs.ToJournal())
			if err != nil {
				return exit{2, err}
			}
			o := daemon.Options{
				Config: pathOf(args), TakeOver: takeOver, Version: version, Logger: logger,
				Again: []string{cmd.Name(), "--log-format=" + format, "--log-level=" + level},
			}
			if confirmOver != "" {
				if o.ConfirmOver, err = parseShare(confirmOver); err != nil {
					return exit{2, err}
				}
				o.Again = append(o.Again, "--confirm-over="+confirmOver)
			}
			if err = daemon.Run(cmd.Context(), o); errors.Is(err, daemon.ErrNoStateDir) {
				return exit{2, err}
			}
			return err
		},
	}
	cmd.Flags().StringVar(&format, "log-format", "text", "how log lines are written: text or json")
	cmd.Flags().StringVar(&level, "log-level", "info", "the least level that is logged: debug, info, warn or error")
	cmd.Flags().StringVar(&confirmOver, "confirm-over", "", `let a changed configuration wait for "gslb apply" if it moves more than this share of the names, such as 20%`)
	cmd.Flags().BoolVar(&takeOver, "take-over", false, "take over from the server that uses the same state_dir, if one runs")
	for flag, values := range map[string][]string{
		"log-format": {"text", "json"},
		"log-level":  {"debug", "info", "warn", "error"},
	} {
		if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
			panic(err) // the flag was defined just above
		}
	}
	return cmd
}

// parseShare reads the value of --confirm-over.
func parseShare(text string) (percent int, err error) {
	number, _ := strings.CutSuffix(text, "%")
	percent, err = strconv.Atoi(number)
	if err != nil || percent < 1 || percent > 99 || number == text {
		return 0, fmt.Errorf("--confirm-over: %q is not a share such as 20%%, from 1%% to 99%%", text)
	}
	return percent, nil
}
