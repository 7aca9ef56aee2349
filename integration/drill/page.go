package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"
	"time"

	"gslb/integration/figures"
	"gslb/internal/plural"
)

//go:embed report.html
var reportPage string

// html is the page that a manager reads: one file that needs nothing else.
func (r *report) html() ([]byte, error) {
	page, err := template.New("report").Funcs(template.FuncMap{"date": func(t time.Time) string { return t.Format("2 January 2006, 15:04 MST") }}).Parse(reportPage)
	if err != nil {
		return nil, fmt.Errorf("page of the report: %w", err)
	}
	var out bytes.Buffer
	if err := page.Execute(&out, r.view()); err != nil {
		return nil, fmt.Errorf("page of the report: %w", err)
	}
	return out.Bytes(), nil
}

// pageView is what the page shows.
type pageView struct {
	*report
	Plain    string // the name without its last dot
	Took     string
	Worst    string // the longest time until the last client had moved
	WorstIs  string
	Typical  string // the median of all moves of clients
	Late     int
	Findings []string
	Rows     []pageRow
	Faulty   []*faultReport // that move clients
	Moves    []row          // of the clients
	Resolved []row          // of the resolvers
	Charts   []chart
}

// Kinds says how many faults there were, and of what.
func (v pageView) Kinds() string {
	ofServer := 0
	for _, f := range v.Faults {
		if f.Server {
			ofServer++
		}
	}
	text := plural.Of(len(v.Faults)-ofServer, "fault", "faults") + " of " + v.Preferred
	if ofServer > 0 {
		text += " and " + strconv.Itoa(ofServer) + " of a name server"
	}
	return text
}

type pageRow struct {
	*faultReport
	Cells []string
}

func (r *report) view() pageView {
	v := pageView{report: r, Plain: strings.TrimSuffix(r.Name, "."), Took: r.Ended.Sub(r.Began).Round(time.Second).String(), Findings: r.findings(), Worst: "-", Faulty: r.moving(), Moves: r.clientRows(), Resolved: r.resolverRows()}
	var worstTime secs
	var moves []float64
	for _, f := range r.Faults {
		v.Rows = append(v.Rows, pageRow{f, f.row()[1:]})
		v.Charts = append(v.Charts, newChart(r, f))
		if f.Stays {
			continue
		}
		v.Late += len(f.late())
		for _, c := range f.Clients {
			if c.Moved != nil {
				moves = append(moves, float64(*c.Moved))
			}
		}
		if m := f.slowest(); m != nil && f.lasted(*m) > worstTime {
			worstTime, v.WorstIs = f.lasted(*m), f.What
			v.Worst = f.lastOf([]moveReport{*m})
		}
	}
	if len(moves) > 0 {
		v.Typical = secs(figures.Sample(moves).Median()).String()
	}
	return v
}

// The measures of a chart, in units of its picture.
const (
	chartLeft  = 190 // for the names
	chartWidth = 760 // of the time
	chartRight = 50
	laneHeight = 5 // of one client on one resolver
	laneGap    = 1
	bandGap    = 7 // between kinds of clients
	chartTop   = 34
	chartFoot  = 22
)

// chart is the timeline of a fault, as a picture.
type chart struct {
	Title   string
	Summary string // for those who do not see it
	Width   int
	Height  int
	Bands   []band
	Ticks   []mark
	Marks   []mark
	Top     int
	Bottom  int
}

// band is the lanes of a kind of client, of all resolvers or of the servers.
type band struct {
	Label string
	Y     int // of the label
	Bars  []bar
}

// bar is a piece of a lane.
type bar struct {
	X, W  float64
	Y, H  int
	Class string // old, new, fail
	Title string
}

type mark struct {
	X     float64
	Label string
	Class string
	Y     int // of the label
}

func newChart(r *report, f *faultReport) chart {
	c := chart{Title: fmt.Sprintf("%s: %s", f.Fault, f.What), Summary: f.sentence(), Width: chartLeft + chartWidth + chartRight, Top: chartTop}
	until := max(float64(f.Until), 1)
	x := func(s secs) float64 {
		return chartLeft + math.Round(min(float64(s), until)/until*chartWidth*10)/10
	}
	y := chartTop
	lane := func(b *band, name string, pieces []piece) {
		for _, p := range pieces {
			class, what := "fail", "fails"
			switch p.Region {
			case r.Preferred:
				class, what = "old", p.Region
			case r.Other:
				class, what = "new", p.Region
			}
			b.Bars = append(b.Bars, bar{X: x(p.From), W: max(x(p.To)-x(p.From), 0.5), Y: y, H: laneHeight, Class: class, Title: fmt.Sprintf("%s: %s from %v to %v", name, what, p.From, p.To)})
		}
		y += laneHeight + laneGap
	}
	finish := func(b *band, top int) {
		b.Y = (top + y) / 2
		c.Bands = append(c.Bands, *b)
		y += bandGap
	}
	servers, top := band{Label: "answers of the servers"}, y
	for _, s := range f.Servers {
		lane(&servers, s.Name, s.Lane)
	}
	finish(&servers, top)
	resolvers, top := band{Label: "answers of the resolvers"}, y
	for _, m := range f.Resolvers {
		lane(&resolvers, m.Name, m.Lane)
	}
	finish(&resolvers, top)
	for _, kind := range r.Clients {
		b, top := band{Label: kind.What}, y
		for _, m := range f.Clients {
			if m.Name == kind.Name {
				lane(&b, m.who(), m.Lane)
			}
		}
		finish(&b, top)
	}
	c.Bottom = y
	c.Height = y + chartFoot
	step := 1.0
	for _, s := range []float64{1, 2, 5, 10, 20} {
		if step = s; until/s <= 12 {
			break
		}
	}
	for t := 0.0; t <= until; t += step {
		c.Ticks = append(c.Ticks, mark{X: x(secs(t)), Label: fmt.Sprintf("%.0f s", t), Y: y + 15})
	}
	if t, ok := f.detectedAfter(); ok {
		c.Marks = append(c.Marks, mark{X: x(t), Label: "detected " + t.String(), Class: "detected", Y: 12})
	}
	if t, ok := f.resolvedAfter(); ok && !f.Stays {
		c.Marks = append(c.Marks, mark{X: x(t), Label: "all resolvers moved " + t.String(), Class: "resolved", Y: 26})
	}
	return c
}
