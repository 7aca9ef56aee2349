package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"gslb/admin/api"
	"gslb/incident"
	notices "gslb/notify"
	"gslb/state"
	"gslb/zones"
	"gslb/zones/config"
)

// openNotifier makes what tells people of incidents. An error is one of the configuration.
func (p *program) openNotifier(set *zones.Set, store *state.Store, registry *prometheus.Registry) (err error) {
	host, _ := os.Hostname()
	p.notifier, err = notices.New(notices.Options{
		Settings: set.Notify, Incidents: func() []incident.Incident { return p.incidents.Announced() }, Dir: store.Dir(), Hold: store.Held, Host: host, Logger: p.logger, Registerer: registry,
	})
	return err
}

// untold is the targets that messages do not reach.
func (p *program) untold() []incident.Fault {
	var faults []incident.Fault
	for _, r := range p.notifier.Reports() {
		if !r.Broken(time.Now()) {
			continue
		}
		faults = append(faults, incident.Fault{
			Kind: incident.Notifying, Subject: r.Name, Since: r.Failing,
			What: fmt.Sprintf("Messages don't reach %s (%s)", r.Name, r.Kind), Why: r.Why,
			Do:   fmt.Sprintf("see whether %s takes messages; gslb notify test %s sends one", r.Name, r.Name),
			Over: fmt.Sprintf("Messages reach %s again", r.Name),
		})
	}
	return faults
}

// notifications is the admin.Notifier.
type notifications struct {
	notifier *notices.Notifier
	logger   *slog.Logger
	testing  sync.Mutex // one test at a time
}

// Targets implements admin.Notifier.
func (n *notifications) Targets() *api.NotifyList {
	list := &api.NotifyList{Targets: []api.NotifyTarget{}}
	for _, r := range n.notifier.Reports() {
		list.Targets = append(list.Targets, api.NotifyTarget{
			Name: r.Name, Kind: r.Kind, Failing: r.Failing, Tries: r.Tries, Why: r.Why, Waiting: r.Waiting, Sent: r.Sent, Failed: r.Failed, Dropped: r.Dropped, LastSent: r.Last,
		})
	}
	return list
}

// Test implements admin.Notifier.
func (n *notifications) Test(ctx context.Context, by string, r *api.NotifyTestRequest) (*api.NotifyTestResult, error) {
	if !n.testing.TryLock() {
		return nil, api.NewProblem(api.Conflict, "another test is under way: wait for its end")
	}
	defer n.testing.Unlock()
	result := tried(n.notifier.Test(ctx, r.Target))
	if len(result.Targets) == 0 {
		return nil, noTarget(r.Target)
	}
	n.logger.Info("a test was sent to those who are told of incidents", "by", by, "targets", len(result.Targets))
	return result, nil
}

func noTarget(name string) error {
	if name == "" {
		return api.NewProblem(api.NotFound, "there is no target: nobody is told of incidents; add one to [notify.targets] of zones.toml")
	}
	return api.NewProblem(api.NotFound, "there is no target %q: gslb notify list shows those there are", name)
}

func tried(results []notices.Tried) *api.NotifyTestResult {
	result := &api.NotifyTestResult{Targets: []api.NotifyTried{}}
	for _, t := range results {
		made := api.NotifyTried{Name: t.Name, Kind: t.Kind, Sent: t.Err == nil}
		if t.Err != nil {
			made.Error = t.Err.Error()
		}
		result.Targets = append(result.Targets, made)
	}
	return result
}

func notifyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "notify",
		Short: "show who is told of incidents, and send a test",
	}
	cmd.AddCommand(notifyListCommand(), notifyTestCommand())
	return cmd
}

func notifyListCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "show who is told of incidents, and whether messages arrive",
		Long: `list shows the targets of [notify] in zones.toml: how each is told, whether messages arrive,
and how many incidents wait to be told.`,
		Args: cobra.NoArgs,
	}
	c := addConnection(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the server's JSON document")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		server, err := c.connect()
		if err != nil {
			return err
		}
		return show(cmd, server, asJSON, "notify", url.Values{}, printNotifyList)
	}
	return cmd
}

