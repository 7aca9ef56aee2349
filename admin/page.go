package admin

import (
	"bufio"
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gslb/admin/api"
	"gslb/health"
	"gslb/incident"
	"gslb/internal/plural"
	"gslb/zones"
)

// Bounds of the page, so that it stays small however large the configuration is.
const (
	limitPage     = 500 // rows a list, if so many are asked for
	namesPage     = 50  // names a page
	poolsPage     = 50  // pools a page
	targetsPage   = 100 // targets a page, of one pool
	entriesPage   = 30  // of events
	incidentsPage = 20  // of incidents that last
	cellItems     = 50  // members, addresses or reasons of a row
)

//go:embed assets
var assets embed.FS

// pageTemplates escape by context: reasons and details come from probed targets, and may contain
// anything. Each of the page's parts is a template, and page.html puts them together.
var pageTemplates = parseTemplates(template.New("").Funcs(template.FuncMap{
	"ago":    ago,
	"since":  func(now, t time.Time) string { return duration(now.Sub(t)) },
	"until":  func(now, t time.Time) string { return duration(t.Sub(now)) },
	"when":   when,
	"clock":  clock,
	"day":    func(t time.Time) string { return t.UTC().Format(time.DateOnly) },
	"iso":    func(t time.Time) string { return t.Format(time.RFC3339) },
	"short":  short,
	"plain":  zones.Plain,
	"fits":   func(i int) bool { return i < cellItems },
	"more":   more,
	"left":   func(total, shown int) int { return total - shown },
	"others": others,
	"gone":   gone,
	"added":  added,
	"ttl":    duration,
	"brief":  brief,
	"said":   sayOverride,
	"endOf":  endOf,
	"ending": ending, "aborts": aborts,
	"forced": func(status, probed health.Status) string {
		return word(status != probed, "its probes say "+probed.String())
	},
	"seconds": func(s float64) string { return duration(time.Duration(s * float64(time.Second))) },
	"table":   func(now time.Time, targets []api.Target) targetTable { return targetTable{now, targets} },
	"counted": plural.Of, "latency": latency, "part": sayPart, "downtime": downtime,
	"join": strings.Join, "length": sayLength,
}))

// parseTemplates reads the templates without their indentation, which is a third of a long page.
func parseTemplates(all *template.Template) *template.Template {
	paths, err := fs.Glob(assets, "assets/*.html")
	if err != nil {
		panic(err)
	}
	indentation := regexp.MustCompile(`\n[ \t]+`)
	for _, file := range paths {
		text, err := fs.ReadFile(assets, file)
		if err != nil {
			panic(err)
		}
		template.Must(all.New(path.Base(file)).Parse(indentation.ReplaceAllString(string(text), "\n")))
	}
	return all
}

// parts are those parts of the page that change while it is looked at. Each can be asked for alone.
var parts = []string{"summary", "state", "overrides", "names", "pools", "replication", "events", "config"}

// pageSelection is which rows of the page a request asks for, and which parts of it.
type pageSelection struct {
	selection
	pool  string   // empty: every pool
	parts []string // empty: the whole page
	done  string   // what was done before, by the id of the deed; empty: nothing
	pages map[string]int
	limit int // rows a list; 0: as many as suit it
}

// page is what the templates are given.
type page struct {
	api.Status
	Selected pageSelection

	Incidents []incident.Incident // that last; the first
	More      int                 // that last
	Ended     []incident.Incident // in the last day
	Notes     []api.Trouble       // what is wrong besides
	Folded    []api.Trouble       // the rest of that

	Names   []nameRow
	Naming  paging
	Longest int // characters of the longest name, in steps

	Pools   []poolRow
	Pooling paging
	Targets []api.Target // of one pool, or of one name
	Probing paging

	Entries []entry // of events, the latest first
	Earlier int     // entries that are left out

	Done     *effect // of what was done before; nil: nothing
	NotFound string  // why nothing is shown; empty: something is
	// Overrides is what persons have said, the first of it; nil if nobody can say anything.
	Overrides *api.OverrideList
	Untold    int // how many of all of it no incident tells
}

