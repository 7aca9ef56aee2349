package main

import (
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gslb/admin/api"
	"gslb/internal/files"
	"gslb/internal/plural"
)

// maxPlanned bounds a configuration that is sent to a server.
const maxPlanned = 16 << 20

func planCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "plan FILE",
		Short: "show what a new configuration would change",
		Long: `plan has the running server compare a configuration with the one that is live, by the health
that it sees now: names that would be added, removed or answered otherwise, and why; targets
that would be new, each probed once; keys that need a restart. Nothing is changed.

Files that FILE names are looked for by the server, beside FILE.

It exits with status 0 if nothing would change, 2 if something would, and 1 if the configuration
is refused or can't be read.`,
		Example: `  gslb plan /etc/gslb/zones.toml.new`,
		Args:    refusedBy(cobra.ExactArgs(1)),
	}
	c := addConnection(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the server's JSON document")
	// A script must not take a mistyped flag for changes.
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return exit{1, explainFlag(cmd, err)} })
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		content, err := files.Read(args[0], maxPlanned)
		if err != nil {
			return exit{1, fmt.Errorf("read the configuration: %w", err)}
		}
		path, err := filepath.Abs(args[0])
		if err != nil {
			return exit{1, err}
		}
		server, err := c.connect()
		if err != nil {
			if own := new(exit); errors.As(err, own) && own.status == 2 {
				return exit{1, own.err}
			}
			return err
		}
		var plan api.Plan
		document, err := server.do(cmd.Context(), call{method: http.MethodPost, path: "plan", body: api.PlanRequest{Path: path, Content: string(content)}, into: &plan}, planWait)
		if err != nil {
			return err
		}
		out := newScreen(cmd.OutOrStdout())
		if asJSON {
			_, err = out.Write(document)
		} else {
			printPlan(out, plan.Text)
		}
		if err != nil {
			return err
		}
		if !plan.Nothing {
			return exit{2, nil}
		}
		return nil
	}
	return cmd
}

// refusedBy has wrong arguments exit with status 1, as a configuration that is refused.
func refusedBy(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return exit{1, err}
		}
		return nil
	}
}

// printPlan prints the server's text, its lines coloured by what they begin with.
func printPlan(out screen, text string) {
	for line := range strings.Lines(strings.TrimRight(text, "\n") + "\n") {
		line = visible(strings.TrimRight(line, "\r\n"))
		p := noPaint
		switch rest := strings.TrimLeft(line, " "); {
		case strings.HasPrefix(rest, "+"):
			p = green
		case strings.HasPrefix(rest, "-"):
			p = red
		case strings.HasPrefix(rest, "~"):
			p = yellow
		}
		fmt.Fprintln(out, out.painted(p, line))
	}
}

func applyCommand() *cobra.Command {
	var yes, asJSON bool
	cmd := &cobra.Command{
		Use:   "apply",
		Short: "take a configuration into use that waits for a person",
		Long: `apply takes into use what waits since it moves more names than "serve --confirm-over" allows.
It shows first how many; "gslb plan" shows which. It exits with status 1 if nothing waits.`,
		Args: cobra.NoArgs,
	}
	c := addConnection(cmd)
	cmd.Flags().BoolVar(&yes, "yes", false, "do it without asking")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the server's JSON document")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		server, err := c.connect()
		if err != nil {
			return err
		}
		var live api.Config
		if _, err := server.get(cmd.Context(), "config", nil, &live); err != nil {
			return err
		}
		waits := live.Pending
		if waits == nil {
			return exit{1, errors.New("no configuration waits to be applied")}
		}
		out, aside := newScreen(cmd.OutOrStdout()), newScreen(cmd.ErrOrStderr())
		if !asJSON {
			out.put(noPaint, 2, "configuration %s of %s waits since %s: it moves %d of %d names", hashText(waits.Hash), visible(waits.Path),
				clockTime(waits.Since, time.Now()), waits.Moved, waits.Names)
		}
		if !yes {
			person := personAt(cmd)
			defer person.leave()
			if err := person.confirm("go on?"); err != nil {
				return err
			}
		}
		var result api.ApplyResult
		// With the hash, nothing else is applied than what was just shown.
		document, err := server.do(cmd.Context(), call{method: http.MethodPost, path: "apply", body: api.ApplyRequest{Hash: waits.Hash}, into: &result}, planWait)
		if err != nil {
			return err
		}
		if asJSON {
			_, err := out.Write(document)
			return err
		}
		out.put(bold, 2, "done: configuration %s is live, and %s moved", hashText(result.Hash), plural.Of(result.Moved, "name", "names"))
		tellNotes(aside, result.Notes)
		return nil
	}
	return cmd
}
