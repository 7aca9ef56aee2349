package admin

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"gslb/admin/api"
	"gslb/replication"
)

// getReplication answers /api/v1/replication.
func (s *Server) getReplication(w http.ResponseWriter, r *http.Request) error {
	if _, err := parseQuery(r.URL.RawQuery); err != nil {
		return err
	}
	return s.observed(r, func(m *moment, _ context.Context) error {
		return answerJSON(w, r, http.StatusOK, api.ReplicationList{Replications: m.replications()})
	})
}

// replications is what is known of every replicated table.
func (m *moment) replications() []api.Replication {
	list := []api.Replication{}
	for i := range m.copies {
		r := &m.copies[i]
		made := api.Replication{
			Name: r.Group.Name, Table: r.Group.Table, Writer: r.Group.Writer, Interval: r.Group.Interval.Seconds(), MaxLag: r.Group.MaxLag.Seconds(),
			Regions: []api.Copy{}, Lags: []api.Lag{},
		}
		for _, c := range r.Regions {
			made.Regions = append(made.Regions, api.Copy{
				Region: c.Region, Condition: c.State.Condition.String(), Since: utc(c.State.Since), Degraded: c.State.Degraded,
				Current: utc(c.State.Good), Why: cut(c.State.Why, longestText), Pools: m.poolsOf(r.Group.Name, c.Region),
				Wrote: utc(c.Wrote), Read: utc(c.Read), Failing: callsFailing(&c),
			})
		}
		for _, l := range r.Lags {
			lag := api.Lag{From: l.From, To: l.To, Arrival: l.Arrival.String(), Read: utc(l.Read)}
			if l.Known {
				seconds := l.Lag.Seconds()
				lag.Lag = &seconds
			}
			made.Lags = append(made.Lags, lag)
		}
		list = append(list, made)
	}
	return list
}

// callsFailing says which calls of a region fail at present; empty: none.
func callsFailing(c *replication.RegionReport) string {
	var what []string
	if c.Unwritten {
		what = append(what, "write")
	}
	if c.Unread {
		what = append(what, "read")
	}
	return strings.Join(what, " and ")
}

// poolsOf is the pools whose data is a copy.
func (m *moment) poolsOf(group, region string) []string {
	pools := []string{}
	if m.table == nil {
		return pools
	}
	for _, p := range m.table.Set().Pools {
		if p.Replication != nil && p.Replication.Name == group && p.Region == region {
			pools = append(pools, p.Name)
		}
	}
	return pools
}

// sayCopies lists what a person should know of replicated tables.
func sayCopies(list []api.Replication) []api.Trouble {
	var all []api.Trouble
	for _, r := range list {
		for _, c := range r.Regions {
			text := fmt.Sprintf("Replication %s: the copy in %s is %s", r.Name, c.Region, c.Condition)
			switch {
			case c.Degraded && len(c.Pools) > 0:
				text += ", so that no clients are moved to " + strings.Join(c.Pools, ", ")
			case c.Degraded, c.Condition == string(replication.Silent), c.Condition == string(replication.Ambiguous):
			default:
				continue
			}
			if c.Why != "" {
				text += " (" + cut(c.Why, longestError) + ")"
			}
			all = append(all, api.Trouble{Text: text})
		}
	}
	return all
}

// matrix is the lags of a replication as a table: a row for each region that is written.
type matrix struct {
	api.Replication
	Rows []matrixRow
}

type matrixRow struct {
	From  api.Copy
	Cells []matrixCell // as Replication.Regions
}

type matrixCell struct {
	Self bool // a region's own
	Text string
	Late bool
}

// Matrices is the replications of a page.
func (p page) Matrices() []matrix {
	var list []matrix
	for _, r := range p.Replications {
		m := matrix{Replication: r}
		for _, from := range r.Regions {
			row := matrixRow{From: from}
			for _, to := range r.Regions {
				at := slices.IndexFunc(r.Lags, func(l api.Lag) bool { return l.From == from.Region && l.To == to.Region })
				if at < 0 {
					row.Cells = append(row.Cells, matrixCell{Self: true})
					continue
				}
				row.Cells = append(row.Cells, matrixCell{Text: lagText(&r.Lags[at]), Late: r.Lags[at].Arrival == replication.Late.String()})
			}
			m.Rows = append(m.Rows, row)
		}
		list = append(list, m)
	}
	return list
}

// lagText is a lag for people.
func lagText(l *api.Lag) string {
	switch {
	case l.Lag == nil:
		return "not known"
	case *l.Lag < 0.1:
		return "none"
	}
	return duration(time.Duration(*l.Lag * float64(time.Second)))
}
