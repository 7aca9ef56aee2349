package main

import (
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"gslb/admin/api"
)

func incidentsCommand() *cobra.Command {
	var asJSON, open bool
	cmd := &cobra.Command{
		Use:   "incidents",
		Short: "show what is wrong, and what was wrong in the last day",
		Long: `incidents shows what is wrong now, each cause once and the worst first: what, since when, why,
what is answered instead, and what to do. Below it are the incidents that ended in the last
day. A pool that goes down and up again and again is one incident.`,
		Example: `  gslb incidents
  gslb incidents --open --json | jq '.incidents[] | select(.critical)'`,
		Args: cobra.NoArgs,
	}
	c := addConnection(cmd)
	cmd.Flags().BoolVar(&open, "open", false, "show only what is wrong now")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the server's JSON document")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		server, err := c.connect()
		if err != nil {
			return err
		}
		query := url.Values{}
		if open {
			query.Set("state", "open")
		}
		return show(cmd, server, asJSON, "incidents", query, printIncidents)
	}
	return cmd
}

func printIncidents(out screen, list *api.IncidentList) {
	now := time.Now()
	lasting := 0
	for i := range list.Incidents {
		in := &list.Incidents[i]
		if !in.Until.IsZero() {
			break // those that have ended come last
		}
		p := yellow
		if in.Critical {
			p = red
		}
		lasting++
		out.put(p, 2, "! %s", visible(in.Text))
		if in.Do != "" {
			out.put(noPaint, 4, "  do: %s", visible(in.Do))
		}
	}
	if lasting == 0 {
		out.put(green, 0, "nothing is wrong")
	}
	if lasting == len(list.Incidents) {
		return
	}
	out.put(noPaint, 0, "")
	var rows [][]cell
	for i := range list.Incidents[lasting:] {
		in := &list.Incidents[lasting+i]
		rows = append(rows, []cell{{clockTime(in.Since, now), noPaint}, {span(in.Until.Sub(in.Since)), noPaint}, {string(in.Kind), noPaint}, {in.Subject, noPaint}, {in.Why, noPaint}})
	}
	out.table([]string{"BEGAN", "LASTED", "KIND", "SUBJECT", "WHY"}, rows)
}
