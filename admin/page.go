package admin

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"time"
)

// cellItems is how many members, addresses or reasons a row of the page lists, so that a
// page of limitPage rows has an upper bound.
const cellItems = 50

//go:embed assets/page.html assets/page.css assets/page.js
var assets embed.FS

// pageTemplate escapes by context: reasons and details come from what was probed, and an
// app in trouble can say anything.
var pageTemplate = template.Must(template.New("page.html").Funcs(template.FuncMap{
	"ago":     ago,
	"since":   func(now, t time.Time) string { return duration(now.Sub(t)) },
	"when":    when,
	"short":   short,
	"shown":   shown,
	"fits":    func(i int) bool { return i < cellItems },
	"more":    more,
	"others":  others,
	"seconds": func(s float64) string { return duration(time.Duration(s * float64(time.Second))) },
}).ParseFS(assets, "assets/page.html"))

// page is what the template is given.
type page struct {
	Status
	Problems []problem
	Name     string // the one name asked for; empty: all
	Text     string // of the filter
	NotFound string // why nothing is shown; empty: something is
}

// Critical reports whether any problem is.
func (p page) Critical() bool { return len(p.Problems) > 0 && p.Problems[0].Critical }

// Title is what the browser's tab says, where the page is one of many.
func (p page) Title() string {
	switch {
	case p.Critical():
		return "✖ gslb: " + p.Problems[0].Text
	case len(p.Problems) > 0:
		return "▲ gslb: " + p.Problems[0].Text
	default:
		return "gslb: all is well"
	}
}

// servePage answers /.
func (s *Server) servePage(w http.ResponseWriter, r *http.Request) {
	sel, err := parseSelection(r.URL.Query())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	sel.limit, sel.troubleFirst = min(sel.limit, limitPage), true
	status := s.status(sel)
	p := page{Status: status, Problems: problems(status), Name: sel.name, Text: r.URL.Query().Get("q")}
	code := http.StatusOK
	if err := unknownName(sel, status); err != nil {
		p.NotFound, code = err.Error(), http.StatusNotFound
	}
	var body bytes.Buffer
	if err := pageTemplate.Execute(&body, p); err != nil {
		s.options.Logger.Error("render the status page", "error", err)
		http.Error(w, "the page could not be rendered; see the log", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	w.Write(body.Bytes()) // the client is gone if it fails
}

// shown says how much of a list is on the page, where that is not all of it.
func shown(rows, matched int) string {
	switch {
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

// duration writes a duration by its two largest units, as one reads it out.
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

// short abbreviates a hash to what a person compares.
func short(hash string) string { return hash[:min(len(hash), 12)] }
