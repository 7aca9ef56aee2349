package main

import (
	"bytes"
	"context"
	"encoding/json"

	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"gslb/health"
	"gslb/health/probe"
	"gslb/zones"
)

func probeCommand() *cobra.Command {
	var pool, path string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "probe CHECK",
		Short: "make one probe and show everything that was sent, received and judged",
		Long: `probe makes the probes of a check once, from this machine, as serve would make them, and shows
each phase with its time: the lookup, the connection, TLS, what was sent and what came back,
and the verdict. A check of several pools or members is made of one after the other; --pool
chooses one. Of a check that is calculated from others, those are made, and what they come to
is shown at the end. It needs no running server, and changes nothing.

    >  was sent    <  was received    |  is of the body    *  is said by gslb

No secrets are shown: neither credentials nor what headers, parameters and fields with such
names hold.

It exits with status 0 if every probe passes, 1 if one fails, and 2 if one can't judge, or if
no probe could be made.`,
		Example: `  gslb probe web
  gslb probe web --pool nyc/203.0.113.10
  gslb probe table --pool ams --config /etc/gslb/zones.toml`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			targets, derived, err := targetsToProbe(cmd.Context(), path, args[0], pool)
			if err != nil {
				return exit{2, err}
			}
			var runs []probeRun
			for i := range targets {
				run := probeRun{target: &targets[i]}
				show := func(step probe.Step) { run.steps = append(run.steps, step) }
				if !asJSON {
					if i > 0 {
						fmt.Fprintln(cmd.OutOrStdout())
					}
					run.printHead(cmd.OutOrStdout())
					show = func(step probe.Step) {
						run.steps = append(run.steps, step)
						printStep(cmd.OutOrStdout(), step)
					}
				}
				if err := run.make(cmd.Context(), show); err != nil {
					return exit{2, err}
				}
				if !asJSON {
					run.printEnd(cmd.OutOrStdout())
				}
				runs = append(runs, run)
			}
			results := derive(derived, runs)
			for i := range results {
				if !asJSON {
					fmt.Fprintln(cmd.OutOrStdout())
					results[i].printHead(cmd.OutOrStdout())
					results[i].printEnd(cmd.OutOrStdout())
				}
			}
			runs = append(runs, results...)
			if asJSON {
				if err := writeRuns(cmd.OutOrStdout(), runs); err != nil {
					return exit{2, err}
				}
			}
			return verdictOf(slices.DeleteFunc(runs, func(r probeRun) bool { return r.target.Check != args[0] }))
		},
	}
	cmd.Flags().StringVar(&pool, "pool", "", "only of this pool, or of one of its members: POOL or POOL/ADDRESS")
	cmd.Flags().StringVar(&path, "config", defaultPath, "configuration that has the check")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON document")
	return cmd
}

// verdictOf makes the exit status of what all probes came to.
//
//	one fails                            1
//	none fails, but one could not judge  2
//	all pass                             0
func verdictOf(runs []probeRun) error {
	status := 0
	for _, r := range runs {
		switch r.result.Verdict {
		case health.Fail:
			return exit{1, nil}
		case health.Indeterminate:
			status = 2
		}
	}
	if status != 0 {
		return exit{status, nil}
	}
	return nil
}

// derive is what targets that are calculated come to, from the probes of others.
func derive(targets []health.Target, probed []probeRun) []probeRun {
	states := make(map[health.TargetID]health.State, len(probed))
	for i := range probed {
		s := health.State{Cause: probed[i].result}
		switch s.Cause.Verdict {
		case health.Pass:
			s.Status = health.Up
		case health.Fail:
			s.Status = health.Down
		}
		states[probed[i].target.ID] = s
	}
	derived := health.NewCalculation(targets)
	runs := make([]probeRun, 0, len(targets))
	for _, id := range derived.Targets() {
		state := derived.State(id, health.State{}, func(id health.TargetID) health.State { return states[id] }, time.Now())
		states[id] = state
		if state.Status == health.Unknown {
			state.Cause = health.Result{Reason: "operands", Detail: "it depends on checks that can't judge"}
		}
		at := slices.IndexFunc(targets, func(t health.Target) bool { return t.ID == id })
		runs = append(runs, probeRun{target: &targets[at], result: state.Cause})
	}
	return runs
}