// Name is the one name that is asked for; empty: all.
func (p page) Name() string { return p.Selected.name }

// Pool is the one pool that is asked for; empty: all.
func (p page) Pool() string { return p.Selected.pool }

// Text is that of the filter.
func (p page) Text() string { return p.Selected.text }

// IsWell reports whether nothing is wrong, and nobody has said anything.
func (p page) IsWell() bool {
	return len(p.Incidents) == 0 && len(p.Notes) == 0 && len(p.Folded) == 0 && (p.Overrides == nil || p.Overrides.Total == 0)
}

// Server is what tells this server from others whose pages are open too.
func (p page) Server() string {
	switch {
	case p.ID != "" && p.Host != "" && p.ID != p.Host:
		return p.ID + " on " + p.Host
	default:
		return cmp.Or(p.ID, p.Host, "gslb")
	}
}

// Title is the title of the browser's tab, by which several servers' pages can be told apart. It is of
// what is worst.
func (p page) Title() string {
	worst, critical := "", false
	if len(p.Incidents) > 0 {
		worst, critical = p.Incidents[0].Text, p.Incidents[0].Critical
	}
	if len(p.Notes) > 0 && (worst == "" || p.Notes[0].Critical && !critical) {
		worst, critical = p.Notes[0].Text, p.Notes[0].Critical
	}
	switch {
	case critical:
		return "✖ " + p.Server() + ": " + worst
	case worst != "":
		return "▲ " + p.Server() + ": " + worst
	case !p.IsWell():
		return "◆ " + p.Server() + ": " + plural.Of(p.Overrides.Total, "override", "overrides") + " in force"
	default:
		return p.Server() + ": all is well"
	}
}

// targetTable is what the template of the same name is given.
type targetTable struct {
	Now     time.Time
	Targets []api.Target
}

// paging is which rows of a list are shown.
type paging struct {
	Shown, Matched int
	Page, Pages    int    // from 1
	Prev, Next     string // links; empty: there is none
}

// paged is where a page of a list begins in it, and what is said of it. A page behind the last is the
// last.
func (sel pageSelection) paged(list string, matched, shown int) (offset int, p paging) {
	if sel.limit > 0 {
		shown = sel.limit
	}
	p = paging{Matched: matched, Pages: max(1, (matched+shown-1)/shown)}
	p.Page = min(max(1, sel.pages[list]), p.Pages)
	offset = (p.Page - 1) * shown
	p.Shown = min(shown, matched-offset)
	if p.Page > 1 {
		p.Prev = sel.link(list, p.Page-1)
	}
	if p.Page < p.Pages {
		p.Next = sel.link(list, p.Page+1)
	}
	return offset, p
}

// link is the address of another page of a list.
func (sel pageSelection) link(list string, number int) string {
	q := url.Values{}
	set := func(key, value string) {
		if value != "" {
			q.Set(key, value)
		}
	}
	set("name", sel.name)
	set("pool", sel.pool)
	set("q", sel.text)
	for other, at := range sel.pages {
		set(other, strconv.Itoa(at))
	}
	if sel.limit > 0 {
		set("limit", strconv.Itoa(sel.limit))
	}
	q.Set(list, strconv.Itoa(number))
	return "/?" + q.Encode() + "#" + anchors[list]
}

// anchors is the part of the page that each parameter turns the pages of.
var anchors = map[string]string{"page": "names", "pools": "pools", "targets": "targets"}

// parsePage reads the parameters of the page.
func parsePage(raw string) (pageSelection, error) {
	q, err := parseQuery(raw, "name", "pool", "q", "limit", "page", "pools", "targets", "part", "done")
	if err != nil {
		return pageSelection{}, err
	}
	sel := pageSelection{selection: q.selection, pool: q.pool, done: q.values.Get("done"), pages: q.pages}
	if q.values.Has("limit") {
		sel.limit = min(q.limit, limitPage)
	}
	if q.values.Has("part") {
		sel.parts = strings.Split(q.values.Get("part"), ",")
	}
	for i, part := range sel.parts {
		if !slices.Contains(parts, part) || slices.Contains(sel.parts[:i], part) {
			return pageSelection{}, api.NewProblem(api.BadRequest, "parameter part: %q is not known, or named twice: want %s, with commas between several", cut(part, 100), listed(parts))
		}
	}
	sel.troubleFirst = true
	return sel, nil
}

