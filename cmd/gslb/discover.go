package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"gslb/discover"
	"gslb/internal/logs"
)

// Bounds of --every. DigitalOcean allows 5,000 requests an hour.
const (
	discoverEvery   = time.Minute
	discoverFastest = 10 * time.Second
	discoverSlowest = 24 * time.Hour
)

// Where DigitalOcean's token is looked for without --token-file: by the names that Terraform and doctl use.
var digitalOceanTokens = []string{"DIGITALOCEAN_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN"}

func discoverCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "discover",
		Short: "keep files of members equal to the load balancers of a cloud",
	}
	cmd.AddCommand(discoverDigitalOceanCommand())
	return cmd
}

func discoverDigitalOceanCommand() *cobra.Command {
	var d discovery
	var tokenFile, api string
	cmd := &cobra.Command{
		Use:   "digitalocean POOL=TAG[@REGION]...",
		Short: "write the addresses of tagged load balancers into files for members_file",
		Long: `digitalocean lists the load balancers of an account, and writes for each POOL the file
POOL.members with the addresses of those that have TAG, in REGION if one is given. The pool names
the file in zones.toml:

  [pools.nyc]
  members_file = "nyc.members"

A running server takes a changed file as it takes a changed zones.toml. A load balancer has a tag
if it is tagged itself, or if it balances the droplets with that tag. Those without a public address
are left out.

Nothing is changed at DigitalOcean: the token needs the scope load_balancer:read alone. It comes
from --token-file, else from ` + strings.Join(digitalOceanTokens, " or ") + `. A file stays as it is
if the list can't be read whole, or if no load balancer is left for its pool. The exit status is
then 1, unless --watch asks again.`,
		Example: `  gslb discover digitalocean nyc=web@nyc3 ams=web@ams3 --dir /etc/gslb --token-file do.token
  gslb discover digitalocean nyc=web-nyc --watch --every 5m`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := d.accept(args); err != nil {
				return exit{2, err}
			}
			if _, err := digitalOceanToken(tokenFile); err != nil {
				return exit{2, err}
			}
			d.out, d.errors = cmd.OutOrStdout(), logs.ErrorsTo(cmd.ErrOrStderr())
			d.list = func(ctx context.Context) ([]discover.Balancer, error) {
				token, err := digitalOceanToken(tokenFile) // each time: it may be replaced while --watch runs
				if err != nil {
					return nil, err
				}
				return discover.DigitalOcean{Token: token, API: api, UserAgent: "gslb/" + version}.List(ctx)
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			if d.watching {
				d.watch(ctx)
				return nil
			}
			return d.once(ctx)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&d.dir, "dir", ".", "folder of the files, that of zones.toml")
	flags.StringVar(&tokenFile, "token-file", "", "file with the token to show to DigitalOcean")
	flags.StringVar(&api, "api", "", "URL of the API (default: DigitalOcean's own)")
	flags.BoolVar(&d.dryRun, "dry-run", false, "say what would be written, and write nothing")
	flags.BoolVar(&d.watching, "watch", false, "go on until interrupted")
	flags.DurationVar(&d.every, "every", discoverEvery, "how often --watch asks")
	cmd.MarkFlagsMutuallyExclusive("dry-run", "watch")
	return cmd
}

func digitalOceanToken(file string) (string, error) {
	if file != "" {
		return readToken(file)
	}
	for _, name := range digitalOceanTokens {
		if token := strings.TrimSpace(os.Getenv(name)); token != "" {
			if !isToken(token) {
				return "", fmt.Errorf("%s does not hold one token, which is one word", name)
			}
			return token, nil
		}
	}
	return "", fmt.Errorf("there is no token: give it by --token-file or in %s", strings.Join(digitalOceanTokens, " or "))
}

// discovery keeps the files of some pools.
type discovery struct {
	list     func(context.Context) ([]discover.Balancer, error)
	wanted   []discover.Wanted
	dir      string
	every    time.Duration
	dryRun   bool
	watching bool // what has not changed is not said

	out, errors io.Writer
}

// accept reads the arguments.
func (d *discovery) accept(args []string) error {
	if d.every < discoverFastest || d.every > discoverSlowest {
		return fmt.Errorf("--every: found %v; expected from %v to %v", d.every, discoverFastest, discoverSlowest)
	}
	seen := make(map[string]bool)
	for _, text := range args {
		w, err := discover.ParseWanted(text)
		if err != nil {
			return err
		}
		if seen[w.Pool] {
			return fmt.Errorf("pool %s is given twice", w.Pool)
		}
		seen[w.Pool] = true
		d.wanted = append(d.wanted, w)
	}
	return nil
}

// once brings the files up to date. What is wrong with one does not hold up the others.
func (d *discovery) once(ctx context.Context) error {
	all, err := d.list(ctx)
	if err != nil {
		return fmt.Errorf("%w; the files of members stay as they are", err)
	}
	var errs []error
	for _, w := range d.wanted {
		c := discover.Plan(w, d.dir, all)
		if !d.dryRun {
			c.Apply()
		}
		if c.Err != nil {
			text := ""
			if len(c.LeftOut) > 0 {
				text = " (" + visible(strings.Join(c.LeftOut, ", ")) + ")"
			}
			errs = append(errs, fmt.Errorf("%s, for %s: %w%s; the file stays as it is", c.Path, w, c.Err, text))
			continue
		}
		d.say(&c)
	}
	return errors.Join(errs...)
}

// say tells what has become of a file.
func (d *discovery) say(c *discover.Change) {
	var did []string
	for _, what := range []struct {
		word string
		list []netip.Addr
	}{{"added", c.Added}, {"removed", c.Removed}} {
		if len(what.list) > 0 {
			did = append(did, what.word+" "+textOf(what.list))
		}
	}
	if !c.Changed() {
		if !d.watching {
			fmt.Fprintf(d.out, "%s is up to date\n", c.Path)
		}
		return
	}
	if len(did) == 0 {
		did = []string{"the same addresses, with other comments"}
	}
	verb := "wrote"
	if d.dryRun {
		verb = "would write"
	}
	fmt.Fprintf(d.out, "%s %s: %s\n", verb, c.Path, strings.Join(did, "; "))
	for _, text := range c.LeftOut {
		fmt.Fprintf(d.out, "  left out: %s\n", visible(text))
	}
}

// textOf lists addresses in the order of their text.
func textOf(addresses []netip.Addr) string {
	texts := make([]string, len(addresses))
	for i, a := range addresses {
		texts[i] = a.String()
	}
	slices.Sort(texts)
	return strings.Join(texts, ", ")
}

// watch is once, again and again until ctx ends. The same trouble is said once an hour.
func (d *discovery) watch(ctx context.Context) {
	const remind = time.Hour
	var said string
	var saidAt time.Time
	for {
		trouble := ""
		if err := d.once(ctx); err != nil && ctx.Err() == nil {
			trouble = err.Error()
		}
		switch now := time.Now(); {
		case trouble == "" && said != "" && ctx.Err() == nil:
			fmt.Fprintln(d.out, "the files of members are up to date again")
			said = ""
		case trouble != "" && (trouble != said || now.Sub(saidAt) >= remind):
			fmt.Fprintln(d.errors, "gslb:", trouble)
			said, saidAt = trouble, now
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(d.every):
		}
	}
}
