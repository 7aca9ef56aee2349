package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"gslb/health"
	"gslb/health/probe"
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
			return runProbes(cmd, path, args[0], pool, asJSON)
		},
	}
	cmd.Flags().StringVar(&pool, "pool", "", "only of this pool, or of one of its members: POOL or POOL/ADDRESS")
	cmd.Flags().StringVar(&path, "config", defaultPath, "configuration that has the check")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON document")
	return cmd
}

// runProbes makes the probes of a check, and says by its error what they came to.
func runProbes(cmd *cobra.Command, path, check, pool string, asJSON bool) error {
	targets, derived, err := targetsToProbe(cmd.Context(), path, check, pool)
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
	return verdictOf(slices.DeleteFunc(runs, func(r probeRun) bool { return r.target.Check != check }))
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

// probeRun is one probe of one target.
type probeRun struct {
	target *health.Target
	began  time.Time
	took   time.Duration
	steps  []probe.Step
	result health.Result
}

// make makes the probe.
func (r *probeRun) make(ctx context.Context, show func(probe.Step)) error {
	p, err := newMaker()(*r.target)
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
	within := ""
	if !r.target.IsPassive() {
		within = fmt.Sprintf(", timeout %v", r.target.Timeout)
	}
	fmt.Fprintf(w, "* check %s of %s%s\n", r.target.Check, r.target.Subject, within)
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
	if notes := r.result.Notes; notes != nil && notes.Load != nil {
		fmt.Fprintln(w, "* its load, or weight, is", notes.Load)
	}
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
