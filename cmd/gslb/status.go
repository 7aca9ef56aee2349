package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gslb/admin/api"
	"gslb/health"
	"gslb/internal/plural"
	"gslb/zones"
)

// watchEvery is how often a status that is watched is asked for.
const watchEvery = 2 * time.Second

// mostRows is how many names, pools and overrides a status lists. With more, only those are listed that
// need a person.
const mostRows = 20

func statusCommand() *cobra.Command {
	var watch, exitCode, asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "show what a running server answers, and what is wrong",
		Long: `status shows what a running server answers and why: what is wrong first, then rules that hold
something, overrides, names and pools. Of more than ` + strconv.Itoa(mostRows) + ` names or pools it lists those that are not as
they should be; "gslb explain NAME" has all about one.

With --exit-code the exit status says how things are:

  0   every name is answered with its preferred pools
  1   a name is not, or the server is not ready
  2   a name has nothing left: what it answers is a guess, by when_all_down
  3   no server was reached`,
		Example: `  gslb status
  gslb status --watch
  gslb status --exit-code --json > status.json || page-somebody`,
		Args: cobra.NoArgs,
	}
	c := addConnection(cmd)
	cmd.Flags().BoolVar(&watch, "watch", false, "show it again every "+span(watchEvery)+", until interrupted")
	cmd.Flags().BoolVar(&exitCode, "exit-code", false, "say by the exit status how things are")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the server's JSON document")
	cmd.MarkFlagsMutuallyExclusive("watch", "exit-code")
	// Of a script that misspells a flag, no exit status may read as "a name has nothing left".
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return exit{statusUnreachable, explainFlag(cmd, err)} })
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		server, err := c.connect()
		if err != nil {
			return unknown(exitCode, err)
		}
		out := newScreen(cmd.OutOrStdout())
		var s serverState
		switch {
		case watch:
			return watchStatus(cmd.Context(), server, out, asJSON)
		case asJSON && !exitCode:
			return show[api.Status](cmd, server, true, "status", nil, nil)
		}
		if err := s.read(cmd.Context(), server, !asJSON); err != nil {
			return unknown(exitCode, err)
		}
		if asJSON {
			_, err = out.Write(s.document)
		} else {
			s.print(out)
		}
		if err == nil && exitCode {
			err = standing(&s.status)
		}
		return err
	}
	return cmd
}

// unknown makes every error of a status that was asked for by its exit status one of "not reached".
func unknown(exitCode bool, err error) error {
	if exitCode {
		return exit{statusUnreachable, err}
	}
	return err
}

// standing is the exit status of gslb status --exit-code.
//
//	some name has nothing left             2
//	no reply is given yet                  1
//	some name is not answered as wanted    1
//	all names are                          0
func standing(s *api.Status) error {
	for mode, names := range s.Summary.Names.Modes {
		if mode.IsEmergency() && names > 0 {
			return exit{2, nil}
		}
	}
	if !s.Ready || s.Summary.Names.Preferred < s.Summary.Names.Total {
		return exit{1, nil}
	}
	return nil
}

