package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"gslb/health"
	"gslb/health/probe"
	"gslb/internal/plural"
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
			if err := makeAll(slices.Concat(set.Targets, sampled(set))); err != nil {
				return notValid(path, err)
			}
			for _, warning := range set.Warnings {
				fmt.Fprintln(cmd.ErrOrStderr(), "gslb: warning:", warning)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is valid: %s\n", path, summary(set))
			return err
		},
	}
}

// loadValid loads a configuration for a command that only looks at it.
func loadValid(path string) (*zones.Set, error) {
	set, err := config.Load(path, config.LoadOptions{Now: time.Now()})
	if err != nil {
		return nil, notValid(path, err)
	}
	return set, nil
}

// notValid is the error of a command that can't use a configuration. One that could not be read
// may be valid.
func notValid(path string, err error) error {
	if errors.Is(err, config.ErrUnreadable) {
		return err
	}
	return fmt.Errorf("%s is not valid:\n%w", path, err)
}

// makeAll makes the probe of every target. This finds errors that nothing else does, such as a file
// of certificates that cannot be read.
func makeAll(targets []health.Target) error {
	maker := newMaker(probe.Options{Commands: oneCommand})
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

func summary(set *zones.Set) string {
	names := 0
	for _, z := range set.Zones {
		names += len(z.Names)
	}
	line := fmt.Sprintf("%s, %s, %s, %s", plural.Of(len(set.Zones), "zone", "zones"), plural.Of(names, "steered name", "steered names"),
		plural.Of(len(set.Pools), "pool", "pools"), plural.Of(len(set.Targets), "target", "targets"))
	if len(set.Routes) > len(set.Steerings) {
		line += ", " + plural.Of(len(set.Routes), "route", "routes") + " by where clients are"
	}
	return line
}
