package admin

import (
	"bufio"
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"iter"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"gslb/admin/api"
	"gslb/health"
	"gslb/incident"
	"gslb/steer"
)

// cellItems is how many members, addresses or reasons a row of the page lists, so that a
// page of limitPage rows has an upper bound.
const cellItems = 50

//go:embed assets/page.html assets/page.css assets/page.js
var assets embed.FS

// pageTemplate escapes by context: reasons and details come from probed targets, and may contain
// anything.
var pageTemplate = template.Must(template.New("page.html").Funcs(template.FuncMap{
	"ago":    ago,
	"since":  func(now, t time.Time) string { return duration(now.Sub(t)) },
	"when":   when,
	"short":  short,
	"shown":  shown,
	"fits":   func(i int) bool { return i < cellItems },
	"more":   more,
	"left":   func(total, shown int) int { return total - shown },
	"others": others,
	"gone":   func(e Event) []netip.Addr { return without(e.FromAddresses, e.Addresses) },
	"added":  func(e Event) []netip.Addr { return without(e.Addresses, e.FromAddresses) },
	"ttl":    duration,
	"said":   sayOverride,
	"forced": func(status, probed health.Status) string {
		return word(status != probed, "its probes say "+probed.String())
	},
	"seconds": func(s float64) string { return duration(time.Duration(s * float64(time.Second))) },
}).ParseFS(assets, "assets/page.html"))

// page is what the template is given.
type page struct {
	view
	Rows     iter.Seq[nameRow] // of the names
	Name     string            // the one name asked for; empty: all
	Text     string            // of the filter
	NotFound string            // why nothing is shown; empty: something is
	// Overrides is what persons have said, the first of it; nil if nobody can say anything.
	Overrides *api.OverrideList
}

// Critical reports whether any problem is.
func (p page) Critical() bool { return len(p.Problems) > 0 && p.Problems[0].Critical }

// Server is what tells this server from others whose pages are open too.
func (p page) Server() string {
	switch {
	case p.ID != "" && p.Host != "" && p.ID != p.Host:
		return p.ID + " on " + p.Host
	default:
		return cmp.Or(p.ID, p.Host, "gslb")
	}
}

// Title is the title of the browser's tab, by which several servers' pages can be told apart.
func (p page) Title() string {
	switch {
	case p.Critical():
		return "✖ " + p.Server() + ": " + p.Problems[0].Text
	case len(p.Problems) > 0:
		return "▲ " + p.Server() + ": " + p.Problems[0].Text
	default:
		return p.Server() + ": all is well"
	}
}

