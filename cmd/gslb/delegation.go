package main

import (
	"fmt"
	"io"

	"github.com/miekg/dns"
	"github.com/spf13/cobra"

	"gslb/zones"
)

func delegationCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "delegation [zones.toml]",
		Short: "print the NS and glue records that the parent zones need",
		Long: `delegation prints, for every zone of a configuration, the records to put into its parent
zone so that resolvers find this server: the NS records, and the addresses of those name
servers whose names lie in the zone (glue). The lines are in master-file form.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			set, err := loadValid(pathOf(args))
			if err != nil {
				return err
			}
			return printDelegations(cmd.OutOrStdout(), set)
		},
	}
}

func printDelegations(w io.Writer, set *zones.Set) error {
	for i, z := range set.Zones {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "; to be put into the parent zone of %s\n", z.Name)
		for _, rr := range delegation(z) {
			if _, err := fmt.Fprintln(w, rr); err != nil {
				return err
			}
		}
	}
	return nil
}

// delegation is the zone's NS records, and the addresses of the servers named in them as
// far as they lie in the zone.
func delegation(z *zones.Zone) []dns.RR {
	var records []dns.RR
	hosts := make(map[string]bool)
	for rr := range z.Data.RRs() {
		if ns, ok := rr.(*dns.NS); ok && dns.CanonicalName(ns.Hdr.Name) == z.Name {
			records = append(records, ns)
			hosts[dns.CanonicalName(ns.Ns)] = true
		}
	}
	for rr := range z.Data.RRs() {
		rtype := rr.Header().Rrtype
		if (rtype == dns.TypeA || rtype == dns.TypeAAAA) && hosts[dns.CanonicalName(rr.Header().Name)] {
			records = append(records, rr)
		}
	}
	return records
}
