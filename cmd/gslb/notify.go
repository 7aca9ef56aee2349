package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"

	"gslb/admin/api"
	notices "gslb/notify"
	"gslb/operate"
	"gslb/zones/config"
)

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
		return config.NotValid(path, err)
	}
	notices.BoundDefaultClient()
	host, _ := os.Hostname()
	results, err := notices.Test(cmd.Context(), set.Notify, target, host)
	if err != nil {
		return err
	}
	result, err := operate.NotifyTestResult(target, results)
	if err != nil {
		return err
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
