package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"gslb/admin/api"
	"gslb/health"
	"gslb/zones"
)

// How often a planned move is looked at, and how long a server that is lost meanwhile is looked for.
const (
	moveEvery = time.Second
	moveGone  = time.Minute
)

func failbackCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "failback NAME",
		Short: "return a name to its preferred pool now",
		Long: `failback has a name return to its preferred pool now. With failback = "manual" that is what a
recovered pool waits for; with "auto" it ends the wait of failback_after, and with "ramped" the
ramp, for all names that are steered alike. It lists what moved.`,
		Example: `  gslb failback app.gslb.example.com`,
		Args:    cobra.ExactArgs(1),
	}
	c := addConnection(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the server's JSON document")
	cmd.ValidArgsFunction = c.completeNames
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		server, err := c.connect()
		if err != nil {
			return err
		}
		var result api.FailbackResult
		document, err := server.do(cmd.Context(), call{method: http.MethodPost, path: namePath(args[0]) + "/failback", body: struct{}{}, into: &result}, callWait)
		if err != nil {
			return err
		}
		if asJSON {
			_, err := cmd.OutOrStdout().Write(document)
			return err
		}
		out := newScreen(cmd.OutOrStdout())
		if len(result.Changes) == 0 {
			out.put(noPaint, 2, "%s: no pool waits to be returned to; nothing was changed", visible(zones.Plain(result.Name)))
		} else {
			printChanges(out, result.Changes, len(result.Changes), "done")
		}
		printAnswers(out, result.Answers)
		tellNotes(newScreen(cmd.ErrOrStderr()), result.Notes)
		return nil
	}
	return cmd
}

func namePath(name string) string { return "names/" + url.PathEscape(name) }

func switchCommand() *cobra.Command {
	var to, reason string
	var abort, force, leave, yes, asJSON bool
	cmd := &cobra.Command{
		Use:   "switch NAME --to POOL",
		Short: "move a name to another pool, as planned work wants it",
		Long: `switch moves a name to another of its pools without breaking clients: first the TTL goes to
ttl_min and the old TTL is waited out, then the answer moves, and then it watches until the
last client has followed. The name stays pinned to the new pool: "gslb unpin NAME" ends that.

The command shows each step, and ends with the move. It can be interrupted; the move goes on
in the server, also over a restart. Without --to it shows how far a move is, and --abort takes
it back at any time. It is refused if POOL is not usable, unless --force is given.`,
		Example: `  gslb switch app.gslb.example.com --to ams --reason "nyc is rebuilt"
  gslb switch app.gslb.example.com
  gslb switch app.gslb.example.com --abort`,
		Args: cobra.ExactArgs(1),
	}
	c := addConnection(cmd)
	flags := cmd.Flags()
	flags.StringVar(&to, "to", "", "pool to move to")
	flags.StringVar(&reason, "reason", "", "why, in one line (default: that the move is planned)")
	flags.BoolVar(&abort, "abort", false, "end the move, and what it has pinned")
	flags.BoolVar(&force, "force", false, "although the pool is not usable")
	flags.BoolVar(&leave, "no-wait", false, "do not wait for the end of the move")
	flags.BoolVar(&yes, "yes", false, "do it without asking")
	flags.BoolVar(&asJSON, "json", false, "print the server's JSON document, of each step one")
	cmd.MarkFlagsMutuallyExclusive("to", "abort")
	cmd.ValidArgsFunction = c.completeNames
	if err := cmd.RegisterFlagCompletionFunc("to", func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return c.completePool(cmd, prefix)
		}
		return c.completePoolsOf(cmd, args[0], prefix)
	}); err != nil {
		panic(err) // the flag was defined just above
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		server, err := c.connect()
		if err != nil {
			return err
		}
		m := &move{server: server, path: namePath(args[0]) + "/switch", name: args[0], out: newScreen(cmd.OutOrStdout()), aside: newScreen(cmd.ErrOrStderr()), json: asJSON}
		ctx := cmd.Context()
		switch {
		case abort:
			return m.show(ctx, call{method: http.MethodDelete, body: api.RemoveRequest{Reason: reason}})
		case to == "":
			return m.show(ctx, call{method: http.MethodGet})
		}
		person := personAt(cmd)
		defer person.leave()
		if reason == "" {
			reason = person.ask("why? ") // what is planned needs no reason: the server writes that it is
		}
		if !yes {
			if err := person.confirm(fmt.Sprintf("move %s to %s?", args[0], to)); err != nil {
				return err
			}
		}
		if err := m.show(ctx, call{method: http.MethodPost, body: api.SwitchRequest{To: to, Reason: reason, Force: force}}); err != nil || leave {
			return err
		}
		return m.watch(ctx)
	}
	return cmd
}

// move shows a planned move.
type move struct {
	server     *client
	path, name string
	out, aside screen
	json       bool
	last       api.Switch // that was shown
}

// show makes a call and shows how far the move is.
func (m *move) show(ctx context.Context, c call) error {
	var now api.Switch
	c.path, c.into = m.path, &now
	document, err := m.server.do(ctx, c, callWait)
	if err != nil {
		return err
	}
	if now.Phase == m.last.Phase && now.Detail == m.last.Detail {
		return nil
	}
	m.last = now
	if m.json {
		_, err := m.out.Write(document)
		return err
	}
	m.print(&now)
	return nil
}

func (m *move) print(s *api.Switch) {
	now := time.Now()
	text, p := visible(s.Detail), yellow
	switch {
	case s.Phase == api.SwitchAborted || s.Status != health.Up: // what is so then is said by the server
	case s.Phase == api.SwitchLowersTTL:
		p = noPaint
		text = fmt.Sprintf("the TTL is low; the answer moves from %s to %s at %s", visible(s.From), visible(s.To), clockTime(s.Move, now))
	case s.Phase == api.SwitchWatches:
		p = noPaint
		text = fmt.Sprintf("the answer is %s; clients follow until %s", visible(s.To), clockTime(s.Settled, now))
	case s.Phase == api.SwitchDone:
		text, p = fmt.Sprintf("done: all clients have moved to %s; the name stays pinned to it until gslb unpin", visible(s.To)), green
	}
	m.out.put(p, 4, "%s  %s: %s", now.Format(time.TimeOnly), visible(zones.Plain(s.Name)), text)
}

// watch follows the move to its end. A server that can't be reached meanwhile may be restarting, and goes on
// with the move then.
func (m *move) watch(ctx context.Context) error {
	var lost time.Time
	for {
		switch m.last.Phase {
		case api.SwitchDone:
			return nil
		case api.SwitchAborted:
			return exit{1, errors.New("the move was aborted")}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(moveEvery):
		}
		err := m.show(ctx, call{method: http.MethodGet})
		var own exit
		switch {
		case err == nil:
			lost = time.Time{}
		case !errors.As(err, &own) || own.status != statusUnreachable:
			return err
		case lost.IsZero():
			lost = time.Now()
			m.aside.put(yellow, 2, "gslb: the server is lost, and looked for: %s", err.Error())
		case time.Since(lost) > moveGone:
			return err
		}
	}
}
