package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"gslb/health"
	"gslb/health/probe"
	"gslb/internal/logs"
	"gslb/replication"
	"gslb/zones"
	"gslb/zones/config"
)

func checkCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check [zones.toml]",
		Short: "validate a configuration and list every error in it",
		Long: `check reads a configuration as serve would, and lists every error in it, a line each.
It exits with status 0 if serve would take the configuration, 1 if not, and 2 if zones.toml
can't be read. It warns of what is valid, but probably a mistake. Nothing is probed and
nothing is changed.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := pathOf(args)
			set, err := loadValid(path)
			if err != nil {
				return err
			}
			if err := makeAll(slices.Concat(set.Targets, set.AliasTargets())); err != nil {
				return config.NotValid(path, err)
			}
			for _, warning := range set.Warnings {
				fmt.Fprintln(logs.WarningsTo(cmd.ErrOrStderr()), "gslb: warning:", warning)
			}
			_, err = fmt.Fprintf(logs.InfoTo(cmd.OutOrStdout()), "%s is valid: %s\n", path, set)
			return err
		},
	}
}

// loadValid loads a configuration for a command that only looks at it.
func loadValid(path string) (*zones.Set, error) {
	set, err := config.Load(path, config.LoadOptions{Now: time.Now()})
	if err != nil {
		return nil, config.NotValid(path, err)
	}
	return set, nil
}

// newMaker makes what makes the probes of a command. What their heartbeats find is told to nobody.
func newMaker() health.Maker {
	return probe.New(probe.Options{
		Commands:   func() int { return 1 },
		Heartbeats: replication.NewBook(replication.Options{}),
	})
}

// makeAll makes the probe of every target. This finds errors that nothing else does, such as a file
// of certificates that cannot be read.
func makeAll(targets []health.Target) error {
	maker := newMaker()
	var errs []error
	for _, target := range targets {
		if target.IsCalculated() {
			continue
		}
		if _, err := maker(target); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
