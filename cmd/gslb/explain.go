package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gslb/admin/api"
	"gslb/health"
	"gslb/operate"
	"gslb/steer"
	"gslb/zones"
)

func explainCommand() *cobra.Command {
	var client, rtype, path string
	var suppose []string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "explain NAME",
		Short: "show why a name answers what it does",
		Long: `explain shows how the answer of a name comes about: the client's view, the tiers in order, each
pool with its status and the reason, what was dropped by which rule, what is answered with which
TTL, and when that may change by itself.

With --suppose it shows what would be answered if pools had another status. With --config it
explains a configuration without a server, and with every target up. Nothing is changed.`,
		Example: `  gslb explain app.gslb.example.com
  gslb explain app.gslb.example.com --client 192.0.2.7 --type AAAA
  gslb explain app.gslb.example.com --suppose nyc=down --suppose ams=down`,
		Args: cobra.ExactArgs(1),
	}
	c := addConnection(cmd)
	flags := cmd.Flags()
	flags.StringVar(&client, "client", "", "address or prefix of a client (default: one that is in no view)")
	flags.StringVar(&rtype, "type", "", "type of the record, A or AAAA (default: both)")
	flags.StringArrayVar(&suppose, "suppose", nil, "take a pool to have a status: POOL=up, POOL=down or POOL=unknown; may be repeated")
	flags.StringVar(&path, "config", "", "explain this configuration, with everything up, instead of the running server")
	flags.BoolVar(&asJSON, "json", false, "print the server's JSON document")
	cmd.ValidArgsFunction = c.completeNames
	for _, flag := range []string{"socket", "server"} {
		cmd.MarkFlagsMutuallyExclusive("config", flag)
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		request := api.ExplainRequest{Name: args[0], Client: client, Type: strings.ToUpper(rtype), Suppose: make(map[string]health.Status)}
		for _, s := range suppose {
			pool, word, ok := strings.Cut(s, "=")
			var status health.Status
			if !ok || pool == "" || status.UnmarshalText([]byte(word)) != nil {
				return exit{2, fmt.Errorf("--suppose: %q is not of the form POOL=up, POOL=down or POOL=unknown", s)}
			}
			request.Suppose[pool] = status
		}
		if path != "" {
			return explainFile(cmd, path, &request, asJSON)
		}
		server, err := c.connect()
		if err != nil {
			return err
		}
		query := url.Values{"name": {request.Name}, "suppose": suppose}
		for key, value := range map[string]string{"client": request.Client, "type": request.Type} {
			if value != "" {
				query.Set(key, value)
			}
		}
		return show(cmd, server, asJSON, "explain", query, printExplanation)
	}
	return cmd
}

// explainFile explains a configuration with every target up. It needs no server.
func explainFile(cmd *cobra.Command, path string, r *api.ExplainRequest, asJSON bool) error {
	set, err := loadValid(path)
	if err != nil {
		return err
	}
	explained, err := operate.Explain(operate.AllUp(set, hostsOf(cmd.Context(), set), time.Now()), r, time.Now())
	if err != nil {
		return err
	}
	if asJSON {
		document := json.NewEncoder(cmd.OutOrStdout())
		document.SetIndent("", "  ")
		return document.Encode(explained)
	}
	printExplanation(newScreen(cmd.OutOrStdout()), explained)
	return nil
}

// printExplanation shows an explanation as a tree.
func printExplanation(out screen, e *api.Explanation) {
	now := e.Now
	if now.IsZero() {
		now = time.Now()
	}
	head := visible(zones.Plain(e.Name))
	if e.Type != "" {
		head += " " + visible(e.Type)
	}
	if e.Client != "" {
		head += " for " + visible(e.Client)
	}
	out.put(bold, 2, "%s", head)
	if len(e.Supposed) > 0 {
		out.put(yellow, 4, "  supposed: %s", visible(strings.Join(e.Supposed, ", ")))
	}
	clients := "all clients"
	if len(e.Views) > 0 {
		clients = "view " + visible(strings.Join(e.Views, ", then "))
	}
	if e.Network.IsValid() && e.Network.Bits() > 0 {
		clients += ", the same for all of " + e.Network.String()
	}
	out.put(noPaint, 4, "  %s; policy %s", clients, visible(string(e.Policy)))
	if e.Pin != nil {
		out.put(yellow, 4, "  %s, by %s%s%s", visible(overrideText(e.Pin)), visible(e.Pin.By), until(e.Pin.Until, now), because(e.Pin.Reason))
	}
	for i := range e.Tiers {
		printTier(out, &e.Tiers[i], now)
	}
	for i := range e.Held {
		out.put(yellow, 4, "  %s", holdText(&e.Held[i], now))
	}
	printExplained(out, e, now)
}

