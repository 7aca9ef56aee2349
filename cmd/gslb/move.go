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
	var f switchFlags
	cmd := &cobra.Command{
		Use:   "switch NAME --to POOL",
		Short: "move a name to another pool, as planned work wants it",
		Long: `switch moves a name to another of its pools without breaking clients: first the TTL goes to
ttl_min and the old TTL is waited out, then the answer moves, and then it watches until the
last client has followed. The name stays pinned to the new pool: "gslb unpin NAME" ends that.

Between regions whose data is replicated ([replication.NAME] and the pools' replication) the answer
moves when everything that was written in the old region has arrived in the new one: a hook
ends writing, a mark is written through the old region and looked for in the new one, the
answer moves, and a hook begins writing there. If the mark does not arrive within --wait, or a
hook fails, all of this is undone. With --accept-loss it moves nevertheless.

The command shows each step, and ends with the move. It can be interrupted; the move goes on
in the server, also over a restart. --status, or no flag, shows how far a move is, and --abort
takes it back; where data is replicated, until the answer has moved. It is refused if POOL is
not usable, unless --force is given, or if its data is behind, unless --accept-loss is.`,
		Example: `  gslb switch app.gslb.example.com --to ams --reason "nyc is rebuilt"
  gslb switch app.gslb.example.com --to ams --reason "nyc is rebuilt" --wait 2m
  gslb switch app.gslb.example.com --status
  gslb switch app.gslb.example.com --abort`,
		Args: cobra.ExactArgs(1),
	}
	c := addConnection(cmd)
	f.add(cmd)
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
		m := &move{server: server, path: namePath(args[0]) + "/switch", name: args[0], out: newScreen(cmd.OutOrStdout()), aside: newScreen(cmd.ErrOrStderr()), json: f.asJSON}
		return f.run(cmd, m)
	}
	return cmd
}

// switchFlags are those of gslb switch.
type switchFlags struct {
	to, reason, wait                                     string
	abort, status, force, acceptLoss, leave, yes, asJSON bool
}

func (f *switchFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.to, "to", "", "pool to move to")
	flags.StringVar(&f.reason, "reason", "", "why, in one line (default: that the move is planned)")
	flags.BoolVar(&f.abort, "abort", false, "end the move, and what it has pinned")
	flags.BoolVar(&f.status, "status", false, "show how far the move is")
	flags.StringVar(&f.wait, "wait", "", "for what was written to arrive (default: twice max_lag)")
	flags.BoolVar(&f.acceptLoss, "accept-loss", false, "although data is behind or does not arrive")
	flags.BoolVar(&f.force, "force", false, "although the pool is not usable")
	flags.BoolVar(&f.leave, "no-wait", false, "do not wait for the end of the move")
	flags.BoolVar(&f.yes, "yes", false, "do it without asking")
	flags.BoolVar(&f.asJSON, "json", false, "print the server's JSON document, of each step one")
	cmd.MarkFlagsMutuallyExclusive("to", "abort", "status")
	for _, flag := range []string{"wait", "accept-loss"} {
		cmd.MarkFlagsMutuallyExclusive(flag, "abort")
		cmd.MarkFlagsMutuallyExclusive(flag, "status")
	}
}

// run does what the flags say: begins a move, takes it back, or shows it.
func (f *switchFlags) run(cmd *cobra.Command, m *move) error {
	ctx := cmd.Context()
	switch {
	case f.abort:
		if err := m.show(ctx, call{method: http.MethodDelete, body: api.RemoveRequest{Reason: f.reason}}); err != nil || f.leave || m.last.Phase == api.SwitchAborted {
			return err
		}
		return m.watch(ctx, api.SwitchAborted)
	case f.to == "" && (f.wait != "" || f.acceptLoss):
		return exit{2, errors.New("--wait and --accept-loss are about a move that begins: say where to, with --to")}
	case f.to == "":
		return m.show(ctx, call{method: http.MethodGet})
	}
	person := personAt(cmd)
	defer person.leave()
	if f.reason == "" {
		f.reason = person.ask("why? ") // what is planned needs no reason: the server writes that it is
	}
	if !f.yes {
		if err := person.confirm(fmt.Sprintf("move %s to %s?", m.name, f.to)); err != nil {
			return err
		}
	}
	if err := m.show(ctx, call{method: http.MethodPost, body: api.SwitchRequest{To: f.to, Reason: f.reason, Force: f.force, Wait: f.wait, AcceptLoss: f.acceptLoss}}); err != nil || f.leave {
		return err
	}
	return m.watch(ctx, api.SwitchDone)
}

// move shows a planned move.
type move struct {
	server     *client
	path, name string
	out, aside screen
	json       bool
	last       api.Switch // that was shown
	reported   bool       // what its steps have taken
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
	switch now.Phase {
	case api.SwitchWatches, api.SwitchDone, api.SwitchAborted:
		if len(now.Steps) > 0 && !m.reported {
			m.reported = true
			m.report(&now)
		}
	}
	return nil
}

func (m *move) print(s *api.Switch) {
	now := time.Now()
	text, p := visible(s.Detail), yellow
	switch {
	case s.Phase == api.SwitchAborted || s.Phase == api.SwitchResumesWrites || s.Status != health.Up: // what is so then is said by the server
	case s.Phase == api.SwitchLowersTTL:
		p = noPaint
		text = fmt.Sprintf("the TTL is low; the answer moves from %s to %s at %s", visible(s.From), visible(s.To), clockTime(s.Move, now))
	case s.Phase == api.SwitchWatches:
		p = noPaint
		text = fmt.Sprintf("the answer is %s; clients follow until %s", visible(s.To), clockTime(s.Settled, now))
	case s.Phase == api.SwitchDone:
		text, p = fmt.Sprintf("done: all clients have moved to %s; the name stays pinned to it until gslb unpin", visible(s.To)), green
	default:
		p = noPaint
	}
	m.out.put(p, 4, "%s  %s: %s", now.Format(time.TimeOnly), visible(zones.Plain(s.Name)), text)
}

// report prints what each step of a move has taken, and what became of it.
func (m *move) report(s *api.Switch) {
	rows := make([][]cell, 0, len(s.Steps))
	for _, step := range s.Steps {
		took := ""
		if step.Took > 0 || step.Detail != "" {
			took = time.Duration(step.Took * float64(time.Second)).Round(time.Millisecond).String()
		}
		rows = append(rows, []cell{{text: string(step.Phase)}, {text: clockTime(step.Began, time.Now())}, {text: took}, {text: step.Detail}})
	}
	m.out.table([]string{"STEP", "BEGAN", "TOOK", "WHAT BECAME OF IT"}, rows)
	if s.Stopped > 0 {
		m.out.put(noPaint, 0, "from the end of writing to its new begin: %s", time.Duration(s.Stopped*float64(time.Second)).Round(time.Millisecond))
	}
}

// watch follows the move to its end, which is to be that phase. A server that can't be reached meanwhile may be
// restarting, and goes on with the move then.
func (m *move) watch(ctx context.Context, end api.Phase) error {
	var lost time.Time
	for {
		switch m.last.Phase {
		case end:
			return nil
		case api.SwitchDone:
			return exit{1, errors.New("the move was made")}
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