// targetsToProbe returns the targets of a check, of one pool or member or of all: those that are probed, and
// those that are calculated from them.
func targetsToProbe(ctx context.Context, path, check, subject string) (probed, derived []health.Target, err error) {
	set, err := loadValid(path)
	if err != nil {
		return nil, nil, err
	}
	all, err := targetsOf(ctx, set, check, subject)
	if err != nil {
		return nil, nil, err
	}
	if len(all) > 0 {
		for _, t := range all {
			if t.IsCalculated() {
				derived = append(derived, t)
			} else {
				probed = append(probed, t)
			}
		}
		return probed, derived, nil
	}
	names := make(map[string]bool)
	for _, t := range slices.Concat(set.Targets, sampled(set)) {
		names[t.Check] = true
	}
	known := strings.Join(slices.Sorted(maps.Keys(names)), ", ")
	switch {
	case len(names) == 0:
		return nil, nil, fmt.Errorf("%s: no check is made of anything", path)
	case !names[check]:
		return nil, nil, fmt.Errorf("%s has no check %q that is made of anything; there is %s", path, check, known)
	}
	return nil, nil, fmt.Errorf("check %q is not made of %s; leave --pool out to see what it is made of", check, subject)
}

// targetsOf returns the targets of a check by ID, and those that they are calculated from.
func targetsOf(ctx context.Context, set *zones.Set, check, subject string) ([]health.Target, error) {
	name, member, err := splitSubject(subject)
	if err != nil {
		return nil, err
	}
	known := make(map[health.TargetID]health.Target, len(set.Targets))
	for _, t := range set.Targets {
		known[t.ID] = t
	}
	var some []health.TargetID // that are looked at
	if name == "" {
		some = slices.Collect(maps.Keys(known))
	}
	isThere := name == ""
	for _, pool := range set.Pools {
		if name != "" && pool.Name != name {
			continue
		}
		isThere = true
		members := pool.Members
		if pool.Alias != "" && slices.ContainsFunc(pool.Checks, func(c zones.MemberCheck) bool { return c.Name == check }) {
			addresses, err := lookUp(ctx, pool)
			if err != nil {
				return nil, err
			}
			for _, a := range addresses {
				members = append(members, pool.Member(a))
				made, err := pool.Apply(a)
				if err != nil {
					return nil, err
				}
				for _, t := range made {
					known[t.ID] = t
				}
			}
		}
		if !member.IsValid() {
			some = append(some, pool.Targets...)
		}
		for _, m := range members {
			if !member.IsValid() || m.Address == member {
				some = append(some, m.Targets...)
			}
		}
	}
	if !isThere {
		return nil, fmt.Errorf("there is no pool %q in %s", name, set.Path)
	}
	found := withOperands(known, slices.DeleteFunc(withOperands(known, some), func(id health.TargetID) bool { return known[id].Check != check }))
	slices.Sort(found)
	targets := make([]health.Target, len(found))
	for i, id := range found {
		targets[i] = known[id]
	}
	return targets, nil
}

// withOperands is targets and all that they are calculated from, each once.
func withOperands(known map[health.TargetID]health.Target, ids []health.TargetID) []health.TargetID {
	var all []health.TargetID
	seen := make(map[health.TargetID]bool)
	var add func([]health.TargetID)
	add = func(ids []health.TargetID) {
		for _, id := range ids {
			if seen[id] {
				continue
			}
			seen[id] = true
			all = append(all, id)
			if c, is := known[id].Spec.(*health.Calculated); is {
				add(c.Of)
			}
		}
	}
	add(ids)
	return all
}

// splitSubject splits POOL or POOL/ADDRESS.
func splitSubject(subject string) (pool string, member netip.Addr, err error) {
	pool, address, found := strings.Cut(subject, "/")
	if !found {
		return pool, member, nil
	}
	if member, err = netip.ParseAddr(address); err != nil || pool == "" {
		return "", member, fmt.Errorf("%q is neither POOL nor POOL/ADDRESS, such as nyc/203.0.113.10", subject)
	}
	return pool, member.Unmap(), nil
}

// lookUpWait bounds the lookup of a pool's alias.
const lookUpWait = 5 * time.Second

// lookUp returns the addresses of a pool's alias as they are now.
func lookUp(ctx context.Context, pool *zones.Pool) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, lookUpWait)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", pool.Alias)
	if err != nil {
		return nil, fmt.Errorf("look up the addresses of pool %q: %w", pool.Name, err)
	}
	for i := range addresses {
		addresses[i] = addresses[i].Unmap()
	}
	return addresses, nil
}