func printNotifyList(out screen, list *api.NotifyList) {
	now := time.Now()
	if len(list.Targets) == 0 {
		out.put(noPaint, 0, "nobody is told of incidents: there is no target in [notify.targets] of zones.toml")
		return
	}
	var rows [][]cell
	for _, t := range list.Targets {
		state := cell{"ready", noPaint} // nothing was to be said yet
		switch {
		case !t.Failing.IsZero():
			state = cell{"failing since " + clockTime(t.Failing, now) + ": " + t.Why, red}
		case t.Sent > 0:
			state = cell{"arrives", green}
		}
		last := "-"
		if !t.LastSent.IsZero() {
			last = clockTime(t.LastSent, now)
		}
		rows = append(rows, []cell{{t.Name, noPaint}, {t.Kind, noPaint}, {fmt.Sprint(t.Sent), noPaint}, {last, noPaint}, {fmt.Sprint(t.Waiting), noPaint}, state})
	}
	out.table([]string{"TARGET", "KIND", "SENT", "LAST", "WAITING", "STATE"}, rows)
}

func notifyTestCommand() *cobra.Command {
	var asJSON bool
	var offline string
	cmd := &cobra.Command{
		Use:   "test [TARGET]",
		Short: "send a message that is about nothing, to one target or to all",
		Long: `test has the server send a message, marked as a test, to TARGET or to all targets of [notify],
whatever they are told otherwise and at what time. A pager rings. With --offline the message is
sent from here, by the targets of a zones.toml, and no server is needed. The exit status is 1 if
a message was not taken.`,
		Example: `  gslb notify test
  gslb notify test oncall
  gslb notify test --offline /etc/gslb/zones.toml`,
		Args: cobra.MaximumNArgs(1),
	}
	c := addConnection(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the JSON document")
	cmd.Flags().StringVar(&offline, "offline", "", "zones.toml whose targets are told from here")
	cmd.MarkFlagsMutuallyExclusive("offline", "socket")
	cmd.MarkFlagsMutuallyExclusive("offline", "server")
	cmd.MarkFlagsMutuallyExclusive("offline", "json")
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return c.completeTarget(cmd)
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		asked := &api.NotifyTestRequest{}
		if len(args) > 0 {
			asked.Target = args[0]
		}
		if offline != "" {
			return testOffline(cmd, offline, asked.Target, asJSON)
		}
		server, err := c.connect()
		if err != nil {
			return err
		}
		result := &api.NotifyTestResult{}
		document, err := server.do(cmd.Context(), call{method: http.MethodPost, path: "notify/test", body: asked, into: result}, testWait)
		if err != nil {
			return err
		}
		return sayTried(cmd, result, document, asJSON)
	}
	return cmd
}

// testOffline sends a test from here.
func testOffline(cmd *cobra.Command, path, target string, asJSON bool) error {
	set, err := config.Load(path, config.LoadOptions{Now: time.Now(), Serving: true})
	if err != nil {
		return notValid(path, err)
	}
	notices.BoundDefaultClient()
	host, _ := os.Hostname()
	results, err := notices.Test(cmd.Context(), set.Notify, target, host)
	if err != nil {
		return err
	}
	result := tried(results)
	if len(result.Targets) == 0 {
		return noTarget(target)
	}
	document, err := json.MarshalIndent(result, "", "  ")
	if err != nil {
		return err
	}
	return sayTried(cmd, result, append(document, '\n'), asJSON)
}

// testWait is a little more than the server takes for it.
const testWait = 30 * time.Second

// sayTried prints what became of a test. It is an error if a message was not taken.
func sayTried(cmd *cobra.Command, result *api.NotifyTestResult, document []byte, asJSON bool) error {
	missed := 0
	out := newScreen(cmd.OutOrStdout())
	for _, t := range result.Targets {
		if !t.Sent {
			missed++
		}
		switch {
		case asJSON:
		case t.Sent:
			out.put(green, 0, "%s (%s): the message was taken", t.Name, t.Kind)
		default:
			out.put(red, 0, "%s (%s): the message was not taken: %s", t.Name, t.Kind, visible(t.Error))
		}
	}
	if asJSON {
		if _, err := cmd.OutOrStdout().Write(document); err != nil {
			return err
		}
	}
	if missed > 0 {
		return exit{1, fmt.Errorf("%d of %d messages were not taken", missed, len(result.Targets))}
	}
	return nil
}

// completeTarget offers the names of targets.
func (c *connection) completeTarget(cmd *cobra.Command) ([]string, cobra.ShellCompDirective) {
	return complete(c, cmd, "notify", nil, func(list *api.NotifyList) []string {
		var words []string
		for _, t := range list.Targets {
			words = append(words, t.Name)
		}
		return words
	})
}