// servePage answers /.
func (s *Server) servePage(w http.ResponseWriter, r *http.Request) {
	sel, err := parseSelection(r.URL.RawQuery)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	sel.limit, sel.troubleFirst = min(sel.limit, limitPage), true
	m, lent, release, err := s.moments.take(r.Context(), s.momentKey(), s.observe)
	if err != nil {
		refuseBusy(w, err)
		return
	}
	defer release()
	v := s.view(m, sel)
	p := page{view: v, Overrides: s.shownOverrides(), Rows: v.nameRows(sel.name != ""), Name: sel.name, Text: r.URL.Query().Get("q")}
	code := http.StatusOK
	if err := unknownName(sel, v); err != nil {
		p.NotFound, code = err.Error(), http.StatusNotFound
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if code != http.StatusOK || r.Method == http.MethodHead {
		w.WriteHeader(code)
	}
	if r.Method == http.MethodHead {
		return
	}
	if err := s.stream(lent, w, func(out *bufio.Writer) error { return pageTemplate.Execute(out, p) }); err != nil {
		refuseBusy(w, err)
	}
}

// waitingLines is how many of the things that readiness waits for are named.
const waitingLines = 5

// downKinds is of incidents that say which pools are down.
var downKinds = []incident.Kind{incident.AllDown, incident.Held, incident.Failover, incident.PoolDown}

// modeProblems says what each mode other than normal means, after "N names".
var modeProblems = []struct {
	mode     steer.Mode
	critical bool
	text     string
	kinds    []incident.Kind // that say it
}{
	{steer.ServFail, true, "answered SERVFAIL: no pool is left", []incident.Kind{incident.AllDown}},
	{steer.NoData, true, "answered with no address: no pool is left", []incident.Kind{incident.AllDown}},
	{steer.All, true, "answered with every address: no pool is left", []incident.Kind{incident.AllDown}},
	{steer.AssumeUp, true, "answered as if all were up: no pool is left", []incident.Kind{incident.AllDown}},
	{steer.LastGood, true, "answered with what was last good: no pool is left", []incident.Kind{incident.AllDown}},
	{steer.Fallback, true, "answered with the fallback: no pool is left", []incident.Kind{incident.AllDown}},
	{steer.Panic, true, "answered with pools that are down too: the rest of the tier would be overrun", []incident.Kind{incident.AllDown}},
	{steer.Pinned, false, "answered with the pool that a person wants", nil},
	{steer.Ramped, false, "answered with a pool that returns step by step", []incident.Kind{incident.Failover}},
	{steer.Held, false, "answered with a pool that is down, by failover_after", []incident.Kind{incident.Held}},
	{steer.Untested, false, "answered with a pool that has had no verdict yet: none is up", nil},
}

// problems lists what is wrong, but for what incidents say already.
func problems(st api.Status, told told) []api.Trouble {
	var all []api.Trouble
	report := func(critical bool, format string, args ...any) {
		all = append(all, api.Trouble{Critical: critical, Text: fmt.Sprintf(format, args...)})
	}
	for i, line := range st.Waiting {
		if i == waitingLines {
			report(false, "Not ready: %d more", len(st.Waiting)-i)
			break
		}
		report(line == answersMissing, "Not ready: %s", line)
	}
	if first, _, more := strings.Cut(st.Config.LastReloadError, "\n"); first != "" && !told[incident.Refused] {
		if more {
			first += " (more under Configuration)"
		}
		report(true, "The last reload of the configuration failed: %s", first)
	}
	names, pools, targets := st.Summary.Names, st.Summary.Pools, st.Summary.Targets
	for _, m := range modeProblems {
		n := names.Modes[m.mode]
		if m.mode == steer.Held {
			n -= names.Slowed // of which more is said below
		}
		if n > 0 && !told.any(m.kinds...) {
			report(m.critical, "%s %s", counted(n, "name is", "names are"), m.text)
		}
	}
	if targets.Stale > 0 && !told.any(incident.Stale, incident.Unjudged) {
		report(true, "%s no fresh verdict: the status is a guess", counted(targets.Stale, "target has", "targets have"))
	}
	if targets.Indeterminate > 0 && !told[incident.Unjudged] {
		report(false, "%s not be judged: see the reason of its last probe", counted(targets.Indeterminate, "target could", "targets could"))
	}
	if pools.Down > 0 && !told.any(downKinds...) {
		report(false, "%s down", counted(pools.Down, "pool is", "pools are"))
	}
	if pools.Unknown > 0 {
		report(false, "%s unknown", counted(pools.Unknown, "pool is", "pools are"))
	}
	if names.Waiting > 0 && !told[incident.Waiting] {
		report(false, "%s for gslb failback: the preferred pool has recovered", counted(names.Waiting, "name waits", "names wait"))
	}
	if names.Slowed > 0 && !told[incident.Held] {
		report(true, "%s answered with a pool that is down, since too many others went down before (velocity): gslb force down POOL, if it is right", counted(names.Slowed, "name is", "names are"))
	}
	if n := names.Modes[steer.Normal] - names.Preferred; n > 0 && !told.any(incident.Failover, incident.Waiting) {
		report(false, "%s not answered with the preferred pool", counted(n, "name is", "names are"))
	}
	if targets.Down > 0 && !told.any(downKinds...) && !told[incident.MemberDown] {
		report(false, "%s down", counted(targets.Down, "target is", "targets are"))
	}
	if targets.Unknown > 0 {
		report(false, "%s no verdict yet", counted(targets.Unknown, "target has", "targets have"))
	}
	if targets.Failing > 0 {
		report(false, "%s failed its last probe without being down", counted(targets.Failing, "target has", "targets have"))
	}
	return all
}

// Bounds on what is said of the configuration, and how early of a certificate.
const (
	warningLines = 5
	renewBefore  = 7 * 24 * time.Hour
)

// warnings lists what is probably a mistake in the configuration, or will be.
func (s *Server) warnings(m *moment) []api.Trouble {
	var all []api.Trouble
	report := func(format string, args ...any) {
		all = append(all, api.Trouble{Text: fmt.Sprintf(format, args...)})
	}
	if cert := s.options.Settings().Certificate; cert != nil {
		switch left := cert.Leaf.NotAfter.Sub(m.now); {
		case left <= 0:
			report("The certificate of this server has expired at %s: clients refuse it", when(cert.Leaf.NotAfter))
		case left < renewBefore:
			report("The certificate of this server expires in %s", duration(left))
		}
	}
	if m.table == nil {
		return all
	}
	lines := m.table.Set().Warnings
	for i, line := range lines {
		if i == warningLines {
			report("Configuration: %d more warnings, which gslb check lists", len(lines)-i)
			break
		}
		report("Configuration: %s", cut(line.Error(), longestError))
	}
	return all
}

// counted puts a number before the form of the words that goes with it.
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// shown says how much of a list is on the page, where that is not all of it.
func shown(rows, matched int, text string) string {
	switch {
	case matched == 0 && text != "":
		return fmt.Sprintf("None with %q.", text)
	case matched == 0:
		return "None."
	case rows < matched:
		return fmt.Sprintf("%d of %d, those with trouble first. Filter to see others.", rows, matched)
	default:
		return ""
	}
}

// more says how many items of a cell are left out; empty: none.
func more(items int) string {
	if items <= cellItems {
		return ""
	}
	return fmt.Sprintf("and %d more, see the API", items-cellItems)
}

// without is the addresses that others lack.
func without(addresses, others []netip.Addr) []netip.Addr {
	return slices.DeleteFunc(slices.Clone(addresses), func(a netip.Addr) bool { return slices.Contains(others, a) })
}

// others is how many names an event concerns besides the one it is told of.
func others(e Event) int { return max(e.NamesTotal-1, 0) }

// when writes a moment so that it can be found in a log.
func when(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// ago writes how long before now a moment was.
func ago(now, t time.Time) string {
	switch {
	case t.IsZero():
		return "never"
	case t.After(now):
		return "in " + duration(t.Sub(now))
	default:
		return duration(now.Sub(t)) + " ago"
	}
}

// duration writes a duration by its two largest units.
func duration(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= day:
		return fmt.Sprintf("%d d %d h", d/day, d%day/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%d min %d s", d/time.Minute, d%time.Minute/time.Second)
	case d >= time.Second:
		return fmt.Sprintf("%d s", d/time.Second)
	default:
		return fmt.Sprintf("%d ms", d/time.Millisecond)
	}
}

// short abbreviates a hash to a part that a person can compare.
func short(hash string) string { return hash[:min(len(hash), 12)] }