func until(t, now time.Time) string {
	if t.IsZero() {
		return ", without an end"
	}
	return ", until " + clockTime(t, now)
}

func printTier(out screen, t *api.ExplainedTier, now time.Time) {
	name := fmt.Sprintf("tier %d", t.Tier)
	if t.Tier == 0 {
		name = "fallback"
	}
	if t.View != "" {
		name += " of view " + visible(t.View)
	}
	if t.Policy != "" && t.Policy != "failover" && len(t.Pools) > 1 {
		name += ", policy " + visible(string(t.Policy))
	}
	if t.Taken {
		name += ": taken"
	}
	out.put(bold, 4, "  %s", name)
	for i := range t.Pools {
		printExplainedPool(out, &t.Pools[i], now)
	}
}

func printExplainedPool(out screen, p *api.ExplainedPool, now time.Time) {
	mark := "-"
	if p.Chosen {
		mark = "+"
	}
	head := fmt.Sprintf("%s %s: %s", mark, visible(p.Pool), p.Status)
	if !p.Since.IsZero() {
		head += " for " + span(now.Sub(p.Since))
	}
	if p.Probed != p.Status {
		head += fmt.Sprintf(" (the probes say %s)", p.Probed)
	}
	if p.Chosen && p.Part > 0 && p.Part < 1 {
		head += fmt.Sprintf(", %.4g %% of the clients", p.Part*100)
	}
	if p.Rule != "" {
		head += ", rule " + visible(p.Rule)
	}
	if p.Why != "" {
		head += ": " + visible(p.Why)
	}
	out.put(statusPaint(p.Status, len(p.Overrides) > 0), 8, "    %s", head)
	for i := range p.Overrides {
		o := &p.Overrides[i]
		if o.By == "" {
			continue // nobody said it: it is supposed, which stands above
		}
		out.put(yellow, 8, "      %s, by %s%s%s", visible(overrideText(o)), visible(o.By), until(o.Until, now), because(o.Reason))
	}
	for i := range p.Held {
		out.put(yellow, 8, "      %s", holdText(&p.Held[i], now))
	}
	if p.CNAME != "" {
		out.put(noPaint, 8, "      CNAME %s", visible(p.CNAME))
	}
	if len(p.Addresses) > 0 {
		words := make([]string, len(p.Addresses))
		for i, a := range p.Addresses {
			words[i] = a.String()
		}
		out.put(noPaint, 8, "      %s", strings.Join(words, ", "))
	}
}

// printExplained says what is answered, and when that may change.
func printExplained(out screen, e *api.Explanation, now time.Time) {
	p := green
	switch {
	case e.Mode.IsEmergency():
		p = red
	case e.Mode != steer.Normal:
		p = yellow
	}
	answered := make([]string, 0, len(e.Shares))
	for _, s := range e.Shares {
		word := s.Pool
		if len(e.Shares) > 1 && s.Share < 1 {
			word += fmt.Sprintf(" %.4g %%", s.Share*100)
		}
		answered = append(answered, word)
	}
	out.put(p, 4, "  answer: %s, mode %s, TTL %s%s", visible(cmp.Or(strings.Join(answered, " + "), "no pool")), visible(string(e.Mode)), seconds(e.TTL), because(e.Why))
	if e.RCode != "" && e.RCode != "NOERROR" {
		out.put(red, 4, "    %s", visible(e.RCode))
	}
	for _, record := range e.Answers {
		out.put(noPaint, 6, "    %s", visible(record))
	}
	if e.Stale {
		out.put(yellow, 4, "  a verdict that this rests on is too old to be believed")
	}
	if e.Revisit.IsZero() {
		out.put(noPaint, 4, "  changes by itself: no; with nothing left: %s", visible(e.WhenAllDown))
	} else {
		out.put(noPaint, 4, "  may change by itself at %s%s; with nothing left: %s", clockTime(e.Revisit, now), because(e.RevisitWhy), visible(e.WhenAllDown))
	}
}
