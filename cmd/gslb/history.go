package main

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gslb/admin/api"
	"gslb/health"
	"gslb/history"
)

func historyCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "history [POOL]",
		Short: "show when pools were down, and how fast their probes are",
		Long: `history shows what has become of each pool: for how long it was down in the last 24 hours
and 30 days, and how often it turned between up and down; in LAST 24 HOURS each sign is an hour:

  .   not down                 x   down for a part of it
  X   down half of it or more  ?   not known for half of it or more, as while no server ran

P50 and P99 are how long the probes took that passed in the last five minutes, and FAILED is
the part of all that failed. With POOL it shows each time in which that pool was not up.`,
		Example: `  gslb history
  gslb history nyc
  gslb history --json | jq '.history[] | {pool, up: .last_30d.up}'`,
		Args: cobra.MaximumNArgs(1),
	}
	c := addConnection(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the server's JSON document")
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return c.completePool(cmd, prefix)
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		server, err := c.connect()
		if err != nil {
			return err
		}
		query := url.Values{}
		if len(args) > 0 {
			query.Set("pool", args[0])
		}
		var list api.HistoryList
		document, err := server.get(cmd.Context(), "history", query, &list)
		if err != nil {
			return err
		}
		if len(args) > 0 && len(list.History) == 0 {
			return fmt.Errorf("there is no pool %q: gslb history lists those there are", args[0])
		}
		if asJSON {
			_, err := cmd.OutOrStdout().Write(document)
			return err
		}
		out := newScreen(cmd.OutOrStdout())
		printHistory(out, &list)
		if len(args) > 0 {
			printSlots(out, &list.History[0])
		}
		return nil
	}
	return cmd
}

func printHistory(out screen, list *api.HistoryList) {
	var rows [][]cell
	for i := range list.History {
		h := &list.History[i]
		failed := "-"
		if h.Failed != nil {
			failed = fmt.Sprintf("%.3g%%", 100**h.Failed)
		}
		rows = append(rows, []cell{
			{h.Pool, statusPaint(h.Status, false)}, {hours(h), noPaint}, {downText(h.Day), noPaint}, {downText(h.Month), noPaint},
			{latencyText(h.P50), noPaint}, {latencyText(h.P99), noPaint}, {failed, noPaint},
		})
	}
	out.table([]string{"POOL", "LAST 24 HOURS", "DOWN 24H", "DOWN 30D", "P50", "P99", "FAILED"}, rows)
	if more := list.Total - list.Offset - len(rows); more > 0 {
		out.put(noPaint, 0, "and %d more", more)
	}
}

// hours is a sign for each of the last 24 hours, of which the last goes on.
func hours(h *api.History) string {
	var down, unknown [24]float64
	for _, slot := range h.Slots {
		hour := int(slot.Start.Sub(h.From) / time.Hour)
		if hour >= 0 && hour < len(down) {
			down[hour] += slot.Down
			unknown[hour] += slot.Unknown
		}
	}
	const half = 1800
	var b strings.Builder
	for i := range down {
		sign := byte('.')
		switch {
		case down[i] >= half:
			sign = 'X'
		case down[i] > 0:
			sign = 'x'
		case unknown[i] >= half:
			sign = '?'
		}
		b.WriteByte(sign)
	}
	return b.String()
}

// downText is how long a pool was down, as far as that is known.
func downText(d api.Downtime) string {
	if d.Known == 0 {
		return "?"
	}
	return lastedText(d.Down)
}

func latencyText(seconds *float64) string {
	if seconds == nil {
		return "-"
	}
	took := time.Duration(*seconds * float64(time.Second))
	switch {
	case took >= 10*time.Second:
		return took.Round(100 * time.Millisecond).String()
	case took >= 10*time.Millisecond:
		return took.Round(time.Millisecond).String()
	}
	return took.Round(10 * time.Microsecond).String()
}

// printSlots lists the times in which a pool was not up, those that follow each other together.
func printSlots(out screen, h *api.History) {
	now := time.Now()
	fmt.Fprintln(out)
	if len(h.Slots) == 0 {
		out.put(noPaint, 0, "up all the time since %s", clockTime(h.From, now))
		return
	}
	var rows [][]cell
	for first := 0; first < len(h.Slots); {
		next := first + 1
		for next < len(h.Slots) && h.Slots[next].Start.Equal(h.Slots[next-1].Start.Add(history.SlotTime)) {
			next++
		}
		sum := api.HistorySlot{Start: h.Slots[first].Start}
		for _, slot := range h.Slots[first:next] {
			sum.Down, sum.Unknown, sum.Turns = sum.Down+slot.Down, sum.Unknown+slot.Unknown, sum.Turns+slot.Turns
		}
		end := h.Slots[next-1].Start.Add(history.SlotTime)
		until := clockTime(end, now)
		if end.After(now) {
			until = "now"
		}
		status := statusPaint(health.Down, false)
		if sum.Down == 0 {
			status = noPaint
		}
		rows = append(rows, []cell{
			{clockTime(sum.Start, now), noPaint}, {until, noPaint}, {lastedText(sum.Down), status}, {lastedText(sum.Unknown), noPaint}, {fmt.Sprint(sum.Turns), noPaint},
		})
		first = next
	}
	out.table([]string{"FROM", "TO", "DOWN", "UNKNOWN", "TURNS"}, rows)
}

func lastedText(seconds float64) string {
	switch {
	case seconds == 0:
		return "-"
	case seconds < 1:
		return "<1s"
	}
	return span(time.Duration(seconds * float64(time.Second)))
}
