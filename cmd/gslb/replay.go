package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"gslb/alias"
	"gslb/internal/plural"
	"gslb/journal"
	"gslb/operate"
	"gslb/zones"
)

func replayCommand() *cobra.Command {
	var path string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "replay EVENTS",
		Short: "show what a configuration would have answered through a recorded incident",
		Long: `replay takes the events of an incident, and shows when a configuration would have answered
otherwise, from what to what. EVENTS is a file of events, such as events.log.2, or the
state_dir of a server, which means all of its files; "-" is the standard input.

What happened to targets is taken from the events, by the targets' ids, and so are persons'
overrides, how late the copies of the data were, and the times in which the probes were not
believed. A target that the events do not speak of counts as up. It needs no running server,
and changes nothing.`,
		Example: `  gslb replay /var/lib/gslb --config zones.toml.new
  gslb replay events.log.1 --config zones.toml --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			set, err := loadValid(path)
			if err != nil {
				return err
			}
			recording, damaged, err := record(cmd.InOrStdin(), args[0])
			if err != nil {
				return fmt.Errorf("read the events: %w", err)
			}
			replayed := recording.Replay(set, hostsOf(cmd.Context(), set))
			replayed.Damaged = damaged
			if asJSON {
				document := json.NewEncoder(cmd.OutOrStdout())
				document.SetIndent("", "  ")
				return document.Encode(replayed)
			}
			if replayed.Events == 0 {
				return fmt.Errorf("%s has no events", args[0])
			}
			printReplayed(newScreen(cmd.OutOrStdout()), replayed)
			return nil
		},
	}
	cmd.Flags().StringVar(&path, "config", defaultPath, "configuration that answers")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON document")
	return cmd
}

// record reads events from a file, a directory, or the standard input.
func record(in io.Reader, path string) (*operate.Recording, int, error) {
	recording := operate.NewRecording()
	var tooLong error
	each := func(e journal.Event) bool {
		tooLong = recording.Add(&e)
		return tooLong == nil
	}
	var damaged int
	var err error
	if path == "-" {
		damaged, err = journal.Decode(in, each)
	} else {
		damaged, err = journal.Read(path, each)
	}
	if err == nil {
		err = tooLong
	}
	return recording, damaged, err
}

// hostsOf is the addresses that the aliases of a configuration have now.
func hostsOf(ctx context.Context, set *zones.Set) *alias.Addresses {
	names := set.Aliases()
	if len(names) == 0 {
		return nil
	}
	bounded, cancel := context.WithTimeout(ctx, lookUpWait)
	defer cancel()
	return alias.NewAddresses(alias.LookUp(bounded, names, set.Server.Resolvers))
}

func printReplayed(out screen, r *operate.Replayed) {
	out.put(bold, 2, "%s from %s to %s; they speak of %d of %s, and the others count as up", plural.Of(r.Events, "event", "events"),
		replayTime(r.From), replayTime(r.To), r.Known, plural.Of(r.Targets, "target", "targets"))
	if r.Damaged > 0 {
		out.put(yellow, 2, "%s of the recording can't be read", plural.Of(r.Damaged, "line", "lines"))
	}
	fmt.Fprintln(out)
	if len(r.Changes) == 0 {
		out.put(noPaint, 2, "nothing would have been answered otherwise")
		return
	}
	rows := make([][]cell, 0, len(r.Changes))
	for i := range r.Changes {
		c := &r.Changes[i]
		from, to := c.Answered()
		who := c.Who()
		if len(c.Views) > 0 {
			who += fmt.Sprintf(" for %s", c.Views[0])
		}
		p := noPaint
		if c.LeavesNothing {
			p = red
		}
		rows = append(rows, []cell{{text: replayTime(c.At)}, {text: who}, {text: from}, {text: to, paint: p}})
	}
	out.table([]string{"TIME", "NAMES", "BEFORE", "AFTER"}, rows)
}

func replayTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }
