package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gslb/admin/api"
	"gslb/zones"
)

// word is a command by which a person overrides the probes: what all of them have in common.
type word struct {
	*connection
	reason, lasts string
	force, yes    bool
	json          bool
}

// addWord adds the flags of such a command. Those that end an override have no time and no force.
func addWord(cmd *cobra.Command, begins bool) *word {
	w := &word{connection: addConnection(cmd)}
	flags := cmd.Flags()
	if begins {
		flags.StringVar(&w.reason, "reason", "", "why, in one line, for those who find it later (needed)")
		flags.StringVar(&w.lasts, "for", "", `how long: 30m, 2h, 1d, or "forever" (asked for on a terminal)`)
	} else {
		flags.StringVar(&w.reason, "reason", "", "why, in one line")
	}
	flags.BoolVar(&w.yes, "yes", false, "do it without asking")
	flags.BoolVar(&w.json, "json", false, "print the server's JSON document")
	return w
}

func drainCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "drain POOL[/MEMBER]",
		Short: "take a pool or one of its addresses out of all answers",
		Long: `drain takes a pool, or one of its addresses, out of all answers, whatever the probes say. Its
checks go on and are shown; "gslb undrain" puts it back. First it shows what will be answered
instead, and on a terminal it asks whether to go on. It is refused if a name would be left with
nothing, unless --force is given: then its when_all_down decides. Without --for it lasts until
somebody ends it.`,
		Example: `  gslb drain nyc --for 2h --reason "new load balancer"
  gslb drain nyc/203.0.113.10 --for 30m --reason "kernel update"`,
		Args: cobra.ExactArgs(1),
	}
	w := addWord(cmd, true)
	cmd.Flags().BoolVar(&w.force, "force", false, "also if a name is left with nothing")
	cmd.ValidArgsFunction = w.completePools
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return w.put(cmd, &api.OverrideRequest{Kind: "drain", Force: w.force}, args[0])
	}
	return cmd
}

func forceCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "force up|down POOL[/MEMBER]",
		Short: "hold the status of a pool or address, whatever the probes say",
		Long: `force holds the status of a pool, or of one of its addresses, whatever the probes say, until
"gslb unforce" or the end of --for. First it shows what will be answered otherwise.

With "up", clients are sent to a place that the probes may know to be dead: prefer to mend
the check.`,
		Example: `  gslb force down ams --for 1h --reason "the probes do not see that checkout fails"
  gslb force up nyc --for 10m --reason "the check's certificate has expired, the site works"`,
		Args: cobra.ExactArgs(2),
	}
	w := addWord(cmd, true)
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return []string{"up", "down"}, cobra.ShellCompDirectiveNoFileComp
		}
		return w.completePools(cmd, args[1:], prefix)
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if args[0] != "up" && args[0] != "down" {
			return exit{2, fmt.Errorf("%q is neither up nor down", args[0])}
		}
		return w.put(cmd, &api.OverrideRequest{Kind: "force", Status: args[0]}, args[1])
	}
	return cmd
}

func pinCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pin NAME POOL",
		Short: "have one name answer with one of its pools",
		Long: `pin has a name answer with one of its pools for as long as that is usable or, with --force,
whatever it is. Other names are not touched. "gslb unpin" ends it, and so does the end of --for.
It is the strongest word: a pool that is drained may be pinned. First it shows what will be
answered otherwise. To move a name without breaking clients that have the old answer, see
"gslb switch".`,
		Example: `  gslb pin app.gslb.example.com ams --for 1h --reason "load test in nyc"`,
		Args:    cobra.ExactArgs(2),
	}
	w := addWord(cmd, true)
	cmd.Flags().BoolVar(&w.force, "force", false, "also while the pool is not usable")
	cmd.ValidArgsFunction = w.completeNameAndPool
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return w.put(cmd, &api.OverrideRequest{Kind: "pin", Name: args[0], Force: w.force}, args[1])
	}
	return cmd
}

// endCommands are the commands that end what those above have begun.
func endCommands() []*cobra.Command {
	var commands []*cobra.Command
	const each = " What was\nsaid of a pool and what was said of one of its addresses end each by itself."
	for _, end := range []struct{ use, kind, what, more string }{
		{"undrain POOL[/MEMBER]", "drain", "put back what was drained", each},
		{"unforce POOL[/MEMBER]", "force", "let the probes decide again", each},
		{"unpin NAME", "pin", "let a pinned name choose its pool again", ""},
	} {
		verb, _, _ := strings.Cut(end.use, " ")
		cmd := &cobra.Command{
			Use:   end.use,
			Short: end.what,
			Long:  fmt.Sprintf(`%s ends what "gslb %s" has begun. First it shows what will be answered otherwise.`, verb, end.kind) + end.more,
			Args:  cobra.ExactArgs(1),
		}
		w := addWord(cmd, false)
		cmd.ValidArgsFunction = w.completeOverrides(end.kind)
		cmd.RunE = func(cmd *cobra.Command, args []string) error { return w.remove(cmd, end.kind, args[0]) }
		commands = append(commands, cmd)
	}
	return commands
}

func clearCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "clear --all",
		Short: "end all drains, forces and pins",
		Long: `clear --all ends every drain, force, pin and planned move, so that the probes decide everything
again. First it shows what will be answered otherwise. "gslb overrides" lists what there is.`,
		Args: cobra.NoArgs,
	}
	w := addWord(cmd, false)
	cmd.Flags().BoolVar(&all, "all", false, "end all of them (needed)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if !all {
			return exit{2, errors.New(`say --all to end all overrides; "gslb overrides" lists them, and undrain, unforce and unpin end one`)}
		}
		person := personAt(cmd)
		defer person.leave()
		return w.carryOut(cmd, person, call{method: http.MethodDelete, path: "overrides", query: url.Values{"all": {"true"}}}, "no override is in force any more",
			func(preview bool) any { return &api.RemoveRequest{Reason: w.reason, Preview: preview} })
	}
	return cmd
}

// put makes an override.
func (w *word) put(cmd *cobra.Command, r *api.OverrideRequest, subject string) error {
	r.Pool = subject
	if r.Kind != "pin" {
		r.Pool, r.Member, _ = strings.Cut(subject, "/")
		if r.Pool == "" || strings.HasSuffix(subject, "/") {
			return exit{2, fmt.Errorf("%q is neither POOL nor POOL/MEMBER, such as nyc/203.0.113.10", subject)}
		}
	}
	person := personAt(cmd)
	defer person.leave()
	var err error
	if w.reason, err = person.reason(w.reason); err != nil {
		return err
	}
	if w.lasts == "" && cmd.Flags().Changed("for") { // of a script whose variable is empty
		return exit{2, errors.New(`--for: it is empty; say a time such as 30m, 2h or 1d, or "forever"`)}
	}
	if w.lasts == "" && person.there() {
		if w.lasts = person.ask(`for how long? 30m, 2h, 1d, or "forever": `); w.lasts == "" {
			return exit{2, errors.New("nothing was done: it takes a time, or the word forever")}
		}
	}
	lasts, err := lasting(w.lasts)
	if err != nil {
		return exit{2, err}
	}
	r.Reason, r.For = w.reason, lasts
	what := subject + " is " + participle(r.Kind)
	switch r.Kind {
	case "force":
		what += " " + r.Status
	case "pin":
		what = zones.Plain(r.Name) + " is pinned to " + subject
	}
	return w.carryOut(cmd, person, call{method: http.MethodPost, path: "overrides"}, what, func(preview bool) any {
		request := *r
		request.Preview = preview
		return &request
	})
}

// remove ends an override.
func (w *word) remove(cmd *cobra.Command, kind, subject string) error {
	if kind == "pin" {
		subject = zones.Qualified(subject)
	}
	path := "overrides/" + kind
	for part := range strings.SplitSeq(subject, "/") {
		if part == "" {
			return exit{2, fmt.Errorf("%q is neither POOL nor POOL/MEMBER, such as nyc/203.0.113.10", subject)}
		}
		path += "/" + url.PathEscape(part)
	}
	person := personAt(cmd)
	defer person.leave()
	return w.carryOut(cmd, person, call{method: http.MethodDelete, path: path}, zones.Plain(subject)+" is not "+participle(kind)+" any more",
		func(preview bool) any { return &api.RemoveRequest{Reason: w.reason, Preview: preview} })
}