// watchStatus shows the status again and again. A server that can't be reached meanwhile may be restarting.
func watchStatus(ctx context.Context, server *client, out screen, asJSON bool) error {
	for first := true; ; first = false {
		var s serverState
		err := s.read(ctx, server, !asJSON)
		if first && err != nil {
			return err
		}
		switch {
		case asJSON && err == nil:
			if _, err := out.Write(s.document); err != nil {
				return err
			}
		case asJSON:
		default:
			if out.terminal {
				fmt.Fprint(out, "\x1b[H\x1b[2J")
			} else if !first {
				fmt.Fprintln(out)
			}
			if err != nil {
				out.put(red, 2, "! %s: %s", time.Now().Format(time.TimeOnly), visible(err.Error()))
			} else {
				s.print(out)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(watchEvery):
		}
	}
}

// serverState is what a status shows.
type serverState struct {
	document  []byte // of the API, as it came
	status    api.Status
	names     api.NameList
	pools     api.PoolList
	overrides api.OverrideList
}

// read asks the server for all of it or, if lists are not wanted, for the status alone.
func (s *serverState) read(ctx context.Context, server *client, lists bool) (err error) {
	if s.document, err = server.get(ctx, "status", nil, &s.status); err != nil || !lists {
		return err
	}
	query := func(total int, troubled string) url.Values {
		q := url.Values{"limit": {strconv.Itoa(mostRows)}}
		if total > mostRows {
			q.Set("state", troubled)
		}
		return q
	}
	if _, err = server.get(ctx, "names", query(s.status.Summary.Names.Total, "not_preferred"), &s.names); err != nil {
		return err
	}
	if _, err = server.get(ctx, "pools", query(s.status.Summary.Pools.Total, "down"), &s.pools); err != nil {
		return err
	}
	_, err = server.get(ctx, "overrides", nil, &s.overrides)
	if r := new(refused); errors.As(err, r) && r.Type == api.Unavailable {
		return nil // this server takes no commands
	}
	return err
}

func (s *serverState) print(out screen) {
	st, now := &s.status, time.Now()
	ready, paint := "ready", green
	if !st.Ready {
		ready, paint = "NOT READY", red
	}
	out.put(paint, 2, "gslb %s on %s, up %s: %s", visible(st.Version), visible(cmp.Or(st.Host, "this host")), span(now.Sub(st.Started)), ready)
	for _, line := range st.Waiting {
		out.put(yellow, 4, "  waits for %s", visible(line))
	}
	if st.Config.Hash != "" {
		out.put(noPaint, 2, "configuration %s of %s, since %s", st.Config.Hash[:min(len(st.Config.Hash), 12)], visible(st.Config.Path), clockTime(st.Config.Loaded, now))
	}
	untold := s.untold()
	for _, trouble := range st.Problems { // what is held, and what waits, is among them
		p := yellow
		if slices.ContainsFunc(untold.Overrides, func(o api.Override) bool { return o.ID == trouble.Override }) {
			continue // its row is below
		}
		if trouble.Critical {
			p = red
		}
		out.put(p, 2, "! %s", visible(trouble.Text))
	}
	s.printCounts(out)
	s.printNames(out, now)
	s.printPools(out, now)
	for i := range st.Replications {
		printReplication(out, &st.Replications[i], now)
	}
	if len(untold.Overrides) > 0 {
		fmt.Fprintln(out)
		printOverrides(out, &untold)
	}
}

// untold is the overrides that no incident tells, such as pins: a table of their own says more of them than a line.
// What is wrong with all of them is among the problems.
func (s *serverState) untold() api.OverrideList {
	told := make(map[string]bool)
	for _, t := range s.status.Problems {
		if t.Incident != "" {
			told[t.Override] = true
		}
	}
	list := api.OverrideList{Overrides: slices.DeleteFunc(slices.Clone(s.overrides.Overrides), func(o api.Override) bool { return told[o.ID] }), Kept: true}
	list.Total = s.overrides.Total - (len(s.overrides.Overrides) - len(list.Overrides))
	return list
}

func (s *serverState) printCounts(out screen) {
	sum := &s.status.Summary
	states := func(c api.StatusCounts) string {
		text := fmt.Sprintf("%d up", c.Up)
		for _, n := range []struct {
			count int
			word  string
		}{{c.Down, "down"}, {c.Unknown, "unknown"}, {c.Stale, "stale"}} {
			if n.count > 0 {
				text += fmt.Sprintf(", %d %s", n.count, n.word)
			}
		}
		return text
	}
	out.put(noPaint, 2, "%s: %d preferred · %s: %s · %s: %s", plural.Of(sum.Names.Total, "name", "names"), sum.Names.Preferred,
		plural.Of(sum.Pools.StatusCounts.Total, "pool", "pools"), states(sum.Pools.StatusCounts), plural.Of(sum.Targets.Total, "target", "targets"), states(sum.Targets.StatusCounts))
}

func (s *serverState) printNames(out screen, now time.Time) {
	if len(s.names.Names) == 0 {
		return
	}
	fmt.Fprintln(out)
	var rows [][]cell
	for i := range s.names.Names {
		n := &s.names.Names[i]
		p, mode := noPaint, string(n.Mode)
		switch {
		case n.Mode.IsEmergency():
			p = red
		case n.Mode != "normal" || n.Stale:
			p = yellow
		}
		for _, h := range n.Held {
			if rule := ", " + h.Rule; !strings.Contains(mode+",", rule+",") {
				mode += rule
			}
		}
		if n.Stale {
			mode += ", stale"
		}
		if !n.Revisit.IsZero() {
			mode += ", until " + clockTime(n.Revisit, now)
		}
		prefers := n.PreferredPool
		if prefers == n.Pool {
			prefers = ""
		}
		rows = append(rows, []cell{{zones.Plain(n.Name), noPaint}, {cmp.Or(n.Pool, "nothing"), p}, {prefers, noPaint}, {mode, p}, {seconds(n.TTL), noPaint}})
	}
	out.table([]string{"NAME", "ANSWERS", "PREFERS", "MODE", "TTL"}, rows)
	if more := s.names.Total - len(rows); more > 0 {
		out.put(noPaint, 0, "and %d more", more)
	}
}

func (s *serverState) printPools(out screen, now time.Time) {
	if len(s.pools.Pools) == 0 {
		return
	}
	fmt.Fprintln(out)
	var rows [][]cell
	for i := range s.pools.Pools {
		p := &s.pools.Pools[i]
		status := p.Status.String()
		if p.Drain != nil {
			status += ", drained"
		}
		if p.Force != nil {
			status += ", forced (probes: " + p.Probed.String() + ")"
		}
		if p.Turning {
			status += ", turning"
		}
		if p.Stale {
			status += ", stale"
		}
		if !p.Degraded.IsZero() {
			status += ", degraded"
		}
		since := "-"
		if !p.Since.IsZero() {
			since = span(now.Sub(p.Since))
		}
		rows = append(rows, []cell{{p.Name, noPaint}, {p.Region, noPaint}, {status, statusPaint(p.Status, p.Drain != nil || p.Force != nil)}, {since, noPaint}, {p.Why, noPaint}})
	}
	out.table([]string{"POOL", "REGION", "STATUS", "FOR", "WHY"}, rows)
	if more := s.pools.Total - len(rows); more > 0 {
		out.put(noPaint, 0, "and %d more", more)
	}
}

// printReplication shows how far the copies of a table are behind each other: a row for each region, with what
// arrives in it from the others.
func printReplication(out screen, r *api.Replication, now time.Time) {
	fmt.Fprintln(out)
	out.put(noPaint, 0, "replication %s of %s, at most %s", visible(r.Name), visible(r.Table), seconds(r.MaxLag))
	var rows [][]cell
	for _, c := range r.Regions {
		text, p := c.Condition, green
		switch {
		case c.Degraded:
			p = red
			if c.Condition != "behind" && c.Condition != "cut off" && c.Condition != "unread" {
				text += ", degraded"
			}
		case c.Condition != "current":
			p = yellow
		}
		since := "-"
		if !c.Since.IsZero() {
			since = span(now.Sub(c.Since))
		}
		var lags []string
		for _, l := range r.Lags {
			if l.To != c.Region {
				continue
			}
			lag := "?"
			if l.Lag != nil {
				lag = seconds(math.Round(*l.Lag))
			}
			lags = append(lags, l.From+" "+lag)
		}
		why := c.Why
		if c.Failing != "" {
			why = strings.TrimSuffix(c.Failing+" fails: "+why, ": ")
		}
		rows = append(rows, []cell{{c.Region, noPaint}, {strings.Join(c.Pools, ", "), noPaint}, {text, p}, {since, noPaint}, {strings.Join(lags, ", "), noPaint}, {why, noPaint}})
	}
	out.table([]string{"REGION", "POOLS", "COPY", "FOR", "BEHIND", "WHY"}, rows)
}

func statusPaint(status health.Status, overridden bool) paint {
	switch {
	case overridden:
		return yellow
	case status == health.Up:
		return green
	case status == health.Down:
		return red
	}
	return yellow
}

// holdText says by which rule something is held.
func holdText(h *api.Hold, now time.Time) string {
	text := "held by rule " + visible(h.Rule)
	if h.Pool != "" {
		text += ": pool " + visible(h.Pool)
	}
	if !h.Since.IsZero() {
		text += ", since " + clockTime(h.Since, now)
	}
	if !h.Until.IsZero() {
		text += ", until " + clockTime(h.Until, now)
	}
	return text + because(h.Why)
}
