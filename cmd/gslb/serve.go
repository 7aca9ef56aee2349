package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	notices "gslb/notify"
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
			// If the reader of the log is gone, the server goes on answering.
			signal.Ignore(syscall.SIGPIPE)
			notices.BoundDefaultClient()
			lines := newLogWriter(cmd.ErrOrStderr())
			defer lines.flush()
			logger, err := newLogger(lines, format, level, logsToJournal())
			if err != nil {
				return exit{2, err}
			}
			over := 0
			if confirmOver != "" {
				if over, err = parseShare(confirmOver); err != nil {
					return exit{2, err}
				}
			}
			path := pathOf(args)
			again := []string{ownPath(), cmd.Name(), "--log-format=" + format, "--log-level=" + level}
			if confirmOver != "" {
				again = append(again, "--confirm-over="+confirmOver)
			}
			before, err := approach(path, takeOver, logger)
			if err != nil {
				return err
			}
			return serve(cmd.Context(), path, over, before, append(again, absolute(path)), logger)
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

// newLogger writes to w in a format. What goes to the journal has a priority, and as text no time of its own.
func newLogger(w io.Writer, format, level string, toJournal bool) (*slog.Logger, error) {
	var least slog.Level
	if err := least.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("--log-level: %q is not one of debug, info, warn, error", level)
	}
	options := &slog.HandlerOptions{Level: least, ReplaceAttr: durationAsText}
	var handler func(io.Writer) slog.Handler
	switch format {
	case "text":
		if toJournal {
			options.ReplaceAttr = withoutTime
		}
		handler = func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, options) }
	case "json":
		handler = func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, options) }
	default:
		return nil, fmt.Errorf("--log-format: %q is not one of text, json", format)
	}
	if toJournal {
		return slog.New(newJournalHandler(w, handler)), nil
	}
	return slog.New(handler(w)), nil
}

// durationAsText writes durations as "5s" in JSON as well, where slog writes nanoseconds.
func durationAsText(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}

// serve runs the program until ctx ends or a part of it fails. It takes over from the gslb before, if there is
// one, and again is the command line for the one after it.
func serve(ctx context.Context, path string, confirmOver int, before *predecessor, again []string, logger *slog.Logger) error {
	p, err := newProgram(path, before, logger)
	if err != nil {
		before.refuse(err)
		return err
	}
	p.upgrades.again = again
	p.config.confirmation.over = confirmOver
	// From here on there may be queries to answer, and a signal must not end the process before
	// they are: neither the first signal nor a second one, which terminals, sudo and supervisors
	// often send beside it. The end takes a few seconds at most. Until here, a signal ends the
	// program at once. Signals are caught to the very end, since a late one would change the exit
	// status.
	ctx, _ = signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	addProcessors(len(p.server.Addrs()))
	logger.Info("starting", "version", version, "pid", os.Getpid(), "config", p.config.Current().Path,
		"hash", p.config.Current().Hash, "listen", addresses(p.server.Addrs()))
	if err := p.run(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	logger.Info("stopped")
	return nil
}

// addresses converts a list for a line of the log.
func addresses[T fmt.Stringer](list []T) []string {
	texts := make([]string, len(list))
	for i, a := range list {
		texts[i] = a.String()
	}
	slices.Sort(texts)
	return texts
}

// addProcessors adds one P to the Go scheduler (GOMAXPROCS) for every worker that reads queries,
// and for every loop that serves TCP. Otherwise a worker that wakes up in the kernel would have to
// wait until probing, publishing or a reload gives up a P, which may take 10 ms. The kernel decides
// which thread runs, and prefers those that have slept. The server has as many workers at each
// address, and as many loops, as there were Ps before.
func addProcessors(addresses int) {
	processors := runtime.GOMAXPROCS(0)
	runtime.GOMAXPROCS(processors * (1 + addresses + 1))
}