// servePage answers /.
func (s *Server) servePage(w http.ResponseWriter, r *http.Request) {
	sel, err := parsePage(r.URL.RawQuery)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	m, lent, release, err := s.moments.take(r.Context(), s.momentKey(), s.observe)
	if err != nil {
		refuseBusy(w, err)
		return
	}
	defer release()
	p := s.page(m, sel)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Vary", "Accept-Encoding")
	status := http.StatusOK
	if p.NotFound != "" {
		status = http.StatusNotFound
	}
	if r.Method == http.MethodHead {
		w.WriteHeader(status)
		return
	}
	shown := sel.parts
	if len(shown) == 0 {
		shown = []string{"page.html"}
	}
	err = s.stream(lent, w, s.packed(w, r, func(out *bufio.Writer) error {
		w.WriteHeader(status) // once packed has said how the body is coded
		for _, part := range shown {
			if err := pageTemplates.ExecuteTemplate(out, part, p); err != nil {
				return err
			}
		}
		return nil
	}))
	if err != nil {
		refuseBusy(w, err)
	}
}

// page is what a moment shows to those who ask for some of it.
func (s *Server) page(m *moment, sel pageSelection) page {
	p := page{Status: s.status(m), Selected: sel, Overrides: m.shownOverrides(), Untold: m.untoldOverrides(), Done: s.deeds.of(sel.done, time.Now())}
	s.matters(&p, m)
	sc := scopeOf(sel.name, m.table)
	if sel.pool != "" {
		sc = scopeOfPool(sel.pool, m.table)
	}
	f := filter{moment: m, selection: sel.selection, scope: sc}

	names := f.names(usesPool(sel.pool))
	offset, paging := sel.paged("page", names.Matched, namesPage)
	f.offset, f.limit = offset, paging.Shown
	p.Naming, p.Longest = paging, m.longestName()
	p.Names = slices.Collect(m.nameRows(f.names(usesPool(sel.pool)), sel.name != ""))
	if m.overrides != nil {
		movesTo(p.Names, m.overrides.Overrides)
	}
	pools := f.pools(nil)
	offset, p.Pooling = sel.paged("pools", pools.Matched, poolsPage)
	f.offset, f.limit = offset, p.Pooling.Shown
	p.Pools = slices.Collect(m.poolRows(f, sel.pool == "" && sel.name == ""))

	if sel.pool != "" || sel.name != "" {
		offset, p.Probing = sel.paged("targets", f.targets(nil).Matched, targetsPage)
		f.offset, f.limit = offset, p.Probing.Shown
		p.Targets = slices.Collect(as(f.targets(nil).Rows, m.newTarget))
	}

	f.offset, f.limit = 0, eventsKept
	p.Entries = entriesOf(slices.Collect(f.events().Rows), m.poolsOfTargets())
	if most := cmp.Or(sel.limit, entriesPage); len(p.Entries) > most {
		p.Entries, p.Earlier = p.Entries[:most], len(p.Entries)-most
	}

	if err := unknownName(sel.selection, &p.Config, names.Matched); err != nil {
		p.NotFound = err.Error()
	} else if sel.pool != "" && sel.text == "" && p.Config.Hash != "" && pools.Matched == 0 {
		p.NotFound = fmt.Sprintf("there is no pool %s", cut(sel.pool, 100))
	}
	return p
}

// longestName is the length of the longest name in steps of eight characters, so that the width of a
// column does not depend on which names are shown.
func (m *moment) longestName() int {
	longest := 0
	for n := range m.names() {
		longest = max(longest, len(n.Name))
	}
	return min(64, (longest+7)/8*8)
}

// more says how many items of a cell are left out; empty: none.
func more(items int) string {
	if items <= cellItems {
		return ""
	}
	return fmt.Sprintf("and %d more, see the API", items-cellItems)
}
