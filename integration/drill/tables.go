package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"gslb/integration/example"
	"gslb/integration/figures"
)

// print writes the tables.
func (r *report) print(out io.Writer) {
	fmt.Fprintf(out, "%s\n\n", r.Host)
	fmt.Fprintf(out, "%s has a TTL of %v; %s.\n\n", r.Name, r.TTL, strings.Join(r.Settings, "; "))
	table := &figures.Table{}
	table.Row("fault", "detected", "answered anew", "resolvers moved", "clients moved", "bound", "requests failed", "answered as before", "clients back")
	for _, f := range r.Faults {
		table.Row(f.row()...)
	}
	fmt.Fprintf(out, "From the fault on, until the last of two servers, %d resolvers and %d clients:\n\n%s\n", len(r.Resolvers), len(r.Resolvers)*len(r.Clients), table)
	r.printRows(out, "client", r.clientRows(), "Clients moved after, each on the resolver on which it was the slowest")
	r.printRows(out, "resolver", r.resolverRows(), "Resolvers moved after")
	for _, line := range r.findings() {
		fmt.Fprintf(out, "- %s\n", line)
	}
	fmt.Fprintln(out)
}

func (f *faultReport) row() []string {
	cell := func(s secs, all bool) string { return after(s, all) }
	failed := fmt.Sprint(f.failed())
	if f.Stays {
		detected := ""
		if !f.Server {
			detected = cell(f.detectedAfter())
		}
		return []string{f.Fault, detected, "stays", "stay", "stay", "", failed, "", ""}
	}
	var bound secs
	for _, c := range f.Clients {
		bound = max(bound, c.Bound)
	}
	back := func(m moveReport) *secs { return m.Back }
	latest, _ := worst(each(f.Clients, back))
	return []string{
		f.Fault, cell(f.detectedAfter()), cell(f.answeredAfter()), f.lastOf(f.Resolvers), f.lastOf(f.Clients), bound.String(), failed,
		cell(worst(each(f.Servers, func(s serverReport) *secs { return s.Back }))), latest.String(),
	}
}

// row is a line of a table of moves, fault by fault.
type row struct {
	Name   string
	Cells  []string // one a fault that moves clients
	Bound  string
	Advice string
}

// clientRows are when each kind of client has moved, on the resolver on which it was the slowest.
func (r *report) clientRows() []row {
	var rows []row
	for _, c := range r.Clients {
		rows = append(rows, r.moves(c.What, func(f *faultReport) []moveReport {
			return slices.DeleteFunc(slices.Clone(f.Clients), func(m moveReport) bool { return m.Name != c.Name })
		}))
	}
	return rows
}

// resolverRows are the same of the resolvers.
func (r *report) resolverRows() []row {
	var rows []row
	for i, resolver := range r.Resolvers {
		rows = append(rows, r.moves(resolver.Name, func(f *faultReport) []moveReport { return f.Resolvers[i : i+1] }))
	}
	return rows
}

func (r *report) moves(name string, some func(*faultReport) []moveReport) row {
	line := row{Name: name}
	var bound secs
	for _, f := range r.moving() {
		of := some(f)
		line.Cells = append(line.Cells, f.lastOf(of))
		for _, m := range of {
			bound, line.Advice = max(bound, m.Bound), m.kind.advice
		}
	}
	line.Bound = bound.String()
	return line
}

// printRows writes a table of moves.
func (r *report) printRows(out io.Writer, of string, rows []row, title string) {
	if len(r.moving()) == 0 {
		return
	}
	table := &figures.Table{}
	head := append([]string{of}, each(r.moving(), func(f *faultReport) string { return f.Fault })...)
	table.Row(append(head, "bound")...)
	for _, line := range rows {
		table.Row(append(append([]string{line.Name}, line.Cells...), line.Bound)...)
	}
	fmt.Fprintf(out, "%s:\n\n%s\n", title, table)
}

// moving are the faults that move clients.
func (r *report) moving() []*faultReport {
	return slices.DeleteFunc(slices.Clone(r.Faults), func(f *faultReport) bool { return f.Stays })
}

// findings are the sentences that a manager reads: who was the slowest and what to set there, what was later than
// it may be, and what stayed as it was to stay.
func (r *report) findings() []string {
	var lines []string
	var slowest *moveReport
	var by *faultReport
	over, all := 0, 0
	for _, f := range r.Faults {
		if f.Stays {
			lines = append(lines, fmt.Sprintf("%s (%s): %s.", f.Fault, f.What, f.sentence()))
			continue
		}
		late := f.late()
		lines = append(lines, f.lateLines(late)...)
		over, all = over+len(late), all+len(f.Resolvers)+len(f.Clients)
		if m := f.slowest(); m != nil && (slowest == nil || f.lasted(*m) > by.lasted(*slowest)) {
			slowest, by = m, f
		}
	}
	if slowest != nil {
		lines = slices.Insert(lines, 0, fmt.Sprintf("The slowest client is %s: with %s it %s. What to set there: %s", slowest.who(), by.Fault, by.how(*slowest), slowest.kind.advice))
	}
	if all > 0 && over == 0 {
		lines = append(lines, fmt.Sprintf("None of %d moves was later than the bound that settings and TTL imply.", all))
	}
	var kept []string
	for _, f := range r.moving() {
		for _, c := range f.Clients {
			if c.Back == nil && !slices.Contains(kept, c.kind.what) {
				kept = append(kept, c.kind.what)
			}
		}
	}
	if len(kept) > 0 {
		lines = append(lines, fmt.Sprintf("These stayed with %s after the fault, since their connections there were open and worked: %s. To bring them back, restart the load balancer there, or have it close connections.", r.Other, strings.Join(kept, "; ")))
	}
	return lines
}

// settings are the times that the bounds are made of.
func settings(checks []example.Check) []string {
	var lines []string
	for _, c := range checks {
		lines = append(lines, fmt.Sprintf("check of type %s: interval %v, fast_interval %v, timeout %v, fall %d", c.Type, c.Interval, c.FastInterval, c.Timeout, c.Fall))
	}
	return lines
}

// lateLines says who was late, a line for each kind of client and each resolver.
func (f *faultReport) lateLines(late []moveReport) []string {
	var lines []string
	for len(late) > 0 {
		first := late[0]
		var same []moveReport
		rest := late[:0:0]
		for _, m := range late {
			if m.Name == first.Name && (m.Resolver == "") == (first.Resolver == "") {
				same = append(same, m)
			} else {
				rest = append(rest, m)
			}
		}
		late = rest
		worst := slices.MaxFunc(same, func(a, b moveReport) int { return cmp.Compare(f.lasted(a), f.lasted(b)) })
		line := fmt.Sprintf("LATE: with %s, %s %s", f.Fault, worst.who(), f.how(worst))
		if len(same) > 1 {
			line += fmt.Sprintf("; it was late on %d more too", len(same)-1)
		}
		if worst.Reason != "" { // perhaps of the other region, on a machine that is too busy
			line += "; the last request that failed: " + worst.Reason
		}
		lines = append(lines, line+".")
	}
	return lines
}