// participle is what is said of the subject of an override.
func participle(kind string) string {
	return map[string]string{"drain": "drained", "force": "forced", "pin": "pinned"}[kind]
}

// carryOut shows what a call would change, asks a person about it, makes the call, and says what is so then.
func (w *word) carryOut(cmd *cobra.Command, person *person, c call, is string, body func(preview bool) any) error {
	server, err := w.connect()
	if err != nil {
		return err
	}
	ctx, out, aside := cmd.Context(), newScreen(cmd.OutOrStdout()), newScreen(cmd.ErrOrStderr())
	var preview api.OverrideResult
	c.body, c.into = body(true), &preview
	if _, err := server.do(ctx, c, callWait); err != nil {
		return err
	}
	if !w.json {
		printChanges(out, preview.Changes, preview.ChangesTotal, "will be answered otherwise")
	}
	tellNotes(aside, preview.Notes)
	if len(preview.Changes) > 0 && !w.yes {
		if err := person.confirm("go on?"); err != nil {
			return err
		}
	}
	var result api.OverrideResult
	c.body, c.into = body(false), &result
	document, err := server.do(ctx, c, callWait)
	if err != nil {
		return err
	}
	tellNotes(aside, slices.DeleteFunc(result.Notes, func(note string) bool { return slices.Contains(preview.Notes, note) }))
	if w.json {
		_, err := out.Write(document)
		return err
	}
	if made := result.Overrides; c.method == http.MethodPost && len(made) == 1 && !made[0].Until.IsZero() {
		is += ", until " + clockTime(made[0].Until, time.Now())
	}
	out.put(bold, 2, "done: %s", visible(is))
	printAnswers(out, result.Answers)
	return nil
}

// tellNotes tells what a person should know of a change. It goes to standard error, to be seen where standard
// output is not.
func tellNotes(aside screen, notes []string) {
	for _, note := range notes {
		aside.put(yellow, 2, "gslb: note: %s", visible(note))
	}
}

// printAnswers says what names are answered with.
func printAnswers(out screen, answers []api.Answer) {
	for _, a := range answers {
		out.put(noPaint, 4, "  %s: %s, TTL %s", namesText(a.Names, a.NamesTotal, a.Views), poolText(a.Pool, string(a.Mode)), seconds(a.TTL))
	}
}

// printChanges lists what is answered otherwise.
func printChanges(out screen, changes []api.Change, total int, how string) {
	if len(changes) == 0 {
		return // a note says so
	}
	out.put(bold, 0, "%s:", how)
	for _, c := range changes {
		p, left := noPaint, ""
		if c.LeavesNothing {
			p, left = red, ", NOTHING IS LEFT"
		}
		out.put(p, 4, "  %s: %s → %s%s%s", namesText(c.Names, c.NamesTotal, c.Views), poolText(c.From, string(c.FromMode)), poolText(c.To, string(c.ToMode)), left, because(c.Why))
	}
	if more := total - len(changes); more > 0 {
		out.put(noPaint, 0, "  and %d more", more)
	}
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return " (" + visible(why) + ")"
}

// namesText is names, and the clients for whom something is so.
func namesText(names []string, total int, views []string) string {
	shown := make([]string, 0, 3)
	for _, name := range names[:min(len(names), 3)] {
		shown = append(shown, visible(zones.Plain(name)))
	}
	text := strings.Join(shown, ", ")
	if more := max(total, len(names)) - len(shown); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	if len(views) > 0 {
		text += " for " + visible(strings.Join(views, ", "))
	}
	return text
}