// probeRun is one probe of one target.
type probeRun struct {
	target *health.Target
	began  time.Time
	took   time.Duration
	steps  []probe.Step
	result health.Result
}

// oneCommand is how many commands a caller's own probes run at once.
func oneCommand() int { return 1 }

// make makes the probe.
func (r *probeRun) make(ctx context.Context, show func(probe.Step)) error {
	p, err := newMaker(probe.Options{Commands: oneCommand})(*r.target)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(probe.WithTrace(ctx, show), r.target.Timeout)
	defer cancel()
	r.began = time.Now()
	r.result = p(ctx)
	r.took = time.Since(r.began)
	return nil
}

func (r *probeRun) printHead(w io.Writer) {
	fmt.Fprintf(w, "* check %s of %s, timeout %v\n", r.target.Check, r.target.Subject, r.target.Timeout)
	for _, line := range r.target.Spec.Wants() {
		fmt.Fprintln(w, "*", visible(line))
	}
}

// printStep prints a step: a line with its phase and how long it took, and what belongs to it.
func printStep(w io.Writer, s probe.Step) {
	said := s.Text
	if s.Error != "" {
		said = strings.TrimPrefix(said+": ", ": ") + s.Error
	}
	fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("* %-11s %9s  %s", s.Phase, milliseconds(s.Ended.Sub(s.Began)), visible(said)), " "))
	for _, fact := range s.Facts {
		fmt.Fprintf(w, "* %-11s %9s  %s\n", "", "", visible(fact))
	}
	mark := map[probe.Phase]string{probe.Request: ">", probe.Response: "<", probe.Body: "|"}[s.Phase]
	for line := range bytes.Lines(s.Data) {
		fmt.Fprintln(w, strings.TrimRight(mark+" "+visible(strings.TrimRight(string(line), "\r\n")), " "))
	}
}

func (r *probeRun) printEnd(w io.Writer) {
	fmt.Fprintf(w, "* %-11s %9s\n", "total", milliseconds(r.took))
	fmt.Fprintf(w, "* %s: %s: %s\n", r.result.Verdict, visible(r.result.Reason), visible(r.result.Detail))
}

func milliseconds(d time.Duration) string {
	return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', 1, 64) + " ms"
}

// visible is a text from outside as a terminal may get it: in one line, and with no character that
// would control the terminal.
func visible(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch _, size := utf8.DecodeRuneInString(s[i:]); {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\t' || strconv.IsPrint(r):
			b.WriteRune(r)
		default:
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return b.String()
}

// runDocument and stepDocument are a probe as JSON. Times are in milliseconds; those of steps begin with
// the probe.
type (
	runDocument struct {
		Target  string         `json:"target"`
		Check   string         `json:"check"`
		Subject string         `json:"subject"`
		Verdict string         `json:"verdict"`
		Reason  string         `json:"reason"`
		Detail  string         `json:"detail"`
		TookMS  float64        `json:"took_ms"`
		Steps   []stepDocument `json:"steps"`
	}
	stepDocument struct {
		Phase   string   `json:"phase"`
		BeganMS float64  `json:"began_ms"`
		TookMS  float64  `json:"took_ms"`
		Text    string   `json:"text,omitempty"`
		Facts   []string `json:"facts,omitempty"`
		Data    string   `json:"data,omitempty"`
		Error   string   `json:"error,omitempty"`
	}
)

func writeRuns(w io.Writer, runs []probeRun) error {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	list := make([]runDocument, len(runs))
	for i, r := range runs {
		list[i] = runDocument{
			Target: string(r.target.ID), Check: r.target.Check, Subject: r.target.Subject,
			Verdict: r.result.Verdict.String(), Reason: r.result.Reason, Detail: r.result.Detail, TookMS: ms(r.took),
			Steps: []stepDocument{},
		}
		for _, s := range r.steps {
			list[i].Steps = append(list[i].Steps, stepDocument{
				Phase: string(s.Phase), BeganMS: ms(s.Began.Sub(r.began)), TookMS: ms(s.Ended.Sub(s.Began)),
				Text: s.Text, Facts: s.Facts, Data: string(s.Data), Error: s.Error,
			})
		}
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(struct {
		Probes []runDocument `json:"probes"`
	}{list})
}