// poolText is what is answered: pools and, where it is not the usual one, the mode.
func poolText(pool, mode string) string {
	pool = visible(pool)
	switch {
	case pool == "" && mode == "":
		return "nothing"
	case pool == "":
		return visible(mode)
	case mode == "" || mode == "normal":
		return pool
	}
	return pool + " [" + visible(mode) + "]"
}

// seconds is a duration of the API.
func seconds(s float64) string { return strconv.FormatFloat(s, 'f', -1, 64) + "s" }

var days = regexp.MustCompile(`^(\d{1,4})d$`)

// lasting is the value of --for as the API takes it. Days are added to what Go reads.
func lasting(text string) (string, error) {
	switch {
	case text == "", text == "forever":
		return "", nil
	case days.MatchString(text):
		n, _ := strconv.Atoi(strings.TrimSuffix(text, "d"))
		return fmt.Sprintf("%dh", 24*n), nil
	}
	if d, err := time.ParseDuration(text); err != nil || d <= 0 {
		return "", fmt.Errorf(`--for: %q is not a time such as 30m, 2h or 1d, nor "forever"`, text)
	}
	return text, nil
}

func overridesCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "overrides",
		Short: "list what persons have drained, forced and pinned",
		Long: `overrides lists every drain, force, pin and planned move that is in force: who, why, since when,
until when. What has no end stands first.`,
		Args: cobra.NoArgs,
	}
	c := addConnection(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the server's JSON document")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		server, err := c.connect()
		if err != nil {
			return err
		}
		return show(cmd, server, asJSON, "overrides", nil, printOverrides)
	}
	return cmd
}

// show gets a document and prints it, as it is or for people.
func show[T any](cmd *cobra.Command, server *client, asJSON bool, path string, query url.Values, print func(screen, *T)) error {
	value := new(T)
	into := any(value)
	if asJSON {
		into = nil
	}
	document, err := server.get(cmd.Context(), path, query, into)
	if err != nil {
		return err
	}
	if asJSON {
		_, err := cmd.OutOrStdout().Write(document)
		return err
	}
	print(newScreen(cmd.OutOrStdout()), value)
	return nil
}

func printOverrides(out screen, list *api.OverrideList) {
	now := time.Now()
	if list.SetAside != "" {
		out.put(red, 2, "! the overrides of an earlier run could not be read, and are not in force: %s has them", visible(list.SetAside))
	}
	if len(list.Overrides) == 0 {
		out.put(noPaint, 0, "there are no overrides: the probes decide everything")
		return
	}
	slices.SortStableFunc(list.Overrides, func(a, b api.Override) int {
		if a.Until.IsZero() != b.Until.IsZero() {
			return map[bool]int{true: -1, false: 1}[a.Until.IsZero()]
		}
		return a.Until.Compare(b.Until)
	})
	var rows [][]cell
	for _, o := range list.Overrides {
		until := cell{"in " + span(o.Until.Sub(now)), noPaint}
		if o.Until.IsZero() {
			until = cell{"NO END", yellow}
		}
		reason := o.Reason
		if o.Unmatched {
			reason += " (the configuration does not have it)"
		}
		rows = append(rows, []cell{{overrideText(&o), noPaint}, {span(now.Sub(o.Since)) + " ago", noPaint}, until, {o.By, noPaint}, {reason, noPaint}})
	}
	out.table([]string{"OVERRIDE", "SINCE", "ENDS", "BY", "WHY"}, rows)
	if more := list.Total - len(list.Overrides); more > 0 {
		out.put(noPaint, 0, "and %d more", more)
	}
	if !list.Kept {
		out.put(yellow, 2, "! a restart ends them: there is no state_dir to keep them in")
	}
}

// overrideText says what an override does.
func overrideText(o *api.Override) string {
	subject := o.Pool
	if o.Member.IsValid() {
		subject += "/" + o.Member.String()
	}
	switch {
	case o.Switch != nil:
		return "switch " + zones.Plain(o.Name) + " to " + subject
	case o.Kind == "pin":
		return "pin " + zones.Plain(o.Name) + " to " + subject
	case o.Kind == "force":
		return "force " + o.Status.String() + " " + subject
	}
	return string(o.Kind) + " " + subject
}
